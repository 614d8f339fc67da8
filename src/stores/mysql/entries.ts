/**
 * @module
 * Reading records, and stretches of a log.
 */
import type { Entry } from "../../log/entry.ts";
import type { SessionRecord } from "../../log/record.ts";
import { decodeRecord } from "../../store/codec.ts";
import type { ReadRange } from "../../store/store.ts";
import { entryOf } from "../sql/encode.ts";
import type { SqlTables } from "../sql/names.ts";
import { backtickName } from "../sql/names.ts";
import type { Row } from "../sql/rows.ts";
import { rowReader } from "../sql/rows.ts";
import type { Connection } from "./connection.ts";
import { NAME } from "./errors.ts";
import { stretches } from "./rows.ts";
import { bytesOf, placeholders, wholeNumber } from "./values.ts";

const { number, text, textOrNull } = rowReader(NAME);
const MAX_LOOKED_UP = 500;

/** What {@link toEntry} needs of a row, of the table that is called `e`. */
export const ENTRY_COLUMNS = "e.seq, e.type, e.at, e.id, e.commit_id, e.text, e.data";

/** The entry in `row`. Throws STORE_CORRUPT where it is none. */
export function toEntry(row: Row, sessionId: string): Entry {
  return entryOf(
    {
      seq: number(row, "seq"),
      id: textOrNull(row, "id"),
      type: text(row, "type"),
      at: number(row, "at"),
      text: textOrNull(row, "text"),
      commit: textOrNull(row, "commit_id"),
      data: text(row, "data"),
    },
    sessionId,
    NAME,
  );
}

export interface Reader {
  find(namespace: string, ids: readonly string[]): Promise<(SessionRecord | undefined)[]>;
  read(namespace: string, id: string, range: ReadRange): Promise<Entry[]>;
}

export function createReader(connection: Connection, tables: SqlTables): Reader {
  const sessions = backtickName(tables.sessions);
  const findRecords = `SELECT id, record FROM ${sessions} WHERE namespace = ? AND id IN `;
  const readEntries = `SELECT ${ENTRY_COLUMNS} FROM ${backtickName(tables.entries)} AS e FORCE INDEX (PRIMARY) WHERE e.session_key = (SELECT s.session_key FROM ${sessions} AS s WHERE s.namespace = ? AND s.id = ?) AND e.seq > ? AND e.seq <= ?`;

  return {
    async find(namespace, ids) {
      const records = new Map<string, SessionRecord>();
      const bound = [...new Set(ids)].map(bytesOf);
      if (bound.length === 0) await connection.settings();
      for (const some of stretches(bound, () => 0, MAX_LOOKED_UP)) {
        const values = [Buffer.from(namespace), ...some];
        const { rows } = await connection.query(findRecords + placeholders(some.length), values);
        for (const row of rows) {
          const id = text(row, "id");
          records.set(id, decodeRecord(text(row, "record"), id, NAME));
        }
      }
      return ids.map((id) => records.get(id));
    },

    async read(namespace, id, { after, upTo = Number.MAX_SAFE_INTEGER, limit, reverse = false, types }) {
      // An empty list asks for nothing, and is no SQL.
      const filter = types
        ? ` AND e.type IN ${types.length > 0 ? placeholders(types.length) : "(NULL)"}`
        : "";
      const { rows } = await connection.query(
        `${readEntries}${filter} ORDER BY e.seq${reverse ? " DESC" : ""} LIMIT ?`,
        [
          Buffer.from(namespace),
          bytesOf(id),
          wholeNumber(after),
          wholeNumber(upTo),
          ...(types ?? []).map(bytesOf),
          Math.max(wholeNumber(limit), 0),
        ],
      );
      return rows.map((row) => toEntry(row, id));
    },
  };
}

/**
 * @module
 * Reading records, and stretches of a log.
 */
import type { Entry } from "../../log/entry.ts";
import type { SessionRecord } from "../../log/record.ts";
import { decodeRecord } from "../../store/codec.ts";
import type { ReadRange } from "../../store/store.ts";
import type { EntryColumn, Named } from "../sql/columns.ts";
import { aliased, selected } from "../sql/columns.ts";
import { entryOf } from "../sql/encode.ts";
import type { Row } from "../sql/rows.ts";
import { rowReader } from "../sql/rows.ts";
import type { Tables } from "../sql/tables.ts";
import type { Connection } from "./connection.ts";
import { NAME } from "./errors.ts";
import { arrayText, bigintText, storedText, textOf } from "./values.ts";

const { number, text, textOrNull } = rowReader(NAME);

/** What {@link toEntry} needs of a row. */
const ENTRY_COLUMNS = ["seq", "type", "at", "id", "commit_id", "text", "data"] as const;

/** The columns, of the entries that `e` names, under names that no driver's renaming of columns touches. */
export function entryColumns(e: Named<EntryColumn>): string {
  return ENTRY_COLUMNS.map((column) => `${e[column]} AS ${column.replace("_", "")}`).join(", ");
}

/** The entry in `row`. Throws STORE_CORRUPT where it is none. */
export function toEntry(row: Row, sessionId: string): Entry {
  const id = textOrNull(row, "id");
  const commit = textOrNull(row, "commitid");
  return entryOf(
    {
      seq: number(row, "seq"),
      id: id === null ? null : textOf(id),
      type: textOf(text(row, "type")),
      at: number(row, "at"),
      text: textOrNull(row, "text"),
      commit: commit === null ? null : textOf(commit),
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

export function createReader(connection: Connection, tables: Tables): Reader {
  const { sessions, entries, columns } = tables;
  const s = aliased("s", columns.sessions);
  const e = aliased("e", columns.entries);
  const findRecords = `SELECT ${selected(s, "id", "record")} FROM ${sessions} AS s WHERE ${s.namespace} = $1::text AND ${s.id} = ANY ($2::text::text[])`;
  const readEntries = `SELECT ${entryColumns(e)} FROM ${entries} AS e WHERE ${e.session_key} = (SELECT ${s.key} FROM ${sessions} AS s WHERE ${s.namespace} = $1::text AND ${s.id} = $2::text) AND ${e.seq} > $3::text::bigint AND ${e.seq} <= $4::text::bigint`;

  return {
    async find(namespace, ids) {
      const stored = arrayText([...new Set(ids)].map(storedText));
      const rows = await connection.query(findRecords, [namespace, stored], true);
      const records = new Map<string, SessionRecord>();
      for (const row of rows) {
        const id = textOf(text(row, "id"));
        records.set(id, decodeRecord(text(row, "record"), id, NAME));
      }
      return ids.map((id) => records.get(id));
    },

    async read(namespace, id, { after, upTo = Number.MAX_SAFE_INTEGER, limit, reverse = false, types }) {
      const filter = types ? ` AND ${e.type} = ANY ($6::text::text[])` : "";
      const rows = await connection.query(
        `${readEntries}${filter} ORDER BY ${e.seq}${reverse ? " DESC" : ""} LIMIT $5::text::bigint`,
        [
          namespace,
          storedText(id),
          bigintText(after),
          bigintText(upTo),
          bigintText(limit),
          ...(types ? [arrayText(types.map(storedText))] : []),
        ],
        true,
      );
      return rows.map((row) => toEntry(row, id));
    },
  };
}

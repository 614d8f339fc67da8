/**
 * @module
 * Entries as rows, and reading stretches of a log.
 */
import type { Entry } from "../../log/entry.ts";
import type { ReadRange } from "../../store/store.ts";
import { entryOf } from "../sql/encode.ts";
import type { SqlTables } from "../sql/names.ts";
import { quoteName } from "../sql/names.ts";
import type { Sql } from "./connection.ts";
import type { Row } from "./driver.ts";
import { idOrNull, integer, text, textOrNull } from "./driver.ts";
import { NAME } from "./errors.ts";

/** What {@link toEntry} needs of a row. */
export const ENTRY_COLUMNS = "seq, type, at, id, commit_id, text, data";

/** The entry in `row`. Throws STORE_CORRUPT where it is none. */
export function toEntry(row: Row, sessionId: string): Entry {
  return entryOf(
    {
      seq: integer(row, "seq"),
      id: idOrNull(row, "id"),
      type: text(row, "type"),
      at: integer(row, "at"),
      text: textOrNull(row, "text"),
      commit: textOrNull(row, "commit_id"),
      data: text(row, "data"),
    },
    sessionId,
    NAME,
  );
}

export type Reader = (sql: Sql, namespace: string, id: string, range: ReadRange) => Entry[];

export function createReader(tables: SqlTables): Reader {
  const sessions = quoteName(tables.sessions);
  const entries = quoteName(tables.entries);
  const head = `SELECT ${ENTRY_COLUMNS} FROM ${entries} WHERE session_key = (SELECT key FROM ${sessions} WHERE namespace = ? AND id = ?) AND seq > ? AND seq <= ?`;

  return (sql, namespace, id, { after, upTo, limit, reverse = false, types }) => {
    const filter = types ? ` AND type IN (${types.map(() => "?").join(", ")})` : "";
    // A limit of -1 is none.
    const values = [
      namespace,
      id,
      after,
      upTo ?? Number.MAX_SAFE_INTEGER,
      ...(types ?? []),
      Number.isFinite(limit) ? limit : -1,
    ];
    const rows = sql.all(`${head}${filter} ORDER BY seq${reverse ? " DESC" : ""} LIMIT ?`, ...values);
    return rows.map((row) => toEntry(row, id));
  };
}

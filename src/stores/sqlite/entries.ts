/**
 * @module
 * Entries as rows, and reading stretches of a log.
 */
import type { Entry } from "../../log/entry.ts";
import type { ReadRange } from "../../store/store.ts";
import type { EntryColumn, Named } from "../sql/columns.ts";
import { aliased, selected } from "../sql/columns.ts";
import { entryOf } from "../sql/encode.ts";
import type { Tables } from "../sql/tables.ts";
import type { Sql } from "./connection.ts";
import type { Row } from "./driver.ts";
import { idOrNull, integer, text, textOrNull } from "./driver.ts";
import { NAME } from "./errors.ts";

/** How columns are read that hold values of several types: an id is text or bytes, a time is a whole number or not. */
export interface Reading {
  readonly id: (column: string) => string;
  readonly time: (column: string) => string;
  readonly sessionId: (column: string) => string;
}

/** For drivers that answer with each value as it is. As bytes, libsql reads a text past the NUL in it. */
export const AS_STORED: Reading = {
  id: (column) => column,
  time: (column) => column,
  sessionId: (column) => `CAST(${column} AS BLOB)`,
};

/** For clients that take all values of a column to be of one type. */
export const AS_ONE_TYPE: Reading = {
  id: (column) => `CAST(${column} AS TEXT)`,
  time: (column) => `CAST(${column} AS REAL)`,
  sessionId: (column) => column,
};

/** What {@link toEntry} needs of a row, of the entries that `e` names. */
export function entryColumns(reading: Reading, e: Named<EntryColumn>): string {
  return `${selected(e, "seq", "type", "commit_id", "text", "data")}, ${reading.time(e.at)} AS at, ${reading.id(e.id)} AS id`;
}

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

export function createReader(tables: Tables, reading: Reading): Reader {
  const { sessions, entries, columns } = tables;
  const s = aliased("s", columns.sessions);
  const e = aliased("e", columns.entries);
  const head = `SELECT ${entryColumns(reading, e)} FROM ${entries} AS e WHERE ${e.session_key} = (SELECT ${s.key} FROM ${sessions} AS s WHERE ${s.namespace} = ? AND ${s.id} = ?) AND ${e.seq} > ? AND ${e.seq} <= ?`;

  return (sql, namespace, id, { after, upTo, limit, reverse = false, types }) => {
    const filter = types ? ` AND ${e.type} IN (${types.map(() => "?").join(", ")})` : "";
    // A limit of -1 is none.
    const values = [
      namespace,
      id,
      after,
      upTo ?? Number.MAX_SAFE_INTEGER,
      ...(types ?? []),
      Number.isFinite(limit) ? limit : -1,
    ];
    const rows = sql.all(`${head}${filter} ORDER BY ${e.seq}${reverse ? " DESC" : ""} LIMIT ?`, ...values);
    return rows.map((row) => toEntry(row, id));
  };
}

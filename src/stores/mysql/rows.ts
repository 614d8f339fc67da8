/**
 * @module
 * Many rows in few statements.
 */
import { backtickName } from "../sql/names.ts";
import type { Session } from "./client.ts";
import { rowBytes } from "./columns.ts";
import type { SqlValue } from "./values.ts";
import { placeholders } from "./values.ts";

/** So few rows are sent by a prepared statement, so that a connection has few of them. */
const MAX_PREPARED_ROWS = 8;
/** As text a row takes twice its bytes, and many servers are set to take no more than 1 MiB at once. */
const MAX_STATEMENT_BYTES = 256 * 1024;
const MAX_STATEMENT_ROWS = 500;

/** `rows` in stretches of which each is one statement; a large row is alone. */
export function stretches<T>(
  rows: readonly T[],
  bytesOf: (row: T) => number,
  maxRows = MAX_STATEMENT_ROWS,
): T[][] {
  const found: T[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    const added = bytesOf(row);
    const last = found.at(-1);
    bytes += added;
    if (last && bytes <= MAX_STATEMENT_BYTES && last.length < maxRows) {
      last.push(row);
    } else {
      found.push([row]);
      bytes = added;
    }
  }
  return found;
}

/** @throws what the server says where one of them is there already; then none of its statement was written. */
export async function insertRows(
  session: Session,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly SqlValue[])[],
): Promise<number> {
  const head = `INSERT INTO ${backtickName(table)} (${columns.join(", ")}) VALUES `;
  let insertId = 0;
  for (const stretch of stretches(rows, rowBytes)) {
    const sql = head + Array(stretch.length).fill(placeholders(columns.length)).join(", ");
    const way = stretch.length <= MAX_PREPARED_ROWS ? session.execute : session.query;
    insertId = (await way(sql, stretch.flat())).insertId;
  }
  return insertId;
}

/**
 * Rows of values as a table to join: `SELECT ? AS a, ? AS b UNION ALL SELECT ?, ? …`. Nothing else is a table of values
 * to both MySQL and MariaDB.
 */
export function valuesTable(columns: readonly string[], count: number): string {
  const first = `SELECT ${columns.map((column) => `? AS ${column}`).join(", ")}`;
  const next = ` UNION ALL SELECT ${columns.map(() => "?").join(", ")}`;
  return first + next.repeat(count - 1);
}

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
/** How many sessions one UPDATE writes, which looks for each row's values among all of them. */
const MAX_UPDATED = 64;

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

/** Inserts rows; answers with the key that the server gave the first one of the last statement, 0 where it gave none. */
export type RowInserter = (session: Session, rows: readonly (readonly SqlValue[])[]) => Promise<number>;

/** @throws what the server says where a row is there already; then none of its statement was written. */
export function rowInserter(table: string, columns: readonly string[]): RowInserter {
  const head = `INSERT INTO ${backtickName(table)} (${columns.join(", ")}) VALUES `;
  const row = placeholders(columns.length);
  const insert = (count: number): string => head + Array(count).fill(row).join(", ");
  const prepared = Array.from({ length: MAX_PREPARED_ROWS }, (_, index) => insert(index + 1));

  return async (session, rows) => {
    let insertId = 0;
    for (const stretch of stretches(rows, rowBytes)) {
      const sql = prepared[stretch.length - 1];
      const { insertId: key } =
        sql === undefined
          ? await session.query(insert(stretch.length), stretch.flat())
          : await session.execute(sql, stretch.flat());
      insertId = key;
    }
    return insertId;
  };
}

/**
 * Writes `columns` of sessions, by their keys. Columns for which all have the same value, as many have, are set to it;
 * others are chosen by the key, which is read several times as fast as a table of values to join.
 */
export async function updateRows(
  session: Session,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly [key: number, values: readonly SqlValue[]])[],
): Promise<void> {
  // FORCE INDEX, because a scan of a small table would lock all of it.
  const update = `UPDATE ${backtickName(table)} FORCE INDEX (PRIMARY) SET `;
  for (const some of stretches(rows, ([, values]) => rowBytes(values), MAX_UPDATED)) {
    const keys = some.map(([key]) => key);
    if (some.length === 1) {
      const sql = `${update}${columns.map((column) => `${column} = ?`).join(", ")} WHERE session_key = ?`;
      await session.execute(sql, [...some.flatMap(([, values]) => values), ...keys]);
      continue;
    }
    const changes: string[] = [];
    const bound: SqlValue[] = [];
    columns.forEach((column, place) => {
      const values = some.map(([, row]) => row[place] ?? null);
      const [first = null] = values;
      if (values.every((value) => isSame(value, first))) {
        changes.push(`${column} = ?`);
        bound.push(first);
      } else {
        changes.push(`${column} = CASE session_key${" WHEN ? THEN ?".repeat(some.length)} END`);
        bound.push(...values.flatMap((value, index) => [keys[index] ?? null, value]));
      }
    });
    const where = ` WHERE session_key IN ${placeholders(some.length)}`;
    await session.query(update + changes.join(", ") + where, [...bound, ...keys]);
  }
}

function isSame(one: SqlValue, other: SqlValue): boolean {
  return Buffer.isBuffer(one) && Buffer.isBuffer(other) ? one.equals(other) : one === other;
}

/**
 * The condition that two columns, which an index begins with, are one of `pairs`: an index is taken for it in every
 * statement, which is not so for `(a, b) IN ((?, ?), …)`.
 */
export function anyPair(
  first: string,
  second: string,
  pairs: readonly (readonly [SqlValue, SqlValue])[],
): { sql: string; values: SqlValue[] } {
  const groups = new Map<SqlValue, SqlValue[]>();
  for (const [key, value] of pairs) {
    const group = groups.get(key);
    if (group) group.push(value);
    else groups.set(key, [value]);
  }
  const conditions = [...groups].map(
    ([, values]) => `(${first} = ? AND ${second} IN ${placeholders(values.length)})`,
  );
  return { sql: `(${conditions.join(" OR ")})`, values: [...groups].flat(2) };
}

/**
 * @module
 * What the store needs of a SQLite driver. node:sqlite, better-sqlite3 and libsql all have it.
 */
import { HoldfastError, invalidArgument, messageOf } from "../../log/errors.ts";
import type { Row } from "../sql/rows.ts";
import { isRow, rowReader } from "../sql/rows.ts";
import { NAME } from "./errors.ts";

export type { Row } from "../sql/rows.ts";
export { isRow } from "../sql/rows.ts";

export type SqlValue = string | number | null | Uint8Array;

export interface RunResult {
  readonly changes: number | bigint;
  readonly lastInsertRowid: number | bigint;
}

/** A prepared statement with positional parameters. */
export interface SqliteStatement {
  run(...values: SqlValue[]): RunResult;
  get(...values: SqlValue[]): unknown;
  all(...values: SqlValue[]): unknown[];
}

/** An open database of a synchronous driver: `DatabaseSync` of node:sqlite, better-sqlite3's or libsql's `Database`. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
}

/**
 * The file of `database`, `""` where it is in memory.
 *
 * @throws INVALID_ARGUMENT unless it is an open database of a driver that answers synchronously.
 */
export function fileOf(database: SqliteDatabase): string {
  const wrong =
    "database must be an open DatabaseSync of node:sqlite, or an open Database of better-sqlite3 or libsql (not of a driver that answers with promises)";
  if (typeof database !== "object" || database === null) throw invalidArgument(wrong);
  if (typeof database.prepare !== "function" || typeof database.exec !== "function")
    throw invalidArgument(wrong);
  let row: unknown;
  try {
    const statement: unknown = database.prepare("PRAGMA database_list");
    if (!isStatement(statement)) throw invalidArgument(wrong);
    row = statement.all().find((found) => isRow(found) && found.name === "main");
  } catch (error) {
    throw HoldfastError.is(error) ? error : invalidArgument(`${wrong}: ${messageOf(error)}`);
  }
  if (!isRow(row)) throw invalidArgument(wrong);
  return typeof row.file === "string" ? row.file : "";
}

/** Whether the SQLite of `database`, or of this Node without one, has FTS5; node:sqlite has it from Node 22.16. */
export function hasFullText(database?: SqliteDatabase): boolean {
  // The plain pragma, not its table: that would read the schema, which another process may have locked.
  const find = (open: SqliteDatabase): boolean =>
    open
      .prepare("PRAGMA module_list")
      .all()
      .some((module) => isRow(module) && module.name === "fts5");
  if (database) return find(database);
  if (ownFullText !== undefined) return ownFullText;
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  const probe = new DatabaseSync(":memory:");
  ownFullText = find(probe);
  probe.close();
  return ownFullText;
}

let ownFullText: boolean | undefined;

/** Whether a transaction is open on `database`; `undefined` where it is closed, or its driver does not tell. */
export function isInTransaction(database: SqliteDatabase): boolean | undefined {
  const state: SqliteDatabase & DriverState = database;
  // libsql ends the process when a closed database is asked.
  if (state.open === false || state.isOpen === false) return undefined;
  return state.inTransaction ?? state.isTransaction;
}

/** As better-sqlite3 and libsql call it, and as node:sqlite does. */
interface DriverState {
  readonly open?: boolean;
  readonly isOpen?: boolean;
  readonly inTransaction?: boolean;
  readonly isTransaction?: boolean;
}

function isStatement(value: unknown): value is SqliteStatement {
  return typeof value === "object" && value !== null && "all" in value && typeof value.all === "function";
}

/** Some drivers can be set to answer with bigint. */
export const { number: integer, text, textOrNull } = rowReader(NAME);

/**
 * An id as it is stored: text, but bytes where it holds NUL, which libsql reads as the end of a text. Bytes and text
 * are never equal in SQLite, so two ids never meet.
 */
export function storedId(id: string | undefined): SqlValue {
  if (id === undefined) return null;
  return id.includes("\0") ? Buffer.from(id) : id;
}

export function idOrNull(row: Row, column: string): string | null {
  const value = row[column];
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  // libsql answers so where it reads several rows.
  if (value instanceof ArrayBuffer) return Buffer.from(value).toString();
  return textOrNull(row, column);
}

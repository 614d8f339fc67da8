/**
 * @module
 * What the store needs of a Drizzle database, and what its errors are errors of. Drizzle is not imported.
 */
import { HoldfastError, invalidArgument } from "../../log/errors.ts";
import { hasFunction } from "../postgres/client.ts";
import { isRow } from "../sql/rows.ts";
import type { SqliteDatabase } from "../sqlite/driver.ts";

/** A statement with its values, as Drizzle asks for it. */
export interface DrizzleQuery {
  getSQL(): { toQuery(config: never): { readonly sql: string; readonly params: readonly unknown[] } };
}

/** A database of drizzle-orm/node-postgres, /postgres-js or /pglite, or the `tx` of one of its transactions. */
export interface DrizzlePostgres {
  execute(query: DrizzleQuery | string): PromiseLike<unknown>;
  transaction<T>(work: (tx: DrizzlePostgres) => Promise<T>): Promise<T>;
}

/** A database of drizzle-orm/better-sqlite3. */
export interface DrizzleSqlite {
  readonly $client: SqliteDatabase;
}

/** The names of the Drizzle classes that `value` is of, by which Drizzle itself tells them. */
export function kindsOf(value: unknown): string[] {
  const kinds: string[] = [];
  for (let one: unknown = value; typeof one === "object" && one !== null; one = Object.getPrototypeOf(one)) {
    const made: unknown = Reflect.get(one, "constructor");
    const kind: unknown = typeof made === "function" ? Reflect.get(made, ENTITY_KIND) : undefined;
    if (typeof kind === "string" && !kinds.includes(kind)) kinds.push(kind);
  }
  return kinds;
}

const ENTITY_KIND = Symbol.for("drizzle:entityKind");

/** The database to write to and read from, where `db` is one that reads from replicas. */
export function primaryOf(db: unknown): unknown {
  return isRow(db) && isRow(db.$primary) ? db.$primary : db;
}

export function isPostgres(db: unknown): db is DrizzlePostgres {
  return kindsOf(db).includes("PgDatabase") && hasFunction(db, "execute");
}

/** @throws INVALID_ARGUMENT for what is neither PostgreSQL nor better-sqlite3, each with what to do. */
export function checkSqlite(db: unknown): asserts db is DrizzleSqlite {
  const kinds = kindsOf(db);
  if (kinds.includes("BetterSQLite3Database") && isRow(db) && hasFunction(db.$client, "prepare")) return;
  if (kinds.includes("BetterSQLiteTransaction")) {
    throw invalidArgument(
      'a transaction of drizzle-orm/better-sqlite3 ends with its callback, before anything asynchronous is done; begin one by db.run(sql`BEGIN IMMEDIATE`), give drizzleStore({ db, transaction: "yours" }), and end it by db.run(sql`COMMIT`)',
    );
  }
  if (kinds.includes("BaseSQLiteDatabase")) {
    throw invalidArgument(
      "drizzleStore works on SQLite through drizzle-orm/better-sqlite3 only; give sqliteStore a path or a database of its own",
    );
  }
  throw invalidArgument(
    kinds.includes("MySqlDatabase")
      ? "drizzleStore works on PostgreSQL and SQLite; for MySQL give mysqlStore the pool that Drizzle wraps"
      : "db must be a database of drizzle-orm/node-postgres, drizzle-orm/postgres-js, drizzle-orm/pglite or drizzle-orm/better-sqlite3",
  );
}

/** The error of the driver. Drizzle's own has the values of the statement in its message. */
export function driverError(error: unknown): unknown {
  if (HoldfastError.is(error) || !(error instanceof Error)) return error;
  const isOfDrizzle = kindsOf(error).some((kind) => kind.startsWith("Drizzle")) || "params" in error;
  return isOfDrizzle ? driverError(error.cause ?? new TypeError("a statement failed in Drizzle")) : error;
}

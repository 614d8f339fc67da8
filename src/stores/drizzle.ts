/**
 * The PostgreSQL store and the SQLite store through a Drizzle database of yours, in its own transactions or in one of
 * yours.
 *
 * @module holdfast/drizzle
 * @example
 * ```ts
 * import { drizzle } from "drizzle-orm/node-postgres";
 * import { createSessions } from "holdfast";
 * import { drizzleStore } from "holdfast/drizzle";
 *
 * const db = drizzle(process.env.DATABASE_URL ?? "");
 * const sessions = createSessions({ store: drizzleStore({ db }) });
 * ```
 */
import { invalidArgument } from "../log/errors.ts";
import type { SessionStore } from "../store/store.ts";
import type { DrizzlePostgres, DrizzleSqlite } from "./drizzle/client.ts";
import { checkSqlite, isPostgres, primaryOf } from "./drizzle/client.ts";
import { overDrizzle } from "./drizzle/postgres.ts";
import type { PostgresStoreOptions } from "./postgres.ts";
import { postgresStore } from "./postgres.ts";
import type { SqlColumns } from "./sql/columns.ts";
import type { SqlTables } from "./sql/names.ts";
import type { SqliteStoreOptions } from "./sqlite.ts";
import { sqliteStore } from "./sqlite.ts";

export type { DrizzlePostgres, DrizzleQuery, DrizzleSqlite } from "./drizzle/client.ts";
export type { EntryColumn, SessionColumn, SqlColumns } from "./sql/columns.ts";
export type { SqlTables } from "./sql/names.ts";

export type DrizzleStoreOptions = DrizzlePostgresOptions | DrizzleSqliteOptions;

interface CommonOptions {
  /** Other names for tables and view. Default: `holdfast_sessions`, `holdfast_entries`, `holdfast_meta`, … */
  readonly tables?: Partial<SqlTables>;
  /** Other names for columns: `{ sessions: { user_id: "userId" } }`. Those of the search index and of `meta` stay. */
  readonly columns?: SqlColumns;
  /** Whether the first use makes and updates the tables, or only `migrate()` does. Default `"auto"`. */
  readonly migrate?: "auto" | "manual";
}

export interface DrizzlePostgresOptions extends CommonOptions, Pick<PostgresStoreOptions, "schema"> {
  /**
   * A database of `drizzle-orm/node-postgres`, `/postgres-js` or `/pglite`; `close()` leaves it open. Or the `tx` of
   * `db.transaction`: then all that the store does is part of that transaction, and kept or undone with it. Make a store,
   * and sessions, for each transaction: they must not outlive it.
   */
  readonly db: DrizzlePostgres;
}

export interface DrizzleSqliteOptions
  extends CommonOptions,
    Pick<SqliteStoreOptions, "durability" | "busyTimeoutMs"> {
  /** A database of `drizzle-orm/better-sqlite3`; `close()` leaves it open. */
  readonly db: DrizzleSqlite;
  /**
   * `"yours"`: the store takes part in the transaction that you have open, which must be one of statements (`BEGIN
   * IMMEDIATE`, `COMMIT`): that of `db.transaction` ends before anything asynchronous is done. Default `"own"`.
   */
  readonly transaction?: "own" | "yours";
}

/**
 * Keeps sessions in the database that Drizzle has: on PostgreSQL through Drizzle, on SQLite through the better-sqlite3
 * database that it wraps. What is atomic and durable is as in `postgresStore` and `sqliteStore`, whose tables these are:
 * one database can be used through all of them at once.
 *
 * @throws INVALID_ARGUMENT for options that make no sense, and for a database of another driver. Calls on the store reject
 *   as those of `postgresStore` and `sqliteStore` do. Within a transaction of yours on PostgreSQL, STORE_UNAVAILABLE means
 *   that the transaction is lost: run the whole of it again.
 * @example
 * ```ts
 * import { createSessions } from "holdfast";
 * import { drizzleStore } from "holdfast/drizzle";
 * import { db, orders } from "./db.ts";
 *
 * await db.transaction(async (tx) => {
 *   const sessions = createSessions({ store: drizzleStore({ db: tx }) });
 *   const session = await sessions.open("support-7");
 *   await session.append({ role: "assistant", content: "I have ordered it." });
 *   await tx.insert(orders).values({ item: "kettle" });
 * });
 * ```
 * @see https://orm.drizzle.team/docs/transactions
 */
export function drizzleStore(options: DrizzleStoreOptions): SessionStore {
  const given: { readonly [Option in keyof (DrizzlePostgresOptions & DrizzleSqliteOptions)]?: unknown } =
    options;
  const db = primaryOf(options.db);
  if (isPostgres(db)) {
    if (
      given.transaction !== undefined ||
      given.durability !== undefined ||
      given.busyTimeoutMs !== undefined
    ) {
      throw invalidArgument(
        "transaction, durability and busyTimeoutMs are for SQLite, and db is of PostgreSQL",
      );
    }
    return postgresStore({ ...options, client: overDrizzle(db), watch: "poll" });
  }
  checkSqlite(db);
  if (given.schema !== undefined)
    throw invalidArgument("SQLite has no schemas: leave out schema, or name tables");
  return sqliteStore({ ...options, database: db.$client });
}

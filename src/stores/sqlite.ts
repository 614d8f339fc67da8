/**
 * The SQLite store: one file, no server, several processes. On Node's own `node:sqlite`, or on a better-sqlite3 or
 * libsql database that you have open.
 *
 * @module holdfast/sqlite
 * @example
 * ```ts
 * import { createSessions } from "holdfast";
 * import { sqliteStore } from "holdfast/sqlite";
 *
 * const sessions = createSessions({ store: sqliteStore({ path: "./data/sessions.db" }) });
 * ```
 */
import { resolve } from "node:path";
import { invalidArgument } from "../log/errors.ts";
import type { SessionStore } from "../store/store.ts";
import type { SqlColumns } from "./sql/columns.ts";
import type { SqlTables } from "./sql/names.ts";
import { tablesOf } from "./sql/tables.ts";
import type { ConnectionOptions } from "./sqlite/connection.ts";
import { createConnection } from "./sqlite/connection.ts";
import type { SqliteDatabase } from "./sqlite/driver.ts";
import { fileOf, hasFullText } from "./sqlite/driver.ts";
import { AS_STORED } from "./sqlite/entries.ts";
import { checkSettings } from "./sqlite/settings.ts";
import { capabilitiesOf, storeOver } from "./sqlite/store.ts";

export type { EntryColumn, SessionColumn, SqlColumns } from "./sql/columns.ts";
export type { SqlTables } from "./sql/names.ts";
export type { SqliteDatabase, SqliteStatement } from "./sqlite/driver.ts";

export type SqliteStoreOptions = SqliteSource & {
  /**
   * - `"full"`: an acknowledged commit survives a power cut. Each commit waits for the disk.
   * - `"normal"`: it survives the end of the process, but a power cut or a crash of the system may take the last
   *   commits. The database stays whole. Several times faster.
   *
   * Default `"full"`.
   */
  readonly durability?: "full" | "normal";
  /** Other names for tables and view. Default: `holdfast_sessions`, `holdfast_entries`, `holdfast_meta`, … */
  readonly tables?: Partial<SqlTables>;
  /** Other names for columns: `{ sessions: { user_id: "userId" } }`. Those of the search index and of `meta` stay. */
  readonly columns?: SqlColumns;
  /** Whether the first use makes and updates the tables, or only `migrate()` does. Default `"auto"`. */
  readonly migrate?: "auto" | "manual";
  /** How long to wait, without blocking, while another process holds the database locked. Default 5000. */
  readonly busyTimeoutMs?: number;
};

type SqliteSource =
  | {
      /** A file, made where there is none, its folder too; or `":memory:"`. */
      readonly path: string;
      readonly database?: undefined;
      readonly transaction?: undefined;
    }
  | {
      /**
       * An open database of node:sqlite, better-sqlite3 or libsql; `close()` leaves it open. The store sets its
       * `journal_mode`, `synchronous` and `secure_delete`. Its own busy timeout stays as it is and blocks the process
       * while it runs: open it with a timeout of 0 where other processes write.
       */
      readonly database: SqliteDatabase;
      readonly path?: undefined;
      /**
       * - `"own"`: each batch is a transaction; one that you have open is waited for.
       * - `"yours"`: the store takes part in the transaction that you have open, so that what it writes is kept or undone
       *   with the rest of it. It sets nothing but `secure_delete`, and `remove` leaves the write-ahead log as it is.
       *   Make a store, and sessions, for each transaction: they must not outlive it.
       *
       * Default `"own"`.
       */
      readonly transaction?: "own" | "yours";
    };

/**
 * Keeps sessions in a SQLite database in WAL mode. A batch of commits is one transaction. Any number of processes on
 * one machine may use the file at once (not over a network file system).
 *
 * Search is full-text where SQLite has FTS5 (node:sqlite from Node 22.16; better-sqlite3 and libsql always): an append
 * does not pay for the index, which catches up with the log when somebody searches. Elsewhere a search reads the logs.
 *
 * Nothing is opened before the first call. `remove` overwrites what it deletes with zeros and empties the write-ahead
 * log; where another process is in the middle of a read, the log is emptied by the next removal or by `close`. Copies
 * that SQLite left in unused parts of pages when it moved rows, which is rare, go with the owner's next `VACUUM`.
 *
 * @throws INVALID_ARGUMENT for options that make no sense. Calls on the store reject with STORE_UNAVAILABLE where the
 *   file can't be opened, read or written or is locked for longer than `busyTimeoutMs`, STORE_CORRUPT where it is
 *   damaged or no database, MIGRATION_REQUIRED where its schema is of a newer release, or missing under
 *   `migrate: "manual"`.
 * @example
 * ```ts
 * import Database from "better-sqlite3";
 * import { sqliteStore } from "holdfast/sqlite";
 * const store = sqliteStore({ database: new Database("app.db", { timeout: 0 }), durability: "normal" });
 * ```
 * @see https://www.sqlite.org/limits.html for `maxEntryBytes`, https://www.sqlite.org/wal.html
 */
export function sqliteStore(options: SqliteStoreOptions): SessionStore {
  const { source, isInMemory } = sourceOf(options);
  const { transaction = "own" } = options;
  const settings = checkSettings(options);
  if (!["own", "yours"].includes(transaction)) throw invalidArgument('transaction must be "own" or "yours"');
  const joins = transaction === "yours";
  if (joins && options.database === undefined) throw invalidArgument('transaction: "yours" needs a database');
  const tables = tablesOf({ tables: options.tables, columns: options.columns });
  const capabilities = capabilitiesOf({
    // Of a transaction of yours, your settings decide what it survives.
    durability: isInMemory ? "process" : settings.durability === "full" && !joins ? "disk" : "os",
    isFullText: hasFullText(options.database),
    isShared: !isInMemory,
  });
  const connection = createConnection({ ...settings, source, joins, tables });
  return storeOver({ connection, tables, capabilities, reading: AS_STORED, remembers: !joins });
}

function sourceOf({ path, database }: SqliteStoreOptions): {
  source: ConnectionOptions["source"];
  isInMemory: boolean;
} {
  if (database !== undefined) {
    if (path !== undefined) throw invalidArgument("give sqliteStore either path or database, not both");
    return { source: { database }, isInMemory: fileOf(database) === "" };
  }
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw invalidArgument('sqliteStore needs the path of a file, ":memory:", or an open database');
  }
  const isInMemory = path === ":memory:";
  return { source: { path: isInMemory ? path : resolve(path) }, isInMemory };
}

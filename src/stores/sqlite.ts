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
import { namespaceName, namespacePath } from "../store/namespace.ts";
import type { SessionStore, StoreCapabilities } from "../store/store.ts";
import type { SqlTables } from "./sql/names.ts";
import { quoteName, tableNames } from "./sql/names.ts";
import { createCommitter, encodeCommits } from "./sqlite/commit.ts";
import type { ConnectionOptions } from "./sqlite/connection.ts";
import { createConnection } from "./sqlite/connection.ts";
import type { SqliteDatabase } from "./sqlite/driver.ts";
import { fileOf, hasFullText, integer, text } from "./sqlite/driver.ts";
import { createReader } from "./sqlite/entries.ts";
import { NAME } from "./sqlite/errors.ts";
import { createLister } from "./sqlite/lists.ts";
import { createRecordCache } from "./sqlite/record-cache.ts";
import { createRemover } from "./sqlite/remove.ts";
import { META } from "./sqlite/schema.ts";
import { createSearcher } from "./sqlite/search.ts";
import { createSearchIndex } from "./sqlite/search-index.ts";

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
    }
  | {
      /**
       * An open database of node:sqlite, better-sqlite3 or libsql; `close()` leaves it open. The store sets its
       * `journal_mode`, `synchronous` and `secure_delete`. Its own busy timeout stays as it is and blocks the process
       * while it runs: open it with a timeout of 0 where other processes write.
       */
      readonly database: SqliteDatabase;
      readonly path?: undefined;
    };

/** SQLite takes up to 1,000,000,000 bytes a value and V8 half of that; this leaves room for the row around it. */
const MAX_ENTRY_BYTES = 64 * 1024 * 1024;
const DEFAULT_BUSY_TIMEOUT_MS = 5000;

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
  const { durability = "full", migrate = "auto", busyTimeoutMs = DEFAULT_BUSY_TIMEOUT_MS } = options;
  if (durability !== "full" && durability !== "normal")
    throw invalidArgument('durability must be "full" or "normal"');
  if (migrate !== "auto" && migrate !== "manual") throw invalidArgument('migrate must be "auto" or "manual"');
  if (!(busyTimeoutMs >= 0))
    throw invalidArgument("busyTimeoutMs must be a number of milliseconds, 0 or more");
  const tables = tableNames(options.tables);
  const isFullText = hasFullText(options.database);
  const capabilities: StoreCapabilities = {
    durability: isInMemory ? "process" : durability === "full" ? "disk" : "os",
    search: isFullText ? "fulltext" : "substring",
    watch: "poll",
    idempotency: "full",
    listConsistency: "strong",
    maxEntryBytes: MAX_ENTRY_BYTES,
    nativeTtl: false,
    writers: isInMemory ? "one-process" : "many",
  };

  const connection = createConnection({ source, tables, durability, migrate, busyTimeoutMs });
  const cache = createRecordCache();
  const searchIndex = createSearchIndex(tables, isFullText);
  const applyCommit = createCommitter(tables, cache);
  const readEntries = createReader(tables);
  const listPage = createLister(tables, cache);
  const findMessages = createSearcher(connection, tables, searchIndex, cache);
  const remover = createRemover(connection, tables, searchIndex);
  const findRecord = `SELECT key, version, record FROM ${quoteName(tables.sessions)} WHERE namespace = ? AND id = ?`;
  const probe = `SELECT value FROM ${quoteName(tables.meta)} WHERE key = ?`;
  const views = new Map<string, WeakRef<SessionStore>>();

  const view = (namespace: string): SessionStore => {
    const known = views.get(namespace)?.deref();
    if (known) return known;
    const made = viewOf(namespace);
    views.set(namespace, new WeakRef(made));
    return made;
  };

  const viewOf = (namespace: string): SessionStore => ({
    name: NAME,
    capabilities,
    namespaceName: namespaceName(namespace),

    async commit(commits) {
      const encoded = encodeCommits(commits, capabilities);
      if (encoded.length === 0) return connection.run(() => []);
      return connection.transaction((sql) => encoded.map((commit) => applyCommit(sql, namespace, commit)));
    },

    find: (ids) =>
      connection.run((sql) =>
        ids.map((id) => {
          const row = sql.get(findRecord, namespace, id);
          return row && cache.decode(integer(row, "key"), integer(row, "version"), text(row, "record"), id);
        }),
      ),

    read: (id, range) => connection.run((sql) => readEntries(sql, namespace, id, range)),
    list: (query) => connection.run((sql) => listPage(sql, namespace, query)),
    search: (words, query) => findMessages(namespace, words, query),
    remove: (id) => remover.remove(namespace, id),
    sweep: (nowMs, limit) => remover.sweep(namespace, nowMs, limit),
    migrate: () => connection.migrate(),
    namespace: (name) => view(namespacePath(namespace, name)),

    async *inspect() {
      const rows = await connection.run((sql) => sql.all("PRAGMA integrity_check"));
      for (const row of rows) {
        const message = text(row, "integrity_check");
        if (message === "ok") continue;
        const remedy = "restore the database from a backup; `sqlite3 FILE .recover` saves what can be read";
        yield { kind: "damaged", place: connection.what, message, remedy };
      }
    },

    async ping() {
      await connection.run((sql) => sql.get(probe, META.schemaVersion));
    },

    /** Closes the connection, which all namespaces share. */
    close: () => remover.close(),
  });

  return view("");
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

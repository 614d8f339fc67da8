/**
 * The MySQL store: any number of processes and machines, on MySQL 8.4 or MariaDB 10.11 and later. On a Pool or
 * Connection of mysql2, or at a URL.
 *
 * @module holdfast/mysql
 * @example
 * ```ts
 * import { createSessions } from "holdfast";
 * import { mysqlStore } from "holdfast/mysql";
 *
 * const sessions = createSessions({ store: mysqlStore({ url: process.env.DATABASE_URL ?? "" }) });
 * ```
 */
import { invalidArgument } from "../log/errors.ts";
import { namespaceName, namespacePath } from "../store/namespace.ts";
import type { SessionStore, StoreCapabilities } from "../store/store.ts";
import type { Executor, MysqlClient } from "./mysql/client.ts";
import { executorOf } from "./mysql/client.ts";
import { createCommitter } from "./mysql/commit.ts";
import { createConnection } from "./mysql/connection.ts";
import { createReader } from "./mysql/entries.ts";
import { NAME } from "./mysql/errors.ts";
import { createLister } from "./mysql/lists.ts";
import { executorAt } from "./mysql/own-pool.ts";
import { createRemover } from "./mysql/remove.ts";
import { createSearcher } from "./mysql/search.ts";
import { encodeCommits } from "./sql/encode.ts";
import type { SqlTables } from "./sql/names.ts";
import { tableNames } from "./sql/names.ts";
import { storedNamespace } from "./sql/projections.ts";

export type { MysqlCallbackClient, MysqlClient, MysqlConnection, MysqlPool } from "./mysql/client.ts";
export type { SqlTables } from "./sql/names.ts";

export type MysqlStoreOptions = MysqlSource & {
  /** Other names for tables and view. Default: `holdfast_sessions`, `holdfast_entries`, `holdfast_meta`, … */
  readonly tables?: Partial<SqlTables>;
  /** Whether the first use makes and updates the tables, or only `migrate()` does. Default `"auto"`. */
  readonly migrate?: "auto" | "manual";
};

type MysqlSource =
  | {
      /** A Pool of mysql2, of `mysql2/promise` or with callbacks. `close()` leaves it open. */
      readonly pool: MysqlClient;
      readonly client?: undefined;
      readonly url?: undefined;
    }
  | {
      /**
       * A Connection of mysql2. It must have no transaction open when the store writes. `close()` leaves it open.
       */
      readonly client: MysqlClient;
      readonly pool?: undefined;
      readonly url?: undefined;
    }
  | {
      /**
       * `mysql://user:password@host:3306/database`, or `mariadb://…`. Needs the package mysql2. `close()` closes the
       * pool made for it.
       */
      readonly url: string;
      readonly pool?: undefined;
      readonly client?: undefined;
    };

/**
 * `max_allowed_packet` is 16 MiB where a server of MariaDB is left as it is (64 MiB with MySQL), and an entry may have
 * a text for search as large as its data in the same statement.
 */
const MAX_ENTRY_BYTES = 7 * 1024 * 1024;

/**
 * Keeps sessions in a database of MySQL 8.4 or later, or MariaDB 10.11 or later. A batch of commits is one transaction,
 * in which the rows of its sessions are locked.
 *
 * Nothing is opened before the first call. `remove` deletes rows; words of what was removed stay in the internal tables
 * of the full-text index until it is optimised, and rows in the binary log and backups as long as they are kept.
 *
 * @throws INVALID_ARGUMENT for options that make no sense. Calls on the store reject with STORE_UNAVAILABLE where the
 *   server can't be reached, refuses or cancels a statement; MIGRATION_REQUIRED where the schema is of a newer release,
 *   or missing under `migrate: "manual"`; ENTRY_TOO_LARGE where a server takes less at once than an entry needs.
 * @example
 * ```ts
 * import mysql from "mysql2/promise";
 * import { mysqlStore } from "holdfast/mysql";
 * const pool = mysql.createPool(process.env.DATABASE_URL ?? "");
 * const store = mysqlStore({ pool, tables: { sessions: "chat_sessions" } });
 * ```
 * @see https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_max_allowed_packet
 * @see https://mariadb.com/kb/en/server-system-variables/#max_allowed_packet
 */
export function mysqlStore(options: MysqlStoreOptions): SessionStore {
  const { migrate = "auto" } = options;
  if (migrate !== "auto" && migrate !== "manual") throw invalidArgument('migrate must be "auto" or "manual"');
  const tables = tableNames(options.tables);
  const executor = sourceOf(options);
  const capabilities: StoreCapabilities = {
    durability: "disk",
    search: "fulltext",
    watch: "poll",
    idempotency: "full",
    listConsistency: "strong",
    maxEntryBytes: MAX_ENTRY_BYTES,
    nativeTtl: false,
    writers: "many",
  };

  const connection = createConnection(executor, tables, migrate);
  const commitAll = createCommitter(connection, tables);
  const reader = createReader(connection, tables);
  const listPage = createLister(connection, tables);
  const findMessages = createSearcher(connection, tables);
  const remover = createRemover(connection, tables);

  const view = (path: string): SessionStore => {
    const namespace = storedNamespace(path);
    return {
      name: NAME,
      capabilities,
      namespaceName: namespaceName(path),
      commit: async (commits) => commitAll(namespace, encodeCommits(commits, NAME, capabilities)),
      find: (ids) => reader.find(namespace, ids),
      read: (id, range) => reader.read(namespace, id, range),
      list: (query) => listPage(namespace, query),
      search: (words, query) => findMessages(namespace, words, query),
      remove: (id) => remover.remove(namespace, id),
      sweep: (nowMs, limit) => remover.sweep(namespace, nowMs, limit),
      migrate: () => connection.migrate(),
      namespace: (name) => (name === "" ? view(path) : view(namespacePath(path, name))),
      ping: () => connection.ping(),
      /** Closes the connection, which all namespaces share. */
      close: () => connection.close(),
    };
  };
  return view("");
}

function sourceOf({ pool, client, url }: MysqlStoreOptions): Executor {
  const given = [pool, client, url].filter((source) => source !== undefined);
  if (given.length !== 1) throw invalidArgument("give mysqlStore one of pool, client and url");
  const source = pool ?? client;
  return source === undefined ? executorAt(url ?? "") : executorOf(source);
}

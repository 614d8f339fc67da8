/**
 * The PostgreSQL store: any number of processes and machines. On a Pool or Client of pg, on postgres.js, on PGlite, or
 * at a URL.
 *
 * @module holdfast/postgres
 * @example
 * ```ts
 * import { createSessions } from "holdfast";
 * import { postgresStore } from "holdfast/postgres";
 *
 * const sessions = createSessions({ store: postgresStore({ url: process.env.DATABASE_URL ?? "" }) });
 * ```
 */
import { invalidArgument } from "../log/errors.ts";
import { namespaceName, namespacePath } from "../store/namespace.ts";
import type { CommitOutcome, SessionStore, StoreCapabilities } from "../store/store.ts";
import { createAnnouncer, markOf } from "./postgres/announce.ts";
import type { Executor, PostgresClient } from "./postgres/client.ts";
import { executorAt, executorOf } from "./postgres/client.ts";
import { createCommitter } from "./postgres/commit.ts";
import { createConnection } from "./postgres/connection.ts";
import { createReader } from "./postgres/entries.ts";
import { NAME } from "./postgres/errors.ts";
import type { Listener } from "./postgres/listen.ts";
import { isPoolOf, listenerAt, listenerOf } from "./postgres/listen.ts";
import { createLister } from "./postgres/lists.ts";
import { createRemover } from "./postgres/remove.ts";
import { createSearcher } from "./postgres/search.ts";
import { storedNamespace } from "./postgres/values.ts";
import { createWatching } from "./postgres/watch.ts";
import type { SqlColumns } from "./sql/columns.ts";
import { encodeCommits } from "./sql/encode.ts";
import type { SqlTables } from "./sql/names.ts";
import { tablesOf } from "./sql/tables.ts";

export type { PgClient, PgliteClient, PostgresClient, PostgresJsClient } from "./postgres/client.ts";
export type { EntryColumn, SessionColumn, SqlColumns } from "./sql/columns.ts";
export type { SqlTables } from "./sql/names.ts";

export type PostgresStoreOptions = PostgresSource & {
  /** The schema of the tables, made where there is none. Default: the first one of the connection's `search_path`. */
  readonly schema?: string;
  /** Other names for tables and view. Default: `holdfast_sessions`, `holdfast_entries`, `holdfast_meta`, … */
  readonly tables?: Partial<SqlTables>;
  /** Other names for columns: `{ sessions: { user_id: "userId" } }`. Those of the search index and of `meta` stay. */
  readonly columns?: SqlColumns;
  /** Whether the first use makes and updates the tables, or only `migrate()` does. Default `"auto"`. */
  readonly migrate?: "auto" | "manual";
  /**
   * How what other processes commit is seen: `"notify"` by LISTEN and NOTIFY, within milliseconds; `"poll"` by looking,
   * which neither listens nor notifies. Give all processes the same. Default `"notify"`. A Client, and a Pool of one
   * connection, can't spare a connection that listens: there `capabilities.watch` is `"poll"` unless `listenUrl` is given.
   */
  readonly watch?: "notify" | "poll";
  /**
   * Where to listen: a URL that leads to the server itself, for a pool behind PgBouncer in transaction mode, through
   * which nothing can be heard. Needs the package pg. Default: a connection of the pool, or one more at `url`.
   */
  readonly listenUrl?: string;
};

type PostgresSource =
  | {
      /** A Pool of pg, or the `sql` function of postgres.js. `close()` leaves it open. */
      readonly pool: PostgresClient;
      readonly client?: undefined;
      readonly url?: undefined;
    }
  | {
      /** A connected Client of pg, or a PGlite database. `close()` leaves it open. */
      readonly client: PostgresClient;
      readonly pool?: undefined;
      readonly url?: undefined;
    }
  | {
      /** `postgres://user:password@host:5432/database`. Needs the package pg. `close()` closes the pool made for it. */
      readonly url: string;
      readonly pool?: undefined;
      readonly client?: undefined;
    };

/** A value of PostgreSQL takes 1 GB as text, and an entry is in memory several times while it is sent. */
const MAX_ENTRY_BYTES = 32 * 1024 * 1024;

/**
 * Keeps sessions in PostgreSQL 13 or later. A batch of commits is one statement, so nothing is held between statements:
 * no session state, no lock, and no name of a statement that it could not do without. It works behind PgBouncer in
 * transaction mode. While sessions are watched, one connection more listens.
 *
 * Nothing is opened before the first call. `remove` deletes rows; PostgreSQL keeps dead rows until VACUUM, and its
 * write-ahead log and backups as long as they are kept.
 *
 * @throws INVALID_ARGUMENT for options that make no sense. Calls on the store reject with STORE_UNAVAILABLE where the
 *   server can't be reached, refuses or cancels a statement, and MIGRATION_REQUIRED where the schema is of a newer
 *   release, or missing under `migrate: "manual"`.
 * @example
 * ```ts
 * import pg from "pg";
 * import { postgresStore } from "holdfast/postgres";
 * const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
 * const store = postgresStore({ pool, schema: "chat" });
 * ```
 * @see https://www.pgbouncer.org/features.html for what a pooled connection must not use
 */
export function postgresStore(options: PostgresStoreOptions): SessionStore {
  const { migrate = "auto", watch = "notify" } = options;
  if (migrate !== "auto" && migrate !== "manual") throw invalidArgument('migrate must be "auto" or "manual"');
  if (watch !== "notify" && watch !== "poll") throw invalidArgument('watch must be "notify" or "poll"');
  const tables = tablesOf(options);
  const executor = sourceOf(options);
  const { listener, canNotify } = watch === "poll" ? NO_WATCH : listenerFor(options);
  const capabilities: StoreCapabilities = {
    durability: executor.durability,
    search: "fulltext",
    watch: listener ? "push" : "poll",
    idempotency: "full",
    listConsistency: "strong",
    maxEntryBytes: MAX_ENTRY_BYTES,
    nativeTtl: false,
    writers: executor.isShared ? "many" : "one-process",
  };

  const connection = createConnection(executor, tables, migrate);
  const commitAll = createCommitter(connection, tables);
  const reader = createReader(connection, tables);
  const listPage = createLister(connection, tables);
  const findMessages = createSearcher(connection, tables);
  const remover = createRemover(connection, tables);
  const announcer = canNotify ? createAnnouncer(connection, tables) : undefined;
  const watching = listener && createWatching(connection, tables, listener);

  /** Tells those who watch sessions that these may have changed. */
  const changed = (namespace: string, ids: readonly string[]): void => {
    if (!(announcer || watching) || ids.length === 0) return;
    const marks = ids.map((id) => markOf(namespace, id));
    watching?.wake(marks);
    announcer?.announce(marks);
  };

  const view = (path: string): SessionStore => {
    const namespace = storedNamespace(path);
    return {
      name: NAME,
      capabilities,
      namespaceName: namespaceName(path),
      async commit(commits) {
        const encoded = encodeCommits(commits, NAME, capabilities);
        let outcomes: CommitOutcome[] | undefined;
        try {
          outcomes = await commitAll(namespace, encoded);
          return outcomes;
        } finally {
          // One whose outcome isn't known may have taken place.
          const some = commits.filter((_, place) => !outcomes || outcomes[place]?.status === "committed");
          changed(
            namespace,
            some.map(({ sessionId }) => sessionId),
          );
        }
      },
      find: (ids) => reader.find(namespace, ids),
      read: (id, range) => reader.read(namespace, id, range),
      list: (query) => listPage(namespace, query),
      search: (words, query) => findMessages(namespace, words, query),
      async remove(id) {
        const isRemoved = await remover.remove(namespace, id);
        changed(namespace, [id]);
        return isRemoved;
      },
      async sweep(nowMs, limit) {
        const ids = await remover.sweep(namespace, nowMs, limit);
        changed(namespace, ids);
        return ids;
      },
      ...(watching && {
        watch: (id: string, after: number, signal: AbortSignal) =>
          watching.watch(namespace, id, after, signal),
      }),
      migrate: () => connection.migrate(),
      namespace: (name) => (name === "" ? view(path) : view(namespacePath(path, name))),
      ping: () => connection.ping(),
      /** Closes the connection, which all namespaces share. */
      async close() {
        await announcer?.close();
        await watching?.close();
        await connection.close();
      },
    };
  };
  return view("");
}

const NO_WATCH = { listener: undefined, canNotify: false } as const;

/** How this store listens, if it can, and whether it may notify. */
function listenerFor({ pool, client, url, listenUrl }: PostgresStoreOptions): {
  readonly listener: Listener | undefined;
  readonly canNotify: boolean;
} {
  const source = pool ?? client;
  const canNotify = source === undefined || isPoolOf(source);
  if (listenUrl !== undefined) return { listener: listenerAt(listenUrl, { trusted: true }), canNotify };
  if (source !== undefined) return { listener: listenerOf(source), canNotify };
  return { listener: listenerAt(url ?? "", { trusted: false }), canNotify };
}

function sourceOf({ pool, client, url }: PostgresStoreOptions): Executor {
  const given = [pool, client, url].filter((source) => source !== undefined);
  if (given.length !== 1) throw invalidArgument("give postgresStore one of pool, client and url");
  const source = pool ?? client;
  return source === undefined ? executorAt(url ?? "") : executorOf(source);
}

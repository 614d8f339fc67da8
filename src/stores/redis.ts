/**
 * The Redis store: sessions shared by many processes and machines, with a time to live where you want one. On your
 * ioredis or node-redis client.
 *
 * @module holdfast/redis
 * @example
 * ```ts
 * import { Redis } from "ioredis";
 * import { createSessions } from "holdfast";
 * import { redisStore } from "holdfast/redis";
 *
 * const sessions = createSessions({ store: redisStore({ client: new Redis() }) });
 * ```
 */
import { invalidArgument } from "../log/errors.ts";
import { namespaceName, namespacePath } from "../store/namespace.ts";
import type { SessionStore, StoreCapabilities } from "../store/store.ts";
import type { Connection, OpenedClient, RedisClient } from "./redis/client.ts";

import { connectionOf, openClient } from "./redis/client.ts";
import { applyCommits } from "./redis/commit.ts";
import type { Engine, Space } from "./redis/engine.ts";
import { ask, createPlaces } from "./redis/engine.ts";
import { readEntries } from "./redis/entries.ts";
import { closedError, toHoldfastError } from "./redis/errors.ts";
import { keysOf } from "./redis/keys.ts";
import { listPage } from "./redis/lists.ts";
import { createReaders } from "./redis/readers.ts";
import { fetchRecords } from "./redis/records.ts";
import { removeSession, sweepSpace, tidyUp } from "./redis/remove.ts";
import type { RedisWait } from "./redis/replicas.ts";
import { createReplicas } from "./redis/replicas.ts";
import { NAME } from "./redis/replies.ts";
import { checkSchema, migrateSchema } from "./redis/schema.ts";
import { searchSpace } from "./redis/search.ts";
import { watchSession } from "./redis/watch.ts";

export type {
  IoRedisClient,
  IoRedisCluster,
  IoRedisConnection,
  IoRedisNode,
  NodeRedisClient,
  NodeRedisCluster,
  NodeRedisConnection,
  RedisClient,
} from "./redis/client.ts";

export type { RedisWait } from "./redis/replicas.ts";

export type RedisStoreOptions = RedisSource & {
  /** What every key begins with. Stores with different prefixes never meet. Default `"holdfast"`. */
  readonly keyPrefix?: string;
  /** A session that was not written to for this long is dropped by Redis. Default: kept. */
  readonly ttlMs?: number;
  /**
   * Acknowledges a commit only once so many replicas have it (`WAIT`), so that a failover to one of them does not lose
   * it. Where they don't have it in time the call fails with STORE_UNAVAILABLE; the commit is written and may stay.
   * Default: replicas are not waited for.
   */
  readonly wait?: RedisWait;
  /**
   * What your server's configuration keeps an acknowledged commit through; the store can't see it, and hands it on as
   * `capabilities.durability`.
   *
   * - `"process"`: the end of your process, but maybe not that of the Redis server (its default: snapshots).
   * - `"os"`: that of the Redis server (`appendonly yes`; with `appendfsync everysec` a power cut may take the last second).
   * - `"disk"`: a power cut (`appendonly yes`, `appendfsync always`).
   *
   * Default `"process"`.
   */
  readonly durability?: "process" | "os" | "disk";
};

type RedisSource =
  | {
      /** A `Redis` or `Cluster` of ioredis, or a connected client of node-redis. `close()` leaves it open. */
      readonly client: RedisClient;
      readonly url?: undefined;
      readonly timeoutMs?: undefined;
    }
  | {
      /** `redis://` or `rediss://`: the store opens an ioredis client of its own. The package ioredis must be installed. */
      readonly url: string;
      readonly client?: undefined;
      /** How long to wait for a connection, and for an answer. Default 10,000. */
      readonly timeoutMs?: number;
    };

const DEFAULT_PREFIX = "holdfast";
const DEFAULT_TIMEOUT_MS = 10_000;
/** Redis takes 512 MB a value; this bounds what one entry costs the server and every reader. */
const MAX_ENTRY_BYTES = 16 * 1024 * 1024;

/**
 * Keeps sessions in Redis 5 or later. A session is a record, a stream and a hash of ids in one slot, and one Lua script
 * checks the version and writes all three and the indexes; a batch of commits is one call of it, in a Cluster one for each
 * session. Lists read sorted sets and never use KEYS or SCAN.
 *
 * A session with `expiresAt`, and every session under `ttlMs`, is dropped by Redis itself when its time comes: record,
 * log and ids at once; one that forks inherit from, with the last of them. What is left in the indexes goes with the next
 * list that meets it, with later commits, or the next sweep.
 *
 * Redis must not evict: set `maxmemory-policy noeviction`.
 *
 * @throws INVALID_ARGUMENT for options that make no sense. Calls on the store reject with STORE_UNAVAILABLE where Redis
 *   does not answer or refuses, STORE_CORRUPT where another program wrote to the store's keys, MIGRATION_REQUIRED where
 *   they are of a newer release.
 * @example
 * ```ts
 * import { createClient } from "redis";
 * import { redisStore } from "holdfast/redis";
 * const client = await createClient({ url: "redis://localhost" }).connect();
 * const store = redisStore({ client, keyPrefix: "shop:chats", ttlMs: 30 * 86_400_000 });
 * ```
 * @see https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
 */
export function redisStore(options: RedisStoreOptions): SessionStore {
  const { keyPrefix = DEFAULT_PREFIX, ttlMs, wait, durability = "process" } = options;
  const connect = connectorOf(options);
  if (typeof keyPrefix !== "string" || !keyPrefix.isWellFormed())
    throw invalidArgument("keyPrefix must be a string of whole characters");
  if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && ttlMs > 0))
    throw invalidArgument("ttlMs must be a whole number of milliseconds, 1 or more");
  checkWait(wait);
  if (!["process", "os", "disk"].includes(durability))
    throw invalidArgument('durability must be "process", "os" or "disk"');
  const capabilities: StoreCapabilities = {
    durability,
    search: "substring",
    watch: "push",
    idempotency: "full",
    listConsistency: "strong",
    maxEntryBytes: MAX_ENTRY_BYTES,
    nativeTtl: true,
    writers: "many",
  };
  const schemaKey = `${keyPrefix}:schema`;
  const places = createPlaces();
  const views = new Map<string, WeakRef<SessionStore>>();
  let isClosed = false;
  let opening: Promise<OpenedClient> | undefined;
  let engine: Engine | undefined;
  let checked: "nothing" | "read" | "written" = "nothing";

  const open = async (): Promise<Engine> => {
    if (isClosed) throw closedError();
    if (engine) return engine;
    opening ??= connect();
    try {
      const { client } = await opening;
      const connection = connectionOf(client);
      engine ??= {
        connection,
        ttlMs,
        places,
        tidying: new Map(),
        readers: createReaders(connection),
        replicas: wait && createReplicas(connection, wait),
      };
    } catch (error) {
      opening = undefined;
      throw error;
    }
    return engine;
  };

  /** Runs `work`; whatever it fails with is a HoldfastError. */
  const run = async <T>(
    use: "read" | "write" | "raw",
    work: (engine: Engine) => Promise<T>,
    sessionId?: string,
  ): Promise<T> => {
    try {
      const opened = await open();
      await prepare(opened.connection, use);
      return await work(opened);
    } catch (error) {
      throw isClosed ? closedError(error) : toHoldfastError(error, sessionId);
    }
  };

  const prepare = async (connection: Connection, use: "read" | "write" | "raw"): Promise<void> => {
    if (use === "raw" || checked === "written" || checked === use) return;
    if (use === "read") await checkSchema(connection, schemaKey);
    else await migrateSchema(connection, schemaKey);
    checked = use === "write" ? "written" : "read";
  };

  const view = (path: string): SessionStore => {
    const known = views.get(path)?.deref();
    if (known) return known;
    const made = viewOf(path);
    views.set(path, new WeakRef(made));
    return made;
  };

  const viewOf = (path: string): SessionStore => {
    const space: Space = { path, keys: keysOf(keyPrefix, path) };
    return {
      name: NAME,
      capabilities,
      namespaceName: namespaceName(path),
      commit: (commits) =>
        run("write", async (redis) => {
          const outcomes = await applyCommits(redis, space, commits, capabilities);
          if (ttlMs !== undefined || commits.some(({ record }) => record.expiresAt !== undefined))
            await tidyUp(redis, space);
          return outcomes;
        }),
      find: (ids) =>
        run("read", async (redis) => {
          const read = () => fetchRecords(redis, space, ids);
          const names = () => ids.map((id) => space.keys.session(id).record);
          const found = await (redis.replicas ? redis.replicas.settle(names(), read) : read());
          return found.map((fetched) => fetched?.record);
        }),
      read: (id, range) =>
        run(
          "read",
          async ({ connection, replicas }) => {
            const { record, entries } = space.keys.session(id);
            const read = () => readEntries(connection, entries, id, range);
            return replicas ? replicas.settle([record], read) : read();
          },
          id,
        ),
      list: (query) => run("read", (redis) => listPage(redis, space, query)),
      search: (text, query) => run("read", (redis) => searchSpace(redis, space, text, query)),
      async *watch(id, after, signal) {
        const redis = await run("read", async (opened) => opened, id);
        try {
          yield* watchSession(redis, space, id, after, signal);
        } catch (error) {
          throw isClosed ? closedError(error) : error;
        }
      },
      remove: (id) => run("read", (redis) => removeSession(redis, space, id), id),
      sweep: (nowMs, limit) => run("read", (redis) => sweepSpace(redis, space, nowMs, limit)),
      migrate: () => run("raw", ({ connection }) => migrateSchema(connection, schemaKey)),
      namespace: (name) => view(namespacePath(path, name)),

      async ping() {
        await run("raw", ({ connection }) => ask(connection, { name: "PING", args: [] }));
      },

      /** Closes the client that the store made, which all namespaces share. One that was passed in stays open. */
      async close() {
        isClosed = true;
        const opened = opening;
        engine?.readers.close();
        engine?.replicas?.close();
        opening = undefined;
        engine = undefined;
        if (opened) await closeOpened(opened);
      },
    };
  };
  return view("");
}

function checkWait(wait: RedisWait | undefined): void {
  if (wait === undefined) return;
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) > 0;
  if (!isCount(wait.replicas)) throw invalidArgument("wait.replicas must be a whole number, 1 or more");
  if (wait.timeoutMs !== undefined && !isCount(wait.timeoutMs))
    throw invalidArgument("wait.timeoutMs must be a whole number of milliseconds, 1 or more");
}

/** A client that never came to be needs no closing: whoever asked for it was told why. */
async function closeOpened(opening: Promise<OpenedClient>): Promise<void> {
  const [opened] = await Promise.allSettled([opening]);
  if (opened.status === "fulfilled") await opened.value.close();
}

function connectorOf({ client, url, timeoutMs }: RedisStoreOptions): () => Promise<OpenedClient> {
  if (client !== undefined) {
    if (url !== undefined) throw invalidArgument("give redisStore either client or url, not both");
    connectionOf(client);
    return async () => ({ client, close: async () => undefined });
  }
  if (typeof url !== "string" || !/^rediss?:\/\//.test(url) || !URL.canParse(url))
    throw invalidArgument(
      "redisStore needs a client of ioredis or node-redis, or a url such as redis://localhost:6379",
    );
  const waitMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
  if (!(waitMs > 0)) throw invalidArgument("timeoutMs must be a positive number of milliseconds");
  return () => openClient(url, waitMs);
}

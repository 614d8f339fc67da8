/**
 * @module
 * Opens the Redis store by a description that is plain JSON, so that another process can open the same one.
 */
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import type { SessionStore } from "../../src/store/store.ts";
import type { NodeRedisClient, RedisClient } from "../../src/stores/redis/client.ts";
import type { RedisWait } from "../../src/stores/redis.ts";
import { redisStore } from "../../src/stores/redis.ts";

/** `split` is ioredis on one server, taken for a Cluster: indexes and sessions in steps of their own. */
export type RedisDriver =
  | "ioredis"
  | "node-redis"
  | "split"
  | "url"
  | "ioredis-cluster"
  | "node-redis-cluster";

export interface RedisLocation {
  readonly driver: RedisDriver;
  readonly port: number;
  /** Namespaces, outermost first. */
  readonly namespaces: readonly string[];
  readonly durability?: "process" | "os" | "disk";
  readonly keyPrefix?: string;
  readonly ttlMs?: number;
  readonly wait?: RedisWait;
}

export interface OpenedRedis {
  readonly store: SessionStore;
  /** Closes the store and the client that was opened for it. Safe to repeat. */
  close(): Promise<void>;
}

export async function openRedis(location: RedisLocation): Promise<OpenedRedis> {
  const { driver, port, namespaces, durability = "process", keyPrefix = "holdfast" } = location;
  const { ttlMs, wait } = location;
  const rest = { durability, keyPrefix, ...(ttlMs !== undefined && { ttlMs }), ...(wait && { wait }) };
  const { client, end } =
    driver === "url" ? { client: undefined, end: () => undefined } : await openClient(driver, port);
  const root = client
    ? redisStore({ client, ...rest })
    : redisStore({ url: `redis://127.0.0.1:${port}`, ...rest });
  let isOpen = true;
  return {
    store: namespaces.reduce((view, name) => view.namespace(name), root),
    async close() {
      await root.close();
      if (isOpen) end();
      isOpen = false;
    },
  };
}

async function openClient(
  driver: Exclude<RedisDriver, "url">,
  port: number,
): Promise<{ client: RedisClient; end: () => void }> {
  if (driver === "node-redis") {
    const made = createClient({ socket: { host: "127.0.0.1", port } });
    made.on("error", () => undefined);
    await made.connect();
    const client: NodeRedisClient = made;
    return { client, end: () => made.destroy() };
  }
  if (driver === "node-redis-cluster") {
    const client = createCluster({ rootNodes: [{ socket: { host: "127.0.0.1", port } }] });
    client.on("error", () => undefined);
    await client.connect();
    return { client, end: () => client.destroy() };
  }
  if (driver === "ioredis-cluster") {
    const client = new Cluster([{ host: "127.0.0.1", port }]);
    client.on("error", () => undefined);
    return { client, end: () => client.disconnect() };
  }
  const made = new Redis(port, "127.0.0.1");
  made.on("error", () => undefined);
  if (driver === "ioredis") return { client: made, end: () => made.disconnect() };
  const split: RedisClient = {
    isCluster: true,
    options: {},
    slots: Array.from({ length: 16_384 }, () => [`127.0.0.1:${port}`]),
    call: (name: string, args: (string | Buffer | number)[]) => made.call(name, args),
    nodes: () => [made],
  };
  return { client: split, end: () => made.disconnect() };
}

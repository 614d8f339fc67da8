/**
 * @module
 * How the conformance suite gets at the Redis store.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import type { SessionStore } from "../../src/store/store.ts";
import type { RedisServer } from "../engines/redis-server.ts";
import type { LocatedHarness } from "./harnesses.ts";
import type { OpenedRedis, RedisDriver, RedisLocation } from "./redis-open.ts";
import { openRedis } from "./redis-open.ts";

const WRITER_PROCESS = fileURLToPath(new URL("redis-writer-process.ts", import.meta.url));
const run = promisify(execFile);

/**
 * The store on the servers that `serversOf` gives (several: a Cluster), or the namespace of it that `namespaces` leads
 * to. A restart kills the server with SIGKILL, so it must write each commit to disk; a Cluster is not restarted.
 */
export function redisHarness(
  serversOf: () => readonly RedisServer[],
  driver: RedisDriver,
  ...namespaces: string[]
): LocatedHarness {
  let opened: OpenedRedis[] = [];
  const isCluster = driver.endsWith("-cluster");
  const location = (): RedisLocation => {
    const [first] = serversOf();
    return { driver, port: first?.port ?? 0, namespaces, durability: isCluster ? "process" : "disk" };
  };
  const connect = async (): Promise<SessionStore> => {
    const connection = await openRedis(location());
    opened.push(connection);
    return connection.store;
  };
  const closeAll = async (): Promise<void> => {
    for (const { close } of opened) await close();
    opened = [];
  };
  const restart = async (): Promise<SessionStore> => {
    await closeAll();
    for (const server of serversOf()) {
      await server.kill();
      await server.start();
    }
    return connect();
  };
  return {
    async open() {
      for (const server of serversOf()) await withRaw(server, (raw) => raw.flushall());
      return connect();
    },
    openSecond: connect,
    ...(!isCluster && { restart }),
    async runWriter(task) {
      const { stdout } = await run(process.execPath, [
        WRITER_PROCESS,
        JSON.stringify(location()),
        JSON.stringify(task),
      ]);
      return JSON.parse(stdout);
    },
    async residue(needle) {
      const places = serversOf().map((server) => withRaw(server, (raw) => placesOf(raw, needle)));
      return (await Promise.all(places)).flat();
    },
    location,
    destroy: closeAll,
  };
}

export async function withRaw<T>({ port }: RedisServer, work: (raw: Redis) => Promise<T>): Promise<T> {
  const raw = new Redis(port, "127.0.0.1");
  try {
    return await work(raw);
  } finally {
    raw.disconnect();
  }
}

/** The keys whose name or content holds `needle`, in upper or lower case. */
async function placesOf(raw: Redis, needle: string): Promise<string[]> {
  const places: string[] = [];
  for (const key of await raw.keys("*")) {
    const held = `${key}\n${JSON.stringify(await contentOf(raw, key))}`.toLowerCase();
    if (held.includes(needle.toLowerCase())) places.push(key);
  }
  return places;
}

async function contentOf(raw: Redis, key: string): Promise<unknown> {
  switch (await raw.type(key)) {
    case "hash":
      return raw.hgetall(key);
    case "stream":
      return raw.xrange(key, "-", "+");
    case "zset":
      return raw.zrange(key, "0", "-1");
    default:
      return raw.get(key);
  }
}

/**
 * @module
 * Redis with an append-only file that is synced before each answer.
 */
import { Redis } from "ioredis";
import { redisStore } from "../../src/stores/redis.ts";
import { missingRedis, startRedis } from "../../test/engines/redis-server.ts";
import type { BenchServer, ServerFloor } from "./server.ts";

const APPEND = `
if tonumber(redis.call("HGET", KEYS[1], "version") or "0") ~= tonumber(ARGV[1]) then return 0 end
redis.call("XADD", KEYS[2], (ARGV[1] + 1) .. "-0", "m", ARGV[3])
redis.call("HSET", KEYS[1], "version", ARGV[1] + 1, "updatedAt", ARGV[2])
redis.call("ZADD", "floor:updated", ARGV[2], ARGV[4])
return 1
`;

export async function redisBench(): Promise<BenchServer | undefined> {
  const missing = missingRedis();
  if (missing !== undefined) {
    console.log(`left out: ${missing}`);
    return undefined;
  }
  const server = await startRedis({ appendfsync: "always" });
  const client = new Redis(server.port, "127.0.0.1");
  client.on("error", () => undefined);
  const version = /redis_version:(\S+)/.exec(await client.info("server"))?.[1] ?? "";
  return {
    name: `redis ${version}`,
    store: redisStore({ client }),
    floor: await byScript(client),
    atLeastAtOnce: 3,
    async sizes() {
      const used = /used_memory_dataset:(\d+)/.exec(await client.info("memory"))?.[1];
      return { memory: Number(used) };
    },
    async stop() {
      client.disconnect();
      await server.stop();
    },
  };
}

async function byScript(client: Redis): Promise<ServerFloor> {
  const sha = String(await client.script("LOAD", APPEND));
  const versions = new Map<string, number>();
  const send = async (id: string, message: object): Promise<void> => {
    const version = versions.get(id) ?? 0;
    versions.set(id, version + 1);
    const keys = [`floor:{${id}}:s`, `floor:{${id}}:e`] as const;
    const values = [String(version), String(Date.now()), JSON.stringify(message), id] as const;
    if ((await client.evalsha(sha, 2, ...keys, ...values)) !== 1) throw new Error(`${id} was changed`);
  };
  return {
    what: "one script: version, XADD, HSET, ZADD",
    create: async () => undefined,
    append: send,
    // Sent together, without waiting for one another.
    appendToAll: async (ids, message) => void (await Promise.all(ids.map((id) => send(id, message)))),
  };
}

/**
 * @module
 * One test on each of four engines: memory, SQLite, and private servers of PostgreSQL and Redis.
 */
import { afterAll, beforeAll, describe, test } from "vitest";
import type { ConformanceHarness } from "../../src/store/conformance/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import type { RedisServer } from "../engines/redis-server.ts";
import { missingRedis, startRedis } from "../engines/redis-server.ts";
import { folderHarness, memoryHarness } from "../stores/harnesses.ts";
import { serverHarness } from "../stores/postgres-support.ts";
import { redisHarness } from "../stores/redis-harness.ts";

export type EngineName = "memory" | "sqlite" | "postgres" | "redis";

export interface OnEngine {
  readonly engine: EngineName;
  /** The root namespace of an empty engine. */
  readonly store: SessionStore;
  /** Opens a connection of its own to the same data; in memory, the same store. */
  connect(): Promise<SessionStore>;
  /** Where the raw engine holds `needle`: files, rows, keys. */
  residue(needle: string): Promise<string[]>;
}

export type EngineTest = (title: string, run: (given: OnEngine) => Promise<void>) => void;

/** Runs `define` for each engine; where a server is not installed, says so and leaves its tests out. */
export async function onEngines(define: (on: EngineTest, engine: EngineName) => void): Promise<void> {
  const redis: RedisServer[] = [];
  const noRedis = missingRedis();
  const postgres = await startPostgres();
  const pool = postgres && poolOf({ connectionString: postgres.url, max: 2 });
  const engines: readonly [EngineName, ConformanceHarness | undefined][] = [
    ["memory", memoryHarness()],
    ["sqlite", folderHarness("sqlite")],
    ["postgres", postgres && pool && serverHarness("pg", postgres.url, pool)],
    ["redis", noRedis === undefined ? redisHarness(() => redis, "ioredis") : undefined],
  ];
  beforeAll(async () => {
    if (noRedis === undefined) redis.push(await startRedis({ appendfsync: "everysec" }));
  }, 60_000);
  afterAll(async () => {
    await pool?.end();
    await postgres?.stop();
    for (const server of redis) await server.stop();
  });
  for (const [engine, harness] of engines) {
    if (!harness) {
      const why = engine === "redis" ? noRedis : "there is no PostgreSQL";
      if (process.env.HOLDFAST_REQUIRE === "all") throw new Error(why);
      console.log(`left out: ${engine}: ${why}`);
      continue;
    }
    describe(`on ${engine}`, () => {
      define((title, run) => {
        test(title, async () => {
          const store = await harness.open();
          try {
            await run({
              engine,
              store,
              connect: () => harness.openSecond(),
              residue: async (needle) => {
                if (!harness.residue) throw new Error(`nobody can look into ${engine}`);
                return harness.residue(needle);
              },
            });
          } finally {
            await harness.destroy();
          }
          // Generous: another test may have the machine meanwhile.
        }, 120_000);
      }, engine);
    });
  }
}

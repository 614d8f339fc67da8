/** Engines to put the encryption around in tests, with a look into what they store. */

import type { ConformanceHarness } from "../../src/store/conformance/index.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { missingRedis, startRedis } from "../engines/redis-server.ts";
import { folderHarness, memoryHarness } from "../stores/harnesses.ts";
import { serverHarness } from "../stores/postgres-support.ts";
import { redisHarness } from "../stores/redis-harness.ts";

export interface Base {
  readonly harness: ConformanceHarness;
  stop(): Promise<void>;
}

/** The engine, started; `undefined`, and said so, where there is none on this machine. */
export async function baseOf(engine: string): Promise<Base | undefined> {
  const nothing = async (): Promise<void> => undefined;
  if (engine === "memory") return { harness: memoryHarness(), stop: nothing };
  if (engine === "sqlite" || engine === "file") return { harness: folderHarness(engine), stop: nothing };
  if (engine === "redis") {
    const missing = missingRedis();
    if (missing) return left(engine, missing);
    const server = await startRedis({ appendfsync: "always" });
    return { harness: redisHarness(() => [server], "ioredis"), stop: () => server.stop() };
  }
  const server = await startPostgres();
  if (!server) return left(engine, "no PostgreSQL");
  const pool = poolOf({ connectionString: server.url, max: 2 });
  return {
    harness: serverHarness("pg", server.url, pool),
    async stop() {
      await pool.end();
      await server.stop();
    },
  };
}

function left(engine: string, missing: string): undefined {
  if (process.env.HOLDFAST_REQUIRE === "all") throw new Error(`${engine}: ${missing}`);
  console.log(`left out: ${engine}: ${missing}`);
  return undefined;
}

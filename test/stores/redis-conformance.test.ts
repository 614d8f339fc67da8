/**
 * Every case of the conformance suite on a real redis-server, and on a Cluster of three masters, by both clients, at the
 * root and through a namespace.
 */
import { afterAll, beforeAll, describe, test } from "vitest";
import { runConformance } from "../../src/store/conformance/index.ts";
import type { RedisServer } from "../engines/redis-server.ts";
import { isInstalled, missingRedis, startRedis, startRedisCluster } from "../engines/redis-server.ts";
import { redisHarness } from "./redis-harness.ts";
import type { RedisDriver } from "./redis-open.ts";

const TENANT = "tenant: a/../b";

const missing = missingRedis();
if (missing) console.log(`left out: conformance of the redis store: ${missing}`);
const isLeftOut = missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all";

/** Every case by each driver, on servers that `start` starts once. */
function conforms(title: string, drivers: readonly RedisDriver[], start: () => Promise<RedisServer[]>): void {
  describe.skipIf(isLeftOut)(title, () => {
    let servers: readonly RedisServer[] = [];
    beforeAll(async () => {
      if (missing) throw new Error(missing);
      servers = await start();
    }, 30_000);
    afterAll(() => Promise.all(servers.map((server) => server.stop())));
    for (const driver of drivers) {
      const harnessOf = (...namespaces: string[]) => redisHarness(() => servers, driver, ...namespaces);
      describe(driver, () => runConformance(harnessOf(), { test, describe }));
      describe(`${driver}, in a namespace`, () => runConformance(harnessOf(TENANT), { test, describe }));
    }
  });
}

conforms("redis", ["ioredis", "node-redis"], async () => [await startRedis({ appendfsync: "always" })]);
conforms("redis cluster", ["ioredis-cluster", "node-redis-cluster"], startRedisCluster);

// Where both are installed, the one above ran on redis-server.
if (isInstalled("redis-server") && isInstalled("valkey-server"))
  conforms("valkey", ["ioredis"], async () => [
    await startRedis({ program: "valkey-server", appendfsync: "always" }),
  ]);

/**
 * Outages of a real primary under load; see `fallback-rounds.ts`.
 *
 * Each engine by itself, and a quarter as often under the layers that a server would have around its fallback. FAULT_ROUNDS
 * says how many by itself (default 5), FAULT_SEED repeats a run.
 */
import { Redis } from "ioredis";
import { afterAll, expect, test } from "vitest";
import { postgresStore } from "../../src/stores/postgres.ts";
import { redisStore } from "../../src/stores/redis.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { missingRedis, startRedis } from "../engines/redis-server.ts";
import { stacks } from "../layers/fallback-stack.ts";
import { outageRounds } from "./fallback-rounds.ts";

const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 5);
const seed = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const TIMEOUT_MS = 120_000 + ROUNDS * 5000;

const [, whole] = stacks();
const variants = [
  { title: "", rounds: ROUNDS, options: {} },
  {
    title: ` under ${whole.title}`,
    rounds: Math.ceil(ROUNDS / 4),
    options: { over: whole.over, isSealed: true },
  },
];

const missing = missingRedis();
if (missing) console.log(`left out: outages of Redis: ${missing}`);
const postgres = await startPostgres({ settings: { fsync: "on" } });
afterAll(() => postgres?.stop());

for (const { title, rounds, options } of variants) {
  test.skipIf(missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all")(
    `${rounds} outages of Redis${title} lose, repeat and reorder nothing [seed ${seed}]`,
    async () => {
      const server = await startRedis({ appendfsync: "always" });
      try {
        const report = await outageRounds(
          {
            port: server.port,
            kill: server.kill,
            start: server.start,
            async open(port) {
              const client = new Redis({
                host: "127.0.0.1",
                port,
                maxRetriesPerRequest: 1,
                retryStrategy: () => 20,
              });
              // A driver says that a connection broke; it opens another one.
              client.on("error", () => undefined);
              return {
                store: redisStore({ client, durability: "disk" }),
                close: async () => client.disconnect(),
              };
            },
          },
          { rounds, seed, killEvery: 2, ...options },
        );
        console.log(`Redis${title}: ${JSON.stringify(report)}`);
        expect(report.journaled).toBeGreaterThan(0);
      } finally {
        await server.stop();
      }
    },
    TIMEOUT_MS,
  );

  test.skipIf(!postgres)(
    `${rounds} outages of PostgreSQL${title} lose, repeat and reorder nothing [seed ${seed}]`,
    async () => {
      if (!postgres) return;
      const report = await outageRounds(
        {
          port: postgres.port,
          kill: postgres.crash,
          start: postgres.start,
          async open(port) {
            const url = new URL(postgres.url);
            url.port = String(port);
            const pool = poolOf({ connectionString: url.href, max: 4, connectionTimeoutMillis: 2000 });
            return { store: postgresStore({ pool }), close: () => pool.end() };
          },
        },
        { rounds, seed, killEvery: 10, ...options },
      );
      console.log(`PostgreSQL${title}: ${JSON.stringify(report)}`);
      expect(report.journaled).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );
}

/** Every store on a server behind a proxy that spoils exchanges; see `server-faults.ts`. */
import { Redis } from "ioredis";
import pg from "pg";
import postgres from "postgres";
import { createClient } from "redis";
import { afterAll, describe, vi } from "vitest";
import { postgresStore } from "../../src/stores/postgres.ts";
import { redisStore } from "../../src/stores/redis.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { missingRedis, startRedis } from "../engines/redis-server.ts";
import type { FaultyServer } from "./server-faults.ts";
import { testServerFaults } from "./server-faults.ts";

// They wait more than they work.
vi.setConfig({ maxConcurrency: 100 });

/** A driver says that a connection broke; it opens another one. */
const told = (): void => undefined;

const postgresServer = await startPostgres();
if (postgresServer) {
  afterAll(() => postgresServer.stop());
  const at = (port: number): string => {
    const url = new URL(postgresServer.url);
    url.port = String(port);
    return url.href;
  };
  const port = Number(new URL(postgresServer.url).port);
  const drivers: Readonly<Record<string, FaultyServer["open"]>> = {
    async pg(through) {
      const pool = new pg.Pool({ connectionString: at(through), max: 4 });
      pool.on("error", told);
      return { store: postgresStore({ pool }), close: () => pool.end() };
    },
    async "postgres.js"(through) {
      const sql = postgres(at(through), { max: 4, onnotice: told, fetch_types: false });
      return { store: postgresStore({ pool: sql }), close: () => sql.end({ timeout: 1 }) };
    },
    async "a url"(through) {
      const store = postgresStore({ url: at(through) });
      return { store, close: () => store.close() };
    },
  };
  for (const [driver, open] of Object.entries(drivers)) {
    describe.concurrent(driver, () => testServerFaults(`PostgreSQL by ${driver}`, () => ({ port, open })));
  }
}

const missing = missingRedis();
if (missing === undefined) {
  const redisServer = await startRedis();
  afterAll(() => redisServer.stop());
  const { port } = redisServer;
  const drivers: Readonly<Record<string, FaultyServer["open"]>> = {
    async ioredis(through) {
      const client = new Redis(through, "127.0.0.1", { maxRetriesPerRequest: 1 });
      client.on("error", told);
      return { store: redisStore({ client }), close: async () => client.disconnect() };
    },
    async "node-redis"(through) {
      const client = createClient({ socket: { port: through, host: "127.0.0.1" } });
      client.on("error", told);
      await client.connect();
      return { store: redisStore({ client }), close: async () => client.destroy() };
    },
    async "a url"(through) {
      const store = redisStore({ url: `redis://127.0.0.1:${through}` });
      return { store, close: () => store.close() };
    },
  };
  for (const [driver, open] of Object.entries(drivers)) {
    describe.concurrent(driver, () => testServerFaults(`Redis by ${driver}`, () => ({ port, open })));
  }
} else if (process.env.HOLDFAST_REQUIRE === "all") throw new Error(missing);
else console.log(`left out: faults of the redis store: ${missing}`);

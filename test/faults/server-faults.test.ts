/** Every store on a server behind a proxy that spoils exchanges; see `server-faults.ts`. */
import { Client } from "@opensearch-project/opensearch";
import { Redis } from "ioredis";
import { MongoClient } from "mongodb";
import { createPool } from "mysql2/promise";
import postgres from "postgres";
import { createClient } from "redis";
import { afterAll, describe, vi } from "vitest";
import { createStore } from "../../src/index.ts";
import { mongodbStore } from "../../src/stores/mongodb.ts";
import { mysqlStore } from "../../src/stores/mysql.ts";
import { opensearchStore } from "../../src/stores/opensearch.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import { redisStore } from "../../src/stores/redis.ts";
import { poolOf } from "../engines/pool.ts";
import { ENGINES } from "../engines/urls.ts";
import type { FaultyServer } from "./server-faults.ts";
import { testServerFaults } from "./server-faults.ts";

// They wait more than they work.
vi.setConfig({ maxConcurrency: 100 });

/** A driver says that a connection broke; it opens another one. */
const told = (): void => undefined;

type Open = (url: string) => ReturnType<FaultyServer["open"]>;

/** How each driver is given to its store. */
const DRIVERS: Readonly<Record<string, Readonly<Record<string, Open>>>> = {
  postgres: {
    async pg(url) {
      const pool = poolOf({ connectionString: url, max: 4 });
      return { store: postgresStore({ pool }), close: () => pool.end() };
    },
    async "postgres.js"(url) {
      const sql = postgres(url, { max: 4, onnotice: told, fetch_types: false });
      return { store: postgresStore({ pool: sql }), close: () => sql.end({ timeout: 1 }) };
    },
  },
  mysql: {
    async mysql2(url) {
      const pool = createPool({ uri: url, connectionLimit: 4 });
      return { store: mysqlStore({ pool }), close: () => pool.end() };
    },
  },
  redis: {
    async ioredis(url) {
      const client = new Redis(url, { maxRetriesPerRequest: 1 });
      client.on("error", told);
      return { store: redisStore({ client }), close: async () => client.disconnect() };
    },
    async "node-redis"(url) {
      const client = createClient({ url });
      client.on("error", told);
      await client.connect();
      return { store: redisStore({ client }), close: async () => client.destroy() };
    },
  },
  mongodb: {
    async mongodb(url) {
      const client = new MongoClient(url, { serverSelectionTimeoutMS: 5000 });
      return { store: mongodbStore({ client, database: "faults" }), close: () => client.close() };
    },
  },
  opensearch: {
    async opensearch(url) {
      const client = new Client({ node: url.replace(/^opensearch/, "http") });
      return { store: opensearchStore({ client }), close: () => client.close() };
    },
  },
};

/** Where a transaction is several packets, the one that ends it. */
const FINAL: Readonly<Record<string, string>> = { mysql: "COMMIT" };

/**
 * FerretDB 1.24 is asked for by one driver at a time, and goes away once nothing else is under way: with other tests at
 * work on it, now and then it answered nobody for 20 seconds after all of its connections had been broken.
 */
const ALONE: readonly string[] = ["mongodb"];

for (const [engine, start] of Object.entries(ENGINES)) {
  const isAlone = ALONE.includes(engine);
  const shared = isAlone ? undefined : await start();
  const final = FINAL[engine];
  const drivers: Readonly<Record<string, Open>> = {
    ...DRIVERS[engine],
    async "a url"(url) {
      const store = await createStore(url);
      return { store, close: () => store.close() };
    },
  };
  if (shared) afterAll(() => shared.stop());
  for (const [driver, open] of Object.entries(drivers)) {
    const server = isAlone ? await start() : shared;
    if (!server) continue;
    if (isAlone) afterAll(() => server.stop());
    describe.concurrent(driver, () =>
      testServerFaults(
        `${engine} by ${driver}`,
        () => ({
          port: Number(new URL(server.url).port),
          ...(final !== undefined && { final }),
          open(through) {
            const url = new URL(server.url);
            url.port = String(through);
            return open(url.href);
          },
        }),
        isAlone,
      ),
    );
  }
}

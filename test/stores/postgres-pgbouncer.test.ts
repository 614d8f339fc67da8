/**
 * The PostgreSQL store behind PgBouncer in transaction mode, where each statement may run on another connection: every
 * case of the conformance suite through pg, those of each statement through postgres.js, and watching, where nothing can be listened to.
 */
import pg from "pg";
import postgres from "postgres";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { begin, say } from "../../src/store/conformance/build.ts";
import { runConformance } from "../../src/store/conformance/index.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import { startPgBouncer } from "../engines/pgbouncer.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { follow, newSchema, serverHarness } from "./postgres-support.ts";

/** The cases in which every statement of the store is run; values and names are no matter of PgBouncer's. */
const STATEMENTS = ["commit/", "read/", "list/", "delete/", "expiry/", "search/", "watch/", "turns/"];

const server = await startPostgres();
const bouncer = server && (await startPgBouncer(server));
if (server && bouncer) {
  const direct = poolOf({ connectionString: server.url, max: 2 });
  afterAll(async () => {
    await direct.end();
    await bouncer.stop();
    await server.stop();
  });

  describe("through pg", () => runConformance(serverHarness("pg", bouncer.url, direct), { test, describe }));
  describe("through postgres.js, in a namespace", () => {
    const harness = serverHarness("postgres.js", bouncer.url, direct, "tenant: a/../b");
    for (const only of STATEMENTS) runConformance(harness, { test, describe }, { only });
  });

  /** Connections of the server that listen. */
  const listening = async (): Promise<unknown[]> =>
    (await direct.query("SELECT query FROM pg_stat_activity WHERE query ILIKE 'listen%'")).rows;

  test("connections are shared by statements of different clients", async () => {
    const clients = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const client = new pg.Client({ connectionString: bouncer.url });
        await client.connect();
        onTestFinished(() => client.end());
        return client;
      }),
    );
    const pids = await Promise.all(
      clients.map(async (client) => (await client.query("SELECT pg_backend_pid() AS pid")).rows[0]?.pid),
    );
    expect(new Set(pids).size).toBeLessThanOrEqual(4);
  });

  test("a watch through it listens to nothing, and looks", async () => {
    const schema = newSchema();
    const pool = poolOf({ connectionString: bouncer.url, max: 4 });
    onTestFinished(() => pool.end());
    const sent: string[] = [];
    const watched = {
      totalCount: 0,
      query: (text: string, values?: unknown[]) => pool.query(text, values),
      async connect() {
        const client = await pool.connect();
        return {
          processID: Reflect.get(client, "processID"),
          query(text: string) {
            sent.push(text);
            return client.query(text);
          },
          on: (event: "error", listener: () => void) => client.on(event, listener),
          release: (destroy: boolean) => client.release(destroy),
        };
      },
    };
    const store = postgresStore({ pool: watched, schema });
    const session = await begin(store, { id: "a" });
    const abort = new AbortController();
    const { seqs, done } = follow(store, "a", abort);
    const writer = postgresStore({ pool: direct, schema, watch: "poll" });
    await writer.commit([session.next(say("one"))]);
    await expect.poll(() => seqs, { timeout: 3000 }).toEqual([1, 2]);
    expect(sent).toEqual(["SELECT pg_backend_pid() AS pid"]);
    abort.abort();
    await done;
  });

  test("a watch through postgres.js there makes no connection that listens", async () => {
    const schema = newSchema();
    const sql = postgres(bouncer.url, { max: 2, onnotice: () => undefined });
    onTestFinished(() => sql.end());
    let listened = 0;
    const watched = {
      unsafe: sql.unsafe,
      async listen(): Promise<never> {
        listened += 1;
        throw new Error("it listens");
      },
    };
    const store = postgresStore({ pool: watched, schema });
    const session = await begin(store, { id: "a" });
    const abort = new AbortController();
    const { seqs, done } = follow(store, "a", abort);
    const writer = postgresStore({ pool: direct, schema, watch: "poll" });
    await writer.commit([session.next(say("one"))]);
    await expect.poll(() => seqs, { timeout: 3000 }).toEqual([1, 2]);
    expect(listened).toBe(0);
    abort.abort();
    await done;
  });

  test("with listenUrl it listens on the server itself", async () => {
    const schema = newSchema();
    const store = postgresStore({ url: bouncer.url, listenUrl: server.url, schema });
    const session = await begin(store, { id: "a" });
    const abort = new AbortController();
    const { seqs, done } = follow(store, "a", abort);
    await expect.poll(listening, { timeout: 5000 }).toHaveLength(1);
    await session.write(say("one"));
    await expect.poll(() => seqs).toEqual([1, 2]);
    abort.abort();
    await done;
    await expect.poll(listening).toEqual([]);
    await store.close();
  });
}

/**
 * How the PostgreSQL store watches: by notifications where they come, by looking where they don't, on one connection that
 * is opened again when it is lost and given back when nobody watches.
 */
import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";
import pg from "pg";
import postgres from "postgres";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import { createSessions } from "../../src/session/sessions.ts";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { follow, newSchema } from "./postgres-support.ts";

/** By then notifications are relied on, and sessions are looked at every two seconds only. */
const CERTAIN_MS = 2300;

const server = await startPostgres();
if (server) {
  const { url, password } = server;
  const pool = poolOf({ connectionString: url, max: 8 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  const newPool = (options: pg.PoolConfig = {}): pg.Pool => {
    const made = poolOf({ connectionString: url, max: 4, ...options });
    onTestFinished(async () => {
      if (!made.ended) await made.end();
    });
    return made;
  };
  /** The server processes of connections that listen. */
  const listening = async (): Promise<number[]> => {
    const sql = "SELECT pid FROM pg_stat_activity WHERE query ILIKE 'listen%' AND pid <> pg_backend_pid()";
    return (await pool.query<{ pid: number }>(sql)).rows.map(({ pid }) => pid);
  };
  const noneListens = (): Promise<void> => expect.poll(listening, { timeout: 3000 }).toEqual([]);
  const channelOf = async (schema: string): Promise<string> =>
    (await pool.query(`SELECT 'holdfast_' || '"${schema}".holdfast_meta'::regclass::oid AS name`)).rows[0]
      ?.name;

  describe("notifications", () => {
    test("wake watches without a look, for an append and for a removal", async () => {
      const schema = newSchema();
      const writer = postgresStore({ pool, schema });
      const session = await begin(writer, { id: "a" });
      const stores = (["pg", "postgres.js", "listenUrl"] as const).map((kind) => blind(kind, url, schema));
      const watches = stores.map(({ store }) => follow(store, "a"));
      const until = (count: number): Promise<void> =>
        expect
          .poll(() => watches.map(({ seqs }) => seqs.length), { timeout: 1000 })
          .toEqual([count, count, count]);
      await until(1);
      await delay(CERTAIN_MS);
      for (let count = 2; count < 5; count += 1) {
        await session.write(say(`${count}`));
        await until(count);
      }
      await writer.remove("a");
      for (const { done } of watches) expect(await done).toBeUndefined();
      await Promise.all(stores.map(({ release }) => release()));
      await noneListens();
    });

    test("are sent only while somebody watches, hold no name, and are fewer than commits", async () => {
      const schema = newSchema();
      const own = newPool();
      let told = 0;
      const counting = {
        totalCount: 0,
        connect: () => own.connect(),
        query(text: string, values?: unknown[]) {
          if (text.includes("pg_notify")) told += 1;
          return own.query(text, values);
        },
      };
      const writer = postgresStore({ pool: counting, schema });
      const session = await begin(writer, { id: "secret-name" });
      const listener = new pg.Client({ connectionString: url });
      await listener.connect();
      onTestFinished(() => listener.end());
      const heard: string[] = [];
      listener.on("notification", ({ payload = "" }) => {
        if (!payload.startsWith("?")) heard.push(payload);
      });
      await listener.query(`LISTEN ${await channelOf(schema)}`);
      for (let index = 0; index < 30; index += 1) await session.write(say(`${index}`));
      await delay(1200);
      expect(heard).toEqual([]);
      // The first commit's, and one for all that came within the second after it.
      expect(told).toBeLessThanOrEqual(3);

      const abort = new AbortController();
      const { done } = follow(postgresStore({ pool, schema }), "secret-name", abort);
      await delay(CERTAIN_MS);
      const begun = performance.now();
      for (let index = 0; index < 100; index += 1) await session.write(say(`${index}`));
      const took = performance.now() - begun;
      await expect.poll(() => heard.length).toBeGreaterThan(0);
      expect(heard.length).toBeLessThanOrEqual(2 + took / 20);
      for (const payload of heard) expect(payload).toMatch(/^[\w-]{16}(,[\w-]{16})*$/);
      abort.abort();
      await done;
    });

    test("that never come are made up for by looking", async () => {
      const schema = newSchema();
      const silent = postgresStore({ pool, schema, watch: "poll" });
      const session = await begin(silent, { id: "a" });
      const abort = new AbortController();
      const { seqs, done } = follow(postgresStore({ pool: newPool(), schema }), "a", abort);
      await delay(CERTAIN_MS);
      await session.write(say("untold"));
      await expect.poll(() => seqs, { timeout: 4000 }).toEqual([1, 2]);
      await silent.remove("a");
      expect(await done).toBeUndefined();
      expect(abort.signal.aborted).toBe(false);
    });
  });

  describe("the connection that listens", () => {
    test.each(["pool", "url"] as const)(
      "is one for all watches of all namespaces of a %s, and given back",
      async (kind) => {
        const schema = newSchema();
        const own = newPool();
        const store = postgresStore(kind === "pool" ? { pool: own, schema } : { url, schema });
        onTestFinished(() => store.close());
        const views = [store, store.namespace("n"), store.namespace("n").namespace("m")];
        const abort = new AbortController();
        const watches: ReturnType<typeof follow>[] = [];
        for (const view of views) {
          await begin(view, { id: "a" });
          for (let index = 0; index < 10; index += 1) watches.push(follow(view, "a", abort));
        }
        await expect.poll(() => watches.every(({ seqs }) => seqs.length === 1)).toBe(true);
        await expect.poll(listening).toHaveLength(1);
        abort.abort();
        await Promise.all(watches.map(({ done }) => done));
        await noneListens();
        if (kind === "pool") expect((await own.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
      },
    );

    test.each(["pool", "url", "postgres.js"] as const)(
      "is opened again after it was ended (%s), and what came meanwhile is seen once, in order",
      async (kind) => {
        const schema = newSchema();
        const sql = postgres(url, { max: 3, onnotice: () => undefined });
        onTestFinished(() => sql.end());
        const sources = { pool: { pool: newPool() }, url: { url }, "postgres.js": { pool: sql } };
        const store = postgresStore({ ...sources[kind], schema });
        const writer = postgresStore({ pool, schema });
        const session = await begin(writer, { id: "a" });
        const abort = new AbortController();
        const { seqs, done } = follow(store, "a", abort);
        await expect.poll(listening, { timeout: 3000 }).toHaveLength(1);
        await expect.poll(() => seqs).toEqual([1]);
        const [before] = await listening();
        for (let index = 0; index < 20; index += 1) {
          if (index === 5) await pool.query("SELECT pg_terminate_backend($1)", [before]);
          await session.write(say(`${index}`));
        }
        await expect.poll(() => seqs.length, { timeout: 5000 }).toBe(21);
        expect(seqs).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
        await expect.poll(listening, { timeout: 5000 }).toHaveLength(1);
        expect(await listening()).not.toEqual([before]);
        abort.abort();
        await done;
        await store.close();
      },
    );

    test("is given back by closing the store, and a pool that is ended ends its watches", async () => {
      const own = newPool();
      const schema = newSchema();
      const store = postgresStore({ pool: own, schema });
      await begin(store, { id: "a" });
      const first = follow(store, "a");
      await expect.poll(listening).toHaveLength(1);
      await store.close();
      expect(await first.done).toMatchObject({ code: "STORE_UNAVAILABLE" });
      await noneListens();
      const second = follow(postgresStore({ pool: own, schema }), "a");
      await expect.poll(listening).toHaveLength(1);
      await own.end();
      expect(await second.done).toMatchObject({ code: "STORE_UNAVAILABLE" });
    });

    test("is given up where a pool or client can't spare one, unless there is a listenUrl", async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      onTestFinished(() => client.end());
      const schema = newSchema();
      for (const source of [{ client }, { pool: newPool({ max: 1 }) }]) {
        const store = postgresStore({ ...source, schema });
        expect(store.capabilities.watch).toBe("poll");
        expect(store.watch).toBeUndefined();
        const listener = postgresStore({ ...source, schema, listenUrl: url });
        expect(listener.capabilities.watch).toBe("push");
        await begin(listener, { id: "a" });
        const abort = new AbortController();
        const { seqs, done } = follow(listener, "a", abort);
        await expect.poll(() => seqs).toEqual([1]);
        await expect.poll(listening).toHaveLength(1);
        abort.abort();
        await done;
        await listener.remove("a");
      }
      await noneListens();
      expect(postgresStore({ pool, watch: "poll" }).watch).toBeUndefined();
      for (const wrong of [{ watch: "push" }, { listenUrl: "mysql://x" }]) {
        expect(() => Reflect.apply(postgresStore, undefined, [{ pool, ...wrong }])).toThrow(HoldfastError);
      }
    });

    test("that is refused ends the watch with an error that holds no secret", async () => {
      const schema = newSchema();
      const secret = "wr0ngpassword";
      const listenUrl = url.replace(password, secret);
      const store = postgresStore({ pool, schema, listenUrl });
      await begin(store, { id: "a" });
      const error = await follow(store, "a").done;
      expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", retryable: false });
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret);
    });

    test("is not needed by a user that only reads", async () => {
      const schema = newSchema();
      const writer = postgresStore({ pool, schema });
      const session = await begin(writer, { id: "a" });
      const reader = newPool({ options: "-c default_transaction_read_only=on" });
      const abort = new AbortController();
      const { seqs, done } = follow(postgresStore({ pool: reader, schema, migrate: "manual" }), "a", abort);
      await session.write(say("one"));
      await expect.poll(() => seqs, { timeout: 2000 }).toEqual([1, 2]);
      await noneListens();
      abort.abort();
      await done;
    });
  });

  test("a hot standby can be read and watched, and refuses writes by name", async () => {
    const schema = newSchema();
    const writer = postgresStore({ pool, schema });
    const session = await begin(writer, { id: "a" }, say("one"));
    const standby = await startPostgres({ standbyOf: server });
    if (!standby) return;
    onTestFinished(() => standby.stop());
    const reader = postgresStore({ url: standby.url, schema });
    onTestFinished(() => reader.close());
    expect(await reader.find(["a"])).toEqual([session.record]);
    const abort = new AbortController();
    const { seqs, done } = follow(reader, "a", abort);
    await session.write(say("two"));
    await expect.poll(() => seqs, { timeout: 5000 }).toEqual([1, 2, 3]);
    const error = await rejects(() => begin(reader, { id: "b" }), "STORE_UNAVAILABLE", "a write");
    expect(error.message).toMatch(/read-only.*connect to the primary/);
    abort.abort();
    expect(await done).toBeUndefined();
  }, 20_000);

  test("a session that is deleted, or erased, by another process ends its watches", async () => {
    const schema = newSchema();
    const here = createSessions({ store: postgresStore({ pool: newPool(), schema }) });
    const there = createSessions({ store: postgresStore({ pool, schema }) });
    for (const end of ["delete", "erase"] as const) {
      const session = await there.create({
        id: end,
        label: "l",
        messages: [{ role: "user", content: "hello" }],
      });
      const watched = (await here.open(end)).watch({ after: 0 });
      const done = collect(watched);
      await session.append({ role: "user", content: "more" });
      await delay(300);
      await there[end](end);
      expect(await done).toMatchObject({ code: "SESSION_DELETED" });
    }
    await noneListens();
  });

  test("a watch outlives a crash of the server, and catches up", async () => {
    const schema = newSchema();
    const store = postgresStore({ pool: newPool(), schema });
    const writer = postgresStore({ pool, schema });
    const session = await begin(writer, { id: "a" });
    const abort = new AbortController();
    const { seqs, done } = follow(store, "a", abort);
    await expect.poll(listening).toHaveLength(1);
    await server.crash();
    await delay(700);
    await server.start();
    await session.write(say("after"));
    await expect.poll(() => seqs, { timeout: 5000 }).toEqual([1, 2]);
    await expect.poll(listening, { timeout: 8000 }).toHaveLength(1);
    await session.write(say("again"));
    await expect.poll(() => seqs, { timeout: 5000 }).toEqual([1, 2, 3]);
    abort.abort();
    await done;
  }, 30_000);
}

/** A store on a pool that never answers when sessions are looked at, until it is released. */
function blind(
  kind: "pg" | "postgres.js" | "listenUrl",
  url: string,
  schema: string,
): { readonly store: SessionStore; release(): Promise<void> } {
  const { promise: held, resolve: open } = Promise.withResolvers<void>();
  const unlessLook = async <T>(text: string, answer: () => PromiseLike<T>): Promise<T> => {
    if (text.includes("s.key = ANY")) await held;
    return answer();
  };
  const pool = poolOf({ connectionString: url });
  const sql = postgres(url, { max: 2, onnotice: () => undefined });
  const sources = {
    "postgres.js": {
      unsafe: (text: string, values?: (string | null)[], options?: { prepare?: boolean }) =>
        unlessLook(text, async () => sql.unsafe(text, values, options)),
      listen: sql.listen,
    },
    pg: {
      totalCount: 0,
      options: pool.options,
      connect: () => pool.connect(),
      query: (text: string, values?: unknown[]) => unlessLook(text, () => pool.query(text, values)),
    },
  };
  const isPg = kind !== "postgres.js";
  const store = postgresStore({
    pool: isPg ? sources.pg : sources[kind],
    schema,
    ...(kind === "listenUrl" && { listenUrl: url }),
  });
  return {
    store,
    async release() {
      open();
      await store.close();
      await Promise.all([pool.end(), sql.end()]);
    },
  };
}

async function collect(watched: AsyncIterable<unknown>): Promise<unknown> {
  try {
    for await (const _ of watched);
    return undefined;
  } catch (error) {
    return error;
  }
}

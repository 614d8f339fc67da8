/**
 * Watching on Redis: the connections that wait in XREAD, and what comes of watches where those are lost.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Entry } from "../../src/log/entry.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { begin, commitOf, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import { need } from "../../src/store/conformance/requirements.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { redisStore } from "../../src/stores/redis.ts";
import type { RedisServer } from "../engines/redis-server.ts";
import { missingRedis, startRedis } from "../engines/redis-server.ts";
import { withRaw } from "./redis-harness.ts";
import type { RedisDriver } from "./redis-open.ts";
import { openRedis } from "./redis-open.ts";

const PATIENCE_MS = 60_000;
const missing = missingRedis();
if (missing) console.log(`left out: watching on the redis store: ${missing}`);

describe.skipIf(missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all")("on redis-server", () => {
  let server: RedisServer;
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    server = await startRedis({ appendfsync: "always" });
  }, PATIENCE_MS);
  afterAll(() => server?.stop());

  async function open(driver: RedisDriver): Promise<SessionStore> {
    await withRaw(server, (raw) => raw.flushall());
    const opened = await openRedis({ driver, port: server.port, namespaces: [] });
    onTestFinished(opened.close);
    return opened.store;
  }

  /** The connections that wait in XREAD, by id. */
  const waiting = (): Promise<string[]> =>
    withRaw(server, async (raw) => {
      const lines = String(await raw.call("CLIENT", ["LIST"])).split("\n");
      return lines.flatMap((line) => (/ cmd=xread /.test(line) ? (/^id=(\d+)/.exec(line)?.[1] ?? []) : []));
    });

  async function until(isSo: () => Promise<boolean> | boolean, what: string): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      if (await isSo()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
  }

  interface Watched {
    readonly seen: Entry[];
    readonly ended: Promise<void>;
    /** Ends it, and resolves once it has ended. */
    end(): Promise<void>;
  }

  function watch(store: SessionStore, id: string, after = 0): Watched {
    const abort = new AbortController();
    const seen: Entry[] = [];
    const running = (async () => {
      for await (const entry of need(store.watch, "watch()").call(store, id, after, abort.signal))
        seen.push(entry);
    })();
    running.catch(() => undefined);
    onTestFinished(() => abort.abort());
    return {
      seen,
      ended: running,
      async end() {
        abort.abort();
        await running;
      },
    };
  }

  /** Commits notes one by one until it is told to stop, whatever fails meanwhile. */
  function writer(store: SessionStore, id: string): { stop(): Promise<number> } {
    let isOver = false;
    const run = (async () => {
      let [record] = await store.find([id]);
      while (!isOver) {
        try {
          const next = commitOf(record, [note("x")]);
          const { status } = await outcomeOf(store, next);
          record = status === "committed" ? next.record : (await store.find([id]))[0];
        } catch (error) {
          expect(HoldfastError.is(error, "STORE_UNAVAILABLE"), String(error)).toBe(true);
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      return (await store.find([id]))[0]?.seq ?? 0;
    })();
    return {
      stop() {
        isOver = true;
        return run;
      },
    };
  }

  const seqs = (entries: readonly Entry[]): number[] => entries.map(({ seq }) => seq);
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

  for (const driver of ["ioredis", "node-redis", "url"] as const) {
    test(`${driver}: many watches share one connection, which closes with the last of them`, async () => {
      const store = await open(driver);
      const sessions = await Promise.all(upTo(40).map((index) => begin(store, { id: `s${index}` })));
      const watches = sessions.map(({ id }) => watch(store, id));
      const twice = watch(store, "s1", 1);
      await until(() => watches.every(({ seen }) => seen.length === 1), "all have read what was there");
      for (const session of sessions) await session.write(note("one"), note("two"));
      await until(() => watches.every(({ seen }) => seen.length === 3), "all see what was written");
      for (const { seen } of watches) expect(seqs(seen)).toEqual([1, 2, 3]);
      await until(() => twice.seen.length === 2, "the second watch of one session sees it too");
      await until(async () => (await waiting()).length === 1, "one connection waits");
      await Promise.all([...watches, twice].map(({ end }) => end()));
      await until(async () => (await waiting()).length === 0, "it closes");
    });

    test(`${driver}: a connection that is killed again and again loses and repeats nothing`, async () => {
      const store = await open(driver);
      await begin(store, { id: "a" });
      const watches = [watch(store, "a"), watch(store, "a")];
      const writing = writer(store, "a");
      for (let killed = 0; killed < 5; ) {
        const ids = await waiting();
        await withRaw(server, async (raw) => {
          for (const id of ids) killed += Number(await raw.call("CLIENT", ["KILL", "ID", id]));
        });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const count = await writing.stop();
      await until(() => watches.every(({ seen }) => seen.length >= count), "the watches catch up");
      for (const { seen } of watches) expect(seqs(seen)).toEqual(upTo(count));
      await Promise.all(watches.map(({ end }) => end()));
    });
  }

  for (const driver of ["ioredis", "node-redis", "split"] as const) {
    test(`${driver}: a watch goes on after the server was killed and started again`, async () => {
      const store = await open(driver);
      await begin(store, { id: "a" });
      const watched = watch(store, "a");
      const writing = writer(store, "a");
      await until(() => watched.seen.length > 5, "the watch sees what is written");
      await server.kill();
      await server.start();
      const before = watched.seen.length;
      await until(() => watched.seen.length > before + 5, "the watch goes on");
      const count = await writing.stop();
      await until(() => watched.seen.length >= count, "the watch catches up");
      expect(seqs(watched.seen)).toEqual(upTo(count));
      await watched.end();
    });
  }

  test.each([
    [
      "a user with the rights that the documentation names",
      ["+@read", "+@write", "+@scripting", "+@connection", "+time"],
    ],
    ["a user who may not unblock clients", ["+@all", "-client|unblock"]],
  ])("%s lists, searches, removes, and watches several sessions", async (_who, rights) => {
    await open("ioredis");
    await withRaw(server, (raw) =>
      raw.call("ACL", ["SETUSER", "w", "reset", "on", ">secret", "~holdfast*", ...rights]),
    );
    const client = new Redis(server.port, "127.0.0.1", {
      username: "w",
      password: "secret",
      enableReadyCheck: false,
    });
    onTestFinished(() => client.disconnect());
    const store = redisStore({ client });
    const sessions = [await begin(store, { id: "a" }), await begin(store, { id: "b" })];
    const watches: Watched[] = [];
    for (const { id } of sessions) {
      watches.push(watch(store, id));
      await until(async () => (await waiting()).length === 1, "one connection waits");
    }
    for (const session of sessions) await session.write(say("one"));
    await until(() => watches.every(({ seen }) => seen.length === 2), "both see what was written");
    expect((await store.list({ order: "updated", limit: 10 })).items).toHaveLength(2);
    expect((await store.list({ order: "created", limit: 10 })).items).toHaveLength(2);
    expect((await store.search?.("one", { order: "updated", limit: 10 }))?.items).toHaveLength(2);
    expect(await store.sweep?.(Date.now(), 10)).toEqual([]);
    expect(await store.remove("a")).toBe(true);
  });

  test("a client that gives no further connection: watching is UNSUPPORTED, and says why", async () => {
    const store = await open("ioredis");
    await begin(store, { id: "a" });
    const client = new Redis(server.port, "127.0.0.1");
    onTestFinished(() => client.disconnect());
    const wrapped = {
      isCluster: false,
      call: client.call.bind(client),
      pipeline: client.pipeline.bind(client),
    };
    // @ts-expect-error what types refuse
    const watched = watch(redisStore({ client: wrapped }), "a");
    await expect(watched.ended).rejects.toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringContaining("duplicate()"),
    });
  });

  test("closing the store ends a watch at once", async () => {
    const store = await open("url");
    await begin(store, { id: "a" });
    const watched = watch(store, "a");
    await until(async () => (await waiting()).length === 1, "it waits");
    await store.close();
    await expect(watched.end()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryable: false });
    await until(async () => (await waiting()).length === 0, "its connection closes");
  });
});

/**
 * What is of the Redis store alone: its scripts, its time to live, faults of server and connection, and its errors.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Cluster, Redis } from "ioredis";
import { createCluster } from "redis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createSessions } from "../../src/index.ts";
import { HoldfastError, messageOf } from "../../src/log/errors.ts";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { RedisClient } from "../../src/stores/redis/client.ts";
import { connectionOf } from "../../src/stores/redis/client.ts";
import { toHoldfastError } from "../../src/stores/redis/errors.ts";
import { keysOf, memberOf, parseMember, timeKey } from "../../src/stores/redis/keys.ts";
import { slotOf } from "../../src/stores/redis/slots.ts";
import { redisStore } from "../../src/stores/redis.ts";
import type { RedisServer, RedisServerOptions } from "../engines/redis-server.ts";
import { missingRedis, startRedis } from "../engines/redis-server.ts";
import { withRaw } from "./redis-harness.ts";
import type { RedisLocation } from "./redis-open.ts";
import { openRedis } from "./redis-open.ts";

const APPENDS_PROCESS = fileURLToPath(new URL("redis-appends-process.ts", import.meta.url));
const run = promisify(execFile);
const HOUR_MS = 3_600_000;
const LIST = { order: "updated", limit: 50 } as const;

const missing = missingRedis();
if (missing) console.log(`left out: tests of the redis store: ${missing}`);

test("times sort as text, and a row's parts come back from any id", () => {
  const times = [-1e15, -5, -0.5, 0, 0.5, 1, 2, 1.5e12, 1.5e12 + 1, 8.64e15];
  expect(times.map((at) => timeKey(at)).toSorted()).toEqual(times.map((at) => timeKey(at)));
  expect(timeKey(-0)).toBe(timeKey(0));
  for (const id of ["a", "\0", "a\0", "\0\0\x01", "a\0\x01\0", "🙂", "x y"])
    expect(parseMember(memberOf(5, id, "tail"))).toEqual({ time: timeKey(5), id, tail: "tail" });
});

test("what is no client, no url or no number is INVALID_ARGUMENT, and no password is in the message", () => {
  const wrong: object[] = [
    {},
    { client: {} },
    { url: "http://user:secret@host" },
    { url: "redis://[" },
    { url: "redis://localhost", ttlMs: 0 },
    { url: "redis://localhost", timeoutMs: -1 },
    { url: "redis://localhost", durability: "paper" },
    { url: "redis://localhost", keyPrefix: "\ud800" },
    { url: "redis://localhost", wait: {} },
    { url: "redis://localhost", wait: { replicas: 0 } },
    { url: "redis://localhost", wait: { replicas: 1, timeoutMs: 0 } },
  ];
  for (const options of wrong) {
    // @ts-expect-error what types refuse
    const make = (): SessionStore => redisStore(options);
    expect(make, JSON.stringify(options)).toThrow(HoldfastError);
    expect(make).not.toThrow("secret");
  }
});

test("each failure of a server says what to do, whether to try again, and no secret", () => {
  const expected: readonly [message: string, says: string, retryable: boolean][] = [
    ["LOADING Redis is loading the dataset in memory", "loading its data", true],
    ["READONLY You can't write against a read only replica.", "primary", true],
    ["CLUSTERDOWN Hash slot not served", "CLUSTER INFO", true],
    ["MISCONF Redis is configured to save RDB snapshots", "disk", true],
    ["MOVED 1 127.0.0.1:7000", "Cluster client", false],
    ["NOPERM this user has no permissions", "ACL LOG", false],
    ["Too many Cluster redirections. Last error: ReplyError: MOVED 1 127.0.0.1:7000", "try again", true],
    ["Command timed out", "did not answer", true],
    ["connect ECONNREFUSED redis://user:secret@host:1", "could not be reached", true],
    ["ERR unknown command 'XADD'", "refused a command", false],
  ];
  for (const [message, says, retryable] of expected) {
    const error = toHoldfastError(new Error(message), "a");
    expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", retryable, sessionId: "a", store: "redis" });
    expect(error.message).toContain(says);
    expect(error.message).not.toContain("secret");
  }
});

test("the Cluster clients of both packages are taken for what they are", () => {
  const io = new Cluster([{ host: "127.0.0.1", port: 1 }], { lazyConnect: true });
  onTestFinished(() => io.disconnect());
  const node = createCluster({ rootNodes: [{ url: "redis://127.0.0.1:1" }] });
  const clients: RedisClient[] = [io, node];
  expect(clients.map((client) => connectionOf(client).isCluster)).toEqual([true, true]);
});

describe.skipIf(missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all")("on redis-server", () => {
  let server: RedisServer;
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    server = await startRedis();
  });
  afterAll(() => server?.stop());

  /** A store on storage that holds nothing. */
  async function fresh(location: Partial<RedisLocation> = {}): Promise<SessionStore> {
    await withRaw(server, (raw) => raw.flushall());
    return again(location);
  }

  async function again(location: Partial<RedisLocation> = {}): Promise<SessionStore> {
    const opened = await openRedis({ driver: "ioredis", port: server.port, namespaces: [], ...location });
    onTestFinished(opened.close);
    return opened.store;
  }

  async function startOther(options: RedisServerOptions): Promise<RedisServer> {
    const other = await startRedis(options);
    onTestFinished(() => other.stop());
    return other;
  }

  const idsOf = async (store: SessionStore): Promise<string[]> =>
    (await store.list(LIST)).items.map(({ id }) => id);

  for (const driver of ["ioredis", "node-redis"] as const) {
    test(`${driver}: scripts that are flushed in the middle of work are sent again`, async () => {
      const store = await fresh({ driver });
      const session = await begin(store, { id: "a" });
      await withRaw(server, (raw) => raw.script("FLUSH"));
      const create = commitOf(undefined, [creation({ id: "b" })]);
      const batch = [
        session.next(say("one")),
        create,
        commitOf(create.record, [say("two")]),
        commitOf(undefined, [creation({ id: "c" })]),
      ];
      const outcomes = await store.commit(batch);
      expect(outcomes.map(({ status }) => status)).toEqual(Array(4).fill("committed"));
      for (let round = 0; round < 20; round += 1) {
        const [, outcome] = await Promise.all([
          withRaw(server, (raw) => raw.script("FLUSH")),
          outcomeOf(store, commitOf(undefined, [creation({ id: `r${round}` }), say("text")])),
        ]);
        expect(outcome.status).toBe("committed");
      }
      expect(await idsOf(store)).toHaveLength(23);
      await withRaw(server, (raw) => raw.script("FLUSH"));
      expect(await store.remove("a")).toBe(true);
    });
  }

  test("50 appends at once from two processes: 50 stored, no error", async () => {
    const store = await fresh();
    await createSessions({ store }).create({ id: "shared" });
    const location: RedisLocation = { driver: "ioredis", port: server.port, namespaces: [] };
    const append = async (name: string): Promise<string> =>
      (await run(process.execPath, [APPENDS_PROCESS, JSON.stringify(location), "shared", name, "25"])).stdout;
    expect(await Promise.all([append("left"), append("right")])).toEqual(["0", "0"]);
    const entries = await store.read("shared", { after: 0, limit: 100 });
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
    const messages = entries.filter(({ type }) => type === "message");
    expect(messages).toHaveLength(50);
    const texts = messages.map(({ data }) => /(left|right) \d+/.exec(JSON.stringify(data))?.[0]);
    expect(new Set(texts).size).toBe(50);
  });

  test("no call sends KEYS or SCAN, nor does a script", async () => {
    const store = await fresh({ ttlMs: HOUR_MS });
    await withRaw(server, (raw) => raw.config("RESETSTAT"));
    await store.migrate();
    const session = await begin(store, { id: "a", userId: "u", parentId: "p" }, say("one word", "m1"));
    await session.write(say("two"), { type: "status.set", data: { status: "completed" } });
    await store.find(["a", "b"]);
    await store.read("a", { after: 0, limit: 10, types: ["message"] });
    for (const conditions of [{}, { userId: "u" }, { parentId: "p" }, { status: "completed" }] as const)
      for (const order of ["updated", "created"] as const)
        expect((await store.list({ ...LIST, ...conditions, order })).items).toHaveLength(1);
    expect((await store.search?.("word", LIST))?.items).toHaveLength(1);
    await store.sweep?.(Date.now(), 10);
    await store.remove("a");
    await store.ping();
    // What scripts call is counted too.
    const stats = await withRaw(server, (raw) => raw.info("commandstats"));
    const seen = [...stats.matchAll(/^cmdstat_([^:]+):/gm)].map(([, name]) => name ?? "");
    expect(seen).toContain("zrevrange");
    expect(seen.filter((name) => /^(keys|.?scan|randomkey|sort.*)$/.test(name))).toEqual([]);
  });

  test("a batch is one call for 64 sessions, and more where that would be a large one", async () => {
    const store = await fresh();
    const calls = async (): Promise<number> => {
      const stats = await withRaw(server, (raw) => raw.info("commandstats"));
      const counts = [...stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)];
      return counts.reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const write = async (count: number, length: number): Promise<number> => {
      const sessions = await Promise.all(
        Array.from({ length: count }, (_, index) => begin(store, { id: `s-${length}-${index}` })),
      );
      const before = await calls();
      const commits = sessions.map((session) => session.next(say("x".repeat(length))));
      expect(await store.commit(commits)).toEqual(commits.map(() => ({ status: "committed" })));
      return (await calls()) - before;
    };
    expect(await write(64, 10)).toBe(1);
    expect(await write(65, 20)).toBe(2);
    // Two of 1.5 MB go together.
    expect(await write(5, 1_500_000)).toBe(3);
  });

  test("every key of a session has the same time to live after each commit", async () => {
    const times = async (id: string): Promise<number[]> => {
      const { record, entries, ids } = keysOf("holdfast", "").session(id);
      return withRaw(server, (raw) =>
        Promise.all([record, entries, ids].map(async (key) => Number(await raw.call("PEXPIRETIME", key)))),
      );
    };
    const store = await fresh();
    const at = Date.now() + HOUR_MS;
    const session = await begin(store, { id: "a", expiresAt: at }, say("one", "m1"));
    expect(await times("a")).toEqual([at, at, at]);
    await session.write(say("two", "m2"));
    expect(await times("a")).toEqual([at, at, at]);
    await session.write({ type: "expiry.set", data: { expiresAt: at + 5 } });
    expect(await times("a")).toEqual([at + 5, at + 5, at + 5]);
    await session.write({ type: "expiry.set", data: {} });
    expect(await times("a")).toEqual([-1, -1, -1]);

    const limited = await fresh({ ttlMs: HOUR_MS });
    const before = Date.now();
    const other = await begin(limited, { id: "b" }, say("one", "m1"));
    const first = await times("b");
    expect(new Set(first).size).toBe(1);
    expect(first[0]).toBeGreaterThanOrEqual(before + HOUR_MS - 1000);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await other.write(say("two", "m2"));
    const second = await times("b");
    expect(new Set(second).size).toBe(1);
    expect(second[0]).toBeGreaterThan(first[0] ?? 0);
    await other.write({ type: "expiry.set", data: { expiresAt: before + 60_000 } });
    expect(await times("b")).toEqual(Array(3).fill(before + 60_000));
  });

  test("what Redis dropped by itself leaves nothing once it was swept", async () => {
    const store = await fresh({ ttlMs: 50 });
    await begin(store, { id: "a", userId: "u", parentId: "p" }, say("one", "m1"));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await store.find(["a"])).toEqual([undefined]);
    expect(await store.sweep?.(Date.now(), 10)).toEqual([]);
    expect(await withRaw(server, (raw) => raw.keys("*"))).toEqual(["holdfast:schema"]);
  });

  test("the prefix of an ioredis client itself is before every key", async () => {
    await fresh();
    const stores = ["one:", "two:"].map((keyPrefix) => {
      const client = new Redis(server.port, "127.0.0.1", { keyPrefix });
      onTestFinished(() => client.disconnect());
      return redisStore({ client });
    });
    for (const [index, store] of stores.entries()) {
      const session = await begin(store, { id: "a", userId: "u" }, say("word", "m1"));
      for (let count = 0; count < index; count += 1) await session.write(note(count));
      expect((await store.list({ ...LIST, userId: "u" })).items).toEqual([session.record]);
    }
    const keys = await withRaw(server, (raw) => raw.keys("*"));
    expect(keys.filter((key) => !/^(one|two):holdfast:/.test(key))).toEqual([]);
    for (const store of stores) expect(await store.remove("a")).toBe(true);
    expect((await withRaw(server, (raw) => raw.keys("*"))).sort()).toEqual([
      "one:holdfast:schema",
      "two:holdfast:schema",
    ]);
  });

  test("indexes of their own slots: a refused commit leaves no row, and one that a crash left is not listed", async () => {
    const store = await fresh({ driver: "split" });
    const session = await begin(store, { id: "a", userId: "u" }, say("one", "m1"));
    const stale = session.next(say("stale"));
    await session.write(say("two"));
    const rows = (): Promise<number[]> =>
      withRaw(server, async (raw) => {
        const keys = (await raw.keys("holdfast:{/*")).sort();
        return Promise.all(keys.map((key) => raw.zcard(key)));
      });
    const expected = await rows();
    expect(expected).toEqual([1, 1, 1, 1, 1]);
    await store.commit([
      stale,
      commitOf(undefined, [creation({ id: "a", userId: "u" })]),
      commitOf(session.record, [say("again", "m1")]),
    ]);
    expect(await rows()).toEqual(expected);

    const crashed = (at: number): string => memberOf(Date.now() + 99, "a", `${at.toString(36)}.crash`);
    await withRaw(server, async (raw) => {
      await raw.zadd("holdfast:{/updated}", 0, crashed(Date.now()), 0, crashed(Date.now() - 2 * HOUR_MS));
      await raw.zadd("holdfast:{/updated}", 0, memberOf(5, "ghost", `${Date.now().toString(36)}.crash`));
    });
    expect(await idsOf(store)).toEqual(["a"]);
    // A commit may be about to follow the younger ones; the old one is gone.
    expect(await rows()).toEqual([1, 1, 1, 1, 3]);
    expect(await idsOf(await again({ driver: "ioredis" }))).toEqual(["a"]);
    expect(await rows()).toEqual(expected);
  });

  test("a commit after another process's takes out the rows of that one, wherever they are", async () => {
    const [reader, writer] = [await fresh(), await again()];
    const session = await begin(writer, { id: "a", userId: "u" });
    const active = { ...LIST, userId: "u", status: "active" } as const;
    const completed = { ...active, status: "completed" } as const;
    for (let round = 0; round < 2; round += 1)
      expect((await reader.list(active)).items).toEqual([session.record]);
    const rowsIn = (query: typeof active | typeof completed): Promise<string[]> =>
      withRaw(server, (raw) => raw.zrange(keysOf("holdfast", "").index(query), "0", "-1"));
    const former = await rowsIn(active);
    // A third one does not know of the first commit's rows; and nor does the first of what the third did.
    const third = await again();
    const one = commitOf(session.record, [{ type: "status.set", data: { status: "completed" } }]);
    const two = commitOf(one.record, [say("text"), note(1)]);
    expect((await third.commit([one, two])).map(({ status }) => status)).toEqual(["committed", "committed"]);
    expect([await rowsIn(active), (await rowsIn(completed)).length]).toEqual([[], 1]);
    expect((await reader.list(active)).items).toEqual([]);
    expect((await reader.list(completed)).items).toEqual([two.record]);
    const three = commitOf(two.record, [
      { type: "status.set", data: { status: "active" } },
      { type: "expiry.set", data: { expiresAt: Date.now() + HOUR_MS } },
    ]);
    const four = commitOf(three.record, [{ type: "expiry.set", data: {} }]);
    for (const next of [three, four]) expect(await outcomeOf(writer, next)).toEqual({ status: "committed" });
    expect([(await rowsIn(active)).length, await rowsIn(completed)]).toEqual([1, []]);
    // A row that is left all the same, as of a program that crashed, misleads no list.
    await withRaw(server, async (raw) => {
      for (const row of former) await raw.zadd(keysOf("holdfast", "").index(active), 0, row);
    });
    expect((await reader.list(active)).items).toEqual([four.record]);
    expect(await rowsIn(active)).toHaveLength(1);
    await reader.remove("a");
    expect(await withRaw(server, (raw) => raw.keys("*"))).toEqual(["holdfast:schema"]);
  });

  test("a record that is held is not listed once Redis has dropped its session", async () => {
    const store = await fresh();
    await begin(store, { id: "kept", userId: "u" });
    await begin(store, { id: "a", userId: "u", expiresAt: Date.now() + 400 });
    const query = { ...LIST, userId: "u", status: "active" } as const;
    for (let round = 0; round < 2; round += 1) expect((await store.list(query)).items).toHaveLength(2);
    await new Promise((resolve) => setTimeout(resolve, 450));
    expect((await store.list(query)).items).toMatchObject([{ id: "kept" }]);
  });

  test("a list that races with commits never leaves out a session that matches all the while", async () => {
    const store = await fresh();
    const busy = await begin(store, { id: "busy", userId: "u" });
    const writer = await again();
    let isDone = false;
    const writing = (async () => {
      let record = busy.record;
      for (let index = 0; index < 200; index += 1) {
        const next = commitOf(record, [note(index)]);
        await writer.commit([next]);
        record = next.record;
      }
      isDone = true;
    })();
    let lists = 0;
    for (; !isDone; lists += 1) expect(await idsOf(store)).toEqual(["busy"]);
    await writing;
    expect(lists).toBeGreaterThan(10);
  });

  test("stores with hostile prefixes never meet", async () => {
    await fresh();
    const prefixes = [
      "a",
      "a:",
      "a:{b}",
      "a:{",
      "{",
      "}",
      "{}",
      "",
      "*",
      "a*",
      "a\0",
      "ä",
      "a:{x}record",
      "a:{/updated}",
    ];
    const stores = await Promise.all(prefixes.map((keyPrefix) => again({ keyPrefix })));
    for (const [index, store] of stores.entries()) {
      for (const id of ["x", "{x}", "/updated", "record"])
        await begin(store, { id, userId: `u${index}` }, say(`text ${index}`, "m"));
      await begin(store.namespace("x"), { id: "x" });
    }
    for (const [index, store] of stores.entries()) {
      const { items } = await store.list(LIST);
      expect(items.map(({ userId }) => userId)).toEqual(Array(4).fill(`u${index}`));
      expect(await store.namespace("x").find(["x", "y"])).toMatchObject([{ id: "x" }, undefined]);
      for (const id of ["x", "{x}", "/updated", "record"]) expect(await store.remove(id)).toBe(true);
      expect(await store.namespace("x").remove("x")).toBe(true);
    }
    const left = await withRaw(server, (raw) => raw.keys("*"));
    expect(left.filter((key) => !key.endsWith(":schema"))).toEqual([]);
  });

  test("keys of a session are in one slot, and slots are those of the server", async () => {
    const other = await startOther({ args: ["--cluster-enabled", "yes"] });
    const keys = ["", "a", "123456789", "x{user1000}y{z}", "{}x", "a{b", "a}b{c}", "ä{🙂}", "{{a}}"];
    const known = await withRaw(other, (raw) => Promise.all(keys.map((key) => raw.cluster("KEYSLOT", key))));
    expect(keys.map(slotOf)).toEqual(known);
    const slots = await withRaw(other, (raw) =>
      Promise.all(
        ["a", "{b}", "a/b", "🙂", "}{"].map(async (id) => {
          const keys = Object.values(keysOf("holdfast", "tenant/").session(id));
          return new Set(await Promise.all(keys.map((key) => raw.cluster("KEYSLOT", key)))).size;
        }),
      ),
    );
    expect(slots).toEqual([1, 1, 1, 1, 1]);
  });

  test("killed and restarted under load with appendfsync always: what was acknowledged is there, once", async () => {
    const other = await startOther({ appendfsync: "always" });
    const opened = await openRedis({
      driver: "ioredis",
      port: other.port,
      namespaces: [],
      durability: "disk",
    });
    onTestFinished(opened.close);
    const { store } = opened;
    const acknowledged: string[][] = [];
    let isOver = false;
    const write = async (id: string, mine: string[]): Promise<void> => {
      await store.commit([commitOf(undefined, [creation({ id })])]);
      let [record] = await store.find([id]);
      for (let index = 0; !isOver; index += 1) {
        const next = commitOf(record, [say(`text ${index}`, `m${index}`)]);
        try {
          const { status } = await outcomeOf(store, next);
          if (status === "committed") mine.push(`m${index}`);
          [record] = status === "committed" ? [next.record] : await store.find([id]);
        } catch (error) {
          expect(HoldfastError.is(error, "STORE_UNAVAILABLE")).toBe(true);
          [record] = await store.find([id]);
        }
      }
    };
    const writers = Array.from({ length: 8 }, (_, index) => {
      const mine: string[] = [];
      acknowledged.push(mine);
      return write(`s${index}`, mine);
    });
    for (let round = 0; round < 2; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await other.kill();
      await other.start();
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    isOver = true;
    await Promise.all(writers);
    const reader = await openRedis({
      driver: "node-redis",
      port: other.port,
      namespaces: [],
      durability: "disk",
    });
    onTestFinished(reader.close);
    for (const [index, mine] of acknowledged.entries()) {
      const entries = await reader.store.read(`s${index}`, { after: 1, limit: 100_000 });
      expect(mine.length).toBeGreaterThan(10);
      expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, at) => at + 2));
      const ids = entries.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      expect(mine.filter((id) => !ids.includes(id))).toEqual([]);
      expect((await reader.store.find([`s${index}`]))[0]?.seq).toBe(entries.at(-1)?.seq);
    }
  });

  test("an answer that is lost: a client that sends again is told that its commit took place", async () => {
    const proxy = await loseOneAnswer(server.port);
    onTestFinished(proxy.close);
    const client = new Redis(proxy.port, "127.0.0.1");
    client.on("error", () => undefined);
    onTestFinished(() => client.disconnect());
    await fresh();
    const store = redisStore({ client });
    const session = await begin(store, { id: "a" });
    proxy.arm();
    expect(await outcomeOf(store, session.next(say("one", "m1")))).toEqual({ status: "committed" });
    expect(proxy.lost()).toBe(1);
    expect(await store.read("a", { after: 0, limit: 10 })).toHaveLength(2);
  });

  test("an answer that is lost: a client of the store's own sends again, which is known for the same commit", async () => {
    const proxy = await loseOneAnswer(server.port);
    onTestFinished(proxy.close);
    await fresh();
    const store = redisStore({ url: `redis://127.0.0.1:${proxy.port}`, timeoutMs: 2000 });
    onTestFinished(() => store.close());
    const session = await begin(store, { id: "a" });
    proxy.arm();
    const startedAt = performance.now();
    const outcome = await outcomeOf(store, session.next(say("one", "m1")));
    expect([proxy.lost(), outcome]).toEqual([1, { status: "committed" }]);
    // Not only once the command would have timed out.
    expect(performance.now() - startedAt).toBeLessThan(1900);
    expect(await store.read("a", { after: 0, limit: 10 })).toHaveLength(2);
    const repeated = await outcomeOf(store, session.next(say("one", "m1")));
    expect(repeated).toEqual({ status: "duplicate", entryId: "m1", seq: 2 });
  });

  test("nobody at the address, and a wrong password: STORE_UNAVAILABLE, soon, without the password", async () => {
    const closed = redisStore({ url: "redis://user:secret@127.0.0.1:1", timeoutMs: 2000 });
    onTestFinished(() => closed.close());
    const unreachable = await rejects(() => closed.find(["a"]), "STORE_UNAVAILABLE", "find");
    const other = await startOther({ args: ["--requirepass", "right"] });
    const refused = redisStore({ url: `redis://:secret@127.0.0.1:${other.port}`, timeoutMs: 2000 });
    onTestFinished(() => refused.close());
    const wrong = await rejects(() => refused.ping(), "STORE_UNAVAILABLE", "ping");
    expect(wrong.message).toContain("password");
    for (const error of [unreachable, wrong]) {
      expect(error.message).not.toContain("secret");
      expect(JSON.stringify([error, error.cause, Object.entries(error.cause ?? {})])).not.toContain("secret");
    }
  });

  test("a user who may not run a command, or not touch the keys: STORE_UNAVAILABLE that names the remedy, nothing changed", async () => {
    const store = await fresh();
    const session = await begin(store, { id: "a" }, say("one"));
    const users = [
      ["~*", "+@all", "-@scripting"],
      ["~*", "+@all", "-@write"],
      ["~other:*", "+@all"],
    ];
    for (const [index, rules] of users.entries()) {
      await withRaw(server, (raw) => raw.call("ACL", ["SETUSER", `u${index}`, "on", ">secret", ...rules]));
      const limited = redisStore({ url: `redis://u${index}:secret@127.0.0.1:${server.port}` });
      onTestFinished(() => limited.close());
      const error = await rejects(
        () => limited.commit([session.next(say("two"))]),
        "STORE_UNAVAILABLE",
        rules.join(" "),
      );
      expect([error.retryable, error.message.includes("ACL LOG"), error.message.includes("secret")]).toEqual([
        false,
        true,
        false,
      ]);
    }
    expect(await store.find(["a"])).toEqual([session.record]);
  });

  test("a client that is closed, a read-only replica, and a server without memory: STORE_UNAVAILABLE that says what to do", async () => {
    await fresh();
    const client = new Redis(server.port, "127.0.0.1");
    const store = redisStore({ client });
    const session = await begin(store, { id: "a" });
    client.disconnect();
    await once(client, "end");
    await rejects(() => store.find(["a"]), "STORE_UNAVAILABLE", "find");

    const other = await startOther({});
    await withRaw(other, (raw) => raw.replicaof("127.0.0.1", 1));
    const replica = await openRedis({ driver: "node-redis", port: other.port, namespaces: [] });
    onTestFinished(replica.close);
    const readonly = await rejects(
      () => replica.store.commit([session.next(say("x"))]),
      "STORE_UNAVAILABLE",
      "a commit to a replica",
    );
    expect([readonly.message.includes("replica"), readonly.retryable]).toEqual([true, true]);

    const small = await startOther({ args: ["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"] });
    const full = await openRedis({ driver: "ioredis", port: small.port, namespaces: [] });
    onTestFinished(full.close);
    const kept = await begin(full.store, { id: "kept" });
    const fill = async (): Promise<void> => {
      for (let index = 0; index < 50; index += 1)
        await begin(full.store, { id: `s${index}` }, say("x".repeat(100_000)));
    };
    const failed: unknown = await fill().catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });
    expect(messageOf(failed)).toContain("raise maxmemory");
    expect(await full.store.find(["kept"])).toEqual([kept.record]);
  });

  test("keys of another type are STORE_CORRUPT and nothing is written; a newer schema is MIGRATION_REQUIRED", async () => {
    const store = await fresh();
    const session = await begin(store, { id: "a" }, say("one", "m1"));
    const { record, entries, ids } = keysOf("holdfast", "").session("a");
    const held = (): Promise<unknown> => withRaw(server, (raw) => raw.get(record));
    const before = await held();
    for (const key of [entries, ids]) {
      await withRaw(server, async (raw) => {
        await raw.rename(key, "aside");
        await raw.set(key, "text");
      });
      await rejects(() => store.commit([session.next(say("two", "m2"))]), "STORE_CORRUPT", `commit: ${key}`);
      expect(await held()).toEqual(before);
      await withRaw(server, (raw) => raw.rename("aside", key));
      expect(await store.read("a", { after: 0, limit: 10 })).toHaveLength(2);
    }
    await withRaw(server, (raw) => raw.rename(entries, "aside"));
    const torn = await rejects(() => store.commit([session.next(say("two"))]), "STORE_CORRUPT", "no log");
    expect(torn.message).toContain("noeviction");
    expect(await held()).toEqual(before);
    await withRaw(server, (raw) => raw.rename("aside", entries));
    await withRaw(server, (raw) => raw.xadd(entries, "4-0", "e", "[]\n0"));
    await rejects(() => store.read("a", { after: 0, limit: 10 }), "STORE_CORRUPT", "a log with a gap");
    await rejects(() => store.commit([session.next(say("two", "m2"))]), "STORE_CORRUPT", "a log ahead");
    expect(await held()).toEqual(before);

    await withRaw(server, (raw) => raw.set("holdfast:schema", "2"));
    const other = await again();
    await rejects(() => other.find(["a"]), "MIGRATION_REQUIRED", "find");
    await rejects(() => other.migrate(), "MIGRATION_REQUIRED", "migrate");
    await rejects(() => other.commit([session.next(say("x"))]), "MIGRATION_REQUIRED", "commit");
    expect(await held()).toEqual(before);
  });
});

/** A proxy that, once armed, hands on the next commit, and drops the connection in place of the answer. */
async function loseOneAnswer(port: number) {
  const sockets = new Set<Socket>();
  let isArmed = false;
  let lost = 0;
  const proxy = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    let isDoomed = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (data) => {
      if (isArmed && data.toString().includes("XADD") === false && data.toString().includes("m1")) {
        isArmed = false;
        isDoomed = true;
      }
      upstream.write(data);
    });
    upstream.on("data", (data) => {
      if (!isDoomed) {
        client.write(data);
        return;
      }
      lost += 1;
      client.destroy();
    });
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  if (typeof address !== "object" || !address) throw new Error("no port");
  return {
    port: address.port,
    arm: () => {
      isArmed = true;
    },
    lost: () => lost,
    close: () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  };
}

/**
 * Time to live in Redis: nothing is left of a session whose time is over, and nothing that a fork inherits goes before it.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Sessions } from "../../src/index.ts";
import { createSessions } from "../../src/index.ts";
import { begin, commitOf, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { keysOf } from "../../src/stores/redis/keys.ts";
import type { RedisServer } from "../engines/redis-server.ts";
import { missingRedis, startRedis } from "../engines/redis-server.ts";
import { withRaw } from "./redis-harness.ts";
import type { RedisLocation } from "./redis-open.ts";
import { openRedis } from "./redis-open.ts";

const HOUR_MS = 3_600_000;
const PATIENCE_MS = 60_000;

const missing = missingRedis();
if (missing) console.log(`left out: time to live in the redis store: ${missing}`);

describe.skipIf(missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all")("on redis-server", () => {
  let server: RedisServer;
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    server = await startRedis();
  }, 60_000);
  afterAll(() => server?.stop());

  async function fresh(location: Partial<RedisLocation> = {}): Promise<SessionStore> {
    await withRaw(server, (raw) => raw.flushall());
    const opened = await openRedis({ driver: "ioredis", port: server.port, namespaces: [], ...location });
    onTestFinished(opened.close);
    return opened.store;
  }

  const rawKeys = (): Promise<string[]> => withRaw(server, async (raw) => (await raw.keys("*")).sort());

  /** When Redis drops each key of a session; -1 never, -2 it has. */
  const endsOf = (id: string): Promise<number[]> =>
    withRaw(server, (raw) =>
      Promise.all(
        Object.values(keysOf("holdfast", "").session(id)).map(async (key) =>
          Number(await raw.call("PEXPIRETIME", [key])),
        ),
      ),
    );

  async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      if (await isSo()) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
  }

  const texts = async (sessions: Sessions, id: string): Promise<string> =>
    JSON.stringify(await (await sessions.open(id)).messages());

  test("what went by itself leaves no key and no row, though nobody lists or sweeps", async () => {
    const store = await fresh();
    const at = Date.now() + 300;
    for (const id of ["a", "b"])
      await begin(store, { id, userId: "u", parentId: "p", agent: "g", expiresAt: at }, say("one", "m1"));
    const other = await openRedis({ driver: "node-redis", port: server.port, namespaces: [] });
    onTestFinished(other.close);
    await until(async () => (await endsOf("a"))[0] === -2, "the sessions go");
    // Another store, as after a restart; its own clock may be a second off.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await begin(other.store, { id: "later", expiresAt: Date.now() + HOUR_MS });
    const left = await withRaw(server, async (raw) => {
      const keys = (await raw.keys("*")).filter((key) => key.includes("{/"));
      return (await Promise.all(keys.map((key) => raw.zrange(key, "0", "-1")))).flat();
    });
    expect(left.filter((member) => !member.includes("later"))).toEqual([]);
    expect(await rawKeys()).toEqual(
      [
        "holdfast:schema",
        "holdfast:{/created}",
        "holdfast:{/expiries}",
        "holdfast:{/updated}",
        "holdfast:{later}entries",
        "holdfast:{later}record",
      ].sort(),
    );
  });

  for (const driver of ["ioredis", "split"] as const) {
    test(`${driver}: a fork keeps what it inherits from, whatever comes after, and it goes with the last of them`, async () => {
      const store = await fresh({ driver });
      const sessions = createSessions({ store });
      const parent = await sessions.create({
        id: "parent",
        expiresInMs: HOUR_MS,
        messages: [{ role: "user", content: "inherited" }],
      });
      const [ends = 0] = await endsOf("parent");
      const fork = await parent.fork({ id: "fork" });
      // The nodes of a Cluster have clocks of their own, so there it is kept somewhat longer.
      const longerMs = driver === "split" ? 60_000 : 0;
      expect((await endsOf("parent")).slice(0, 2)).toEqual([ends + longerMs, ends + longerMs]);
      await fork.touch({ expiresInMs: 3 * HOUR_MS });
      const kept = await endsOf("parent");
      expect(kept[0]).toBeGreaterThanOrEqual(ends + 2 * HOUR_MS - 1000);
      expect(kept[1]).toBe(kept[0]);
      // Neither a commit of the parent nor its own end puts an end to what is inherited.
      await parent.append({ role: "user", content: "later" });
      await parent.touch({ expiresInMs: 60_000 });
      expect((await endsOf("parent"))[0]).toBe(kept[0]);
      // A fork of the fork keeps both.
      const second = await fork.fork({ id: "second" });
      await second.touch({ expiresInMs: 10 * HOUR_MS });
      for (const id of ["parent", "fork"])
        expect((await endsOf(id))[0]).toBeGreaterThanOrEqual((await endsOf("second"))[0] ?? Infinity);
    });
  }

  test("a fork without an end keeps its parent for good; sweep and prune remove it once the fork is gone", async () => {
    const store = await fresh();
    let now = Date.now();
    const sessions = createSessions({ store, clock: () => now });
    const parent = await sessions.create({
      id: "parent",
      expiresInMs: HOUR_MS,
      messages: [{ role: "user", content: "inherited" }],
    });
    await parent.fork({ id: "fork" });
    await begin(store, { id: "other", expiresAt: now + HOUR_MS });
    await store.commit([commitOf((await store.find(["fork"]))[0], [{ type: "expiry.set", data: {} }])]);
    expect((await endsOf("parent")).slice(0, 2)).toEqual([-1, -1]);
    now += 2 * HOUR_MS;
    expect(await store.sweep?.(now, 10)).toEqual(["other"]);
    expect(await texts(sessions, "fork")).toContain("inherited");
    expect((await sessions.prune({})).removed).toEqual(["parent"]);
    expect(await texts(sessions, "fork")).toContain("inherited");
    expect(await sessions.delete("fork")).toBe(true);
    expect(await store.sweep?.(now, 10)).toEqual([]);
    expect(await rawKeys()).toEqual(["holdfast:schema"]);
  });

  test("under ttlMs a fork that goes on keeps its parent, and both go when it has been silent", async () => {
    const ttlMs = 2000;
    const store = await fresh({ ttlMs });
    const sessions = createSessions({ store });
    const parent = await sessions.create({
      id: "parent",
      messages: [{ role: "user", content: "inherited" }],
    });
    const fork = await parent.fork({ id: "fork" });
    const [first = 0] = await endsOf("parent");
    await until(async () => {
      await fork.append({ role: "user", content: "more" });
      return Date.now() > first + 200;
    }, "the parent's own time passes");
    expect((await endsOf("parent"))[0]).toBe((await endsOf("fork"))[0]);
    expect(await texts(sessions, "fork")).toContain("inherited");
    await until(async () => (await store.find(["parent", "fork"])).every((record) => !record), "both go");
    expect(await store.sweep?.(Date.now(), 10)).toEqual([]);
    expect(await rawKeys()).toEqual(["holdfast:schema"]);
  });
});

/**
 * The Redis store and replicas: what `wait` promises, and a failover under load, with it and without.
 */
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createSessions } from "../../src/index.ts";
import type { Entry } from "../../src/log/entry.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, creation, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { keysOf } from "../../src/stores/redis/keys.ts";
import { slotOf } from "../../src/stores/redis/slots.ts";
import type { RedisServer } from "../engines/redis-server.ts";
import { missingRedis, startRedis, startRedisCluster, untilTold } from "../engines/redis-server.ts";
import { withRaw } from "./redis-harness.ts";
import type { RedisLocation } from "./redis-open.ts";
import { openRedis } from "./redis-open.ts";

const PATIENCE_MS = 90_000;
const CUT_OFF_MS = 500;
const WAIT = { replicas: 1, timeoutMs: 1500 } as const;
const missing = missingRedis();
if (missing) console.log(`left out: replicas under the redis store: ${missing}`);

const isLeftOut = missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all";

async function open(location: RedisLocation): Promise<SessionStore> {
  const opened = await openRedis(location);
  onTestFinished(opened.close);
  return opened.store;
}

async function until(isSo: () => Promise<boolean> | boolean, what: string): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
}

/** Writes to sessions side by side until it is told to stop, and keeps what was acknowledged. */
function load(store: SessionStore, ids: readonly string[]) {
  const acknowledged = new Map<string, string[]>(ids.map((id) => [id, []]));
  let isOver = false;
  const write = async (id: string, mine: string[]): Promise<void> => {
    let record: SessionRecord | undefined;
    for (let index = 0; !isOver; index += 1) {
      try {
        record ??= (await store.find([id]))[0];
        const next = commitOf(record, [record ? say(`text ${index}`, `m${index}`) : creation({ id })]);
        const { status } = await outcomeOf(store, next);
        if (status === "committed" && record) mine.push(`m${index}`);
        record = status === "committed" ? next.record : undefined;
      } catch (error) {
        if (!HoldfastError.is(error, "STORE_UNAVAILABLE")) throw error;
        // A connection that is made while the server is cut off does not know its password.
        expect(error.retryable || error.message.includes("NOAUTH"), String(error)).toBe(true);
        record = undefined;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  const running = Promise.all([...acknowledged].map(([id, mine]) => write(id, mine)));
  let failure: unknown;
  running.catch((error: unknown) => {
    failure = error;
  });
  return {
    counts() {
      if (failure) throw failure;
      return [...acknowledged.values()].map((mine) => mine.length);
    },
    async stop(): Promise<ReadonlyMap<string, readonly string[]>> {
      isOver = true;
      await running;
      return acknowledged;
    },
  };
}

/**
 * Cuts a server off from its replica, and kills it once it has taken commits that it could not hand on: what was
 * acknowledged without waiting is lost then.
 */
async function killAlone(server: RedisServer, id: string): Promise<void> {
  const { entries } = keysOf("holdfast", "").session(id);
  await withRaw(server, async (raw) => {
    // Whoever is connected stays so; the replica, once cut off, does not know the password.
    await raw.config("SET", "requirepass", "changed");
    await raw.call("CLIENT", ["KILL", "TYPE", "replica"]);
    const length = await raw.xlen(entries);
    // Whoever waits for replicas comes to a halt here, and whoever doesn't goes on.
    for (const end = Date.now() + CUT_OFF_MS; Date.now() < end && (await raw.xlen(entries)) < length + 3; );
  });
  await server.kill();
}

/** Reads a log, proves that it is whole, and answers with the ids in it. */
async function idsIn(store: SessionStore, id: string): Promise<string[]> {
  let entries: Entry[] = [];
  await until(async () => {
    try {
      entries = await store.read(id, { after: 0, limit: 1_000_000 });
      return true;
    } catch (error) {
      if (HoldfastError.is(error, "STORE_UNAVAILABLE")) return false;
      throw error;
    }
  }, `session ${id} can be read`);
  expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
  const ids = entries.map((entry) => entry.id);
  expect(new Set(ids).size).toBe(ids.length);
  return ids;
}

describe.skipIf(isLeftOut)("a primary with a replica", () => {
  let servers: RedisServer[] = [];
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    servers = [];
  });

  /** A primary and its replica. */
  async function startPair(): Promise<[RedisServer, RedisServer]> {
    if (missing) throw new Error(missing);
    const primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
    servers.push(primary);
    const replica = await startRedis({ args: ["--replicaof", "127.0.0.1", String(primary.port)] });
    servers.push(replica);
    await untilBehind(primary, replica);
    return [primary, replica];
  }

  /** Resolves once the replica has a copy, and the primary knows that it goes on. */
  async function untilBehind(primary: RedisServer, replica: RedisServer): Promise<void> {
    await untilTold(replica.port, ["INFO", "replication"], /master_link_status:up/);
    const confirmed = await withRaw(primary, async (raw) => {
      await raw.set("ready", "", "PX", 1);
      return raw.call("WAIT", ["1", String(PATIENCE_MS)]);
    });
    expect(confirmed).toBe(1);
  }

  for (const driver of ["ioredis", "node-redis"] as const) {
    test(
      `${driver}: what no replica confirmed is not acknowledged, by whatever way, until one has it`,
      async () => {
        const [primary, replica] = await startPair();
        const location = { driver, port: primary.port, namespaces: [] } as const;
        const store = await open({ ...location, wait: WAIT });
        const sessions = createSessions({ store });
        const session = await begin(store, { id: "a" }, say("one", "m1"));
        const held = await sessions.create({ id: "b" });
        const gone = await begin(store, { id: "gone" });
        const behind = await open({ driver: "ioredis", port: replica.port, namespaces: [] });
        expect(await behind.find(["a"])).toEqual([session.record]);

        await replica.kill();
        const next = commitOf(session.record, [say("two", "m2")]);
        const error = await rejects(() => store.commit([next]), "STORE_UNAVAILABLE", "a commit");
        expect([error.retryable, error.sessionId]).toEqual([true, "a"]);
        expect(error.message).toMatch(/session "a" may have taken place.*0 of 1 replicas.*INFO replication/);
        // It is written; but reading it through this store would acknowledge it.
        expect((await (await open(location)).find(["a"]))[0]).toEqual(next.record);
        const message = { role: "user", content: "three" } as const;
        const calls: [string, () => Promise<unknown>][] = [
          ["find", () => store.find(["a"])],
          ["read", () => store.read("a", { after: 0, limit: 9 })],
          ["the same commit again", () => store.commit([next])],
          ["remove", () => store.remove(gone.id)],
          ["append", () => held.append(message, { ids: ["m3"] })],
        ];
        await Promise.all(calls.map(([what, call]) => rejects(call, "STORE_UNAVAILABLE", what)));
        expect(await store.find(["never"])).toEqual([undefined]);

        await replica.start();
        await untilBehind(primary, replica);
        expect(await store.find(["a", "gone"])).toEqual([next.record, undefined]);
        expect(await outcomeOf(store, next)).toEqual({ status: "duplicate", entryId: "m2", seq: 3 });
        const again = await held.append(message, { ids: ["m3"] });
        expect(again.ids).toEqual(["m3"]);
        expect(await behind.find(["a"])).toEqual([next.record]);
      },
      PATIENCE_MS,
    );
  }

  test(
    "a primary that is killed under load: what was acknowledged is on the replica that takes its place",
    async () => {
      const [primary, replica] = await startPair();
      const store = await open({
        driver: "ioredis",
        port: primary.port,
        namespaces: [],
        wait: { replicas: 1, timeoutMs: 5000 },
      });
      const ids = Array.from({ length: 8 }, (_, index) => `s${index}`);
      const writing = load(store, ids);
      await until(() => writing.counts().every((count) => count > 20), "all are written to");
      await killAlone(primary, "s0");
      await withRaw(replica, (raw) => raw.replicaof("NO", "ONE"));
      const promoted = await open({ driver: "node-redis", port: replica.port, namespaces: [] });
      await primary.start();
      for (const [id, mine] of await writing.stop()) {
        const found = await idsIn(promoted, id);
        expect(mine.filter((item) => !found.includes(item))).toEqual([]);
      }
    },
    PATIENCE_MS,
  );
});

const MODES = [
  { driver: "ioredis-cluster", wait: { replicas: 1, timeoutMs: 5000 } },
  { driver: "node-redis-cluster", wait: { replicas: 1, timeoutMs: 5000 } },
  { driver: "ioredis-cluster", wait: undefined },
] as const;

describe.skipIf(isLeftOut)("a Cluster of three masters with a replica each", () => {
  let servers: RedisServer[] = [];
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    servers = await startRedisCluster({ replicas: 1, nodeTimeoutMs: 2000 });
  }, PATIENCE_MS);
  afterAll(() => Promise.all(servers.map((server) => server.stop())));

  // Each kills another one of the masters that the Cluster began with.
  for (const [index, { driver, wait }] of MODES.entries()) {
    const promise = wait ? "loses nothing that was acknowledged" : "goes on, with whole logs";
    test(
      `${driver}${wait ? ", wait: 1" : ""}: a master that is killed under load ${promise}`,
      async () => {
        const [victim, witness] = [servers[index], servers[(index + 1) % 3]];
        if (!victim || !witness) throw new Error("there is no Cluster");
        // The client gets to know of the others by one that stays.
        const location = { driver, port: witness.port, namespaces: [] } as const;
        const store = await open({ ...location, ...(wait && { wait }) });
        const ids = Array.from({ length: 24 }, (_, at) => `${index}-${at}`);
        const isOfVictim = (id: string): boolean =>
          Math.floor(slotOf(keysOf("holdfast", "").session(id).record) / 5461) === index;
        const [watchedId = ""] = ids.filter(isOfVictim);
        expect(watchedId).not.toBe("");
        const writing = load(store, ids);
        await until(() => writing.counts().every((count) => count > 5), "all are written to");
        const watched: Entry[] = [];
        const abort = new AbortController();
        const watching = (async () => {
          for await (const entry of store.watch?.(watchedId, 0, abort.signal) ?? []) watched.push(entry);
        })();
        watching.catch(() => undefined);

        await until(() => watched.length > 0, "the watch has begun");
        await killAlone(victim, watchedId);
        const others = servers.filter((server) => server !== victim);
        for (const { port } of others) await untilTold(port, ["CLUSTER", "NODES"], /master,fail - .*\n/);
        for (const { port } of others) await untilTold(port, ["CLUSTER", "INFO"], /cluster_state:ok/);
        // It comes back as the replica of what was its own, so that there is one to wait for again.
        await victim.start();
        await untilTold(victim.port, ["INFO", "replication"], /role:slave[\s\S]*master_link_status:up/);
        const before = writing.counts();
        await until(() => writing.counts().every((count, at) => count > (before[at] ?? 0) + 5), "all go on");
        const acknowledged = await writing.stop();
        let lost = 0;
        for (const [id, mine] of acknowledged) {
          const found = new Set(await idsIn(store, id));
          lost += mine.filter((item) => !found.has(item)).length;
        }
        console.log(`${driver}${wait ? ", wait: 1" : ""}: ${lost} acknowledged entries lost by the failover`);
        if (wait) {
          expect(lost).toBe(0);
          const end = (await store.find([watchedId]))[0]?.seq ?? 0;
          await until(() => watched.length >= end, "the watch catches up");
          expect(watched.map(({ seq }) => seq)).toEqual(watched.map((_, at) => at + 1));
          const { items } = await store.list({ order: "updated", limit: 100 });
          const listed = items.map(({ id }) => id).filter((id) => id.startsWith(`${index}-`));
          expect(listed.sort()).toEqual(ids.toSorted());
        }
        abort.abort();
        // Without waiting, an entry that was seen may be lost; then a watch that finds another in its place says so.
        await watching.catch((error: unknown) => {
          if (wait || !HoldfastError.is(error)) throw error;
        });
      },
      PATIENCE_MS * 2,
    );
  }
});

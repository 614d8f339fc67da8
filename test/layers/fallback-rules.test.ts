/** One rule a test: what is refused, removed, told and declared. */
import { describe, expect, test, vi } from "vitest";
import { fallbackStore } from "../../src/layers/fallback.ts";
import { createSessions } from "../../src/session/sessions.ts";
import { toStoreQuery } from "../../src/store/query.ts";
import type { Removal, SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { damaged, nodeOver } from "./fallback-support.ts";

const said = (content: string) => ({ role: "user" as const, content });
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));
const unavailable = { code: "STORE_UNAVAILABLE", retryable: true };

async function textsOf(store: SessionStore, id: string): Promise<unknown[]> {
  const session = await createSessions({ store }).open(id);
  return (await session.messages()).map(({ content }) => content);
}

describe("removal", () => {
  test("takes the replica too, and says so", async () => {
    const node = await nodeOver();
    await createSessions({ store: node.store }).create({ id: "a" });
    await settle();
    const removals: Removal[] = [];
    expect(await node.store.remove("a", (removal) => removals.push(removal))).toBe(true);
    expect(removals).toEqual([{ what: "replica", count: 1, place: "sqlite" }]);
    node.line.isDown = true;
    await expect(node.store.find(["a"])).rejects.toMatchObject(unavailable);
  });

  test("is refused during an outage, but for what began in it", async () => {
    const node = await nodeOver();
    const sessions = createSessions({ store: node.store });
    const session = await sessions.create({ id: "a" });
    node.line.isDown = true;
    await expect(node.store.remove("a")).rejects.toMatchObject(unavailable);
    await expect(sessions.delete("a")).rejects.toMatchObject(unavailable);
    await session.append(said("it goes on"));
    await sessions.create({ id: "new" });
    const removals: Removal[] = [];
    expect(await node.store.remove("new", (removal) => removals.push(removal))).toBe(true);
    expect(removals).toEqual([{ what: "journal", count: 1, place: "sqlite" }]);
    await expect(node.store.remove("a")).rejects.toMatchObject(unavailable);
    node.line.isDown = false;
    await node.store.recover();
    expect(await sessions.delete("a")).toBe(true);
    expect(await sessions.find("new")).toBeUndefined();
  });

  test("elsewhere reaches the replica when the session is next looked up", async () => {
    const shared = memoryStore();
    const node = await nodeOver(shared);
    await createSessions({ store: node.store }).create({ id: "a" });
    await settle();
    await shared.remove("a");
    expect(await node.store.find(["a"])).toEqual([undefined]);
    await settle();
    node.line.isDown = true;
    await expect(node.store.find(["a"])).rejects.toMatchObject({
      message: expect.stringContaining("not in the local replica"),
    });
  });

  test("a sweep takes the replicas of what it swept", async () => {
    const node = await nodeOver();
    const sessions = createSessions({ store: node.store });
    await sessions.create({ id: "a", expiresInMs: 1 });
    await settle();
    expect(await node.store.sweep?.(Date.now(), 10)).toEqual(["a"]);
    node.line.isDown = true;
    await expect(node.store.sweep?.(Date.now(), 10)).rejects.toMatchObject(unavailable);
    await expect(node.store.find(["a"])).rejects.toMatchObject(unavailable);
  });
});

describe("what is known here", () => {
  test("an older state than this process knows of is not gone on from", async () => {
    const shared = memoryStore();
    // Nothing past the first entries is copied.
    const node = await nodeOver(shared, { maxEntries: 2 });
    const elsewhere = await createSessions({ store: shared }).create({ id: "a" });
    const session = await createSessions({ store: node.store }).open("a");
    await settle();
    await elsewhere.append([said("1"), said("2"), said("3")]);
    await session.append(said("4"));
    await settle();
    node.line.isDown = true;
    await expect(session.append(said("5"))).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining("only an older state"),
    });
    await expect(session.messages()).rejects.toMatchObject(unavailable);
    expect(node.store.metrics().skipped).toBeGreaterThan(0);
  });

  test("who lost to another node knows of its record", async () => {
    const shared = memoryStore();
    const node = await nodeOver(shared, { maxEntries: 1 });
    const session = await createSessions({ store: node.store }).create({ id: "a" });
    const elsewhere = await createSessions({ store: shared }).open("a");
    await elsewhere.append([said("1"), said("2"), said("3")]);
    await session.append(said("4"), { expectedVersion: 1 }).catch(() => undefined);
    node.line.isDown = true;
    await expect(session.append(said("5"))).rejects.toMatchObject(unavailable);
  });

  test("lists are refused, or are of what is here where that was asked for", async () => {
    const shared = memoryStore();
    await createSessions({ store: shared }).create({ id: "elsewhere" });
    const strict = await nodeOver(shared);
    const partial = await nodeOver(shared, { lists: "partial" });
    for (const { store, line } of [strict, partial]) {
      const sessions = createSessions({ store });
      await (await sessions.create({ id: `of ${partial.store === store}` })).append(said("pelican"));
      await settle();
      line.isDown = true;
      await sessions.create();
    }
    const query = toStoreQuery({});
    await expect(strict.store.list(query)).rejects.toMatchObject(unavailable);
    await expect(strict.store.search?.("pelican", query)).rejects.toMatchObject(unavailable);
    expect((await partial.store.list(query)).items.length).toBe(2);
    expect((await partial.store.search?.("pelican", query))?.items.length).toBe(1);
    expect(strict.store.capabilities.listConsistency).toBe("strong");
    expect(partial.store.capabilities.listConsistency).toBe("eventual");
    // Until all is replayed: the primary lacks what is owed.
    strict.line.isDown = false;
    await expect(strict.store.list(query)).rejects.toMatchObject(unavailable);
    await strict.store.recover();
    expect((await strict.store.list(query)).items.length).toBe(4);
  });

  test("a fork past what the primary has is refused, one before it goes", async () => {
    const shared = memoryStore();
    const node = await nodeOver(shared);
    const sessions = createSessions({ store: node.store });
    const session = await sessions.create({ id: "a" });
    await session.append(said("1"));
    node.line.isDown = true;
    await session.append(said("2"));
    await expect(session.fork()).rejects.toMatchObject(unavailable);
    const fork = await session.fork({ at: 2, id: "f" });
    await fork.append(said("other"));
    node.line.isDown = false;
    await node.store.recover();
    expect(await textsOf(shared, "f")).toEqual(["1", "other"]);
    expect(await textsOf(shared, "a")).toEqual(["1", "2"]);
  });

  test("what the primary would not take is refused at once", async () => {
    const node = await nodeOver(memoryStore());
    const session = await createSessions({ store: node.store }).create({ id: "a" });
    node.line.isDown = true;
    const { maxEntryBytes } = node.store.capabilities;
    await expect(session.append(said("x".repeat(maxEntryBytes)))).rejects.toMatchObject({
      code: "ENTRY_TOO_LARGE",
    });
    expect(node.store.metrics().journaled).toBe(0);
  });

  test("a caller's change to what it committed does not reach the replica", async () => {
    const node = await nodeOver();
    const { begin, note } = await import("../../src/store/conformance/build.ts");
    const data = { words: ["as it was"] };
    const session = await begin(node.store, { id: "a" });
    const commit = session.next(note(data));
    await node.store.commit([commit]);
    data.words.push("changed");
    await settle();
    node.line.isDown = true;
    expect((await node.store.read("a", { after: 1, limit: 1 }))[0]?.data).toEqual({ words: ["as it was"] });
  });
});

describe("what is told", () => {
  test("sessions tell when it begins and when it is over", async () => {
    const node = await nodeOver();
    const sessions = createSessions({ store: node.store });
    const told: string[] = [];
    sessions.on("degraded", ({ store, error }) => told.push(`degraded ${store} ${String(error)}`));
    sessions.forUser("u").on("recovered", ({ store }) => told.push(`recovered ${store}`));
    const session = await sessions.create();
    node.line.isDown = true;
    await session.append(said("1"));
    await session.append(said("2"));
    node.line.isDown = false;
    await node.store.recover();
    expect(told).toEqual([
      expect.stringMatching(/^degraded memory .*connection was lost/),
      "recovered memory",
    ]);
  });

  test("it recovers by itself, and nobody has to stay for that", async () => {
    const shared = memoryStore();
    const node = await nodeOver(shared, { probeEveryMs: 20 });
    const session = await createSessions({ store: node.store }).create({ id: "a" });
    node.line.isDown = true;
    await session.append(said("1"));
    node.line.isDown = false;
    await vi.waitFor(() => expect(node.store.isDegraded()).toBe(false), 5000);
    expect(await textsOf(shared, "a")).toEqual(["1"]);
    expect(node.store.metrics().degradedMs).toBeGreaterThan(0);
  });

  test("what a session's replay fails with is told, and all others are replayed", async () => {
    const shared = memoryStore();
    const { store: primary, fail } = damaged(shared);
    const node = await nodeOver(primary);
    const sessions = createSessions({ store: node.store });
    const [good, bad] = [await sessions.create({ id: "good" }), await sessions.create({ id: "bad" })];
    node.line.isDown = true;
    await good.append(said("1"));
    await bad.append(said("1"));
    node.line.isDown = false;
    fail("bad");
    await expect(node.store.recover()).rejects.toMatchObject(unavailable);
    expect(node.errors).toMatchObject([{ code: "STORE_CORRUPT" }]);
    expect(await textsOf(shared, "good")).toEqual(["1"]);
    expect(node.store.metrics().owed).toBe(1);
    await bad.append(said("2"));
    fail(undefined);
    await node.store.recover();
    expect(await textsOf(shared, "bad")).toEqual(["1", "2"]);
  });

  test("a listener that throws is told, and changes nothing", async () => {
    const shared = memoryStore();
    const node = await nodeOver(shared, {
      onDiverged() {
        throw new Error("mine");
      },
    });
    node.line.isDown = true;
    await createSessions({ store: node.store }).create({ id: "a" });
    await createSessions({ store: shared }).create({ id: "a" });
    node.line.isDown = false;
    await node.store.recover();
    expect(node.store.isDegraded()).toBe(false);
    expect(node.errors).toMatchObject([{ message: "mine" }]);
  });
});

describe("what is declared and refused", () => {
  test("durability is the weaker of both, an entry's size the smaller", () => {
    const disk = sqliteStore({ path: ":memory:", durability: "full" });
    const store = fallbackStore(disk, { journal: memoryStore() });
    expect(store.capabilities).toMatchObject({
      durability: "process",
      maxEntryBytes: Math.min(disk.capabilities.maxEntryBytes, memoryStore().capabilities.maxEntryBytes),
    });
    expect(store.namespace("n").capabilities).toEqual(store.capabilities);
  });

  test("options that make no sense", () => {
    const primary = memoryStore();
    for (const more of [
      { journal: primary },
      { journal: memoryStore(), probeEveryMs: 0 },
      { journal: memoryStore(), timeoutMs: Number.NaN },
      { journal: memoryStore(), failures: -1 },
      { journal: { ...memoryStore(), capabilities: { ...primary.capabilities, nativeTtl: true } } },
    ])
      expect(() => fallbackStore(primary, more)).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
    const inner = fallbackStore(primary, { journal: memoryStore() });
    expect(() => fallbackStore(inner, { journal: memoryStore() })).toThrow("can't go around fallback");
  });

  test("a session that expired meanwhile is not brought back", async () => {
    const shared = memoryStore();
    let nowMs = Date.now();
    const node = await nodeOver(shared, { clock: () => nowMs });
    const session = await createSessions({ store: node.store }).create({ id: "a", expiresInMs: 60_000 });
    node.line.isDown = true;
    await session.append(said("1"));
    await shared.remove("a");
    nowMs += 120_000;
    node.line.isDown = false;
    await node.store.recover();
    expect(await shared.find(["a"])).toEqual([undefined]);
    expect(node.divergences).toEqual([]);
  });

  test("what the primary lost of its newest writes comes back with the rest", async () => {
    const shared = memoryStore();
    const node = await nodeOver(shared);
    const session = await createSessions({ store: node.store }).create({ id: "a" });
    await session.append(said("1"));
    const [before] = shared.snapshot();
    await session.append(said("2"));
    node.line.isDown = true;
    await session.append(said("3"));
    // As an engine that loses what it had not yet flushed.
    await shared.remove("a");
    for (const commit of before ? [before] : [])
      await shared.commit([
        { sessionId: "a", expectedVersion: 0, entries: commit.entries, record: commit.record },
      ]);
    node.line.isDown = false;
    await node.store.recover();
    expect(await textsOf(shared, "a")).toEqual(["1", "2", "3"]);
  });
});

/** What goes on during an outage, and what is in the primary once it is over. */
import { describe, expect, test } from "vitest";
import { createSessions } from "../../src/session/sessions.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { nodeOver } from "./fallback-support.ts";
import { switched } from "./fallback-switch.ts";

const said = (content: string) => ({ role: "user" as const, content });

async function textsOf(store: SessionStore, id: string): Promise<unknown[]> {
  const session = await createSessions({ store }).open(id);
  return (await session.messages()).map(({ content }) => content);
}

/** Waits until what happens beside the calls is done. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));

describe("an outage", () => {
  test("sessions that were used here go on, and the primary gets what they were given", async () => {
    const shared = memoryStore();
    const node = await nodeOver(shared);
    const session = await createSessions({ store: node.store }).create({ id: "a" });
    await session.append(said("before"));
    node.line.isDown = true;
    await session.append(said("during 1"));
    await session.append(said("during 2"));
    expect(node.store.isDegraded()).toBe(true);
    expect(await textsOf(node.store, "a")).toEqual(["before", "during 1", "during 2"]);
    expect(await textsOf(shared, "a")).toEqual(["before"]);
    await expect(node.store.recover()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });

    node.line.isDown = false;
    expect(await textsOf(node.store, "a")).toEqual(["before", "during 1", "during 2"]);
    await node.store.recover();
    expect(node.store.isDegraded()).toBe(false);
    expect(await textsOf(shared, "a")).toEqual(["before", "during 1", "during 2"]);
    await session.append(said("after"));
    expect(await textsOf(shared, "a")).toEqual(["before", "during 1", "during 2", "after"]);
    expect(node.outages).toMatchObject([{ cause: { code: "STORE_UNAVAILABLE" } }]);
    expect(node.recoveries).toMatchObject([{ replayed: 2, rebased: 0, diverged: 0 }]);
    expect(node.store.metrics()).toMatchObject({ outages: 1, owed: 0, journaled: 2, replayed: 2 });
    expect(node.errors).toEqual([]);
  });

  test("a session that was only opened here goes on, with all of its history", async () => {
    const shared = memoryStore();
    const elsewhere = await createSessions({ store: shared }).create({ id: "a" });
    for (let index = 0; index < 20; index += 1) await elsewhere.append(said(`${index}`));
    const fork = await createSessions({ store: shared }).fork("a", { id: "f" });
    await fork.append(said("fork"));
    const node = await nodeOver(shared);
    await createSessions({ store: node.store }).open("f");
    await settle();
    node.line.isDown = true;
    const again = await createSessions({ store: node.store }).open("f");
    expect((await again.messages()).length).toBe(21);
    await again.append(said("more"));
    expect((await again.messages()).length).toBe(22);
  });

  test("new sessions can be created, and one that was never seen fails clearly", async () => {
    const shared = memoryStore();
    await createSessions({ store: shared }).create({ id: "unseen" });
    const node = await nodeOver(shared);
    const sessions = createSessions({ store: node.store });
    node.line.isDown = true;
    const session = await sessions.create({ id: "new" });
    await session.append(said("hello"));
    for (const call of [
      () => sessions.open("unseen"),
      () => sessions.find("unseen"),
      () => sessions.find("never"),
      () => node.store.read("unseen", { after: 0, limit: 10 }),
    ])
      await expect(call()).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
        retryable: true,
        message: expect.stringContaining("not in the local replica"),
      });
    for (const call of [() => sessions.list(), () => sessions.search("hello"), () => sessions.delete("new")])
      await expect(call()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    node.line.isDown = false;
    await node.store.recover();
    expect(await textsOf(shared, "new")).toEqual(["hello"]);
    expect((await sessions.list()).items.length).toBe(2);
  });

  test("what is no outage stays what it is", async () => {
    const node = await nodeOver();
    const sessions = createSessions({ store: node.store });
    const session = await sessions.create({ id: "a" });
    await expect(sessions.create({ id: "a" })).rejects.toMatchObject({ code: "SESSION_EXISTS" });
    await expect(session.append({ role: "user", content: "x".repeat(17_000_000) })).rejects.toMatchObject({
      code: "ENTRY_TOO_LARGE",
    });
    await expect(session.append(said("x"), { expectedVersion: 99 })).rejects.toMatchObject({
      code: "VERSION_CONFLICT",
    });
    expect(node.store.isDegraded()).toBe(false);
    expect(node.outages).toEqual([]);
  });

  test("a commit that took place though nobody was told is not repeated", async () => {
    const shared = memoryStore();
    const node = await nodeOver(shared);
    const session = await createSessions({ store: node.store }).create({ id: "a" });
    Object.assign(node.line, { failAt: node.line.calls + 1, isLate: true });
    await session.append(said("doubtful"));
    expect(await textsOf(shared, "a")).toEqual(["doubtful"]);
    await session.append(said("next"));
    node.line.failAt = Number.POSITIVE_INFINITY;
    await node.store.recover();
    expect(await textsOf(shared, "a")).toEqual(["doubtful", "next"]);
    expect(node.recoveries).toMatchObject([{ replayed: 1, rebased: 0 }]);
  });

  test("a primary that does not answer in time is an outage, and what it does late is not repeated", async () => {
    const shared = memoryStore();
    const node = await nodeOver(shared, { timeoutMs: 40 });
    const session = await createSessions({ store: node.store }).create({ id: "a" });
    node.line.slowMs = 150;
    await session.append(said("slow"));
    expect(node.store.isDegraded()).toBe(true);
    await session.append(said("next"));
    await new Promise((resolve) => setTimeout(resolve, 200));
    node.line.slowMs = 0;
    await node.store.recover();
    expect(await textsOf(shared, "a")).toEqual(["slow", "next"]);
  });

  test("a restart while degraded loses nothing, and recovery goes on", async () => {
    const shared = memoryStore();
    const first = await nodeOver(shared);
    const session = await createSessions({ store: first.store }).create({ id: "a" });
    await session.append(said("before"));
    first.line.isDown = true;
    await session.append(said("during"));
    await createSessions({ store: first.store.namespace("n/1") }).create({ id: "b" });
    const second = await first.restart();
    expect(await textsOf(second.store, "a")).toEqual(["before", "during"]);
    expect(second.store.isDegraded()).toBe(true);
    const again = await createSessions({ store: second.store }).open("a");
    await again.append(said("still"));
    const third = await second.restart();
    third.line.isDown = false;
    await third.store.recover();
    expect(await textsOf(shared, "a")).toEqual(["before", "during", "still"]);
    expect((await shared.namespace("n/1").find(["b"]))[0]?.id).toBe("b");
    expect(third.store.metrics().owed).toBe(0);
  });

  test("after a restart, sessions are served from the journal before the primary is asked", async () => {
    const shared = memoryStore();
    const first = await nodeOver(shared);
    const session = await createSessions({ store: first.store }).create({ id: "a" });
    first.line.isDown = true;
    await session.append(said("during"));
    first.line.isDown = false;
    const second = await first.restart();
    expect(await textsOf(second.store, "a")).toEqual(["during"]);
    const again = await createSessions({ store: second.store }).open("a");
    await again.append(said("more"));
    expect(await textsOf(shared, "a")).toEqual([]);
    await second.store.recover();
    expect(await textsOf(shared, "a")).toEqual(["during", "more"]);
  });

  test("an append that was acknowledged a moment before is there, however slow the journal is", async () => {
    const slow = switched(memoryStore());
    slow.line.slowMs = 20;
    const node = await nodeOver(memoryStore(), { journal: slow.store });
    const session = await createSessions({ store: node.store }).create({ id: "a" });
    await session.append(said("1"));
    node.line.isDown = true;
    await session.append(said("2"));
    expect(await textsOf(node.store, "a")).toEqual(["1", "2"]);
  });

  test("what is written in the middle of a replay is not forgotten", async () => {
    const shared = memoryStore();
    const node = await nodeOver(shared);
    const session = await createSessions({ store: node.store }).create({ id: "a" });
    const expected: string[] = [];
    const write = async (text: string): Promise<void> => {
      await session.append(said(text));
      expected.push(text);
    };
    for (let round = 0; round < 5; round += 1) {
      node.line.isDown = true;
      for (let index = 0; index < 10; index += 1) await write(`${round} during ${index}`);
      Object.assign(node.line, { isDown: false, slowMs: 1 });
      const recovering = node.store.recover();
      for (let index = 0; index < 10; index += 1) {
        await write(`${round} meanwhile ${index}`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await recovering;
      await node.store.recover();
      expect(await textsOf(shared, "a")).toEqual(expected);
    }
    expect(node.store.metrics().owed).toBe(0);
  });

  test("two fallbacks can't share a journal", async () => {
    const node = await nodeOver();
    await node.store.find(["a"]);
    const other = await nodeOver(memoryStore(), {}, node.path);
    await expect(other.store.find(["a"])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      retryable: false,
      message: expect.stringContaining("in use by process"),
    });
  });
});

describe("two nodes", () => {
  test("messages are put behind those that another node wrote meanwhile", async () => {
    const shared = memoryStore();
    const [a, b] = [await nodeOver(shared), await nodeOver(shared)];
    const here = await createSessions({ store: a.store }).create({ id: "s" });
    await here.append(said("common"));
    a.line.isDown = true;
    await here.append([said("a1"), said("a2")], { ids: ["m1", "m2"] });
    await here.setData({ from: "a" });
    const there = await createSessions({ store: b.store }).open("s");
    await there.append([said("b1"), said("b2"), said("b3")]);
    await there.setData({ other: "b" });
    a.line.isDown = false;
    await a.store.recover();
    expect(await textsOf(shared, "s")).toEqual(["common", "b1", "b2", "b3", "a1", "a2"]);
    const session = await createSessions({ store: shared }).open("s");
    expect(session.data).toEqual({ from: "a", other: "b" });
    expect(a.recoveries).toMatchObject([{ replayed: 2, rebased: 1, diverged: 0 }]);
    // Who has it open goes on.
    await here.append(said("a3"));
    expect((await textsOf(shared, "s")).at(-1)).toBe("a3");
    expect((await here.messages()).length).toBe(7);
  });

  test("what can't be put behind is kept as a fork, and told", async () => {
    const shared = memoryStore();
    const [a, b] = [await nodeOver(shared), await nodeOver(shared)];
    const here = await createSessions({ store: a.store }).create({ id: "s", label: "S" });
    await here.append([said("common"), said("more")]);
    a.line.isDown = true;
    await here.append(said("a1"));
    await here.clearMessages();
    await here.append(said("a2"));
    const there = await createSessions({ store: b.store }).open("s");
    await there.append(said("b1"));
    a.line.isDown = false;
    await a.store.recover();
    expect(await textsOf(shared, "s")).toEqual(["common", "more", "b1"]);
    expect(a.divergences).toMatchObject([
      { sessionId: "s", reason: "changed", types: ["messages.cleared"], entries: [{}, {}, {}] },
    ]);
    const { forkId = "" } = a.divergences[0] ?? {};
    expect(await textsOf(shared, forkId)).toEqual(["a2"]);
    const fork = await createSessions({ store: shared }).open(forkId);
    expect(fork.record).toMatchObject({ kind: "fork", parentId: "s", label: "S", messageCount: 1 });
    // Who has it open sees that it went on elsewhere, and goes on with that.
    await here.append(said("a3"));
    expect(await textsOf(shared, "s")).toEqual(["common", "more", "b1", "a3"]);
  });

  test("a session that was deleted elsewhere stays deleted, and what was written to it is kept apart", async () => {
    const shared = memoryStore();
    const [a, b] = [await nodeOver(shared), await nodeOver(shared)];
    const here = await createSessions({ store: a.store }).create({ id: "s" });
    await here.append(said("common"));
    a.line.isDown = true;
    await here.append(said("a1"));
    await createSessions({ store: b.store }).delete("s");
    a.line.isDown = false;
    await a.store.recover();
    expect(await shared.find(["s"])).toEqual([undefined]);
    const { forkId = "", reason } = a.divergences[0] ?? {};
    expect(reason).toBe("deleted");
    expect(await textsOf(shared, forkId)).toEqual(["a1"]);
    await expect(here.append(said("late"))).rejects.toMatchObject({ code: "SESSION_DELETED" });
  });

  test("two sessions that were created under one id are both kept", async () => {
    const shared = memoryStore();
    const [a, b] = [await nodeOver(shared), await nodeOver(shared)];
    a.line.isDown = true;
    const here = await createSessions({ store: a.store }).create({ id: "s" });
    await here.append(said("a1"));
    const there = await createSessions({ store: b.store }).create({ id: "s" });
    await there.append(said("b1"));
    a.line.isDown = false;
    await a.store.recover();
    expect(await textsOf(shared, "s")).toEqual(["b1"]);
    expect(a.divergences).toMatchObject([{ reason: "exists" }]);
    expect(await textsOf(shared, a.divergences[0]?.forkId ?? "")).toEqual(["a1"]);
  });

  test("an operation that was tried again elsewhere takes place once", async () => {
    const shared = memoryStore();
    const [a, b] = [await nodeOver(shared), await nodeOver(shared)];
    const here = await createSessions({ store: a.store }).create({ id: "s" });
    a.line.isDown = true;
    await here.append([said("one"), said("two")], { operationId: "op" });
    await here.append(said("same"), { ids: ["m1"] });
    await here.append(said("of a"), { ids: ["m2"] });
    const there = await createSessions({ store: b.store }).open("s");
    await there.append([said("one"), said("two")], { operationId: "op" });
    await there.append(said("same"), { ids: ["m1"] });
    await there.append(said("of b"), { ids: ["m2"] });
    a.line.isDown = false;
    await a.store.recover();
    expect(await textsOf(shared, "s")).toEqual(["one", "two", "same", "of b", "of a"]);
  });
});

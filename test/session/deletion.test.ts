/**
 * Deleting and erasing: what others inherit, what is left, what is not.
 */
import { expect } from "vitest";
import type { SessionStore } from "../../src/store/store.ts";
import {
  collect,
  fakeClock,
  onStores,
  ownLog,
  range,
  refusal,
  sleep,
  textsOf,
  until,
  user,
} from "./support.ts";

onStores("a deleted session is gone, its entries too", async ({ sessions, elsewhere, store }) => {
  const all = sessions();
  const deleted: string[] = [];
  all.on("deleted", ({ sessionId }) => deleted.push(sessionId));
  const session = await all.create({ id: "s", messages: [user("secret words")] });
  expect(await all.delete("s")).toBe(true);
  expect(await all.delete("s")).toBe(false);
  expect(deleted).toEqual(["s"]);
  expect(await store.find(["s"])).toEqual([undefined]);
  expect(await ownLog(store, "s")).toEqual([]);
  expect((await elsewhere().search("secret")).items).toEqual([]);
  await refusal(session.append(user("late")), "SESSION_DELETED");
  await refusal(
    session.turn(async () => 1),
    "SESSION_DELETED",
  );
});

onStores("of two that delete a session, one did", async ({ sessions, elsewhere }) => {
  const [here, there] = [sessions(), elsewhere()];
  for (const index of range(10)) {
    await here.create({ id: `s-${index}` });
    const outcomes = await Promise.all([here.delete(`s-${index}`), there.delete(`s-${index}`)]);
    expect(outcomes.filter(Boolean)).toHaveLength(1);
  }
});

onStores(
  "a parent that is deleted is hidden and kept for its forks, and goes with the last of them",
  async ({ sessions, elsewhere, store }) => {
    const all = sessions();
    const session = await all.create({ id: "s", label: "l", messages: [user("1"), user("2")] });
    const fork = await session.fork({ id: "f" });
    const second = await fork.fork({ id: "g" });
    expect(await all.delete("s")).toBe(true);
    const there = elsewhere();
    expect(await there.find("s")).toBeUndefined();
    await refusal(there.open("s"), "SESSION_NOT_FOUND");
    expect((await there.list()).items.map(({ id }) => id).sort()).toEqual(["f", "g"]);
    expect((await there.list({ status: "deleted" })).items.map(({ id }) => id)).toEqual(["s"]);
    await refusal(all.create({ id: "s" }), "SESSION_EXISTS");
    await fork.append(user("3"));
    expect(await textsOf(await there.open("f"))).toEqual(["1", "2", "3"]);
    // It can still be forked, by who knows its id.
    const late = await there.fork("s", { id: "late", at: 2 });
    expect(await textsOf(late)).toEqual(["1"]);
    await there.delete("f");
    expect(await textsOf(second)).toEqual(["1", "2"]);
    expect(await ownLog(store, "f")).not.toEqual([]);
    await there.delete("late");
    expect(await ownLog(store, "s")).not.toEqual([]);
    await there.delete("g");
    expect(await store.find(["s", "f", "g", "late"])).toEqual([undefined, undefined, undefined, undefined]);
    for (const id of ["s", "f", "g", "late"]) expect(await ownLog(store, id)).toEqual([]);
    expect((await all.create({ id: "s" })).record.version).toBe(1);
  },
);

onStores("cascade removes the forks too", async ({ sessions, store }) => {
  const all = sessions();
  const session = await all.create({ id: "s", messages: [user("1")] });
  const fork = await session.fork({ id: "f" });
  await fork.fork({ id: "g" });
  await all.create({ id: "other" });
  expect(await all.delete("s", { heirs: "cascade" })).toBe(true);
  expect((await collect(all.all())).map(({ id }) => id)).toEqual(["other"]);
  expect(await store.find(["s", "f", "g"])).toEqual([undefined, undefined, undefined]);
});

onStores(
  "erase removes for good: children go, forks lose what they inherited and keep the rest",
  async ({ sessions, elsewhere, store }) => {
    const all = sessions();
    const session = await all.create({ id: "s", label: "l", messages: [user("1"), user("2")] });
    const child = await session.spawn({ id: "c" });
    await child.append(user("of the child"));
    await child.spawn({ id: "cc" });
    const fork = await session.fork({ id: "f" });
    await fork.append([user("3"), user("4")]);
    await fork.removeMessage("#2");
    const second = await fork.fork({ id: "g" });
    await second.append(user("5"));
    await session.fork({ id: "hidden" }).then((heir) => heir.fork({ id: "h" }));
    await all.delete("hidden");
    const report = await all.erase("s");
    expect({ ...report, heirs: [...report.heirs].sort() }).toEqual({
      id: "s",
      sessions: ["cc", "c", "s"],
      entries: 3 + 3 + 1,
      heirs: ["f", "g", "h"],
      removed: [
        { what: "entries", count: 7, place: store.name },
        { what: "records", count: 3, place: store.name },
        { what: "indexes", count: 3, place: store.name },
      ],
    });
    for (const id of ["s", "c", "cc"])
      expect([await ownLog(store, id), await all.find(id)]).toEqual([[], undefined]);
    const there = elsewhere();
    for (const [id, expected] of [
      ["f", ["3", "4"]],
      ["g", ["3", "4", "5"]],
      ["h", []],
    ] as const) {
      const heir = await there.open(id);
      expect(await textsOf(heir)).toEqual(expected);
      expect(heir.record.messageCount).toBe(expected.length);
      expect(heir.record.lineage[0]).toMatchObject({ id: "s", erased: true });
      expect((await heir.context()).length).toBe(expected.length);
      await heir.append(user("on"));
      expect(await textsOf(heir)).toEqual([...expected, "on"]);
      const again = await heir.fork();
      expect(await textsOf(again)).toEqual([...expected, "on"]);
      expect(again.record.messageCount).toBe(expected.length + 1);
    }
    await refusal(all.erase("s"), "SESSION_NOT_FOUND");
  },
);

onStores("after an erase, going back or forking at an earlier place counts right", async ({ sessions }) => {
  const all = sessions();
  const session = await all.create({ id: "s", label: "l", messages: [user("1"), user("2")] });
  const fork = await session.fork({ id: "f" });
  const { seq } = await fork.append(user("3"));
  const { seq: later } = await fork.append(user("4"));
  const second = await fork.fork({ id: "g" });
  await second.append(user("5"));
  await all.erase("s");
  const early = await (await all.open("f")).fork({ at: seq });
  expect([await textsOf(early), early.record.messageCount]).toEqual([["3"], 1]);
  const within = await (await all.open("g")).fork({ at: 2 });
  expect([await textsOf(within), within.record.messageCount]).toEqual([[], 0]);
  const handle = await all.open("f");
  await handle.rewind(seq);
  expect([await textsOf(handle), handle.record.messageCount]).toEqual([["3"], 1]);
  const other = await all.open("g");
  await other.rewind(later);
  expect([await textsOf(other), other.record.messageCount]).toEqual([["3", "4"], 2]);
  await other.rewind(3);
  expect([await textsOf(other), other.record.messageCount]).toEqual([[], 0]);
});

onStores(
  "what was removed in a part that is erased does not come back, what was revised there reads as before",
  async ({ sessions }) => {
    const all = sessions();
    const root = await all.create({ id: "a", label: "l", messages: ["1", "2", "3", "4"].map(user) });
    const middle = await root.fork({ id: "b" });
    await middle.removeMessage("#2");
    await middle.revise("#3", user("revised in what is erased"));
    await middle.rewind({ messageId: "#4" });
    await middle.append(user("b"));
    const tip = await middle.fork({ id: "c" });
    await middle.clearMessages();
    const later = await middle.fork({ id: "e" });
    await later.append(user("e"));
    await tip.append(user("c"));
    await tip.removeMessage("#3");
    const early = await middle.fork({ id: "d", at: 8 });
    expect(await textsOf(tip)).toEqual(["1", "3", "b", "c"]);
    expect(await textsOf(early)).toEqual(["revised in what is erased", "3", "4"]);
    await all.erase("b");
    for (const [id, expected] of [
      ["c", ["1", "3", "c"]],
      ["d", ["2", "3", "4"]],
      ["e", ["e"]],
      ["a", ["1", "2", "3", "4"]],
    ] as const) {
      const session = await all.open(id);
      expect([id, await textsOf(session), session.record.messageCount]).toEqual([
        id,
        expected,
        expected.length,
      ]);
    }
  },
);

onStores(
  "what is left of a history is kept for its heirs when a part between was erased",
  async ({ sessions, store }) => {
    const all = sessions();
    const root = await all.create({ id: "a", label: "l", messages: [user("a")] });
    const middle = await root.fork({ id: "b" });
    const { seq } = await middle.append(user("b"));
    const tip = await middle.fork({ id: "c" });
    const early = await middle.fork({ id: "d", at: 2 });
    await tip.append(user("c"));
    const report = await all.erase("b");
    expect(report.heirs).toEqual(["c"]);
    expect(await textsOf(await all.open("c"))).toEqual(["a", "c"]);
    await all.delete("a");
    // Both still inherit from it, though the session between is gone.
    expect(await textsOf(await all.open("c"))).toEqual(["a", "c"]);
    expect(await textsOf(await all.open("d"))).toEqual(["a"]);
    expect(early.record.lineage).toEqual([{ id: "a", upTo: 2 }]);
    expect(seq).toBeGreaterThan(2);
    await all.delete("c");
    expect(await textsOf(await all.open("d"))).toEqual(["a"]);
    await all.delete("d");
    expect(await ownLog(store, "a")).toEqual([]);
    expect(await store.find(["a", "b", "c", "d"])).toEqual(range(4).map(() => undefined));
  },
);

onStores(
  "an inherited part that is missing from the store is an error, not a short history",
  async ({ sessions, store }) => {
    const all = sessions();
    const session = await all.create({ id: "s", messages: [user("1")] });
    const fork = await session.fork();
    await fork.append(user("2"));
    await store.remove("s");
    for (const read of [
      () => fork.messages(),
      () => fork.context(),
      () => collect(fork.stream()),
      () => collect(fork.entries()),
      () => collect(all.export(fork.id)),
    ]) {
      const error = await refusal(read(), "STORE_CORRUPT");
      expect(error.message).toContain('"s"');
    }
  },
);

onStores(
  "an id is free as soon as the delete that is under way is done",
  async ({ sessions, elsewhere, store }) => {
    const all = sessions();
    await all.create({ id: "s", messages: [user("old")] });
    const slow: SessionStore = Object.assign(Object.create(store), {
      async remove(id: string) {
        await sleep(100);
        return store.remove(id);
      },
    });
    const deleting = sessions({ store: slow }).delete("s");
    await until(async () => (await store.find(["s"]))[0]?.status === "deleted");
    const fresh = await elsewhere().create({ id: "s", messages: [user("new")] });
    expect(await deleting).toBe(true);
    expect(await textsOf(fresh)).toEqual(["new"]);
  },
);

onStores(
  "a delete that a crash cut short is finished by prune, and the id is free again",
  async ({ sessions, store }) => {
    const clock = fakeClock();
    const all = sessions({ clock });
    for (const id of ["a", "b"]) {
      await all.create({ id, messages: [user("x")] });
      await markDeleted(store, id, clock());
    }
    // Nobody finishes what may still be under way.
    await all.prune();
    expect(await ownLog(store, "b")).not.toEqual([]);
    const error = await refusal(all.create({ id: "a" }), "SESSION_EXISTS");
    expect([error.retryable, error.message]).toEqual([true, expect.stringContaining("being deleted")]);
    clock.advance(120_000);
    await all.create({ id: "a" });
    expect((await all.find("a"))?.messageCount).toBe(0);
    expect(await all.prune()).toMatchObject({ removed: [] });
    expect(await ownLog(store, "b")).toEqual([]);
  },
);

/** What a process leaves that died between marking a session as deleted and removing it. */
async function markDeleted(store: Parameters<typeof ownLog>[0], id: string, at: number): Promise<void> {
  const [record] = await store.find([id]);
  if (!record) throw new Error(`there is no session ${id}`);
  const seq = record.seq + 1;
  await store.commit([
    {
      sessionId: id,
      expectedVersion: record.version,
      entries: [{ seq, id: `#${seq}`, type: "session.deleted", data: {}, at, commit: `test-${seq}` }],
      record: { ...record, seq, version: record.version + 1, status: "deleted", updatedAt: at },
    },
  ]);
}

/**
 * Legal hold: what is held stays, whoever wants it gone, and what is not held goes as ever.
 */
import { expect, test } from "vitest";
import { createSessions, evolve } from "../../src/index.ts";
import type { Sessions } from "../../src/session/types.ts";
import { onEngines } from "./engines.ts";
import { collect, fakeClock, onStores, ownLog, refusal, sleep, textsOf, user } from "./support.ts";

const DAY = 86_400_000;
const MATTER = { reason: "matter 17" };

/** Every way to get rid of session "s", each with what it answers where "s" is held. */
const WAYS: Readonly<Record<string, (all: Sessions) => Promise<unknown>>> = {
  delete: (all) => refusal(all.delete("s"), "SESSION_HELD"),
  "delete with forks": (all) => refusal(all.delete("s", { heirs: "cascade" }), "SESSION_HELD"),
  "delete by its user": (all) => refusal(all.forUser("alice").delete("s"), "SESSION_HELD"),
  erase: (all) => refusal(all.erase("s"), "SESSION_HELD"),
  "erase with forks": (all) => refusal(all.erase("s", { heirs: "cascade" }), "SESSION_HELD"),
  "erase by its user": (all) => refusal(all.forUser("alice").erase("s"), "SESSION_HELD"),
  "erase of a parent": (all) => refusal(all.erase("parent"), "SESSION_HELD"),
  prune: async (all) => expect(await all.prune({ keepLast: 0 })).toMatchObject({ held: 1 }),
  "prune by its user": (all) => all.forUser("alice").prune({ keepLast: 0 }),
  create: (all) => refusal(all.create({ id: "s" }), "SESSION_EXISTS"),
  import: async (all) => refusal(all.import(await collect(all.export("s")), { id: "s" }), "SESSION_EXISTS"),
};

onStores("what is held stays, by every way there is", async ({ sessions, store }) => {
  const clock = fakeClock();
  for (const [name, way] of Object.entries(WAYS)) {
    const all = sessions({ clock });
    const parent = await all.create({ id: "parent", userId: "alice", expiresInMs: DAY });
    const session = await parent.spawn({ id: "s" });
    await session.append(user("evidence"));
    const fork = await session.fork({ id: "fork" });
    await all.hold("s", MATTER);
    const before = await ownLog(store, "s");
    await way(all);
    clock.advance(100 * DAY);
    await all.prune();
    expect(await ownLog(store, "s"), name).toEqual(before);
    expect(await textsOf(await all.open("s")), name).toEqual(["evidence"]);
    await all.release("s");
    expect(await all.find("s"), name).toBeUndefined();
    await all.prune();
    for (const id of ["parent", fork.id, "s"]) expect(await ownLog(store, id), `${name} ${id}`).toEqual([]);
  }
});

onStores("a hold is refused where it is wrong, and nothing is written then", async ({ sessions, store }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  await all.create({ id: "s", userId: "alice" });
  await all.create({ id: "over", expiresInMs: 1 });
  clock.advance(1);
  const before = await ownLog(store, "s");
  await refusal(all.hold("s", { reason: "" }), "INVALID_ARGUMENT");
  await refusal(all.hold("s", { reason: "x".repeat(513) }), "INVALID_ARGUMENT");
  await refusal(all.hold("s", { ...MATTER, until: clock() }), "INVALID_ARGUMENT");
  await refusal(all.hold("s", { ...MATTER, until: Number.NaN }), "INVALID_ARGUMENT");
  await refusal(all.hold("nobody", MATTER), "SESSION_NOT_FOUND");
  await refusal(all.hold("over", MATTER), "SESSION_NOT_FOUND");
  await refusal(all.release("nobody"), "SESSION_NOT_FOUND");
  // Who wants it gone must not decide on that, nor keep what others decide on.
  await refusal(all.forUser("alice").hold("s", MATTER), "INVALID_ARGUMENT");
  await refusal(all.forUser("alice").release("s"), "INVALID_ARGUMENT");
  expect(await all.release("s")).toEqual({ sessions: [] });
  expect(await ownLog(store, "s")).toEqual(before);
  expect(await all.hold("s", MATTER)).toEqual({ sessions: ["s"] });
  expect(await all.hold("s", MATTER)).toEqual({ sessions: [] });
  expect(await ownLog(store, "s")).toHaveLength(before.length + 1);
});

onStores("a hold takes the time of expiry over and gives it back", async ({ sessions, elsewhere }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const session = await all.create({ id: "s", expiresInMs: DAY });
  const expiresAt = clock() + DAY;
  await all.hold("s", MATTER);
  const { record } = await elsewhere({ clock }).open("s");
  expect(record.expiresAt).toBeUndefined();
  expect(record.hold).toEqual({ ...MATTER, since: clock(), expiresAt });
  // What is put off meanwhile counts once it is released.
  await session.touch({ expiresInMs: 2 * DAY });
  expect((await all.find("s"))?.expiresAt).toBeUndefined();
  clock.advance(1.5 * DAY);
  await all.hold("s", { reason: "matters 17 and 18" });
  expect((await all.find("s"))?.hold).toMatchObject({
    reason: "matters 17 and 18",
    since: clock() - 1.5 * DAY,
    expiresAt: expiresAt + DAY,
  });
  expect(await all.release("s")).toEqual({ sessions: ["s"] });
  const after = await all.find("s");
  expect(after).toMatchObject({ expiresAt: expiresAt + DAY });
  expect(after).not.toHaveProperty("hold");
  clock.advance(DAY);
  expect(await all.find("s")).toBeUndefined();
});

onStores("a hold with an end is over by itself", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  for (const [id, expiresInMs] of [
    ["sooner", DAY],
    ["later", 3 * DAY],
    ["never", undefined],
  ] as const) {
    await all.create({ id, ...(expiresInMs && { expiresInMs }) });
    await all.hold(id, { ...MATTER, until: clock() + 2 * DAY });
  }
  const child = await (await all.open("never")).spawn({ id: "child" });
  expect(child.record.hold).toEqual((await all.find("never"))?.hold);
  clock.advance(2 * DAY - 1);
  await refusal(all.delete("never"), "SESSION_HELD");
  expect(await all.delete("child").catch(() => "held")).toBe("held");
  expect((await all.list()).items).toHaveLength(4);
  clock.advance(1);
  expect(await all.delete("child")).toBe(true);
  expect((await all.list()).items.map(({ id }) => id).sort()).toEqual(["later", "never"]);
  // What is over is not taken over, and a new hold begins anew.
  const late = await (await all.open("never")).spawn({ id: "late" });
  expect(late.record).not.toHaveProperty("hold");
  await all.hold("never", { reason: "matter 18" });
  expect((await all.find("never"))?.hold).toEqual({ reason: "matter 18", since: clock() });
  expect((await all.release("never")).sessions.sort()).toEqual(["late", "never"]);
  await all.delete("late");
  clock.advance(DAY);
  expect((await all.list()).items.map(({ id }) => id)).toEqual(["never"]);
  expect(await all.delete("never")).toBe(true);
  expect((await all.prune()).removed.sort()).toEqual(["later", "sooner"]);
});

onStores("children are held with their session, forks are not", async ({ sessions, store }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const root = await all.create({ id: "r", expiresInMs: DAY, messages: [user("evidence")] });
  const child = await root.spawn({ id: "c" });
  await child.spawn({ id: "cc" });
  const other = await root.spawn({ id: "other" });
  await all.hold("other", { reason: "another matter" });
  expect((await all.hold("r", { reason: "matter 16" })).sessions.sort()).toEqual(["c", "cc", "r"]);
  expect((await all.hold("r", MATTER)).sessions.sort()).toEqual(["c", "cc", "r"]);
  await root.spawn({ id: "later" });
  const fork = await root.fork({ id: "f" });
  expect(fork.record.hold).toBeUndefined();
  expect(fork.record.expiresAt).toBe(clock() + DAY);
  const reset = await root.reset({ preserveHistory: true });
  expect(reset.record).not.toHaveProperty("hold");
  clock.advance(DAY);
  expect((await all.prune()).removed.sort()).toEqual(["f", reset.id].sort());
  for (const id of ["r", "c", "cc", "other", "later"]) {
    await refusal(all.delete(id), "SESSION_HELD");
    await refusal(all.erase(id), "SESSION_HELD");
  }
  // Its time was over long ago: what is forked from it begins without one.
  expect((await all.fork("r", { id: "new" })).record).not.toHaveProperty("expiresAt");
  expect((await all.release("r")).sessions.sort()).toEqual(["c", "cc", "later", "r"]);
  expect(await all.find("r")).toBeUndefined();
  expect((await all.prune()).removed.sort()).toEqual(["c", "cc", "later", "r"]);
  expect(await ownLog(store, "other")).not.toEqual([]);
  expect(other.record.hold?.reason).toBe("another matter");
});

onStores("a child's own hold lasts as long as either", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const root = await all.create({ id: "r" });
  for (const id of ["short", "long", "endless"]) await root.spawn({ id });
  await all.hold("short", { reason: "own", until: clock() + DAY });
  await all.hold("long", { reason: "own", until: clock() + 9 * DAY });
  await all.hold("endless", { reason: "own" });
  await all.hold("r", { ...MATTER, until: clock() + 5 * DAY });
  const ends = await Promise.all(["short", "long", "endless"].map(async (id) => (await all.find(id))?.hold));
  expect(ends.map((hold) => [hold?.reason, hold?.until && (hold.until - clock()) / DAY])).toEqual([
    ["own", 5],
    ["own", 9],
    ["own", undefined],
  ]);
  await all.release("r");
  for (const id of ["short", "long", "endless"]) await refusal(all.delete(id), "SESSION_HELD");
});

onStores("a child that is begun while its parent is being held is held", async ({ sessions, store }) => {
  const all = sessions();
  const root = await all.create({ id: "r" });
  // The parent is read, held, and only then has its child.
  let isHeld = false;
  const slow = Object.assign(Object.create(store), {
    async commit(commits: Parameters<typeof store.commit>[0]) {
      if (!isHeld && commits.some(({ sessionId }) => sessionId === "c")) {
        isHeld = true;
        await all.hold("r", MATTER);
      }
      return store.commit(commits);
    },
  });
  await (await createSessions({ store: slow }).open(root.id)).spawn({ id: "c" });
  expect((await all.find("c"))?.hold?.reason).toBe(MATTER.reason);
  await refusal(all.delete("c"), "SESSION_HELD");
});

onStores("a child that went, or whose time is over, has nothing to be held", async ({ sessions, store }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const root = await all.create({ id: "r" });
  await (await root.spawn({ id: "over" })).touch({ expiresInMs: 1 });
  await root.spawn({ id: "gone" });
  await root.spawn({ id: "c" });
  clock.advance(1);
  // Removed after it was listed.
  let isGone = false;
  const slow = Object.assign(Object.create(store), {
    async commit(commits: Parameters<typeof store.commit>[0]) {
      if (!isGone && commits.some(({ sessionId }) => sessionId === "gone")) {
        isGone = true;
        await all.delete("gone");
      }
      return store.commit(commits);
    },
  });
  const report = await sessions({ store: slow, clock }).hold("r", MATTER);
  expect([isGone, report.sessions.sort()]).toEqual([true, ["c", "r"]]);
});

onStores("what a held session inherits is kept with it", async ({ sessions, store }) => {
  const all = sessions();
  const root = await all.create({ id: "a", userId: "alice", messages: [user("evidence")] });
  const middle = await root.fork({ id: "b" });
  await middle.append(user("more"));
  await all.fork("b", { id: "c", userId: "bob" });
  await all.hold("c", MATTER);
  for (const id of ["a", "b"]) {
    const error = await refusal(all.erase(id), "SESSION_HELD");
    expect(error.message).toContain('"c"');
    const own = await refusal(all.forUser("alice").erase(id), "SESSION_HELD");
    expect(own.message).not.toContain('"c"');
  }
  await refusal(all.delete("a", { heirs: "cascade" }), "SESSION_HELD");
  expect((await all.list()).items).toHaveLength(3);
  // A parent can be hidden; its entries stay for the one that is held, for as long as it is.
  expect(await all.delete("a")).toBe(true);
  expect(await all.delete("b")).toBe(true);
  await refusal(all.erase("a"), "SESSION_HELD");
  await all.prune({ keepLast: 0 });
  expect(await textsOf(await all.open("c"))).toEqual(["evidence", "more"]);
  await all.release("c");
  const { sessions: gone } = await all.erase("c");
  expect(gone.sort()).toEqual(["a", "b", "c"]);
  for (const id of gone) expect(await ownLog(store, id)).toEqual([]);
});

onStores("a hold that comes during an erase keeps what is held", async ({ sessions, store }) => {
  const all = sessions();
  const root = await all.create({ id: "a", messages: [user("evidence")] });
  await root.fork({ id: "f" });
  let isHeld = false;
  const slow = Object.assign(Object.create(store), {
    async commit(commits: Parameters<typeof store.commit>[0]) {
      // After the look, before the mark.
      if (!isHeld && commits.some(({ sessionId }) => sessionId === "a")) {
        isHeld = true;
        await all.hold("f", MATTER);
      }
      return store.commit(commits);
    },
  });
  await refusal(createSessions({ store: slow }).erase("a"), "SESSION_HELD");
  expect(await textsOf(await all.open("f"))).toEqual(["evidence"]);
  await all.release("f");
  await all.erase("a");
  expect(await textsOf(await all.open("f"))).toEqual([]);
});

onStores("a held session counts in keepLast as if it were not", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  for (const id of ["1", "2", "3", "4"]) {
    await all.create({ id });
    clock.advance(1000);
  }
  await all.hold("1", MATTER);
  // The hold made it the newest.
  expect(await all.prune({ keepLast: 2, dryRun: true })).toMatchObject({ removed: ["3", "2"] });
  await (await all.open("4")).append(user("x"));
  clock.advance(1000);
  await (await all.open("3")).append(user("x"));
  expect(await all.prune({ keepLast: 1 })).toEqual({
    removed: ["4", "2"],
    expired: 0,
    dryRun: false,
    held: 1,
  });
  expect((await all.list()).items.map(({ id }) => id).sort()).toEqual(["1", "3"]);
});

onStores("an export keeps the hold, a user's import does not take it over", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const session = await all.create({ id: "s", userId: "alice", messages: [user("x")], expiresInMs: DAY });
  await all.hold("s", MATTER);
  const child = await session.spawn({ id: "c" });
  await session.append(user("y"));
  for (const id of ["s", child.id]) {
    const lines = await collect(all.export(id));
    const copy = await all.import(lines, { id: `copy of ${id}` });
    expect(copy.record.hold).toMatchObject(MATTER);
    await refusal(all.delete(copy.id), "SESSION_HELD");
    const own = await all.forUser("alice").import(lines, { id: `own ${id}` });
    expect(own.record).not.toHaveProperty("hold");
    expect(await all.forUser("alice").delete(own.id)).toBe(true);
  }
  const forked = await session.fork({ id: "f" });
  expect((await all.import(await collect(all.export(forked.id)), { id: "g" })).record).not.toHaveProperty(
    "hold",
  );
});

test("a log without holds, and one of entries that nobody knows yet, read as before", () => {
  const at = 1;
  const data = { id: "s", namespace: "", kind: "session" as const, dataVersion: 1, expiresAt: 50 };
  let record = evolve(undefined, { seq: 1, id: "#1", type: "session.created", data, at, commit: "a" });
  expect(record).toMatchObject({ expiresAt: 50 });
  expect(record).not.toHaveProperty("hold");
  record = evolve(record, { seq: 2, id: "#2", type: "hold.released", data: {}, at, commit: "b" });
  expect(record).toMatchObject({ expiresAt: 50, version: 2 });
  record = evolve(record, { seq: 3, id: "#3", type: "expiry.set", data: {}, at });
  expect(record).not.toHaveProperty("expiresAt");
  record = evolve(record, { seq: 4, id: "#4", type: "hold.set", data: { ...MATTER, until: 9 }, at });
  expect(record).not.toHaveProperty("expiresAt");
  record = evolve(record, { seq: 5, id: "#5", type: "expiry.set", data: { expiresAt: 3 }, at });
  expect(record).toMatchObject({ expiresAt: 9, hold: { expiresAt: 3, until: 9 } });
  record = evolve(record, { seq: 6, id: "#6", type: "hold.released", data: {}, at });
  expect(record).toMatchObject({ expiresAt: 3 });
});

await onEngines((on) => {
  on(
    "the engine's own expiry leaves alone what is held, and takes it once it is released",
    async ({ store }) => {
      const all = createSessions({ store });
      const session = await all.create({ id: "s", messages: [user("evidence")], expiresInMs: 3000 });
      await all.create({ id: "not held", expiresInMs: 3000 });
      await all.hold("s", MATTER);
      await sleep(4000);
      await store.sweep?.(Date.now(), 100);
      expect((await store.find(["not held"]))[0]).toBeUndefined();
      expect((await all.find("s"))?.hold).toMatchObject(MATTER);
      await session.append(user("more"));
      expect(await textsOf(await all.open("s"))).toEqual(["evidence", "more"]);
      await all.release("s");
      expect(await all.find("s")).toBeUndefined();
      await all.prune();
      expect(await ownLog(store, "s")).toEqual([]);
    },
  );

  on("of a hold and a delete at once, one wins and nothing is half done", async ({ store, connect }) => {
    const [here, there] = [createSessions({ store }), createSessions({ store: await connect() })];
    for (let round = 0; round < 10; round += 1) {
      const id = `s-${round}`;
      await here.create({ id, messages: [user("evidence")] });
      const [held, deleted] = await Promise.allSettled([here.hold(id, MATTER), there.delete(id)]);
      if (held.status === "fulfilled") {
        expect(deleted.status === "rejected" || deleted.value === false).toBe(true);
        expect(await textsOf(await there.open(id))).toEqual(["evidence"]);
      } else {
        expect(deleted).toEqual({ status: "fulfilled", value: true });
        expect(await ownLog(store, id)).toEqual([]);
      }
    }
  });
});

/**
 * Retention: what a prune removes, and what it leaves.
 */
import { expect } from "vitest";
import { collect, fakeClock, onStores, ownLog, range, refusal, sleep, textsOf, user } from "./support.ts";

const DAY = 86_400_000;

onStores("a prune removes what its rule names, and says what", async ({ sessions, store }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  for (const index of range(6)) {
    await all.create({ id: `s-${index}`, userId: index % 2 ? "odd" : "even" });
    clock.advance(DAY);
  }
  // Now s-0 is six days old and s-5 one.
  await all.setStatus("s-1", "completed");
  expect(await all.prune()).toEqual({ removed: [], expired: 0, dryRun: false });
  expect(await all.prune({ userId: "odd" })).toEqual({ removed: [], expired: 0, dryRun: false });
  const rule = { olderThanMs: 2.5 * DAY };
  const dry = await all.prune({ ...rule, dryRun: true });
  expect(dry).toEqual({ removed: ["s-3", "s-2", "s-0"], expired: 0, dryRun: true });
  expect(await collect(all.all())).toHaveLength(6);
  expect((await all.prune({ ...rule, userId: "even", dryRun: true })).removed).toEqual(["s-2", "s-0"]);
  expect((await all.prune({ ...rule, keepLast: 2, dryRun: true })).removed).toEqual(["s-0"]);
  expect((await all.prune({ status: "completed", dryRun: true })).removed).toEqual(["s-1"]);
  expect((await all.prune({ keepLast: 4, dryRun: true })).removed).toEqual(["s-2", "s-0"]);
  expect(await all.prune(rule)).toEqual({ ...dry, dryRun: false });
  expect((await collect(all.all())).map(({ id }) => id)).toEqual(["s-5", "s-4", "s-1"]);
  for (const id of ["s-0", "s-2", "s-3"]) expect(await ownLog(store, id)).toEqual([]);
  expect((await all.prune({ keepLast: 0 })).removed).toHaveLength(3);
});

onStores("what has expired is removed by any prune, with its children", async ({ sessions, store }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const parent = await all.create({ id: "gone", expiresInMs: 1000 });
  await (await parent.spawn({ id: "child" })).touch({ expiresInMs: DAY });
  await all.create({ id: "kept", expiresInMs: 5000 });
  await all.create({ id: "other's", userId: "u", expiresInMs: 1000 });
  clock.advance(1000);
  expect(await all.prune({ userId: "nobody" })).toMatchObject({ removed: [] });
  const report = await all.prune();
  expect({ ...report, removed: [...report.removed].sort() }).toEqual({
    removed: ["child", "gone", "other's"],
    expired: 2,
    dryRun: false,
  });
  expect(await store.find(["gone", "child", "other's"])).toEqual([undefined, undefined, undefined]);
  expect((await collect(all.all())).map(({ id }) => id)).toEqual(["kept"]);
});

onStores(
  "a turn that is under way is not cut off, a child goes only with its parent",
  async ({ sessions }) => {
    const clock = fakeClock();
    const all = sessions({ clock });
    const parent = await all.create({ id: "p" });
    const child = await parent.spawn({ id: "c" });
    const busy = await all.create({ id: "busy" });
    clock.advance(10 * DAY);
    await parent.append(user("still in use"));
    await busy.turn(async () => {
      clock.advance(1000);
      expect(await all.prune({ olderThanMs: 500, status: "active" })).toMatchObject({ removed: ["p", "c"] });
    });
    await refusal(child.append(user("late")), "SESSION_DELETED");
    clock.advance(DAY);
    expect((await all.prune({ olderThanMs: 500 })).removed).toEqual(["busy"]);
  },
);

onStores("an old child of a session in use stays", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const parent = await all.create({ id: "p" });
  await parent.spawn({ id: "c" });
  clock.advance(DAY);
  await parent.append(user("in use"));
  expect((await all.prune({ olderThanMs: 1000 })).removed).toEqual([]);
});

onStores("what forks inherit is kept for them", async ({ sessions, store }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const parent = await all.create({ id: "p", messages: [user("inherited")] });
  clock.advance(DAY);
  const fork = await parent.fork({ id: "f" });
  expect((await all.prune({ olderThanMs: 1000 })).removed).toEqual(["p"]);
  expect(await all.find("p")).toBeUndefined();
  expect(await textsOf(fork)).toEqual(["inherited"]);
  clock.advance(DAY);
  expect((await all.prune({ olderThanMs: 1000 })).removed).toEqual(["f"]);
  expect(await ownLog(store, "p")).toEqual([]);
});

onStores(
  "a session that is gone on with while it is pruned stays",
  async ({ sessions, elsewhere, store }) => {
    const clock = fakeClock();
    const there = elsewhere({ clock });
    for (const id of ["a", "b", "c"]) await there.create({ id });
    clock.advance(DAY);
    let wake = async (): Promise<unknown> => undefined;
    const slow = Object.assign(Object.create(store), {
      async list(query: Parameters<typeof store.list>[0]) {
        const page = await store.list(query);
        // Somebody comes back to b between the look and the removal, and somebody else deletes c.
        if (page.items.some(({ id }) => id === "b")) await wake();
        return page;
      },
    });
    wake = async () => {
      wake = async () => undefined;
      await (await there.open("b")).append(user("I am back"));
      await there.delete("c");
    };
    const report = await sessions({ store: slow, clock }).prune({ olderThanMs: 1000 });
    expect(report.removed).toEqual(["a"]);
    expect(await textsOf(await there.open("b"))).toEqual(["I am back"]);
  },
);

onStores("two prunes at once do not get in each other's way", async ({ sessions, elsewhere }) => {
  const all = sessions();
  for (const index of range(20)) await all.create({ id: `s-${index}` });
  await sleep(5);
  const [a, b] = await Promise.all([all.prune({ olderThanMs: 1 }), elsewhere().prune({ olderThanMs: 1 })]);
  expect([...a.removed, ...b.removed].sort()).toEqual(
    range(20)
      .map((index) => `s-${index}`)
      .sort(),
  );
  expect(await collect(all.all())).toEqual([]);
});

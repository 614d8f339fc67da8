/**
 * Status, expiry, named state and metadata.
 */
import { expect } from "vitest";
import { collect, fakeClock, onStores, ownLog, range, refusal, textsOf, user } from "./support.ts";

onStores("a session is completed, abandoned and reopened", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const session = await all.create({ id: "s" });
  clock.advance(5);
  await session.complete();
  expect(session.record).toMatchObject({ status: "completed", completedAt: clock() });
  const { version } = session.record;
  await session.complete();
  expect(session.record.version).toBe(version);
  // Completed is not closed: it can be opened and gone on with.
  const again = await all.open("s");
  await again.append(user("one more thing"));
  expect([again.status, await textsOf(again)]).toEqual(["completed", ["one more thing"]]);
  await again.reopen();
  expect(session.status).toBe("active");
  expect(session.record).not.toHaveProperty("completedAt");
  await session.abandon();
  expect((await all.list({ status: "abandoned" })).items).toHaveLength(1);
});

onStores(
  "what has expired is not found and not listed, and its id is free again",
  async ({ sessions, elsewhere, store }) => {
    const clock = fakeClock();
    const all = sessions({ clock });
    const session = await all.create({
      id: "s",
      userId: "u",
      expiresInMs: 1000,
      messages: [user("secret words")],
    });
    clock.advance(999);
    expect((await all.open("s")).record.expiresAt).toBe(clock() + 1);
    expect((await all.list()).items).toHaveLength(1);
    clock.advance(1);
    const there = elsewhere({ clock });
    await refusal(there.open("s"), "SESSION_NOT_FOUND");
    await refusal(there.rename("s", "x"), "SESSION_NOT_FOUND");
    await refusal(there.fork("s"), "SESSION_NOT_FOUND");
    expect(await there.find("s")).toBeUndefined();
    expect((await there.list()).items).toEqual([]);
    expect(await collect(there.all())).toEqual([]);
    expect((await there.search("secret")).items).toEqual([]);
    expect([await there.latest(), await there.findActive("u"), await there.delete("s")]).toEqual([
      undefined,
      undefined,
      false,
    ]);
    // A handle from before writes into nothing.
    for (const call of [
      () => session.append(user("late")),
      () => session.touch({ expiresInMs: 1000 }),
      () => session.messages(),
      () => session.refresh(),
      () => session.fork(),
      () => session.turn(async () => 1),
    ]) {
      const error = await refusal(call(), "SESSION_NOT_FOUND");
      expect(error.message).toContain("expired");
    }
    expect(await ownLog(store, "s")).toHaveLength(2);
    clock.advance(1);
    const fresh = await there.create({ id: "s", messages: [user("fresh")] });
    expect(await textsOf(fresh)).toEqual(["fresh"]);
    await refusal(session.append(user("late")), "SESSION_DELETED");
    expect((await there.search("secret")).items).toEqual([]);
  },
);

onStores("touch puts the end off", async ({ sessions, elsewhere }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const session = await all.create({ id: "s", expiresInMs: 1000 });
  clock.advance(900);
  await session.touch({ expiresInMs: 1000 });
  clock.advance(900);
  expect((await all.open("s")).record.expiresAt).toBe(clock() + 100);
  // Somebody else put it off: a handle that does not know it yet can still write.
  const there = await elsewhere({ clock }).open("s");
  await session.touch({ expiresInMs: 5000 });
  clock.advance(500);
  await there.append(user("in time"));
  expect(await textsOf(session)).toEqual(["in time"]);
  const forever = await all.create({ id: "t" });
  await forever.touch({ expiresInMs: 1 });
  clock.advance(1);
  expect(await all.find("t")).toBeUndefined();
});

onStores(
  "of many that create anew what has expired one wins, and its messages stay",
  async ({ sessions, elsewhere }) => {
    const clock = fakeClock();
    const makers = [sessions({ clock }), elsewhere({ clock }), elsewhere({ clock })];
    for (const round of range(8)) {
      const id = `s-${round}`;
      await makers[0]?.create({ id, expiresInMs: 10 });
      clock.advance(10);
      const opened = await Promise.all(
        makers.map(async (all, index) => {
          const session = await all.getOrCreate(id);
          await session.append(user(`${index}`));
          return session;
        }),
      );
      for (const session of opened) expect((await textsOf(session)).sort()).toEqual(["0", "1", "2"]);
    }
  },
);

onStores("an id that expired is not free while forks inherit its history", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const session = await all.create({ id: "s", expiresInMs: 100, messages: [user("inherited")] });
  const fork = await session.fork({ id: "f" });
  await fork.touch({ expiresInMs: 10_000 });
  clock.advance(100);
  const error = await refusal(all.create({ id: "s" }), "SESSION_EXISTS");
  expect(error.message).toContain("forks");
  expect(await textsOf(fork)).toEqual(["inherited"]);
  await fork.append(user("on"));
  expect(await textsOf(await all.open("f"))).toEqual(["inherited", "on"]);
  await all.delete("f");
  await all.create({ id: "s" });
});

onStores("named state is kept by slot, as it was given", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s" });
  const value = { at: new Date(5), bytes: new Uint8Array([1, 2]), big: 10n, list: [null, -0], $holdfast: 1 };
  await session.setState("run", value);
  await session.setState("__proto__", "odd");
  await session.setState("constructor", 0);
  const there = await elsewhere().open("s");
  expect(there.getState("run")).toEqual(value);
  expect(there.getState("__proto__")).toBe("odd");
  expect(there.getState("constructor")).toBe(0);
  expect(there.getState("toString")).toBeUndefined();
  Object.assign(Object(session.getState("run")), { list: "changed" });
  expect(session.getState("run")).toEqual(value);
  await session.setState("run", undefined);
  expect(session.getState("run")).toBeUndefined();
  expect(Object.keys(session.record.state)).toEqual(["__proto__", "constructor"]);
});

onStores("metadata is patched key by key", async ({ sessions }) => {
  const all = sessions();
  const session = await all.create({ id: "s", metadata: { a: 1, b: 1 } });
  await session.setMetadata({ b: 2, c: { deep: true } });
  expect(session.record.metadata).toEqual({ a: 1, b: 2, c: { deep: true } });
  expect((await all.list({ metadata: { b: 2 } })).items).toHaveLength(1);
  expect((await all.list({ metadata: { b: 1 } })).items).toHaveLength(0);
});

onStores("a record can't be changed by who reads it", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", data: { list: [1] }, metadata: { a: { b: 1 } } });
  const before = structuredClone(session.record);
  for (const change of [
    () => Object.assign(session.record, { label: "changed" }),
    () => Object.assign(Object(session.record.metadata["a"]), { b: 2 }),
    () => Object.assign(session.data, { list: [] }),
    () => Object.assign(session.usage, { inputTokens: 9 }),
  ]) {
    expect(change).toThrow(TypeError);
  }
  await session.append(user("a"));
  for (const change of [
    () => Object.assign(session.record, { label: "x" }),
    () => Object.assign(session.usage, { inputTokens: 1 }),
  ]) {
    expect(change).toThrow(TypeError);
  }
  expect(await session.refresh()).toMatchObject({
    data: before.data,
    metadata: before.metadata,
    usage: before.usage,
  });
});

/**
 * One user's view: other users' sessions are not there, whatever is called.
 */
import { expect, test } from "vitest";
import { createSessions, memoryStore } from "../../src/index.ts";
import type { Sessions } from "../../src/session/types.ts";
import { collect, onStores, ownLog, refusal, textsOf, user } from "./support.ts";

const THEIRS = "bob's";

/** Each method of `Sessions`, called by alice for a session of bob's: it must behave as if there were none. */
const CALLS: Readonly<Record<string, (alice: Sessions) => Promise<unknown>>> = {
  create: async (alice) => {
    await refusal(alice.create({ id: THEIRS }), "SESSION_EXISTS");
    expect((await alice.create({ id: "new", userId: "bob" })).record.userId).toBe("alice");
  },
  open: async (alice) => {
    await refusal(alice.open(THEIRS), "SESSION_NOT_FOUND");
    await refusal(alice.open(THEIRS, { create: true }), "SESSION_EXISTS");
  },
  getOrCreate: (alice) => refusal(alice.getOrCreate(THEIRS), "SESSION_EXISTS"),
  latest: async (alice) => {
    expect((await alice.latest())?.id).toBe("alice's");
    await refusal(alice.latest({ userId: "bob" }), "INVALID_ARGUMENT");
  },
  fork: async (alice) => {
    await refusal(alice.fork(THEIRS), "SESSION_NOT_FOUND");
    await refusal(alice.fork("bob's deleted"), "SESSION_NOT_FOUND");
    expect((await alice.fork("alice's", { userId: "bob", id: "forked" })).record.userId).toBe("alice");
  },
  find: async (alice) => expect(await alice.find(THEIRS)).toBeUndefined(),
  list: async (alice) => {
    expect((await alice.list()).items.map(({ id }) => id)).toEqual(["alice's"]);
    expect((await alice.list({ status: "deleted" })).items).toEqual([]);
    await refusal(alice.list({ userId: "bob" }), "INVALID_ARGUMENT");
  },
  all: async (alice) => {
    expect((await collect(alice.all())).map(({ id }) => id)).toEqual(["alice's"]);
    await refusal(collect(alice.all({ userId: "bob" })), "INVALID_ARGUMENT");
  },
  findActive: async (alice) => {
    expect((await alice.findActive("alice"))?.id).toBe("alice's");
    await refusal(alice.findActive("bob"), "INVALID_ARGUMENT");
  },
  search: async (alice) => {
    expect((await alice.search("secret")).items.map(({ sessionId }) => sessionId)).toEqual(["alice's"]);
    await refusal(alice.search("secret", { userId: "bob" }), "INVALID_ARGUMENT");
  },
  rename: (alice) => refusal(alice.rename(THEIRS, "mine"), "SESSION_NOT_FOUND"),
  setStatus: (alice) => refusal(alice.setStatus(THEIRS, "abandoned"), "SESSION_NOT_FOUND"),
  delete: async (alice) => {
    expect(await alice.delete(THEIRS)).toBe(false);
    expect(await alice.delete(THEIRS, { heirs: "cascade" })).toBe(false);
  },
  erase: async (alice) => {
    await refusal(alice.erase(THEIRS), "SESSION_NOT_FOUND");
    await refusal(alice.erase("bob's deleted"), "SESSION_NOT_FOUND");
  },
  prune: async (alice) => {
    expect((await alice.prune({ keepLast: 0, dryRun: true })).removed).toEqual(["alice's"]);
    await refusal(alice.prune({ userId: "bob", keepLast: 0 }), "INVALID_ARGUMENT");
  },
  hold: (alice) => refusal(alice.hold(THEIRS, { reason: "mine" }), "INVALID_ARGUMENT"),
  release: (alice) => refusal(alice.release(THEIRS), "INVALID_ARGUMENT"),
  export: (alice) => refusal(collect(alice.export(THEIRS)), "SESSION_NOT_FOUND"),
  import: async (alice) => {
    const lines = await collect(alice.export("alice's"));
    await refusal(alice.import(lines, { id: THEIRS }), "SESSION_EXISTS");
    const forged = lines.map((line) => line.replaceAll('"userId":"alice"', '"userId":"bob"'));
    expect((await alice.import(forged, { id: "imported" })).record.userId).toBe("alice");
  },
  forUser: async (alice) => {
    await refusal((async () => alice.forUser("bob"))(), "INVALID_ARGUMENT");
    expect((await alice.forUser("alice").list()).items).toHaveLength(1);
  },
  on: async (alice) => {
    const seen: string[] = [];
    for (const event of ["created", "saved", "loaded", "deleted", "forked", "conflict"] as const) {
      alice.on(event, ({ sessionId }) => seen.push(sessionId));
    }
    alice.on("error", ({ sessionId }) => seen.push(`error ${sessionId}`));
    return seen;
  },
  close: async (alice) => {
    await alice.close();
    await alice.close();
    await refusal(alice.list(), "SESSION_CLOSED");
    await refusal(alice.open(THEIRS), "SESSION_CLOSED");
  },
};

onStores("every method behaves as if another user's session were not there", async ({ sessions, store }) => {
  const all = sessions();
  const bobs = await all.create({ id: THEIRS, userId: "bob", messages: [user("bob's secret")] });
  const gone = await all.create({ id: "bob's deleted", userId: "bob", messages: [user("another secret")] });
  await gone.fork();
  await all.delete(gone.id);
  await all.create({ id: "nobody's", messages: [user("nobody's secret")] });
  const before = await ownLog(store, THEIRS);
  for (const [name, call] of Object.entries(CALLS)) {
    const alice = sessions().forUser("alice");
    await alice.getOrCreate("alice's", { messages: [user("alice's secret")] });
    await call(alice).catch((error: unknown) => {
      throw new Error(`${name}: ${String(error)}`, { cause: error });
    });
    for (const id of ["new", "forked", "imported"]) await all.delete(id);
    expect(await ownLog(store, THEIRS), name).toEqual(before);
  }
  expect(await textsOf(bobs)).toEqual(["bob's secret"]);
});

test("no method of Sessions is left out", () => {
  const methods = Object.keys(createSessions({ store: memoryStore() }).forUser("alice"));
  expect([...methods].sort()).toEqual(Object.keys(CALLS).sort());
});

onStores("a user's events are about that user's sessions only", async ({ sessions }) => {
  const all = sessions();
  const [alice, bob] = [all.forUser("alice"), all.forUser("bob")];
  const seen: string[] = [];
  for (const event of ["created", "saved", "loaded", "forked", "deleted", "error"] as const) {
    alice.on(event, (payload) => seen.push(`${event} ${payload.sessionId ?? ""}`.trim()));
  }
  const session = await bob.create({ id: "b" });
  await session.append(user("x"));
  await bob.open("b");
  await bob.fork("b", { id: "bb" });
  bob.on("deleted", () => {
    throw new Error("bob's own");
  });
  await bob.delete("b");
  expect(seen).toEqual([]);
  const own = await alice.create({ id: "a" });
  await own.append(user("x"));
  await alice.open("a");
  await alice.fork("a", { id: "aa" });
  await alice.delete("aa");
  expect(new Set(seen)).toEqual(
    new Set(["created a", "saved a", "loaded a", "created aa", "saved aa", "forked aa", "deleted aa"]),
  );
});

onStores("what a user deletes or erases takes nothing of other users with it", async ({ sessions }) => {
  const all = sessions();
  const alice = all.forUser("alice");
  const root = await alice.create({ id: "a", messages: [user("inherited")] });
  await root.fork({ id: "own" });
  const bobs = await all.fork("a", { id: "bobs", userId: "bob" });
  expect(await alice.delete("a", { heirs: "cascade" })).toBe(true);
  expect(await all.find("own")).toBeUndefined();
  expect(await textsOf(bobs)).toEqual(["inherited"]);
  // Erasing is about what is one's own: bob's fork loses it, and alice is not told whose it was.
  const report = await alice.erase("a");
  expect(report.heirs).toEqual([]);
  expect(await textsOf(await all.open("bobs"))).toEqual([]);
});

onStores(
  "closing one user's view closes neither the store nor anybody's handles",
  async ({ sessions, elsewhere }) => {
    const all = sessions({ autoSave: false });
    const alice = all.forUser("alice");
    const [hers, his] = [await alice.create({ id: "a" }), await all.create({ id: "b", userId: "bob" })];
    await hers.append(user("hers"));
    await his.append(user("his"));
    {
      await using view = all.forUser("alice");
      expect((await view.list()).items).toHaveLength(1);
    }
    expect([hers.pending, his.pending]).toEqual([0, 1]);
    expect((await elsewhere().find("a"))?.messageCount).toBe(1);
    await hers.append(user("more"));
    await hers.save();
    expect((await all.list()).items).toHaveLength(2);
    expect((await alice.list()).items).toHaveLength(1);
  },
);

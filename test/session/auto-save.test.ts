/**
 * `autoSave: false`: changes wait in memory and are committed as one.
 */
import { expect } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { collect, onStores, ownLog, refusal, textsOf, user } from "./support.ts";

const HELD = { autoSave: false };

onStores(
  "changes are seen at once, and stored as one commit by save",
  async ({ sessions, elsewhere, store }) => {
    const session = await sessions(HELD).create({ id: "s", label: "l" });
    const first = await session.append(user("a"), { ids: ["a"] });
    expect(first).toEqual({ version: 2, seq: 2, ids: ["a"], duplicate: false });
    await session.append([user("b"), user("c")]);
    await session.revise("a", user("A"));
    await session.setData({ x: 1 });
    await session.rename("named");
    expect(session.pending).toBe(5);
    expect(await textsOf(session)).toEqual(["A", "b", "c"]);
    expect((await session.context()).map(({ content }) => content)).toEqual(["A", "b", "c"]);
    expect((await collect(session.entries({ reverse: true }))).map(({ seq }) => seq)).toEqual([
      7, 6, 5, 4, 3, 2, 1,
    ]);
    expect(session.record).toMatchObject({ version: 2, label: "named", data: { x: 1 }, messageCount: 3 });
    expect(await ownLog(store, "s")).toHaveLength(1);
    const other = await elsewhere().open("s");
    expect(await textsOf(other)).toEqual([]);

    const saved = await session.save();
    expect(saved).toEqual({ version: 2, seq: 7, ids: ["a", "#3", "#4"], duplicate: false });
    expect(session.pending).toBe(0);
    const log = await ownLog(store, "s");
    expect(log.filter(({ commit }) => commit !== undefined)).toHaveLength(2);
    expect(await textsOf(other)).toEqual(["A", "b", "c"]);
    expect(await session.save()).toEqual({ version: 2, seq: 7, ids: [], duplicate: false });
  },
);

onStores("what is read while it waits is the caller's to change", async ({ sessions }) => {
  const session = await sessions(HELD).create();
  await session.append(user("a"));
  const [message] = await session.messages();
  Object.assign(message ?? {}, { content: "changed" });
  expect(await textsOf(session)).toEqual(["a"]);
});

onStores("saves that meet store everything once", async ({ sessions }) => {
  const session = await sessions(HELD).create();
  await session.append(user("a"));
  await Promise.all([
    session.save(),
    session.save(),
    session.append(user("b")),
    session.save(),
    session.close(),
  ]);
  expect(session.pending).toBe(0);
  expect(session.record.messageCount).toBe(2);
});

onStores(
  "a change that is refused waits for nothing, and what others write is seen then",
  async ({ sessions, elsewhere }) => {
    const session = await sessions(HELD).create({ id: "s" });
    await refusal(session.append(user("a"), { expectedVersion: 9 }), "VERSION_CONFLICT");
    await session.clearMessages();
    await session.append([]);
    expect(session.pending).toBe(0);
    await (await elsewhere().open("s")).append(user("there"));
    expect(await textsOf(session)).toEqual(["there"]);
    expect((await session.refresh()).messageCount).toBe(1);
  },
);

onStores("a save after another writer's commit is decided anew", async ({ sessions, elsewhere }) => {
  const session = await sessions(HELD).create({ id: "s" });
  await session.append(user("mine"));
  await session.setData({ mine: 1 });
  const there = await elsewhere().open("s");
  await there.append([user("theirs"), user("theirs too")]);
  await there.setData({ theirs: 2 });
  // What waits is seen on what it was built on, until it is saved.
  expect(await textsOf(session)).toEqual(["mine"]);
  const { ids } = await session.save();
  expect(await textsOf(session)).toEqual(["theirs", "theirs too", "mine"]);
  expect(session.data).toEqual({ mine: 1, theirs: 2 });
  expect(ids).toEqual(["#6"]);
});

onStores(
  "a change to a message that waits follows it to where it is stored",
  async ({ sessions, elsewhere }) => {
    const session = await sessions(HELD).create({ id: "s", label: "l" });
    const { ids: mine } = await session.append([user("mine"), user("and mine"), user("mine to go")]);
    const [first = "", second = "", third = ""] = mine;
    await session.revise(first, user("MINE"));
    await session.removeMessage(third);
    await (await elsewhere().open("s")).append([user("theirs"), user("theirs too"), user("theirs three")]);
    expect(await textsOf(session)).toEqual(["MINE", "and mine"]);
    await session.rewind({ messageId: second });
    await session.save();
    expect(await textsOf(session)).toEqual(["theirs", "theirs too", "theirs three", "mine", "and mine"]);
  },
);

onStores(
  "where one change can't be any more nothing is saved, and the others wait on",
  async ({ sessions, elsewhere, store }) => {
    const session = await sessions(HELD).create({ id: "s", label: "l" });
    await session.append(user("a"), { ids: ["a"] });
    await session.append(user("b"), { expectedVersion: 1 });
    await session.append(user("c"), { ids: ["x"] });
    await (await elsewhere().open("s")).append(user("there"));
    await refusal(session.save(), "VERSION_CONFLICT");
    expect(await ownLog(store, "s")).toHaveLength(2);
    expect(session.pending).toBe(2);
    expect(await textsOf(session)).toEqual(["there", "a", "c"]);
    await (await elsewhere().open("s")).append(user("other"), { ids: ["x"] });
    await refusal(session.save(), "DUPLICATE_ENTRY");
    expect(session.pending).toBe(1);
    await session.save();
    expect(await textsOf(session)).toEqual(["there", "other", "a"]);
  },
);

onStores("closing saves what waits; closing the sessions too", async ({ sessions, elsewhere }) => {
  const all = sessions(HELD);
  const a = await all.create({ id: "a" });
  const b = await all.create({ id: "b" });
  await a.append(user("a"));
  await b.append(user("b"));
  await a.close();
  await refusal(a.append(user("late")), "SESSION_CLOSED");
  await refusal(a.save(), "SESSION_CLOSED");
  const there = elsewhere();
  expect((await there.find("a"))?.messageCount).toBe(1);
  expect((await there.find("b"))?.messageCount).toBe(0);
});

onStores(
  "closing the sessions saves what can be saved, and tells what can't",
  async ({ sessions, elsewhere }) => {
    const all = sessions(HELD);
    const [a, b] = [await all.create({ id: "a" }), await all.create({ id: "b" })];
    await a.append(user("refused"), { expectedVersion: 1 });
    await a.append(user("a"));
    await b.append(user("b"));
    const there = elsewhere();
    await (await there.open("a")).append(user("there"));
    await Promise.all([refusal(all.close(), "VERSION_CONFLICT"), refusal(all.close(), "VERSION_CONFLICT")]);
    expect(await textsOf(await there.open("a"))).toEqual(["there", "a"]);
    expect(await textsOf(await there.open("b"))).toEqual(["b"]);
    await refusal(b.append(user("late")), "SESSION_CLOSED");
    await refusal(all.find("b"), "SESSION_CLOSED");
  },
  ["file", "sqlite"],
);

/** A store of which each commit may fail before or after it takes place. */
function failing(store: SessionStore): {
  store: SessionStore;
  fails: ("before" | "after" | "and can't be read")[];
} {
  const fails: ("before" | "after" | "and can't be read")[] = [];
  let isDown = false;
  const outage = (): HoldfastError =>
    new HoldfastError("STORE_UNAVAILABLE", "the connection was lost; try again");
  return {
    fails,
    store: Object.assign(Object.create(store), {
      async commit(commits: Parameters<SessionStore["commit"]>[0]) {
        const fail = fails.shift();
        isDown = fail === "and can't be read";
        if (fail === "before") throw outage();
        const outcomes = await store.commit(commits);
        if (fail) throw outage();
        return outcomes;
      },
      async read(...args: Parameters<SessionStore["read"]>) {
        if (isDown) {
          isDown = false;
          throw outage();
        }
        return store.read(...args);
      },
    }),
  };
}

onStores("a save that failed can be tried again", async ({ sessions, store }) => {
  const flaky = failing(store);
  const session = await sessions({ ...HELD, store: flaky.store }).create({ id: "s", label: "l" });
  await session.append(user("a"));
  flaky.fails.push("before");
  await refusal(session.save(), "STORE_UNAVAILABLE");
  expect(session.pending).toBe(1);
  expect(await textsOf(session)).toEqual(["a"]);
  await session.save();
  flaky.fails.push("after");
  await session.append(user("b"));
  await session.save();
  expect(await textsOf(session)).toEqual(["a", "b"]);
  expect(await ownLog(store, "s")).toHaveLength(3);
});

onStores(
  "a save that was stored, though nobody could know, is not stored again",
  async ({ sessions, elsewhere, store }) => {
    const flaky = failing(store);
    const session = await sessions({ ...HELD, store: flaky.store }).create({ id: "s", label: "l" });
    await session.append(user("a"));
    flaky.fails.push("and can't be read");
    await refusal(session.save(), "STORE_UNAVAILABLE");
    await session.append(user("b"));
    expect(session.pending).toBe(2);
    await (await elsewhere().open("s")).append(user("there"));
    expect((await session.save()).ids).toEqual(["#2", "#4"]);
    expect(session.pending).toBe(0);
    expect(await textsOf(session)).toEqual(["a", "there", "b"]);
  },
);

onStores("a save that lands late is not stored again", async ({ sessions, store }) => {
  let late: (() => Promise<unknown>) | undefined;
  let isLate = false;
  const slow: SessionStore = Object.assign(Object.create(store), {
    async commit(commits: Parameters<SessionStore["commit"]>[0]) {
      if (isLate) {
        isLate = false;
        late = () => store.commit(commits);
        throw new HoldfastError("STORE_UNAVAILABLE", "no answer in time; try again");
      }
      await late?.();
      late = undefined;
      return store.commit(commits);
    },
  });
  const session = await sessions({ ...HELD, store: slow }).create({ id: "s", label: "l" });
  await session.append(user("a"));
  isLate = true;
  await refusal(session.save(), "STORE_UNAVAILABLE");
  await session.append(user("b"));
  await session.save();
  expect(await textsOf(session)).toEqual(["a", "b"]);
});

onStores(
  "what waits for a session that is deleted is dropped with an error",
  async ({ sessions, elsewhere }) => {
    const session = await sessions(HELD).create({ id: "s" });
    await session.append(user("a"));
    await elsewhere().delete("s");
    await refusal(session.save(), "SESSION_DELETED");
    expect(session.pending).toBe(0);
    await session.close();
  },
);

onStores("a turn's lease is no change that waits", async ({ sessions, elsewhere, store }) => {
  const flaky = failing(store);
  const session = await sessions({ ...HELD, store: flaky.store }).create({ id: "s", label: "l" });
  const there = await elsewhere().open("s");
  await session.append(user("before"));
  await session.turn(async (turn) => {
    expect(await textsOf(there)).toEqual(["before"]);
    await turn.append(user("within"));
    expect(session.pending).toBe(1);
    await refusal(
      there.turn(async () => 1),
      "TURN_IN_PROGRESS",
    );
  });
  expect(session.pending).toBe(0);
  expect(await textsOf(there)).toEqual(["before", "within"]);

  await session.append(user("waits"));
  flaky.fails.push("before");
  await refusal(
    session.turn(async () => 1),
    "STORE_UNAVAILABLE",
  );
  expect(session.pending).toBe(1);
  await session.save();
  // The turn that could not begin is not begun by a later save.
  expect((await session.refresh()).turn).toBeUndefined();

  await session.append(user("still waits"));
  await there.turn(async () => {
    await refusal(
      session.turn(async () => 1),
      "TURN_IN_PROGRESS",
    );
    expect(session.pending).toBe(1);
  });
});

onStores(
  "an operation that is repeated while it waits, or was stored before, takes place once",
  async ({ sessions, elsewhere }) => {
    const there = await elsewhere().create({ id: "s", label: "l" });
    await there.append(user("known"), { operationId: "known" });
    const session = await sessions(HELD).open("s");
    await session.append(user("a"), { operationId: "op" });
    expect(await session.append(user("a"), { operationId: "op" })).toMatchObject({ duplicate: true });
    await session.append(user("known"), { operationId: "known" });
    await session.save();
    expect(await textsOf(session)).toEqual(["known", "a"]);
  },
);

onStores("forking saves what waits first; deleting does not mind it", async ({ sessions }) => {
  const all = sessions(HELD);
  const session = await all.create({ id: "s" });
  await session.append(user("a"));
  const fork = await session.fork();
  expect(session.pending).toBe(0);
  expect(await textsOf(fork)).toEqual(["a"]);
  await session.append(user("b"));
  expect(await textsOf(await all.fork("s"))).toEqual(["a", "b"]);
  await session.append(user("c"));
  await all.rename("s", "renamed");
  await session.save();
  expect(session.record).toMatchObject({ label: "renamed", messageCount: 3 });
  const { at, seq, name } = await session.checkpoint("here");
  await session.save();
  expect(await session.checkpoints()).toEqual([{ name, seq, at }]);
});

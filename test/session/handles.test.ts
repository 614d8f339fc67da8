/**
 * Handles: shared, closed, forgotten.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createSessions } from "../../src/session/sessions.ts";
import type { Session } from "../../src/session/types.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { collect, onStores, range, refusal, textsOf, user } from "./support.ts";

onStores("handles on one session see each other's changes at once", async ({ sessions }) => {
  const all = sessions();
  const one = await all.create({ id: "s" });
  const other = await all.open("s");
  await one.setData({ x: 1 });
  expect(other.data).toEqual({ x: 1 });
  await Promise.all([one.append(user("1")), other.append(user("2"))]);
  expect([one.record, one.record.messageCount]).toEqual([other.record, 2]);
  expect(one.record).toBe(other.record);
});

/** Every method that does something, called on a handle that was closed. */
const CALLS: Readonly<Record<string, (session: Session) => Promise<unknown>>> = {
  refresh: (session) => session.refresh(),
  append: (session) => session.append(user("x")),
  revise: (session) => session.revise("#2", user("x")),
  removeMessage: (session) => session.removeMessage("#2"),
  setMessages: (session) => session.setMessages([]),
  clearMessages: (session) => session.clearMessages(),
  messages: (session) => session.messages(),
  stream: (session) => collect(session.stream()),
  entries: (session) => collect(session.entries()),
  context: (session) => session.context(),
  compact: (session) => session.compact({ summarize: async () => user("x") }),
  watch: async (session) => collect(session.watch()),
  setData: (session) => session.setData({}),
  replaceData: (session) => session.replaceData({}),
  clearData: (session) => session.clearData(),
  enterRoute: (session) => session.enterRoute({ id: "r" }),
  enterStep: (session) => session.enterStep({ id: "s" }),
  completeRoute: (session) => session.completeRoute("r"),
  setMetadata: (session) => session.setMetadata({}),
  rename: (session) => session.rename("x"),
  complete: (session) => session.complete(),
  abandon: (session) => session.abandon(),
  reopen: (session) => session.reopen(),
  touch: (session) => session.touch({ expiresInMs: 1 }),
  setState: (session) => session.setState("s", 1),
  addUsage: (session) => session.addUsage({}),
  turn: (session) => session.turn(async () => 1),
  abandonTurn: (session) => session.abandonTurn(),
  fork: (session) => session.fork(),
  spawn: (session) => session.spawn(),
  checkpoint: (session) => session.checkpoint("c"),
  checkpoints: (session) => session.checkpoints(),
  rewind: (session) => session.rewind(1),
  reset: (session) => session.reset(),
  save: (session) => session.save(),
};
/** What a closed handle still answers. */
const ANSWERS = ["id", "record", "label", "status", "usage", "data", "pending", "getState", "close"];

onStores("a closed handle takes no more calls, and other handles go on", async ({ sessions }) => {
  const all = sessions();
  const session = await all.create({ id: "s", label: "l", messages: [user("a")] });
  const other = await all.open("s");
  await session.close();
  await session.close();
  for (const [name, call] of Object.entries(CALLS)) {
    const error = await refusal(call(session), "SESSION_CLOSED").catch((thrown: unknown) => {
      throw new Error(`${name}: ${String(thrown)}`);
    });
    expect(error.sessionId).toBe("s");
  }
  expect([session.id, session.label, session.status, session.pending, session.getState("x")]).toEqual([
    "s",
    "l",
    "active",
    0,
    undefined,
  ]);
  await other.append(user("b"));
  expect(await textsOf(other)).toEqual(["a", "b"]);
  expect(Object.keys(session).sort()).toEqual([...Object.keys(CALLS), ...ANSWERS].sort());
});

onStores("after the sessions are closed nothing is taken any more, by any handle", async ({ sessions }) => {
  const all = sessions();
  const session = await all.create({ id: "s" });
  const held = await sessions({ autoSave: false }).open("s");
  await all.close();
  await all.close();
  for (const call of Object.values(CALLS)) await refusal(call(session), "SESSION_CLOSED");
  for (const call of [
    () => all.create(),
    () => all.open("s"),
    () => all.list(),
    () => all.prune(),
    () => collect(all.all()),
    () => all.forUser("u").list(),
  ]) {
    await refusal(call(), "SESSION_CLOSED");
  }
  await session.close();
  expect(held.pending).toBe(0);
});

onStores("await using closes a session and saves what waits", async ({ sessions, elsewhere }) => {
  {
    await using session = await sessions({ autoSave: false }).create({ id: "s" });
    await session.append(user("a"));
  }
  expect(await textsOf(await elsewhere().open("s"))).toEqual(["a"]);
});

onStores(
  "closing waits for what is under way",
  async ({ sessions, elsewhere }) => {
    const there = elsewhere();
    let settled: Promise<PromiseSettledResult<unknown>[]>;
    {
      await using all = sessions();
      const session = await all.create({ id: "s", label: "l" });
      const appends = range(20).map((index) => session.append(user(`${index}`)));
      // Also what no handle is held on.
      settled = Promise.allSettled([
        ...appends,
        all.create({ id: "t" }),
        all.rename("s", "renamed"),
        all.fork("s", { id: "f" }),
      ]);
    }
    for (const outcome of await settled) expect(outcome).toMatchObject({ status: "fulfilled" });
    expect(await there.find("t")).toBeDefined();
    expect(await there.find("f")).toBeDefined();
    expect((await there.find("s"))?.label).toBe("renamed");
    expect(await textsOf(await there.open("s"))).toEqual(range(20).map(String));
  },
  ["file", "sqlite"],
);

onStores("changes that wait are kept also where no handle is left", async ({ sessions, elsewhere }) => {
  const all = sessions({ autoSave: false });
  await (async () => {
    const session = await all.create({ id: "s" });
    await session.append(user("a"));
  })();
  globalThis.gc?.();
  const again = await all.open("s");
  expect(again.pending).toBe(1);
  await again.save();
  expect(await textsOf(await elsewhere().open("s"))).toEqual(["a"]);
});

test("handles that nobody closes are forgotten: 20,000 opened sessions leave no trace in memory", async () => {
  const script = fileURLToPath(new URL("./open-many.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", script]);
  const { handlesLeft, heapGrowthBytes } = JSON.parse(stdout);
  expect(handlesLeft).toBeLessThan(50);
  // Held, each would take more than a kilobyte.
  expect(heapGrowthBytes).toBeLessThan(4 * 1024 * 1024);
});

test("closing sessions closes a store that they never used", async () => {
  const store = memoryStore();
  let closed = 0;
  const close = async (): Promise<void> => {
    closed += 1;
    await store.close();
  };
  const sessions = createSessions({ store: { ...store, close } });
  await sessions.close();
  await sessions.close();
  expect(closed).toBe(1);
});

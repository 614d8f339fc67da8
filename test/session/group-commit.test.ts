/** Batches: what is ready together goes together, and one that is stuck holds up nobody else. */
import { expect, test } from "vitest";
import { createSessions } from "../../src/session/sessions.ts";
import type { Commit, SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";

const user = (content: string) => ({ role: "user" as const, content });

/** A store that notes its batches and lets them through once `gate` says so. */
function gatedStore(gate: (batch: readonly Commit[]) => Promise<unknown> | undefined) {
  const inner = memoryStore();
  const batches: string[][] = [];
  const store: SessionStore = {
    ...inner,
    async commit(batch) {
      batches.push(batch.map(({ sessionId }) => sessionId));
      await gate(batch);
      return inner.commit(batch);
    },
  };
  return { store, batches };
}

const names = Array.from({ length: 64 }, (_, index) => `s-${index}`);

test("appends to many sessions at once are one batch", async () => {
  const { store, batches } = gatedStore(() => new Promise((resolve) => setImmediate(resolve)));
  const sessions = createSessions({ store });
  const open = await Promise.all(names.map((id) => sessions.create({ id })));
  batches.length = 0;
  for (let round = 0; round < 5; round += 1)
    await Promise.all(open.map((session) => session.append(user(`${round}`))));
  expect(batches.map((batch) => batch.length)).toEqual([64, 64, 64, 64, 64]);
  await sessions.close();
});

test("a commit that is stuck holds up its own session alone, also where several are", async () => {
  const released = Promise.withResolvers<void>();
  let isGated = false;
  const { store } = gatedStore((batch) =>
    isGated && batch.some(({ sessionId }) => sessionId.startsWith("stuck")) ? released.promise : undefined,
  );
  const sessions = createSessions({ store });
  const free = await sessions.create({ id: "free" });
  const stuck = await Promise.all(["stuck-1", "stuck-2"].map((id) => sessions.create({ id })));
  isGated = true;
  const waiting: Promise<unknown>[] = [];
  for (const session of stuck) {
    waiting.push(session.append(user("first")), session.append(user("second")));
    // What is ready at the same moment goes with it.
    await new Promise((resolve) => setImmediate(resolve));
    for (let index = 0; index < 20; index += 1) await free.append(user(`${session.id} ${index}`));
  }
  expect(await free.messages()).toHaveLength(40);
  for (const session of stuck) expect(await store.read(session.id, { after: 1, limit: 10 })).toEqual([]);
  released.resolve();
  await Promise.all(waiting);
  for (const session of stuck)
    expect((await session.messages()).map(({ content }) => content)).toEqual(["first", "second"]);
  await sessions.close();
});

test("no more than eight batches are under way, and a session has one commit in one of them", async () => {
  const waiting: (() => void)[] = [];
  let isGated = false;
  let most = 0;
  const underWay = new Set<string>();
  const { store } = gatedStore(async (batch) => {
    if (!isGated) return;
    for (const { sessionId } of batch) expect(underWay.has(sessionId)).toBe(false);
    for (const { sessionId } of batch) underWay.add(sessionId);
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      most = Math.max(most, waiting.length);
    });
    for (const { sessionId } of batch) underWay.delete(sessionId);
  });
  const sessions = createSessions({ store });
  const open = await Promise.all(names.slice(0, 16).map((id) => sessions.create({ id })));
  isGated = true;
  const appended: Promise<unknown>[] = [];
  for (const session of open) {
    appended.push(session.append(user("a")), session.append(user("b")));
    await new Promise((resolve) => setTimeout(resolve, 70));
  }
  expect(most).toBe(8);
  isGated = false;
  const releasing = setInterval(() => {
    for (const release of waiting.splice(0)) release();
  }, 5);
  await Promise.all(appended);
  clearInterval(releasing);
  for (const session of open) expect(await session.messages()).toHaveLength(2);
  await sessions.close();
});

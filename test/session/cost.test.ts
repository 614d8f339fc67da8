/** What reads of a long session cost, counted in entries that the store hands out. */
import { expect, test } from "vitest";
import { createSessions } from "../../src/session/sessions.ts";
import type { Session } from "../../src/session/types.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { assistant, user } from "./support.ts";

const LENGTH = 5_000;

/** Sessions over a store that counts. */
async function longSession(): Promise<{
  session: Session;
  cost: (work: () => Promise<unknown>) => Promise<number>;
}> {
  const inner = memoryStore();
  let entries = 0;
  const store: SessionStore = {
    ...inner,
    async read(id, range) {
      const found = await inner.read(id, range);
      entries += found.length;
      return found;
    },
  };
  const session = await createSessions({ store }).create({
    messages: [{ role: "system", content: "Be brief." }],
  });
  await session.append(
    Array.from({ length: LENGTH }, (_, index) => (index % 2 ? assistant : user)(`line ${index}`)),
  );
  return {
    session,
    async cost(work) {
      entries = 0;
      await work();
      return entries;
    },
  };
}

test("an append reads nothing, a fork at the head neither", async () => {
  const { session, cost } = await longSession();
  expect(await cost(() => session.append(user("more")))).toBe(0);
  expect(await cost(() => session.fork())).toBe(0);
});

test("what a model is sent takes reading what it is sent, and the instructions that open the conversation", async () => {
  const { session, cost } = await longSession();
  expect(await cost(() => session.context({ lastMessages: 10 }))).toBeLessThan(60);
  expect(await cost(() => session.context({ lastTurns: 3 }))).toBeLessThan(600);
  expect(await cost(() => session.messages({ last: 20 }))).toBeLessThan(30);
});

test("reading all reads each entry once where nothing was revised", async () => {
  const { session, cost } = await longSession();
  const walk = async (): Promise<void> => {
    for await (const message of session.stream()) expect(message.seq).toBeGreaterThan(0);
  };
  expect(await cost(walk)).toBe(LENGTH + 1);
});

test("the record says up to where messages may read otherwise than they were appended", async () => {
  const { session } = await longSession();
  expect(session.record.revisedUpTo).toBeUndefined();
  await session.revise("#2", { role: "system", content: "Be very brief." });
  expect(session.record.revisedUpTo).toBe(session.record.seq);
  await session.append(user("more"));
  const fork = await session.fork();
  expect(fork.record.revisedUpTo).toBe(session.record.revisedUpTo);
  expect((await fork.context({ lastMessages: 1 }))[0]).toEqual({ role: "system", content: "Be very brief." });
});

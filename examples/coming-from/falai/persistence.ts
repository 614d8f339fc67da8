/** Persistence of @falai/agent: configuration, auto-save, recovery, queries, messages. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Message, SessionStore } from "holdfast";
import { createSessions, HoldfastError, memoryStore } from "holdfast";
import { createAgent, offlineModel } from "holdfast/agent";
import { sqliteStore } from "holdfast/sqlite";

const folder = await mkdtemp(join(tmpdir(), "holdfast-falai-"));
const path = join(folder, "agent.db");
const model = offlineModel();

// An agent with a store persists; a run says whose the session is.
const agent = createAgent({ name: "Assistant", model, store: sqliteStore({ path }) });
const { sessionId } = await agent.run("My name is Alice.", { sessionId: "user-123", userId: "alice" });
assert.equal((await agent.sessions.find("user-123"))?.userId, "alice");
// Without a store, a run that names no session keeps nothing, and says so.
const stateless = await createAgent({ name: "Assistant", model }).run("Hello!");
assert.deepEqual([sessionId, stateless.sessionId], ["user-123", undefined]);

// By hand: what was the persistence manager is `agent.sessions`. Save, load, reset, delete.
const session = await agent.sessions.open("user-123");
await session.setData({ plan: "gold" });
await session.save();
assert.equal((await agent.sessions.open("user-123")).data.plan, "gold");
const fresh = await session.reset({ preserveHistory: true });
assert.deepEqual([(await fresh.messages()).length, fresh.data, fresh.record.userId], [2, {}, "alice"]);
assert.equal(await agent.sessions.delete(fresh.id), true);
await session.reopen();

// Auto-save: a run, a message and data are each there once their promise resolved. A second connection sees them.
const reader = createSessions({ store: sqliteStore({ path }) });
const watched = await agent.open("watched");
await watched.run("Hello!");
await watched.session.append({ role: "user", content: "Follow-up question" });
assert.deepEqual([(await reader.find("watched"))?.messageCount, watched.session.pending], [3, 0]);
await reader.close();
// Switched off, changes wait for `save`, and then are one commit.
const manual = createSessions({ store: memoryStore(), autoSave: false });
const draft = await manual.create();
await Promise.all([draft.append({ role: "user", content: "Hi" }), draft.setData({ step: 1 })]);
assert.deepEqual([draft.pending, (await manual.find(draft.id))?.version], [2, 1]);
await draft.save();
assert.deepEqual([draft.pending, (await manual.find(draft.id))?.version], [0, 2]);

// What an interaction saves: no more than what is new, however long the conversation is.
const long = await agent.sessions.create({
  id: "long",
  messages: Array.from({ length: 5000 }, (_, line) => ({ role: "user", content: `line ${line}` }) as const),
});
const commits: number[] = [];
const off = agent.sessions.on("saved", ({ entries }) => commits.push(entries));
await long.append({ role: "user", content: "one more" });
off();
assert.deepEqual([commits, long.record.messageCount], [[1], 5001]);

// Recovery: after a restart the session is there with its history, and the agent knows it.
await agent.close();
const restarted = createAgent({ name: "Assistant", model, store: sqliteStore({ path }) });
const resumed = await restarted.run("What is my name?", { sessionId: "user-123" });
assert.equal(resumed.text, "Your name is Alice.");
assert.equal((await resumed.session?.messages())?.length, 4);

// A read that fails once is an error, and never a blank session in the place of the one that is there.
let failures = 0;
const flaky = (inner: SessionStore): SessionStore => ({
  ...inner,
  async find(ids) {
    if (failures-- > 0) throw new HoldfastError("STORE_UNAVAILABLE", "the connection was reset");
    return inner.find(ids);
  },
});
const careful = createAgent({ name: "Assistant", model, store: flaky(memoryStore()) });
await careful.run("My name is Alice.", { sessionId: "s" });
failures = 1;
const failed = await careful.run("Hello!", { sessionId: "s" }).catch((error: unknown) => error);
assert.ok(HoldfastError.is(failed, "STORE_UNAVAILABLE"));
assert.match((await careful.run("What is my name?", { sessionId: "s" })).text, /Alice/);

// Queries: the user's active session, all of a user's, one by id, by status and age.
let now = Date.UTC(2026, 0, 1);
const sessions = createSessions({ store: memoryStore(), clock: () => now });
const done = await sessions.create({ userId: "alice" });
await done.complete();
now += 40 * 24 * 60 * 60 * 1000;
const active = await sessions.create({ userId: "alice" });
await sessions.create({ userId: "bob" });
assert.equal((await sessions.findActive("alice"))?.id, active.id);
assert.equal((await sessions.list({ userId: "alice", limit: 10 })).items.length, 2);
assert.equal((await sessions.find(done.id))?.status, "completed");
assert.equal(await sessions.find("nobody's"), undefined);
const old = await sessions.list({
  userId: "alice",
  status: "completed",
  updatedBefore: now - 30 * 24 * 60 * 60 * 1000,
});
assert.deepEqual(
  old.items.map(({ id }) => id),
  [done.id],
);

// Messages by hand, with fields of one's own such as route and step; read back; and as a model is sent them.
type RoutedMessage = Message & { route?: string; step?: string };
const routed = createSessions<RoutedMessage>({ store: memoryStore() });
const chat = await routed.create();
await chat.enterRoute({ id: "booking" }, { id: "where" });
const { route, step } = chat.record;
await chat.append({
  role: "user",
  content: "Hello!",
  ...(route && { route: route.id }),
  ...(step && { step: step.id }),
});
assert.deepEqual(await chat.messages(), [
  { role: "user", content: "Hello!", route: "booking", step: "where" },
]);
await chat.append({
  role: "assistant",
  content: [{ type: "tool-call", toolCallId: "c1", toolName: "search", input: {} }],
});
// The call has no result yet: in the context it has one that says so, as providers demand.
assert.deepEqual([(await chat.messages()).length, (await chat.context()).length], [2, 3]);

await Promise.all([restarted.close(), careful.close(), sessions.close(), routed.close()]);
await rm(folder, { recursive: true });

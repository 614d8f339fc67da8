/**
 * For those who come from confused-ai: every scenario of its sessions, done with Holdfast and checked.
 *
 *     node examples/coming-from/confused-ai.ts
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tool } from "ai";
import Database from "better-sqlite3";
import type { SessionStore } from "holdfast";
import { createSessions, HoldfastError, memoryStore } from "holdfast";
import { createAgent, offlineModel } from "holdfast/agent";
import { sqliteStore } from "holdfast/sqlite";
import { z } from "zod";

const folder = await mkdtemp(join(tmpdir(), "holdfast-confused-"));
const model = offlineModel();
const DAY_MS = 24 * 60 * 60 * 1000;

// Quick start: two runs of one session; the second one knows what the first one was told.
const agent = createAgent({
  name: "chat",
  instructions: "You are a helpful assistant.",
  model,
  store: memoryStore(),
});
await agent.run("My name is Alice.", { sessionId: "session-1" });
const remembered = await agent.run("What is my name?", { sessionId: "session-1" });
assert.equal(remembered.text, "Your name is Alice.");

// In memory, with retention: what nobody touched for seven days is gone.
let now = Date.UTC(2026, 0, 1);
const clock = (): number => now;
const aging = createSessions({ store: memoryStore({ retentionMs: 7 * DAY_MS, clock }), clock });
await aging.create({ id: "old" });
now += 8 * DAY_MS;
assert.equal(await aging.find("old"), undefined);

// The store without an agent: create, append, read, delete.
const sessions = createSessions({ store: memoryStore(), clock });
const session = await sessions.create({ agent: "chat", userId: "user-1" });
await session.append({ role: "user", content: "Hello" });
assert.deepEqual(await session.messages(), [{ role: "user", content: "Hello" }]);
assert.equal(await sessions.delete(session.id), true);

// Pruning by hand: what has expired, and what is old. A dry run only tells.
await sessions.create({ id: "brief", expiresInMs: 1000 });
await sessions.create({ id: "long" });
now += 2000;
const would = await sessions.prune({ dryRun: true });
assert.deepEqual([would.removed, would.expired, would.dryRun], [["brief"], 1, true]);
now += 8 * DAY_MS;
await sessions.create({ id: "recent" });
const { removed } = await sessions.prune({ olderThanMs: 7 * DAY_MS });
assert.deepEqual(removed.sort(), ["brief", "long"]);

// SQLite: one file, there again after a restart.
const path = join(folder, "data", "sessions.db");
const before = createAgent({ name: "chat", model, store: sqliteStore({ path }) });
await before.run("My name is Alice.", { sessionId: "session-1" });
await before.close();
const after = createAgent({ name: "chat", model, store: sqliteStore({ path }) });
assert.match((await after.run("What is my name?", { sessionId: "session-1" })).text, /Alice/);
await after.close();

// What Redis was for: a prefix that keeps applications apart, and a time to live that each run puts off.
const shared = memoryStore();
const limited = createAgent({
  name: "chat",
  model,
  sessions: createSessions({ store: shared.namespace("myapp"), clock }),
});
const dayLong = { sessionId: "s", expiresInMs: DAY_MS };
await limited.run("My name is Alice.", dayLong);
now += DAY_MS - 1;
assert.match((await limited.run("Who am I?", dayLong)).text, /Alice/);
now += DAY_MS;
assert.equal(await limited.sessions.find("s"), undefined);
assert.match((await limited.run("Who am I?", { sessionId: "s" })).text, /not told me/);
// The same id of another tenant is another session.
const other = createAgent({ name: "chat", model, store: shared.namespace("other") });
await other.run("My name is Bob.", { sessionId: "s" });
assert.match((await other.run("Who am I?", { sessionId: "s" })).text, /Bob/);
assert.match((await limited.run("Who am I?", { sessionId: "s" })).text, /not told me/);

// 50 appends at once are 50 messages, in one process and from several.
const [mine, theirs] = [createSessions({ store: shared }), createSessions({ store: shared })];
const busy = [await mine.create({ id: "busy" }), await theirs.open("busy")] as const;
await Promise.all(
  Array.from({ length: 50 }, (_, line) =>
    busy[line % 2 ? 1 : 0].append({ role: "user", content: `${line}` }),
  ),
);
const contents = (await busy[0].messages()).map(({ content }) => content);
assert.deepEqual(new Set(contents), new Set(Array.from({ length: 50 }, (_, line) => `${line}`)));
assert.equal(contents.length, 50);

// A database that the program has open.
const database = new Database(join(folder, "agent.db"), { timeout: 0 });
const inDatabase = createAgent({ name: "chat", model, store: sqliteStore({ database }) });
await inDatabase.run("Hello!", { sessionId: "session-1" });
assert.equal(database.prepare("SELECT count(*) FROM holdfast_messages").pluck().get(), 2);
await inDatabase.close();
database.close();

// An outage: told as it is, so nothing looks saved that is not, and the session is as it was. `ping` asks how things are.
const outage = { isOn: false };
const unreliable = (inner: SessionStore): SessionStore => {
  const check = (): void => {
    if (outage.isOn) throw new HoldfastError("STORE_UNAVAILABLE", "the network is down; try again later");
  };
  return {
    ...inner,
    async commit(commits) {
      check();
      return inner.commit(commits);
    },
    async find(ids) {
      check();
      return inner.find(ids);
    },
    ping: async () => check(),
  };
};
const store = unreliable(memoryStore());
const resilient = createAgent({ name: "chat", model, store });
await resilient.run("My name is Alice.", { sessionId: "s" });
outage.isOn = true;
const down = await resilient.run("What is my name?", { sessionId: "s" }).catch((error: unknown) => error);
assert.ok(HoldfastError.is(down, "STORE_UNAVAILABLE"));
assert.equal(down.retryable, true);
const isDegraded = await store.ping().then(
  () => false,
  () => true,
);
assert.equal(isDegraded, true);
outage.isOn = false;
await store.ping();
assert.match((await resilient.run("What is my name?", { sessionId: "s" })).text, /Alice/);
assert.equal((await (await resilient.sessions.open("s")).messages()).length, 4);
await resilient.close();

// Each call of the store's interface. One about a session that was never made says so.
const made = await sessions.create({ id: "by-hand", agent: "chat" });
assert.equal((await sessions.find("by-hand"))?.agent, "chat");
await made.setMessages([
  { role: "user", content: "Hello" },
  { role: "assistant", content: "Hi" },
]);
await made.append({ role: "user", content: "Bye" });
assert.equal((await made.messages()).length, 3);
const never = await sessions.open("never-made").catch((error: unknown) => error);
assert.ok(HoldfastError.is(never, "SESSION_NOT_FOUND"));

// Ids of one's own: a header, a row, a user; a user's session is nobody else's.
for (const sessionId of [randomUUID(), "order-17", "user-alice-chat", "any/thing: 日本"]) {
  const run = await agent.run("Hello!", { sessionId, userId: "alice" });
  assert.deepEqual([run.sessionId, run.session?.record.userId], [sessionId, "alice"]);
}
const intruder = await agent
  .run("Hello!", { sessionId: "order-17", userId: "bob" })
  .catch((error: unknown) => error);
assert.ok(HoldfastError.is(intruder, "SESSION_NOT_FOUND"));
assert.equal(await agent.sessions.forUser("bob").find("order-17"), undefined);
assert.equal((await agent.sessions.find("order-17"))?.messageCount, 2);

// The history, and what is known of the session without reading it.
const read = await agent.sessions.open("session-1");
assert.deepEqual(
  (await read.messages()).map(({ role }) => role),
  ["user", "assistant", "user", "assistant"],
);
assert.ok(read.record.createdAt <= read.record.updatedAt);

// Onwards: state beside the conversation, and a turn that waits for a person.
await read.setState("cart", { items: ["tea"] });
assert.deepEqual((await agent.sessions.open("session-1")).getState("cart"), { items: ["tea"] });
const sent: string[] = [];
const careful = createAgent({
  name: "careful",
  model,
  store: memoryStore(),
  tools: {
    send_mail: tool({
      inputSchema: z.object({ to: z.string() }),
      needsApproval: true,
      execute({ to }) {
        sent.push(to);
        return "sent";
      },
    }),
  },
});
const parked = await careful.run('use send_mail {"to": "bob"}', { sessionId: "mail" });
const [request] = parked.approvals;
assert.deepEqual([parked.finishReason, sent, request?.toolName], ["approval", [], "send_mail"]);
assert.ok(request);
const approved = await careful.approve("mail", { toolCallId: request.toolCallId, approved: true });
assert.deepEqual([approved.text, sent], ["send_mail says: sent", ["bob"]]);

await Promise.all([agent, limited, other, careful].map((one) => one.close()));
await rm(folder, { recursive: true });
console.log("Every scenario of confused-ai's sessions holds.");

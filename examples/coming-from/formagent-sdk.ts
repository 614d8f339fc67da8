/**
 * For those who come from formagent-sdk: every scenario of its session storage, done with Holdfast and checked.
 *
 *     node examples/coming-from/formagent-sdk.ts
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tool } from "ai";
import Database from "better-sqlite3";
import type { SessionStore } from "holdfast";
import {
  createSessions,
  createStore,
  fileStore,
  HoldfastError,
  memoryStore,
  setDefaultStore,
} from "holdfast";
import { createAgent, offlineModel } from "holdfast/agent";
import { conformanceReport } from "holdfast/conformance";
import { sqliteStore } from "holdfast/sqlite";
import { z } from "zod";

const folder = await mkdtemp(join(tmpdir(), "holdfast-formagent-"));
const directory = join(folder, "sessions");
const model = offlineModel();
const tools = {
  get_weather: tool({
    inputSchema: z.object({ city: z.string() }),
    execute: ({ city }) => `rain in ${city}`,
  }),
};

// Quick start: a session in files. No call saves it; both of its messages are there all the same.
const first = createAgent({ name: "assistant", model, tools, store: fileStore(directory) });
const chat = await first.open();
await chat.run("My name is Alice. What is the weather in Oslo?");
await chat.run("Remember that the trip is in May.");
const sessionId = chat.session.id;
await chat.close();
await first.close();

// Resuming, as another process would: it answers, and it knows what was said.
const agent = createAgent({ name: "assistant", model, tools, store: fileStore(directory) });
const resumed = await agent.open(sessionId);
await resumed.send("What is my name?");
let answer = "";
for await (const event of resumed.receive()) if (event.type === "text") answer += event.text;
assert.equal(answer, "Your name is Alice.");
assert.equal((await resumed.session.messages()).length, 8);

// A store for the whole program: agents and sessions that name none use it.
setDefaultStore(fileStore(join(folder, "default")));
const anyAgent = createAgent({ name: "any", model });
const [one, two] = [await anyAgent.open(), await anyAgent.open()];
await Promise.all([one.run("Hello!"), two.run("Hello!")]);
await anyAgent.close();
const kept = createSessions({ store: fileStore(join(folder, "default")) });
assert.equal((await kept.list()).items.length, 2);
await kept.close();
setDefaultStore(undefined);

// The storage interface: save, load, delete and list as calls on `sessions`.
const sessions = createSessions({ store: memoryStore() });
const session = await sessions.create({ metadata: { channel: "web" } });
await session.append({ role: "user", content: "Hi" }, { usage: { inputTokens: 3, outputTokens: 5 } });
assert.deepEqual(await (await sessions.open(session.id)).messages(), [{ role: "user", content: "Hi" }]);
assert.deepEqual(
  (await sessions.list()).items.map(({ id }) => id),
  [session.id],
);

// The state of a session: its record, known without reading the messages.
const { usage, metadata, createdAt, updatedAt, parentId } = session.record;
assert.deepEqual([usage.totalTokens, metadata.channel, parentId], [8, "web", undefined]);
assert.ok(createdAt <= updatedAt);
const branch = await sessions.fork(session.id);
assert.equal(branch.record.parentId, session.id);
assert.equal(await sessions.delete(session.id), true);
assert.equal(await sessions.find(session.id), undefined);

// In memory: how many there are, and away with all.
const memory = memoryStore();
await createSessions({ store: memory }).create();
assert.equal(memory.size, 1);
memory.clear();
assert.equal(memory.size, 0);

// In files: one for each session, and no id that leads out of the folder.
await agent.run("Hello!", { sessionId: "sess_abc123" });
await agent.run("Hello!", { sessionId: "../../sess_def456" });
const files = (await readdir(directory)).filter((name) => name.endsWith(".jsonl")).sort();
assert.deepEqual(files, ["%2e%2e%2f%2e%2e%2fsess_def456.jsonl", `${sessionId}.jsonl`, "sess_abc123.jsonl"]);

// A storage of one's own, by wrapping: here each commit is told to somebody. The suite says what it keeps of the
// contract; docs/guide/custom-store.md has a whole engine.
const told: string[] = [];
const own = (inner: SessionStore): SessionStore => ({
  ...inner,
  async commit(commits) {
    told.push(...commits.map((commit) => commit.sessionId));
    return inner.commit(commits);
  },
  namespace: (name) => own(inner.namespace(name)),
});
let tested = own(memoryStore());
const report = await conformanceReport({
  async open() {
    tested = own(memoryStore());
    return tested;
  },
  openSecond: async () => tested,
  destroy: () => tested.close(),
});
assert.deepEqual([report.failed, report.passed > 100], [0, true]);
const ownAgent = createAgent({ name: "own", model, store: own(memoryStore()) });
await ownAgent.run("Hello!", { sessionId: "with-own-store" });
assert.ok(told.includes("with-own-store"));
assert.equal((await (await ownAgent.sessions.open("with-own-store")).messages()).length, 2);

// SQLite by hand becomes a store on the database that is open. Redis by hand: see the guide.
const database = new Database(join(folder, "app.db"), { timeout: 0 });
const inSqlite = createAgent({ name: "sqlite", model, store: sqliteStore({ database }) });
const { sessionId: inTable } = await inSqlite.run("My name is Bob.");
const row = database.prepare("SELECT text FROM holdfast_messages WHERE session = ?").get(inTable);
assert.deepEqual(row, { text: "My name is Bob." });
await inSqlite.close();
database.close();

// Good practice: one store for all of the program.
const shared = memoryStore();
const [web, worker] = [createSessions({ store: shared }), createSessions({ store: shared })];
const { id: sharedId } = await web.create();
assert.equal((await worker.open(sharedId)).id, sharedId);

// Good practice: a session that is not there, told by a code; or simply made.
const missing = await agent.open("never-made", { create: false }).catch((error: unknown) => error);
assert.ok(HoldfastError.is(missing, "SESSION_NOT_FOUND"));
assert.equal((await agent.open("never-made")).session.record.messageCount, 0);

// Good practice: what is older than 30 days goes in one call.
let now = Date.UTC(2026, 0, 1);
const aging = createSessions({ store: memoryStore(), clock: () => now });
const { id: old } = await aging.create();
now += 40 * 24 * 60 * 60 * 1000;
await aging.create({ id: "new" });
assert.deepEqual((await aging.prune({ olderThanMs: 30 * 24 * 60 * 60 * 1000 })).removed, [old]);
assert.ok(await aging.find("new"));

// Reference: a store by name; and a fork, here of a session that is in the middle of an answer.
const byName = createAgent({
  name: "by-name",
  model: offlineModel({ delayMs: 20 }),
  store: createStore("file", { directory: join(folder, "by-name") }),
});
const live = await byName.open("live");
await live.run("My name is Alice.");
await live.send("What is my name?");
const fork = await byName.fork("live");
assert.equal((await fork.session.messages()).length, 3);
for await (const event of live.receive()) if (event.type === "done") assert.match(event.result.text, /Alice/);
const { text } = await fork.run("Who am I?");
assert.equal(text, "Your name is Alice.");
assert.deepEqual([(await live.session.messages()).length, (await fork.session.messages()).length], [4, 5]);

// Reads while others save see a whole conversation each: all that was committed by then, in order.
const reading = createSessions({ store: fileStore(join(folder, "by-name")) });
const [writer, reader] = [await byName.sessions.create({ id: "busy" }), await reading.open("busy")];
const writes = Array.from({ length: 40 }, (_, line) => writer.append({ role: "user", content: `${line}` }));
const reads = await Promise.all(Array.from({ length: 40 }, () => reader.messages()));
await Promise.all(writes);
for (const messages of [...reads, await reader.messages()]) {
  assert.deepEqual(
    messages.map(({ content }) => content),
    messages.map((_, line) => `${line}`),
  );
}
assert.equal((await reader.messages()).length, 40);

await Promise.all([agent, byName, ownAgent].map((one) => one.close()));
await reading.close();
await rm(folder, { recursive: true });
console.log("Every scenario of formagent-sdk's session storage holds.");

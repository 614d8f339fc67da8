/**
 * The database adapters of @falai/agent, one after the other. Those whose engine has no store here yet are done on SQLite
 * or in memory with the same code; docs/guide/coming-from.md says which.
 */
import assert from "node:assert/strict";
import Database from "better-sqlite3";
import type { SessionStore } from "holdfast";
import { createSessions, memoryStore } from "holdfast";
import { createAgent, offlineModel } from "holdfast/agent";
import { sqliteStore } from "holdfast/sqlite";

const DAY_MS = 24 * 60 * 60 * 1000;
const model = offlineModel();

/** Two runs, the second of which needs what the first one stored, each with an agent of its own. */
async function remembers(open: () => SessionStore): Promise<void> {
  for (const [prompt, expected] of [
    ["My name is Alice.", /Alice/],
    ["What is my name?", /^Your name is Alice\.$/],
  ] as const) {
    const agent = createAgent({ name: "Assistant", model, sessions: createSessions({ store: open() }) });
    assert.match((await agent.run(prompt, { sessionId: "s", userId: "alice" })).text, expected);
  }
}

// Prisma (here on SQLite): tables have the names that they are given, and what they hold is read back.
const database = new Database(":memory:");
const tables = { sessions: "custom_sessions", entries: "custom_entries", messages: "custom_messages" };
await remembers(() => sqliteStore({ database, tables }));
const names = database.prepare("SELECT name FROM sqlite_master").pluck().all();
for (const name of Object.values(tables)) assert.ok(names.includes(name));
assert.equal(names.includes("holdfast_sessions"), false);

// Redis (here in memory): a prefix becomes a namespace, a time to live is the session's, messages included.
let now = Date.UTC(2026, 0, 1);
const shared = memoryStore();
await remembers(() => shared.namespace("agent"));
assert.equal((await createSessions({ store: shared.namespace("other") }).list()).items.length, 0);
const brief = createSessions({ store: shared.namespace("brief"), clock: () => now });
const { id } = await brief.create({ expiresInMs: DAY_MS, messages: [{ role: "user", content: "Hi" }] });
await (await brief.open(id)).touch({ expiresInMs: 7 * DAY_MS });
now += 2 * DAY_MS;
assert.ok(await brief.find(id));
now += 6 * DAY_MS;
assert.equal(await brief.find(id), undefined);
assert.deepEqual((await brief.prune()).removed, [id]);

// MongoDB (here in memory): a database and its collections become a namespace.
const mongo = memoryStore();
await remembers(() => mongo.namespace("myapp").namespace("agent"));
assert.equal(mongo.size, 1);

// PostgreSQL (here on SQLite): tables are made by a call of their own, as often as one likes, or at the first use.
const client = new Database(":memory:");
const adapter = sqliteStore({ database: client, migrate: "manual" });
assert.deepEqual([(await adapter.migrate()).to, (await adapter.migrate()).steps], [1, []]);
await remembers(() => adapter);

// SQLite: on a database that is open, or on a path.
const sqliteDb = new Database(":memory:");
await remembers(() => sqliteStore({ database: sqliteDb }));
const sqlite = sqliteStore({ path: ":memory:" });
await remembers(() => sqlite);

// OpenSearch (here SQLite's own full-text search): every word must occur, whoever asks sees their own sessions only.
const searching = createSessions({ store: sqlite });
const { items } = await searching.search("alice name", { userId: "alice" });
assert.deepEqual([items[0]?.sessionId, (await searching.forUser("bob").search("alice")).items], ["s", []]);

// In memory, for tests: what there is, and away with it.
const memory = memoryStore();
await remembers(() => memory);
const [snapshot] = memory.snapshot();
assert.deepEqual([snapshot?.record.id, snapshot?.record.messageCount, memory.size], ["s", 4, 1]);
memory.clear();
assert.equal(memory.size, 0);

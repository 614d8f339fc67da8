/** Patterns of @falai/agent: context, lifecycle, adapters of one's own, performance, monitoring, good practice. */
import assert from "node:assert/strict";
import Database from "better-sqlite3";
import type { SessionStore } from "holdfast";
import { createSessions, HoldfastError, memoryStore } from "holdfast";
import { createAgent, offlineModel, route } from "holdfast/agent";
import { conformanceReport } from "holdfast/conformance";
import { sqliteStore } from "holdfast/sqlite";
import { z } from "zod";

const DAY_MS = 24 * 60 * 60 * 1000;
const model = offlineModel();

// Context in step with the database: loaded before each run, told when what was collected has changed.
const Profile = z.object({ city: z.string(), theme: z.string() });
const themes = new Map([["alice", "dark"]]);
const seen: unknown[] = [];
const changes: unknown[] = [];
const profile = createAgent({
  name: "profile",
  model,
  store: memoryStore(),
  data: Profile,
  routes: [
    route({ id: "profile", title: "Profile", data: Profile, steps: [{ id: "home", collect: ["city"] }] }),
  ],
  context: { currency: "EUR" },
  instructions: ({ context, data }) => {
    seen.push({ ...context, ...data });
    return `The user likes the ${String(context.theme)} theme.`;
  },
  hooks: {
    beforeRun: ({ userId = "" }) => ({ theme: themes.get(userId) }),
    onDataChange: (data, previous) => changes.push([previous, data]),
  },
});
await profile.run('use collect_data {"city": "Oslo"}', { sessionId: "s", userId: "alice" });
assert.deepEqual(changes, [[{}, { city: "Oslo" }]]);
await profile.run("Hello!", { sessionId: "s", userId: "alice", data: { theme: "light" } });
assert.deepEqual(seen.at(-1), { currency: "EUR", theme: "light", city: "Oslo" });

// Lifecycle: completed with its time, abandoned, and away with what was completed long ago.
let now = Date.UTC(2026, 0, 1);
const sessions = createSessions({ store: memoryStore(), clock: () => now });
const done = await sessions.create({ id: "done", userId: "alice" });
await sessions.create({ id: "left", userId: "alice" });
await sessions.setStatus("done", "completed");
await sessions.setStatus("left", "abandoned");
await done.refresh();
assert.deepEqual([done.status, done.record.completedAt], ["completed", now]);
now += 31 * DAY_MS;
const rule = { userId: "alice", status: "completed", olderThanMs: 30 * DAY_MS } as const;
assert.deepEqual((await sessions.prune(rule)).removed, ["done"]);
assert.equal((await sessions.find("left"))?.status, "abandoned");

// An adapter of one's own, by wrapping: this one measures. The suite says whether it still is a store.
const slow: string[] = [];
const measured = (inner: SessionStore, slowMs: number): SessionStore => ({
  ...inner,
  async commit(commits) {
    const begun = performance.now();
    const outcomes = await inner.commit(commits);
    if (performance.now() - begun > slowMs) slow.push(...commits.map((commit) => commit.sessionId));
    return outcomes;
  },
  namespace: (name) => measured(inner.namespace(name), slowMs),
});
let tested = memoryStore();
const report = await conformanceReport({
  async open() {
    tested = memoryStore();
    return measured(tested, 1000);
  },
  openSecond: async () => measured(tested, 1000),
  destroy: () => tested.close(),
});
assert.deepEqual([report.failed, slow], [0, []]);

// Performance: one connection for the whole program; indexes that come with the tables; many messages in one commit.
const database = new Database(":memory:");
const store = measured(sqliteStore({ database }), -1);
const [web, worker] = [createSessions({ store }), createSessions({ store })];
const batch = await web.create({ id: "batch", userId: "alice" });
const indexes = database.prepare("SELECT name FROM sqlite_master WHERE type = 'index'").pluck().all();
for (const name of ["user", "updated"]) assert.ok(indexes.includes(`holdfast_sessions_${name}`));
const { version } = batch.record;
await batch.append([
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello!" },
]);
assert.equal(batch.record.version, version + 1);
// Together is as good as one after the other: all are kept, in order, in few commits.
const lines = Array.from({ length: 20 }, (_, line) => ({ role: "user", content: `line ${line}` }) as const);
await Promise.all(lines.map((line) => batch.append(line)));
assert.deepEqual((await (await worker.open("batch")).messages()).slice(2), lines);
assert.ok(batch.record.version < version + 20);

// Monitoring: does the engine answer; what is known of a session; what was slow; what was done, by the log itself.
await store.ping();
const { data, route: at, step, routeHistory, updatedAt } = batch.record;
assert.deepEqual([data, at, step, routeHistory], [{}, undefined, undefined, []]);
assert.ok(updatedAt > 0 && slow.includes("batch"));
const audit: string[] = [];
for await (const { type } of batch.entries({ upTo: 4 })) audit.push(type);
assert.deepEqual(audit, ["session.created", "message", "message", "label.set"]);

// Good practice. Ids: every session has one. Data: what does not fit its schema is refused. Errors: a code each.
const typed = createSessions({ store: memoryStore(), data: z.object({ seats: z.number().int() }) });
const booking = await typed.create();
assert.equal(booking.id.length, 36);
const refused = await booking.setData({ seats: 1.5 }).catch((error: unknown) => error);
assert.deepEqual([HoldfastError.is(refused, "INVALID_DATA"), booking.data], [true, {}]);
// Usage is summed by session; a backup is lines of text; a list reads records alone; the newest messages are read alone.
await batch.addUsage({ inputTokens: 10, outputTokens: 5 });
assert.equal((await web.list()).items[0]?.usage.totalTokens, 15);
const copy = await createSessions({ store: memoryStore() }).import(web.export("batch"));
assert.deepEqual(await copy.messages(), await batch.messages());
assert.deepEqual(await batch.messages({ last: 1 }), lines.slice(-1));
// Access: one user's view; removal for good, so that nothing is left to be found.
const bob = web.forUser("bob");
const hidden = await bob.open("batch").catch((error: unknown) => error);
assert.ok(HoldfastError.is(hidden, "SESSION_NOT_FOUND"));
assert.deepEqual((await web.erase("batch")).sessions, ["batch"]);
assert.equal(database.prepare("SELECT count(*) FROM holdfast_entries").pluck().get(), 0);

await Promise.all([profile.close(), sessions.close(), typed.close(), web.close()]);
database.close();

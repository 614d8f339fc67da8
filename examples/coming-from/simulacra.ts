/**
 * For those who come from @simulacra-ai/session: every scenario of it, done with Holdfast and checked.
 *
 *     node examples/coming-from/simulacra.ts
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { SessionStore } from "holdfast";
import { createSessions, fileStore, HoldfastError, memoryStore } from "holdfast";
import { createAgent, offlineModel } from "holdfast/agent";
import { conformanceReport } from "holdfast/conformance";
import { sqliteStore } from "holdfast/sqlite";

const folder = await mkdtemp(join(tmpdir(), "holdfast-simulacra-"));
const directory = join(folder, "sessions");
const model = offlineModel();
const warnings: string[] = [];
const inFiles = (): SessionStore =>
  fileStore({ directory, onWarning: ({ message }) => warnings.push(message) });

// Quick start: a session with a label, in files; what is said is saved as it is said.
await using agent = createAgent({ name: "chat", model, store: inFiles() });
const first = await agent.sessions.create({ label: "my first session" });
await agent.run("Hello!", { sessionId: first.id });
{
  // A second process sees it while the first one is still open.
  await using later = createSessions({ store: inFiles() });
  const messages = await (await later.open(first.id)).messages();
  assert.deepEqual(
    messages.map(({ role }) => role),
    ["user", "assistant"],
  );
}

// Options: without auto-save nothing is written before `save`; without auto-label nothing is named.
const unsaved = createSessions({ store: memoryStore(), autoSave: false, autoLabel: false });
const draft = await unsaved.create();
await draft.append({ role: "user", content: "A draft" });
assert.deepEqual([draft.pending, (await unsaved.find(draft.id))?.messageCount], [1, 0]);
await draft.save();
assert.deepEqual([draft.pending, (await unsaved.find(draft.id))?.messageCount], [0, 1]);
assert.equal(draft.label, undefined);

// Methods: begin, load by id, load the most recent one.
const sessions = createSessions({ store: memoryStore() });
const trip = await sessions.create({ label: "A trip" });
await trip.append([
  { role: "user", content: "Where should we go?" },
  { role: "assistant", content: "Lisbon." },
]);
assert.equal((await (await sessions.open(trip.id)).messages()).length, 2);
assert.equal((await sessions.latest())?.id, trip.id);
// Save with metadata; a fork; a child that inherits nothing; list; rename; delete.
await trip.setMetadata({ source: "web" });
assert.equal((await sessions.find(trip.id))?.metadata.source, "web");
const fork = await sessions.fork(trip.id, { label: "Another idea" });
const detached = await trip.spawn({ label: "A detached one" });
assert.deepEqual([(await fork.messages()).length, (await detached.messages()).length], [2, 0]);
assert.equal((await sessions.list({ parentId: trip.id })).items.length, 2);
await sessions.rename(fork.id, "Somewhere colder");
assert.equal((await sessions.find(fork.id))?.label, "Somewhere colder");
// A parent that is deleted leaves its fork whole.
assert.deepEqual([await sessions.delete(trip.id), await sessions.delete("never-made")], [true, false]);
assert.equal(await sessions.find(trip.id), undefined);
await fork.append({ role: "user", content: "Colder?" });
assert.equal((await fork.messages()).length, 3);
// Nothing can be its own ancestor: a fork is a new session.
const cycle = await sessions.fork(fork.id, { id: fork.id }).catch((error: unknown) => error);
assert.ok(HoldfastError.is(cycle, "SESSION_EXISTS"));

// Events: what was loaded, saved, or went wrong. What follows `close` is what follows the manager's end.
const heard: string[] = [];
sessions.on("loaded", ({ sessionId, record }) => heard.push(`loaded ${sessionId} ${record.messageCount}`));
sessions.on("saved", ({ sessionId, entries }) => heard.push(`saved ${sessionId} ${entries}`));
sessions.on("error", ({ operation, error }) => heard.push(`error in ${operation}: ${String(error)}`));
const off = sessions.on("created", () => {
  throw new Error("the listener failed");
});
const noted = await sessions.create({ id: "noted" });
off();
await noted.append({ role: "user", content: "Hi" });
await sessions.open("noted");
assert.deepEqual(heard.slice(-3), [
  'error in a listener for "created": Error: the listener failed',
  "saved noted 2",
  "loaded noted 1",
]);
await sessions.close();
const closed = await sessions.list().catch((error: unknown) => error);
assert.ok(HoldfastError.is(closed, "SESSION_CLOSED"));

// Labels: the whole text where it is short, whole words of a long one, and a given label stays.
const said = "Could you please explain to me how the tides of the sea come about?";
const labelOf = async (prompt: string, label?: string): Promise<string | undefined> => {
  const { id } = await agent.sessions.create(label === undefined ? {} : { label });
  return (await agent.run(prompt, { sessionId: id })).session?.label;
};
assert.equal(await labelOf("Hello world"), "Hello world");
assert.equal(await labelOf(said), "Could you please explain to me how the tides of");
assert.equal(await labelOf(said, "Tides"), "Tides");

// Child sessions: each call of a sub-agent has a log of its own, beside its parent's, with no set-up.
const researcher = createAgent({ name: "researcher", model });
const lead = createAgent({
  name: "lead",
  model,
  store: inFiles(),
  tools: { research: researcher.asTool({ description: "Finds things out." }) },
});
const led = await lead.open();
await led.run('use research {"prompt": "My name is Alice. Who am I?"}');
const [child] = (await lead.sessions.list({ parentId: led.session.id })).items;
assert.ok(child);
assert.deepEqual([child.kind, child.agent, child.messageCount], ["child", "researcher", 2]);
// A checkpoint is a place in the session's own log: it has no session, so it needs no label and is never "latest".
await led.session.checkpoint("before the summary");
await led.session.compact({ summarize: async () => ({ role: "system", content: "Alice was looked up." }) });
assert.equal((await lead.sessions.latest())?.id, led.session.id);
const children = await lead.sessions.list({ parentId: led.session.id });
assert.equal(children.items.length, 1);
assert.ok((await led.session.checkpoints()).some(({ name }) => name === "before the summary"));
await lead.close();

// Files: one for each session. An id is text, never a path.
await agent.run("Hello!", { sessionId: "../../escape" });
assert.deepEqual(await readdir(folder), ["sessions"]);
assert.ok((await readdir(directory)).includes(`${first.id}.jsonl`));
// A torn end, as a crash leaves it, costs that commit alone, and is told.
const torn = createSessions({ store: inFiles() });
const damaged = await torn.create({ id: "damaged" });
await damaged.append({ role: "user", content: "kept" });
await damaged.append({ role: "user", content: "torn" });
await torn.close();
const file = join(directory, "damaged.jsonl");
await truncate(file, (await readFile(file)).length - 9);
const healed = createSessions({ store: inFiles() });
const survivor = await healed.open("damaged");
assert.deepEqual(await survivor.messages(), [{ role: "user", content: "kept" }]);
await survivor.append({ role: "user", content: "said again" });
assert.deepEqual([(await survivor.messages()).length, warnings.length], [2, 1]);
await healed.close();
// Damage elsewhere is an error. It is never read as "no such session", and never written over.
const broken = (await readFile(file, "utf8")).replace("kept", "kept by nobody");
await writeFile(file, broken);
const strict = createSessions({ store: inFiles() });
const refused = await strict.getOrCreate("damaged").catch((error: unknown) => error);
assert.ok(HoldfastError.is(refused, "STORE_CORRUPT"));
assert.equal(await readFile(file, "utf8"), broken);
await strict.close();

// In memory, for tests.
const inMemory = memoryStore();
await createSessions({ store: inMemory }).create({ messages: [{ role: "user", content: "Hi" }] });
assert.deepEqual([inMemory.size, inMemory.snapshot()[0]?.record.label], [1, "Hi"]);

// A relational database that the program has open: the client beneath Drizzle. No adapter functions, no schema to write.
const database = new Database(join(folder, "app.db"), { timeout: 0 });
const relational = createSessions({
  store: sqliteStore({ database, tables: { sessions: "agent_sessions", entries: "agent_entries" } }),
});
const inTable = await relational.create({ messages: [{ role: "user", content: "Hi" }] });
assert.equal(database.prepare("SELECT id FROM agent_sessions").pluck().get(), inTable.id);
assert.equal(await relational.delete(inTable.id), true);
await relational.close();
database.close();

// A storage of one's own, by wrapping: this one refuses to remove anything. The suite finds out what that breaks.
const keepsAll = (inner: SessionStore): SessionStore => ({
  ...inner,
  remove: async () => false,
  namespace: (name) => keepsAll(inner.namespace(name)),
});
let tested = memoryStore();
const report = await conformanceReport({
  async open() {
    tested = memoryStore();
    return keepsAll(tested);
  },
  openSecond: async () => keepsAll(tested),
  destroy: () => tested.close(),
});
const failed = report.cases.filter(({ status }) => status === "failed");
assert.ok(failed.some(({ key }) => key === "delete/gone"));

// Loading one session while another one still streams: each keeps to its own log.
const slow = createAgent({ name: "slow", model: offlineModel({ chunkDelayMs: 2 }), store: memoryStore() });
const [a, b] = [await slow.open("a"), await slow.open("b")];
await b.run("My name is Bob.");
for await (const event of a.stream("My name is Alice.")) {
  if (event.type === "text") assert.equal((await (await slow.open("b")).session.messages()).length, 2);
}
const answers = await Promise.all([a.run("Who am I?"), b.run("Who am I?")]);
assert.deepEqual(
  answers.map(({ text }) => text),
  ["Your name is Alice.", "Your name is Bob."],
);
await slow.close();

await agent.close();
await rm(folder, { recursive: true });
console.log("Every scenario of @simulacra-ai/session holds.");

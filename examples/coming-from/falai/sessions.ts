/** Sessions of @falai/agent: their state, the quick start, the session manager, the schema, history. */
import assert from "node:assert/strict";
import { once } from "node:events";
import Database from "better-sqlite3";
import express from "express";
import { createSessionId, createSessions, HoldfastError, memoryStore } from "holdfast";
import { createAgent, offlineModel, route } from "holdfast/agent";
import { sqliteStore } from "holdfast/sqlite";
import { z } from "zod";

const Booking = z.object({ from: z.string(), to: z.string(), seats: z.number().int().positive() });
const booking = route({
  id: "booking",
  title: "Book a flight",
  data: Booking,
  steps: [
    { id: "where", collect: ["from", "to"] },
    { id: "how-many", collect: ["seats"] },
  ],
});
const store = memoryStore();
const support = createAgent({
  name: "Customer Support",
  model: offlineModel(),
  store,
  data: Booking,
  routes: [booking],
});

// The state of a session, and what of it is kept without being asked for: data, data by route, the route and step that
// it is on, where it has been, the messages, times and metadata.
await support.run("I want to fly from Oslo to Rome.", {
  sessionId: "state",
  metadata: { source: "web_chat" },
});
const state = await support.sessions.open("state");
const { record } = state;
assert.deepEqual(state.data, { from: "Oslo", to: "Rome" });
assert.deepEqual(record.dataByRoute, { booking: { from: "Oslo", to: "Rome" } });
assert.deepEqual(
  [record.route?.id, record.route?.title, record.step?.id],
  ["booking", "Book a flight", "how-many"],
);
assert.deepEqual(
  record.routeHistory.map((visit) => [visit.route, visit.completedAt]),
  [["booking", undefined]],
);
assert.deepEqual([record.metadata.source, record.createdAt <= record.updatedAt], ["web_chat", true]);
assert.equal(state.record.messageCount, 4);

// Quick start: an endpoint. One agent serves every request; the session is loaded, or made, by its id.
const ChatRequest = z.object({ message: z.string(), sessionId: z.string().default(() => createSessionId()) });
const app = express().use(express.json());
app.post("/chat", async (request, response) => {
  const { message, sessionId } = ChatRequest.parse(request.body);
  const { text, isRouteComplete } = await support.run(message, { sessionId });
  response.json({ message: text, sessionId, isComplete: isRouteComplete });
});
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
const port = typeof address === "object" ? address?.port : undefined;
const ChatResponse = z.object({ message: z.string(), sessionId: z.string(), isComplete: z.boolean() });
async function post(body: object): Promise<z.infer<typeof ChatResponse>> {
  const response = await fetch(`http://127.0.0.1:${port}/chat`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return ChatResponse.parse(await response.json());
}
const asked = await post({ message: "I want to fly from Oslo to Rome." });
const answered = await post({ message: "2 seats please", sessionId: asked.sessionId });
assert.deepEqual([asked.isComplete, answered.isComplete], [false, true]);
// A flow that is finished stays finished, whatever is said next.
const later = await post({ message: "Thank you!", sessionId: asked.sessionId });
const finished = await support.sessions.open(asked.sessionId);
assert.equal(later.isComplete, true);
assert.deepEqual([finished.record.routeHistory.length, finished.record.route], [1, undefined]);
server.close();

// The session manager: get or make one, messages, data, save, delete, reset.
const sessions = createSessions({ store: memoryStore(), data: Booking });
const session = await sessions.getOrCreate("user-123");
assert.equal((await sessions.getOrCreate("user-123")).id, (await sessions.getOrCreate("user-123")).id);
assert.notEqual((await sessions.getOrCreate()).id, (await sessions.getOrCreate()).id);
await session.append({ role: "user", content: "Hello" });
await session.append({ role: "assistant", content: "Hi there!" });
assert.equal((await session.messages()).length, 2);
await session.setData({ from: "Oslo" });
assert.equal(session.data.from, "Oslo");
await session.save();
const successor = await session.reset({ preserveHistory: true });
assert.deepEqual([(await successor.messages()).length, successor.data, session.status], [2, {}, "completed"]);
await session.clearMessages();
assert.deepEqual([await session.messages(), (await successor.messages()).length], [[], 2]);
assert.equal(await sessions.delete(session.id), true);

// The schema: what were columns are fields of the record; what were rows are messages with their ids and times. In SQL
// there is a view of them.
const database = new Database(":memory:");
const inSql = createAgent({
  name: "Customer Support",
  model: offlineModel(),
  store: sqliteStore({ database }),
});
const row = (await inSql.run("Hello!", { sessionId: "row", userId: "alice" })).session?.record;
assert.deepEqual(
  [row?.userId, row?.agent, row?.status, row?.messageCount],
  ["alice", "Customer Support", "active", 2],
);
assert.deepEqual([row?.data, row?.lastMessageAt, row?.completedAt], [{}, row?.updatedAt, undefined]);
const rows = database.prepare("SELECT session, role, text FROM holdfast_messages ORDER BY seq").all();
assert.deepEqual(rows[0], { session: "row", role: "user", text: "Hello!" });
await inSql.close();
database.close();

// Making sessions: an empty one, one with data, one with metadata, one with id, data and history; an id alone.
const people = createSessions<{ role: "user" | "assistant"; content: string; name?: string }>();
assert.equal((await people.create()).record.messageCount, 0);
const themed = await people.create({ data: { userName: "John", preferences: { theme: "dark" } } });
assert.deepEqual(themed.data.preferences, { theme: "dark" });
const fromWeb = await people.create({ metadata: { source: "web_chat", customField: "value" } });
assert.equal(fromWeb.record.metadata.customField, "value");
const restored = await people.create({
  id: "custom-session-id",
  data: { userName: "John" },
  messages: [{ role: "user", content: "Hello", name: "John" }],
});
assert.deepEqual([restored.id, (await restored.messages())[0]?.name], ["custom-session-id", "John"]);
const taken = await people.create({ id: "custom-session-id" }).catch((error: unknown) => error);
assert.ok(HoldfastError.is(taken, "SESSION_EXISTS"));
assert.equal(createSessionId().length, 36);

// What was done to a session by hand: data, and the way along routes.
const manual = await people.create({ id: "session_123" });
await manual.setData({ userName: "Jane", email: "jane@example.com" });
await manual.enterRoute({ id: "onboarding", title: "User Onboarding" }, { id: "welcome" });
await manual.enterStep({ id: "collect-info" });
assert.deepEqual([manual.record.route?.id, manual.record.step?.id], ["onboarding", "collect-info"]);
await manual.completeRoute();
const [visit] = manual.record.routeHistory;
assert.deepEqual([visit?.route, visit?.completedAt !== undefined], ["onboarding", true]);
assert.equal(manual.data.userName, "Jane");

// History: added to, read with its times, set as a whole, cleared. The log still has what was cleared.
await manual.append({ role: "user", content: "Hello there" });
await manual.append({ role: "assistant", content: "Hi! How can I help?" });
for await (const { id, at, message } of manual.stream()) assert.ok(id && at > 0 && message.content);
await manual.setMessages([
  { role: "user", content: "Previous message" },
  { role: "assistant", content: "Previous response" },
]);
assert.equal((await manual.messages())[1]?.content, "Previous response");
await manual.clearMessages();
assert.deepEqual(await manual.messages(), []);
const written: string[] = [];
for await (const { type } of manual.entries()) if (type.startsWith("message")) written.push(type);
assert.deepEqual(written, ["message", "message", "message.revised", "message.revised", "messages.cleared"]);

await Promise.all([support.close(), sessions.close(), people.close()]);

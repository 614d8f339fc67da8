/**
 * A chat endpoint on Hono. The server keeps nothing: conversations are in the store, so that any instance answers.
 *
 *     node examples/chat-endpoint.ts
 */
import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { HoldfastError } from "holdfast";
import { createAgent, offlineModel } from "holdfast/agent";
import { sqliteStore } from "holdfast/sqlite";
import { Hono } from "hono";

await using folder = await mkdtempDisposable(join(tmpdir(), "holdfast-"));
const path = join(folder.path, "chat.db");

const statusOf = new Map<string, 404 | 409>([
  ["SESSION_NOT_FOUND", 404], // another user's, too
  ["TURN_IN_PROGRESS", 409],
]);

/** One instance of the server; a deployment has several. */
async function startServer() {
  const agent = createAgent({
    name: "chat",
    model: offlineModel(), // or any model of the AI SDK, such as anthropic("…") or openai("…")
    store: sqliteStore({ path }),
  });
  const app = new Hono<{ Variables: { userId: string } }>();

  app.use(async (c, next) => {
    const userId = c.req.header("x-user"); // in place of your authentication
    if (!userId) return c.json({ error: "who are you?" }, 401);
    c.set("userId", userId);
    return next();
  });
  app.post("/chats/:id", async (c) => {
    const { message } = await c.req.json<{ message: string }>();
    const { text } = await agent.run(message, { sessionId: c.req.param("id"), userId: c.get("userId") });
    return c.json({ text });
  });
  app.get("/chats", async (c) => {
    const { items } = await agent.sessions.list({ userId: c.get("userId") });
    return c.json(items.map(({ id, label, messageCount }) => ({ id, label, messageCount })));
  });
  app.onError((error, c) => {
    const code = HoldfastError.is(error) ? error.code : "FAILED";
    return c.json({ error: code }, statusOf.get(code) ?? 500);
  });

  const listening = Promise.withResolvers<AddressInfo>();
  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, listening.resolve);
  const { port } = await listening.promise;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
      await agent.close();
    },
  };
}

async function call(url: string, userId: string, message?: string) {
  const body = message === undefined ? {} : { method: "POST", body: JSON.stringify({ message }) };
  const response = await fetch(url, { ...body, headers: { "x-user": userId, connection: "close" } });
  return { status: response.status, body: await response.json() };
}

await using first = await startServer();
await using second = await startServer();

await call(`${first.url}/chats/trip`, "alice", "My name is Alice.");
const answer = await call(`${second.url}/chats/trip`, "alice", "What is my name?");
assert.deepEqual(answer.body, { text: "Your name is Alice." });

assert.equal((await call(`${second.url}/chats/trip`, "bob", "What is my name?")).status, 404);
assert.deepEqual((await call(`${first.url}/chats`, "alice")).body, [
  { id: "trip", label: "My name is Alice.", messageCount: 4 },
]);

// Both are asked at once. One that comes while the other is at it is refused, and leaves nothing behind.
const both = [first, second].map(({ url }) => call(`${url}/chats/busy`, "carol", "Hello!"));
const statuses = (await Promise.all(both)).map(({ status }) => status);
const answered = statuses.filter((status) => status === 200).length;
assert(answered > 0 && statuses.every((status) => status === 200 || status === 409));
const chats = await call(`${first.url}/chats`, "carol");
assert.deepEqual(chats.body, [{ id: "busy", label: "Hello!", messageCount: 2 * answered }]);

console.log("two instances, one conversation:", answer.body);

/**
 * A chat endpoint on Express that streams server-sent events. Each user has one conversation at a time. A client that
 * disconnects in the middle of an answer stops the model; what it had said by then is kept.
 *
 *     node examples/express-endpoint.ts
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { createAgent, offlineModel } from "holdfast/agent";
import { sqliteStore } from "holdfast/sqlite";

await using folder = await mkdtempDisposable(join(tmpdir(), "holdfast-"));
await using agent = createAgent({
  name: "chat",
  model: offlineModel({ chunkDelayMs: 20 }), // or any model of the AI SDK, such as anthropic("…") or openai("…")
  store: sqliteStore({ path: join(folder.path, "chat.db") }),
  turnWaitMs: 5000, // a message that comes while an answer is being made waits for its end
});

const app = express();
app.post("/chat", express.json(), async (request, response) => {
  const userId = request.get("x-user"); // in place of your authentication
  if (!userId) {
    response.status(401).end();
    return;
  }
  const active = await agent.sessions.findActive(userId);
  const run = { userId, ...(active && { sessionId: active.id }) };
  response.type("text/event-stream");
  for await (const event of agent.stream(request.body.message, run)) {
    if (response.closed) break; // leaving the loop stops the model
    if (event.type === "text") response.write(`data: ${JSON.stringify(event.text)}\n\n`);
  }
  response.end();
});

const server = createServer(app).listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
assert(typeof address === "object" && address !== null);
const url = `http://127.0.0.1:${address.port}/chat`;

/** A client that reads an answer as it comes, and leaves after `leaveAfter` pieces. */
async function ask(userId: string, message: string, leaveAfter = Number.POSITIVE_INFINITY) {
  const headers = { "content-type": "application/json", "x-user": userId };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ message }) });
  assert(response.body);
  let text = "";
  const pieces: string[] = [];
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      pieces.push(JSON.parse(text.slice("data: ".length, end)));
      text = text.slice(end + 2);
    }
    if (pieces.length >= leaveAfter) break; // closes the connection
  }
  return pieces;
}

const introduction =
  "My name is Alice. I live in Lisbon. My favourite colour is blue. Remember that I like trains.";
const heard = await ask("alice", introduction, 3);

// The same conversation goes on, with what was said of the answer that nobody heard to its end.
const answer = await ask("alice", "What is my name, and what is my favourite colour?");
assert(answer.length > 1, "the text comes in pieces");
assert.equal(answer.join(""), "Your name is Alice. Your favourite colour is blue.");

const active = await agent.sessions.findActive("alice");
const session = await agent.sessions.open(active?.id ?? "");
const [, partial] = await session.messages();
assert(Array.isArray(partial?.content));
const [part] = partial.content;
assert(part && "text" in part && String(part.text).startsWith(heard.join("")));
assert.deepEqual(part.providerOptions, { holdfast: { partial: true } });

await ask("bob", "What is my name?");
assert.equal((await agent.sessions.list()).items.length, 2);
console.log(`heard: ${heard.join("")}\nkept:  ${part.text}\nthen:  ${answer.join("")}`);

server.close();
server.closeAllConnections();

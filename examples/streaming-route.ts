/**
 * A route handler as Next.js has it (`app/api/chats/route.ts`), which streams its answer: a Request comes in, a Response
 * goes out, and nothing is kept in between. A client that leaves finds the whole answer when it comes back.
 *
 *     node examples/streaming-route.ts
 */
import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldfastError } from "holdfast";
import type { AgentEvent } from "holdfast/agent";
import { createAgent, offlineModel } from "holdfast/agent";
import { sqliteStore } from "holdfast/sqlite";
import { z } from "zod";

await using folder = await mkdtempDisposable(join(tmpdir(), "holdfast-"));
await using agent = createAgent({
  name: "chat",
  model: offlineModel({ chunkDelayMs: 20 }), // or any model of the AI SDK, such as anthropic("…") or openai("…")
  store: sqliteStore({ path: join(folder.path, "chat.db") }),
});

const Body = z.object({ chatId: z.string(), message: z.string().trim().min(1) });

export async function POST(request: Request): Promise<Response> {
  const userId = request.headers.get("x-user"); // in place of your authentication
  if (!userId) return new Response("who are you?", { status: 401 });
  const { success, data } = Body.safeParse(await request.json());
  if (!success) return new Response("give a chatId and a message", { status: 400 });
  try {
    const chat = await agent.open(data.chatId, { userId });
    // Once this resolves, the message is committed and the model is called. What it refuses can still be a status.
    // With `{ signal: request.signal }` a client that leaves would stop the model.
    await chat.send(data.message);
    const body = ReadableStream.from(textOf(chat.receive())).pipeThrough(new TextEncoderStream());
    return new Response(body, { headers: { "content-type": "text/plain; charset=utf-8" } });
  } catch (error) {
    if (HoldfastError.is(error, "TURN_IN_PROGRESS")) return new Response(error.message, { status: 409 });
    throw error;
  }
}

async function* textOf(events: AsyncIterable<AgentEvent>) {
  for await (const event of events) if (event.type === "text") yield event.text;
}

function post(message: string): Promise<Response> {
  const init = { method: "POST", headers: { "x-user": "alice" } };
  return POST(
    new Request("http://localhost/api/chats", { ...init, body: JSON.stringify({ chatId: "trip", message }) }),
  );
}

const introduction = "My name is Alice. I live in Lisbon. My favourite colour is blue.";
const response = await post(introduction);
assert.equal(response.status, 200);
const pieces: string[] = [];
for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
  pieces.push(piece);
  // While it comes, nobody else can ask, and nothing of a second question is stored.
  if (pieces.length === 1) assert.equal((await post("Hello?")).status, 409);
}
assert(pieces.length > 1, "the text comes in pieces");
const whole =
  "Nice to meet you, Alice. Lisbon, a fine place. I will remember that your favorite colour is blue.";
assert.equal(pieces.join(""), whole);
assert.equal((await post("")).status, 400);

// A client that leaves after the first piece …
const reader = (await post("What is my favourite colour, and where do I live?")).body?.getReader();
const { value } = (await reader?.read()) ?? {};
await reader?.cancel();

// … and comes back: the answer is there, to its end.
const session = await agent.sessions.open("trip");
while ((await session.refresh()).turn) await new Promise((resolve) => setTimeout(resolve, 20));
const [answer] = await session.messages({ last: 1 });
assert.deepEqual(answer?.content, [
  { type: "text", text: "You live in Lisbon. Your favourite colour is blue." },
]);
assert.equal(session.record.messageCount, 4);
console.log(
  `${pieces.length} pieces, then ${JSON.stringify(new TextDecoder().decode(value))} and the rest later`,
);

/**
 * A long conversation: once there is more than the model should be sent, a summary stands for the older messages. The
 * originals stay in the log.
 *
 *     node examples/long-conversation.ts
 */
import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAgent, offlineModel } from "holdfast/agent";
import { sqliteStore } from "holdfast/sqlite";

const AFTER_MESSAGES = 30;
const KEEP_LAST = 10;
const EXCHANGES = 60;

await using folder = await mkdtempDisposable(join(tmpdir(), "holdfast-"));
const model = offlineModel(); // or any model of the AI SDK, such as anthropic("…") or openai("…")
await using agent = createAgent({
  name: "companion",
  model,
  store: sqliteStore({ path: join(folder.path, "companion.db") }),
  // `summarize` may be a smaller model, or a function of yours; without, the agent's own model writes it.
  history: { compaction: { afterMessages: AFTER_MESSAGES, keepLast: KEEP_LAST } },
});

const chat = await agent.open("years", { userId: "alice" });
const { session } = chat;
const said = ["My name is Alice. I live in Lisbon.", "My favourite colour is blue."];
for (let day = said.length + 1; day <= EXCHANGES; day += 1) said.push(`Today is day ${day}, and it rained.`);

let compactions = 0;
let before = 0;
for (const text of said) {
  await chat.run(text);
  const { length } = await session.context(); // what the model is sent next
  assert(length <= AFTER_MESSAGES);
  if (length < before) {
    assert.equal(length, KEEP_LAST + 1); // the summary and the newest
    compactions += 1;
  }
  before = length;
}
assert(compactions > 1, "a summary of summaries, too");

// What was said at the beginning is in no message that is sent any more, but in the summary of them.
const question = "What is my name, and what is my favourite colour?";
const { text } = await chat.run(question);
assert.equal(text, "Your name is Alice. Your favourite colour is blue.");

// The originals: every message, in order, in the session as in the log.
const messages = await session.messages();
assert.equal(messages.length, 2 * (EXCHANGES + 1));
const asked = messages.filter(({ role }) => role === "user").map(({ content }) => content);
assert.deepEqual(asked, [...said, question]);
const first = await agent.sessions.search("Lisbon");
assert.equal(first.items[0]?.sessionId, "years");

console.log(
  `${messages.length} messages are kept; ${before + 1} were sent after ${compactions} summaries: ${text}`,
);

/**
 * Research by sub-agents: each call of one runs in a child session with a log of its own, found from its parent.
 *
 *     node examples/research.ts
 */
import assert from "node:assert/strict";
import { memoryStore } from "holdfast";
import { createAgent, offlineModel } from "holdfast/agent";
import { z } from "zod";

const model = offlineModel(); // or any model of the AI SDK, such as anthropic("…") or openai("…")

const shelf = new Map([
  ["kelp", "Kelp grows up to half a metre a day."],
  ["otters", "Sea otters keep the urchins away from it."],
]);

const finder = createAgent({
  name: "finder",
  instructions: "Find out what is asked, and say where it is from.",
  model,
  tools: {
    look_up: {
      description: "Finds a note by its topic.",
      inputSchema: z.object({ topic: z.string() }),
      readOnly: true,
      execute: ({ topic }: { topic: string }) => {
        const note = shelf.get(topic);
        if (!note) throw new Error(`there is no note on ${topic}`);
        return note;
      },
    },
  },
});
const critic = createAgent({ name: "critic", instructions: "Say what is missing.", model });

const lead = createAgent({
  name: "lead",
  instructions: "Ask the finder for facts, then the critic for what is missing.",
  model,
  store: memoryStore(),
  tools: {
    finder: finder.asTool({ description: "Finds facts." }),
    critic: critic.asTool({ description: "Finds gaps." }),
  },
});
const ask = (agent: string, prompt: string) => `use ${agent} ${JSON.stringify({ prompt })}`;
const prompt = [
  ask("finder", 'use look_up {"topic":"kelp"}'),
  `and ${ask("finder", 'use look_up {"topic":"otters"}')},`,
  `then ${ask("critic", "Remember that kelp needs light.")}`,
].join(" ");
const { text, session, usage, steps } = await lead.run(prompt, { sessionId: "kelp-forests" });
assert(session);
assert.match(text, /half a metre a day.+keep the urchins away.+kelp needs light/s);

// The children, from their parent: each with its own transcript.
const { items: children } = await lead.sessions.list({ parentId: session.id, kind: "child" });
assert.deepEqual(children.map(({ agent }) => agent).sort(), ["critic", "finder", "finder"]);
for (const { id, agent, messageCount } of children) {
  const [task] = await (await lead.sessions.open(id)).messages();
  console.log(`${agent}: ${messageCount} messages on ${JSON.stringify(task?.content)}`);
}
// The parent has their answers and no more: a prompt, two answers with calls, a result for each of the three, an end.
assert.equal(session.record.messageCount, 7);

// What all of it cost is the parent's usage: its own calls of the model, and each child once.
const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
const own = sum(steps.map((step) => step.usage.totalTokens));
const spent = sum(children.map((child) => child.usage.totalTokens));
assert(own > 0 && spent > 0);
assert.equal(usage.totalTokens, own + spent);
assert.equal(session.usage.totalTokens, own + spent);

// A child that fails is a result that the lead can work with.
const failed = await lead.run(ask("finder", 'use look_up {"topic":"cats"}'), { sessionId: "cats" });
assert.match(failed.text, /there is no note on cats/);
console.log(`${own} tokens of the lead + ${spent} of its sub-agents = ${session.usage.totalTokens}`);
await lead.close();

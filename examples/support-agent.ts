/**
 * A support agent that books flights: data is collected over several turns, checked before it is saved, and a route that
 * is complete stays complete, whatever process comes next.
 *
 *     node examples/support-agent.ts
 */
import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAgent, offlineModel, route } from "holdfast/agent";
import { sqliteStore } from "holdfast/sqlite";
import { z } from "zod";

await using folder = await mkdtempDisposable(join(tmpdir(), "holdfast-"));
const booked: unknown[] = [];

const booking = route({
  id: "booking",
  title: "Book a flight",
  data: z.object({
    from: z.string(),
    to: z.string(),
    passengers: z.int().min(1).max(9, "at most 9 travel together"),
    day: z.iso.date(),
  }),
  steps: [
    { id: "where", collect: ["from", "to"] },
    { id: "who", collect: ["passengers"], instructions: "Ask how many people travel." },
    { id: "when", collect: ["day"] },
  ],
  onComplete: ({ data, userId }) => booked.push({ ...data, userId }),
});

/** One process: a new agent on the same file, which lives for one message. */
async function say(message: string) {
  await using agent = createAgent({
    name: "support",
    instructions: "You work at an airline. Be brief.",
    model: offlineModel(), // or any model of the AI SDK, such as anthropic("…") or openai("…")
    store: sqliteStore({ path: join(folder.path, "support.db") }),
    routes: [booking],
  });
  const result = await agent.run(message, { sessionId: "call-1", userId: "alice" });
  console.log(`> ${message}\n${result.text}`);
  const { text, data, isRouteComplete, session } = result;
  return { text, data, isRouteComplete, step: session?.record.step?.id };
}

const where = await say("My name is Alice. I want to fly from Lisbon to Oslo.");
assert.deepEqual(where.data, { from: "Lisbon", to: "Oslo" });
assert.equal(where.step, "who");

// A question in between changes nothing.
const between = await say("What is my name?");
assert.match(between.text, /Your name is Alice/);
assert.deepEqual(between.data, where.data);

// What the schema refuses is not saved. The model is told why, and asks again.
const refused = await say("We are 20 people.");
assert.match(refused.text, /at most 9 travel together/);
assert.deepEqual(refused.data, where.data);
assert.equal(refused.step, "who");

const who = await say("Then 4 people.");
assert.equal(who.step, "when");
const when = await say("On 2026-12-24, please.");
const all = { from: "Lisbon", to: "Oslo", passengers: 4, day: "2026-12-24" };
assert.deepEqual(when, { text: when.text, data: all, isRouteComplete: true, step: undefined });
assert.deepEqual(booked, [{ ...all, userId: "alice" }]);

// The route is complete, and stays so: nothing is booked twice, nothing is overwritten.
const after = await say("Thanks! I want to fly from Rome to Paris.");
assert.equal(after.isRouteComplete, true);
assert.deepEqual(after.data, all);
assert.equal(booked.length, 1);

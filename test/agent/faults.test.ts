/**
 * A model that fails: before it says anything, while it speaks, at the end. What had come by then is in the log, marked;
 * the turn is closed; the caller gets what the provider said; and the conversation goes on.
 */
import { APICallError } from "@ai-sdk/provider";
import { jsonSchema } from "ai";
import { expect, test } from "vitest";
import { createAgent } from "../../src/agent/agent.ts";
import type { AgentOptions } from "../../src/agent/types.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { ScriptedPart, ScriptedStep } from "./support.ts";
import { entriesOf, expectAccepted, failureOf, inWords, scriptedModel } from "./support.ts";

const OPEN = [
  ["session.created", "test"],
  ["turn.started", ""],
  ["message", "user: hello"],
  ["label.set", "hello"],
] as const;

function given(steps: readonly ScriptedStep[], options: Partial<AgentOptions> = {}) {
  const model = scriptedModel(steps);
  const agent = createAgent({ name: "test", model, store: memoryStore(), ...options });
  const log = async () => entriesOf(await agent.sessions.open("s"));
  const context = async () => (await agent.sessions.open("s")).context();
  return { agent, model, log, context };
}

class QuotaError extends Error {
  override readonly name = "QuotaError";
}

test("a call that is refused leaves the prompt, and the next run goes on", async () => {
  const quota = new QuotaError("no credit is left");
  const { agent, model, log, context } = given([quota]);
  expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe(quota);
  expect(await log()).toEqual([...OPEN, ["turn.ended", "failed QuotaError"]]);
  model.play("hi");
  const { text, finishReason } = await agent.run("again", { sessionId: "s" });
  expect({ text, finishReason }).toEqual({ text: "hi", finishReason: "stop" });
  expect((await context()).map(inWords)).toEqual(["user: hello", "user: again", "assistant: hi"]);
});

test("a call that can be tried again is tried again, and nothing of that is in the log", async () => {
  const busy = new APICallError({
    message: "busy",
    url: "http://model.invalid",
    requestBodyValues: {},
    statusCode: 429,
    responseHeaders: { "retry-after-ms": "1" },
    isRetryable: true,
  });
  const { agent, model, log } = given([busy, "hi"]);
  expect((await agent.run("hello", { sessionId: "s" })).text).toBe("hi");
  expect(model.calls).toHaveLength(2);
  expect(await log()).toEqual([...OPEN, ["message", "assistant: hi"], ["turn.ended", "completed"]]);
});

const broken = new QuotaError("the line broke");
const WHILE: readonly [title: string, parts: readonly ScriptedPart[], expected: unknown][] = [
  ["reports an error", [{ text: "one " }, { text: "two" }, { error: broken }], broken],
  ["is cut off", [{ text: "one " }, { text: "two" }, { breaks: broken }], broken],
  [
    "calls a tool and then fails",
    [{ text: "one " }, { text: "two" }, { call: "add", id: "c1" }, { error: broken }],
    broken,
  ],
];

test.each(WHILE)(
  "a model that %s while it speaks leaves what it said, marked",
  async (_, parts, expected) => {
    const { agent, model, log, context } = given([parts]);
    expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe(expected);
    expect(await log()).toEqual([
      ...OPEN,
      ["message", "assistant: (partial) one two"],
      ["turn.ended", "failed QuotaError"],
    ]);
    await expectAccepted(await context());
    model.play("three");
    expect((await agent.run("go on", { sessionId: "s" })).text).toBe("three");
    expect(model.calls.at(-1)?.prompt.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
  },
);

test("a stream that ends without an end is an answer that says so, as the AI SDK takes it; without a word it fails", async () => {
  const { agent, log } = given([[{ text: "one " }, { cut: true }], [{ cut: true }]]);
  const { text, finishReason } = await agent.run("hello", { sessionId: "s" });
  expect({ text, finishReason }).toEqual({ text: "one ", finishReason: "other" });
  expect(await failureOf(agent.run("again", { sessionId: "s" }))).toMatchObject({
    message: expect.stringContaining("without a finish"),
  });
  expect(await log()).toEqual([
    ...OPEN,
    ["message", "assistant: one "],
    ["turn.ended", "completed"],
    ["turn.started", ""],
    ["message", "user: again"],
    ["turn.ended", "failed AI_NoOutputGeneratedError"],
  ]);
});

test("an error before the first word leaves no empty message", async () => {
  const { agent, log } = given([[{ error: broken }]]);
  expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe(broken);
  expect(await log()).toEqual([...OPEN, ["turn.ended", "failed QuotaError"]]);
});

test("an error once all has been said, too, leaves what was said, marked", async () => {
  const parts: ScriptedPart[] = [{ text: "that is all" }, { reasoning: "now I am done" }, { error: broken }];
  const { agent, log } = given([parts]);
  expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe(broken);
  expect(await log()).toEqual([
    ...OPEN,
    ["message", "assistant: (partial) that is all"],
    ["turn.ended", "failed QuotaError"],
  ]);
});

test("half of a character that a failure cuts through is kept as it came", async () => {
  const { agent, log } = given([[{ text: "a \ud83d" }, { breaks: broken }]]);
  expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe(broken);
  expect(await log()).toContainEqual(["message", "assistant: (partial) a \ud83d"]);
});

test("a failure in a later step keeps the steps before it", async () => {
  const { agent, model, log, context } = given([[{ call: "add", id: "c1", input: { a: 1 } }], broken], {
    tools: { add: { inputSchema: schema(), execute: () => 2 } },
  });
  expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe(broken);
  expect(await log()).toEqual([
    ...OPEN,
    ["message", 'assistant: add#c1{"a":1}'],
    ["message", "tool: #c1=2"],
    ["turn.ended", "failed QuotaError"],
  ]);
  await expectAccepted(await context());
  model.play("two");
  expect((await agent.run("and?", { sessionId: "s" })).text).toBe("two");
});

test("what a model throws need not be an error", async () => {
  const { agent, log } = given([[{ text: "one" }, { breaks: "a word" }]]);
  expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe("a word");
  expect((await log()).at(-1)).toEqual(["turn.ended", "failed unknown"]);
});

test("a model that says nothing at all leaves no message", async () => {
  const { agent, log } = given([[]]);
  const { text, message, finishReason } = await agent.run("hello", { sessionId: "s" });
  expect({ text, message, finishReason }).toEqual({ text: "", message: undefined, finishReason: "stop" });
  expect(await log()).toEqual([...OPEN, ["turn.ended", "completed"]]);
});

test("thoughts keep their signatures through a failure and the turn after it", async () => {
  const metadata = { anthropic: { signature: "c2ln" } };
  const thinking: ScriptedPart[] = [
    { reasoning: "add them", metadata },
    { call: "add", id: "c1" },
  ];
  const { agent, model } = given([thinking, broken, "fine"], {
    tools: { add: { inputSchema: schema(), execute: () => 2 } },
  });
  expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe(broken);
  await agent.run("again", { sessionId: "s" });
  expect(model.calls.at(-1)?.prompt[1]).toMatchObject({
    role: "assistant",
    content: [{ type: "reasoning", text: "add them", providerOptions: metadata }, { type: "tool-call" }],
  });
});

test("a model that never stops calling is stopped after maxSteps, with every call answered", async () => {
  const step = (id: string): ScriptedStep => [{ call: "add", id }];
  const { agent, model, context } = given([step("c1"), step("c2"), step("c3")], {
    maxSteps: 2,
    tools: { add: { inputSchema: schema(), execute: () => 2 } },
  });
  const { finishReason, steps } = await agent.run("hello", { sessionId: "s" });
  expect({ finishReason, steps: steps.length, calls: model.calls.length }).toEqual({
    finishReason: "max-steps",
    steps: 2,
    calls: 2,
  });
  await expectAccepted(await context());
});

test("an approval policy that fails loses nothing of what the model said", async () => {
  const policy = new QuotaError("the policy is not to be reached");
  const { agent, log, context } = given([[{ text: "let me add" }, { call: "add", id: "c1" }]], {
    tools: {
      add: { inputSchema: schema(), execute: () => 2, needsApproval: () => Promise.reject(policy) },
    },
  });
  expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe(policy);
  expect(await log()).toEqual([
    ...OPEN,
    ["message", "assistant: (partial) let me add"],
    ["turn.ended", "failed QuotaError"],
  ]);
  await expectAccepted(await context());
});

test.each([
  ["beforeRun", { hooks: { beforeRun: () => Promise.reject(broken) } }],
  ["the instructions", { instructions: () => Promise.reject(broken) }],
])("where %s fails, the prompt is kept and the model is not called", async (_, options) => {
  const { agent, model, log } = given(["hi"], options);
  expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe(broken);
  expect(model.calls).toEqual([]);
  expect(await log()).toEqual([...OPEN, ["turn.ended", "failed QuotaError"]]);
});

test("where afterRun fails the run fails and the turn stands", async () => {
  const { agent, log } = given(["hi"], { hooks: { afterRun: () => Promise.reject(broken) } });
  expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe(broken);
  expect(await log()).toEqual([...OPEN, ["message", "assistant: hi"], ["turn.ended", "completed"]]);
});

function schema() {
  return jsonSchema<Record<string, unknown>>({ type: "object" });
}

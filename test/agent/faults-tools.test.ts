/**
 * Tools that fail in every way: whatever one does, its call has a result that the model gets, and the turn goes on.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ToolResultPart } from "ai";
import { jsonSchema } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";
import { createAgent } from "../../src/agent/agent.ts";
import { offlineModel } from "../../src/agent/offline-model.ts";
import type { AgentOptions } from "../../src/agent/types.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { entriesOf, expectAccepted, inWords, scriptedModel } from "./support.ts";

interface Faulty {
  execute(input: unknown, options: { readonly abortSignal?: AbortSignal | undefined }): unknown;
  readonly timeoutMs?: number;
  toModelOutput?(): ToolResultPart["output"] | PromiseLike<ToolResultPart["output"]>;
}

const inputSchema = jsonSchema<Record<string, unknown>>({ type: "object" });

/** A run in which the model calls `tool` once and then says "done". */
async function runWith(tool: Faulty, options: Partial<AgentOptions> = {}) {
  const model = scriptedModel([[{ call: "it", id: "c1", input: { a: 1 } }], "done"]);
  const agent = createAgent({
    name: "test",
    model,
    store: memoryStore(),
    tools: { it: { inputSchema, ...tool } },
    ...options,
  });
  const result = await agent.run("hello", { sessionId: "s" });
  const session = await agent.sessions.open("s");
  await expectAccepted(await session.context());
  return { result, log: await entriesOf(session), model };
}

function cycle(): object {
  const made: Record<string, unknown> = { name: "round" };
  made.self = made;
  return made;
}

function nested(levels: number): unknown {
  let made: unknown = 1;
  for (let level = 0; level < levels; level += 1) made = [made];
  return made;
}

const deaf = (): Promise<never> => new Promise(() => undefined);

const FAULTY: readonly [
  title: string,
  tool: Faulty,
  result: string | RegExp,
  options?: Partial<AgentOptions>,
][] = [
  ["throws", { execute: () => Promise.reject(new Error("no such city")) }, "#c1!no such city"],
  [
    "throws at once",
    {
      execute() {
        throw new Error("no such city");
      },
    },
    "#c1!no such city",
  ],
  ["throws a text", { execute: () => Promise.reject("no such city") }, "#c1!no such city"],
  ["throws nothing at all", { execute: () => Promise.reject(undefined) }, "#c1!undefined"],
  [
    "throws an error that is longer than results may be",
    { execute: () => Promise.reject(new Error("x".repeat(2_000_000))) },
    /^#c1!The result of it is 20\d{5} bytes, more than the 1000000 that are kept\. Ask for less\.$/,
  ],
  ["hangs and is deaf", { execute: deaf, timeoutMs: 20 }, "#c1!it gave no result within 20 ms."],
  [
    "hangs for longer than the agent allows",
    { execute: deaf },
    "#c1!it gave no result within 20 ms.",
    { toolTimeoutMs: 20 },
  ],
  [
    "hangs and then fails of its own when it is told to stop",
    {
      timeoutMs: 20,
      execute: (_, { abortSignal }) =>
        new Promise((_, reject) => abortSignal?.addEventListener("abort", () => reject(new Error("late")))),
    },
    "#c1!it gave no result within 20 ms.",
  ],
  [
    "streams for ever",
    {
      timeoutMs: 30,
      async *execute() {
        for (;;) {
          await sleep(5);
          yield "more";
        }
      },
    },
    "#c1!it gave no result within 30 ms.",
  ],
  ["returns a cycle", { execute: async () => cycle() }, /^#c1!.*circular/s],
  [
    "returns 12 MB",
    { execute: async () => "x".repeat(12_000_000) },
    /^#c1!The result of it is 120000\d\d bytes/,
  ],
  [
    "returns more than the store holds, where the agent allows it",
    { execute: async () => "x".repeat(17_000_000) },
    "#c1!The result of it is too large to keep. Ask for less.",
    { maxToolResultBytes: 20_000_000 },
  ],
  ["returns nothing", { execute: async () => undefined }, "#c1=null"],
  ["returns a function", { execute: async () => () => 1 }, "#c1=null"],
  ["returns a bigint", { execute: async () => 1n }, /^#c1!.*BigInt/],
  ["returns what is no number", { execute: async () => ({ n: Number.NaN, i: -0 }) }, '#c1={"n":null,"i":0}'],
  ["returns half a character", { execute: async () => "\ud83d" }, "#c1=\ud83d"],
  ["returns NUL", { execute: async () => "a\0b" }, "#c1=a\0b"],
  ["returns a text that is empty", { execute: async () => "" }, "#c1="],
  ["returns a date", { execute: async () => new Date(0) }, "#c1=1970-01-01T00:00:00.000Z"],
  ["returns what is nested too deep to keep", { execute: async () => nested(600) }, /^#c1!.*(nested|deep)/],
  [
    "returns an object that throws when it is read",
    {
      execute: async () => ({
        get name() {
          throw new Error("not to be read");
        },
      }),
    },
    "#c1!not to be read",
  ],
  [
    "has a toModelOutput that fails",
    { execute: async () => 1, toModelOutput: () => Promise.reject(new Error("no words for it")) },
    "#c1!no words for it",
  ],
  [
    "has a toModelOutput that gives what can't be kept",
    {
      execute: async () => 1,
      toModelOutput: () => ({ type: "json", value: Object(new Map([[1, 2]])) }),
    },
    /^#c1!.*Map/,
  ],
];

test.each(FAULTY)("a tool that %s", async (_, tool, expected, options) => {
  const { result, log } = await runWith(tool, options);
  expect(result.text).toBe("done");
  expect(log).toEqual([
    ["session.created", "test"],
    ["turn.started", ""],
    ["message", "user: hello"],
    ["label.set", "hello"],
    ["message", 'assistant: it#c1{"a":1}'],
    ["message", expect.any(String)],
    ["message", "assistant: done"],
    ["turn.ended", "completed"],
  ]);
  const said = log[5]?.[1].slice("tool: ".length) ?? "";
  if (typeof expected === "string") expect(said).toBe(expected);
  else expect(said).toMatch(expected);
  const isError = said.startsWith("#c1!");
  expect(result.steps[0]?.toolResults).toEqual([
    expect.objectContaining({ toolCallId: "c1", toolName: "it", isError }),
  ]);
});

test("what a tool does once its time is over reaches nothing", async () => {
  const late = Promise.withResolvers<string>();
  const { log } = await runWith({ execute: () => late.promise, timeoutMs: 10 });
  late.resolve("late");
  await sleep(5);
  expect(log.filter(([, text]) => text.includes("late"))).toEqual([]);
});

test("one tool that fails keeps those beside it", async () => {
  const model = scriptedModel([
    [
      { call: "slow", id: "c1" },
      { call: "bad", id: "c2" },
      { call: "slow", id: "c3" },
    ],
    "done",
  ]);
  const agent = createAgent({
    name: "test",
    model,
    store: memoryStore(),
    tools: {
      slow: { inputSchema, execute: async () => sleep(10, "well") },
      bad: { inputSchema, execute: () => Promise.reject(new Error("bad")) },
    },
  });
  const { session } = await agent.run("hello", { sessionId: "s" });
  const messages = (await session?.context()) ?? [];
  await expectAccepted(messages);
  expect(messages.map(inWords).sort()).toEqual([
    "assistant: done",
    "assistant: slow#c1{} bad#c2{} slow#c3{}",
    "tool: #c1=well",
    "tool: #c2!bad",
    "tool: #c3=well",
    "user: hello",
  ]);
});

test("a tool that there is not is told to the model, scripted and offline", async () => {
  const { log } = await runWith({ execute: async () => 1 }, { tools: {} });
  expect(log[4]).toEqual(["message", 'assistant: it#c1{"a":1}']);
  expect(log[5]?.[1]).toMatch(/^tool: #c1!.*Model tried to call unavailable tool 'it'/);

  const agent = createAgent({ name: "test", model: offlineModel(), store: memoryStore() });
  const { text, session, finishReason } = await agent.run("use! TOOL {}", { sessionId: "s" });
  expect({ finishReason, text }).toEqual({
    finishReason: "stop",
    text: expect.stringMatching(/^TOOL failed: .*unavailable tool 'TOOL'/),
  });
  await expectAccepted((await session?.context()) ?? []);
});

test("a tool whose name every object has is none that there is", async () => {
  for (const name of ["toString", "constructor", "__proto__"]) {
    const model = scriptedModel([[{ call: name, id: "c1" }], "done"]);
    const agent = createAgent({ name: "test", model, store: memoryStore() });
    const { session, text } = await agent.run("hello", { sessionId: "s" });
    const messages = (await session?.context()) ?? [];
    expect([name, text, messages.map(({ role }) => role)]).toEqual([
      name,
      "done",
      ["user", "assistant", "tool", "assistant"],
    ]);
    await expectAccepted(messages);
  }
});

test.each([
  ["do not fit the schema", { a: "one" }],
  ["are not JSON", '{"a":'],
  ["are no object", "[1]"],
])("arguments that %s are told to the model, and the tool is not run", async (_, input) => {
  const ran: unknown[] = [];
  const model = scriptedModel([
    [
      { call: "add", id: "c1", input },
      { call: "add", id: "c2", input: { a: 2 } },
    ],
    "done",
  ]);
  const agent = createAgent({
    name: "test",
    model,
    store: memoryStore(),
    tools: {
      add: {
        inputSchema: z.object({ a: z.number() }),
        execute: async (given: unknown) => {
          ran.push(given);
          return "well";
        },
      },
    },
  });
  const { session, text } = await agent.run("hello", { sessionId: "s" });
  expect(text).toBe("done");
  expect(ran).toEqual([{ a: 2 }]);
  const messages = (await session?.context()) ?? [];
  await expectAccepted(messages);
  const results = messages.map(inWords).filter((words) => words.startsWith("tool:"));
  expect(results).toEqual([expect.stringMatching(/^tool: #c1!.*add/s), "tool: #c2=well"]);
});

test("two calls of one id in one answer leave a transcript that can be sent", async () => {
  const model = scriptedModel([
    [
      { call: "it", id: "c1" },
      { call: "it", id: "c1" },
    ],
    "done",
  ]);
  const agent = createAgent({
    name: "test",
    model,
    store: memoryStore(),
    tools: { it: { inputSchema, execute: async () => 1 } },
  });
  const { session, text } = await agent.run("hello", { sessionId: "s" });
  expect(text).toBe("done");
  const messages = (await session?.context()) ?? [];

  await expectAccepted(messages);
});

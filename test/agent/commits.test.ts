/**
 * What of a turn goes into one commit: a step whose tools only read is one; any other is committed before its tools begin.
 */
import { setTimeout as delay } from "node:timers/promises";
import { jsonSchema } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";
import { createAgent } from "../../src/agent/agent.ts";
import { offlineModel } from "../../src/agent/offline-model.ts";
import { route } from "../../src/agent/routes.ts";
import type { AgentTools } from "../../src/agent/types.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { ScriptedPart } from "./support.ts";
import { failingStore, failureOf, inWords, scriptedModel } from "./support.ts";

const inputSchema = jsonSchema<{ n: number }>({ type: "object", properties: { n: { type: "number" } } });

type Work = (n: number) => unknown;

function tools(work: Work = (n) => `seen ${n}`): AgentTools {
  const execute = async ({ n }: { n: number }): Promise<unknown> => work(n);
  return {
    look: { inputSchema, readOnly: true, execute },
    find: { inputSchema, idempotent: true, execute },
    book: { inputSchema, execute },
  };
}

function call(name: string, n: number): ScriptedPart {
  return { call: name, id: `call-${n}`, input: { n } };
}

/** The messages of each commit, in words; commits without a message are left out. */
async function commitsOf(store: ReturnType<typeof memoryStore>): Promise<string[][]> {
  const commits: string[][] = [];
  for (const { type, commit, data } of await store.read("s", { after: 0, limit: 1000 })) {
    if (commit !== undefined) commits.push([]);
    const message: unknown = typeof data === "object" && data && "message" in data ? data.message : undefined;
    if (type === "message" && typeof message === "object" && message) commits.at(-1)?.push(inWords(message));
  }
  return commits.filter((words) => words.length > 0);
}

test("a turn of ten look-ups and an answer is one commit a step, and one for its session and one for its start", async () => {
  const store = memoryStore();
  const agent = createAgent({ name: "a", model: offlineModel(), store, tools: tools() });
  const chain = Array.from({ length: 10 }, (_, index) => `use look {"n":${index + 1}}`).join(" then ");
  const { steps } = await agent.run(chain, { sessionId: "s" });
  expect(steps).toHaveLength(11);
  const session = await agent.sessions.open("s");
  expect(session.record.version).toBe(13);
  const commits = await commitsOf(store);
  expect(commits.map((words) => words.length)).toEqual([1, ...Array<number>(10).fill(2), 1]);
});

test.each(["find", "book"])(
  "a call of %s, which may change something, is committed before it begins",
  async (name) => {
    const store = memoryStore();
    const before: string[][][] = [];
    const model = scriptedModel([[call(name, 1)], "Done."]);
    const agent = createAgent({
      name: "a",
      model,
      store,
      tools: tools(async () => void before.push(await commitsOf(store))),
    });
    await agent.run("Do it.", { sessionId: "s" });
    expect(before).toEqual([[["user: Do it."], [`assistant: ${name}#call-1{"n":1}`]]]);
  },
);

test("look-ups side by side are one commit with what asked for them, and with another tool they are not", async () => {
  const store = memoryStore();
  const model = scriptedModel([
    [{ text: "I look." }, call("look", 1), call("look", 2), call("look", 3)],
    [call("look", 4), call("book", 5)],
    "Done.",
  ]);
  const agent = createAgent({ name: "a", model, store, tools: tools() });
  await agent.run("Go.", { sessionId: "s" });
  const [, first, second] = await commitsOf(store);
  expect(first).toEqual([
    'assistant: I look. look#call-1{"n":1} look#call-2{"n":2} look#call-3{"n":3}',
    "tool: #call-1=seen 1",
    "tool: #call-2=seen 2",
    "tool: #call-3=seen 3",
  ]);
  expect(second).toEqual(['assistant: look#call-4{"n":4} book#call-5{"n":5}']);
});

test("what the model said does not wait for a slow look-up, and a quick one beside it is kept with it", async () => {
  const store = memoryStore();
  const seen: string[][][] = [];
  const work = async (n: number): Promise<string> => {
    if (n === 1) return "quick";
    const until = Date.now() + 10_000;
    while ((await commitsOf(store)).length < 2 && Date.now() < until) await delay(5);
    seen.push(await commitsOf(store));
    return "slow";
  };
  const model = scriptedModel([[call("look", 1), call("look", 2)], "Done."]);
  const agent = createAgent({ name: "a", model, store, tools: tools(work) });
  await agent.run("Go.", { sessionId: "s" });
  const said = 'assistant: look#call-1{"n":1} look#call-2{"n":2}';
  expect(seen).toEqual([[["user: Go."], [said, "tool: #call-1=quick"]]]);
  expect((await commitsOf(store)).slice(1)).toEqual([
    [said, "tool: #call-1=quick"],
    ["tool: #call-2=slow"],
    ["assistant: Done."],
  ]);
});

test("a run that is aborted in a look-up keeps what the model said", async () => {
  const store = memoryStore();
  const aborted = new AbortController();
  const work = (): Promise<never> => {
    aborted.abort(new Error("enough"));
    return new Promise(() => undefined);
  };
  const model = scriptedModel([[{ text: "I look." }, call("look", 1)]]);
  const agent = createAgent({ name: "a", model, store, tools: tools(work) });
  const failure = await failureOf(agent.run("Go.", { sessionId: "s", signal: aborted.signal }));
  expect(failure).toMatchObject({ message: "enough" });
  expect((await commitsOf(store)).at(-1)).toEqual(['assistant: I look. look#call-1{"n":1}']);
});

test("a store that fails at the commit of a look-up leaves neither call nor result, and says what is saved", async () => {
  const inner = memoryStore();
  // The session, the start of the turn, and then the step.
  const store = failingStore(inner, "refused", 3);
  const looked: number[] = [];
  const model = scriptedModel([[call("look", 1)], [call("look", 2)], "Done."]);
  const agent = createAgent({
    name: "a",
    model,
    store,
    tools: tools((n) => void looked.push(n)),
  });
  const session = await agent.sessions.create({ id: "s" });
  const failure = await failureOf(agent.run("Go.", { sessionId: "s" }));
  expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(String(failure)).toMatch(/saved are: the prompt$/);
  expect(store.failed).toEqual(["message", "message"]);
  expect(await commitsOf(inner)).toEqual([["user: Go."]]);
  await session.refresh();
  await agent.run("Again.", { sessionId: "s" });
  expect(looked).toEqual([1, 2]);
  expect((await commitsOf(inner)).at(-1)).toEqual(["assistant: Done."]);
});

test("what a route collects is one commit with the call that brought it", async () => {
  const store = memoryStore();
  const booking = route({
    id: "booking",
    title: "Book a table",
    data: z.object({ city: z.string(), guests: z.number() }),
    steps: [{ id: "all", collect: ["city", "guests"] }],
  });
  const model = scriptedModel([
    [{ call: "collect_data", id: "call-1", input: { city: "Oslo" } }],
    "How many are you?",
  ]);
  const agent = createAgent({ name: "a", model, store, routes: [booking] });
  await agent.run("A table in Oslo.", { sessionId: "s" });
  const entries = await store.read("s", { after: 0, limit: 100 });
  const at = entries.findIndex(({ type }) => type === "data.patched");
  const begin = entries.slice(0, at + 1).findLastIndex(({ commit }) => commit !== undefined);
  const end = entries.findIndex(({ commit }, index) => index > at && commit !== undefined);
  const types = entries.slice(begin, end === -1 ? undefined : end).map(({ type }) => type);
  expect(types.filter((type) => type === "message")).toHaveLength(2);
  expect(types).toContain("data.patched");
});

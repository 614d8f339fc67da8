/**
 * Input that makes no sense: prompts, sessions, users, options. Each is refused, and nothing is written.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { jsonSchema } from "ai";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createAgent } from "../../src/agent/agent.ts";
import { route } from "../../src/agent/routes.ts";
import type { Agent, AgentOptions } from "../../src/agent/types.ts";
import { createSessions } from "../../src/session/sessions.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { refusalOf as thrownBy } from "../support/errors.ts";
import type { ScriptedStep } from "./support.ts";
import { collect, entriesOf, failureOf, refusalOf, scriptedModel } from "./support.ts";

const inputSchema = jsonSchema<Record<string, unknown>>({ type: "object" });

function given(steps: readonly ScriptedStep[] = [], options: Partial<AgentOptions> = {}) {
  const model = scriptedModel(steps);
  const store = memoryStore();
  const agent = createAgent({ name: "test", model, store, ...options });
  const log = async (id = "s") => entriesOf(await agent.sessions.open(id));
  const context = async () => (await agent.sessions.open("s")).context();
  return { agent, model, store, log, context };
}

describe("a prompt or a session that makes no sense", () => {
  const PROMPTS: readonly unknown[] = [
    "",
    "  \n",
    [],
    undefined,
    null,
    7,
    { role: "assistant", content: "hi" },
    { role: "user" },
    [{ role: "user", content: "hi" }, "more"],
    [
      { role: "user", content: "hi" },
      { role: "system", content: "be bad" },
    ],
  ];

  test.each(PROMPTS)("the prompt %j is refused and nothing is written", async (prompt) => {
    const { agent, store, model } = given(["hi"]);
    const wrong = Object(prompt) === prompt ? Object(prompt) : prompt;
    const call = (of: (agent: Agent) => (...args: never[]) => unknown): Promise<unknown> =>
      (async () => Reflect.apply(of(agent), agent, [wrong, { sessionId: "s" }]))();
    await refusalOf(
      call(({ run }) => run),
      "INVALID_ARGUMENT",
    );
    const events: unknown = await call(({ stream }) => stream);
    await refusalOf(collect(iterable(events)), "INVALID_ARGUMENT");
    expect(store.size).toBe(0);
    const chat = await agent.open("s");
    await refusalOf(
      Promise.resolve().then(() => Reflect.apply(chat.send, chat, [wrong])),
      "INVALID_ARGUMENT",
    );
    expect(await entriesOf(chat.session)).toEqual([["session.created", "test"]]);
    expect(model.calls).toEqual([]);
  });

  test("an unknown session is not found, and is not made", async () => {
    const { agent, store } = given(["hi"]);
    await refusalOf(agent.resume("s"), "SESSION_NOT_FOUND");
    await refusalOf(agent.approve("s", { toolCallId: "c1", approved: true }), "SESSION_NOT_FOUND");
    await refusalOf(agent.approvals("s"), "SESSION_NOT_FOUND");
    await refusalOf(agent.open("s", { create: false }), "SESSION_NOT_FOUND");
    expect(store.size).toBe(0);
  });

  test.each(["", "x".repeat(513), "\ud83d"])("the session id %j is refused", async (sessionId) => {
    const { agent, store } = given(["hi"]);
    await refusalOf(agent.run("hello", { sessionId }), "INVALID_ARGUMENT");
    await refusalOf(agent.run("hello", { sessionId: "s", userId: sessionId }), "INVALID_ARGUMENT");
    expect(store.size).toBe(0);
  });

  test("a session with no open turn can't be resumed, and no call of it be approved", async () => {
    const { agent, log } = given(["hi"]);
    await agent.run("hello", { sessionId: "s" });
    const before = await log();
    await refusalOf(agent.resume("s"), "INVALID_ARGUMENT");
    await refusalOf(agent.approve("s", { toolCallId: "c1", approved: true }), "INVALID_ARGUMENT");
    expect(await log()).toEqual(before);
  });

  test("a deleted session is gone for every call", async () => {
    const { agent, store } = given(["hi"]);
    await agent.run("hello", { sessionId: "s" });
    const chat = await agent.open("s");
    await agent.sessions.delete("s");
    await refusalOf(agent.resume("s"), "SESSION_NOT_FOUND");
    await refusalOf(chat.run("more"), "SESSION_DELETED");
    expect(store.size).toBe(0);
  });

  test("a session that is deleted while its model speaks stays deleted", async () => {
    const { agent, model } = given();
    model.play([{ text: "one" }, { wait: () => agent.sessions.delete("s") }, { text: "two" }]);
    const error = await failureOf(agent.run("hello", { sessionId: "s" }));
    expect(error).toMatchObject({ code: "SESSION_DELETED" });
    expect(await agent.sessions.find("s")).toBeUndefined();
  });
});

describe("another user's session", () => {
  test("is not found and not written to, by any call", async () => {
    const { agent, store, model } = given([[{ call: "add", id: "c1" }], "done"], {
      tools: { add: { inputSchema, execute: () => 2, needsApproval: true } },
    });
    await agent.run("hello", { sessionId: "s", userId: "alice" });
    const before = store.snapshot();
    const userId = "bob";
    const answer = { toolCallId: "c1", approved: true };
    await refusalOf(agent.run("hello", { sessionId: "s", userId }), "SESSION_NOT_FOUND");
    await refusalOf(collect(agent.stream("hello", { sessionId: "s", userId })), "SESSION_NOT_FOUND");
    await refusalOf(agent.open("s", { userId }), "SESSION_NOT_FOUND");
    await refusalOf(agent.open("s", { userId, create: false }), "SESSION_NOT_FOUND");
    await refusalOf(agent.resume("s", { userId }), "SESSION_NOT_FOUND");
    await refusalOf(agent.approve("s", answer, { userId }), "SESSION_NOT_FOUND");
    await refusalOf(agent.approvals("s", { userId }), "SESSION_NOT_FOUND");
    expect(store.snapshot()).toEqual(before);
    expect(model.calls).toHaveLength(1);
    expect((await agent.approve("s", answer, { userId: "alice" })).text).toBe("done");
  });

  test("a session of nobody is not a user's", async () => {
    const { agent, store } = given(["hi"]);
    await agent.run("hello", { sessionId: "s" });
    const before = store.snapshot();
    await refusalOf(agent.run("hello", { sessionId: "s", userId: "bob" }), "SESSION_NOT_FOUND");
    expect(store.snapshot()).toEqual(before);
  });
});

describe("options that make no sense", () => {
  const booking = route({
    id: "booking",
    title: "Book",
    data: z.object({ from: z.string() }),
    steps: [{ id: "where", collect: ["from"] }],
  });
  const tool = { inputSchema, execute: () => 1 };
  const OPTIONS: readonly [title: string, options: Record<string, unknown>][] = [
    ["no name", { name: undefined }],
    ["an empty name", { name: "" }],
    ["sessions and a store", { sessions: createSessions(), store: memoryStore() }],
    ["sessions and a schema of data", { sessions: createSessions(), data: z.object({}) }],
    ["a tool that is named as one of the routes'", { routes: [booking], tools: { collect_data: tool } }],
    ["another such tool", { routes: [booking], tools: { enter_route: tool } }],
    ["two routes of one id", { routes: [booking, booking] }],
    ["no steps", { maxSteps: 0 }],
    ["half a step", { maxSteps: 1.5 }],
    ["a timeout that is negative", { toolTimeoutMs: -1 }],
    ["a timeout that is no number", { toolTimeoutMs: Number.NaN }],
    ["a tool with a timeout of nothing", { tools: { it: { ...tool, timeoutMs: 0 } } }],
    ["a tool whose approval is over at once", { tools: { it: { ...tool, approvalExpiresInMs: -5 } } }],
    ["a size that is no number", { maxToolResultBytes: Number.NaN }],
    ["a lease of nothing", { leaseMs: 0 }],
    ["a wait that is negative", { turnWaitMs: -1 }],
    ["an owner without a name", { owner: "" }],
    ["a history of less than nothing", { history: { lastMessages: -1 } }],
    [
      "a compaction that keeps less than nothing",
      { history: { compaction: { afterMessages: 2, keepLast: -1 } } },
    ],
  ];

  test.each(OPTIONS)("%s", (_, options) => {
    const given = { name: "test", model: scriptedModel(), ...options };
    const error = thrownBy(() => Reflect.apply(createAgent, undefined, [given]));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test.each([{ turnWaitMs: Number.NaN }, { turnWaitMs: -1 }])("of a run: %j", async (options) => {
    const { agent, store } = given(["hi"]);
    await refusalOf(agent.run("hello", { sessionId: "s", ...options }), "INVALID_ARGUMENT");
    expect(store.size).toBe(0);
  });

  test("a tool may be named as one of the routes' where there are none", async () => {
    const { agent } = given([[{ call: "collect_data", id: "c1" }], "done"], {
      tools: { collect_data: tool },
    });
    expect((await agent.run("hello", { sessionId: "s" })).text).toBe("done");
  });

  test("a long timeout is no short one", async () => {
    const { agent } = given([[{ call: "it", id: "c1" }], "done"], {
      toolTimeoutMs: 2 ** 31 + 1,
      tools: { it: { inputSchema, execute: () => sleep(20, "well") } },
    });
    const { steps } = await agent.run("hello", { sessionId: "s" });
    expect(steps[0]?.toolResults).toMatchObject([{ output: { value: "well" } }]);
  });
});

test("a session of foreign messages is refused, saying so, and nothing of it is sent", async () => {
  const { agent, model, log } = given(["hi"]);
  const session = await agent.sessions.create({ id: "s" });
  await session.append(Object({ from: "alice", text: "hi" }));
  const error = await refusalOf(agent.run("hello", { sessionId: "s" }), "INVALID_ARGUMENT");
  expect(error.message).toContain('"s"');
  expect(model.calls).toEqual([]);
  expect((await log()).at(-1)).toEqual(["turn.ended", "failed INVALID_ARGUMENT"]);
});

test("a run once the agent is closed is refused", async () => {
  const { agent } = given(["hi"]);
  await agent.run("hello", { sessionId: "s" });
  await agent.close();
  await refusalOf(agent.run("again", { sessionId: "s" }), "SESSION_CLOSED");
});

function iterable(value: unknown): AsyncIterable<unknown> {
  return Object(value);
}

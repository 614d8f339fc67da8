/**
 * Agents over OpenAI's protocol, on loopback HTTP: each history that an agent sends, after whatever went wrong before,
 * is one that the server accepts, and the log says what happened.
 */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError } from "@ai-sdk/provider";
import { jsonSchema, RetryError, tool } from "ai";
import { describe, expect, test } from "vitest";
import type { AgentOptions, AgentTools } from "../../src/agent/index.ts";
import { createAgent } from "../../src/agent/index.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { leaveTurnOpen } from "./feature-support.ts";
import type { OpenAiServer, OpenAiServerOptions } from "./openai-server.ts";
import { startOpenAiServer } from "./openai-server.ts";
import { entriesOf, failureOf } from "./support.ts";

const S = { sessionId: "s" };
const USE_ADD = 'use add {"a":2,"b":3}';
const HELLO = "hello there my friend";
const ANSWER = `You said "${HELLO}". There were 1 messages.`;

type ReplyOption = NonNullable<OpenAiServerOptions["reply"]>;
const serve = (reply?: ReplyOption) => startOpenAiServer(reply ? { reply } : {});

/** A tool that adds, and the inputs that it was run with. */
function adding(policy: { needsApproval?: boolean } = {}) {
  const ran: { a: number; b: number }[] = [];
  const add = tool({
    inputSchema: jsonSchema<{ a: number; b: number }>({
      type: "object",
      properties: { a: { type: "number" }, b: { type: "number" } },
      required: ["a", "b"],
    }),
    execute: (input: { a: number; b: number }) => {
      ran.push(input);
      return input.a + input.b;
    },
    ...policy,
  });
  const tools: AgentTools = { add };
  return { ran, add, tools };
}

function agentOn(server: OpenAiServer, options: Partial<AgentOptions> = {}) {
  const provider = createOpenAICompatible({
    name: "loopback",
    baseURL: server.baseUrl,
    apiKey: "key",
    includeUsage: true,
  });
  return createAgent({
    name: "a",
    model: provider.chatModel("test-model"),
    store: memoryStore(),
    ...options,
  });
}

type Setting = ReturnType<typeof agentOn>;

async function logOf(agent: Setting): Promise<string[]> {
  const entries = await entriesOf(await agent.sessions.open("s"));
  return entries.map(([type, summary]) => (type === "message" ? summary : `${type} ${summary}`.trim()));
}

/** The messages of the newest request, which the server accepted, in words. */
function sentTo(server: OpenAiServer): string[] {
  const { chat, body } = server.requests.at(-1) ?? {};
  expect(chat, `refused: ${JSON.stringify(body)}`).toBeDefined();
  return (chat?.messages ?? []).map(({ role, content, tool_calls, tool_call_id }) =>
    [role, tool_call_id === undefined ? undefined : `(${tool_call_id})`, content || undefined]
      .concat(
        (tool_calls ?? []).map((call) => `→ ${call.id} ${call.function.name} ${call.function.arguments}`),
      )
      .filter((word) => word !== undefined)
      .join(" "),
  );
}

const SECOND = [`user ${HELLO}`, `assistant ${ANSWER}`, "user And now?"];

test("a turn that calls a tool: what is sent, what is stored, what it cost", async () => {
  await using server = await serve();
  const { tools, ran } = adding();
  const agent = agentOn(server, { tools, instructions: "Be brief." });
  const result = await agent.run(USE_ADD, S);
  expect(result).toMatchObject({ text: "The tool said: 5", finishReason: "stop" });
  expect(ran).toEqual([{ a: 2, b: 3 }]);
  const id = result.steps[0]?.toolCalls[0]?.toolCallId ?? "";
  expect(sentTo(server)).toEqual([
    "system Be brief.",
    `user ${USE_ADD}`,
    `assistant → ${id} add {"a":2,"b":3}`,
    `tool (${id}) 5`,
  ]);
  expect(await logOf(agent)).toEqual([
    "session.created a",
    "turn.started",
    `user: ${USE_ADD}`,
    expect.stringMatching(/^label\.set/),
    `assistant: add#${id}{"a":2,"b":3}`,
    expect.stringMatching(/^usage\.added/),
    `tool: #${id}=5`,
    "assistant: The tool said: 5",
    expect.stringMatching(/^usage\.added/),
    "turn.ended completed",
  ]);
  const session = await agent.sessions.open("s");
  expect(session.usage).toEqual(result.usage);
  expect(result.usage.totalTokens).toBeGreaterThan(10);
  expect(server.requests.every(({ chat }) => chat?.stream === true)).toBe(true);
});

test("several calls of one answer, and one of a tool that there is not", async () => {
  const calls = [
    { id: "c1", name: "add", arguments: { a: 1, b: 1 } },
    { id: "c2", name: "nope", arguments: { a: 1 } },
    { id: "c3", name: "add", arguments: { a: 2, b: 2 } },
    { id: "c4", name: "add", arguments: '{"a":' },
  ];
  await using server = await serve(({ messages }) =>
    messages.length === 1 ? { text: "Let me see.", toolCalls: calls } : undefined,
  );
  const { tools, ran } = adding();
  const agent = agentOn(server, { tools });
  const { text } = await agent.run("x", S);
  expect(ran).toHaveLength(2);
  expect(text).toContain("2");
  expect(text).toContain("unavailable tool 'nope'");
  expect(text).toContain("JSON parsing failed");
  await agent.run("And now?", S);
  expect(sentTo(server).filter((line) => line.startsWith("tool ("))).toHaveLength(4);
});

describe("histories that were cut short", () => {
  const call = (toolCallId: string, toolName: string) => ({
    type: "tool-call",
    toolCallId,
    toolName,
    input: { a: 2, b: 3 },
  });
  const interrupted = /^tool \(c2\) .*interrupted/;

  /** A session whose process died when one of two calls had a result. */
  async function died(server: OpenAiServer, policy = {}) {
    const store = memoryStore();
    const { add: adder, ran } = adding();
    const agent = agentOn(server, { store, tools: { add: adder, slow: { ...adder, ...policy } } });
    await agent.sessions.create({ id: "s" });
    await leaveTurnOpen(store, "s", [
      { role: "user", content: "Add twice." },
      { role: "assistant", content: [call("c1", "add"), call("c2", "slow")] },
      {
        role: "tool",
        content: [
          { type: "tool-result", toolCallId: "c1", toolName: "add", output: { type: "json", value: 5 } },
        ],
      },
    ]);
    return { agent, ran };
  }

  test.each(["resume", "run"] as const)("tools that a crash interrupted: %s", async (how) => {
    await using server = await serve();
    const { agent, ran } = await died(server);
    if (how === "resume") await agent.resume("s");
    else await agent.run("And now?", S);
    expect(ran).toEqual([]);
    const [asked, calls, ...rest] = sentTo(server);
    expect([asked, calls]).toEqual([
      "user Add twice.",
      'assistant → c1 add {"a":2,"b":3} → c2 slow {"a":2,"b":3}',
    ]);
    // The results of one message may come in any order.
    expect(rest.slice(0, 2).sort()).toEqual(["tool (c1) 5", expect.stringMatching(interrupted)]);
    expect(rest.slice(2)).toEqual(how === "run" ? ["user And now?"] : []);
    await agent.run("Still there?", S);
    expect(sentTo(server).at(-1)).toBe("user Still there?");
  });

  test("a tool that may run again is run again", async () => {
    await using server = await serve();
    const { agent, ran } = await died(server, { idempotent: true });
    const { text } = await agent.resume("s");
    expect(ran).toEqual([{ a: 2, b: 3 }]);
    expect(text).toBe("The tool said: 5 | 5");
    expect(sentTo(server).slice(-2)).toEqual(["tool (c1) 5", "tool (c2) 5"]);
  });

  test.each([
    [true, "5"],
    [false, "not today"],
  ])("an approval that is answered with %s", async (approved, said) => {
    await using server = await serve();
    const { tools, ran } = adding({ needsApproval: true });
    const agent = agentOn(server, { tools });
    const parked = await agent.run(USE_ADD, S);
    expect(parked.finishReason).toBe("approval");
    expect(server.requests).toHaveLength(1);
    const toolCallId = parked.approvals[0]?.toolCallId ?? "";
    const { text } = await agent.approve("s", { toolCallId, approved, ...(!approved && { reason: said }) });
    expect(text).toContain(said);
    expect(ran).toHaveLength(approved ? 1 : 0);
    expect(sentTo(server)).toEqual([
      `user ${USE_ADD}`,
      `assistant → ${toolCallId} add {"a":2,"b":3}`,
      expect.stringContaining(said),
    ]);
    await agent.run("And now?", S);
    expect(sentTo(server)).toHaveLength(5);
  });

  test("an approval that nobody gave before the next prompt", async () => {
    await using server = await serve();
    const { tools, ran } = adding({ needsApproval: true });
    const agent = agentOn(server, { tools });
    await agent.run(USE_ADD, S);
    await agent.run("And now?", S);
    expect(ran).toEqual([]);
    const sent = sentTo(server);
    expect(sent.map((line) => line.split(" ", 1)[0])).toEqual(["user", "assistant", "tool", "user"]);
  });

  test("an answer of which only a part came", async () => {
    await using server = await serve(({ messages }) =>
      messages.length === 1 ? { dropAfterChunks: 3 } : undefined,
    );
    const agent = agentOn(server);
    await failureOf(agent.run(HELLO, S));
    await agent.run("And now?", S);
    expect(sentTo(server)).toEqual([`user ${HELLO}`, "assistant You said ", "user And now?"]);
  });

  test("nothing came at all", async () => {
    await using server = await serve(({ messages }) => (messages.length === 1 ? { status: 400 } : undefined));
    const agent = agentOn(server);
    await failureOf(agent.run(HELLO, S));
    await agent.run("And now?", S);
    expect(sentTo(server)).toEqual([`user ${HELLO}`, "user And now?"]);
  });

  test.each([1, 2, 3])("a summary stands for all but the newest %i messages", async (keepLast) => {
    await using server = await serve();
    const { tools } = adding();
    const agent = agentOn(server, {
      tools,
      history: { compaction: { afterMessages: 3, keepLast, summarize: async () => "they added" } },
    });
    await agent.run(USE_ADD, S);
    expect((await logOf(agent)).at(-1)).toMatch(/^history\.compacted/);
    await agent.run("And now?", S);
    const sent = sentTo(server);
    expect(sent[0]).toBe("user Summary of the conversation so far: they added");
    expect(sent.at(-1)).toBe("user And now?");
  });
});

describe("errors before the answer", () => {
  test.each([429, 500])("%i is tried again after the time that the server gives", async (status) => {
    await using server = await serve((_, attempt) =>
      attempt === 1 ? { status, retryAfterSeconds: 0.02 } : undefined,
    );
    const agent = agentOn(server);
    const startedMs = performance.now();
    expect((await agent.run(HELLO, S)).text).toBe(ANSWER);
    // Without the header the AI SDK waits 2,000 ms.
    expect(performance.now() - startedMs).toBeLessThan(1500);
    expect(server.requests).toHaveLength(2);
    expect((await logOf(agent)).filter((line) => /^(user|assistant|turn)/.test(line))).toEqual([
      "turn.started",
      `user: ${HELLO}`,
      `assistant: ${ANSWER}`,
      "turn.ended completed",
    ]);
  });

  test("500 until it is given up: the turn failed, the next run works", async () => {
    let isDown = true;
    await using server = await serve(() =>
      isDown ? { status: 500, message: "Down.", retryAfterSeconds: 0 } : undefined,
    );
    const agent = agentOn(server);
    const error = await failureOf(agent.run(HELLO, S));
    expect(RetryError.isInstance(error)).toBe(true);
    expect(server.requests).toHaveLength(3);
    expect((await logOf(agent)).slice(1)).toEqual([
      "turn.started",
      `user: ${HELLO}`,
      expect.stringMatching(/^label\.set/),
      "turn.ended failed AI_RetryError",
    ]);
    isDown = false;
    expect((await agent.run("And now?", S)).finishReason).toBe("stop");
    expect((await agent.sessions.open("s")).record.turn).toBeUndefined();
  });

  test("an error in the second step: the tool's result is kept, and the turn can be asked for again", async () => {
    await using server = await serve(({ messages }) =>
      messages.length === 3 ? { status: 400, message: "No." } : undefined,
    );
    const { tools, ran } = adding();
    const agent = agentOn(server, { tools });
    const error = await failureOf(agent.run(USE_ADD, S));
    expect(error).toMatchObject({ name: "AI_APICallError", statusCode: 400 });
    expect((await logOf(agent)).slice(-2)).toEqual([
      expect.stringMatching(/^tool: #\S+=5$/),
      "turn.ended failed AI_APICallError",
    ]);
    await agent.run("And now?", S);
    expect(ran).toHaveLength(1);
    expect(sentTo(server)).toHaveLength(4);
  });
});

describe("errors in the middle of the answer", () => {
  const first =
    (fault: object): ReplyOption =>
    ({ messages }) =>
      messages.length === 1 ? { ...fault, text: ANSWER } : undefined;

  test.each([
    ["a drop", { dropAfterChunks: 3 }, "AI_APICallError"],
    ["a malformed chunk", { malformedAfterChunks: 3 }, "AI_JSONParseError"],
    ["an error in the stream", { errorAfterChunks: 3 }, undefined],
    ["an end without a finish reason", { endWithoutDone: 3 }, undefined],
  ])("%s: the text that had come is kept, marked as a part", async (_, fault, name) => {
    await using server = await serve(first(fault));
    const agent = agentOn(server);
    const texts: string[] = [];
    const error = await failureOf(
      agent.run(HELLO, { ...S, onEvent: (event) => event.type === "text" && texts.push(event.text) }),
    );
    if (name !== undefined) expect(error).toMatchObject({ name });
    expect(texts.join("")).toBe("You said ");
    expect((await logOf(agent)).slice(-2)).toEqual([
      "assistant: (partial) You said ",
      expect.stringMatching(/^turn\.ended failed/),
    ]);
    // Nobody is told half an answer twice.
    expect(server.requests).toHaveLength(1);
    await agent.run("And now?", S);
    expect(sentTo(server)).toEqual([`user ${HELLO}`, "assistant You said ", "user And now?"]);
  });

  const torn = { toolCalls: [{ name: "add", arguments: '{"a":1,         "b":2}' }] };
  test.each([
    ["a drop", { dropAfterChunks: 3 }],
    // Of the pieces `{"a":1, `, 8 spaces and `"b":2}` the second is lost, and what is left is valid.
    ["a malformed chunk", { malformedAfterChunks: 3 }],
    ["an error in the stream", { errorAfterChunks: 4 }],
    ["an end without a finish reason", { endWithoutDone: 4 }],
  ])(
    "%s in a tool call: nothing is run with torn arguments, and nothing of it is stored",
    async (_, fault) => {
      await using server = await serve(({ messages }) =>
        messages.length === 1 ? { ...torn, ...fault } : undefined,
      );
      const { tools, ran } = adding();
      const agent = agentOn(server, { tools });
      await failureOf(agent.run("x", S));
      expect(ran).toEqual([]);
      expect((await logOf(agent)).slice(1)).toEqual([
        "turn.started",
        "user: x",
        "label.set x",
        expect.stringMatching(/^turn\.ended failed/),
      ]);
      await agent.run("And now?", S);
      expect(sentTo(server)).toEqual(["user x", "user And now?"]);
    },
  );

  test("a call that came whole before the break is not run either", async () => {
    const calls = [
      { id: "c1", name: "add", arguments: { a: 1, b: 1 } },
      { id: "c2", name: "add", arguments: '{"a":2,         "b":2}' },
    ];
    await using server = await serve(({ messages }) =>
      messages.length === 1 ? { toolCalls: calls, dropAfterChunks: 6 } : undefined,
    );
    const { tools, ran } = adding();
    const agent = agentOn(server, { tools });
    expect(APICallError.isInstance(await failureOf(agent.run("x", S)))).toBe(true);
    expect(ran).toEqual([]);
    await agent.run("And now?", S);
    expect(sentTo(server)).toEqual(["user x", "user And now?"]);
  });
});

describe("abort", () => {
  test("in the middle of an answer: the connection is closed, the part is kept", async () => {
    await using server = await serve(({ messages }) =>
      messages.length === 1 ? { text: "one two three four five", chunkDelayMs: 40 } : undefined,
    );
    const agent = agentOn(server);
    const controller = new AbortController();
    const reason = new Error("Enough.");
    let text = "";
    const error = await failureOf(
      agent.run(HELLO, {
        ...S,
        signal: controller.signal,
        onEvent(event) {
          if (event.type === "text") text += event.text;
          if (text === "one two ") controller.abort(reason);
        },
      }),
    );
    expect(error).toBe(reason);
    expect(await server.requests[0]?.outcome).toBe("aborted");
    expect((await logOf(agent)).slice(-2)).toEqual([
      "assistant: (partial) one two ",
      "turn.ended aborted Error",
    ]);
    await agent.run("And now?", S);
    expect(sentTo(server)).toEqual([`user ${HELLO}`, "assistant one two ", "user And now?"]);
  });

  test("while the server is silent, and by leaving the loop over the events", async () => {
    await using server = await serve(({ messages }) =>
      messages.length === 1 ? { hangMs: 20_000 } : { text: "one two three", chunkDelayMs: 30 },
    );
    const agent = agentOn(server);
    const error = await failureOf(agent.run(HELLO, { ...S, signal: AbortSignal.timeout(80) }));
    expect(error).toMatchObject({ name: "TimeoutError" });
    expect(await server.requests[0]?.outcome).toBe("aborted");
    for await (const event of agent.stream("And now?", S)) if (event.type === "text") break;
    expect(await server.requests[1]?.outcome).toBe("aborted");
    expect((await logOf(agent)).slice(-2)).toEqual([
      "assistant: (partial) one ",
      "turn.ended aborted AbortError",
    ]);
  });
});

test("what is said is sent whole in the next turn", async () => {
  await using server = await serve();
  const agent = agentOn(server);
  await agent.run(HELLO, S);
  await agent.run("And now?", S);
  expect(sentTo(server)).toEqual(SECOND);
});

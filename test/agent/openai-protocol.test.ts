/**
 * The AI SDK over loopback HTTP, against OpenAI's chat-completions protocol: answers, and each fault.
 */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError } from "@ai-sdk/provider";
import type { LanguageModel } from "ai";
import {
  generateText,
  isStepCount,
  jsonSchema,
  MissingToolResultsError,
  RetryError,
  streamText,
  tool,
  wrapLanguageModel,
} from "ai";
import { describe, expect, test } from "vitest";
import type { OpenAiServer, OpenAiServerOptions } from "./openai-server.ts";
import { startOpenAiServer } from "./openai-server.ts";

const PROMPT = "hello there my friend";
const ANSWER = `You said "${PROMPT}". There were 1 messages.`;
const USE_ADD = 'use add {"a":2,"b":3}';

function modelOf(server: OpenAiServer, apiKey = "key") {
  const { baseUrl: baseURL } = server;
  return createOpenAICompatible({ name: "loopback", baseURL, apiKey, includeUsage: true }).chatModel(
    "test-model",
  );
}

/** The tool, and the inputs that it was run with. */
function addTool() {
  const ran: { a: number; b: number }[] = [];
  const add = tool({
    inputSchema: jsonSchema<{ a: number; b: number }>({
      type: "object",
      properties: { a: { type: "number" }, b: { type: "number" } },
      required: ["a", "b"],
    }),
    execute: (input) => {
      ran.push(input);
      return input.a + input.b;
    },
  });
  return { ran, add };
}

interface Streamed {
  /** The types of the parts, in order, equal neighbours once. */
  readonly types: string[];
  /** All text deltas together. */
  readonly text: string;
  /** What the `error` parts hold. */
  readonly errors: unknown[];
  /** What reading the stream threw. */
  readonly thrown: unknown;
}

async function read(
  { stream }: Pick<ReturnType<typeof streamText>, "stream">,
  onText?: (text: string) => void,
): Promise<Streamed> {
  const types: string[] = [];
  const errors: unknown[] = [];
  let text = "";
  let thrown: unknown;
  try {
    for await (const part of stream) {
      if (types.at(-1) !== part.type) types.push(part.type);
      if (part.type === "error") errors.push(part.error);
      if (part.type !== "text-delta") continue;
      text += part.text;
      onText?.(text);
    }
  } catch (error) {
    thrown = error;
  }
  return { types, text, errors, thrown };
}

interface Run {
  readonly prompt?: string;
  readonly abortSignal?: AbortSignal;
  readonly onText?: (text: string) => void;
}

async function run(model: LanguageModel, { prompt = PROMPT, abortSignal, onText }: Run = {}) {
  const { ran, add } = addTool();
  const result = streamText({
    model,
    prompt,
    tools: { add },
    stopWhen: isStepCount(4),
    ...(abortSignal && { abortSignal }),
    // The default prints the error; the parts say it here.
    onError: () => undefined,
  });
  return { result, ran, ...(await read(result, onText)) };
}

type ReplyOption = NonNullable<OpenAiServerOptions["reply"]>;
const serve = (reply?: ReplyOption) => startOpenAiServer(reply ? { reply } : {});

const TEXT_PARTS = ["text-start", "text-delta", "text-end"];
const TOOL_PARTS = ["tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result"];

describe("answers", () => {
  test("streamed text", async () => {
    await using server = await serve();
    const { result, types, text } = await run(modelOf(server));
    expect(types).toEqual(["start", "start-step", ...TEXT_PARTS, "finish-step", "finish"]);
    expect(text).toBe(ANSWER);
    expect(await result.text).toBe(ANSWER);
    expect(await result.finishReason).toBe("stop");
    expect((await result.usage).totalTokens).toBeGreaterThan(10);
    expect(server.requests[0]?.body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    expect(await server.requests[0]?.outcome).toBe("answered");
  });

  test("reasoning and usage come as they were given", async () => {
    const usage = {
      prompt_tokens: 11,
      completion_tokens: 5,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 2 },
    };
    await using server = await serve(() => ({ reasoning: "let me think", text: "done", usage }));
    const { result, text } = await run(modelOf(server));
    expect(text).toBe("done");
    expect(await result.reasoningText).toBe("let me think");
    expect(await result.usage).toMatchObject({
      inputTokens: 11,
      outputTokens: 5,
      totalTokens: 16,
      inputTokenDetails: { cacheReadTokens: 4 },
      outputTokenDetails: { reasoningTokens: 2 },
    });
  });

  test("a tool call goes out and its result comes back", async () => {
    await using server = await serve();
    const { result, types, text, ran } = await run(modelOf(server), { prompt: USE_ADD });
    const steps = ["start-step", ...TOOL_PARTS, "finish-step", "start-step", ...TEXT_PARTS, "finish-step"];
    expect(types).toEqual(["start", ...steps, "finish"]);
    expect(ran).toEqual([{ a: 2, b: 3 }]);
    expect(text).toBe("The tool said: 5");
    const [call] = (await result.steps)[0]?.toolCalls ?? [];
    expect(server.requests[1]?.chat?.messages).toEqual([
      { role: "user", content: USE_ADD },
      {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: call?.toolCallId, type: "function", function: { name: "add", arguments: '{"a":2,"b":3}' } },
        ],
      },
      { role: "tool", tool_call_id: call?.toolCallId, content: "5" },
    ]);
  });

  test("several tool calls of one answer are all run", async () => {
    const calls = [1, 2, 3].map((a) => ({ name: "add", arguments: { a, b: 10 } }));
    await using server = await serve(({ messages }) =>
      messages.length === 1 ? { text: "Let me see.", toolCalls: calls } : undefined,
    );
    const { ran, text } = await run(modelOf(server));
    expect(ran).toEqual(calls.map((call) => call.arguments));
    expect(text).toBe("Let me see.The tool said: 11 | 12 | 13");
  });

  test("without streaming", async () => {
    await using server = await serve();
    const { ran, add } = addTool();
    const model = modelOf(server);
    const result = await generateText({ model, prompt: USE_ADD, tools: { add }, stopWhen: isStepCount(4) });
    expect(result.text).toBe("The tool said: 5");
    expect(ran).toEqual([{ a: 2, b: 3 }]);
    expect(result.steps.map(({ finishReason }) => finishReason)).toEqual(["tool-calls", "stop"]);
    expect(result.usage.totalTokens).toBeGreaterThan(10);
    expect(server.requests[0]?.chat?.stream).toBeUndefined();
  });

  test("a tool that there is not, and arguments that are not JSON, are told to the model", async () => {
    await using server = await serve();
    const unknown = await run(modelOf(server), { prompt: 'use nope {"a":1}' });
    expect(unknown.text).toContain("Model tried to call unavailable tool 'nope'");
    const broken = await run(modelOf(server), { prompt: 'use add {"a":' });
    expect(broken.text).toContain("JSON parsing failed");
    expect([...unknown.ran, ...broken.ran]).toEqual([]);
  });
});

describe("faults before the answer", () => {
  test.each([
    { status: 429, retryAfterSeconds: 0.02 },
    { status: 500, retryAfterSeconds: 0.02 },
  ])("$status is tried again, after the time that the server gives", async (fault) => {
    await using server = await serve((_, attempt) => (attempt === 1 ? fault : undefined));
    const startedMs = performance.now();
    const { text, errors } = await run(modelOf(server));
    expect(text).toBe(ANSWER);
    expect(errors).toEqual([]);
    expect(server.requests).toHaveLength(2);
    // Without the header the client waits 2,000 ms.
    expect(performance.now() - startedMs).toBeLessThan(1500);
  });

  test("an error that stays is given up after three attempts", async () => {
    await using server = await serve(() => ({ status: 500, message: "No.", retryAfterSeconds: 0 }));
    const { result, types, errors } = await run(modelOf(server));
    expect(types).toEqual(["start", "error"]);
    expect(errors).toEqual([expect.any(RetryError)]);
    expect(server.requests).toHaveLength(3);
    await expect(result.text).rejects.toThrow("No output generated");
    await expect(result.responseMessages).rejects.toThrow("No.");
  });

  test("a key that is wrong is refused, and not tried again", async () => {
    await using server = await startOpenAiServer({ apiKey: "right" });
    const { types, errors } = await run(modelOf(server, "wrong"));
    expect(types).toEqual(["start", "error"]);
    expect(errors).toEqual([expect.objectContaining({ statusCode: 401, isRetryable: false })]);
    expect(server.requests).toHaveLength(1);
    expect((await run(modelOf(server, "right"))).text).toBe(ANSWER);
  });

  test("a connection that is dropped unanswered is tried again", async () => {
    await using server = await serve((_, attempt) =>
      attempt === 1 ? { dropBeforeResponse: true } : undefined,
    );
    const { text } = await run(modelOf(server));
    expect(text).toBe(ANSWER);
    expect(await server.requests[0]?.outcome).toBe("dropped");
  });

  test("an error in the second step leaves promises that look like success", async () => {
    await using server = await serve(({ messages }) => (messages.length > 1 ? { status: 400 } : undefined));
    const { result, types, errors } = await run(modelOf(server), { prompt: USE_ADD });
    expect(types.slice(-3)).toEqual(["tool-result", "finish-step", "error"]);
    expect(errors).toHaveLength(1);
    // Only the `error` part tells; there is no `finish`.
    expect([await result.text, await result.finishReason]).toEqual(["", "other"]);
    expect(await result.steps).toHaveLength(1);
  });
});

describe("faults in the middle of the answer", () => {
  test("a drop throws out of the stream, after the text that came", async () => {
    await using server = await serve(() => ({ dropAfterChunks: 3 }));
    const { result, types, text, thrown } = await run(modelOf(server));
    expect(types).toEqual(["start", "start-step", "text-start", "text-delta"]);
    expect(text).toBe("You said ");
    expect(APICallError.isInstance(thrown)).toBe(true);
    await expect(result.text).rejects.toBe(thrown);
    await expect(result.steps).rejects.toBe(thrown);
    // It is not tried again: the caller has seen text.
    expect(server.requests).toHaveLength(1);
  });

  test("a drop in a tool call runs nothing", async () => {
    await using server = await serve(() => ({ dropAfterChunks: 3 }));
    const { types, thrown, ran } = await run(modelOf(server), { prompt: USE_ADD });
    expect(types.at(-1)).toBe("tool-input-delta");
    expect(APICallError.isInstance(thrown)).toBe(true);
    expect(ran).toEqual([]);
  });

  test("a drop of an answer that is not streamed is an error", async () => {
    await using server = await serve(() => ({ dropAfterChunks: 1 }));
    const answer = generateText({ model: modelOf(server), prompt: PROMPT, maxRetries: 0 });
    await expect(answer).rejects.toSatisfy(APICallError.isInstance);
  });

  test("a malformed chunk is an error part, and then the answer goes on without it", async () => {
    await using server = await serve(() => ({ malformedAfterChunks: 3 }));
    const { result, types, text, errors } = await run(modelOf(server));
    expect(errors).toEqual([expect.objectContaining({ name: "AI_JSONParseError" })]);
    const torn = ["text-start", "text-delta", "error", "text-delta", "text-end"];
    expect(types).toEqual(["start", "start-step", ...torn, "finish-step", "finish"]);
    // A word is missing, yet the reason is `stop`: whoever does not look at `error` parts stores a wrong answer.
    expect(text).toBe(ANSWER.replace('"hello ', ""));
    expect(await result.finishReason).toBe("stop");
  });

  test("a malformed chunk in a tool call: the tool runs with what is left, unless errors end the stream", async () => {
    const call = { toolCalls: [{ name: "add", arguments: '{"a":1,         "b":2}' }] };
    await using server = await serve(({ messages }) =>
      // Of the pieces `{"a":1, `, 8 spaces and `"b":2}` the second is lost, and what is left is valid.
      messages.length === 1 ? { ...call, malformedAfterChunks: 3 } : undefined,
    );
    const plain = await run(modelOf(server));
    expect(plain.errors).toHaveLength(1);
    expect(plain.ran).toEqual([{ a: 1, b: 2 }]);

    const model = wrapLanguageModel({
      model: modelOf(server),
      middleware: {
        specificationVersion: "v4",
        wrapStream: async ({ doStream }) => {
          const { stream, ...rest } = await doStream();
          const endAtError = new TransformStream({
            transform(part, controller) {
              if (part.type === "error") controller.error(part.error);
              else controller.enqueue(part);
            },
          });
          return { ...rest, stream: stream.pipeThrough(endAtError) };
        },
      },
    });
    const strict = await run(model);
    expect(strict.thrown).toMatchObject({ name: "AI_JSONParseError" });
    expect(strict.ran).toEqual([]);
  });

  test("an error in the stream ends the answer with the reason `error`", async () => {
    await using server = await serve(() => ({ errorAfterChunks: 3 }));
    const { result, types, text, errors } = await run(modelOf(server));
    expect(types.slice(3)).toEqual(["text-delta", "error", "text-end", "finish-step", "finish"]);
    expect(errors).toEqual([
      expect.objectContaining({ message: "The server had an error while answering." }),
    ]);
    expect([await result.text, text]).toEqual(["You said ", "You said "]);
    expect(await result.finishReason).toBe("error");
  });

  test("an end without a finish reason is an error", async () => {
    await using server = await serve(() => ({ endWithoutDone: 3 }));
    const { result, types, text, errors } = await run(modelOf(server));
    expect(types.slice(3)).toEqual(["text-delta", "text-end", "error", "finish-step", "finish"]);
    expect(errors).toEqual([
      expect.objectContaining({ message: "Response stream ended without a finish reason." }),
    ]);
    expect([await result.text, text]).toEqual(["You said ", "You said "]);
    expect(await result.finishReason).toBe("error");
  });
});

describe("abort", () => {
  test("in the middle of an answer it closes the connection", async () => {
    await using server = await serve(() => ({ text: "one two three four five", chunkDelayMs: 40 }));
    const controller = new AbortController();
    const reason = new Error("Enough.");
    const { result, types, text, thrown } = await run(modelOf(server), {
      abortSignal: controller.signal,
      onText: (soFar) => soFar === "one two " && controller.abort(reason),
    });
    expect(types).toEqual(["start", "start-step", "text-start", "text-delta", "abort"]);
    expect(text).toBe("one two ");
    expect(thrown).toBeUndefined();
    await expect(result.text).rejects.toBe(reason);
    await expect(result.steps).rejects.toBe(reason);
    expect(await server.requests[0]?.outcome).toBe("aborted");
  });

  test("while the server is silent", async () => {
    await using server = await serve(() => ({ hangMs: 20_000 }));
    const { types } = await run(modelOf(server), { abortSignal: AbortSignal.timeout(80) });
    expect(types).toEqual(["start", "abort"]);
    expect(await server.requests[0]?.outcome).toBe("aborted");
  });

  test("before the start nothing is sent", async () => {
    await using server = await serve();
    const { types } = await run(modelOf(server), { abortSignal: AbortSignal.abort() });
    expect(types).toEqual(["start", "abort"]);
    expect(server.requests).toEqual([]);
  });
});

test("a dangling tool call is refused by the SDK before it is sent, and by the API if it were", async () => {
  await using server = await serve();
  const model = modelOf(server);
  const result = streamText({
    model,
    messages: [
      { role: "user", content: "x" },
      { role: "assistant", content: [{ type: "tool-call", toolCallId: "1", toolName: "add", input: {} }] },
      { role: "user", content: "y" },
    ],
    onError: () => undefined,
  });
  const { types, errors } = await read(result);
  expect(types).toEqual(["start", "error"]);
  expect(errors).toEqual([expect.toSatisfy(MissingToolResultsError.isInstance)]);
  expect(server.requests).toEqual([]);

  const dangling = model.doStream({
    prompt: [
      { role: "user", content: [{ type: "text", text: "x" }] },
      { role: "assistant", content: [{ type: "tool-call", toolCallId: "1", toolName: "add", input: {} }] },
    ],
  });
  await expect(dangling).rejects.toMatchObject({
    statusCode: 400,
    isRetryable: false,
    message: expect.stringContaining("did not have response messages: 1"),
  });
});

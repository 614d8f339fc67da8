/**
 * The test server itself, on the wire: what it sends, and what it refuses.
 */
import { describe, expect, test } from "vitest";
import type { OpenAiServer } from "./openai-server.ts";
import { startOpenAiServer } from "./openai-server.ts";

const ask = (server: OpenAiServer, body: object) =>
  fetch(`${server.baseUrl}/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "m", ...body }),
  });

test("text is streamed in the wire's chunks, with the usage last", async () => {
  await using server = await startOpenAiServer({
    reply: () => ({ reasoning: "hm", text: "one two", usage: { prompt_tokens: 7, completion_tokens: 3 } }),
  });
  const messages = [{ role: "user", content: "x" }];
  const response = await ask(server, { messages, stream: true, stream_options: { include_usage: true } });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const events = (await response.text()).split("\n\n");
  expect(events.splice(-2)).toEqual(["data: [DONE]", ""]);
  const head = { id: "chatcmpl-test", object: "chat.completion.chunk", created: 1_700_000_000, model: "m" };
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    ...head,
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    usage: null,
  });
  const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
  expect(events.map((event): unknown => JSON.parse(event.replace(/^data: /, "")))).toEqual([
    chunk({ role: "assistant", content: "" }),
    chunk({ reasoning_content: "hm" }),
    chunk({ content: "one " }),
    chunk({ content: "two" }),
    chunk({}, "stop"),
    { ...head, choices: [], usage },
  ]);
});

test("a tool call is streamed with its id and name first, and its arguments in pieces", async () => {
  await using server = await startOpenAiServer();
  const response = await ask(server, {
    messages: [{ role: "user", content: 'use add {"a":2,"b":3}' }],
    stream: true,
  });
  const deltas = [...(await response.text()).matchAll(/"tool_calls":(\[.*?\])\}/g)];
  expect(deltas.map(([, calls = ""]): unknown => JSON.parse(calls))).toEqual([
    [
      {
        index: 0,
        id: expect.stringMatching(/^call_/),
        type: "function",
        function: { name: "add", arguments: "" },
      },
    ],
    [{ index: 0, function: { arguments: '{"a":2,"' } }],
    [{ index: 0, function: { arguments: 'b":3}' } }],
  ]);
});

test("the models are listed, and another is not found", async () => {
  await using server = await startOpenAiServer({ models: ["a", "b"] });
  const list: unknown = await (await fetch(`${server.baseUrl}/models`)).json();
  expect(list).toMatchObject({ object: "list", data: [{ id: "a", object: "model" }, { id: "b" }] });
  const response = await ask(server, { messages: [{ role: "user", content: "x" }] });
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ error: { code: "model_not_found" } });
});

test("a reply that throws is told when the server is closed", async () => {
  const reply = () => {
    throw new Error("The test is wrong.");
  };
  const server = await startOpenAiServer({ reply });
  expect((await ask(server, { messages: [{ role: "user", content: "x" }] })).status).toBe(400);
  await expect(server.close()).rejects.toMatchObject({ errors: [new Error("The test is wrong.")] });
});

describe("requests that the API refuses", () => {
  const user = { role: "user", content: "x" };
  const called = (id: string, args: unknown = "{}") => ({
    role: "assistant",
    content: null,
    tool_calls: [{ id, type: "function", function: { name: "add", arguments: args } }],
  });
  const answered = (id: string) => ({ role: "tool", tool_call_id: id, content: "5" });

  test.each([
    ["messages that are no array", "x", "messages"],
    ["no messages", [], "messages"],
    ["an unknown role", [{ role: "robot", content: "x" }], "messages[0].role"],
    ["a user message with no content", [{ role: "user" }], "messages[0].content"],
    ["arguments that are no string", [user, called("1", {}), answered("1")], "function.arguments"],
    ["arguments that are no JSON", [user, called("1", '{"a"'), answered("1")], "function.arguments"],
    ["a tool message without an id", [user, called("1"), { role: "tool", content: "5" }], "tool_call_id"],
    ["a tool message that answers no call", [user, answered("1")], "messages[1].role"],
    ["a tool message for another call", [user, called("1"), answered("2")], "messages[2].role"],
    ["a second answer to one call", [user, called("1"), answered("1"), answered("1")], "messages[3].role"],
    ["a late answer", [user, called("1"), user, answered("1")], "messages"],
    ["a call with no answer, at the end", [user, called("1")], "messages"],
    ["a call with no answer, in between", [user, called("1"), called("2"), answered("2")], "messages"],
  ])("%s", async (_, messages, param) => {
    await using server = await startOpenAiServer();
    const response = await ask(server, { messages });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: {
        message: expect.any(String),
        type: "invalid_request_error",
        param: expect.stringContaining(param),
        code: expect.toSatisfy((code) => code === null || typeof code === "string"),
      },
    });
  });

  test("it takes each role, and calls that are all answered", async () => {
    await using server = await startOpenAiServer();
    const roles = ["system", "developer"].map((role) => ({ role, content: "x" }));
    const parts = { role: "user", content: [{ type: "text", text: "hello" }] };
    const history = [...roles, user, called("1"), answered("1"), { role: "assistant", content: "y" }, parts];
    const response = await ask(server, { messages: history });
    expect(response.status).toBe(200);
    const message = { role: "assistant", content: 'You said "hello". There were 7 messages.' };
    expect(await response.json()).toMatchObject({ choices: [{ message, finish_reason: "stop" }] });
  });
});

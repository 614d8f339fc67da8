import { expect, test } from "vitest";
import { repair } from "../../src/log/repair.ts";

const user = { role: "user", content: "hi" };
const openaiCall = (...ids: string[]) => ({
  role: "assistant",
  content: null,
  tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "look", arguments: "{}" } })),
});
const openaiResult = (id: string, content = "found") => ({ role: "tool", tool_call_id: id, content });
const anthropicCall = (id: string) => ({
  role: "assistant",
  content: [{ type: "tool_use", id, name: "look", input: {} }],
});
const anthropicResult = (id: string, ...more: object[]) => ({
  role: "user",
  content: [{ type: "tool_result", tool_use_id: id, content: "found" }, ...more],
});
const sdkCall = (id: string) => ({
  role: "assistant",
  content: [
    { type: "text", text: "let me look" },
    { type: "tool-call", toolCallId: id, toolName: "look", input: {} },
  ],
});
const sdkResult = (id: string, value = "found") => ({
  role: "tool",
  content: [{ type: "tool-result", toolCallId: id, toolName: "look", output: { type: "text", value } }],
});

test("a transcript in order is left just as it is", () => {
  for (const messages of [
    [user, openaiCall("a", "b"), openaiResult("b"), openaiResult("a"), user],
    [user, anthropicCall("a"), anthropicResult("a", { type: "text", text: "go on" }), user],
    [user, sdkCall("a"), sdkResult("a"), sdkCall("b"), sdkResult("b")],
  ]) {
    expect(repair(messages)).toEqual(messages);
  }
});

test("a call with no result gets one that says that it was interrupted, in its own shape", () => {
  expect(repair([user, openaiCall("a", "b"), openaiResult("a"), user])).toEqual([
    user,
    openaiCall("a", "b"),
    { role: "tool", tool_call_id: "b", content: expect.stringContaining("interrupted") },
    openaiResult("a"),
    user,
  ]);
  expect(repair([anthropicCall("a"), user])[1]).toEqual({
    role: "user",
    content: [
      {
        type: "tool_result",
        tool_use_id: "a",
        content: expect.stringContaining("interrupted"),
        is_error: true,
      },
    ],
  });
  expect(repair([sdkCall("a")])[1]).toEqual({
    role: "tool",
    content: [
      {
        type: "tool-result",
        toolCallId: "a",
        toolName: "look",
        output: { type: "error-text", value: expect.stringContaining("interrupted") },
      },
    ],
  });
});

test("a late real result is moved up to its call and wins over a synthetic one", () => {
  expect(repair([sdkCall("a"), user, sdkResult("a")])).toEqual([sdkCall("a"), sdkResult("a"), user]);
  expect(
    repair([openaiCall("a"), openaiResult("a", "interrupted"), user, openaiResult("a", "real")]),
  ).toEqual([openaiCall("a"), openaiResult("a", "real"), user]);
  const text = { type: "text", text: "and go on" };
  expect(repair([anthropicCall("a"), user, anthropicResult("a", text)])).toEqual([
    anthropicCall("a"),
    anthropicResult("a"),
    user,
    { role: "user", content: [text] },
  ]);
});

test("a result with no call before it is left out", () => {
  expect(repair([openaiResult("a"), user, sdkResult("b"), anthropicResult("c")])).toEqual([user]);
});

test("a call that its own message answers waits for nothing", () => {
  const message = {
    role: "assistant",
    content: [
      { type: "tool-call", toolCallId: "a", toolName: "web", input: {}, providerExecuted: true },
      { type: "tool-result", toolCallId: "a", toolName: "web", output: { type: "text", value: "x" } },
    ],
  };
  expect(repair([user, message, user])).toEqual([user, message, user]);
});

test("the same call id made twice is answered at both places", () => {
  const messages = [openaiCall("a"), openaiResult("a", "1"), user, openaiCall("a"), openaiResult("a", "2")];
  expect(repair(messages)).toEqual(messages);
});

test("repairing twice changes nothing more", () => {
  const pieces = [
    user,
    openaiCall("a", "b"),
    openaiResult("a"),
    openaiResult("b"),
    sdkCall("c"),
    sdkResult("c"),
    anthropicCall("d"),
    anthropicResult("d"),
  ];
  let seed = 7;
  const next = (limit: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % limit;
  };
  for (let round = 0; round < 500; round++) {
    const messages = Array.from({ length: next(12) }, () => pieces[next(pieces.length)] ?? user);
    const once = repair(messages);
    expect(repair(once)).toEqual(once);
  }
});

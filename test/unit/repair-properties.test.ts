/**
 * Random conversations in which calls and results stand anywhere, in any mix of shapes: what `repair` makes of them is
 * what every provider takes, and nothing else is touched.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StoredObject } from "../../src/log/entry.ts";
import { repair } from "../../src/log/repair.ts";
import { toolCallsOf, toolResultIdsOf } from "../../src/log/tool-calls.ts";
import { frozen } from "../support/frozen.ts";
import type { Result } from "../support/tool-shapes.ts";
import {
  besidesResults,
  callMessage,
  callsIn,
  resultMessage,
  resultsIn,
  SHAPES,
} from "../support/tool-shapes.ts";

const ids = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 3 });
const value = fc.nat({ max: 1000 }).map((n) => `found ${n}`);
const text = fc.option(fc.constantFrom("first", "then"), { nil: undefined });
const shape = fc.constantFrom(...SHAPES);
const piece: fc.Arbitrary<StoredObject> = fc.oneof(
  fc.tuple(shape, ids, text).map(([of, called, said]) => callMessage(of, called, said)),
  fc
    .tuple(shape, ids, value, text)
    .map(([of, answered, found, said]) => resultMessage(of, answered, found, said)),
  fc.constantFrom(
    { role: "user", content: "go on" },
    { role: "assistant", content: [{ type: "text", text: "well" }] },
  ),
);
const conversation = fc.array(piece, { maxLength: 14, size: "max" });

/** The results that stand right behind a message: before anything but results is said. */
function resultsBehind(messages: readonly StoredObject[], index: number): Result[] {
  const results: Result[] = [];
  for (const message of messages.slice(index + 1)) {
    results.push(...resultsIn(message));
    if (besidesResults(message) !== undefined) break;
  }
  return results;
}

/** The last result of a call before it is made again. */
function realResult(messages: readonly StoredObject[], index: number, id: string): string | undefined {
  let found: string | undefined;
  for (const message of messages.slice(index + 1)) {
    found = resultsIn(message).findLast((result) => result.id === id)?.value ?? found;
    if (callsIn(message).includes(id)) break;
  }
  return found;
}

describe("after repair", () => {
  test("every call is answered right behind, once, with the last real result where there is one; and no orphan is left", () => {
    fc.assert(
      fc.property(conversation, (messages) => {
        const repaired = repair(frozen(messages));
        const before = messages.flatMap((message, index) => callsIn(message).map((id) => ({ id, index })));
        const after = repaired.flatMap((message, index) => callsIn(message).map((id) => ({ id, index })));
        expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
        for (const [n, { id, index }] of after.entries()) {
          const answers = resultsBehind(repaired, index).filter((result) => result.id === id);
          expect(answers).toHaveLength(1);
          const real = realResult(messages, before[n]?.index ?? 0, id);
          expect(answers[0]?.value).toBe(real ?? "The tool call was interrupted before it gave a result.");
        }
        const results = repaired.flatMap(resultsIn);
        expect(results).toHaveLength(after.length);
      }),
      { numRuns: 1500 },
    );
  });

  test("all that is no result is as it was, and in order", () => {
    fc.assert(
      fc.property(conversation, (messages) => {
        const said = (all: readonly StoredObject[]): unknown[] =>
          all.flatMap((one) => besidesResults(one) ?? []);
        expect(said(repair(messages))).toEqual(said(messages));
      }),
      { numRuns: 500 },
    );
  });

  test("repairing again changes nothing", () => {
    fc.assert(
      fc.property(conversation, (messages) => {
        const once = repair(messages);
        expect(repair(once)).toEqual(once);
      }),
      { numRuns: 500 },
    );
  });

  test("what was in order is the same, message by message", () => {
    const exchange = fc
      .tuple(shape, ids, value, text)
      .map(([of, called, found, said]) => [
        callMessage(of, called, said),
        ...(of.startsWith("openai")
          ? called.toReversed().map((id) => resultMessage(of, [id], found))
          : [resultMessage(of, called, found, said)]),
      ]);
    const inOrder = fc
      .array(fc.oneof(exchange, fc.constant([{ role: "user", content: "go on" }])), { maxLength: 6 })
      .map((all): StoredObject[] => all.flat());
    fc.assert(
      fc.property(inOrder, (messages) => {
        const repaired = repair(messages);
        expect(repaired).toHaveLength(messages.length);
        for (const [index, message] of repaired.entries()) expect(message).toBe(messages[index]);
      }),
    );
  });
});

describe("what a message calls and answers", () => {
  test("each call with its name and shape, once", () => {
    const calls = toolCallsOf({
      role: "assistant",
      content: [
        { type: "tool-call", toolCallId: "s", toolName: "look", input: {} },
        { type: "tool-call", toolCallId: "s5", toolName: 5 },
        { type: "tool-call", toolCallId: "p", toolName: "web", providerExecuted: true },
        { type: "tool-call", toolCallId: "w", toolName: "pay" },
        { type: "tool-call", toolCallId: "wp", toolName: "pay", providerExecuted: true },
        { type: "tool-approval-request", approvalId: "1", toolCallId: "w" },
        { type: "tool-approval-request", approvalId: "2", toolCallId: "wp" },
        { type: "tool_use", id: "a", name: "find", input: {} },
        { type: "tool_use", id: "done", name: "find", input: {} },
        { type: "tool_result", tool_use_id: "done", content: "" },
      ],
      tool_calls: [
        { id: "o", type: "function", function: { name: "get", arguments: "{}" } },
        { id: "c", type: "custom", custom: { name: "run", input: "x" } },
        { id: "n", type: "function" },
        { id: "a", type: "function", function: { name: "again" } },
        { id: "done", type: "function", function: { name: "again" } },
      ],
    });
    expect(calls).toStrictEqual([
      { id: "s", name: "look", shape: "ai-sdk" },
      { id: "s5", name: "", shape: "ai-sdk" },
      { id: "p", name: "web", shape: "ai-sdk", waitsFor: "provider" },
      { id: "w", name: "pay", shape: "ai-sdk", waitsFor: "approval" },
      { id: "wp", name: "pay", shape: "ai-sdk", waitsFor: "provider" },
      { id: "a", name: "find", shape: "anthropic" },
      { id: "o", name: "get", shape: "openai" },
      { id: "c", name: "run", shape: "openai" },
      { id: "n", name: "", shape: "openai" },
    ]);
    for (const message of [{}, { content: "text" }, { content: null, tool_calls: {} }]) {
      expect(toolCallsOf(message)).toEqual([]);
      expect(toolResultIdsOf(message)).toEqual([]);
    }
  });

  test("an orphan of OpenAI's shape goes as a whole, parts and all", () => {
    const orphan = { role: "tool", tool_call_id: "x", content: [{ type: "text", text: "found" }] };
    expect(repair([orphan])).toEqual([]);
    const call = callMessage("openai", ["x"]);
    expect(repair([call, { role: "user" }, orphan])).toEqual([call, orphan, { role: "user" }]);
  });
});

describe("parts that are nobody's business", () => {
  const user = { role: "user", content: "hi" };
  const asked = {
    role: "assistant",
    content: [
      { type: "tool-call", toolCallId: "a", toolName: "pay", input: {} },
      { type: "tool-approval-request", approvalId: "ap", toolCallId: "a" },
    ],
  };
  const answer = {
    role: "tool",
    content: [{ type: "tool-approval-response", approvalId: "ap", approved: true }],
  };
  const result = resultMessage("ai-sdk", ["a"], "paid");

  test("a call that waits for approval is left to wait, before and after the answer", () => {
    for (const messages of [
      [user, asked],
      [user, asked, answer],
      // The AI SDK looks for results in the last message alone: moved up from there, the tool would be run again.
      [user, asked, answer, result],
      [user, asked, answer, result, user],
    ]) {
      expect(repair(messages)).toEqual(messages);
    }
  });

  test("but is interrupted where the conversation went on", () => {
    const interrupted = {
      role: "tool",
      content: [expect.objectContaining({ type: "tool-result", toolCallId: "a" })],
    };
    expect(repair([user, asked, user])).toEqual([user, asked, interrupted, user]);
    expect(repair([user, asked, answer, user])).toEqual([user, asked, interrupted, answer, user]);
    expect(repair([user, asked, answer, user, result])).toEqual([user, asked, result, answer, user]);
  });

  test("another call beside it is answered all the same", () => {
    const both = {
      ...asked,
      content: [{ type: "tool-call", toolCallId: "b", toolName: "look", input: {} }, ...asked.content],
    };
    expect(repair([both])).toEqual([
      both,
      {
        role: "tool",
        content: [expect.objectContaining({ type: "tool-result", toolCallId: "b", toolName: "look" })],
      },
    ]);
  });

  test("a call that its provider runs needs no result, and keeps one that comes", () => {
    const search = {
      role: "assistant",
      content: [{ type: "tool-call", toolCallId: "a", toolName: "web", input: {}, providerExecuted: true }],
    };
    const late = {
      role: "assistant",
      content: [{ type: "tool-result", toolCallId: "a", toolName: "web", output: {} }],
    };
    for (const messages of [
      [user, search],
      [user, search, user],
      [user, search, late, user],
      [user, search, result, user],
    ]) {
      expect(repair(messages)).toEqual(messages);
    }
    const server = {
      role: "assistant",
      content: [
        { type: "server_tool_use", id: "srv", name: "web_search", input: {} },
        { type: "web_search_tool_result", tool_use_id: "srv", content: [] },
      ],
    };
    expect(repair([user, server])).toEqual([user, server]);
  });

  test("a result beside other words stands in place, but one behind those words is moved up", () => {
    const call = callMessage("anthropic", ["a", "b"]);
    const first = resultMessage("anthropic", ["a"], "1", "and go on");
    const second = resultMessage("anthropic", ["b"], "2");
    expect(repair([call, first])).toEqual([
      call,
      { role: "user", content: [expect.objectContaining({ tool_use_id: "b", is_error: true })] },
      first,
    ]);
    expect(repair([call, second, first])).toEqual([call, second, first]);
    expect(repair([call, first, second])).toEqual([call, second, first]);
  });

  test("of two results of one call in one message the last stays, with whatever else is there", () => {
    const call = callMessage("anthropic", ["a"]);
    const twice = {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "a", content: "1" },
        "a bare string",
        { type: "tool_result", tool_use_id: "a", content: "2" },
      ],
    };
    const last = { type: "tool_result", tool_use_id: "a", content: "2" };
    expect(repair([call, twice])).toEqual([call, { role: "user", content: ["a bare string", last] }]);
    expect(repair([call, user, twice])).toEqual([
      call,
      { role: "user", content: [last] },
      user,
      { role: "user", content: ["a bare string"] },
    ]);
  });

  test("calls of two shapes in one message: each gets its own kind of result, and one that stands twice gets one", () => {
    const message = {
      role: "assistant",
      content: [
        { type: "tool_use", id: "a", name: "look", input: {} },
        { type: "tool-call", toolCallId: "s", toolName: "look", input: {} },
      ],
      tool_calls: [
        { id: "a", type: "function", function: { name: "look" } },
        { id: "o" },
        { type: "function" },
        "?",
      ],
    };
    expect(repair([message]).slice(1)).toEqual([
      { role: "tool", content: [expect.objectContaining({ toolCallId: "s" })] },
      { role: "tool", tool_call_id: "o", content: expect.stringContaining("interrupted") },
      { role: "user", content: [expect.objectContaining({ tool_use_id: "a" })] },
    ]);
  });

  test("parts without an id, or of other kinds, call nothing and answer nothing", () => {
    const messages = [
      {
        role: "assistant",
        content: [
          { type: "tool-call" },
          { type: "tool-call", toolCallId: 5 },
          { type: "tool_use", name: "x" },
          { type: "tool_use", id: 5 },
          { type: "text", text: "x", toolCallId: "q" },
          { type: "custom", id: "x" },
          { type: "text", id: "y", function: {} },
          null,
          "z",
        ],
        tool_calls: [{ id: 5, type: "function", function: { name: "x" } }],
      },
      {
        role: "assistant",
        content: "well",
        tool_calls: "none",
      },
      { role: "tool", content: [{ type: "tool-result" }, { type: "tool-result", toolCallId: 5 }] },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: 5 },
          { type: "text", tool_use_id: "q" },
        ],
      },
      { role: "user", content: [{ type: "text", toolCallId: "q" }] },
      { role: "tool", content: "no id" },
      { role: "tool", tool_call_id: 5, content: "no id either" },
      { role: "user", tool_call_id: "a", content: "an odd field" },
      { role: "user", content: [] },
      {},
    ];
    expect(repair(messages)).toEqual(messages);
  });

  test("a message that says nothing is not taken for a result", () => {
    const call = callMessage("openai", ["a"]);
    const results = [resultMessage("openai", ["a"], "1")];
    expect(repair([call, { role: "user", content: [] }, ...results])).toEqual([
      call,
      ...results,
      { role: "user", content: [] },
    ]);
  });
});

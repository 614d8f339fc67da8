import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { messageText } from "../../src/log/text.ts";
import { toolCallsOf, toolResultIdsOf } from "../../src/log/tool-calls.ts";
import { fileWith, fixture, jsonl, readAll, readOne } from "./fixtures/support.ts";

const ID = "019a4f10-2b3c-7d4e-8f50-617283940a5b";
const SESSIONS = fixture("codex", "sessions");
const ROLLOUT = join(SESSIONS, "2025", "11", "05", `rollout-2025-11-05T10-00-00-${ID}.jsonl`);

async function payloadsOf(path: string, type: string) {
  const lines = (await readFile(path, "utf8")).split("\n").filter(Boolean);
  return lines
    .map((line) => JSON.parse(line))
    .filter((line) => line.type === type)
    .map((line) => line.payload);
}

const item = (payload: object) => ({ timestamp: "2025-11-05T10:00:00.000Z", type: "response_item", payload });
const only = async (payload: object) =>
  (await readOne(await fileWith("rollout-x.jsonl", jsonl(item(payload))))).messages[0];

describe("a rollout", () => {
  test("says where and how it ran, what it is called and what it cost", async () => {
    const session = await readOne(ROLLOUT);
    expect(session).toMatchObject({
      sourceId: `codex:${ID}`,
      source: "codex",
      label: "Seeds in the shed",
      createdAt: Date.UTC(2025, 10, 5, 10),
      usage: {
        inputTokens: 1200,
        cachedInputTokens: 800,
        outputTokens: 90,
        reasoningTokens: 40,
        totalTokens: 1290,
      },
    });
    expect(session.metadata).toEqual({
      sessionId: ID,
      cwd: "/home/ada/garden",
      originator: "codex_cli_rs",
      cli_version: "0.65.0",
      model_provider: "openai",
      startedBy: "cli",
      model: "gpt-5-codex",
      branch: "main",
      commit_hash: "abc123",
      otherLines: { event_msg: 4, turn_context: 1, ghost_snapshot: 1 },
    });
  });

  test("holds every item of the conversation in order, and messages as given", async () => {
    const { messages } = await readOne(ROLLOUT);
    const items = (await payloadsOf(ROLLOUT, "response_item")).filter(
      ({ type }) => type !== "ghost_snapshot",
    );
    // One more: the summary of the compaction.
    expect(messages).toHaveLength(items.length + 1);
    const given = messages.filter(({ message }) => message.type === "message").map(({ message }) => message);
    expect(given).toEqual(items.filter(({ type }) => type === "message"));
    expect(messages.at(-1)).toMatchObject({ id: "msg_9", at: Date.UTC(2025, 10, 5, 10, 0, 9) });
    expect(messages.at(-2)?.message).toEqual({
      role: "user",
      content: "The user asked for seeds; peas and beans are left.",
      raw: { type: "compacted" },
    });
  });

  test("has a role for each message, and calls and results that find each other", async () => {
    const { messages } = await readOne(ROLLOUT);
    const all = messages.map(({ message }) => message);
    expect(all.every(({ role }) => typeof role === "string")).toBe(true);
    expect(all.flatMap(toolCallsOf)).toEqual([
      { id: "call_1", name: "shell", shape: "openai" },
      { id: "call_2", name: "apply_patch", shape: "openai" },
      { id: "call_3", name: "local_shell", shape: "openai" },
    ]);
    expect(all.flatMap(toolResultIdsOf)).toEqual(["call_1", "call_2", "call_3", "call_4"]);
    // A model's reasoning comes in as it is, and is not among what is searched.
    expect(JSON.stringify(all)).toContain("**Looking at the shed list**");
    expect(all.map(messageText).join()).not.toContain("Looking at the shed list");
    expect(all.map(messageText)).toContain("seeds.txt");
  });

  test("of a sub-agent is the child of the thread that started it", async () => {
    const { sessions } = await readAll(SESSIONS);
    expect(sessions.map(({ sourceId }) => sourceId)).toEqual([
      "codex:0b0c",
      "codex:5973b6c0-94b8-487b-a530-2aeb6098ae0e",
      `codex:${ID}`,
      "codex:019a4f11-0000-7000-8000-000000000001",
    ]);
    expect(sessions[3]).toMatchObject({ parentSourceId: `codex:${ID}`, agent: "worker" });
    expect(sessions[3]?.messages).toHaveLength(1);
  });

  test("that was forked is the child of where it came from", async () => {
    const meta = { id: "new", forked_from_id: "old", timestamp: "2025-11-05T10:00:00.000Z" };
    const path = await fileWith(
      "rollout-x.jsonl",
      jsonl({ timestamp: meta.timestamp, type: "session_meta", payload: meta }),
    );
    expect(await readOne(path)).toMatchObject({
      sourceId: "codex:new",
      parentSourceId: "codex:old",
      messages: [],
    });
  });

  test("without a header is known by its file's name", async () => {
    const content = jsonl(
      item({ type: "message", role: "user", content: [{ type: "input_text", text: "Hi" }] }),
    );
    expect((await readOne(await fileWith(`rollout-2025-11-05T10-00-00-${ID}.jsonl`, content))).sourceId).toBe(
      `codex:${ID}`,
    );
    expect((await readOne(await fileWith("odd.jsonl", content))).sourceId).toBe("codex:odd");
  });
});

describe("the older shapes", () => {
  test("bare items after a header", async () => {
    const session = await readOne(join(SESSIONS, "2025", "05", "07"));
    expect(session).toMatchObject({
      createdAt: Date.UTC(2025, 4, 7, 17, 24, 21),
      metadata: { branch: "trunk" },
    });
    expect(session.messages.map(({ id, message }) => [id, message.role])).toEqual([
      [undefined, "user"],
      ["fc_1", "assistant"],
      [undefined, "tool"],
      [undefined, "assistant"],
    ]);
  });

  test("one document", async () => {
    const session = await readOne(join(SESSIONS, "rollout-2025-04-20-0b0c.json"));
    expect(session.messages.map(({ id, message }) => [id, message.role, messageText(message)])).toEqual([
      [undefined, "user", "Hello, shed"],
      ["rs_0", "assistant", ""],
      ["msg_0", "assistant", "Hello."],
    ]);
  });
});

describe("nothing of an item is lost", () => {
  test.each([
    [
      "a call that says all",
      { type: "function_call", name: "f", arguments: "{}", call_id: "c" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
      },
    ],
    [
      "a call that says more",
      { type: "function_call", name: "f", arguments: "{}", call_id: "c", namespace: "mcp__x", status: null },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
        raw: { namespace: "mcp__x" },
      },
    ],
    [
      "a custom call",
      {
        type: "custom_tool_call",
        status: "completed",
        call_id: "c",
        name: "apply_patch",
        input: "*** Begin Patch",
      },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "custom", custom: { name: "apply_patch", input: "*** Begin Patch" } }],
        raw: { status: "completed" },
      },
    ],
    [
      "a result of another type",
      { type: "custom_tool_call_output", call_id: "c", output: "ok" },
      { role: "tool", tool_call_id: "c", content: "ok", raw: { type: "custom_tool_call_output" } },
    ],
    [
      "a result with more than text",
      { type: "function_call_output", call_id: "c", output: { content: "ok", success: true } },
      { role: "tool", tool_call_id: "c", content: "ok", raw: { output: { content: "ok", success: true } } },
    ],
    [
      "a result of parts",
      { type: "function_call_output", call_id: "c", output: [{ type: "input_text", text: "ok" }] },
      { role: "tool", tool_call_id: "c", content: [{ type: "input_text", text: "ok" }] },
    ],
    [
      "reasoning that is hidden",
      { type: "reasoning", summary: [], content: null, encrypted_content: "eHg=" },
      { role: "assistant", content: [{ type: "reasoning", text: "" }], raw: { encrypted_content: "eHg=" } },
    ],
    [
      "reasoning with a summary of another kind",
      { type: "reasoning", summary: [{ type: "summary_text", text: "a", extra: 1 }] },
      {
        role: "assistant",
        content: [{ type: "reasoning", text: "a" }],
        raw: { summary: [{ type: "summary_text", text: "a", extra: 1 }] },
      },
    ],
    [
      "an item that is not known",
      { type: "web_search_call", status: "completed", action: { type: "search", query: "beans" } },
      {
        role: "assistant",
        content: [
          { type: "web_search_call", status: "completed", action: { type: "search", query: "beans" } },
        ],
      },
    ],
    [
      "a call that is not as it should be",
      { type: "function_call", name: "f", arguments: { not: "text" }, call_id: "c" },
      {
        role: "assistant",
        content: [{ type: "function_call", name: "f", arguments: { not: "text" }, call_id: "c" }],
      },
    ],
  ])("%s", async (_, payload, message) => {
    expect((await only(payload))?.message).toEqual(message);
  });
});

test("broken lines are named, and the rest still comes", async () => {
  const path = await fileWith(
    "rollout-x.jsonl",
    [
      JSON.stringify(item({ type: "message", role: "user", content: [] })),
      "{",
      '"text"',
      JSON.stringify(item({ type: "message", content: "no role" })),
      JSON.stringify({ hello: "there" }),
      JSON.stringify(item({ type: "message", role: "assistant", content: [] })),
    ].join("\n"),
  );
  const { sessions, problems } = await readAll(path);
  expect(sessions[0]?.messages.map(({ message }) => message.role)).toEqual(["user", "assistant"]);
  expect(problems.map(({ line }) => line)).toEqual([2, 3, 4, 5]);
});

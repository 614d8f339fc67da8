import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fileWith, fixture, folderWith, jsonl, readAll, readOne } from "./fixtures/support.ts";

const SESSION = "3f0c9a52-7d11-4a0e-9b58-2f6f1c0d1a01";
const FORK = "9b1d4c77-0a52-4c1b-8d0e-55a3f0c2b902";
const PROJECT = fixture("claude-code", "-home-ada-garden");

async function linesOf(path: string) {
  const text = await readFile(path, "utf8");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

const line = (uuid: string, message: unknown, more: object = {}) => ({
  type: "user",
  uuid,
  parentUuid: null,
  sessionId: SESSION,
  isSidechain: false,
  timestamp: "2025-11-03T09:00:00.000Z",
  message,
  ...more,
});

describe("a session", () => {
  test("holds the messages as they were sent, with their ids and times", async () => {
    const path = join(PROJECT, `${SESSION}.jsonl`);
    const { sessions, problems } = await readAll(path);
    const written = await linesOf(path);
    const messageOf = (uuid: string) => written.find((one) => one.uuid === uuid).message;
    const [main] = sessions;

    expect(problems).toEqual([]);
    expect(main?.messages.map(({ id }) => id)).toEqual(["u-01", "u-02", "u-05", "u-06", "u-06r", "u-07"]);
    expect(main?.messages[0]).toEqual({
      id: "u-01",
      message: messageOf("u-01"),
      at: Date.UTC(2025, 10, 3, 9, 0, 1),
    });
    expect(main?.messages[2]?.message).toEqual(messageOf("u-05"));
    expect(main?.messages[5]?.message).toEqual(messageOf("u-07"));
    expect(main).toMatchObject({
      sourceId: `claude-code:${SESSION}`,
      source: "claude-code",
      createdAt: Date.UTC(2025, 10, 3, 9, 0, 1),
      metadata: {
        sessionId: SESSION,
        cwd: "/home/ada/garden",
        gitBranch: "main",
        version: "2.0.65",
        models: ["claude-sonnet-4-5"],
        otherLines: { "file-history-snapshot": 1, system: 1 },
      },
    });
    expect(main).not.toHaveProperty("parentSourceId");
  });

  test("joins the lines of one answer into one message, and counts its usage once", async () => {
    const path = join(PROJECT, `${SESSION}.jsonl`);
    const [main] = (await readAll(path)).sessions;
    const parts = (await linesOf(path))
      .filter((one) => one.message?.id === "msg_A")
      .map((one) => one.message);

    expect(parts).toHaveLength(3);
    expect(main?.messages[1]?.message).toEqual({
      ...parts[2],
      content: parts.flatMap((part) => part.content),
    });
    // Three answers: 31, 12 and 14 tokens out; each 10 fresh, 20 written to and 100 read from the cache.
    expect(main?.usage).toEqual({
      inputTokens: 390,
      outputTokens: 57,
      cachedInputTokens: 300,
      totalTokens: 447,
    });
  });

  test("joins an answer again whose tool results were written between its lines", async () => {
    const answer = (id: string) => ({
      role: "assistant",
      id: "msg_1",
      content: [{ type: "tool_use", id, name: "Read", input: {} }],
    });
    const result = (id: string) => ({
      role: "user",
      content: [{ type: "tool_result", tool_use_id: id, content: "ok" }],
    });
    const path = await fileWith(
      "s.jsonl",
      jsonl(
        line("1", answer("a"), { type: "assistant" }),
        line("2", result("a")),
        line("3", answer("b"), { type: "assistant" }),
        line("4", result("b")),
      ),
    );
    expect((await readOne(path)).messages.map(({ message }) => message)).toEqual([
      { ...answer("a"), content: [...answer("a").content, ...answer("b").content] },
      result("a"),
      result("b"),
    ]);
  });

  test.each([
    ["the name that its user gave", ["summary", "ai-title", "custom-title"], "given"],
    ["the generated name", ["ai-title", "summary"], "generated"],
    ["its own summary rather than one of another session", ["summary", "other-summary"], "own"],
    ["any summary where none is its own", ["other-summary"], "other"],
  ])("is labelled with %s", async (_, types, label) => {
    const titles: Record<string, unknown> = {
      summary: { type: "summary", summary: "own", leafUuid: "1" },
      "other-summary": { type: "summary", summary: "other", leafUuid: "9" },
      "ai-title": { type: "ai-title", aiTitle: "generated", sessionId: SESSION },
      "custom-title": { type: "custom-title", customTitle: "given", sessionId: SESSION },
    };
    const path = await fileWith(
      "s.jsonl",
      jsonl(...types.map((type) => titles[type]), line("1", { role: "user", content: "Hello" })),
    );
    expect((await readOne(path)).label).toBe(label);
  });

  test("is known by its file's name, else by the id in it", async () => {
    const content = jsonl(line("1", { role: "user", content: "Hello" }));
    expect((await readOne(await fileWith(`${FORK}.jsonl`, content))).sourceId).toBe(`claude-code:${FORK}`);
    expect((await readOne(await fileWith("renamed.jsonl", content))).sourceId).toBe(`claude-code:${SESSION}`);
  });

  test("that was forked from another one is its child", async () => {
    const fork = await readOne(join(PROJECT, `${FORK}.jsonl`));
    expect(fork).toMatchObject({ parentSourceId: `claude-code:${SESSION}`, label: "Fern plan B" });
  });

  test("in which nothing was said yet has no messages", async () => {
    const path = await fileWith(
      `${SESSION}.jsonl`,
      jsonl({ type: "summary", summary: "Nothing yet", leafUuid: "x" }),
    );
    expect(await readOne(path)).toMatchObject({
      sourceId: `claude-code:${SESSION}`,
      label: "Nothing yet",
      messages: [],
    });
  });
});

describe("sub-agents", () => {
  test("become children, after their parent, named by the call that started them or by the file beside them", async () => {
    const { sessions, problems } = await readAll(fixture("claude-code"));
    expect(problems).toEqual([]);
    expect(sessions.map(({ sourceId }) => sourceId)).toEqual([
      `claude-code:${SESSION}`,
      `claude-code:${SESSION}:s-01`,
      `claude-code:${FORK}`,
      `claude-code:${SESSION}:a7c3e9`,
    ]);
    expect(sessions[1]).toMatchObject({
      parentSourceId: `claude-code:${SESSION}`,
      agent: "general-purpose",
      label: "Find spare cans",
      usage: { outputTokens: 6 },
    });
    expect(sessions[1]?.messages.map(({ id }) => id)).toEqual(["s-01", "s-02"]);
    expect(sessions[3]).toMatchObject({
      parentSourceId: `claude-code:${SESSION}`,
      agent: "Explore",
      label: "Draw the garden",
      metadata: { sessionId: SESSION, agentId: "a7c3e9" },
    });
  });

  test("that lie beside their parent and sort before it come after it all the same", async () => {
    const parent = "f0000000-0000-4000-8000-000000000000";
    const own = { sessionId: parent };
    const folder = await folderWith({
      "agent-1.jsonl": jsonl(
        line("g", { role: "user", content: "Look" }, { ...own, isSidechain: true, agentId: "1" }),
      ),
      [`${parent}.jsonl`]: jsonl(line("u", { role: "user", content: "Hi" }, own)),
    });
    const { sessions } = await readAll(folder);
    expect(sessions.map(({ sourceId }) => sourceId)).toEqual([
      `claude-code:${parent}`,
      `claude-code:${parent}:1`,
    ]);
  });

  test("of one session that run side by side are told apart", async () => {
    const side = { isSidechain: true };
    const path = await fileWith(
      "s.jsonl",
      jsonl(
        line("m", { role: "user", content: "Go" }),
        line("a1", { role: "user", content: "A" }, side),
        line("b1", { role: "user", content: "B" }, side),
        line("a2", { role: "assistant", content: "a" }, { ...side, type: "assistant", parentUuid: "a1" }),
        line("b2", { role: "assistant", content: "b" }, { ...side, type: "assistant", parentUuid: "b1" }),
        line("a3", { role: "user", content: "A more" }, { ...side, parentUuid: "a2" }),
      ),
    );
    const { sessions } = await readAll(path);
    expect(sessions.map(({ sourceId, messages }) => [sourceId, messages.map(({ id }) => id)])).toEqual([
      [`claude-code:${SESSION}`, ["m"]],
      [`claude-code:${SESSION}:a1`, ["a1", "a2", "a3"]],
      [`claude-code:${SESSION}:b1`, ["b1", "b2"]],
    ]);
  });

  test("without a session id take it from the folder they lie in", async () => {
    const folder = await folderWith({
      "p/s-1/subagents/agent-x.jsonl": jsonl({
        type: "user",
        isSidechain: true,
        agentId: "x",
        uuid: "1",
        message: { role: "user", content: "Go" },
      }),
    });
    expect((await readOne(folder)).parentSourceId).toBe("claude-code:s-1");
  });

  test("whose notes are broken are read without them, and that is said", async () => {
    const folder = await folderWith({
      "agent-x.jsonl": jsonl(line("1", { role: "user", content: "Go" }, { isSidechain: true, agentId: "x" })),
      "agent-x.meta.json": '{"agentType": ',
    });
    const { sessions, problems } = await readAll(folder);
    expect(sessions).toHaveLength(1);
    expect(problems[0]?.message).toMatch(/agent-x\.meta\.json beside it is not complete JSON/);
  });
});

test("broken lines are named, and the rest still comes", async () => {
  const path = await fileWith(
    `${SESSION}.jsonl`,
    [
      JSON.stringify(line("1", { role: "user", content: "One" })),
      '{"type":"user","uuid":"2","mess',
      "[1, 2]",
      JSON.stringify(line("3", "no message")),
      JSON.stringify(line("4", { role: "user", content: "Four" })),
      '{"type":"assistant","message":{"role":"assi',
    ].join("\n"),
  );
  const { sessions, problems } = await readAll(path);
  expect(sessions[0]?.messages.map(({ id }) => id)).toEqual(["1", "4"]);
  expect(problems.map(({ file, line }) => [file, line])).toEqual(
    [2, 3, 4, 6].map((number) => [path, number]),
  );
});

import { link, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fileWith, fixture, folderWith, jsonl, readAll, readOne } from "./fixtures/support.ts";

async function documentIn(...parts: string[]) {
  return JSON.parse(await readFile(fixture(...parts), "utf8"));
}

const user = (content: string) => ({ role: "user", content });

describe("OpenAI chat", () => {
  test("a conversation with all that is said of it", async () => {
    const session = await readOne(fixture("openai", "chat.json"));
    expect(session).toMatchObject({
      source: "openai",
      label: "Roses",
      userId: "ada",
      createdAt: 1762160400000,
      metadata: { id: "chatcmpl-1", model: "gpt-4o", metadata: { team: "garden" } },
    });
    expect(session.sourceId).toMatch(/^openai:chat:chatcmpl-1:[0-9a-f]{16}$/);
    expect(session.messages).toEqual(
      (await documentIn("openai", "chat.json")).messages.map((message: unknown) => ({ message })),
    );
  });

  test.each([
    ["a bare list of messages", "bare.json", [2]],
    ["a list of conversations of either kind", "many.json", [2, 2, 1]],
    ["a conversation a line", "fine-tuning.jsonl", [2, 2]],
    ["a message a line", "one-message-a-line.jsonl", [3]],
  ])("%s", async (_, name, counts) => {
    const { sessions, problems } = await readAll(fixture("openai", name));
    expect(problems).toEqual([]);
    expect(sessions.map(({ messages }) => messages.length)).toEqual(counts);
    expect(new Set(sessions.map(({ sourceId }) => sourceId)).size).toBe(counts.length);
  });

  test("is the same however it is laid out, and another one with another word in it", async () => {
    const messages = [user("A?"), { role: "assistant", content: "B." }];
    const id = async (name: string, content: string) =>
      (await readOne(await fileWith(name, content))).sourceId;
    const first = await id("c.json", JSON.stringify({ messages }));
    expect(await id("c.json", JSON.stringify({ messages }, null, 4))).toBe(first);
    expect(await id("c.jsonl", jsonl(...messages))).toBe(first);
    expect(await id("c.json", JSON.stringify({ messages: [user("A!")] }))).not.toBe(first);
  });

  test("message ids are taken where they are unique, and never one that means a position", async () => {
    const path = await fileWith(
      "c.json",
      JSON.stringify(["m1", "m1", "#3", "", "m5"].map((id) => ({ ...user("x"), id }))),
    );
    expect((await readOne(path)).messages.map(({ id }) => id)).toEqual([
      "m1",
      undefined,
      undefined,
      undefined,
      "m5",
    ]);
  });

  test("what is no message is named and left out", async () => {
    const path = await fileWith(
      "c.json",
      JSON.stringify([{ messages: [user("a"), null, { content: "b" }, user("c")] }, 7, { x: 1 }]),
    );
    const { sessions, problems } = await readAll(path);
    expect(sessions[0]?.messages).toEqual([{ message: user("a") }, { message: user("c") }]);
    expect(problems.map(({ message }) => message)).toEqual([
      "item 1 of the list: message 2 is not an object with a role; it was left out",
      "item 1 of the list: message 3 is not an object with a role; it was left out",
      "2 of the 3 items of the list, item 2 first, hold no transcript of a format that is known",
    ]);
  });

  test("keys that mean something to JavaScript are keys like any other", async () => {
    const path = await fileWith(
      "c.json",
      '{"messages":[{"role":"user","content":"x","__proto__":{"polluted":true},"constructor":1}]}',
    );
    const message = (await readOne(path)).messages[0]?.message ?? {};
    expect(Object.keys(message)).toEqual(["role", "content", "__proto__", "constructor"]);
    expect(Object.getPrototypeOf(message)).toBe(Object.prototype);
    expect({}).not.toHaveProperty("polluted");
  });
});

test("tau-bench: each trajectory, without the database in its info", async () => {
  const { sessions, problems } = await readAll(fixture("tau-bench"));
  const written = await documentIn("tau-bench", "results.json");
  expect(problems).toEqual([]);
  expect(sessions.map(({ sourceId }) => sourceId.replace(/:[0-9a-f]{16}$/, ""))).toEqual([
    "tau-bench:results:7-2",
    "tau-bench:results:7-3",
  ]);
  expect(sessions.map(({ metadata }) => metadata)).toEqual([
    { task_id: 7, trial: 2, reward: 1 },
    { task_id: 7, trial: 3, reward: 0 },
  ]);
  expect(sessions.map(({ messages }) => messages.map(({ message }) => message))).toEqual(
    written.map(({ traj }: { traj: unknown }) => traj),
  );
});

test("tau-bench: runs of several models under the same file name are told apart", async () => {
  const run = (answer: string) =>
    JSON.stringify([{ task_id: 0, trial: 0, reward: 1, traj: [user(answer)], info: {} }]);
  const { sessions } = await readAll(
    await folderWith({ "a/airline.json": run("yes"), "b/airline.json": run("no") }),
  );
  expect(new Set(sessions.map(({ sourceId }) => sourceId)).size).toBe(2);
});

test("SWE-agent: the history as it is, with the small parts of the info", async () => {
  const session = await readOne(fixture("swe-agent"));
  const { history } = await documentIn("swe-agent", "fix-fern.traj");
  expect(session.messages).toEqual(history.map((message: unknown) => ({ message })));
  expect(session).toMatchObject({ source: "swe-agent", agent: "main", status: "completed" });
  expect(session.sourceId).toMatch(/^swe-agent:fix-fern:[0-9a-f]{16}$/);
  expect(session.metadata).toEqual({
    environment: "main",
    exit_status: "submitted",
    model_stats: { instance_cost: 0.25, tokens_sent: 1000, tokens_received: 50, api_calls: 1 },
  });
  expect(session.usage).toEqual({ inputTokens: 1000, outputTokens: 50, totalTokens: 1050, costUsd: 0.25 });
});

test("formagent-sdk: the state of a session, a parent before its fork", async () => {
  const { sessions, problems } = await readAll(fixture("formagent"));
  const written = await documentIn("formagent", "sess_fern01.json");
  expect(problems).toEqual([]);
  expect(sessions).toEqual([
    {
      sourceId: "formagent:sess_fern01",
      source: "formagent",
      createdAt: 1762160400000,
      metadata: { sessionId: "sess_fern01", updatedAt: 1762160402000, model: "claude-sonnet-4" },
      usage: { inputTokens: 10, outputTokens: 3, cachedInputTokens: 2, totalTokens: 13, costUsd: 0.0005 },
      messages: written.messages.map((message: { id: string }) => ({ id: message.id, message })),
    },
    {
      sourceId: "formagent:sess_child02",
      source: "formagent",
      parentSourceId: "formagent:sess_fern01",
      createdAt: 1762160500000,
      metadata: { sessionId: "sess_child02", updatedAt: 1762160500000 },
      messages: [{ message: user("Name a fern.") }],
    },
  ]);
});

describe("simulacra", () => {
  const folder = fixture("simulacra");
  const idsOf = async () => {
    const { sessions } = await readAll(folder);
    return new Map(sessions.map((session) => [session.sourceId, session.messages.map(({ id }) => id)]));
  };

  test("a fork holds what it inherited, through all its ancestors; a detached child does not", async () => {
    expect(await idsOf()).toEqual(
      new Map([
        ["simulacra:b-root", ["r1", "r2", "r3", "r4"]],
        ["simulacra:a-fork", ["r1", "r2", "k1"]],
        ["simulacra:a-fork-of-fork", ["r1", "r2", "k1", "j1"]],
        ["simulacra:c-child", ["c1"]],
        ["simulacra:d-lost", ["d1"]],
        ["simulacra:e-appended", ["e1", "e2"]],
      ]),
    );
  });

  test("a parent that is gone is said to be", async () => {
    const { problems } = await readAll(folder);
    expect(problems).toEqual([
      {
        type: "problem",
        file: join(folder, "d-lost.json"),
        message:
          'an ancestor, the session "gone", is not there; what the session inherits from there is missing',
      },
    ]);
  });

  test("a fork that is read alone finds its parent all the same", async () => {
    const fork = await readOne(join(folder, "a-fork.json"));
    expect(fork).toMatchObject({
      parentSourceId: "simulacra:b-root",
      metadata: { inheritedMessages: 2, fork_message_id: "r2" },
    });
    expect(fork.messages).toHaveLength(3);
  });

  test("labels and times, and no session from the metadata of one", async () => {
    const { sessions } = await readAll(folder);
    expect(sessions[0]).toMatchObject({
      label: "Compost",
      createdAt: Date.UTC(2025, 10, 3, 9),
      metadata: { model: "claude-sonnet-4-5" },
    });
    expect(sessions[5]).toMatchObject({ label: "Appended", source: "simulacra" });
  });

  const stored = (parent: string | undefined, ...messages: object[]) =>
    JSON.stringify({
      metadata: {
        created_at: "2025-01-01T00:00:00Z",
        updated_at: "2025-01-01T00:00:00Z",
        message_count: 1,
        parent_id: parent,
      },
      messages,
    });

  test("sessions that are each other's parents end in a problem, not in a loop", async () => {
    const path = await folderWith({ "a.json": stored("b", user("a")), "b.json": stored("a", user("b")) });
    const { sessions, problems } = await readAll(path);
    expect(sessions.map(({ sourceId }) => sourceId).sort()).toEqual(["simulacra:a", "simulacra:b"]);
    expect(problems.map(({ message }) => message)).toEqual(
      Array(2).fill(expect.stringContaining("is its descendant as well")),
    );
  });

  test("a parent's name is never a way out of the folder", async () => {
    const path = await folderWith({
      "outside.json": stored(undefined, user("secret")),
      "in/a.json": stored("../outside", user("a")),
    });
    const { sessions, problems } = await readAll(join(path, "in"));
    expect(sessions[0]?.messages).toEqual([{ message: user("a") }]);
    expect(problems[0]?.message).toContain('the session "../outside", is not there');
  });

  test("the hard links in a folder of forks are not read again, and find the parent when they are read alone", async () => {
    const path = await folderWith({
      "root.json": stored(undefined, user("r")),
      "fork.json": stored("root", user("f")),
    });
    await mkdir(join(path, "root-forks"));
    await link(join(path, "fork.json"), join(path, "root-forks", "fork.json"));
    expect((await readAll(path)).sessions).toHaveLength(2);
    expect((await readOne(join(path, "root-forks"))).messages).toEqual([
      { message: user("r") },
      { message: user("f") },
    ]);
  });

  test("a torn parent is said to be", async () => {
    const path = await folderWith({ "a.json": '{"metadata": {', "b.json": stored("a", user("b")) });
    const { sessions, problems } = await readAll(path);
    expect(sessions).toHaveLength(1);
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringContaining("was it cut off?"),
      expect.stringContaining('the session "a", is not complete JSON'),
    ]);
  });
});

describe("falai", () => {
  test("the state of a session: data, route and history", async () => {
    const session = await readOne(fixture("falai", "state.json"));
    const { history } = await documentIn("falai", "state.json");
    expect(session).toMatchObject({
      sourceId: "falai:session_booking_1",
      createdAt: Date.UTC(2025, 10, 3, 9),
      data: { destination: "Lisbon", travellers: 2 },
      metadata: {
        channel: "web",
        currentRoute: { id: "booking" },
        currentStep: { id: "ask_date" },
        dataByRoute: { booking: { destination: "Lisbon", travellers: 2 } },
        routeHistory: [{ routeId: "booking" }],
      },
    });
    expect(session.messages).toEqual(
      history.map((message: { timestamp: string }) => ({ message, at: Date.parse(message.timestamp) })),
    );
  });

  test("the rows of its tables", async () => {
    const { sessions, problems } = await readAll(fixture("falai", "snapshot.json"));
    expect(sessions).toMatchObject([
      {
        sourceId: "falai:session_a",
        userId: "ada",
        agent: "Support",
        status: "completed",
        data: { topic: "ferns" },
      },
      { sourceId: "falai:session_b", userId: "grace", metadata: { status: "abandoned" } },
    ]);
    expect(sessions[1]).not.toHaveProperty("status");
    expect(sessions[0]?.messages.map(({ id, message }) => [id, message.content])).toEqual([
      ["msg_1", "My fern is brown."],
      ["msg_2", "Give it water."],
    ]);
    expect(problems.map(({ message }) => message)).toEqual([
      'messages that name the session "session_zzz", which is not there were left out: 1',
    ]);
  });

  test("an event of the older shape becomes a message, whole", async () => {
    const [, session] = (await readAll(fixture("falai", "snapshot.json"))).sessions;
    expect(session?.messages[0]).toMatchObject({
      id: "ev-1",
      at: Date.UTC(2025, 10, 3, 8, 30),
      message: { role: "user", content: "Anyone there?", raw: { kind: "message", source: "customer" } },
    });
  });
});

test("confused-ai: sessions and rows, with times in seconds", async () => {
  const { sessions, problems } = await readAll(fixture("confused-ai"));
  expect(problems).toEqual([]);
  expect(sessions).toMatchObject([
    {
      sourceId: "confused-ai:row-1",
      agent: "chat",
      userId: "user-2",
      createdAt: 1762160400000,
      messages: [{ message: user("From a row.") }],
    },
    { sourceId: "confused-ai:row-2", agent: "chat", messages: [{ message: user("From another.") }] },
    {
      sourceId: "confused-ai:session-1",
      agent: "chat",
      userId: "user-1",
      metadata: { tier: "free", updatedAt: 1762160500000 },
    },
  ]);
});

test("a Holdfast export is only named", async () => {
  const path = fixture("holdfast", "export.jsonl");
  expect(await readAll(path)).toEqual({ sessions: [], problems: [], native: [path] });
});

describe("a format that is asked for", () => {
  test("is read where the content allows it", async () => {
    const path = fixture("openai", "chat.json");
    expect((await readOne(path, { format: "openai" })).source).toBe("openai");
    expect((await readOne(fixture("simulacra", "b-root.json"), { format: "openai" })).source).toBe("openai");
  });

  test.each(["tau-bench", "holdfast", "falai"] as const)(
    "%s is refused where it does not",
    async (format) => {
      const { sessions, problems } = await readAll(fixture("openai", "chat.json"), { format });
      expect(sessions).toEqual([]);
      expect(problems[0]?.message).toBe(`it is not in the format ${format}`);
    },
  );
});

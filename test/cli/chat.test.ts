/** `holdfast chat` from a pipe: a process, a store, lines of input. */
import { spawn } from "node:child_process";
import { cp, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Message } from "../../src/index.ts";
import { leaveTurnOpen } from "../agent/feature-support.ts";
import { startOpenAiServer } from "../agent/openai-server.ts";
import { LONG, newestId, served, wordsIn } from "./chat-support.ts";
import { holdfast, jsonLines, start, temporaryFolder, temporaryStore } from "./run.ts";

const root = join(import.meta.dirname, "../..");

describe("from a pipe", () => {
  test("each line is a prompt; only the answers are on stdout", async () => {
    const { url, sessions } = await temporaryStore();
    const input = "My name is Alice.\n\nWhat is my name?\n";
    const { code, stdout, stderr } = await holdfast(["--store", url, "chat", "--user", "u1"], { input });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: "Nice to meet you, Alice.\nYour name is Alice.\n",
    });
    expect(stderr).toContain("a small offline model that answers from the history that it is sent");
    const [record, another] = (await sessions.list()).items;
    expect(another).toBeUndefined();
    expect(record).toMatchObject({
      agent: "chat",
      userId: "u1",
      messageCount: 4,
      label: "My name is Alice.",
    });
    expect(stderr).toContain(`session ${record?.id}`);
    expect(stderr).toContain(`chat --session ${record?.id}`);
    expect(record?.turn).toBeUndefined();
  });

  test("another process goes on, by the beginning of the id", async () => {
    const { url, sessions } = await temporaryStore();
    await holdfast(["--store", url, "chat"], { input: "My name is Alice.\n" });
    const id = await newestId(sessions);
    const args = ["--store", url, "chat", "--session", id.slice(0, 12)];
    const { code, stdout } = await holdfast(args, { input: "What is my name?" });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "Your name is Alice.\n" });
    expect((await sessions.find(id))?.messageCount).toBe(4);
  });

  test("nothing is stored where nothing is said", async () => {
    const { url, sessions } = await temporaryStore();
    const { code, stdout } = await holdfast(["--store", url, "chat"], { input: "\n/new\n/help\n" });
    expect(code).toBe(0);
    expect(stdout).toContain("/rewind [n]");
    expect((await sessions.list()).items).toEqual([]);
  });

  test("a session that is not there: an error, unless --new goes with it", async () => {
    const { url, sessions, folder } = await temporaryStore();
    await sessions.create({ id: "other" });
    const args = ["--store", url, "chat", "--session", "mine"];
    const missing = await holdfast(args, { input: "hello\n" });
    expect(missing).toMatchObject({ code: 3, stdout: "" });
    expect(missing.stderr).toContain("error SESSION_NOT_FOUND");
    expect((await sessions.list()).items).toHaveLength(1);
    for (const input of ["My name is Alice.\n", "What is my name?\n"])
      await holdfast([...args, "--new"], { input });
    expect(await wordsIn(sessions, "mine")).toEqual([
      "user: My name is Alice.",
      "assistant: Nice to meet you, Alice.",
      "user: What is my name?",
      "assistant: Your name is Alice.",
    ]);
    const absent = await holdfast(["--store", `sqlite:${folder}/none.db`, "chat", "--session", "mine"]);
    expect(absent).toMatchObject({ code: 3, stdout: "" });
    expect(absent.stderr).toContain("error STORE_NOT_FOUND");
  });

  test("another user's session is not found", async () => {
    const { url, sessions } = await temporaryStore();
    await sessions.create({ id: "hers", userId: "alice" });
    const args = ["--store", url, "chat", "--session", "hers", "--user"];
    expect(await holdfast([...args, "bob"], { input: "hello\n" })).toMatchObject({ code: 3, stdout: "" });
    expect(await holdfast([...args, "alice"], { input: "hello\n" })).toMatchObject({ code: 0 });
  });

  test("a tool is seen, and --system is sent and not stored", async () => {
    const { url, sessions } = await temporaryStore();
    const args = ["--store", url, "chat", "--system", "Ask for: place"];
    const { stdout, stderr } = await holdfast(args, { input: 'use get_time {"timeZone":"Asia/Tokyo"}\n' });
    expect(stdout).toMatch(
      /^get_time says: .*GMT\+9 Please tell me: place\.\n$|^get_time says: .*GMT\+9\nPlease/,
    );
    expect(stderr).toMatch(/^→ get_time \{"timeZone":"Asia\/Tokyo"\}\n← get_time .*GMT\+9$/m);
    expect(await wordsIn(sessions, await newestId(sessions))).toHaveLength(4);
  });

  test("SIGTERM in the middle of an answer keeps the part that had come", async () => {
    await using server = await startOpenAiServer({ reply: () => ({ text: LONG, chunkDelayMs: 50 }) });
    const { url, sessions } = await temporaryStore();
    const chat = start(["--store", url, "chat", ...served(server)]);
    chat.child.stdin?.write("count\nand again\n");
    await chat.until(() => chat.stdout().includes("two"));
    chat.child.kill("SIGTERM");
    expect(await chat.ended).toMatchObject({ code: 130 });
    const words = await wordsIn(sessions, await newestId(sessions));
    expect(words).toEqual(["user: count", expect.stringMatching(/^assistant: \(partial\) one two /)]);
    expect((await sessions.find(await newestId(sessions)))?.turn).toBeUndefined();
  });
});

describe("commands", () => {
  test("/label, /fork, /tree, /rewind, /open, /sessions, /history, /new", async () => {
    const { url, sessions } = await temporaryStore();
    await sessions.create({ id: "other", label: "The other" });
    const input = [
      "My name is Alice.",
      "/label About Alice",
      "/fork Another road",
      "My name is Bob.",
      "/tree",
      "/rewind",
      "What is my name?",
      "/rewind 99",
      "/sessions",
      "/open oth",
      "//help is no command here",
      "/history 1",
      "/new",
      "What is my name?",
      "/quit",
      "never said",
    ].join("\n");
    const { code, stdout, stderr } = await holdfast(["--store", url, "chat"], { input });
    expect({ code, stderr: stderr.includes("error") }).toEqual({ code: 0, stderr: false });

    const records = (await sessions.list()).items;
    const parent = records.find(({ label }) => label === "About Alice");
    const fork = records.find(({ label }) => label === "Another road");
    expect(fork).toMatchObject({ kind: "fork", parentId: parent?.id, messageCount: 0 });
    expect(parent).toMatchObject({ messageCount: 2 });
    expect(records).toHaveLength(4);
    expect(await wordsIn(sessions, "other")).toEqual([
      "user: /help is no command here",
      expect.stringMatching(/^assistant: /),
    ]);

    expect(stdout).toContain("this session is now “About Alice”");
    expect(stdout).toContain(`forked ${parent?.id}\nnow in ${fork?.id}, which inherits 2 messages`);
    expect(stdout).toMatch(/About Alice {2}2 messages.*\n└─ .*Another road {2}fork at #\d+ {2}4 messages/);
    expect(stdout).toContain(
      "took back 1 exchange, from “My name is Bob.” on; 2 messages left\nYour name is Alice.",
    );
    expect(stdout).toContain("took back 2 exchanges, from “My name is Alice.” on; 0 messages left");
    expect(stdout).toMatch(/^ *ID +LABEL +MESSAGES +UPDATED\n\* +\S+ +Another road/m);
    expect(stdout).toMatch(/which is new\nI don't know|which is new\nYou have not told me/);
    expect(stdout).not.toContain("never said");
  });

  test("what is wrong is told, and the chat goes on", async () => {
    const { url } = await temporaryStore();
    const input = "/frok\n/label\n/rewind\n/rewind none\n/open nope\n/fork\nMy name is Alice.\n";
    const { code, stdout, stderr } = await holdfast(["--store", url, "chat"], { input });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "Nice to meet you, Alice.\n" });
    expect(stderr).toContain("error INVALID_ARGUMENT: there is no command /frok; did you mean /fork?");
    expect(stderr).toContain("/label needs a text");
    expect(stderr).toContain("it begins with your first message");
    expect(stderr).toContain('error SESSION_NOT_FOUND: no session has the id "nope"');
  });

  test("--json prints each event as a line", async () => {
    const { url, sessions } = await temporaryStore();
    const input = "use get_time\n/label X\n/fork\n/tree\n/nope\n/rewind\n/history\n";
    const { code, stdout, stderr } = await holdfast(["--store", url, "--json", "chat"], { input });
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    const events = jsonLines(stdout);
    const types = events.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1]);
    expect(types).toEqual(
      "session tool-call tool-result step text step done labelled forked tree failed rewound".split(" "),
    );
    const parent = (await sessions.list()).items.find(({ kind }) => kind === "session");
    expect(events[0]).toEqual({ type: "session", sessionId: parent?.id, isNew: true, messageCount: 0 });
    expect(events.find(({ type }) => type === "done")).toMatchObject({
      sessionId: parent?.id,
      finishReason: "stop",
      text: expect.stringContaining("get_time says"),
      usage: { totalTokens: expect.any(Number) },
    });
    expect(events.find(({ type }) => type === "failed")).toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("turns that were left open", () => {
  const asked: Message = { role: "user", content: "My name is Alice." };
  const call = { type: "tool-call", toolCallId: "c1", toolName: "get_time", input: {} };
  const request = { type: "tool-approval-request", approvalId: "a1", toolCallId: "c1" };

  async function left(messages: readonly Message[], leaseMs = 0) {
    const made = await temporaryStore();
    await made.sessions.create({ id: "s" });
    await leaveTurnOpen(made.store, "s", messages, leaseMs);
    const args = ["--store", made.url, "chat", "--session", "s"];
    return { ...made, say: (input: string) => holdfast(args, { input }) };
  }

  test("by a crash: it is said, and gone on with", async () => {
    const { say, sessions } = await left([asked]);
    const { code, stdout, stderr } = await say("What is my name?\n");
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: "Nice to meet you, Alice.\nYour name is Alice.\n",
    });
    expect(stderr).toContain("the last turn was interrupted; going on with it");
    expect((await sessions.find("s"))?.turn).toBeUndefined();
  });

  test("by somebody who is still at it: what is said waits for the lease to end", async () => {
    const { say, sessions } = await left([asked], 1500);
    const { code, stdout, stderr } = await say("What is my name?\n");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "Your name is Alice.\n" });
    expect(stderr).toContain("a dead process is in a turn of this session");
    expect((await sessions.find("s"))?.turn).toBeUndefined();
  });

  test.each([
    ["y", /^get_time says: .* at /, /^tool: .*"approved":true.*/],
    ["n", /^You did not approve get_time\./, /^tool: .*"approved":false.*/],
  ])("by a tool that waits for approval: %s", async (answer, said, stored) => {
    const { say, sessions } = await left([asked, { role: "assistant", content: [call, request] }]);
    const { code, stdout, stderr } = await say(`${answer}\n`);
    expect(code).toBe(0);
    expect(stdout).toMatch(said);
    expect(stderr).toContain("run get_time {}? [y/n]");
    expect((await wordsIn(sessions, "s"))[2]).toMatch(stored);
  });

  test("nobody says whether a tool may run: it waits on", async () => {
    const { say, sessions } = await left([asked, { role: "assistant", content: [call, request] }]);
    const { code, stdout } = await say("");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect((await sessions.find("s"))?.turn).toBeDefined();
  });
});

describe("packages that are not installed", () => {
  /** A copy of the program that finds only these packages. */
  async function programWith(...packages: readonly string[]) {
    const folder = await temporaryFolder();
    await cp(join(root, "src"), join(folder, "src"), { recursive: true });
    await cp(join(root, "package.json"), join(folder, "package.json"));
    for (const name of ["commander", "cli-progress", "string-width", ...packages]) {
      await mkdir(join(folder, "node_modules", name, ".."), { recursive: true });
      await symlink(join(root, "node_modules", name), join(folder, "node_modules", name));
    }
    return (...args: readonly string[]) =>
      new Promise<{ code: number | null; text: string }>((resolve, reject) => {
        const main = join(folder, "src/cli/main.ts");
        const flags = ["--disable-warning=ExperimentalWarning", main];
        const child = spawn(process.execPath, [...flags, ...args], { cwd: folder, stdio: "pipe" });
        let text = "";
        for (const stream of [child.stdout, child.stderr])
          stream.on("data", (data) => (text += String(data)));
        child.stdin.end("hello\n");
        child.on("error", reject).on("close", (code) => resolve({ code, text }));
      });
  }

  test("the chat says what to install; other commands do not need it", async () => {
    const bare = await programWith();
    const refused = await bare("--store", "memory:", "chat");
    expect(refused.code).toBe(1);
    expect(refused.text).toMatch(
      /^error UNSUPPORTED: .*the package ai, which is not installed.*: npm install ai\n$/,
    );
    expect((await bare("--store", "memory:", "ls")).code).toBe(0);
    const withAi = await programWith("ai");
    expect(await withAi("--store", "memory:", "chat")).toMatchObject({ code: 0 });
    const served = await withAi(
      "--store",
      "memory:",
      "chat",
      "--base-url",
      "http://localhost:1/v1",
      "--model",
      "m",
    );
    expect(served.code).toBe(1);
    expect(served.text).toMatch(/: npm install @ai-sdk\/openai-compatible\n$/);
  });
});

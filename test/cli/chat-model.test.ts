/** `holdfast chat` with a model behind HTTP, and on a terminal. */
import { describe, expect, test } from "vitest";
import type { Message } from "../../src/index.ts";
import { startOpenAiServer } from "../agent/openai-server.ts";
import { LONG, newestId, served, wordsIn } from "./chat-support.ts";
import { holdfast, start, startOnTerminal, temporaryFolder, temporaryStore } from "./run.ts";

const KEY = "sk-test-4711-not-to-be-seen";

describe("a model behind HTTP", () => {
  const env = { MY_KEY: KEY };
  const withKey = ["--api-key-env", "MY_KEY"];

  test("the answer comes word by word", async () => {
    await using server = await startOpenAiServer({
      apiKey: KEY,
      reply: () => ({ reasoning: "let me think", text: LONG, chunkDelayMs: 30 }),
    });
    const { url } = await temporaryStore();
    const chat = start(["--store", url, "chat", ...served(server), ...withKey], { env });
    chat.child.stdin?.end("count\n");
    await chat.until(() => chat.stdout().includes("two"));
    expect(chat.stdout()).not.toContain("fifteen");
    expect(await chat.ended).toMatchObject({ code: 0, stdout: `${LONG}\n` });
    expect(server.requests[0]?.body).toMatchObject({
      model: "test-model",
      stream_options: { include_usage: true },
    });
  });

  test("a key that is missing or wrong: one line that says what to do, and never the key", async () => {
    await using server = await startOpenAiServer({ apiKey: "another" });
    const { url, sessions } = await temporaryStore();
    const args = ["--store", url, "chat", ...served(server), ...withKey];
    const missing = await holdfast(args, { input: "hello\n" });
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toMatch(
      /^error MODEL_FAILED: .* wants a key, and \$MY_KEY is not set \(401: .*$/m,
    );
    const wrong = await holdfast(args, { input: "hello\n", env });
    expect(wrong.stderr).toMatch(
      /^error MODEL_FAILED: .* refused the key in \$MY_KEY \(401: .*--api-key-env$/m,
    );
    expect(wrong.stderr).not.toContain(KEY);
    expect(await wordsIn(sessions, await newestId(sessions))).toEqual(["user: hello"]);
  });

  test("what fails is told, the part that had come is kept, and the chat goes on", async () => {
    await using server = await startOpenAiServer({
      reply({ messages }, attempt) {
        const said = messages.at(-1)?.content;
        if (said === "drop" && attempt === 1) return { text: LONG, dropAfterChunks: 4 };
        if (said === "garbage") return { text: LONG, malformedAfterChunks: 3 };
        if (said === "limit") return { status: 429, message: `Too many for ${KEY}.`, retryAfterSeconds: 0 };
        return said === "down" ? { status: 503, retryAfterSeconds: 0 } : undefined;
      },
    });
    const { url, sessions } = await temporaryStore();
    const input = "drop\n/retry\ngarbage\nlimit\ndown\nstill there?\n";
    const args = ["--store", url, "chat", ...served(server), ...withKey];
    const { code, stdout, stderr } = await holdfast(args, { input, env });
    expect(code).toBe(1);
    expect(stdout).toBe(
      'one two three \nYou said "drop". There were 1 messages.\none two \nYou said "still there?". There were 7 messages.\n',
    );
    const failures = stderr.split("\n").filter((line) => line.startsWith("error"));
    expect(failures).toEqual([
      expect.stringMatching(
        /MODEL_FAILED: the answer of http.* broke off: .*\/retry.*; what had come is kept$/,
      ),
      expect.stringMatching(/MODEL_FAILED: .*a part of it could not be read.*; what had come is kept$/),
      expect.stringMatching(/MODEL_FAILED: .*too many requests \(429: Too many for \[key\]\.\).*\/retry/),
      expect.stringMatching(/MODEL_FAILED: .* failed \(503: /),
    ]);
    expect(stdout + stderr).not.toContain(KEY);
    const words = await wordsIn(sessions, await newestId(sessions));
    expect(words.slice(0, 4)).toEqual([
      "user: drop",
      'assistant: You said "drop". There were 1 messages.',
      "user: garbage",
      "assistant: (partial) one two ",
    ]);
    const exported = await holdfast(["--store", url, "export", "--all"]);
    expect(exported.stdout).toContain("garbage");
    expect(exported.stdout).not.toContain(KEY);
  });

  test("a server that can't be reached", async () => {
    const server = await startOpenAiServer();
    const args = served(server);
    await server.close();
    const { url } = await temporaryStore();
    const { code, stderr } = await holdfast(["--store", url, "--json", "chat", ...args], {
      input: "hello\n",
    });
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  }, 20_000);

  test.each([
    [["--base-url", "localhost:1"], /--base-url must be the URL of an API/],
    [["--base-url", "http://localhost:1/v1"], /--base-url needs --model too/],
    [["--new"], /--new goes with --session/],
  ])("%j is told in one line and exits with 2", async (args, message) => {
    const folder = await temporaryFolder();
    const { code, stdout, stderr } = await holdfast(["chat", ...args], { cwd: folder });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^error INVALID_ARGUMENT: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });
});

describe("on a terminal", () => {
  const env = { NO_COLOR: "1" };
  const CTRL_C = "\u0003";
  const CTRL_D = "\u0004";

  function terminal(args: readonly string[], extra: Readonly<Record<string, string>> = env) {
    const running = startOnTerminal(args, { env: extra });
    let seen = 0;
    return {
      ...running,
      type: (text: string) => void running.child.stdin?.write(text),
      /** Waits for `text` in what came after the last that was waited for. */
      async sees(text: string) {
        await running.until(() => running.stdout().includes(text, seen));
        seen = running.stdout().indexOf(text, seen) + text.length;
      },
    };
  }

  test("Ctrl-C stops an answer, keeps its part, and the chat goes on; Ctrl-D leaves", async () => {
    await using server = await startOpenAiServer({
      reply: ({ messages }) => (messages.length === 1 ? { text: LONG, chunkDelayMs: 60 } : undefined),
    });
    const { url, sessions } = await temporaryStore();
    const chat = terminal(["--store", url, "chat", ...served(server)]);
    await chat.sees("> ");
    chat.type("count\r");
    await chat.sees("two");
    chat.type(CTRL_C);
    await chat.sees("stopped; what had come is kept");
    await chat.sees("> ");
    expect(await server.requests[0]?.outcome).toBe("aborted");
    chat.type("and now?\r");
    await chat.sees('You said "and now?". There were 3 messages.');
    await chat.sees("> ");
    chat.type(CTRL_D);
    await chat.sees("come back: ");
    expect(await chat.ended).toMatchObject({ code: 0 });
    const id = await newestId(sessions);
    expect(await wordsIn(sessions, id)).toEqual([
      "user: count",
      expect.stringMatching(/^assistant: \(partial\) one two (three )?/),
      "user: and now?",
      'assistant: You said "and now?". There were 3 messages.',
    ]);
    const outcomes: unknown[] = [];
    for await (const { data } of (await sessions.open(id)).entries({ types: ["turn.ended"] }))
      outcomes.push(data);
    expect(outcomes).toMatchObject([{ outcome: "aborted" }, { outcome: "completed" }]);
  });

  test("Ctrl-C at the prompt takes the line away; a second one leaves", async () => {
    const { url, sessions } = await temporaryStore();
    const chat = terminal(["--store", url, "chat"]);
    await chat.sees("> ");
    chat.type("half a line");
    await chat.sees("half a line");
    chat.type(CTRL_C);
    await chat.sees("(Ctrl-C again, or Ctrl-D, leaves)");
    chat.type("My name is \\\rAlice.\r");
    await chat.sees("Nice to meet you, Alice.");
    await chat.sees("> ");
    chat.type(CTRL_C);
    await chat.sees("(Ctrl-C again, or Ctrl-D, leaves)");
    chat.type(CTRL_C);
    expect(await chat.ended).toMatchObject({ code: 0 });
    expect((await wordsIn(sessions, await newestId(sessions)))[0]).toBe("user: My name is \nAlice.");
  });

  test("on resume the newest messages are shown, and what comes before them is counted", async () => {
    const { url, sessions } = await temporaryStore();
    const messages = Array.from({ length: 14 }, (_, index): Message => {
      return { role: index % 2 === 0 ? "user" : "assistant", content: `message ${index + 1}.` };
    });
    await sessions.create({ id: "long", label: "A long one", messages });
    const chat = terminal(["--store", url, "chat", "--session", "lo"]);
    await chat.sees("A long one");
    await chat.sees("… 4 earlier messages; /history shows them");
    await chat.sees("message 5.");
    await chat.sees("message 14.");
    await chat.sees("> ");
    expect(chat.stdout()).not.toContain("message 4.");
    chat.type("/quit\r");
    expect(await chat.ended).toMatchObject({ code: 0 });
  });

  test("lines that are typed ahead are answered in turn, and tools and reasoning are dim", async () => {
    await using server = await startOpenAiServer({
      reply: ({ messages }) =>
        messages.length === 1
          ? { reasoning: "let me think", toolCalls: [{ name: "get_time", arguments: {} }] }
          : undefined,
    });
    const { url } = await temporaryStore();
    const chat = terminal(["--store", url, "chat", ...served(server)], {});
    await chat.sees("> ");
    chat.type("first\rsecond\r");
    await chat.sees("\u001b[2m\u001b[3mlet ");
    await chat.sees("\u001b[2m→ get_time {}");
    await chat.sees("\u001b[2m← get_time ");
    await chat.sees("The tool said: ");
    await chat.sees('You said "second".');
    await chat.sees("> ");
    chat.type(CTRL_D);
    expect(await chat.ended).toMatchObject({ code: 0 });
  });
});

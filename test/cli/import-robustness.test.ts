import { spawn } from "node:child_process";
import { chmod, mkdir, open, readdir, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IMPORT_FORMATS, readTranscripts } from "../../src/cli/import/index.ts";
import { sourceIdOf } from "../../src/cli/import/source-id.ts";
import { fileWith, folderWith, jsonl, readAll, readOne } from "./fixtures/support.ts";

const user = (content: string) => ({ role: "user", content });
const chat = (...contents: string[]) => ({ messages: contents.map(user) });

/** The messages of the problems, after checking that nothing else came and that each names the file. */
async function problemsOf(path: string) {
  const { sessions, problems, native } = await readAll(path);
  expect({ sessions, native, files: [...new Set(problems.map(({ file }) => file))] }).toEqual({
    sessions: [],
    native: [],
    files: [path],
  });
  return problems.map(({ message, line }) => (line === undefined ? message : `${line}: ${message}`));
}

describe("a file that is no transcript is one problem", () => {
  test.each<[string, string, string | Buffer, RegExp]>([
    ["an empty file", "a.json", "", /^the file is empty$/],
    ["a blank file", "a.jsonl", " \n\r\n\t\n", /nothing but blank lines/],
    ["a byte order mark alone", "a.json", "\uFEFF", /nothing but blank lines/],
    ["a picture", "a.json", Buffer.from("89504e470d0a1a0a0000000d49484452", "hex"), /binary/],
    ["random bytes", "a.jsonl", Buffer.from([0x7b, 0x00, 0xff, 0x00]), /binary/],
    ["UTF-16", "a.json", Buffer.from("\uFEFF{}", "utf16le"), /UTF-16/],
    ["prose", "a.jsonl", "Dear diary,\nnothing today.\n", /does not begin like JSON/],
    ["a document that was cut off", "a.json", JSON.stringify(chat("Hello"), null, 2).slice(0, -8), /cut off/],
    [
      "a document on one line that was cut off",
      "a.json",
      JSON.stringify(chat("Hello")).slice(0, -8),
      /cut off/,
    ],
    [
      "a list that was cut off",
      "a.json",
      '[\n{"role":"user","content":"a"},\n{"role":"user","content":"b"}\n',
      /cut off/,
    ],
    [
      "other JSON",
      "a.json",
      '{"name":"holdfast","version":"1.0.0"}',
      /^it holds no transcript of a format that is known$/,
    ],
    [
      "other JSON over lines",
      "a.json",
      '{\n  "name": "holdfast"\n}\n',
      /^it holds no transcript of a format that is known$/,
    ],
    [
      "other JSON lines",
      "a.jsonl",
      jsonl({ a: 1 }, { a: 2 }),
      /^it holds no transcript of a format that is known$/,
    ],
    ["an empty list", "a.json", "[]", /^it holds no transcript/],
    ["an empty list over lines", "a.json", "[\n]", /^the list is empty$/],
    [
      "a conversation without messages",
      "a.json",
      '{"messages":[]}',
      /^1: the conversation holds no message$/,
    ],
    ["a number", "a.json", "42", /^it holds no transcript/],
    ["text that is not UTF-8", "a.json", Buffer.from('{\n"messages": "\xff"}', "latin1"), /not UTF-8/],
  ])("%s", async (_, name, content, message) => {
    expect(await problemsOf(await fileWith(name, content))).toEqual([expect.stringMatching(message)]);
  });

  test("a path that leads nowhere", async () => {
    expect(await problemsOf(join(await folderWith(), "none.json"))).toEqual([
      "there is no such file or folder",
    ]);
  });

  test("a socket, a device", async () => {
    expect(await problemsOf("/dev/null")).toEqual(["it is neither a file nor a folder"]);
  });

  test("a file that may not be read", async () => {
    const folder = await folderWith({ "a.json": JSON.stringify(chat("Hello")) });
    await chmod(folder, 0o755);
    await chmod(join(folder, "a.json"), 0o000);
    // Root may read everything.
    const root = process.geteuid?.() === 0;
    if (root) process.seteuid?.(65534);
    try {
      expect(await problemsOf(join(folder, "a.json"))).toEqual([
        expect.stringMatching(/^it could not be read: EACCES/),
      ]);
    } finally {
      if (root) process.seteuid?.(0);
    }
  });

  test("a document that is too large", async () => {
    const path = await fileWith("a.json", "{\n");
    const file = await open(path, "a");
    const blank = Buffer.alloc(1024 * 1024, " ");
    for (let written = 0; written < 256; written++) await file.write(blank);
    await file.write("}");
    await file.close();
    expect(await problemsOf(path)).toEqual([
      expect.stringMatching(/one JSON document of more than 256 MiB.*make it JSON lines/),
    ]);
  });
});

describe("JSON lines", () => {
  test("a byte order mark, carriage returns, blank lines and a missing last newline are fine", async () => {
    const lines = [chat("a"), chat("b"), chat("c")].map((one) => JSON.stringify(one));
    const path = await fileWith("a.jsonl", `\uFEFF\r\n${lines.join("\r\n\r\n")}`);
    const { sessions, problems } = await readAll(path);
    expect(problems).toEqual([]);
    expect(sessions.map(({ messages }) => messages[0]?.message)).toEqual([user("a"), user("b"), user("c")]);
  });

  test("each broken line is named with its number, and the rest still comes", async () => {
    const good = (content: string) => Buffer.from(`${JSON.stringify(chat(content))}\n`);
    const path = await fileWith(
      "a.jsonl",
      Buffer.concat([
        good("1"),
        Buffer.from('{"messages": [{"ro\n'),
        Buffer.from("\n"),
        good("4"),
        Buffer.from([0x22, 0xff, 0x22, 0x0a]),
        Buffer.alloc(20),
        Buffer.from("\n"),
        Buffer.from('{"other": 1}\n'),
        good("8"),
        Buffer.from('{"messages": [{"role": "user", "content": "torn'),
      ]),
    );
    const { sessions, problems } = await readAll(path);
    expect(sessions.map(({ messages }) => messages[0]?.message.content)).toEqual(["1", "4", "8"]);
    expect(problems.map(({ line, message }) => [line, message])).toEqual([
      [2, expect.stringMatching(/^the line is not complete JSON/)],
      [5, "the line is not UTF-8 text; it was left out"],
      [6, expect.stringMatching(/^the line is not complete JSON/)],
      [7, "it holds no transcript of a format that is known"],
      [9, expect.stringMatching(/^the line is not complete JSON/)],
    ]);
  });

  test.each(["a.jsonl", "a.json", "a.txt"])(
    "a broken first line does not hide the others in %s",
    async (name) => {
      const path = await fileWith(name, `{"messages": [{"ro\n${jsonl(chat("2"), chat("3"))}`);
      const { sessions, problems } = await readAll(path);
      expect(sessions).toHaveLength(2);
      expect(problems.map(({ line }) => line)).toEqual([1]);
    },
  );

  test("a document over several lines is one, whatever its name", async () => {
    const path = await fileWith("a.jsonl", JSON.stringify(chat("a", "b"), null, 2));
    expect((await readOne(path)).messages).toHaveLength(2);
    const list = await fileWith(
      "b.jsonl",
      `[\n${JSON.stringify(user("a"))},\n${JSON.stringify(user("b"))}\n]\n`,
    );
    expect((await readOne(list)).messages).toHaveLength(2);
  });

  test("a line that is too long is named and passed over, also in the middle of a chunk", async () => {
    const path = await fileWith(
      "a.jsonl",
      jsonl(chat("1"), chat("x".repeat(700_000)), chat("3"), chat("y".repeat(2000)), chat("5")),
    );
    const { sessions, problems } = await readAll(path, { limits: { lineBytes: 1000 } });
    expect(sessions.map(({ messages }) => messages[0]?.message.content)).toEqual(["1", "3", "5"]);
    expect(problems.map(({ line, message }) => [line, message])).toEqual([
      [2, "the line is longer than 1000 bytes; it was left out"],
      [4, "the line is longer than 1000 bytes; it was left out"],
    ]);
  });

  test("a first line of more than 64 MiB is passed over as well", async () => {
    const path = await fileWith("a.jsonl", jsonl(chat("x".repeat(65 * 1024 * 1024)), chat("2")));
    const { sessions, problems } = await readAll(path);
    expect(sessions.map(({ messages }) => messages[0]?.message.content)).toEqual(["2"]);
    expect(problems).toEqual([
      { type: "problem", file: path, line: 1, message: "the line is longer than 64 MiB; it was left out" },
    ]);
  });

  test("a long document on one line is no long line", async () => {
    const path = await fileWith("a.json", JSON.stringify(chat("x".repeat(5000))));
    expect((await readAll(path, { limits: { lineBytes: 1000 } })).sessions).toHaveLength(1);
  });

  test.each([
    ["openai", (index: number) => user(String(index))],
    [
      "codex",
      (index: number) => ({ type: "response_item", payload: { type: "message", ...user(String(index)) } }),
    ],
    [
      "claude-code",
      (index: number) => ({
        type: "user",
        uuid: String(index),
        sessionId: "s",
        message: user(String(index)),
      }),
    ],
  ])("a session of %s that does not fit in memory is one problem", async (_, line) => {
    const path = await fileWith("a.jsonl", jsonl(...Array.from({ length: 100 }, (_, index) => line(index))));
    const { sessions, problems } = await readAll(path, { limits: { sessionBytes: 1000 } });
    expect(sessions).toEqual([]);
    expect(problems.map(({ message }) => message)).toEqual([
      "the file is one session of more than 1000 bytes, too large to be held at once; split it into several files",
    ]);
    expect((await readOne(path)).messages).toHaveLength(100);
  });
});

describe("a folder", () => {
  test("gives its files in the order of their names, before those of its folders, the same each time", async () => {
    const text = (content: string) => JSON.stringify(chat(content));
    const folder = await folderWith({
      "b/2.json": text("b2"),
      "b/10.json": text("b10"),
      "a/deep/er/x.json": text("x"),
      "a.json": text("a"),
      "B.json": text("B"),
      "README.md": "# Not a transcript",
      "picture.png": Buffer.from([0x89, 0x50]),
      "node_modules/p/package.json": "{}",
    });
    const order = async () =>
      (await readAll(folder)).sessions.map(({ messages }) => messages[0]?.message.content);
    expect(await order()).toEqual(["B", "a", "x", "b10", "b2"]);
    expect(await order()).toEqual(await order());
  });

  test("with links that go round in circles ends, and gives each file once", async () => {
    const folder = await folderWith({ "in/a.json": JSON.stringify(chat("a")) });
    await symlink(folder, join(folder, "in", "up"));
    await symlink(join(folder, "in", "a.json"), join(folder, "z.json"));
    await symlink(join(folder, "in"), join(folder, "again"));
    await symlink("self", join(folder, "self"));
    const { sessions, problems } = await readAll(folder);
    expect(sessions).toHaveLength(1);
    expect(problems).toEqual([
      { type: "problem", file: join(folder, "self"), message: expect.stringMatching(/ELOOP/) },
    ]);
  });

  test("with broken files gives all others", async () => {
    const folder = await folderWith({
      "1.json": "{",
      "2.json": JSON.stringify(chat("two")),
      "3.jsonl": Buffer.alloc(10),
      "4.json": "",
      "5.jsonl": jsonl({ holdfast: 1, session: "s" }, { seq: 1 }),
    });
    const { sessions, problems, native } = await readAll(folder);
    expect(sessions).toHaveLength(1);
    expect(native).toEqual([join(folder, "5.jsonl")]);
    expect(problems.map(({ file }) => file)).toEqual(
      ["1.json", "3.jsonl", "4.json"].map((name) => join(folder, name)),
    );
  });

  test("that is empty gives nothing", async () => {
    expect(await readAll(await folderWith())).toEqual({ sessions: [], problems: [], native: [] });
  });

  test("of a thousand files", async () => {
    const folder = await folderWith();
    await mkdir(join(folder, "many"));
    await Promise.all(
      Array.from({ length: 1000 }, (_, index) =>
        writeFile(join(folder, "many", `${index}.json`), JSON.stringify(chat(String(index)))),
      ),
    );
    expect((await readAll(folder)).sessions).toHaveLength(1000);
  });
});

test("ids are at most 200 bytes, well-formed, and differ where the input does", async () => {
  const long = (tail: string) => `${"è".repeat(100)}${tail}`;
  const stored = (id: string) => ({ id, agentId: "a", messages: [user("x")] });
  const path = await fileWith(
    "a.jsonl",
    `${jsonl(stored(long("1")), stored(long("2")), stored("a:b"), stored("a%3ab"))}{"id":"\\ud800","agentId":"a","messages":[]}\n`,
  );
  const ids = (await readAll(path)).sessions.map(({ sourceId }) => sourceId);
  expect(new Set(ids).size).toBe(5);
  expect(ids.every((id) => Buffer.byteLength(id) <= 200 && id.isWellFormed())).toBe(true);
  expect((await readAll(path)).sessions.map(({ sourceId }) => sourceId)).toEqual(ids);
});

test("no two lists of parts give the same id", () => {
  const lists = [
    ["a", "b"],
    ["a:b"],
    ["a%3ab"],
    ["a", "", "b"],
    ["\ud800"],
    ["\ud801"],
    ["\n"],
    ["%0a"],
    ["x".repeat(300)],
    ["x".repeat(301)],
    ["x".repeat(150), "x".repeat(150)],
  ];
  const ids = lists.map((parts) => sourceIdOf("openai", ...parts));
  expect(new Set(ids).size).toBe(lists.length);
  expect(ids.every((id) => id.isWellFormed() && Buffer.byteLength(id) <= 200)).toBe(true);
  expect(ids.slice(0, 2)).toEqual(["openai:a:b", "openai:a%3ab"]);
});

test("progress rises to the whole and never past it", async () => {
  const folder = await folderWith({
    "a.jsonl": jsonl(...Array.from({ length: 2000 }, (_, index) => chat(`${index} ${"x".repeat(400)}`))),
    "b.json": JSON.stringify(chat("b"), null, 2),
    "c.json": "not JSON",
  });
  const steps: [number, number][] = [];
  await readAll(folder, { onProgress: (read, total) => steps.push([read, total]) });
  const total = steps[0]?.[1];
  expect(total).toBeGreaterThan(800_000);
  expect(
    steps.every(([read, of], index) => of === total && read > (steps[index - 1]?.[0] ?? 0) && read <= of),
  ).toBe(true);
  expect(steps.length).toBeGreaterThan(4);
  expect(steps.at(-1)).toEqual([total, total]);
});

// Only there can a process see which files it has open.
const linux = process.platform === "linux";
if (!linux) console.log("not on Linux: that an import which is stopped closes its file is left out");
test("reading can be stopped at any time, and the file is closed", { skip: !linux }, async () => {
  const path = await fileWith(
    "a.jsonl",
    jsonl(...Array.from({ length: 5000 }, (_, index) => chat(`${index} ${"x".repeat(200)}`))),
  );
  for await (const event of readTranscripts(path)) {
    expect(event.type).toBe("session");
    break;
  }
  const open = await Promise.all(
    (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "closed since")),
  );
  expect(open).not.toContain(path);
});

test("lines are counted whatever their type is called", async () => {
  const types = ["constructor", "__proto__", "toString", "progress", "progress"];
  const path = await fileWith("a.jsonl", jsonl(...types.map((type) => ({ type, sessionId: "s" }))));
  expect(JSON.stringify((await readOne(path)).metadata.otherLines)).toBe(
    '{"constructor":1,"__proto__":1,"toString":1,"progress":2}',
  );
});

test("deeply nested JSON is a session or a problem, never a crash", async () => {
  const deep = (depth: number) =>
    `{"messages":[{"role":"user","content":${"[".repeat(depth)}${"]".repeat(depth)}}]}\n`;
  const path = await fileWith("a.jsonl", deep(100) + deep(1_000_000));
  const { sessions, problems } = await readAll(path);
  expect(sessions).toHaveLength(1);
  expect(problems).toHaveLength(1);
});

test("whatever JSON comes, in whatever format it is taken for, nothing is thrown", async () => {
  const keys = fc.constantFrom(
    ...[
      "messages",
      "message",
      "role",
      "content",
      "type",
      "payload",
      "uuid",
      "sessionId",
      "id",
      "traj",
      "task_id",
      "history",
    ],
    ...[
      "trajectory",
      "info",
      "metadata",
      "session",
      "items",
      "sessions",
      "data",
      "usage",
      "agentId",
      "collectedData",
      "holdfast",
    ],
    ...[
      "timestamp",
      "summary",
      "call_id",
      "output",
      "action",
      "arguments",
      "name",
      "created_at",
      "message_count",
      "parent_id",
    ],
  );
  const words = fc.constantFrom(
    "user",
    "assistant",
    "message",
    "function_call",
    "reasoning",
    "response_item",
    "session_meta",
    "system",
    "",
    "../x",
    "2025-01-01",
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      words,
      fc.integer(),
      fc.constant(null),
      fc.boolean(),
      tie("list"),
      tie("object"),
    ),
    list: fc.array(tie("value"), { maxLength: 4 }),
    object: fc.dictionary(keys, tie("value"), { maxKeys: 8 }),
  }));
  const path = await fileWith("a.jsonl", "");
  await fc.assert(
    fc.asyncProperty(
      fc.array(value, { minLength: 1, maxLength: 5 }),
      fc.constantFrom(undefined, ...IMPORT_FORMATS),
      async (values, format) => {
        await writeFile(path, jsonl(...values));
        const { sessions, problems } = await readAll(path, { format });
        // What a reader throws is told like this.
        expect(problems.filter(({ message }) => message.startsWith("it could not be read"))).toEqual([]);
        for (const session of sessions) {
          expect(Buffer.byteLength(session.sourceId)).toBeLessThanOrEqual(200);
          expect(session.messages.every(({ message }) => typeof message.role === "string")).toBe(true);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("a JSONL file of many conversations is read in memory that does not grow with it", {
  timeout: 120_000,
}, async () => {
  const mebibytes = Number(process.env.HOLDFAST_LARGE_FILE_MIB ?? 128);
  const path = await fileWith("large.jsonl", "");
  const file = await open(path, "w");
  const text = "All the ferns of the garden, one after another. ".repeat(40);
  const block = jsonl(
    ...Array.from({ length: 512 }, (_, index) => ({
      messages: [user(`${index} ${text}`), { role: "assistant", content: text }],
    })),
  );
  const blocks = Math.ceil((mebibytes * 1024 * 1024) / block.length);
  for (let index = 0; index < blocks; index++) await file.write(block);
  await file.close();

  // The heap of the reader is a fraction of the file: were it held, the process would die.
  const reader = spawn(
    process.execPath,
    ["--max-old-space-size=48", fileURLToPath(new URL("fixtures/count-sessions.ts", import.meta.url)), path],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let output = "";
  reader.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const code = await new Promise((resolve) => reader.on("close", resolve));
  expect(code).toBe(0);
  const { sessions, problems, peakMebibytes } = JSON.parse(output);
  expect({ sessions, problems }).toEqual({ sessions: blocks * 512, problems: 0 });
  expect(peakMebibytes).toBeLessThan(200);
});

import { describe, expect, test } from "vitest";
import { holdfast, jsonLines, temporaryStore } from "./run.ts";

const user = (content: string) => ({ role: "user" as const, content });
const assistant = (content: string) => ({ role: "assistant" as const, content });

async function threeSessions() {
  const made = await temporaryStore();
  const { sessions } = made;
  const first = await sessions.create({
    userId: "alice",
    agent: "booking",
    label: "Flight",
    messages: [user("Lisbon?")],
  });
  const second = await sessions.create({
    userId: "bob",
    label: "Wörter 日本語",
    messages: [user("a"), assistant("b")],
  });
  await second.complete();
  const child = await first.spawn({ label: "Summary" });
  return { ...made, first, second, child };
}

describe("ls", () => {
  test("shows what there is, the newest first", async () => {
    const { url } = await threeSessions();
    const { code, stdout } = await holdfast(["--store", url, "ls"]);
    const lines = stdout.trimEnd().split("\n");
    expect(code).toBe(0);
    expect(lines[0]).toMatch(/^ID +LABEL +STATUS +USER +MESSAGES +UPDATED +KIND$/);
    expect(lines).toHaveLength(4);
    expect(lines[1]).toMatch(/^[0-9a-f-]{8,} +Summary +active +alice +0 +(now|\ds ago) +child$/);
    expect(lines[2]).toMatch(/Wörter 日本語 +completed +bob +2 /);
  });

  test.each([
    [["--user", "bob"], ["Wörter 日本語"]],
    [["--status", "completed"], ["Wörter 日本語"]],
    [
      ["--agent", "booking"],
      ["Summary", "Flight"],
    ],
    [["--label", "Summary"], ["Summary"]],
    [["--kind", "child"], ["Summary"]],
    [["--user", "alice", "--kind", "session"], ["Flight"]],
    [["--user", "nobody"], []],
  ])("filters: %j", async (args, labels) => {
    const { url } = await threeSessions();
    const { code, stdout } = await holdfast(["--store", url, "--json", "ls", ...args]);
    expect(code).toBe(0);
    expect(jsonLines(stdout).map(({ label }) => label)).toEqual(labels);
  });

  test("pages by cursor to the last, and --all gives the same", async () => {
    const { url, sessions } = await temporaryStore();
    for (let index = 0; index < 7; index += 1) await sessions.create({ id: `session-${index}` });
    const seen: unknown[] = [];
    let cursor: unknown;
    do {
      const more = typeof cursor === "string" ? ["--cursor", cursor] : [];
      const { stdout, stderr } = await holdfast(["--store", url, "--json", "ls", "--limit", "3", ...more]);
      seen.push(...jsonLines(stdout).map(({ id }) => id));
      cursor = jsonLines(stderr)[0]?.cursor;
    } while (cursor !== undefined);
    const all = await holdfast(["--store", url, "ls", "--all", "--json"]);
    expect(seen).toHaveLength(7);
    expect(jsonLines(all.stdout).map(({ id }) => id)).toEqual(seen);
    const made = await holdfast(["--store", url, "ls", "--cursor", "made-up"]);
    expect(made.code).toBe(2);
    expect(made.stderr).toContain("the cursor is not of this query");
  });

  test("a namespace is a place of its own", async () => {
    const { url, store } = await temporaryStore();
    const { createSessions } = await import("../../src/index.ts");
    await createSessions({ store: store.namespace("tenant") }).create({ label: "theirs" });
    expect((await holdfast(["--store", url, "ls"])).stdout).toBe("");
    expect((await holdfast(["--store", url, "--namespace", "tenant", "ls"])).stdout).toContain("theirs");
  });
});

describe("ids", () => {
  test("a beginning that one session has is enough; one that several have lists them", async () => {
    const { url, sessions } = await temporaryStore();
    await sessions.create({ id: "ticket-41", label: "one" });
    await sessions.create({ id: "ticket-42", label: "another" });
    await sessions.create({ id: "ticket-4", label: "exact" });
    const show = (id: string) => holdfast(["--store", url, "show", id]);
    expect((await show("ticket-42")).stdout).toContain("another");
    expect((await show("ticket-4")).stdout).toContain("exact");
    const several = await show("tick");
    expect(several.code).toBe(2);
    expect(several.stderr).toMatch(/^error AMBIGUOUS_ID: .*"tick".*\n {2}ticket-42? /);
    expect(several.stderr.split("\n").filter((line) => line.startsWith("  ticket-4"))).toHaveLength(3);
    const none = await show("nothing");
    expect(none.code).toBe(3);
    expect(none.stderr).toMatch(/^error SESSION_NOT_FOUND: no session has the id "nothing"/);
  });

  test("what ls prints as an id is accepted", async () => {
    const { url, sessions } = await temporaryStore();
    for (let index = 0; index < 5; index += 1) await sessions.create({ label: `session ${index}` });
    const { stdout } = await holdfast(["--store", url, "ls"]);
    const rows = stdout.trimEnd().split("\n").slice(1);
    for (const row of rows.slice(0, 3)) {
      const [id = "", label = ""] = row.split(/ {2,}/);
      const shown = await holdfast(["--store", url, "show", id]);
      expect(shown.stdout).toContain(label);
    }
  });
});

describe("show", () => {
  async function withTools() {
    const made = await temporaryStore();
    await made.sessions.create({
      id: "tools",
      userId: "alice",
      data: { city: "Lisbon" },
      messages: [
        { role: "system", content: "Be brief." },
        user("Weather?"),
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "I must look." },
            { type: "tool-call", toolCallId: "c1", toolName: "get_weather", input: { city: "Lisbon" } },
          ],
        },
        {
          role: "tool",
          content: [
            {
              type: "tool-result",
              toolCallId: "c1",
              toolName: "get_weather",
              output: { type: "text", value: "24 °C" },
            },
          ],
        },
        assistant("24 °C."),
        {
          role: "assistant",
          content: [{ type: "tool-call", toolCallId: "c2", toolName: "book", input: {} }],
        },
      ],
    });
    return made;
  }

  test("shows the record and the messages, tool calls readable", async () => {
    const { url } = await withTools();
    const { code, stdout } = await holdfast(["--store", url, "show", "tools"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^id +tools$/m);
    expect(stdout).toMatch(/^user +alice$/m);
    expect(stdout).toMatch(/^messages +6 /m);
    expect(stdout).toMatch(/^data +\{"city":"Lisbon"\}$/m);
    expect(stdout).toMatch(/^system {2}#\d+ .*\n {2}Be brief\.$/m);
    expect(stdout).toContain('  → get_weather {"city":"Lisbon"}');
    expect(stdout).toContain("  ← get_weather 24 °C");
  });

  test("--last, --entries, --context, --json", async () => {
    const { url } = await withTools();
    const show = async (...args: string[]) =>
      (await holdfast(["--store", url, "show", "tools", ...args])).stdout;
    const last = await show("--last", "2");
    expect(last).toContain("… 4 earlier messages");
    expect(last).not.toContain("Be brief.");
    const entries = await show("--entries");
    expect(entries.split("\n")[0]).toMatch(/^ +#1 .* session\.created +\{"id":"tools"/);
    expect(await show("--entries", "--json", "--last", "2")).toMatch(/^\{"seq":7,.*\n\{"seq":8,.*\n$/);
    // The dangling call has a result in what a model is sent, and not in the log.
    expect(await show("--context")).toContain("← book The tool call was interrupted");
    expect(entries).not.toContain("interrupted");
    const [value] = jsonLines(await show("--json"));
    expect(value).toMatchObject({ record: { id: "tools", messageCount: 6 } });
    expect(value?.messages).toHaveLength(6);
  });

  test("takes out what would act on a terminal, also from JSON", async () => {
    const { url, sessions } = await temporaryStore();
    const evil = "\u001b[2J\u001b]0;owned\u0007red\u009b31m\u202egnp.exe\r\u0000 end";
    await sessions.create({ id: "evil", label: "ev\u001b[31mil", messages: [user(evil)] });
    for (const args of [
      ["show", "evil"],
      ["show", "evil", "--entries"],
      ["ls"],
      ["search", "end"],
      ["tree"],
    ]) {
      const { stdout } = await holdfast(["--store", url, ...args]);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
    const { stdout } = await holdfast(["--store", url, "show", "evil", "--json"]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(jsonLines(stdout)[0]).toMatchObject({ messages: [{ message: user(evil) }] });
  });

  test("messages of OpenAI and Anthropic, and long results cut", async () => {
    const { url, store } = await temporaryStore();
    const { createSessions } = await import("../../src/index.ts");
    const sessions = createSessions<object>({ store });
    const long = Array.from({ length: 40 }, (_, index) => `row ${index}`).join("\n");
    await sessions.create({
      id: "shapes",
      messages: [
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "a", type: "function", function: { name: "find", arguments: '{"q":1}' } }],
        },
        { role: "tool", tool_call_id: "a", content: long },
        { role: "assistant", content: [{ type: "tool_use", id: "b", name: "run", input: { x: 2 } }] },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "b", content: [{ type: "text", text: "done" }] }],
        },
        { role: "user", content: [{ type: "image", mediaType: "image/png", image: "AAAA" }] },
        { kind: "unknown", payload: 7 },
      ],
    });
    const { stdout } = await holdfast(["--store", url, "show", "shapes"]);
    expect(stdout).toContain('→ find {"q":1}');
    expect(stdout).toContain("← find row 0");
    expect(stdout).toContain("… 29 more lines (--full shows them)");
    expect(stdout).toContain('→ run {"x":2}');
    expect(stdout).toContain("← run done");
    expect(stdout).toContain("[image: image/png]");
    expect(stdout).toContain('{"kind":"unknown","payload":7}');
    expect((await holdfast(["--store", url, "show", "shapes", "--full"])).stdout).toContain("row 39");
  });
});

describe("tree, diff, search and stats", () => {
  async function forked() {
    const made = await temporaryStore();
    const { sessions } = made;
    const root = await sessions.create({
      id: "root",
      label: "Root",
      messages: [user("Where to?"), assistant("Lisbon.")],
    });
    const fork = await sessions.fork("root", { id: "fork", at: 2, label: "Fork" });
    await fork.append(assistant("Porto."));
    await sessions.fork("fork", { id: "fork-of-fork", label: "Deep" });
    await root.spawn({ id: "child", label: "Helper" });
    await sessions.create({ id: "alone", label: "Alone" });
    return made;
  }

  test("tree shows forks with their place, and children", async () => {
    const { url, sessions } = await forked();
    const { stdout } = await holdfast(["--store", url, "tree"]);
    expect(stdout).toMatch(/^alone {2}Alone /m);
    expect(stdout).toMatch(/^root {2}Root /m);
    expect(stdout).toMatch(/^├─ child {2}Helper {2}child /m);
    expect(stdout).toMatch(/^└─ fork {2}Fork {2}fork at #2 “Where to\?” /m);
    expect(stdout).toMatch(/^ {3}└─ fork-of-fork {2}Deep {2}fork at #4 “Porto\.” /m);
    const one = await holdfast(["--store", url, "--json", "tree", "fork-of"]);
    expect(jsonLines(one.stdout)).toMatchObject([
      {
        record: { id: "root" },
        branches: [
          { record: { id: "child" } },
          { record: { id: "fork" }, branches: [{ forkedAfter: "Porto." }] },
        ],
      },
    ]);
    await sessions.delete("root");
    expect((await holdfast(["--store", url, "tree"])).stdout).toMatch(/^root {2}Root .* deleted$/m);
  });

  test("diff shows what is common and what is not", async () => {
    const { url } = await forked();
    const { code, stdout } = await holdfast(["--store", url, "diff", "root", "fork"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^1 message in common {2}\(the log is one up to #2, in root\)$/m);
    expect(stdout).toMatch(/^- {3}Lisbon\.$/m);
    expect(stdout).toMatch(/^\+ {3}Porto\.$/m);
    const json = await holdfast(["--store", url, "--json", "diff", "root", "alone"]);
    expect(jsonLines(json.stdout)[0]).toMatchObject({ common: 0, onlyB: [] });
    expect(jsonLines(json.stdout)[0]).not.toHaveProperty("sharedLog");
    expect((await holdfast(["--store", url, "diff", "root", "roo"])).code).toBe(2);
  });

  test("search finds every word, in one user's sessions where asked", async () => {
    const { url, sessions } = await temporaryStore();
    await sessions.create({
      id: "a",
      userId: "alice",
      messages: [user("A refund for my gift card, please")],
    });
    await sessions.create({
      id: "b",
      userId: "bob",
      messages: [user("Refund!"), assistant("No card, no refund.")],
    });
    const search = (...args: string[]) => holdfast(["--store", url, "search", ...args]);
    const both = await search("refund", "card");
    expect(both.stdout).toContain("A refund for my gift card, please");
    expect(both.stderr).toContain("2 messages");
    const one = await search("--user", "bob", "card", "--json");
    expect(jsonLines(one.stdout).map(({ sessionId }) => sessionId)).toEqual(["b"]);
    expect((await search("nowhere")).stderr).toContain("nothing found");
    const first = await search("refund", "--limit", "1", "--json");
    const cursor = String(jsonLines(first.stderr)[0]?.cursor);
    expect(
      jsonLines((await search("refund", "--limit", "1", "--json", "--cursor", cursor)).stdout),
    ).toHaveLength(1);
    expect((await search("!!!")).code).toBe(2);
  });

  test("stats counts", async () => {
    const { url, sessions } = await forked();
    const session = await sessions.create({ userId: "alice" });
    await session.addUsage({ inputTokens: 1200, outputTokens: 34, costUsd: 0.5 });
    const { stdout } = await holdfast(["--store", url, "stats"]);
    expect(stdout).toMatch(/^sessions +6 \(6 active\)$/m);
    expect(stdout).toMatch(/^usage +1,200 tokens in, 34 out, \$0\.5000$/m);
    const json = await holdfast(["--store", url, "stats", "--json"]);
    expect(jsonLines(json.stdout)[0]).toMatchObject({
      sessions: 6,
      byKind: { session: 3, fork: 2, child: 1 },
      users: 1,
    });
    expect(Number(jsonLines(json.stdout)[0]?.bytes)).toBeGreaterThan(4096);
  });
});

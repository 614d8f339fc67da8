/** What the redaction hides, and what it leaves, in what reaches the engine. */
import { describe, expect, test } from "vitest";
import type { RedactedStoreOptions, RedactionReport } from "../../src/layers/redacted.ts";
import { personalData, redactedStore, secrets } from "../../src/layers/redacted.ts";
import type { EntryDraft } from "../../src/log/entry.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { evolveAll } from "../../src/log/evolve.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { Commit } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { GITHUB, KEY, MAIL, STRIPE, tokenOf } from "./redacted-support.ts";

const RULES = [secrets(), personalData()];

function opened(options: Partial<RedactedStoreOptions> = {}) {
  const memory = memoryStore();
  const reports: RedactionReport[] = [];
  const store = redactedStore(memory, {
    redact: RULES,
    onRedacted: (report) => reports.push(report),
    ...options,
  });
  return { memory, store, reports, raw: () => JSON.stringify(memory.snapshot()) };
}

/** What is stored of `drafts` after the first entry. */
async function stored(drafts: readonly EntryDraft[], options: Partial<RedactedStoreOptions> = {}) {
  const { memory, store, reports, raw } = opened(options);
  const session = await begin(store, {}, ...drafts);
  const entries = await memory.read(session.id, { after: 1, limit: 100 });
  return { data: entries.map(({ data }) => data), entries, reports, raw: raw() };
}

const message = (content: unknown, more: object = {}): EntryDraft => ({
  type: "message",
  data: { message: { role: "assistant", content, ...more } },
});

const TEXT = `deploy with ${GITHUB} and ask ${MAIL}`;
const HIDDEN = "deploy with [redacted:github] and ask [redacted:email]";

describe("what is looked at", () => {
  const EVERYWHERE: readonly EntryDraft[] = [
    message(TEXT),
    message([
      { type: "text", text: TEXT },
      { type: "tool-call", toolCallId: "c", toolName: "t", input: { a: [TEXT] } },
    ]),
    { type: "message.revised", data: { seq: 2, message: { role: "user", content: TEXT } } },
    { type: "history.compacted", data: { upTo: 2, messages: [{ role: "user", content: TEXT }] } },
    { type: "data.patched", data: { patch: { a: { b: [TEXT] } }, route: "booking" } },
    { type: "metadata.patched", data: { patch: { note: TEXT } } },
    { type: "label.set", data: { label: TEXT, automatic: true } },
    { type: "state.set", data: { slot: "memory", value: TEXT } },
    { type: "route.entered", data: { route: { id: "booking", title: TEXT } } },
    { type: "route.entered", data: { route: { id: "payment", title: TEXT } } },
    { type: "checkpoint.created", data: { name: "c", metadata: { why: TEXT } } },
    { type: "turn.ended", data: { turnId: "t", outcome: "failed", reason: TEXT } },
    { type: "hold.set", data: { reason: TEXT } },
    { type: "x.note", data: { deep: [{ a: TEXT }] }, text: TEXT },
    { type: "data.replaced", data: { data: { c: TEXT } } },
  ];

  test("nothing of it reaches the engine, from any entry or the record", async () => {
    const { memory, store, raw } = opened();
    const seed = { label: TEXT, metadata: { owner: MAIL } };
    const session = await begin(store, seed, ...EVERYWHERE);
    for (const draft of EVERYWHERE) await session.write(draft);
    expect(raw()).not.toContain(GITHUB);
    expect(raw()).not.toContain(MAIL);
    const [record] = await memory.find([session.id]);
    expect(record?.label).toBe(HIDDEN);
    expect(record?.metadata).toEqual({ owner: "[redacted:email]", note: HIDDEN });
    expect(record?.state).toEqual({ memory: HIDDEN });
    expect(record?.hold).toMatchObject({ reason: HIDDEN });
    expect(record?.data).toEqual({ c: HIDDEN });
    expect(record?.dataByRoute).toEqual({ booking: { a: { b: [HIDDEN] } } });
    expect(record?.routeHistory.map(({ title }) => title)).toEqual([HIDDEN, HIDDEN, HIDDEN, HIDDEN]);
    // The log says what the record says, so that a record can be computed again from it.
    const entries = await memory.read(session.id, { after: 0, limit: 100 });
    expect(evolveAll(undefined, entries)).toEqual(record);
  });

  test("a fork's beginning and what a rewind restores too", async () => {
    const { memory, store, raw } = opened({ key: KEY });
    const base = { ...EMPTY, data: { a: TEXT }, state: { s: TEXT }, route: { id: "r", title: TEXT } };
    const first = commitOf(undefined, [
      { type: "session.created", data: { id: "f", namespace: "", kind: "session", dataVersion: 1, base } },
      { type: "history.rewound", data: { to: 1, count: 0, restored: base } },
    ]);
    expect(await outcomeOf(store, first)).toEqual({ status: "committed" });
    expect(raw()).not.toContain(GITHUB);
    const entries = await memory.read("f", { after: 0, limit: 10 });
    expect(evolveAll(undefined, entries)).toEqual((await memory.find(["f"]))[0]);
  });

  const EMPTY = { messageCount: 0, dataByRoute: {}, routeHistory: [] };

  test("ids, user, agent and names of properties are not", async () => {
    const { memory, store } = opened();
    const id = `session of ${MAIL}`;
    await begin(store, { id, userId: MAIL, agent: MAIL }, { ...say("hello", MAIL) }, note({ [MAIL]: 1 }));
    const [record] = await memory.find([id]);
    expect([record?.id, record?.userId, record?.agent]).toEqual([id, MAIL, MAIL]);
    const [first, second] = await memory.read(id, { after: 1, limit: 2 });
    expect([first?.id, second?.data]).toEqual([MAIL, { [MAIL]: 1 }]);
  });

  test("what links a call to its result is not, what the tool was given is", async () => {
    const part = {
      type: "tool-call",
      toolCallId: STRIPE,
      toolName: STRIPE,
      input: { type: STRIPE, id: STRIPE },
    };
    const { data } = await stored([message([part])]);
    const input = { type: "[redacted:stripe]", id: "[redacted:stripe]" };
    expect(data).toEqual([{ message: { role: "assistant", content: [{ ...part, input }] } }]);
  });

  test("JSON within a text is looked at as its texts, and stays JSON to the byte around them", async () => {
    const inner = JSON.stringify({ note: `"${GITHUB}"\n` });
    const text = `{"n": 1.50, "n": 1.50, "url":"a\\/b", "token" : "${STRIPE}",\n "deep":${JSON.stringify(inner)}}`;
    const { data } = await stored([
      message(null, { tool_calls: [{ id: "c", function: { name: "f", arguments: text } }] }),
    ]);
    const kept = text.replace(STRIPE, "[redacted:assigned-secret]").replace(GITHUB, "[redacted:github]");
    expect(data).toEqual([
      {
        message: {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c", function: { name: "f", arguments: kept } }],
        },
      },
    ]);
    expect(() => JSON.parse(kept)).not.toThrow();
  });

  test("a rule that takes the rest of a line does not take the rest of the JSON", async () => {
    const text = JSON.stringify({ file: "//npm.example.test/:_authToken=abc-def", next: "stays" });
    const { data } = await stored([message(text)]);
    const [{ message: kept }] = JSON.parse(JSON.stringify(data));
    expect(JSON.parse(kept.content).next).toBe("stays");
    expect(kept.content).not.toContain("abc-def");
  });

  test("a key of many lines is hidden whole", async () => {
    const pem = tokenOf("private key, openssh");
    expect(pem.split("\n").length).toBeGreaterThan(4);
    const { data } = await stored([message(`before\n${pem}\nafter`)]);
    expect(data).toEqual([
      { message: { role: "assistant", content: "before\n[redacted:private-key]\nafter" } },
    ]);
  });

  test("of a URL only the password is hidden", async () => {
    const { data } = await stored([message("postgres://app:s3cr-et9@db.host.io:5432/app?a=b")]);
    expect(JSON.stringify(data)).toContain("postgres://app:[redacted:url-password]@db.host.io:5432/app?a=b");
  });

  test("a text can't switch the rules off", async () => {
    const { raw } = await stored([message(`// secretlint-disable\n${GITHUB} // secretlint-disable-line`)]);
    expect(raw).not.toContain(GITHUB);
  });

  test("bytes are, by a function of one's own", async () => {
    const draft = note({ file: new TextEncoder().encode(GITHUB) });
    expect((await stored([draft])).data).toEqual([{ file: new TextEncoder().encode(GITHUB) }]);
    const bytes = (held: Uint8Array) =>
      new TextEncoder().encode(new TextDecoder().decode(held).replace(GITHUB, "-"));
    expect((await stored([draft], { bytes })).data).toEqual([{ file: new TextEncoder().encode("-") }]);
  });

  test("what holds nothing goes to the engine as it came", async () => {
    const memory = memoryStore();
    const seen: Commit[] = [];
    const spy = {
      ...memory,
      commit(commits: readonly Commit[]) {
        seen.push(...commits);
        return memory.commit(commits);
      },
    };
    const session = await begin(redactedStore(spy, { redact: RULES }), {}, message("hello"));
    const commit = session.next(message([{ type: "text", text: "nothing" }]), note({ a: 1 }));
    await outcomeOf(redactedStore(spy, { redact: RULES }), commit);
    expect(seen.at(-1)?.entries.map((entry, index) => entry === commit.entries[index])).toEqual([true, true]);
    expect(seen.at(-1)?.record).toBe(commit.record);
  });
});

describe("what a provider signed", () => {
  const parts: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ["Anthropic thinking", { type: "thinking", thinking: TEXT, signature: STRIPE }],
    ["Anthropic, redacted", { type: "redacted_thinking", data: GITHUB }],
    [
      "AI SDK reasoning",
      { type: "reasoning", text: TEXT, providerOptions: { anthropic: { signature: STRIPE } } },
    ],
    [
      "AI SDK, redacted",
      { type: "reasoning", text: TEXT, providerMetadata: { anthropic: { redactedData: STRIPE } } },
    ],
    [
      "AI SDK, Gemini",
      {
        type: "tool-call",
        toolCallId: "c",
        input: { a: TEXT },
        providerOptions: { google: { thoughtSignature: STRIPE } },
      },
    ],
    ["Gemini", { functionCall: { name: "f", args: { a: TEXT } }, thoughtSignature: STRIPE }],
    [
      "OpenAI",
      { type: "reasoning", summary: [{ type: "summary_text", text: TEXT }], encrypted_content: STRIPE },
    ],
    [
      "OpenAI, AI SDK",
      {
        type: "reasoning",
        text: TEXT,
        providerOptions: { openai: { itemId: "i", reasoningEncryptedContent: STRIPE } },
      },
    ],
    ["Bedrock", { reasoningContent: { reasoningText: { text: TEXT, signature: STRIPE } } }],
    ["OpenRouter", { type: "reasoning.encrypted", data: STRIPE }],
    [
      "Gemini through OpenAI",
      {
        id: "c",
        type: "function",
        function: { name: "f", arguments: JSON.stringify({ a: TEXT }) },
        extra_content: { google: { thought_signature: STRIPE } },
      },
    ],
  ];
  for (const [title, part] of parts) {
    test(`${title}: is left as it is, and what it holds is reported`, async () => {
      const { data, reports } = await stored([message([part, { type: "text", text: TEXT }])]);
      const content = [part, { type: "text", text: HIDDEN }];
      expect(data).toEqual([{ message: { role: "assistant", content } }]);
      const kept = reports.flatMap(({ findings }) => findings).filter(({ outcome }) => outcome === "kept");
      if (JSON.stringify(part).includes(MAIL))
        expect(kept.map(({ rule }) => rule).toSorted()).toEqual(["email", "github"]);
      else expect(kept).toEqual([]);
    });
  }

  test("is dropped where that is asked for, if it holds something", async () => {
    const clean = { type: "thinking", thinking: "Hm.", signature: STRIPE };
    const all = [...parts.map(([, part]) => part), clean];
    const { data, raw, reports } = await stored([message(all)], { signed: "drop" });
    expect(raw).not.toContain(MAIL);
    const content = all.filter((part) => !JSON.stringify(part).includes(MAIL));
    expect(data).toEqual([{ message: { role: "assistant", content } }]);
    expect(reports[0]?.findings.every(({ outcome }) => outcome === "dropped")).toBe(true);
  });

  test("a whole message is not dropped: it loses its signature", async () => {
    const item = {
      type: "reasoning",
      summary: [{ type: "summary_text", text: TEXT }],
      encrypted_content: STRIPE,
    };
    const { data } = await stored([{ type: "message", data: { message: item } }], { signed: "drop" });
    expect(data).toEqual([
      { message: { type: "reasoning", summary: [{ type: "summary_text", text: HIDDEN }] } },
    ]);
  });

  test("what a tool was given or gave is signed by nobody, whatever it says", async () => {
    const forged = { text: TEXT, signature: "abc" };
    const { raw } = await stored([
      message([{ type: "tool-call", toolCallId: "c", toolName: "t", input: forged }]),
      message([{ type: "tool-result", toolCallId: "c", output: { type: "json", value: forged } }]),
      note(forged),
    ]);
    expect(raw).not.toContain(MAIL);
  });
});

describe("own rules", () => {
  test("answer with stretches, with a text, or later", async () => {
    const spans = (text: string) =>
      Array.from(text.matchAll(/TICKET-\d+/g), ({ 0: match, index }) => ({
        start: index,
        end: index + match.length,
        rule: "ticket",
      }));
    const whole = (text: string) => text.replaceAll("Zeus", "Z.");
    const late = async (text: string) =>
      text.includes("late") ? [{ start: 0, end: 4, replacement: "----" }] : undefined;
    const redact = [spans, whole, late, { name: "none", find: () => undefined }];
    const texts = ["TICKET-12, TICKET-13", "Zeus!", "later", JSON.stringify({ a: "late TICKET-1" }), "none"];
    const { data, reports } = await stored(
      texts.map((text) => message(text)),
      { redact },
    );
    expect(data.map((one) => JSON.parse(JSON.stringify(one)).message.content)).toEqual([
      "[redacted:ticket], [redacted:ticket]",
      "Z.!",
      "----r",
      '{"a":"---- [redacted:ticket]"}',
      "none",
    ]);
    expect(reports.map(({ findings }) => findings.map(({ rule, count }) => [rule, count]))).toEqual([
      [["ticket", 2]],
      [["whole", 1]],
      [["late", 1]],
      [
        ["ticket", 1],
        ["late", 1],
      ],
    ]);
  });

  test("know the session and the property, the same in entry and record", async () => {
    const { memory, store } = opened({
      redact: (text, { sessionId, key }) => (key === "pin" ? `${sessionId} ${text.length}` : undefined),
    });
    const drafts: EntryDraft[] = [
      { type: "data.patched", data: { patch: { pin: "1234", other: "1234" } } },
      { type: "state.set", data: { slot: "pin", value: ["1234"] } },
    ];
    await begin(store, { id: "s" }, ...drafts);
    const [record] = await memory.find(["s"]);
    expect([record?.data, record?.state]).toEqual([{ pin: "s 4", other: "1234" }, { pin: ["s 4"] }]);
    expect(evolveAll(undefined, await memory.read("s", { after: 0, limit: 9 }))).toEqual(record);
  });

  for (const [title, redact] of [
    [
      "throws",
      () => {
        throw new Error(`can't read ${GITHUB}`);
      },
    ],
    ["rejects", async () => Promise.reject(new Error(`can't read ${GITHUB}`))],
    [
      "fails at once and later in one text",
      (text: string) => {
        if (text.includes("at once")) throw new Error(GITHUB);
        return Promise.reject(new Error(GITHUB));
      },
    ],
    ["answers with places outside the text", () => [{ start: 0, end: 10_000 }]],
  ] as const) {
    test(`one that ${title}: nothing is written, and the error does not hold the text`, async () => {
      const { memory, store } = opened({ redact: [redact] });
      const commit = commitOf(undefined, [
        creation({ id: "s" }),
        say(JSON.stringify(["later", "at once", GITHUB])),
      ]);
      const failure = await store.commit([commit]).catch((error: unknown) => error);
      expect(HoldfastError.is(failure, "INVALID_DATA")).toBe(true);
      expect(failure).toMatchObject({
        sessionId: "s",
        message: expect.stringContaining("nothing was written"),
      });
      expect(
        failure instanceof Error && `${failure.message} ${failure.stack} ${String(failure.cause)}`,
      ).not.toContain(GITHUB);
      expect(memory.size).toBe(0);
    });
  }

  test("a mask takes the place of placeholders", async () => {
    const { data } = await stored([message("4111 1111 1111 1111")], {
      mask: (rule, original) => `<${rule} …${original.slice(-4)}>`,
    });
    expect(JSON.stringify(data)).toContain("<credit-card …1111>");
  });
});

describe("placeholders", () => {
  const tagsOf = (data: unknown): string[] =>
    JSON.stringify(data).match(/\[redacted:email:[a-p]{12}\]/g) ?? [];

  test("with a key, what is equal reads equal within a session, and nowhere else", async () => {
    const { memory, store } = opened({ key: KEY });
    const other = "grace.hopper@cobol-compilers.org";
    const drafts = [say(`${MAIL} ${other} ${MAIL}`), note([MAIL])];
    const sessions = await Promise.all([begin(store, {}, ...drafts), begin(store, {}, ...drafts)]);
    const tenant = await begin(store.namespace("t"), { id: sessions[0]?.id ?? "" }, ...drafts);
    const [one, two] = await Promise.all(
      sessions.map(async ({ id }) => tagsOf(await memory.read(id, { after: 1, limit: 2 }))),
    );
    const three = tagsOf(await memory.namespace("t").read(tenant.id, { after: 1, limit: 2 }));
    for (const tags of [one, two, three]) {
      expect(tags).toHaveLength(4);
      expect([tags?.[0], tags?.[0]]).toEqual([tags?.[2], tags?.[3]]);
      expect(tags?.[0]).not.toBe(tags?.[1]);
    }
    expect(new Set([one?.[0], two?.[0], three[0]]).size).toBe(3);
  });

  test("options that don't go together are refused", () => {
    const memory = memoryStore();
    for (const options of [
      { redact: [] },
      { redact: secrets(), key: new Uint8Array(8) },
      { redact: { name: "Not A Name", find: () => [] } },
    ])
      expect(() => redactedStore(memory, options)).toThrow(HoldfastError);
    expect(() => personalData({ phone: { country: "gb" } })).toThrow("two capital letters");
    expect(() => redactedStore(redactedStore(memory, { redact: RULES }), { redact: RULES })).toThrow(
      "both rules",
    );
  });
});

describe("the report", () => {
  test("says what, where and how often, and never the thing itself", async () => {
    const { memory, store, reports } = opened();
    const content = [{ type: "text", text: `${TEXT} ${MAIL}` }];
    const session = await begin(
      store,
      {},
      message("nothing"),
      message(content),
      note({ [MAIL]: { [GITHUB]: MAIL } }),
    );
    const path = "data.message.content.0.text";
    expect(reports).toEqual([
      {
        sessionId: session.id,
        seq: 3,
        entryId: "#3",
        findings: [
          { rule: "github", path, count: 1, outcome: "hidden" },
          { rule: "email", path, count: 2, outcome: "hidden" },
        ],
      },
      {
        sessionId: session.id,
        seq: 4,
        entryId: "#4",
        findings: [{ rule: "email", path: "data.*.*", count: 1, outcome: "hidden" }],
      },
    ]);
    expect(JSON.stringify(reports)).not.toMatch(new RegExp(`${MAIL}|${GITHUB}`));
    expect(store.totals()).toEqual({ github: 1, email: 3 });
    expect((await memory.find([session.id]))[0]?.seq).toBe(4);
  });

  test("is of what was committed: not of a conflict, nor of a repeat", async () => {
    const { store, reports } = opened();
    const session = await begin(store);
    const losing = session.next(say(MAIL, "a"));
    await session.write(say("hello"));
    expect((await outcomeOf(store, losing)).status).toBe("conflict");
    expect(reports).toEqual([]);
    await session.write(say(MAIL, "a"));
    expect((await outcomeOf(store, session.next(say(MAIL, "a")))).status).toBe("duplicate");
    expect(reports).toHaveLength(1);
    expect(store.totals()).toEqual({ email: 1 });
  });
});

/**
 * How much of what has the form of a secret is found, and how often something else is taken for one. The corpus is made at
 * run time with a seed, so the numbers are the same at each run; `docs/guide/redaction.md` states them.
 */
import { describe, expect, test } from "vitest";
import type { RedactionRule } from "../../src/layers/redacted.ts";
import { personalData, redactedStore, secrets } from "../../src/layers/redacted.ts";
import { begin, say } from "../../src/store/conformance/build.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { LookAlike } from "./corpus/look-alikes.ts";
import { LOOK_ALIKES } from "./corpus/look-alikes.ts";
import { NO_PEOPLE, PEOPLE } from "./corpus/people.ts";
import { randomOf } from "./corpus/random.ts";
import type { Kind } from "./corpus/tokens.ts";
import { TOKENS } from "./corpus/tokens.ts";

const PER_KIND = 10;
/** So much of a secret, one after another, must not be left. */
const LEFT_LENGTH = 12;

interface Recall {
  readonly found: number;
  readonly all: number;
  /** Kinds of which not all were found, with how many were. */
  readonly missed: Readonly<Record<string, number>>;
}

/** What is stored of a message of `text`, as JSON. */
async function storedOf(rule: RedactionRule, texts: readonly string[]): Promise<string[]> {
  const memory = memoryStore();
  const store = redactedStore(memory, { redact: rule });
  const session = await begin(store, {}, ...texts.map((text) => say(text)));
  const entries = await memory.read(session.id, { after: 1, limit: texts.length });
  return entries.map(({ data }) => JSON.stringify(data));
}

async function recallOf(rule: RedactionRule, kinds: readonly Kind[]): Promise<Recall> {
  const missed: Record<string, number> = {};
  let all = 0;
  let found = 0;
  for (const [place, { kind, make }] of kinds.entries()) {
    const made = Array.from({ length: PER_KIND }, (_, index) => make(randomOf(place * 1000 + index)));
    const stored = await storedOf(
      rule,
      made.map(({ text }) => text),
    );
    const hidden = made.filter(({ secret }, index) => !isLeft(secret, stored[index] ?? "")).length;
    all += PER_KIND;
    found += hidden;
    if (hidden < PER_KIND) missed[kind] = hidden;
  }
  return { found, all, missed };
}

/** Whether any stretch of `secret` is in `stored`. */
function isLeft(secret: string, stored: string): boolean {
  const length = Math.min(LEFT_LENGTH, secret.length);
  for (let at = 0; at + length <= secret.length; at += 1) {
    const part = JSON.stringify(secret.slice(at, at + length)).slice(1, -1);
    if (stored.includes(part) || stored.includes(JSON.stringify(part).slice(1, -1))) return true;
  }
  return false;
}

/** The texts in which something was found. */
async function alarmsOf(rule: RedactionRule, kinds: readonly LookAlike[]): Promise<string[]> {
  const texts = kinds.flatMap(({ make }, place) =>
    Array.from({ length: PER_KIND }, (_, index) => make(randomOf(place * 1000 + index))),
  );
  const stored = await storedOf(rule, texts);
  return stored.filter((text) => text.includes("[redacted:"));
}

describe("secrets", () => {
  /** These have no form at all: only a name beside them tells. */
  const FORMLESS = { "twilio auth token, bare": 0, "aws secret key, bare": 0, "password in a sentence": 0 };

  test("the corpus is of at least 200 tokens and as many look-alikes", () => {
    expect(new Set(TOKENS.map(({ kind }) => kind)).size).toBe(TOKENS.length);
    expect(TOKENS.length * PER_KIND).toBe(980);
    expect(LOOK_ALIKES.length * PER_KIND).toBe(380);
  });

  test("with all rules every token with a form is found, and what has none is not", async () => {
    const { found, all, missed } = await recallOf(secrets(), TOKENS);
    console.log(`secrets: ${found} of ${all} found`);
    expect(missed).toEqual(FORMLESS);
    expect(found / all).toBeGreaterThan(0.96);
  });

  test("no look-alike is taken for a secret", async () => {
    expect(await alarmsOf(secrets(), LOOK_ALIKES)).toEqual([]);
  });

  test("secretlint alone finds a third of them, the patterns alone three quarters", async () => {
    const library = await recallOf(secrets({ patterns: false, assigned: false }), TOKENS);
    const patterns = await recallOf(secrets({ secretlint: false }), TOKENS);
    console.log(`secretlint alone: ${library.found} of ${library.all}; patterns alone: ${patterns.found}`);
    expect(library.found).toBeGreaterThan(330);
    expect(patterns.found).toBeGreaterThan(730);
    // Neither makes the other needless.
    expect(Math.max(library.found, patterns.found)).toBeLessThan(800);
  });
});

describe("personal data", () => {
  const rule = personalData({ ip: true });

  test("what carries its form is found; a national number needs its country", async () => {
    const { found, all, missed } = await recallOf(rule, PEOPLE);
    console.log(`personal data: ${found} of ${all} found`);
    expect(missed).toEqual({ "phone, national": 0 });
    const british = personalData({ phone: { country: "GB" } });
    const national = PEOPLE.filter(({ kind }) => kind === "phone, national");
    expect((await recallOf(british, national)).missed).toEqual({});
  });

  test("no look-alike is taken for a person's", async () => {
    expect(await alarmsOf(rule, NO_PEOPLE)).toEqual([]);
  });
});

test("what stands in place is never found again", async () => {
  const rules = [secrets(), personalData({ phone: { country: "US" }, ip: true })];
  const key = new Uint8Array(32).fill(1);
  const first = memoryStore();
  const texts = [...TOKENS, ...PEOPLE].map(({ make }, index) => make(randomOf(index)).text);
  const session = await begin(
    redactedStore(first, { redact: rules, key }),
    { id: "a" },
    ...texts.map((text) => say(text)),
  );
  const once = await first.read(session.id, { after: 1, limit: 1000 });
  const second = memoryStore();
  const again = redactedStore(second, { redact: rules, key });
  await begin(again, { id: "a" }, ...once.map(({ data }) => ({ type: "x.copy" as const, data })));
  const twice = await second.read("a", { after: 1, limit: 1000 });
  expect(twice.map(({ data }) => data)).toEqual(once.map(({ data }) => data));
  expect(again.totals()).toEqual({});
});

describe("time", () => {
  // A bad pattern takes a thousand times as long; a busy machine does not.
  const LIMIT_MS = 4000;
  for (const [title, piece] of [
    ["letters", "a"],
    ["base64", "QUtJQQ+/"],
    ["at signs", "a@"],
    ["dots", "a."],
    ["digits", "4 "],
    ["hyphens", "eyJ-"],
    ["colons", "a:"],
    ["the start of keys", "-----BEGIN PRIVATE KEY-----\n"],
    ["urls", "http://a:"],
    ["quotes", '"\\'],
    ["braces", '{"'],
    ["names", "password"],
    ["names and spaces", "token   "],
    ["country codes", "GB82 "],
    ["tokens cut off", "sk-ant-api03-"],
    ["headers of keys", "a: "],
    ["space", " "],
    ["lines", "\\n"],
  ] as const) {
    test(`200 kB of ${title} take no longer than they should`, async () => {
      const text = `-----BEGIN PRIVATE KEY-----${piece.repeat(Math.ceil(200_000 / piece.length))}`;
      const startedAt = performance.now();
      for (const rule of [secrets(), personalData({ ip: true })]) await storedOf(rule, [text]);
      expect(performance.now() - startedAt).toBeLessThan(LIMIT_MS);
    });
  }
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry } from "../../src/log/entry.ts";
import { EMPTY_CONVERSATION } from "../../src/log/record.ts";
import type { StoredMessage } from "../../src/log/transcript.ts";
import {
  CONTEXT_TYPES,
  CONTROL_TYPES,
  MESSAGE_TYPES,
  transcriptOf,
  visibility,
} from "../../src/log/transcript.ts";
import { anyEntries } from "../support/arbitraries.ts";
import { entryOf } from "../support/build-log.ts";
import { frozen } from "../support/frozen.ts";
import { referenceView } from "../support/reference-transcript.ts";

/** Entries in words: `a` a message, `@2=b` the message at 2 now reads b, `-2` it is removed, `clear`, `<2` a rewind to 2. */
function entriesOf(words: string): Entry[] {
  return words.split(" ").map((word, index) => {
    const seq = index + 1;
    const [, target = "", content] = /^@(\d+)=(.*)$/.exec(word) ?? [];
    if (content !== undefined)
      return entryOf("message.revised", { seq: Number(target), message: { content } }, seq);
    if (word.startsWith("-")) return entryOf("message.removed", { seq: Number(word.slice(1)) }, seq);
    if (word === "clear") return entryOf("messages.cleared", { count: 0 }, seq);
    if (word.startsWith("<")) {
      const to = Number(word.slice(1));
      return entryOf("history.rewound", { to, count: 0, restored: EMPTY_CONVERSATION }, seq);
    }
    if (word.startsWith("sum")) {
      return entryOf(
        "history.compacted",
        { upTo: Number(word.slice(3)), messages: [{ content: word }] },
        seq,
      );
    }
    if (word.startsWith("x.")) return entryOf(word, null, seq);
    return entryOf("message", { message: { content: word } }, seq);
  });
}

function read(words: string): string {
  return transcriptOf(frozen(entriesOf(words)))
    .map(({ message }) => String(message.content))
    .join(" ");
}

/** Reads as a session does: newest first, and what is hidden is never looked at. */
function readSkipping(entries: readonly Entry[]): StoredMessage[] {
  const view = visibility();
  const seen: StoredMessage[] = [];
  let position = Number.POSITIVE_INFINITY;
  for (const entry of entries.toReversed()) {
    if (entry.seq > position) continue;
    const message = view.take(entry);
    if (message) seen.unshift(message);
    position = Math.min(entry.seq - 1, view.skipTo ?? Number.POSITIVE_INFINITY);
  }
  return seen;
}

/** Reads as a stream does: what decides about messages first, backwards; then the messages, forwards. */
function readForwards(entries: readonly Entry[]): StoredMessage[] {
  const view = visibility();
  const controls: readonly string[] = CONTROL_TYPES;
  for (const entry of entries.toReversed()) if (controls.includes(entry.type)) view.take(entry);
  return entries.filter(({ type }) => type === "message").flatMap((entry) => view.take(entry) ?? []);
}

describe("what is seen of a log", () => {
  test.each([
    ["a b c", "a b c"],
    ["a b @1=A c", "A b c"],
    ["a @1=A @1=AA", "AA"],
    ["a b c -2", "a c"],
    ["a @1=A -1", ""],
    ["a -1 @1=A", ""],
    ["a b clear c", "c"],
    ["a clear @1=A b", "b"],
    ["a clear clear", ""],
    ["a b c <1 d", "a d"],
    ["a b c <0 d", "d"],
    ["a @1=A <1", "a"],
    ["a -1 <1", "a"],
    ["a b -1 <2 -2", "a"],
    // A rewind to before a clear brings the messages back.
    ["a b clear c <2 d", "a b d"],
    // To behind it does not.
    ["a b clear c d <4 e", "c e"],
    // Rewinds in rewinds: what an inner one hid comes back where the outer one goes to before it.
    ["a b c <1 d <3 e", "a b c e"],
    ["a b c <1 d <5 e", "a d e"],
    ["a b <1 c <4 <3 d", "a d"],
    ["a b <1 <2 c", "a b c"],
    ["x.note a x.note b", "a b"],
  ])("%s reads: %s", (words, expected) => {
    expect(read(words)).toBe(expected);
    const entries = entriesOf(words);
    expect(readSkipping(entries)).toEqual(transcriptOf(entries));
    expect(readForwards(entries)).toEqual(transcriptOf(entries));
  });

  test("a message comes with its id, position and time", () => {
    const entry = entryOf("message", { message: { content: "a" }, turnId: "t" }, 3, { id: "mine", at: 77 });
    expect(transcriptOf([entry])).toEqual([{ id: "mine", seq: 3, at: 77, message: { content: "a" } }]);
    const revised = entryOf("message.revised", { seq: 3, message: { content: "A" } }, 4);
    expect(transcriptOf([entry, revised])).toEqual([
      { id: "mine", seq: 3, at: 77, message: { content: "A" } },
    ]);
  });

  test("is what a plain reading forwards gives, for any log and any way to read it", () => {
    fc.assert(
      fc.property(anyEntries(0), (entries) => {
        const expected = referenceView(entries);
        expect(transcriptOf(frozen(entries))).toEqual(expected.messages);
        expect(readSkipping(entries)).toEqual(expected.messages);
      }),
      { numRuns: 500 },
    );
  });
});

describe("logs of messages and what hides them", () => {
  /** Dense in what hides and brings back, unlike logs of entries of every type. */
  const word = fc.tuple(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom("a", "b", "c") },
      { weight: 2, arbitrary: fc.constantFrom("<", "-", "sum") },
      fc.constantFrom("@", "clear", "x.note"),
    ),
    fc.nat({ max: 25 }),
  );
  /** Each entry is about one before it, as in any log that there can be. */
  const inWords = (words: readonly (readonly [string, number])[]): string =>
    words
      .map(([kind, n], index) => {
        const target = n % (index + 1);
        if (kind === "@") return `@${target}=R${n}`;
        return ["<", "-", "sum"].includes(kind) ? `${kind}${target}` : kind;
      })
      .join(" ");

  test("rewinds of rewinds, clears and summaries: read as the plain way", () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 25, size: "max" }), (words) => {
        const entries = entriesOf(inWords(words));
        const expected = referenceView(entries);
        expect(transcriptOf(entries)).toEqual(expected.messages);
        expect(readSkipping(entries)).toEqual(expected.messages);
        expect(readForwards(entries)).toEqual(expected.messages);
        const view = visibility();
        for (const entry of entries.toReversed()) view.take(entry);
        expect(view.compaction).toEqual(expected.compaction);
      }),
      { numRuns: 1500 },
    );
  });
});

describe("the view, entry by entry", () => {
  test("says where to go on behind what is hidden, for the entry that hides and no other", () => {
    const view = visibility();
    const skips = entriesOf("a b <1 c clear d -6 <5 e sum1 @9=x x.note")
      .toReversed()
      .map((entry) => {
        view.take(entry);
        return view.skipTo;
      });
    expect(skips).toEqual([
      undefined, // x.note
      undefined,
      undefined,
      undefined,
      5, // <5
      undefined,
      undefined,
      0, // clear
      undefined,
      undefined, // <1, itself hidden by the clear
      undefined,
      undefined,
    ]);
  });

  test("knows the newest summary that nothing hides", () => {
    const compactionOf = (words: string): number | undefined => {
      const view = visibility();
      for (const entry of entriesOf(words).toReversed()) view.take(entry);
      return view.compaction?.upTo;
    };
    expect(compactionOf("a b")).toBeUndefined();
    expect(compactionOf("a sum1 b sum3")).toBe(3);
    expect(compactionOf("a sum1 b sum3 <3")).toBe(1);
    expect(compactionOf("a sum1 clear b")).toBeUndefined();
    expect(compactionOf("a sum1 clear b <2")).toBe(1);
    const view = visibility();
    for (const entry of entriesOf("a sum1").toReversed()) view.take(entry);
    expect(view.compaction).toEqual({ upTo: 1, messages: [{ content: "sum1" }] });
  });

  test("the types that it needs are named, and no others", () => {
    const types: readonly string[] = [
      "message.revised",
      "message.removed",
      "messages.cleared",
      "history.rewound",
    ];
    expect(CONTROL_TYPES).toEqual(types);
    expect(MESSAGE_TYPES).toEqual(["message", ...types]);
    expect(CONTEXT_TYPES).toEqual(["message", ...types, "history.compacted"]);
  });

  test("thousands of rewinds are read in no time", () => {
    const words = Array.from({ length: 3000 }, (_, index) => `a <${index * 2}`).join(" ");
    const entries = entriesOf(words);
    const start = performance.now();
    expect(transcriptOf(entries)).toEqual([]);
    expect(readForwards(entries)).toEqual([]);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

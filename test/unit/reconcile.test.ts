import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NewMessage } from "../../src/log/decide.ts";
import type { StoredObject } from "../../src/log/entry.ts";
import type { Reconciliation } from "../../src/log/reconcile.ts";
import { reconcile } from "../../src/log/reconcile.ts";
import type { StoredMessage } from "../../src/log/transcript.ts";
import { message, storableObject } from "../support/arbitraries.ts";
import { frozen } from "../support/frozen.ts";
import { showValue } from "../support/show-value.ts";

function stored(messages: readonly StoredObject[]): StoredMessage[] {
  return messages.map((one, index) => ({ id: `m${index}`, seq: 10 + 2 * index, at: 1, message: one }));
}

/** What the log does with a plan: removals, revisions in place, then new messages at the end. */
function applied(
  current: readonly StoredMessage[],
  { removed, revised, added }: Reconciliation,
): StoredObject[] {
  const kept = current.filter(({ seq }) => !removed.includes(seq));
  return [
    ...kept.map((one) => revised.find(({ seq }) => seq === one.seq)?.message ?? one.message),
    ...added.map((one) => one.message),
  ];
}

const letters = (text: string): StoredObject[] => [...text].map((content) => ({ role: "user", content }));

describe("reconcile", () => {
  const anyMessages = fc.oneof(
    fc.tuple(fc.array(message, { maxLength: 8 }), fc.array(message, { maxLength: 8 })),
    // Two that begin and end alike.
    fc
      .tuple(...Array.from({ length: 4 }, () => fc.array(message, { maxLength: 4 })))
      .map(([head = [], tail = [], a = [], b = []]) => [
        [...head, ...a, ...tail],
        [...head, ...b, ...tail],
      ]),
    fc.tuple(fc.array(storableObject, { maxLength: 4 }), fc.array(storableObject, { maxLength: 4 })),
  );

  test("makes the one read as the other, and touches only what differs", () => {
    fc.assert(
      fc.property(anyMessages, ([have = [], want = []]) => {
        const current = frozen(stored(have));
        const wanted: readonly NewMessage[] = frozen(want.map((one) => ({ message: one })));
        const plan = reconcile(current, wanted);
        expect(showValue(applied(current, plan))).toBe(showValue(want));

        const bySeq = new Map(current.map((one) => [one.seq, one.message]));
        for (const { seq, message: next } of plan.revised) {
          expect(showValue(next)).not.toBe(showValue(bySeq.get(seq)));
          expect(plan.removed).not.toContain(seq);
        }
        for (const seq of [...plan.removed, ...plan.revised.map((one) => one.seq)])
          expect(bySeq.has(seq)).toBe(true);
        expect(new Set(plan.removed).size).toBe(plan.removed.length);
        // As few as there can be: the one is shorter or longer by so many.
        expect(plan.removed.length).toBe(Math.max(0, have.length - want.length));
        expect(plan.added.length).toBe(Math.max(0, want.length - have.length));
        // What both begin with stays.
        const differs = have.findIndex((one, index) => showValue(one) !== showValue(want[index]));
        const touched = [...plan.removed, ...plan.revised.map((one) => one.seq)];
        const first = current[differs];
        if (first) expect(Math.min(...touched)).toBeGreaterThanOrEqual(first.seq);
        else expect(touched).toEqual([]);
      }),
      { numRuns: 800 },
    );
  });

  test.each<[string, string, { removed: number[]; revised: [number, string][]; added: string }]>([
    ["", "", { removed: [], revised: [], added: "" }],
    ["abc", "abc", { removed: [], revised: [], added: "" }],
    ["abc", "abcde", { removed: [], revised: [], added: "de" }],
    ["abc", "", { removed: [10, 12, 14], revised: [], added: "" }],
    ["abc", "ab", { removed: [14], revised: [], added: "" }],
    // What both end with stays too.
    ["abc", "bc", { removed: [10], revised: [], added: "" }],
    ["abc", "ac", { removed: [12], revised: [], added: "" }],
    ["abcde", "axe", { removed: [14, 16], revised: [[12, "x"]], added: "" }],
    ["abc", "axc", { removed: [], revised: [[12, "x"]], added: "" }],
    ["aaa", "aa", { removed: [14], revised: [], added: "" }],
    // Nothing can be put between others.
    [
      "abc",
      "xabc",
      {
        removed: [],
        revised: [
          [10, "x"],
          [12, "a"],
          [14, "b"],
        ],
        added: "c",
      },
    ],
    [
      "abc",
      "axbc",
      {
        removed: [],
        revised: [
          [12, "x"],
          [14, "b"],
        ],
        added: "c",
      },
    ],
  ])("%s to %s", (have, want, { removed, revised, added }) => {
    expect(
      reconcile(
        stored(letters(have)),
        letters(want).map((one) => ({ message: one })),
      ),
    ).toEqual({
      removed,
      revised: revised.map(([seq, content]) => ({ seq, message: { role: "user", content } })),
      added: letters(added).map((one) => ({ message: one })),
    });
  });

  test("new messages keep the ids that they came with", () => {
    const [a, b] = letters("ab");
    const wanted = [
      { id: "1", message: a ?? {} },
      { id: "2", message: b ?? {} },
    ];
    expect(reconcile(stored(letters("a")), wanted)).toEqual({ removed: [], revised: [], added: [wanted[1]] });
  });

  test("messages are the same where their values are, with their keys in the same order", () => {
    const plan = (have: StoredObject, want: StoredObject): number =>
      reconcile(stored([have]), [{ message: want }]).revised.length;
    expect(plan({ a: new Date(1), b: 1n }, { a: new Date(1), b: 1n })).toBe(0);
    expect(plan({ a: new Date(1) }, { a: new Date(2) })).toBe(1);
    expect(plan({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(1);
  });
});

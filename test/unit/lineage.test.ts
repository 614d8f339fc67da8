import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { forkPoint, lineageAt, partsOf } from "../../src/log/lineage.ts";
import type { LineagePart } from "../../src/log/record.ts";
import { conversationOf, EMPTY_CONVERSATION, isExpired } from "../../src/log/record.ts";
import { commit, logOf, say } from "../support/build-log.ts";
import { frozen } from "../support/frozen.ts";

interface Place {
  readonly id: string;
  readonly seq: number;
  readonly lineage: readonly LineagePart[];
}

/** For each position of a history, whose log its entry stands in. */
function owners(place: Place): string[] {
  return partsOf(place).flatMap((part) => Array.from({ length: part.upTo - part.after }, () => part.id));
}

describe("the stretches of a history", () => {
  test("of a session that is no fork are its own log", () => {
    const root = { id: "r", seq: 3, lineage: [] };
    expect(partsOf(root)).toEqual([{ id: "r", after: 0, upTo: 3, erased: false }]);
    expect(forkPoint(root)).toBe(0);
    expect(partsOf({ ...root, seq: 0 })).toEqual([]);
  });

  test("of a fork are its ancestors' up to where it was forked, then its own", () => {
    const fork = {
      id: "f",
      seq: 9,
      lineage: [
        { id: "r", upTo: 3 },
        { id: "m", upTo: 5 },
      ],
    };
    expect(partsOf(fork)).toEqual([
      { id: "r", after: 0, upTo: 3, erased: false },
      { id: "m", after: 3, upTo: 5, erased: false },
      { id: "f", after: 5, upTo: 9, erased: false },
    ]);
    expect(forkPoint(fork)).toBe(5);
    // Before its own entries are read, there are none.
    expect(partsOf({ ...fork, seq: 5 }).map(({ id }) => id)).toEqual(["r", "m"]);
  });

  test("without an entry are left out", () => {
    const lineage = [
      { id: "r", upTo: 3 },
      { id: "m", upTo: 3 },
      { id: "n", upTo: 2 },
    ];
    expect(partsOf({ id: "f", seq: 4, lineage })).toEqual([
      { id: "r", after: 0, upTo: 3, erased: false },
      { id: "f", after: 3, upTo: 4, erased: false },
    ]);
  });

  test("that were erased keep their place", () => {
    const fork: Place = {
      id: "f",
      seq: 9,
      lineage: [
        { id: "r", upTo: 3, erased: true },
        { id: "m", upTo: 5 },
      ],
    };
    expect(partsOf(fork)).toEqual([
      { id: "r", after: 0, upTo: 3, erased: true },
      { id: "m", after: 3, upTo: 5, erased: false },
      { id: "f", after: 5, upTo: 9, erased: false },
    ]);
    expect(lineageAt(fork, 2)).toStrictEqual([{ id: "r", upTo: 2, erased: true }]);
    expect(lineageAt(fork, 4)).toStrictEqual([
      { id: "r", upTo: 3, erased: true },
      { id: "m", upTo: 4 },
    ]);
  });
});

describe("the lineage of a fork", () => {
  const parent: Place = { id: "p", seq: 8, lineage: [{ id: "r", upTo: 5 }] };

  test("ends where it is forked: in the parent's own log, or in what that inherits", () => {
    expect(lineageAt(parent, 8)).toStrictEqual([
      { id: "r", upTo: 5 },
      { id: "p", upTo: 8 },
    ]);
    expect(lineageAt(parent, 6)).toEqual([
      { id: "r", upTo: 5 },
      { id: "p", upTo: 6 },
    ]);
    expect(lineageAt(parent, 5)).toEqual([{ id: "r", upTo: 5 }]);
    expect(lineageAt(parent, 2)).toEqual([{ id: "r", upTo: 2 }]);
    expect(lineageAt(parent, 0)).toEqual([]);
    expect(lineageAt(parent, 99)).toEqual(lineageAt(parent, 8));
  });

  test("has a history that is its parent's up to there, 50 forks deep", () => {
    const forks = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 5 })), {
      minLength: 50,
      maxLength: 50,
    });
    fc.assert(
      fc.property(forks, (steps) => {
        let place: Place = frozen({ id: "0", seq: 10, lineage: [] });
        for (const [index, [where, grows]] of steps.entries()) {
          const at = 1 + (where % place.seq);
          const child: Place = frozen({
            id: String(index + 1),
            seq: at + grows,
            lineage: lineageAt(place, at),
          });
          expect(owners(child)).toEqual([
            ...owners(place).slice(0, at),
            ...Array.from({ length: grows }, () => child.id),
          ]);
          expect(forkPoint(child)).toBe(at);
          let after = 0;
          for (const part of partsOf(child)) {
            expect(part.after).toBe(after);
            expect(part.upTo).toBeGreaterThan(part.after);
            after = part.upTo;
          }
          expect(after).toBe(child.seq);
          place = child;
        }
      }),
      { numRuns: 100 },
    );
  });

  test("of forks at the head is as long as they are deep", () => {
    let place: Place = { id: "0", seq: 2, lineage: [] };
    for (let depth = 1; depth <= 50; depth++) {
      place = { id: String(depth), seq: place.seq + 2, lineage: lineageAt(place, place.seq) };
    }
    expect(place.lineage.map(({ id, upTo }) => [id, upTo])).toEqual(
      Array.from({ length: 50 }, (_, depth) => [String(depth), 2 * (depth + 1)]),
    );
  });
});

describe("the conversation of a record", () => {
  test("is what a fork takes over: no more, no less", () => {
    expect(conversationOf(logOf().record)).toStrictEqual({ ...EMPTY_CONVERSATION, dataVersion: 1 });
    const { record } = logOf(
      { userId: "u", label: "L", metadata: { m: 1 }, dataVersion: 3 },
      say("a"),
      { type: "compact", upTo: 2, messages: [] },
      { type: "patch-data", patch: { a: 1 }, route: "r" },
      { type: "enter-route", route: { id: "r" }, step: { id: "one" } },
      { type: "set-state", slot: "x", value: 1 },
    );
    expect(conversationOf(record)).toStrictEqual({
      messageCount: 1,
      lastMessageAt: 1001,
      data: { a: 1 },
      dataVersion: 3,
      dataByRoute: { r: { a: 1 } },
      route: { id: "r" },
      step: { id: "one" },
      routeHistory: [{ route: "r", enteredAt: 1004 }],
      state: { x: 1 },
      compactedUpTo: 2,
    });
  });

  test("is what a rewind gives back, whatever came between", () => {
    const before = logOf({}, say("a"), { type: "patch-data", patch: { a: 1 } });
    let log = before;
    for (const command of [
      say("b"),
      { type: "replace-data", data: { z: 1 }, dataVersion: 2 },
      { type: "enter-route", route: { id: "r" }, step: { id: "one" } },
      { type: "set-state", slot: "x", value: 1 },
      { type: "compact", upTo: 2, messages: [] },
    ] as const) {
      log = commit(log, command);
    }
    const { seq } = before.record;
    const rewound = commit(log, { type: "rewind", to: seq, restored: conversationOf(before.record) });
    expect(conversationOf(rewound.record)).toStrictEqual({
      ...conversationOf(before.record),
      revisedUpTo: rewound.record.seq,
    });
  });
});

test("a session is expired from its time on", () => {
  expect([isExpired({}, 5), isExpired({ expiresAt: 6 }, 5)]).toEqual([false, false]);
  expect([isExpired({ expiresAt: 5 }, 5), isExpired({ expiresAt: 0 }, 5)]).toEqual([true, true]);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StoredObject } from "../../src/log/entry.ts";
import type { WindowOptions } from "../../src/log/window.ts";
import { estimateTokens, isUserTurn, windowStart, windowTaker } from "../../src/log/window.ts";
import { storableObject } from "../support/arbitraries.ts";
import { refusalOf } from "../support/errors.ts";
import { callMessage, resultMessage } from "../support/tool-shapes.ts";

const user = { role: "user", content: "hi" };
const assistant = { role: "assistant", content: "hello" };
const anthropicResult = resultMessage("anthropic", ["a"], "found");

/** A conversation in letters: u user, a assistant, t tool result, r result in the user's name. */
function conversation(letters: string): StoredObject[] {
  const kinds: Record<string, StoredObject> = {
    u: user,
    a: assistant,
    t: resultMessage("openai", ["a"], "found"),
    r: anthropicResult,
  };
  return [...letters].map((letter) => kinds[letter] ?? {});
}

/** Options whose count is something that the types do not allow. */
function withCount(count: unknown): WindowOptions {
  const options: object = { maxTokens: 5, countTokens: () => count };
  return options;
}

/** How many of `messages` a window takes, from the newest. */
function taken(
  messages: readonly StoredObject[],
  options: WindowOptions,
  reserved: StoredObject[] = [],
): number {
  const taker = windowTaker(options);
  taker.reserve(reserved);
  return messages.toReversed().filter((message) => taker.take(message)).length;
}

describe("windowTaker", () => {
  test("without limits takes all", () => {
    expect(taken(conversation("uauaua"), {})).toBe(6);
  });

  test.each<[string, WindowOptions, number]>([
    ["uauaua", { lastMessages: 1 }, 1],
    ["uauaua", { lastMessages: 4 }, 4],
    ["uauaua", { lastMessages: 9 }, 6],
    ["uauaua", { lastTurns: 1 }, 2],
    ["uauaua", { lastTurns: 2 }, 4],
    ["uauaua", { lastTurns: 3 }, 6],
    ["uaraua", { lastTurns: 2 }, 6],
    ["aaa", { lastTurns: 1 }, 3],
    ["uauaua", { lastTurns: 2, lastMessages: 3 }, 3],
    ["uauaua", { lastTurns: 1, lastMessages: 3 }, 2],
    ["uauaua", { maxTokens: 10, countTokens: () => 3 }, 3],
    ["uauaua", { maxTokens: 9, countTokens: () => 3 }, 3],
    ["uauaua", { maxTokens: 8, countTokens: () => 3 }, 2],
    ["uauaua", { maxTokens: 2, countTokens: () => 3 }, 0],
    ["uauaua", { maxTokens: 1, countTokens: () => 0 }, 6],
  ])("of %s, %j takes %i", (letters, options, count) => {
    expect(taken(conversation(letters), options)).toBe(count);
  });

  test("after the first that does not fit takes no older one, though that would fit", () => {
    const sizes = new Map<StoredObject, number>();
    const messages = [1, 9, 1].map((size) => {
      const message = { size };
      sizes.set(message, size);
      return message;
    });
    expect(taken(messages, { maxTokens: 5, countTokens: (message) => sizes.get(message) ?? 0 })).toBe(1);
  });

  test("what is sent in any case is counted first", () => {
    const countTokens = (): number => 3;
    expect(taken(conversation("uaua"), { maxTokens: 9, countTokens }, [user, user])).toBe(1);
    expect(taken(conversation("uaua"), { maxTokens: 9, countTokens }, [user, user, user, user])).toBe(0);
    // Without a limit of tokens nothing is counted.
    const never = (): number => {
      throw new Error("counted");
    };
    expect(taken(conversation("uaua"), { lastMessages: 3, countTokens: never }, [user])).toBe(3);
  });

  test("estimates tokens where nobody counts them", () => {
    const tokens = estimateTokens(user);
    expect(taken([user, user, user], { maxTokens: 2 * tokens })).toBe(2);
    expect(taken([user, user, user], { maxTokens: 2 * tokens - 1 })).toBe(1);
  });

  test.each(["lastMessages", "lastTurns", "maxTokens"])(
    "refuses %s that is no whole number of at least 1",
    (key) => {
      for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "3", null, {}]) {
        expect(refusalOf(() => windowTaker(Object.assign({}, { [key]: value })))).toMatchObject({
          code: "INVALID_ARGUMENT",
          message: `${key} must be a whole number of at least 1, not ${String(value)}`,
        });
      }
      expect(() => windowTaker(Object.assign({}, { [key]: 1 }))).not.toThrow();
      expect(() => windowTaker(Object.assign({}, { [key]: undefined }))).not.toThrow();
    },
  );

  test("refuses a count that is no number, which would make the window endless", () => {
    for (const count of [Number.NaN, -1, undefined, "3", Promise.resolve(3), null]) {
      const options = withCount(count);
      for (const run of [() => windowTaker(options).take(user), () => windowTaker(options).reserve([user])]) {
        expect(refusalOf(run)).toMatchObject({
          code: "INVALID_ARGUMENT",
          message: `countTokens must answer with a number of at least 0, not ${String(count)}`,
        });
      }
    }
  });

  test("keeps every limit, and takes as many as they allow", () => {
    const options = fc.record(
      {
        lastMessages: fc.integer({ min: 1, max: 8 }),
        lastTurns: fc.integer({ min: 1, max: 4 }),
        maxTokens: fc.integer({ min: 1, max: 30 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.stringMatching(/^[uatr]{0,12}$/), options, (letters, limits) => {
        const messages = conversation(letters);
        const countTokens = (): number => 3;
        const fits = (count: number): boolean => {
          const window = letters.slice(letters.length - count);
          const turns = [...window].filter((letter) => letter === "u").length;
          // A turn is complete with its user's message, so nothing is taken before that of the last turn allowed.
          const isOver = limits.lastTurns !== undefined && turns >= limits.lastTurns && window[0] !== "u";
          return (
            count <= (limits.lastMessages ?? 99) &&
            turns <= (limits.lastTurns ?? 99) &&
            3 * count <= (limits.maxTokens ?? 999) &&
            !isOver
          );
        };
        let most = 0;
        while (most < messages.length && fits(most + 1)) most += 1;
        expect(taken(messages, { ...limits, countTokens })).toBe(most);
      }),
      { numRuns: 500 },
    );
  });
});

describe("windowStart", () => {
  test.each([
    ["", 0],
    ["uaua", 0],
    ["aua", 1],
    ["auau", 1],
    ["aaua", 2],
    // Beginning at the user's message would cost more than half.
    ["aaau", 0],
    ["aaaua", 0],
    ["tau", 1],
    ["ttaaau", 2],
    ["raaaau", 1],
    ["tu", 1],
    ["ttt", 3],
    ["r", 1],
    ["ta", 1],
  ])("of %s is at %i", (letters, start) => {
    expect(windowStart(conversation(letters))).toBe(start);
  });
});

test("a turn begins with the user's own words", () => {
  expect(isUserTurn(user)).toBe(true);
  for (const message of [assistant, anthropicResult, callMessage("openai", ["a"]), {}, { role: "tool" }]) {
    expect(isUserTurn(message)).toBe(false);
  }
});

describe("estimateTokens", () => {
  test("is a quarter of the characters, rounded up, and 4 more", () => {
    expect(estimateTokens({})).toBe(5);
    expect(estimateTokens({ a: 1 })).toBe(6);
    expect(estimateTokens({ a: "x".repeat(4000) })).toBe(1006);
    expect(estimateTokens(user)).toBe(Math.ceil(JSON.stringify(user).length / 4) + 4);
  });

  test("takes all that a message can hold, bytes by their length", () => {
    const withBytes = (length: number): number => estimateTokens({ image: new Uint8Array(length) });
    expect(withBytes(30_000)).toBeGreaterThan(9_000);
    expect(withBytes(30_000)).toBeLessThan(11_000);
    expect(estimateTokens({ at: new Date(0), big: 10n ** 30n })).toBeLessThan(40);
    fc.assert(
      fc.property(storableObject, (message) => {
        const tokens = estimateTokens(message);
        expect(Number.isInteger(tokens) && tokens >= 5).toBe(true);
      }),
    );
  });
});

import { describe, expect, test } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import { equal, rejects, show } from "../../src/store/conformance/assert.ts";

const message = (actual: unknown, expected: unknown): string => {
  try {
    equal(actual, expected, "it");
  } catch (error) {
    return String(error);
  }
  return "equal";
};

describe("equal", () => {
  const same: readonly (readonly [unknown, unknown])[] = [
    [1, 1],
    [Number.NaN, Number.NaN],
    ["\ud800", "\ud800"],
    [1n, 1n],
    [new Date(5), new Date(5)],
    [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
    [Buffer.from([1]), new Uint8Array([1])],
    [{ a: [{ b: undefined }] }, { a: [{ b: undefined }] }],
    [JSON.parse('{"__proto__":1}'), JSON.parse('{"__proto__":1}')],
  ];
  test.each(same)("%o and %o", (actual, expected) => expect(message(actual, expected)).toBe("equal"));

  const different: readonly (readonly [unknown, unknown, string])[] = [
    [0, -0, "it: expected -0, got 0"],
    [{ a: [1, 0] }, { a: [1, -0] }, "it at .a[1]: expected -0, got 0"],
    [1, 1n, "expected 1n, got 1"],
    [1, "1", 'expected "1", got 1'],
    [null, undefined, "expected undefined, got null"],
    [{}, [], "expected []"],
    [{}, null, "expected null"],
    [new Date(5), new Date(6), "expected Date(6), got Date(5)"],
    [new Date(5), 5, "expected 5, got Date(5)"],
    [new Uint8Array([1]), new Uint8Array([2]), "expected Uint8Array(1)[2], got Uint8Array(1)[1]"],
    [new Uint8Array([1]), [1], "got Uint8Array(1)[1]"],
    [[1], [1, 2], "it at .length: expected 2, got 1"],
    [[1, 2], [1], "it at .length: expected 1, got 2"],
    [{ a: 1 }, {}, 'it at  (its keys, in order): expected [], got ["a"]'],
    [{}, { a: 1 }, 'it at .a: expected 1, got "nothing"'],
    [{ a: undefined }, {}, "its keys"],
    [
      { x: { a: 1, b: 2 } },
      { x: { b: 2, a: 1 } },
      'at .x (its keys, in order): expected ["b", "a"], got ["a", "b"]',
    ],
    [JSON.parse('{"__proto__":1}'), {}, "its keys"],
    [
      `${"x".repeat(5000)}a`,
      `${"x".repeat(5000)}b`,
      'it at  from character 4980: expected "xxxxxxxxxxxxxxxxxxxxb"',
    ],
  ];
  test.each(different)("%o is not %o", (actual, expected, text) =>
    expect(message(actual, expected)).toContain(text),
  );
});

describe("rejects", () => {
  const refuse = async (): Promise<never> => {
    throw new HoldfastError("INVALID_ARGUMENT", "no");
  };

  test("gives back the error of the code that was expected", async () => {
    expect((await rejects(refuse, "INVALID_ARGUMENT", "it")).message).toBe("no");
  });

  test("fails for another code, another error, an answer, and a throw in place of a rejection", async () => {
    const throws = (): never => {
      throw new HoldfastError("INVALID_ARGUMENT", "no");
    };
    await expect(rejects(refuse, "UNSUPPORTED", "it")).rejects.toThrow(
      "it: expected a HoldfastError UNSUPPORTED, got HoldfastError INVALID_ARGUMENT: no",
    );
    await expect(rejects(() => Promise.reject(new TypeError("x")), "UNSUPPORTED", "it")).rejects.toThrow(
      "got TypeError: x",
    );
    await expect(rejects(async () => [1], "UNSUPPORTED", "it")).rejects.toThrow(
      "expected UNSUPPORTED, but it resolved with [1]",
    );
    await expect(rejects(throws, "INVALID_ARGUMENT", "it")).rejects.toThrow("it: threw");
  });
});

test("show is short, whatever is shown", () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic, "x".repeat(100_000));
  expect(show(cyclic).length).toBeLessThan(300);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isKnown, positionalId, positionOf } from "../../src/log/entry.ts";
import { checkId } from "../../src/log/values.ts";
import { anyText } from "../support/arbitraries.ts";
import { entryOf } from "../support/build-log.ts";
import { refusalOf } from "../support/errors.ts";

describe("checkId", () => {
  test.each([
    "a",
    " ",
    "\0",
    "../../etc/x",
    "a:b/c%*{}",
    "😀",
    "#1",
    "a".repeat(512),
    "é".repeat(256),
    "😀".repeat(128),
    "€".repeat(170),
  ])("takes %j as it is", (id) => {
    expect(checkId(id, "id")).toBe(id);
  });

  test.each([
    ["", "the session id is empty; give a string of 1 to 512 bytes"],
    ["a".repeat(513), "the session id is 513 bytes long; at most 512 are allowed"],
    ["é".repeat(257), "the session id is 514 bytes long; at most 512 are allowed"],
    [`${"a".repeat(511)}é`, "the session id is 513 bytes long; at most 512 are allowed"],
    ["€".repeat(171), "the session id is 513 bytes long; at most 512 are allowed"],
    ["\uD800", "the session id holds half of a surrogate pair, which is not valid Unicode"],
    ["a\uDC00b", "the session id holds half of a surrogate pair, which is not valid Unicode"],
    [undefined, "the session id must be a string, not undefined"],
    [null, "the session id must be a string, not null"],
    [5, "the session id must be a string, not number"],
    [{ $ne: null }, "the session id must be a string, not object"],
    [["a"], "the session id must be a string, not object"],
    [Object("a"), "the session id must be a string, not object"],
    [() => "a", "the session id must be a string, not function"],
  ])("refuses %j", (id, message) => {
    expect(refusalOf(() => checkId(id, "session id"))).toMatchObject({ code: "INVALID_ARGUMENT", message });
  });

  test("any well-formed text of 1 to 512 bytes, and no other", () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.string({ minLength: 400, maxLength: 600 })), (id) => {
        const bytes = new TextEncoder().encode(id).length;
        if (id.isWellFormed() && bytes >= 1 && bytes <= 512) expect(checkId(id, "id")).toBe(id);
        else expect(refusalOf(() => checkId(id, "id")).code).toBe("INVALID_ARGUMENT");
      }),
    );
  });
});

test("types that begin with x. are their users' own, all others are Holdfast's", () => {
  expect(["x.", "x.note", "x.message"].map((type) => isKnown(entryOf(type, null, 1)))).toEqual([
    false,
    false,
    false,
  ]);
  expect(["message", "later", "ax.", "x", "X.note"].every((type) => isKnown(entryOf(type, null, 1)))).toBe(
    true,
  );
});

describe("positional ids", () => {
  test("name a position, and nothing else does", () => {
    expect(positionalId(42)).toBe("#42");
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (seq) => {
        expect(positionOf(positionalId(seq))).toBe(seq);
      }),
    );
    for (const id of [
      "",
      "#",
      "#0",
      "#01",
      "#-1",
      "#1.5",
      "#1e3",
      "1",
      "a#1",
      "#1a",
      "#1\n",
      "# 1",
      `#${"9".repeat(17)}`,
    ]) {
      expect(positionOf(id)).toBeUndefined();
    }
  });
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { folderOf, nameOf } from "../../src/stores/file/names.ts";

const anyId = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom("a", "A", ".", "/", "%", "~", "@", "é", "e\u0301", "2", "f"),
    minLength: 1,
    maxLength: 12,
  }),
  fc.constantFrom(
    ".",
    "..",
    "CON",
    "con",
    "nul",
    "Nul.txt",
    "com1",
    "COM1",
    "lpt9",
    "aux",
    "x".repeat(512),
    "é".repeat(256),
  ),
);

test("names take only what every file system takes, and leave room for a suffix", () => {
  fc.assert(
    fc.property(anyId, (id) => {
      expect(nameOf(id)).toMatch(/^[a-z0-9_%~-]{1,200}$/);
      expect(nameOf(id)).not.toMatch(/^(con|prn|aux|nul|com[0-9]|lpt[0-9])$/);
      expect(folderOf(id)).toBe(`@${nameOf(id)}`);
    }),
  );
});

test("two ids never have one name, whatever the case and however Unicode is normalised", () => {
  fc.assert(
    fc.property(anyId, anyId, (one, other) => {
      fc.pre(one !== other);
      const seen = (id: string): string => nameOf(id).toLowerCase().normalize("NFD");
      expect(seen(one)).not.toBe(seen(other));
    }),
    { numRuns: 2000 },
  );
});

test("plain names stay readable", () => {
  expect(nameOf("0198a5b2-7d3e-7000-8000-1234567890ab")).toBe("0198a5b2-7d3e-7000-8000-1234567890ab");
  expect(nameOf("Alice/../é")).toBe("%41lice%2f%2e%2e%2f%c3%a9");
  expect(nameOf("nul")).toBe("%6eul");
  expect(nameOf("x".repeat(201))).toMatch(/^~[0-9a-f]{64}$/);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Entry } from "../../src/log/entry.ts";
import { encodeData } from "../../src/store/codec.ts";
import { closeLine, decodeLine, encodeLine, headOf } from "../../src/stores/file/line.ts";
import { backwards, forwards } from "../../src/stores/file/lines.ts";

const texts = fc.array(
  fc.string({ unit: fc.constantFrom("a", "b", "é", " "), minLength: 1, maxLength: 60 }),
  { minLength: 1, maxLength: 30 },
);

test("lines are the same forwards and backwards, whatever the size of a block, with and without a last newline", () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 200 }), fc.boolean(), (lines, blockBytes, isOpenEnded) => {
      const bytes = Buffer.from(lines.join("\n") + (isOpenEnded ? "" : "\n"));
      const read = (position: number, length: number): Buffer => bytes.subarray(position, position + length);
      const ahead = [...forwards(read, 0, bytes.length, blockBytes)];
      const back = [...backwards(read, bytes.length, 0, blockBytes)];
      expect(ahead.map((line) => line.bytes.toString())).toEqual(lines);
      expect(back.toReversed().map((line) => line.bytes.toString())).toEqual(lines);
      expect(back.toReversed().map((line) => line.offset)).toEqual(ahead.map((line) => line.offset));
    }),
  );
});

test("a line that is far longer than a block is read in time that grows with its length only", () => {
  const bytes = Buffer.from(`short\n${"x".repeat(1_000_000)}\nshort\n`);
  let total = 0;
  const read = (position: number, length: number): Buffer => {
    const block = bytes.subarray(position, position + length);
    total += block.length;
    return block;
  };
  expect([...forwards(read, 0, bytes.length, 1024)]).toHaveLength(3);
  expect(total).toBeLessThan(5 * bytes.length);
  total = 0;
  expect([...backwards(read, bytes.length, 0, 1024)]).toHaveLength(3);
  expect(total).toBeLessThan(5 * bytes.length);
});

const entries: readonly Entry[] = [
  {
    seq: 7,
    id: "m-1",
    type: "message",
    data: { message: { role: "user", content: 'a "quote", ,"crc":1} \n and 🙂\ud800' } },
    at: 5,
    commit: "c",
  },
  {
    seq: 8,
    id: "#8",
    type: "x.note",
    data: { $holdfast: ["date", 1], at: new Date(3), n: 10n },
    at: 6,
    text: "found",
  },
];
const line = closeLine(encodeLine(3, entries, entries.map(encodeData)));
const bytes = Buffer.from(line.slice(0, -1));

test("a line gives back its entries, is one line of JSON, and says its version and position first", () => {
  expect(line.endsWith("\n")).toBe(true);
  expect(line.indexOf("\n")).toBe(line.length - 1);
  expect(JSON.parse(line)).toMatchObject({ version: 3, seq: 7 });
  expect(decodeLine(bytes, "file")).toEqual({ version: 3, seq: 7, entries });
  expect(headOf(bytes)).toEqual({ version: 3, seq: 7 });
});

test("no beginning of a line, and no line with a changed bit, is taken for a line", () => {
  for (let length = 0; length < bytes.length; length += 1) {
    expect(decodeLine(bytes.subarray(0, length), "file"), `cut at ${length}`).toBeUndefined();
  }
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(decodeLine(changed, "file"), `bit ${bit}`).toBeUndefined();
  }
});

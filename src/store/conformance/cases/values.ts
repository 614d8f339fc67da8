/**
 * @module
 * Clauses V: what goes in comes back, and what can't is refused.
 */
import { equal, rejects, sameEntries, sameRecord } from "../assert.ts";
import { begin, commitOf, note, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";

const KIB = 1024;

function nested(depth: number, within: (inner: unknown) => unknown): unknown {
  let value: unknown = "the innermost";
  for (let level = 0; level < depth; level += 1) value = within(value);
  return value;
}

/** Values by what is hard about each. */
const VALUES: Readonly<Record<string, unknown>> = {
  null: null,
  booleans: [true, false],
  numbers: [
    0,
    1,
    -1,
    0.1,
    0.1 + 0.2,
    1e21,
    1e308,
    5e-324,
    1.7976931348623157e308,
    2 ** 53 - 1,
    -(2 ** 53),
    123456789012345680000,
  ],
  "minus zero": [-0, 0, { deep: -0 }],
  bigints: [0n, -1n, 2n ** 64n, -(10n ** 100n)],
  dates: [new Date(0), new Date(-1), new Date(8.64e15), new Date(-8.64e15), new Date(1_700_000_000_123)],
  bytes: [
    new Uint8Array(0),
    new Uint8Array([0, 1, 127, 128, 255]),
    new Uint8Array([9, 8, 7, 6]).subarray(1, 3),
    Uint8Array.from({ length: 256 }, (_, index) => index),
  ],
  texts: [
    "",
    " ",
    " a ",
    "a\nb\r\nc",
    "\ttab",
    "\u0000",
    "a\u0000b",
    "\u0001\u001f\u007f\u0080",
    "\u2028\u2029",
    "\ufeffBOM",
    "\\",
    '"',
    "'",
    "`",
    "\\u0041",
    "$" + "{x}",
    "{{x}}",
    "<!--",
    "%s%d",
    "'; DROP TABLE x; --",
  ],
  Unicode: ["é", "e\u0301", "日本語", "עברית", "🙂", "👩‍👩‍👧‍👦", "\u{10ffff}", "\ufffd", "\uffff", "\ufffe"],
  "lone surrogates": ["\ud800", "\udc00", "a\ud83d", "\ude00b", "\udc00\ud800", { "\ud800": "key" }],
  "texts that look like other types": [
    "1",
    "01",
    "1e3",
    "null",
    "true",
    "undefined",
    "NaN",
    "[]",
    "{}",
    "2020-01-01",
    "2020-01-01T00:00:00.000Z",
    "0x10",
    "-0",
  ],
  empty: [[], {}, [[]], [{}], { "": {} }, ""],
  "integer keys": { "456": "x", "0": 1, b: 2, "1": 3, "-1": 4, "01": 5, "4294967295": 6 },
  "key order": { zebra: 1, apple: 2, mango: { y: 1, x: 2, _: 3, A: 4 }, Zebra: 5, "": 6 },
  "awkward keys": {
    $set: 1,
    $: 2,
    "a.b": 3,
    ".": 4,
    "a[0]": 5,
    " ": 6,
    "\u0000": 7,
    "'": 8,
    '"': 9,
    "\\": 10,
    _id: 11,
    type: 12,
    id: 13,
    seq: 14,
    constructor: 15,
    toString: 16,
    length: 17,
    hasOwnProperty: 18,
  },
  "a key named __proto__": JSON.parse('{"__proto__":{"admin":true},"a":{"__proto__":1}}'),
  "what looks like a tag": [
    { $holdfast: ["date", 0] },
    { $holdfast: 1 },
    { $holdfast: { $holdfast: ["bytes", "AA=="] } },
    { $holdfast: 1, other: 2 },
    { $date: 1 },
    { $numberLong: "1" },
    { type: "Buffer", data: [1] },
  ],
  "100 objects deep": nested(100, (inner) => ({ a: inner })),
  "100 arrays deep": nested(100, (inner) => [inner]),
  mixed: { a: [1, { b: [new Date(1), [2n, { c: new Uint8Array([1]) }]] }], d: null },
  "a long key": { ["k".repeat(100_000)]: 1 },
  "many keys": Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`k${index * 7919}`, index])),
};

const CLASS_INSTANCE = new (class Point {
  x = 1;
})();

const REFUSED: Readonly<Record<string, unknown>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "a function": () => 1,
  "a symbol": Symbol("s"),
  "an invalid Date": new Date(Number.NaN),
  "a Map": new Map(),
  "a class instance": CLASS_INSTANCE,
  "a cycle": cycle(),
  "a regular expression": /x/,
};

function cycle(): unknown {
  const value: Record<string, unknown> = {};
  value.self = { value };
  return value;
}

export const valueCases: readonly ConformanceCase[] = [
  ...Object.entries(VALUES).map(
    ([name, value]): ConformanceCase => ({
      key: `values/${name
        .toLowerCase()
        .match(/[a-z0-9]+/g)
        ?.join("-")}`,
      clause: "V1",
      title: `in entries and in records: ${name}`,
      async run({ store, second }) {
        const session = await begin(store, { id: "a", metadata: { held: value } }, note(value));
        await session.write(
          { type: "message", data: { message: { role: "user", content: [value] } } },
          { type: "data.patched", data: { patch: { held: value }, route: "r" } },
          { type: "state.set", data: { slot: "slot", value } },
        );
        const reader = await second();
        sameEntries(await reader.read("a", { after: 0, limit: 10 }), session.entries, "the log");
        sameRecord((await reader.find(["a"]))[0], session.record, "the record");
      },
    }),
  ),
  {
    key: "values/json-text",
    clause: "V2",
    title: "the JSON text of a message is the same, byte for byte",
    async run({ store, second }) {
      const text =
        '{"role":"user","content":[{"type":"text","text":"h\\u0000i \\ud800 \\u2028 é 🙂","z":1.10e0,"b":{"456":"456","10":[],"9":{}},"a":[1e21,0.1,-1]}],"extra":{"$x":null,"a.b":false}}';
      const message: unknown = JSON.parse(text);
      const before = JSON.stringify(message);
      const session = await begin(store, {}, note(message));
      const [entry] = await (await second()).read(session.id, { after: 1, limit: 1 });
      equal(JSON.stringify(entry?.data), before, "the JSON text");
    },
  },
  {
    key: "values/undefined",
    clause: "V3",
    title: "undefined is treated as JSON treats it",
    async run({ store, second }) {
      const session = await begin(store, {}, note({ a: undefined, b: [undefined, 1], c: { d: undefined } }));
      const [entry] = await (await second()).read(session.id, { after: 1, limit: 1 });
      equal(entry?.data, { b: [null, 1], c: {} }, "the data");
    },
  },
  {
    key: "values/refused",
    clause: "V4",
    title: "a value that can't be kept is INVALID_ARGUMENT, and nothing of its batch is written",
    async run({ store, second }) {
      const good = await begin(store, { id: "good" });
      const bad = await begin(store, { id: "bad" });
      for (const [name, value] of Object.entries(REFUSED)) {
        const batch = [good.next(say("good")), bad.next(say("first"), note({ deep: [value] }))];
        await rejects(() => store.commit(batch), "INVALID_ARGUMENT", `committing ${name}`);
        await rejects(
          () => store.commit([bad.next(note(value))]),
          "INVALID_ARGUMENT",
          `committing ${name} alone`,
        );
      }
      const reader = await second();
      for (const session of [good, bad]) {
        sameRecord((await reader.find([session.id]))[0], session.record, `the record of "${session.id}"`);
        sameEntries(
          await reader.read(session.id, { after: 0, limit: 10 }),
          session.entries,
          `the log of "${session.id}"`,
        );
      }
    },
  },
  {
    key: "values/not-shared-in",
    clause: "V5",
    title:
      "what a caller changes after the commit does not reach the store, and the store changes nothing of the caller's",
    async run({ store }) {
      const data = { list: [1, 2], bytes: new Uint8Array([1, 2]), inner: { a: 1 }, at: new Date(5) };
      const session = await begin(store, { id: "a", metadata: { data } });
      const commit = commitOf(session.record, [
        note(data),
        { type: "data.patched", data: { patch: { data } } },
      ]);
      await store.commit([commit]);
      equal(
        commit.entries[0]?.data,
        { list: [1, 2], bytes: new Uint8Array([1, 2]), inner: { a: 1 }, at: new Date(5) },
        "the caller's own data",
      );
      data.list.push(3);
      data.bytes[0] = 99;
      data.inner.a = 2;
      data.at.setTime(6);
      const expected = { list: [1, 2], bytes: new Uint8Array([1, 2]), inner: { a: 1 }, at: new Date(5) };
      equal((await store.read("a", { after: 1, limit: 1 }))[0]?.data, expected, "the entry");
      const [record] = await store.find(["a"]);
      equal(record?.data, { data: expected }, "the record's data");
      equal(record?.metadata, { data: expected }, "the record's metadata");
    },
  },
  {
    key: "values/not-shared-out",
    clause: "V5",
    title: "what a caller does to an answer does not reach the store",
    async run({ store }) {
      const session = await begin(
        store,
        { id: "a", metadata: { list: [1] } },
        note({ list: [1], bytes: new Uint8Array([1]) }),
      );
      const spoil = async (): Promise<void> => {
        const [entries, [record], page] = [
          await store.read("a", { after: 0, limit: 10 }),
          await store.find(["a"]),
          await store.list({ order: "updated", limit: 10 }),
        ];
        for (const answer of [...entries, record, ...page.items]) deface(answer);
        entries.pop();
        page.items.pop();
      };
      await spoil();
      sameEntries(await store.read("a", { after: 0, limit: 10 }), session.entries, "the log");
      sameRecord((await store.find(["a"]))[0], session.record, "the record");
      await spoil();
      await session.write(note("still goes on"));
      sameEntries(
        await store.read("a", { after: 0, limit: 10 }),
        session.entries,
        "the log after one more commit",
      );
    },
  },
  {
    key: "values/large",
    clause: "V6",
    title: "texts of 1 MB of letters, of emoji and of control characters come back whole",
    async run({ store, second }) {
      const texts = [
        "x".repeat(1024 * KIB),
        "é漢🙂 ".repeat(100_000),
        '\u0000\u001f\\"\n'.repeat(50_000),
        "\ud800".repeat(50_000),
      ];
      const session = await begin(store);
      for (const text of texts) await session.write(say(text));
      await session.write(
        note(Uint8Array.from({ length: 500 * KIB }, (_, index) => index % 251)),
        note(texts[0]),
      );
      const reader = await second();
      sameEntries(await reader.read(session.id, { after: 0, limit: 10 }), session.entries, "the log");
    },
  },
  {
    key: "values/large-record",
    clause: "V6",
    title: "a record with 300 kB of data comes back whole, from find and from list",
    async run({ store, second, settled }) {
      const session = await begin(store, { id: "a" });
      await session.write({
        type: "data.patched",
        data: {
          patch: {
            large: "data ".repeat(60_000),
            list: Array.from({ length: 500 }, (_, index) => ({ index })),
          },
        },
      });
      const reader = await second();
      sameRecord((await reader.find(["a"]))[0], session.record, "the record");
      await settled(async () =>
        sameRecord(
          (await reader.list({ order: "updated", limit: 5 })).items[0],
          session.record,
          "the listed record",
        ),
      );
    },
  },
];

/** Writes over everything that can be reached from `value` and is not frozen. */
function deface(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  if (value instanceof Uint8Array) {
    value.fill(99);
    return;
  }
  for (const item of Object.values(value)) deface(item);
  for (const key of Object.keys(value)) if (!Object.isFrozen(value)) Reflect.set(value, key, "defaced");
}

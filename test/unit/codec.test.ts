import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry } from "../../src/log/entry.ts";
import { evolve, evolveAll } from "../../src/log/evolve.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import { EMPTY_CONVERSATION, NO_USAGE } from "../../src/log/record.ts";
import { encodeValue, frozenCopy } from "../../src/log/values.ts";
import {
  callerId,
  checkSize,
  decodeEntry,
  decodeRecord,
  encodeData,
  encodeRecord,
  heal,
} from "../../src/store/codec.ts";
import type { StoreCapabilities } from "../../src/store/store.ts";
import { anyEntries, storable, storableObject } from "../support/arbitraries.ts";
import { entryOf, logOf, present, say } from "../support/build-log.ts";
import { refusalOf } from "../support/errors.ts";
import { frozen } from "../support/frozen.ts";
import { showValue } from "../support/show-value.ts";

const fresh = frozen(logOf().record);

/** A record in one way of writing it, whatever the order of its keys. */
function sorted(record: SessionRecord): string {
  return showValue(Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))));
}

describe("records", () => {
  test("come back the same, whatever led to them", () => {
    fc.assert(
      fc.property(anyEntries(1), (entries) => {
        const record = frozen(present(evolveAll(fresh, entries)));
        const back = decodeRecord(encodeRecord(record), record.id, "test");
        // The dictionaries of generated entries may lack a prototype, which no stored value has.
        expect(sorted(back).replaceAll("foreign ", "")).toBe(sorted(record).replaceAll("foreign ", ""));
        expect(encodeRecord(back)).toBe(encodeRecord(record));
      }),
      { numRuns: 500 },
    );
  });

  test("are stored without what most of them hold", () => {
    const text = encodeRecord(fresh);
    expect(JSON.parse(text)).toEqual({ id: "s", version: 1, seq: 1, createdAt: 1000, updatedAt: 1000 });
    expect(decodeRecord(text, "s", "test")).toEqual(fresh);
    const full: SessionRecord = {
      ...fresh,
      namespace: "n",
      kind: "fork",
      status: "completed",
      lineage: [{ id: "p", upTo: 3 }],
      metadata: { a: 1 },
      usage: { inputTokens: 1, outputTokens: 0, totalTokens: 1 },
      dataVersion: 2,
      messageCount: 1,
      data: { a: 1 },
      dataByRoute: { r: {} },
      routeHistory: [{ route: "r", enteredAt: 1 }],
      state: { x: null },
    };
    expect(Object.keys(JSON.parse(encodeRecord(full))).sort()).toEqual(Object.keys(full).sort());
    expect(decodeRecord(encodeRecord(full), "s", "test")).toEqual(full);
    // Equal, but not the very same object: still nothing that need be stored.
    expect(encodeRecord({ ...fresh, lineage: [], metadata: {}, data: {}, state: {} })).toBe(text);
    expect(encodeRecord(Object.assign({}, fresh, { label: undefined }))).toBe(text);
    // No usage is worth a few bytes where it is not the constant; it comes back all the same.
    const counted = { ...fresh, usage: { ...NO_USAGE } };
    expect(decodeRecord(encodeRecord(counted), "s", "test")).toEqual(fresh);
    expect(decodeRecord('{"id":"s","version":1,"seq":1}', "s", "test")).toMatchObject(EMPTY_CONVERSATION);
  });

  test("come back frozen, through and through", () => {
    const record = logOf({ metadata: { a: [{ b: 1 }] } }, say("hi"), {
      type: "enter-route",
      route: { id: "r" },
    }).record;
    const back = decodeRecord(encodeRecord(record), "s", "test");
    const parts = (value: unknown): object[] =>
      typeof value === "object" && value !== null ? [value, ...Object.values(value).flatMap(parts)] : [];
    expect(parts(back).length).toBeGreaterThan(8);
    expect(parts(back).every((part) => Object.isFrozen(part))).toBe(true);
    // What one record is given, another does not share in a way that could be changed.
    expect(Object.isFrozen(decodeRecord(encodeRecord(fresh), "s", "test").data)).toBe(true);
  });

  test("keep what a later version may add", () => {
    const text = encodeRecord(Object.assign({}, fresh, { later: { x: 1n } }));
    expect(decodeRecord(text, "s", "test")).toEqual({ ...fresh, later: { x: 1n } });
  });

  test.each([
    "null",
    "5",
    "[]",
    "{}",
    '{"id":"s"}',
    '{"id":"s","version":1}',
    '{"id":"s","seq":1}',
    '{"version":1,"seq":1}',
    '{"id":5,"version":1,"seq":1}',
    '{"id":"s","version":"1","seq":1}',
    '{"id":"s","version":1,"seq":"1"}',
    '{"$holdfast":["date",5]}',
  ])("%s is no record", (text) => {
    const error = refusalOf(() => decodeRecord(text, 's"1', "sqlite"));
    expect(error).toMatchObject({ code: "STORE_CORRUPT", sessionId: 's"1', store: "sqlite" });
    expect(error.message).toBe('the record of session "s\\"1" is not a record; run "holdfast doctor"');
  });

  test.each(["", "{", '{"id":', '{"a":{"$holdfast":["later",1]}}', '{"a":{"$holdfast":["bigint","x"]}}'])(
    "%s can't be read",
    (text) => {
      const error = refusalOf(() => decodeRecord(text, "s", "file"));
      expect(error).toMatchObject({
        code: "STORE_CORRUPT",
        sessionId: "s",
        store: "file",
        cause: expect.any(Error),
      });
      expect(error.message).toMatch(
        /^the record of session "s" can't be read from the file store: .+; nothing was changed, run "holdfast doctor"$/,
      );
    },
  );
});

describe("entries", () => {
  test("come back the same, field by field", () => {
    const optional = fc.record(
      { text: fc.string(), commit: fc.string() },
      { requiredKeys: [], noNullPrototype: true },
    );
    fc.assert(
      fc.property(storable, optional, fc.boolean(), (data, more, named) => {
        const entry: Entry = { ...entryOf("x.note", data, 7, more), id: named ? "mine" : "#7" };
        const { text, commit } = entry;
        const id = callerId(entry);
        expect(id).toBe(named ? "mine" : undefined);
        const given = { ...(id !== undefined && { id }), ...more };
        const empty = { id: id ?? null, text: text ?? null, commit: commit ?? null };
        for (const columns of [given, empty]) {
          const row = { seq: 7, type: "x.note", at: entry.at, data: encodeData(entry), ...columns };
          expect(showValue(decodeEntry(row, "s", "test"))).toBe(
            showValue({
              ...pick(entry),
              ...(text !== undefined && { text }),
              ...(commit !== undefined && { commit }),
            }),
          );
        }
      }),
    );
  });

  test("of messages that were copied before are written from the text that is known, and read the same", () => {
    const anyData = fc.oneof(
      storableObject.map((message) => ({ message: frozenCopy(message) })),
      fc
        .tuple(storableObject, storableObject)
        .map(([message, more]) => ({ message: frozenCopy(message), ...more })),
      fc
        .tuple(storableObject, storableObject)
        .map(([message, more]) => ({ ...more, message: frozenCopy(message) })),
      storable,
    );
    fc.assert(
      fc.property(anyData, fc.constantFrom("message", "message.revised", "x.note"), (data, type) => {
        expect(encodeData(entryOf(type, data, 1))).toBe(encodeValue(data));
      }),
      { numRuns: 500 },
    );
    const message = frozenCopy({ role: "user" });
    for (const more of [{}, { turnId: "t" }, { $holdfast: ["date", 0] }, { gone: undefined }, { 0: 1 }]) {
      const data = { message, ...more };
      expect(encodeData(entryOf("message", data, 1))).toBe(encodeValue(data));
    }
    expect(encodeData(entryOf("message", { message, turnId: "t" }, 1))).toBe(
      '{"message":{"role":"user"},"turnId":"t"}',
    );
  });

  test("without data have null", () => {
    expect(encodeData(entryOf("x.note", undefined, 1))).toBe("null");
    expect(encodeData(entryOf("x.note", null, 1))).toBe("null");
    expect(encodeData(entryOf("x.note", false, 1))).toBe("false");
    const row = { seq: 3, type: "x.note", at: 5, data: "null" };
    expect(decodeEntry(row, "s", "test")).toStrictEqual({
      seq: 3,
      id: "#3",
      type: "x.note",
      data: null,
      at: 5,
    });
  });

  test("another position than its own is an id like any other", () => {
    expect(callerId(entryOf("x.note", 1, 3, { id: "#4" }))).toBe("#4");
  });

  test("that can't be read name their place", () => {
    for (const [type, data] of [
      ["message", "{"],
      ["", "{}"],
    ] as const) {
      const error = refusalOf(() => decodeEntry({ seq: 9, type, at: 1, data }, "s", "redis"));
      expect(error).toMatchObject({ code: "STORE_CORRUPT", sessionId: "s", store: "redis" });
      expect(error.message).toContain('entry 9 of session "s" can\'t be read from the redis store: ');
      if (type === "") expect(error.message).toContain("it has no type");
    }
  });
});

describe("checkSize", () => {
  const capabilities = (maxEntryBytes: number): StoreCapabilities => ({
    durability: "process",
    search: "none",
    watch: "poll",
    idempotency: "full",
    listConsistency: "strong",
    maxEntryBytes,
    nativeTtl: false,
    writers: "many",
  });

  test("counts bytes of UTF-8, and takes just as many as are allowed", () => {
    for (const [text, bytes] of [
      ["x".repeat(30), 30],
      ["é".repeat(10), 20],
      ["€".repeat(10), 30],
      ["😀".repeat(10), 40],
    ] as const) {
      expect(() => checkSize(text, "s", "test", capabilities(bytes))).not.toThrow();
      const error = refusalOf(() => checkSize(text, "s", "test", capabilities(bytes - 1)));
      expect(error).toMatchObject({ code: "ENTRY_TOO_LARGE", sessionId: "s", store: "test" });
      expect(error.message).toContain(`is ${bytes} bytes and the test store takes at most ${bytes - 1}`);
    }
  });
});

describe("heal", () => {
  test("brings a record up to date with the entries past it, and leaves those that it knows", () => {
    fc.assert(
      fc.property(anyEntries(1), fc.nat(), fc.nat(), (entries, n, m) => {
        const at = n % (entries.length + 1);
        const behind = evolveAll(fresh, entries.slice(0, at));
        const newest = evolveAll(fresh, entries);
        const overlap = entries.slice(m % (at + 1));
        expect(showValue(heal(behind, overlap))).toBe(showValue(newest));
        expect(heal(behind, entries.slice(0, at))).toBe(behind);
      }),
    );
  });

  test("makes a record where there is none", () => {
    const log = logOf({}, say("hi"));
    expect(heal(undefined, log.entries)).toEqual(log.record);
    expect(heal(undefined, [])).toBeUndefined();
    const [first] = log.entries;
    const zero = entryOf("session.created", present(first).data, 0);
    expect(heal(undefined, [zero])).toEqual(evolve(undefined, zero));
  });
});

function pick({ seq, id, type, data, at }: Entry): object {
  return { seq, id, type, data, at };
}

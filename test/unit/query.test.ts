import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SessionRecord } from "../../src/log/record.ts";
import {
  DEFAULT_LIMIT,
  decodeCursor,
  encodeCursor,
  MAX_LIMIT,
  matches,
  orderTime,
  toStoreQuery,
} from "../../src/store/query.ts";
import type { SessionQuery, StoreQuery } from "../../src/store/store.ts";
import { logOf } from "../support/build-log.ts";
import { refusalOf } from "../support/errors.ts";

/** A query with parts that the types do not allow. */
function queryWith(parts: Record<string, unknown>): SessionQuery {
  return Object.assign({}, parts);
}

describe("toStoreQuery", () => {
  test("fills in what is not given, and keeps what is", () => {
    expect(toStoreQuery({})).toEqual({ order: "updated", limit: DEFAULT_LIMIT });
    const query: SessionQuery = {
      userId: "u",
      agent: "a",
      status: "completed",
      parentId: "p",
      kind: "child",
      label: "l",
      metadata: { a: 1, b: "x", c: true, d: null },
      updatedBefore: 9,
      updatedAfter: -1,
      order: "created",
      limit: MAX_LIMIT,
      cursor: "c",
    };
    expect(toStoreQuery(query)).toEqual(query);
    expect(toStoreQuery(query, { liveAt: 5 })).toEqual({ ...query, liveAt: 5 });
    expect(toStoreQuery({}, { expiredAt: 5 })).toEqual({ order: "updated", limit: 50, expiredAt: 5 });
    expect(toStoreQuery({ limit: 1 }).limit).toBe(1);
    for (const status of ["active", "completed", "abandoned", "deleted"] as const) {
      expect(toStoreQuery({ status }).status).toBe(status);
    }
    for (const kind of ["session", "fork", "child"] as const) expect(toStoreQuery({ kind }).kind).toBe(kind);
  });

  test.each<[string, readonly unknown[], string]>([
    ["order", ["", "newest", null, 1], 'order must be "updated" or "created"'],
    ["limit", [0, -1, 1.5, 1001, Number.NaN, "5", null], "limit must be a whole number from 1 to 1000"],
    ["userId", ["", null, { $ne: null }, 5, "x".repeat(513)], "userId "],
    ["agent", ["", null, 5], "agent "],
    ["parentId", ["", null, 5], "parentId "],
    ["label", ["", null, 5], "label "],
    ["status", ["", "gone", null, ["active"]], "status must be active, completed, abandoned or deleted"],
    ["kind", ["", "x", null, ["fork"]], "kind must be session, fork or child"],
    [
      "updatedBefore",
      [Number.NaN, Number.POSITIVE_INFINITY, "5", null, new Date()],
      "updatedBefore must be a time in epoch milliseconds",
    ],
    [
      "updatedAfter",
      [Number.NaN, Number.NEGATIVE_INFINITY, "5", null],
      "updatedAfter must be a time in epoch milliseconds",
    ],
    [
      "metadata",
      [{ a: {} }, { a: undefined }, { a: [1] }, { a: 1n }, { a: () => 1 }],
      "metadata.a: only a string, number, boolean or null can be looked for",
    ],
    ["cursor", [5, null, {}], "cursor must be a string"],
  ])("refuses %s that is wrong", (key, values, message) => {
    for (const value of values) {
      const error = refusalOf(() => toStoreQuery(queryWith({ [key]: value })));
      expect(error.code).toBe("INVALID_ARGUMENT");
      expect(error.message).toContain(message);
    }
    expect(() => toStoreQuery(queryWith({ [key]: undefined }))).not.toThrow();
  });
});

describe("matches", () => {
  const record: SessionRecord = {
    ...logOf({ userId: "u", agent: "a", label: "l", parentId: "p", kind: "child" }).record,
    updatedAt: 100,
    expiresAt: 200,
    metadata: { n: 1, s: "1", nil: null, deep: { x: 1 } },
  };

  test.each<[Omit<StoreQuery, "order" | "limit">, boolean]>([
    [{}, true],
    [{ userId: "u", agent: "a", label: "l", parentId: "p", kind: "child", status: "active" }, true],
    [{ userId: "v" }, false],
    [{ agent: "b" }, false],
    [{ label: "L" }, false],
    [{ parentId: "q" }, false],
    [{ kind: "fork" }, false],
    [{ status: "completed" }, false],
    [{ status: "deleted" }, false],
    [{ updatedBefore: 101 }, true],
    [{ updatedBefore: 100 }, false],
    [{ updatedAfter: 99 }, true],
    [{ updatedAfter: 100 }, false],
    [{ liveAt: 199 }, true],
    [{ liveAt: 200 }, false],
    [{ expiredAt: 200 }, true],
    [{ expiredAt: 199 }, false],
    [{ metadata: {} }, true],
    [{ metadata: { n: 1, s: "1", nil: null } }, true],
    [{ metadata: { n: 1, s: "2" } }, false],
    [{ metadata: { n: "1" } }, false],
    [{ metadata: { none: null } }, false],
    [{ metadata: { toString: null } }, false],
    [{ metadata: { "deep.x": 1 } }, false],
    [{ userId: "u", updatedBefore: 100 }, false],
    [{ cursor: "c" }, true],
  ])("%j: %s", (query, expected) => {
    expect(matches(record, query)).toBe(expected);
  });

  test("a deleted session only where that is asked for", () => {
    const deleted: SessionRecord = { ...record, status: "deleted" };
    expect([matches(deleted, {}), matches(deleted, { status: "deleted" })]).toEqual([false, true]);
    expect(matches({ ...record, status: "completed" }, {})).toBe(true);
  });

  test("a session that never expires is live for ever", () => {
    const { expiresAt: _gone, ...lasting } = record;
    expect([matches(lasting, { liveAt: 1e15 }), matches(lasting, { expiredAt: 1e15 })]).toEqual([
      true,
      false,
    ]);
  });

  test("the time of an order", () => {
    expect([orderTime(record, "updated"), orderTime(record, "created")]).toEqual([100, record.createdAt]);
  });
});

describe("cursors", () => {
  const query = toStoreQuery({ userId: "u", metadata: { a: 1 }, updatedAfter: 5 });
  const last = { at: 77, id: "s\0é😀" };
  const refused = {
    code: "INVALID_ARGUMENT",
    message: "the cursor is not of this query; pass the cursor of a page together with that page's query",
  };

  test("give back where a page ended", () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.string({ unit: "binary" }),
        (at, id) => {
          const cursor = encodeCursor(query, { at, id });
          expect(cursor).toMatch(/^[\w-]+$/);
          expect(decodeCursor({ ...query, cursor })).toEqual({ at: at + 0, id });
        },
      ),
    );
    expect(decodeCursor(query)).toBeUndefined();
  });

  test("go on with the same query, whatever the limit, the clock and the order of its parts", () => {
    const cursor = encodeCursor(query, last, "scope");
    const same: StoreQuery[] = [
      query,
      { ...query, limit: 7 },
      { ...query, liveAt: 9 },
      { ...query, expiredAt: 9 },
      Object.assign({}, query, { agent: undefined }),
      toStoreQuery(queryWith(Object.fromEntries(Object.entries(query).toReversed()))),
    ];
    for (const one of same) expect(decodeCursor({ ...one, cursor }, "scope")).toEqual(last);
  });

  test("are refused with another query", () => {
    const cursor = encodeCursor(query, last, "scope");
    const others: StoreQuery[] = [
      { ...query, userId: "v" },
      { ...query, agent: "u" },
      { ...query, order: "created" },
      { ...query, metadata: { a: "1" } },
      { ...query, updatedAfter: 6 },
      { ...query, status: "active" },
      toStoreQuery({}),
    ];
    for (const other of others) {
      expect(refusalOf(() => decodeCursor({ ...other, cursor }, "scope"))).toMatchObject(refused);
    }
    for (const scope of ["other", ""]) {
      expect(refusalOf(() => decodeCursor({ ...query, cursor }, scope))).toMatchObject(refused);
    }
  });

  test("that are made up are refused", () => {
    const [key] = JSON.parse(Buffer.from(encodeCursor(query, last), "base64url").toString());
    const made = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const cursors = [
      "",
      "x",
      "null",
      "\0",
      "'; --",
      made(null),
      made({}),
      made("text"),
      made([]),
      made([key, 77]),
      made([key, 77, "s", 1]),
      made([key, "77", "s"]),
      made([key, 77, 5]),
      made([key, null, "s"]),
      made(["other", 77, "s"]),
      made([{ 0: key, 1: 77, 2: "s", length: 3 }]),
      made({ 0: key, 1: 77, 2: "s", length: 3 }),
    ];
    for (const cursor of cursors) {
      expect(refusalOf(() => decodeCursor({ ...query, cursor }))).toMatchObject(refused);
    }
    expect(decodeCursor({ ...query, cursor: made([key, 77, "s"]) })).toEqual({ at: 77, id: "s" });
    fc.assert(
      fc.property(fc.string(), (cursor) => {
        expect(refusalOf(() => decodeCursor({ ...query, cursor })).code).toBe("INVALID_ARGUMENT");
      }),
    );
  });

  test("do not tell one key and value from another by chance", () => {
    const cursor = encodeCursor(toStoreQuery({ userId: "a", agent: "b" }), last);
    expect(refusalOf(() => decodeCursor({ ...toStoreQuery({ userId: "b", agent: "a" }), cursor })).code).toBe(
      "INVALID_ARGUMENT",
    );
  });
});

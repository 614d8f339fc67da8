/**
 * @module
 * Clauses Q, the order and the conditions of a list.
 */
import { invalidArgument } from "../../../log/errors.ts";
import type { SessionStore, StoreQuery } from "../../store.ts";
import { equal, sameRecord } from "../assert.ts";
import type { TestSession } from "../build.ts";
import { begin, beginAt, say, tick } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";

type Conditions = Partial<StoreQuery>;

/** A query as the session layer passes it on, with its defaults. */
export function queryOf(conditions: Conditions = {}): StoreQuery {
  return { order: "updated", limit: 1000, ...conditions };
}

/** The ids on all pages. */
export async function idsOf(store: SessionStore, conditions: Conditions = {}): Promise<string[]> {
  const query = queryOf(conditions);
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({ ...query, ...(cursor !== undefined && { cursor }) });
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.cursor;
    if (ids.length > 10_000) throw invalidArgument("the pages do not end");
  } while (cursor !== undefined);
  return ids;
}

/** A case that fills a store and then checks, for each line, the ids that a query must give (in any order). */
function filterCase(
  key: string,
  clause: string,
  title: string,
  fill: (store: SessionStore) => Promise<void>,
  expected: readonly (readonly [Conditions, ...string[]])[],
): ConformanceCase {
  return {
    key,
    clause,
    title,
    async run({ store, settled }) {
      await fill(store);
      await settled(async () => {
        for (const [conditions, ...ids] of expected) {
          equal((await idsOf(store, conditions)).sort(), ids.sort(), `list(${JSON.stringify(conditions)})`);
        }
      });
    },
  };
}

const HOSTILE_WORDS = [
  "a",
  "A",
  "a ",
  "á",
  "a%",
  "%",
  "a_",
  "*",
  "a*",
  "'; DROP TABLE holdfast_sessions; --",
  '"',
  "\\",
  "a\\",
  "{a}",
  "$a",
  "1",
  "01",
  "1.0",
  "null",
  "true",
  "nul\0",
  "nul",
  "a:b",
  "a/b",
  "🙂",
  "日本",
  "x".repeat(512),
];

export const listCases: readonly ConformanceCase[] = [
  {
    key: "list/by-updated",
    clause: "Q1",
    title: "a list is newest first by the time of the last change",
    async run({ store, settled }) {
      const sessions: TestSession[] = [];
      for (const id of ["c", "a", "b", "d"]) sessions.push(await begin(store, { id }));
      await sessions[1]?.write(say("touched"));
      await sessions[0]?.write(say("touched"));
      await settled(async () => equal(await idsOf(store), ["c", "a", "d", "b"], "the list"));
    },
  },
  {
    key: "list/by-created",
    clause: "Q1",
    title: "order created is newest first by the time of creation, whatever changed since",
    async run({ store, settled }) {
      const sessions: TestSession[] = [];
      for (const id of ["c", "a", "b"]) sessions.push(await begin(store, { id }));
      await sessions[0]?.write(say("touched"));
      await settled(async () => equal(await idsOf(store, { order: "created" }), ["b", "a", "c"], "the list"));
    },
  },
  {
    key: "list/records",
    clause: "Q1",
    title: "a list holds the same records as find",
    async run({ store, settled }) {
      const sessions: TestSession[] = [];
      for (const id of ["a", "b", "c"])
        sessions.push(await begin(store, { id, userId: id, metadata: { z: 1, a: [id] } }, say(id)));
      for (const session of sessions)
        await session.write({ type: "data.patched", data: { patch: { z: 1n, a: new Date(1) } } });
      await settled(async () => {
        const { items, cursor } = await store.list(queryOf());
        equal(items.length, 3, "how many were listed");
        equal(cursor, undefined, "the cursor of the only page");
        for (const [index, session] of sessions.toReversed().entries())
          sameRecord(items[index], session.record, `record ${index}`);
      });
    },
  },
  {
    key: "list/ties",
    clause: "Q2",
    title: "equal times are ordered by id, descending, by code",
    async run({ store, settled }) {
      const at = tick();
      const ids = ["b", "B", "a", "_", "1", "10", "2", "aa", "a-b", "a.b", "Z"];
      for (const id of ids) await beginAt(at, store, { id });
      const descending = [...ids].sort().reverse();
      await settled(async () => {
        for (const order of ["updated", "created"] as const) {
          for (const limit of [1, 3, 1000])
            equal(await idsOf(store, { order, limit }), descending, `the list by ${order}, ${limit} a page`);
        }
      });
    },
  },
  filterCase(
    "list/filters",
    "Q3",
    "user, agent, status, parent, kind and label each leave out what differs, and all must hold",
    async (store) => {
      await begin(store, { id: "plain" });
      await begin(store, { id: "u1", userId: "u", agent: "x", label: "L" });
      const done = await begin(store, { id: "u2", userId: "u", agent: "y", parentId: "u1", kind: "child" });
      await done.write({ type: "status.set", data: { status: "completed" } });
      await begin(store, {
        id: "f",
        userId: "v",
        agent: "x",
        parentId: "u1",
        kind: "fork",
        lineage: [{ id: "u1", upTo: 1 }],
      });
      const left = await begin(store, { id: "left", label: "other" });
      await left.write(
        { type: "status.set", data: { status: "abandoned" } },
        { type: "label.set", data: { label: "L", automatic: false } },
      );
    },
    [
      [{}, "plain", "u1", "u2", "f", "left"],
      [{ userId: "u" }, "u1", "u2"],
      [{ userId: "nobody" }],
      [{ agent: "x" }, "u1", "f"],
      [{ status: "active" }, "plain", "u1", "f"],
      [{ status: "completed" }, "u2"],
      [{ status: "abandoned" }, "left"],
      [{ parentId: "u1" }, "u2", "f"],
      [{ kind: "session" }, "plain", "u1", "left"],
      [{ kind: "fork" }, "f"],
      [{ kind: "child" }, "u2"],
      [{ label: "L" }, "u1", "left"],
      [{ label: "other" }],
      [{ userId: "u", agent: "x" }, "u1"],
      [{ userId: "u", agent: "x", status: "completed" }],
      [{ parentId: "u1", kind: "child", status: "completed", userId: "u", agent: "y" }, "u2"],
    ],
  ),
  {
    key: "list/exact-words",
    clause: "Q3",
    title:
      "user, agent, parent and label are compared exactly: no pattern, no folding, no trimming, no other type",
    async run({ store, settled }) {
      for (const word of HOSTILE_WORDS)
        await begin(store, {
          id: `of ${word.slice(0, 500)}`,
          userId: word,
          agent: word,
          parentId: word,
          label: word,
        });
      await settled(async () => {
        for (const word of HOSTILE_WORDS) {
          for (const key of ["userId", "agent", "parentId", "label"] as const) {
            equal(
              await idsOf(store, { [key]: word }),
              [`of ${word.slice(0, 500)}`],
              `list by ${key} ${JSON.stringify(word.slice(0, 60))}`,
            );
          }
        }
      });
    },
  },
  filterCase(
    "list/metadata",
    "Q4",
    "metadata is compared by key, type and value",
    async (store) => {
      const each: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
        text: { v: "1" },
        number: { v: 1 },
        true: { v: true },
        word: { v: "true" },
        false: { v: false },
        zero: { v: 0 },
        empty: { v: "" },
        null: { v: null },
        nothing: {},
        list: { v: [1] },
        object: { v: { v: 1 } },
        half: { v: 0.5 },
        big: { v: 9_007_199_254_740_991 },
        two: { v: 2, w: "x" },
        text2: { v: "2", w: "x" },
      };
      for (const [id, metadata] of Object.entries(each)) await begin(store, { id, metadata });
      const patched = await begin(store, { id: "patched", metadata: { v: 1, w: "old" } });
      await patched.write({ type: "metadata.patched", data: { patch: { v: "late" } } });
    },
    [
      [{ metadata: { v: "1" } }, "text"],
      [{ metadata: { v: 1 } }, "number"],
      [{ metadata: { v: true } }, "true"],
      [{ metadata: { v: "true" } }, "word"],
      [{ metadata: { v: false } }, "false"],
      [{ metadata: { v: 0 } }, "zero"],
      [{ metadata: { v: "" } }, "empty"],
      [{ metadata: { v: null } }, "null"],
      [{ metadata: { v: 0.5 } }, "half"],
      [{ metadata: { v: 9_007_199_254_740_991 } }, "big"],
      [{ metadata: { v: "[1]" } }],
      [{ metadata: { w: "x" } }, "two", "text2"],
      [{ metadata: { v: 2, w: "x" } }, "two"],
      [{ metadata: { v: 2, w: "y" } }],
      [{ metadata: { missing: null } }],
      [{ metadata: { v: "late" } }, "patched"],
      [{ metadata: { w: "old" } }, "patched"],
      [{ metadata: { w: "x" }, kind: "session", status: "active" }, "two", "text2"],
    ],
  ),
  {
    key: "list/metadata-keys",
    clause: "Q4",
    title: "a metadata key is a name, never a path or a pattern, and its value any text",
    async run({ store, settled }) {
      const keys = [
        "a.b",
        "a",
        "$set",
        "$.a",
        "a[0]",
        '"',
        "'",
        "`",
        "a b",
        "*",
        "%",
        "__proto__",
        "constructor",
        "1",
        "01",
        "ключ",
        "🙂",
        "",
        "a:b",
        "\\",
        "nul\0",
      ];
      for (const [index, key] of keys.entries())
        await begin(store, { id: `k${index}`, metadata: Object.fromEntries([[key, "v"]]) });
      await begin(store, { id: "nested", metadata: { a: { b: "v" } } });
      for (const word of HOSTILE_WORDS)
        await begin(store, { id: `w${HOSTILE_WORDS.indexOf(word)}`, metadata: { word } });
      await settled(async () => {
        for (const [index, key] of keys.entries()) {
          equal(
            await idsOf(store, { metadata: Object.fromEntries([[key, "v"]]) }),
            [`k${index}`],
            `list by metadata key ${JSON.stringify(key)}`,
          );
        }
        for (const [index, word] of HOSTILE_WORDS.entries()) {
          equal(
            await idsOf(store, { metadata: { word } }),
            [`w${index}`],
            `list by metadata value ${JSON.stringify(word.slice(0, 60))}`,
          );
        }
      });
    },
  },
  {
    key: "list/times",
    clause: "Q5",
    title: "updatedBefore and updatedAfter are exclusive",
    async run({ store, settled }) {
      const base = tick();
      for (const offset of [0, 1, 2, 3]) await beginAt(base + offset, store, { id: `at ${offset}` });
      await settled(async () => {
        equal(await idsOf(store, { updatedBefore: base + 2 }), ["at 1", "at 0"], "before 2");
        equal(await idsOf(store, { updatedAfter: base + 2 }), ["at 3"], "after 2");
        equal(
          await idsOf(store, { updatedAfter: base, updatedBefore: base + 3 }),
          ["at 2", "at 1"],
          "between 0 and 3",
        );
        equal(await idsOf(store, { updatedAfter: base + 1, updatedBefore: base + 2 }), [], "between 1 and 2");
        equal(
          await idsOf(store, { updatedBefore: base + 2, order: "created" }),
          ["at 1", "at 0"],
          "before 2, by creation",
        );
      });
    },
  },
  filterCase(
    "list/deleted",
    "Q6",
    "what is marked as deleted is listed only by that status",
    async (store) => {
      await begin(store, { id: "live", userId: "u" });
      const hidden = await begin(store, { id: "hidden", userId: "u" }, say("hidden"));
      await hidden.write({ type: "session.deleted", data: {} });
    },
    [
      [{}, "live"],
      [{ userId: "u" }, "live"],
      [{ status: "deleted" }, "hidden"],
      [{ status: "deleted", userId: "v" }],
      [{ status: "active" }, "live"],
    ],
  ),
  {
    key: "list/at-once",
    clause: "Q9",
    title: "a strong list shows every change as soon as its commit resolved, through every connection",
    async run({ store, second, settled }) {
      const other = await second();
      const session = await begin(store, { id: "a", userId: "u" });
      await begin(other, { id: "b", userId: "u" });
      const check = async (conditions: Conditions, ids: string[]): Promise<void> =>
        settled(async () => {
          for (const reader of [store, other])
            equal(await idsOf(reader, conditions), ids, `list(${JSON.stringify(conditions)})`);
        });
      await check({ userId: "u" }, ["b", "a"]);
      await session.write({ type: "status.set", data: { status: "completed" } });
      await check({ userId: "u" }, ["a", "b"]);
      await check({ status: "active" }, ["b"]);
      await session.write(
        { type: "metadata.patched", data: { patch: { k: 1 } } },
        { type: "label.set", data: { label: "new", automatic: false } },
      );
      await check({ metadata: { k: 1 } }, ["a"]);
      await check({ label: "new" }, ["a"]);
      await session.write({ type: "metadata.patched", data: { patch: { k: 2 } } });
      await check({ metadata: { k: 1 } }, []);
      await other.remove("a");
      await check({}, ["b"]);
    },
  },
];

/**
 * @module
 * Clauses Q, the pages and cursors of a list.
 */
import type { StoreQuery } from "../../store.ts";
import { check, equal, rejects } from "../assert.ts";
import type { TestSession } from "../build.ts";
import { begin, beginAt, say, tick } from "../build.ts";
import type { ConformanceCase, ConformanceContext } from "../harness.ts";
import { idsOf, queryOf } from "./list.ts";

/** The cursor of the first page of `conditions`, which must have one. */
async function cursorOf(
  store: ConformanceContext["store"],
  conditions: Partial<StoreQuery>,
): Promise<string> {
  const { cursor } = await store.list(queryOf({ limit: 1, ...conditions }));
  check(
    cursor !== undefined,
    `list(${JSON.stringify(conditions)}): the first of several pages has no cursor`,
  );
  return cursor;
}

export const pagingCases: readonly ConformanceCase[] = [
  {
    key: "paging/every-limit",
    clause: "Q7",
    title: "the pages of any size together are the list; the last one has no cursor, also when it is full",
    async run({ store, settled }) {
      const at = tick();
      const ids: string[] = [];
      for (let index = 0; index < 12; index += 1) {
        ids.unshift(`s${String(index).padStart(2, "0")}`);
        await beginAt(at + Math.floor(index / 3), store, {
          id: ids[0] ?? "",
          userId: index % 2 ? "odd" : "even",
        });
      }
      await settled(async () => {
        for (const order of ["updated", "created"] as const) {
          for (const limit of [1, 2, 3, 5, 6, 12, 13]) {
            equal(await idsOf(store, { order, limit }), ids, `the list by ${order}, ${limit} a page`);
            equal(
              (await store.list(queryOf({ order, limit }))).items.length,
              Math.min(limit, 12),
              `the first page of ${limit}`,
            );
          }
        }
        const full = await store.list(queryOf({ limit: 12 }));
        equal(full.cursor, undefined, "the cursor of a last page that is full");
        equal(
          await idsOf(store, { userId: "odd", limit: 2 }),
          ids.filter((_, index) => index % 2 === 0),
          "the filtered list",
        );
        equal(
          (await store.list(queryOf({ userId: "odd", limit: 6 }))).cursor,
          undefined,
          "the cursor of a filtered last page that is full",
        );
      });
    },
  },
  {
    key: "paging/hostile-ids",
    clause: "Q7",
    title: "pages of one over ids of any Unicode with equal times leave none out and repeat none",
    async run({ store, settled }) {
      const at = tick();
      const ids = [
        "a",
        "A",
        "é",
        "e\u0301",
        "ß",
        "ss",
        "日本",
        "\uffff",
        "\ue000",
        "🙂",
        "🙃",
        "nul\0",
        "nul",
        " ",
        "a ",
        "%",
        "'",
        '"',
        "\\",
        "\n",
        "\u2028",
        "-1",
        "1",
        "01",
        "__proto__",
        "x".repeat(512),
      ];
      for (const id of ids) await beginAt(at, store, { id });
      await settled(async () => {
        for (const limit of [1, 4])
          equal((await idsOf(store, { limit })).sort(), [...ids].sort(), `the list, ${limit} a page`);
      });
    },
  },
  {
    key: "paging/while-writing",
    clause: "Q7",
    title:
      "paging by creation while sessions are created, changed and removed leaves none out and repeats none",
    async run({ store, second, settled }) {
      const sessions: TestSession[] = [];
      for (let index = 0; index < 20; index += 1)
        sessions.push(await begin(store, { id: `old ${String(index).padStart(2, "0")}` }));
      await settled(async () => equal((await idsOf(store)).length, 20, "how many are listed"));
      const other = await second();
      const seen: string[] = [];
      let cursor: string | undefined;
      for (let page = 0; page < 50; page += 1) {
        const found = await store.list(
          queryOf({ order: "created", limit: 3, ...(cursor !== undefined && { cursor }) }),
        );
        seen.push(...found.items.map(({ id }) => id));
        cursor = found.cursor;
        if (cursor === undefined) break;
        await begin(other, { id: `new ${page}` });
        await sessions[page]?.write(say("changed before it is listed"));
        await sessions[page % 2 ? 16 : 18]?.write(say("changed after it was listed"));
        const last = seen.at(-1);
        if (page < 3 && last !== undefined) await other.remove(last);
      }
      equal(seen, sessions.map(({ id }) => id).toReversed(), "all that was listed");
    },
  },
  {
    key: "paging/untouched-by-updated",
    clause: "Q7",
    title: "paging by the last change lists each session that nobody touches once",
    async run({ store, settled }) {
      const sessions: TestSession[] = [];
      for (let index = 0; index < 12; index += 1)
        sessions.push(await begin(store, { id: `s${String(index).padStart(2, "0")}` }));
      await settled(async () => equal((await idsOf(store)).length, 12, "how many are listed"));
      const touched = [sessions[2], sessions[5]];
      const seen: string[] = [];
      let cursor: string | undefined;
      for (let page = 0; page < 50; page += 1) {
        const found = await store.list(queryOf({ limit: 2, ...(cursor !== undefined && { cursor }) }));
        seen.push(...found.items.map(({ id }) => id));
        cursor = found.cursor;
        if (cursor === undefined) break;
        await touched[page % 2]?.write(say("again"));
      }
      const untouched = sessions.filter((session) => !touched.includes(session)).map(({ id }) => id);
      equal(
        seen.filter((id) => untouched.includes(id)),
        untouched.toReversed(),
        "the untouched ones",
      );
    },
  },
  {
    key: "paging/changing-limit",
    clause: "Q8",
    title: "the limit and the moving time liveAt may change from page to page",
    async run({ store, settled }) {
      for (const id of ["a", "b", "c", "d", "e"]) await begin(store, { id });
      await settled(async () => {
        const now = tick();
        const first = await store.list(queryOf({ limit: 1, liveAt: now }));
        check(first.cursor !== undefined, "the first page has no cursor");
        const next = await store.list(queryOf({ limit: 3, liveAt: now + 5, cursor: first.cursor }));
        check(next.cursor !== undefined, "the second page has no cursor");
        const last = await store.list(queryOf({ limit: 50, liveAt: now + 9, cursor: next.cursor }));
        equal(
          [first, next, last].map(({ items }) => items.map(({ id }) => id).join()),
          ["e", "d,c,b", "a"],
          "the pages",
        );
      });
    },
  },
  {
    key: "paging/made-up-cursor",
    clause: "Q8",
    title: "a cursor that is made up is INVALID_ARGUMENT",
    async run({ store, settled }) {
      for (const id of ["a", "b", "c"]) await begin(store, { id });
      await settled(async () => {
        const real = await cursorOf(store, {});
        const madeUp = [
          "",
          "x",
          "AAAA",
          "bnVsbA",
          "W10",
          "eyJpZCI6ImEifQ",
          "'; --",
          "🙂",
          "0",
          real.slice(1),
          real.slice(0, -4),
          `${real}${real}`,
          "A".repeat(10_000),
        ];
        for (const cursor of madeUp) {
          await rejects(
            () => store.list(queryOf({ limit: 1, cursor })),
            "INVALID_ARGUMENT",
            `the cursor ${JSON.stringify(cursor.slice(0, 40))}`,
          );
        }
      });
    },
  },
  {
    key: "paging/foreign-cursor",
    clause: "Q8",
    title: "a cursor of another query or another namespace is INVALID_ARGUMENT",
    async run({ store, settled }) {
      const inner = store.namespace("inner");
      for (const id of ["a", "b", "c"]) {
        await begin(store, { id, userId: "u", metadata: { k: 1 } });
        await begin(inner, { id, userId: "u", metadata: { k: 1 } });
      }
      await settled(async () => {
        const cursor = await cursorOf(store, { userId: "u" });
        const others: Partial<StoreQuery>[] = [
          {},
          { userId: "v" },
          { userId: "u", order: "created" },
          { userId: "u", metadata: { k: 1 } },
          { agent: "u" },
          { userId: "u", status: "active" },
          { userId: "u", updatedAfter: 1 },
        ];
        for (const other of others) {
          await rejects(
            () => store.list(queryOf({ limit: 1, ...other, cursor })),
            "INVALID_ARGUMENT",
            `the cursor with ${JSON.stringify(other)}`,
          );
        }
        const plain = await cursorOf(store, {});
        await rejects(
          () => inner.list(queryOf({ limit: 1, cursor: plain })),
          "INVALID_ARGUMENT",
          "the cursor in another namespace",
        );
        const innerCursor = await cursorOf(inner, {});
        await rejects(
          () => store.list(queryOf({ limit: 1, cursor: innerCursor })),
          "INVALID_ARGUMENT",
          "a namespace's cursor in the store around it",
        );
      });
    },
  },
];

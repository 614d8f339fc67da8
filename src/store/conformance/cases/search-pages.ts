/**
 * @module
 * Clauses S, the conditions, pages and cursors of a search.
 */
import type { StoreQuery } from "../../store.ts";
import { check, equal, rejects } from "../assert.ts";
import { begin, note, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";
import { need, search } from "../requirements.ts";
import { queryOf } from "./list.ts";
import { found, hitsOf } from "./search.ts";

export const searchPageCases: readonly ConformanceCase[] = [
  {
    key: "search/filters",
    clause: "S6",
    title: "a search takes the conditions of a list",
    requires: search,
    async run({ store, settled }) {
      const at = Date.now() + 3_600_000;
      await begin(
        store,
        { id: "a", userId: "u", agent: "x", metadata: { k: 1 }, expiresAt: at },
        say("word"),
      );
      const done = await begin(
        store,
        { id: "b", userId: "v", label: "L", parentId: "a", kind: "child", metadata: { k: "1" } },
        say("word"),
      );
      await done.write({ type: "status.set", data: { status: "completed" } });
      const hidden = await begin(store, { id: "c", userId: "u" }, say("word"));
      await hidden.write({ type: "session.deleted", data: {} });
      const expected: readonly (readonly [Partial<StoreQuery>, ...string[]])[] = [
        [{}, "a", "b"],
        [{ userId: "u" }, "a"],
        [{ agent: "x" }, "a"],
        [{ status: "completed" }, "b"],
        [{ status: "deleted" }, "c"],
        [{ parentId: "a" }, "b"],
        [{ kind: "child" }, "b"],
        [{ label: "L" }, "b"],
        [{ metadata: { k: 1 } }, "a"],
        [{ metadata: { k: "1" } }, "b"],
        [{ liveAt: at }, "b"],
        [{ liveAt: at - 1 }, "a", "b"],
        [{ expiredAt: at }, "a"],
        [{ userId: "u", agent: "y" }],
        [{ updatedAfter: done.record.updatedAt - 1 }, "b"],
        [{ updatedBefore: done.record.updatedAt }, "a"],
      ];
      await settled(async () => {
        for (const [conditions, ...ids] of expected) {
          equal(await found(store, "word", conditions), ids, `search(${JSON.stringify(conditions)})`);
          equal(
            await found(store, "word", { ...conditions, limit: 1 }),
            ids,
            `search(${JSON.stringify(conditions)}), one a page`,
          );
        }
      });
    },
  },
  {
    key: "search/paging",
    clause: "S7",
    title: "hits are newest first, pages leave none out and repeat none, and the last one has no cursor",
    requires: search,
    async run({ store, settled }) {
      const expected: string[] = [];
      for (let index = 0; index < 5; index += 1) {
        const session = await begin(store, { id: `s${index}` }, say("word zero"));
        expected.unshift(`s${index}/2`);
        await session.write(note("between"), say("word one"), say("other"), say("word two"));
        expected.unshift(`s${index}/6`, `s${index}/4`);
      }
      await settled(async () => {
        for (const limit of [1, 2, 4, 5, 15, 16, 1000]) {
          const hits = await hitsOf(store, "word", { limit });
          equal(
            hits.map(({ sessionId, seq }) => `${sessionId}/${seq}`),
            expected,
            `the hits, ${limit} a page`,
          );
        }
        const full = await need(store.search, "search()").call(store, "word", queryOf({ limit: 15 }));
        equal(full.cursor, undefined, "the cursor of a last page that is full");
      });
    },
  },
  {
    key: "search/cursors",
    clause: "S7",
    title: "a cursor that is made up, of other words, of other conditions or of a list is INVALID_ARGUMENT",
    requires: search,
    async run({ store, settled }) {
      for (const id of ["a", "b", "c"]) await begin(store, { id, userId: "u" }, say("word text"));
      const find = need(store.search, "search()").bind(store);
      await settled(async () => {
        const { cursor } = await find("word", queryOf({ limit: 1 }));
        check(cursor !== undefined, "the first of three pages has no cursor");
        const listed = await store.list(queryOf({ limit: 1 }));
        check(listed.cursor !== undefined, "the first of three pages of the list has no cursor");
        const wrong: readonly (readonly [string, Partial<StoreQuery>])[] = [
          ["text", { cursor }],
          ["word", { cursor, userId: "u" }],
          ["word", { cursor: "made up" }],
          ["word", { cursor: "" }],
          ["word", { cursor: listed.cursor }],
        ];
        for (const [text, conditions] of wrong) {
          await rejects(
            () => find(text, queryOf({ limit: 1, ...conditions })),
            "INVALID_ARGUMENT",
            `search(${JSON.stringify(text)}) with ${JSON.stringify(conditions)}`,
          );
        }
        await rejects(
          () => store.list(queryOf({ limit: 1, cursor })),
          "INVALID_ARGUMENT",
          "a list with a cursor of a search",
        );
      });
    },
  },
];

/**
 * @module
 * Clauses R: ranges of a log, and finding records.
 */
import type { Entry } from "../../../log/entry.ts";
import type { ReadRange } from "../../store.ts";
import { equal, sameEntries, sameRecord } from "../assert.ts";
import { begin, note, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";

/** What {@link ReadRange} says, on a plain array. */
export function rangeOf(
  entries: readonly Entry[],
  { after, upTo, limit, reverse, types }: ReadRange,
): Entry[] {
  const within = entries.filter(
    ({ seq, type }) =>
      seq > after && (upTo === undefined || seq <= upTo) && (types === undefined || types.includes(type)),
  );
  return (reverse ? within.toReversed() : within).slice(0, limit);
}

export const readCases: readonly ConformanceCase[] = [
  {
    key: "read/ranges",
    clause: "R1",
    title: "every combination of after, upTo, limit, reverse and types gives what a plain array gives",
    async run({ store, second }) {
      const session = await begin(store, {}, say("2"), note(3), say("4"), { type: "x.other", data: 5 });
      await session.write(note(6), say("7"));
      await session.write(say("8"));
      const reader = await second();
      for (const after of [0, 1, 3, 7, 8, 100]) {
        for (const upTo of [undefined, 0, 1, 2, 5, 8, 50]) {
          for (const limit of [1, 2, 8, 1000]) {
            for (const reverse of [undefined, false, true]) {
              for (const types of [undefined, ["message"], ["x.note", "message"], ["x.none"]]) {
                const range: ReadRange = {
                  after,
                  limit,
                  ...(upTo !== undefined && { upTo }),
                  ...(reverse !== undefined && { reverse }),
                  ...(types && { types }),
                };
                const found = await reader.read(session.id, range);
                sameEntries(found, rangeOf(session.entries, range), `read(${JSON.stringify(range)})`);
              }
            }
          }
        }
      }
    },
  },
  {
    key: "read/no-types",
    clause: "R3",
    title: "an empty list of types asks for nothing",
    async run({ store }) {
      const session = await begin(store, {}, say("a"));
      equal(await store.read(session.id, { after: 0, limit: 10, types: [] }), [], "the entries of no type");
    },
  },
  {
    key: "read/exact-types",
    clause: "R3",
    title: "types are compared exactly",
    async run({ store }) {
      const session = await begin(store);
      await session.write(
        { type: "x.a", data: 1 },
        { type: "x.A", data: 2 },
        { type: "x.a ", data: 3 },
        { type: "x.%", data: 4 },
        { type: "x.ab", data: 5 },
      );
      for (const [type, data] of [
        ["x.a", 1],
        ["x.A", 2],
        ["x.a ", 3],
        ["x.%", 4],
      ] as const) {
        const found = await store.read(session.id, { after: 0, limit: 10, types: [type] });
        equal(
          found.map((entry) => entry.data),
          [data],
          `the entries of type ${JSON.stringify(type)}`,
        );
      }
    },
  },
  {
    key: "read/backwards",
    clause: "R2",
    title: "reverse gives the newest first, and walking on from the oldest one seen reaches the beginning",
    async run({ store }) {
      const session = await begin(store);
      for (let index = 0; index < 24; index += 1) await session.write(say(`${index}`));
      const seen: Entry[] = [];
      let upTo: number | undefined;
      for (;;) {
        const page = await store.read(session.id, {
          after: 0,
          limit: 7,
          reverse: true,
          ...(upTo !== undefined && { upTo }),
        });
        seen.push(...page);
        if (page.length < 7) break;
        upTo = (page.at(-1)?.seq ?? 1) - 1;
      }
      sameEntries(seen, session.entries.toReversed(), "all pages, newest first");
    },
  },
  {
    key: "read/page-ends",
    clause: "R4",
    title:
      "fewer entries than the limit mean that there are no more, also with types and a gap of other entries",
    async run({ store }) {
      const session = await begin(store, {}, say("first"));
      await session.write(...Array.from({ length: 2500 }, (_, index) => note(index)));
      await session.write(say("last"));
      for (const reverse of [false, true]) {
        const found = await store.read(session.id, { after: 0, limit: 2, types: ["message"], reverse });
        equal(
          found.map(({ seq }) => seq),
          reverse ? [2503, 2] : [2, 2503],
          "the two messages around 2,500 notes",
        );
        equal(
          (await store.read(session.id, { after: 0, limit: 3, types: ["message"], reverse })).length,
          2,
          "how many messages there are",
        );
      }
    },
  },
  {
    key: "read/unknown",
    clause: "R5",
    title: "a session that does not exist has no entries and no record",
    async run({ store }) {
      await begin(store, { id: "there" });
      for (const id of ["missing", "ther", "there ", "THERE"]) {
        equal(await store.read(id, { after: 0, limit: 10 }), [], `the log of ${JSON.stringify(id)}`);
        equal(await store.find([id]), [undefined], `the record of ${JSON.stringify(id)}`);
      }
    },
  },
  {
    key: "read/while-writing",
    clause: "R6",
    title: "paging through a log while it is written to sees each entry once, in order, without a gap",
    async run({ store, second }) {
      const session = await begin(store);
      await session.write(...Array.from({ length: 20 }, (_, index) => note(index)));
      const reader = await second();
      const seen: Entry[] = [];
      for (let page = 0; ; page += 1) {
        const found = await reader.read(session.id, { after: seen.at(-1)?.seq ?? 0, limit: 6 });
        seen.push(...found);
        if (page < 8) await session.write(say(`page ${page}`), note("between"));
        if (found.length < 6 && page >= 8) break;
      }
      sameEntries(seen, session.entries, "all pages");
    },
  },
  {
    key: "read/while-writing-at-once",
    clause: "R6",
    title: "a reader that follows a writer running beside it sees each entry once, in order",
    async run({ store, second }) {
      const session = await begin(store);
      const reader = await second();
      const writing = (async () => {
        for (let index = 0; index < 30; index += 1) await session.write(say(`${index}`), note(index));
      })();
      const seen: Entry[] = [];
      for (const until = performance.now() + 20_000; seen.length < 61 && performance.now() < until; ) {
        seen.push(...(await reader.read(session.id, { after: seen.at(-1)?.seq ?? 0, limit: 5 })));
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      await writing;
      sameEntries(seen, session.entries, "what the reader saw");
    },
  },
  {
    key: "read/find-many",
    clause: "R7",
    title: "find answers for each id at its place, also for missing and for repeated ids",
    async run({ store }) {
      const [a, b] = [await begin(store, { id: "a" }), await begin(store, { id: "b" })];
      equal(await store.find([]), [], "the records of no ids");
      const found = await store.find(["b", "none", "a", "b", "A", "none", "a"]);
      equal(found.length, 7, "how many answers there are");
      for (const [index, record] of [
        b.record,
        undefined,
        a.record,
        b.record,
        undefined,
        undefined,
        a.record,
      ].entries()) {
        sameRecord(found[index], record, `answer ${index}`);
      }
    },
  },
  {
    key: "read/find-2000",
    clause: "R7",
    title: "find takes 2,000 ids at once",
    async run({ store }) {
      const session = await begin(store, { id: "id 777" });
      const found = await store.find(Array.from({ length: 2000 }, (_, index) => `id ${index}`));
      equal(found.length, 2000, "how many answers there are");
      equal(
        found.findIndex((record) => record !== undefined),
        777,
        "where the one that exists stands",
      );
      sameRecord(found[777], session.record, "its record");
    },
  },
];

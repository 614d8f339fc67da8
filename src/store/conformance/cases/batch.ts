/**
 * @module
 * Clauses C, batches: many commits in one call, each on its own.
 */
import { equal, sameEntries, sameRecord } from "../assert.ts";
import { begin, commitOf, creation, note, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";
import { isConflict } from "./commit.ts";
import { isDuplicate } from "./duplicates.ts";

export const batchCases: readonly ConformanceCase[] = [
  {
    key: "commit/batch-conflict",
    clause: "C9",
    title: "one conflict in a batch fails no other, and each outcome stands at its commit's place",
    async run({ store }) {
      const [a, b, c] = [
        await begin(store, { id: "a" }),
        await begin(store, { id: "b" }),
        await begin(store, { id: "c" }, say("x", "dup")),
      ];
      const staleB = b.next(say("stale"));
      await b.write(say("newer"));
      const nextA = a.next(say("to a"));
      const created = commitOf(undefined, [creation({ id: "d" }), say("to d")]);
      const outcomes = await store.commit([
        nextA,
        staleB,
        c.next(say("again", "dup")),
        created,
        commitOf(undefined, [creation({ id: "a" })]),
      ]);
      equal(
        outcomes.map(({ status }) => status),
        ["committed", "conflict", "duplicate", "committed", "conflict"],
        "the outcomes",
      );
      isConflict(outcomes[1], b.record, "the stale one");
      isConflict(outcomes[4], nextA.record, "the creation of what exists");
      const records = await store.find(["a", "b", "c", "d"]);
      for (const [index, record] of [nextA.record, b.record, c.record, created.record].entries()) {
        sameRecord(records[index], record, `record ${index}`);
      }
    },
  },
  {
    key: "commit/batch-one-session",
    clause: "C9",
    title: "commits of one session in one batch apply in order; what builds on a refused one is refused",
    async run({ store, second }) {
      const create = commitOf(undefined, [creation({ id: "a" }), say("1")]);
      const two = commitOf(create.record, [say("2", "m2")]);
      const three = commitOf(two.record, [say("3"), say("4")]);
      const other = commitOf(undefined, [creation({ id: "b" })]);
      const repeated = commitOf(three.record, [say("2", "m2")]);
      const lost = commitOf(repeated.record, [say("5")]);
      const outcomes = await store.commit([create, two, other, three, repeated, lost]);
      equal(
        outcomes.map(({ status }) => status),
        ["committed", "committed", "committed", "committed", "duplicate", "conflict"],
        "the outcomes",
      );
      isDuplicate(outcomes[4], new Map([["m2", 3]]));
      isConflict(outcomes[5], three.record, "what builds on the refused one");
      const entries = [...create.entries, ...two.entries, ...three.entries];
      sameEntries(await (await second()).read("a", { after: 0, limit: 10 }), entries, "the log");
      sameRecord((await (await second()).find(["a"]))[0], three.record, "the record");
    },
  },
  {
    key: "commit/batch-sizes",
    clause: "C9",
    title: "an empty batch answers with nothing, one of 300 sessions with 300 outcomes",
    async run({ store, second }) {
      equal(await store.commit([]), [], "the outcomes of an empty batch");
      const creates = Array.from({ length: 300 }, (_, index) =>
        commitOf(undefined, [creation({ id: `s${index}` }), say(`text ${index}`, "m")]),
      );
      const outcomes = await store.commit(creates);
      equal(
        outcomes.map(({ status }) => status),
        creates.map(() => "committed"),
        "the outcomes",
      );
      const appends = creates.map(({ record }) => commitOf(record, [note(record.id)]));
      await store.commit(appends);
      const records = await (await second()).find(appends.map(({ sessionId }) => sessionId));
      for (const [index, { record }] of appends.entries())
        sameRecord(records[index], record, `record ${index}`);
    },
  },
  {
    key: "commit/sessions-at-once",
    clause: "C9",
    title: "64 sessions written to at once, each by a call of its own, all get their commits",
    async run({ store, second }) {
      const other = await second();
      const sessions = await Promise.all(
        Array.from({ length: 64 }, (_, index) => begin(store, { id: `s${index}` })),
      );
      await Promise.all(sessions.map((session) => session.write(say("one"), note(1))));
      const commits = sessions.map((session) => session.next(say("two")));
      const outcomes = await Promise.all(
        commits.map((commit, index) => (index % 2 ? store : other).commit([commit])),
      );
      equal(
        outcomes.flat().map(({ status }) => status),
        commits.map(() => "committed"),
        "the outcomes",
      );
      for (const [index, session] of sessions.entries()) {
        const expected = [...session.entries, ...(commits[index]?.entries ?? [])];
        sameEntries(
          await store.read(session.id, { after: 0, limit: 10 }),
          expected,
          `the log of ${session.id}`,
        );
      }
    },
  },
  {
    key: "commit/batches-at-once",
    clause: "C9",
    title:
      "batches that share sessions, in opposite orders and at once, all end, each session with one winner",
    async run({ store, second }) {
      const sessions = await Promise.all(["a", "b", "c", "d"].map((id) => begin(store, { id })));
      const batch = (name: string) => sessions.map((session) => session.next(say(name)));
      const [one, two] = [batch("one"), batch("two").toReversed()];
      const [first, last] = await Promise.all([store.commit(one), (await second()).commit(two)]);
      for (const [index, session] of sessions.entries()) {
        const statuses = [first[index]?.status, last[3 - index]?.status].sort();
        equal(statuses, ["committed", "conflict"], `the outcomes for session ${session.id}`);
        equal(
          (await store.read(session.id, { after: 1, limit: 10 })).length,
          1,
          `what was written to session ${session.id}`,
        );
      }
    },
  },
];

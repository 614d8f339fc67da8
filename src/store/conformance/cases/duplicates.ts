/**
 * @module
 * Clauses C, what is sent again: by its callers' ids, and by its commit id.
 */
import type { CommitOutcome } from "../../store.ts";
import { check, equal, sameEntries, show } from "../assert.ts";
import { begin, commitOf, commitOne, creation, outcomeOf, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";
import { isUntouched } from "./commit.ts";

export const duplicateCases: readonly ConformanceCase[] = [
  {
    key: "commit/duplicate",
    clause: "C6",
    title: "a commit that is sent again after it succeeded is told so, by its caller's ids",
    async run({ store, second }) {
      const session = await begin(store, {}, say("zero", "m0"));
      const commit = session.next(say("one", "m1"), say("two", "m2"));
      await commitOne(store, commit);
      for (const writer of [store, await second()]) {
        isDuplicate(
          await outcomeOf(writer, commit),
          new Map([
            ["m1", 3],
            ["m2", 4],
          ]),
        );
        await isUntouched(writer, { id: session.id, record: commit.record });
      }
      await commitOne(store, commitOf(commit.record, [say("three", "m3")]));
      isDuplicate(
        await outcomeOf(store, commit),
        new Map([
          ["m1", 3],
          ["m2", 4],
        ]),
      );
    },
  },
  {
    key: "commit/duplicate-at-head",
    clause: "C6",
    title:
      "an id that the log holds already is a duplicate at the newest version too, and nothing is written",
    async run({ store }) {
      const session = await begin(store, {}, say("zero", "m0"));
      await session.write(say("one"));
      const repeat = session.next(say("new", "new"), say("zero", "m0"), say("more"));
      isDuplicate(await outcomeOf(store, repeat), new Map([["m0", 2]]));
      await isUntouched(store, session);
      await session.write(say("new", "new"));
    },
  },
  {
    key: "commit/duplicate-creation",
    clause: "C6",
    title: "a creation sent again is a duplicate where it carried a caller's id",
    async run({ store }) {
      const create = commitOf(undefined, [creation({ id: "a" }), say("hello", "m1")]);
      await commitOne(store, create);
      isDuplicate(await outcomeOf(store, create), new Map([["m1", 2]]));
      await isUntouched(store, { id: "a", record: create.record });
    },
  },
  {
    key: "commit/duplicate-race",
    clause: "C6",
    title: "of two that commit the same id at once, one is committed and the other a duplicate",
    async run({ store, second }) {
      const session = await begin(store);
      const writers = [store, await second(), store, await second()];
      let { record } = session;
      for (let round = 0; round < 5; round += 1) {
        const commit = commitOf(record, [say("once", `once ${round}`)]);
        const outcomes = await Promise.all(writers.map((writer) => outcomeOf(writer, commit)));
        equal(outcomes.filter(({ status }) => status === "committed").length, 1, "how many were committed");
        for (const outcome of outcomes) {
          if (outcome.status !== "committed")
            isDuplicate(outcome, new Map([[`once ${round}`, commit.record.seq]]));
        }
        record = commit.record;
      }
    },
  },
  {
    key: "commit/duplicate-content",
    clause: "C7",
    title: "the same id with other content is a duplicate as well; the entry at its seq is the first one",
    async run({ store }) {
      const session = await begin(store);
      const first = await session.write(say("first", "m1"));
      const outcome = await outcomeOf(store, session.next(say("other", "m1")));
      isDuplicate(outcome, new Map([["m1", 2]]));
      sameEntries(
        await store.read(session.id, { after: 1, upTo: 2, limit: 1 }),
        first.entries,
        "the entry at that position",
      );
    },
  },
  {
    key: "commit/ids-by-session",
    clause: "C6",
    title: "an id is looked for in its own session only",
    async run({ store }) {
      const a = await begin(store, {}, say("a", "same"));
      const b = await begin(store, {}, say("b", "same"));
      sameEntries(await store.read(a.id, { after: 0, limit: 10 }), a.entries, "the first log");
      sameEntries(await store.read(b.id, { after: 0, limit: 10 }), b.entries, "the second log");
    },
  },
  {
    key: "commit/retried-without-ids",
    clause: "C8",
    title:
      "a commit without callers' ids sent again conflicts, and the log past its base shows its commit id",
    async run({ store, second }) {
      const session = await begin(store, {}, say("zero"));
      const commit = session.next(say("one"), say("two"));
      await commitOne(store, commit);
      await (await second()).commit([commitOf(commit.record, [say("three")])]);
      const outcome = await outcomeOf(store, commit);
      check(
        outcome.status === "conflict",
        `the commit, sent again: expected a conflict, got ${show(outcome)}`,
      );
      equal(outcome.current?.version, 3, "the version of the current record");
      const past = await store.read(session.id, { after: session.record.seq, limit: 10 });
      equal(
        past.filter((entry) => entry.commit === commit.entries[0]?.commit).length,
        1,
        "how often its commit id is in the log",
      );
      equal(past.length, 3, "how many entries came past its base");
    },
  },
];

/** Fails unless `outcome` is a duplicate of one of `places`: positions by id. */
export function isDuplicate(outcome: CommitOutcome | undefined, places: ReadonlyMap<string, number>): void {
  check(outcome?.status === "duplicate", `expected a duplicate, got ${show(outcome)}`);
  equal(
    outcome.seq,
    places.get(outcome.entryId),
    `the position of the duplicate ${JSON.stringify(outcome.entryId)}`,
  );
}

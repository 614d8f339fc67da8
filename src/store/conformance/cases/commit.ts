/**
 * @module
 * Clauses C: one writer wins, and a commit is there as a whole or not at all.
 */
import type { SessionRecord } from "../../../log/record.ts";
import type { CommitOutcome, SessionStore } from "../../store.ts";
import { check, equal, sameEntries, sameRecord, show } from "../assert.ts";
import { begin, commitOf, commitOne, creation, note, outcomeOf, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";

/** Fails unless `outcome` is a conflict with just this `current`. */
export function isConflict(
  outcome: CommitOutcome | undefined,
  current: SessionRecord | undefined,
  what: string,
): void {
  check(outcome?.status === "conflict", `${what}: expected a conflict, got ${show(outcome)}`);
  sameRecord(outcome.current, current, `${what}: the conflict's current record`);
}

/** Fails unless the stored record and log end where `session` does. */
export async function isUntouched(
  store: SessionStore,
  session: { id: string; record: SessionRecord },
): Promise<void> {
  sameRecord((await store.find([session.id]))[0], session.record, "the record after a refused commit");
  const [last] = await store.read(session.id, { after: 0, limit: 1, reverse: true });
  equal(last?.seq, session.record.seq, "the last position after a refused commit");
}

export const commitCases: readonly ConformanceCase[] = [
  {
    key: "commit/create",
    clause: "C2",
    title: "version 0 creates, and conflicts with the record that is there where the session exists",
    async run({ store, second }) {
      const first = commitOf(undefined, [creation({ id: "a" }), say("first")]);
      equal(await store.commit([first]), [{ status: "committed" }], "the first creation");
      const again = commitOf(undefined, [creation({ id: "a" }), say("second")]);
      for (const writer of [store, await second()]) {
        isConflict(await outcomeOf(writer, again), first.record, "a second creation");
        await isUntouched(writer, { id: "a", record: first.record });
      }
    },
  },
  {
    key: "commit/stale",
    clause: "C2",
    title: "a commit at any version but the newest changes nothing",
    async run({ store, second }) {
      const session = await begin(store, {}, say("one"));
      const stale = session.next(say("stale"), say("stale too"));
      await (await second()).commit([session.next(say("newer"))]);
      const [current] = await store.find([session.id]);
      check(current?.version === 2, `the version after two commits: expected 2, got ${current?.version}`);
      for (const writer of [store, await second()]) {
        isConflict(await outcomeOf(writer, stale), current, "a stale commit");
        isConflict(
          await outcomeOf(writer, { ...stale, expectedVersion: 7 }),
          current,
          "a commit at a version to come",
        );
        await isUntouched(writer, { id: session.id, record: current });
      }
    },
  },
  {
    key: "commit/absent",
    clause: "C4",
    title:
      "a commit on a session that does not exist conflicts without a current record, and creates nothing",
    async run({ store }) {
      const ghost = commitOf(undefined, [creation({ id: "ghost" })]);
      const late = commitOf(ghost.record, [say("late")]);
      const outcome = await outcomeOf(store, late);
      isConflict(outcome, undefined, "a commit on no session");
      equal(
        "current" in outcome && outcome.current !== undefined,
        false,
        "whether there is a current record",
      );
      equal(await store.find(["ghost"]), [undefined], "the session");
      equal(await store.read("ghost", { after: 0, limit: 10 }), [], "its log");
    },
  },
  {
    key: "commit/one-winner",
    clause: "C3",
    title: "of 16 writers at one version, through two connections at once, just one wins",
    async run({ store, second }) {
      const session = await begin(store);
      const writers = [store, await second()];
      let { record } = session;
      for (let round = 0; round < 10; round += 1) {
        const commits = Array.from({ length: 16 }, (_, index) =>
          commitOf(record, [say(`round ${round}, writer ${index}`), note(index)]),
        );
        const outcomes = await Promise.all(
          commits.map((commit, index) => outcomeOf(writers[index % 2] ?? store, commit)),
        );
        const winners = commits.filter((_, index) => outcomes[index]?.status === "committed");
        equal(winners.length, 1, `the winners of round ${round}`);
        record = winners[0]?.record ?? record;
        for (const outcome of outcomes)
          if (outcome.status !== "committed") isConflict(outcome, record, "a loser");
        const log = await store.read(session.id, { after: record.seq - 2, limit: 10 });
        sameEntries(log, winners[0]?.entries ?? [], "what was written");
      }
    },
  },
  {
    key: "commit/one-creator",
    clause: "C3",
    title: "of 8 that create one session at once, just one wins",
    async run({ store, second }) {
      const writers = [store, await second()];
      for (const id of ["a", "b", "c"]) {
        const commits = Array.from({ length: 8 }, (_, index) =>
          commitOf(undefined, [creation({ id, label: `writer ${index}` })]),
        );
        const outcomes = await Promise.all(
          commits.map((commit, index) => outcomeOf(writers[index % 2] ?? store, commit)),
        );
        const winner = commits[outcomes.findIndex(({ status }) => status === "committed")];
        for (const outcome of outcomes)
          if (outcome.status !== "committed") isConflict(outcome, winner?.record, "a loser");
        equal(outcomes.filter(({ status }) => status === "committed").length, 1, "the winners");
      }
    },
  },
  {
    key: "commit/lost-appends",
    clause: "C3",
    title: "50 appends from 10 writers that try again at each conflict are all there, once each",
    async run({ store, second }) {
      const session = await begin(store);
      const other = await second();
      const append = async (writer: SessionStore, text: string): Promise<void> => {
        let [record] = await writer.find([session.id]);
        // Each conflict means that another of the 50 got through, so none can meet more than 49.
        for (let conflicts = 0; conflicts < 50; conflicts += 1) {
          const outcome = await outcomeOf(writer, commitOf(record, [say(text)]));
          if (outcome.status === "committed") return;
          check(outcome.status === "conflict", `an append: expected a conflict, got ${show(outcome)}`);
          record = outcome.current;
        }
        check(false, "an append met 50 conflicts, each at the record that it was last told");
      };
      await Promise.all(
        Array.from({ length: 10 }, async (_, writer) => {
          for (let index = 0; index < 5; index += 1)
            await append(writer % 2 ? other : store, `${writer} ${index}`);
        }),
      );
      const entries = await store.read(session.id, { after: 1, limit: 100 });
      equal(
        entries.map(({ seq }) => seq),
        Array.from({ length: 50 }, (_, index) => index + 2),
        "the positions",
      );
      equal(
        new Set(entries.map(({ data }) => JSON.stringify(data))).size,
        50,
        "how many different messages there are",
      );
    },
  },
  {
    key: "commit/recreated",
    clause: "C5",
    title: "a late write does not reach a session created again under the same id at the same version",
    async run({ store, second }) {
      const old = await begin(store, { id: "same" }, say("old"));
      const late = old.next(say("late"));
      const other = await second();
      equal(await other.remove("same"), true, "whether the session was removed");
      const fresh = await begin(other, { id: "same" }, say("new"));
      equal(fresh.record.version, old.record.version, "the version of the new session");
      for (const writer of [store, other]) {
        isConflict(await outcomeOf(writer, late), fresh.record, "the late write");
        sameEntries(
          await writer.read("same", { after: 0, limit: 10 }),
          fresh.entries,
          "the new session's log",
        );
      }
    },
  },
  {
    key: "commit/read-your-writes",
    clause: "C11",
    title: "what was committed is there at once, through every connection",
    async run({ store, second }) {
      const other = await second();
      const { id, record } = await begin(store);
      await other.find([id]);
      let last = record;
      for (let index = 0; index < 20; index += 1) {
        const [writer, reader] = index % 2 ? [other, store] : [store, other];
        const commit = commitOf(last, [say(`${index}`)]);
        await commitOne(writer, commit);
        sameRecord((await reader.find([id]))[0], commit.record, `the record after commit ${index}`);
        sameEntries(
          await reader.read(id, { after: last.seq, limit: 5 }),
          commit.entries,
          `the log after commit ${index}`,
        );
        last = commit.record;
      }
    },
  },
  {
    key: "commit/whole",
    clause: "C1",
    title: "a reader never sees a part of a commit, nor a record ahead of its log",
    async run({ store, second }) {
      const session = await begin(store);
      const reader = await second();
      let writing = true;
      const readAll = async (): Promise<void> => {
        while (writing) {
          const [record] = await reader.find([session.id]);
          const log = await reader.read(session.id, { after: 0, limit: 1000 });
          equal(log.length % 5, 1, "how many entries past the last whole commit there are");
          check(
            record !== undefined && record.seq <= log.length,
            `the record is at ${record?.seq} and the log ends at ${log.length}`,
          );
        }
      };
      const reading = readAll();
      try {
        for (let index = 0; index < 20; index += 1)
          await session.write(note(1), note(2), note(3), note(4), note(5));
      } finally {
        writing = false;
        await reading;
      }
    },
  },
];

/**
 * @module
 * Clauses T: turns are leases, kept by the log and its compare-and-set alone.
 */
import type { Command } from "../../../log/decide.ts";
import { decide } from "../../../log/decide.ts";
import type { SessionRecord } from "../../../log/record.ts";
import type { Commit, SessionStore } from "../../store.ts";
import { check, equal, rejects, show } from "../assert.ts";
import { begin, commitOf, commitOne, outcomeOf, tick } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";

const LEASE_MS = 60_000;

function start(turnId: string): Command {
  return { type: "start-turn", turnId, owner: `worker of ${turnId}`, leaseMs: LEASE_MS };
}

/** The commit of what `command` leads to, as the writer makes it. */
function decided(record: SessionRecord | undefined, command: Command, nowMs: number): Commit {
  return commitOf(record, decide(record, command, { nowMs, version: (record?.version ?? 0) + 1 }), nowMs);
}

/** Decides against the stored record and commits; what the session layer does, without its second try. */
async function apply(store: SessionStore, id: string, command: Command, nowMs: number): Promise<Commit> {
  const commit = decided((await store.find([id]))[0], command, nowMs);
  await commitOne(store, commit);
  return commit;
}

export const turnCases: readonly ConformanceCase[] = [
  {
    key: "turns/one-holder",
    clause: "T1",
    title: "of two workers that start a turn at once one gets it, and the other is told TURN_IN_PROGRESS",
    async run({ store, second }) {
      const session = await begin(store);
      const nowMs = tick();
      const other = await second();
      const [left, right] = [
        decided(session.record, start("left"), nowMs),
        decided(session.record, start("right"), nowMs),
      ];
      const outcomes = await Promise.all([outcomeOf(store, left), outcomeOf(other, right)]);
      equal(outcomes.map(({ status }) => status).sort(), ["committed", "conflict"], "the outcomes");
      const winner = outcomes[0]?.status === "committed" ? "left" : "right";
      const loser = outcomes.find(({ status }) => status === "conflict");
      check(
        loser?.status === "conflict" && loser.current?.turn?.id === winner,
        `the loser must see the turn of the winner: ${show(loser)}`,
      );
      await rejects(
        async () => apply(other, session.id, start("again"), nowMs + LEASE_MS - 1),
        "TURN_IN_PROGRESS",
        "starting a turn within the lease",
      );
    },
  },
  {
    key: "turns/lease-over",
    clause: "T2",
    title:
      "once the lease is over another worker starts a turn, which ends the old one as interrupted; the old holder is refused",
    async run({ store, second }) {
      const session = await begin(store);
      const nowMs = tick();
      await apply(store, session.id, start("old"), nowMs);
      const other = await second();
      const taken = await apply(other, session.id, start("new"), nowMs + LEASE_MS);
      equal(
        taken.entries.map(({ type }) => type),
        ["turn.ended", "turn.started"],
        "what the second start wrote",
      );
      equal((await store.find([session.id]))[0]?.turn?.id, "new", "the turn under way");
      const late: Command = {
        type: "append",
        turnId: "old",
        messages: [{ message: { role: "assistant", content: "late" } }],
      };
      await rejects(
        async () => apply(store, session.id, late, nowMs + LEASE_MS + 1),
        "TURN_IN_PROGRESS",
        "an append of the old holder",
      );
    },
  },
  {
    key: "turns/extended",
    clause: "T3",
    title: "a lease that is extended holds until its new end, and a turn that ended frees the session",
    async run({ store, second }) {
      const session = await begin(store);
      const nowMs = tick();
      const other = await second();
      await apply(store, session.id, start("long"), nowMs);
      await apply(
        store,
        session.id,
        { type: "extend-turn", turnId: "long", owner: "worker of long", leaseMs: LEASE_MS },
        nowMs + LEASE_MS - 1,
      );
      await rejects(
        async () => apply(other, session.id, start("early"), nowMs + LEASE_MS + 1),
        "TURN_IN_PROGRESS",
        "starting a turn within the extended lease",
      );
      await apply(
        store,
        session.id,
        { type: "end-turn", turnId: "long", outcome: "completed" },
        nowMs + LEASE_MS + 2,
      );
      await apply(other, session.id, start("next"), nowMs + LEASE_MS + 3);
      equal((await store.find([session.id]))[0]?.turn?.id, "next", "the turn under way");
    },
  },
];

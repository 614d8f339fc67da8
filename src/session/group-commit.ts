/**
 * @module
 * Group commit: commits of different sessions that are ready together go to the store as one batch, so that many
 * sessions share one fsync or one round trip.
 */
import { HoldfastError } from "../log/errors.ts";
import type { Commit, CommitOutcome, SessionStore } from "../store/store.ts";

/** More would make the first of a batch wait long for its answer. */
const MAX_BATCH = 256;
/** A batch that takes longer holds up no others: it may wait for a connection that is lost. */
const SLOW_MS = 50;
/** Batches under way at most. */
const MAX_UNDER_WAY = 8;

interface Waiting {
  readonly commit: Commit;
  readonly resolve: (outcome: CommitOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Commits through `store`, one batch at a time; what arrives meanwhile forms the next batch. While a batch is slow the next
 * one is sent beside it. Two commits of one session are never under way together: its writer waits for each.
 */
export type GroupCommit = (commit: Commit) => Promise<CommitOutcome>;

export function groupCommit(store: SessionStore): GroupCommit {
  let waiting: Waiting[] = [];
  let underWay = 0;
  let slow = 0;

  async function run(): Promise<void> {
    underWay += 1;
    // A turn of the microtask queue lets all that became ready together join the first batch.
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MAX_BATCH);
      waiting = waiting.slice(MAX_BATCH);
      let isSlow = false;
      const timer = setTimeout(() => {
        isSlow = true;
        slow += 1;
        if (waiting.length > 0) runBeside();
      }, SLOW_MS);
      await send(batch);
      clearTimeout(timer);
      if (isSlow) slow -= 1;
    }
    underWay -= 1;
  }

  function runBeside(): void {
    if (underWay === slow && underWay < MAX_UNDER_WAY) void run();
  }

  async function send(batch: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await store.commit(batch.map(({ commit }) => commit));
      batch.forEach(({ resolve, reject, commit }, index) => {
        const outcome = outcomes[index];
        if (outcome) resolve(outcome);
        else
          reject(new HoldfastError("STORE_CORRUPT", noAnswer(store.name), { sessionId: commit.sessionId }));
      });
    } catch (error) {
      // One session's damage is no other's: alone, each gets its own answer. An outage concerns them all.
      if (batch.length === 1 || HoldfastError.is(error, "STORE_UNAVAILABLE")) {
        for (const { reject } of batch) reject(error);
      } else {
        for (const one of batch) await send([one]);
      }
    }
  }

  return (commit) =>
    new Promise((resolve, reject) => {
      waiting.push({ commit, resolve, reject });
      runBeside();
    });
}

function noAnswer(name: string): string {
  return `the ${name} store gave no outcome for a commit, which breaks its contract; run the conformance suite on it`;
}

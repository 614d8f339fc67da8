/**
 * @module
 * Commits: first the blobs are kept, then what refers to them is committed. Sessions without large values don't wait for
 * those that have some.
 */
import { HoldfastError, messageOf } from "../../log/errors.ts";
import type { Commit, CommitOutcome, SessionStore } from "../../store/store.ts";
import type { Acquired, Acquirer, Want } from "./acquire.ts";
import type { Outgoing } from "./outgoing.ts";

const MAX_ATTEMPTS = 3;

export function createCommit(options: {
  readonly store: SessionStore;
  readonly acquirer: Acquirer;
  readonly outgoing: (commit: Commit) => Outgoing;
  readonly clock: () => number;
  readonly graceMs: number;
}): (commits: readonly Commit[]) => Promise<CommitOutcome[]> {
  const { store, acquirer, outgoing, clock, graceMs } = options;

  /** A reference that no entry made sure of for that long counts for nothing any more. */
  async function acquireInTime(wants: readonly Want[]): Promise<Acquired> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const acquired = await acquirer.acquire(wants);
      if (acquired.sinceMs === undefined || clock() - acquired.sinceMs <= graceMs / 2) return acquired;
    }
    throw new HoldfastError(
      "STORE_UNAVAILABLE",
      `keeping the large values of a commit took longer than half of graceMs (${graceMs}), after which they could be collected; nothing was written, give a longer graceMs`,
      { store: store.name },
    );
  }

  async function commitHeavy(all: readonly Outgoing[]): Promise<CommitOutcome[]> {
    const wants = all.flatMap((one) => one.wants);
    const acquired = await acquireInTime(wants);
    const outcomes = await store.commit(all.map(({ commit }) => commit));
    const committed = new Set(
      all.flatMap((one, index) => (outcomes[index]?.status === "committed" ? one.wants : [])),
    );
    acquirer.confirm([...acquired.copies].filter(([want]) => committed.has(want)));
    return outcomes;
  }

  return async (commits) => {
    const all = commits.map(outgoing);
    if (all.every(({ wants }) => wants.length === 0)) return store.commit(all.map(({ commit }) => commit));
    const heavy = new Set(all.flatMap(({ commit, wants }) => (wants.length > 0 ? [commit.sessionId] : [])));
    const outcomes = new Map<Outgoing, CommitOutcome>();
    const failures: unknown[] = [];
    const run = async (
      part: readonly Outgoing[],
      work: (part: readonly Outgoing[]) => Promise<CommitOutcome[]>,
    ): Promise<unknown> => {
      if (part.length === 0) return undefined;
      try {
        (await work(part)).forEach((outcome, index) => {
          const one = part[index];
          if (one) outcomes.set(one, outcome);
        });
        return undefined;
      } catch (error) {
        return error;
      }
    };
    const isHeavy = ({ commit }: Outgoing): boolean => heavy.has(commit.sessionId);
    const [light, together] = await Promise.all([
      run(
        all.filter((one) => !isHeavy(one)),
        (part) => store.commit(part.map(({ commit }) => commit)),
      ),
      run(all.filter(isHeavy), commitHeavy),
    ]);
    if (light !== undefined) failures.push(light);
    if (together !== undefined) failures.push(named(together, [...heavy]));
    if (failures.length > 0) throw failures[0];
    return all.flatMap((one) => outcomes.get(one) ?? []);
  };
}

/** `error` with the session in it, where it is about one alone and does not say so itself. */
function named(error: unknown, sessionIds: readonly string[]): unknown {
  const [sessionId] = sessionIds;
  if (!HoldfastError.is(error) || error.sessionId !== undefined || sessionIds.length > 1) return error;
  return new HoldfastError(
    error.code,
    `a commit to session ${JSON.stringify(sessionId)} failed: ${messageOf(error)}`,
    { sessionId, store: error.store, retryable: error.retryable, cause: error.cause ?? error },
  );
}

/**
 * @module
 * A batch as what can be written at once: commits of one session build on each other. For every SQL dialect.
 */
import type { EncodedCommit } from "./encode.ts";

/** A commit, and its place in the batch. */
export interface Placed {
  readonly place: number;
  readonly encoded: EncodedCommit;
}

/** The commits in rounds: of different sessions each, those of one session in order. Nearly always one. */
export function roundsOf(commits: readonly EncodedCommit[]): Placed[][] {
  const rounds: Placed[][] = [];
  const counts = new Map<string, number>();
  commits.forEach((encoded, place) => {
    const { sessionId } = encoded.commit;
    const round = counts.get(sessionId) ?? 0;
    counts.set(sessionId, round + 1);
    rounds[round] ??= [];
    rounds[round].push({ place, encoded });
  });
  return rounds;
}

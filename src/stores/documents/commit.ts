/**
 * @module
 * Commits: compare-and-set by documents that are created once.
 *
 * The documents of a life are numbered. Who knows that document `n` led to the expected version creates document `n + 1`;
 * of several, one can. That alone decides, and once it is created the commit has taken place. A life is ended in the same
 * way: by a document in the next place that holds nothing, after which there can be no other (see `end.ts`). The
 * projection follows: at once, or where lists may be late a moment afterwards (see `late.ts`).
 *
 * A creation first reserves a life, by the session document; several creations may share one, and their documents `1`
 * decide among them.
 */
import { HoldfastError } from "../../log/errors.ts";
import { byteLength } from "../../log/values.ts";
import { encodeRecord } from "../../store/codec.ts";
import type { Commit, CommitOutcome } from "../../store/store.ts";
import type { Projection } from "./driver.ts";
import { encodeCommit } from "./entries.ts";
import { followedBy } from "./late.ts";
import type { Outcomes, Part, Pending } from "./pending.ts";
import { chain, pendingOf, unsettled } from "./pending.ts";
import { place } from "./place.ts";
import type { Space } from "./space.ts";
import { write } from "./write.ts";

/** How often a commit starts again because its session was removed, or its slot taken, while it was under way. */
const MAX_ATTEMPTS = 8;

/**
 * @throws ENTRY_TOO_LARGE, INVALID_ARGUMENT before anything is written. STORE_UNAVAILABLE where it is not known what took
 *   place.
 */
export async function applyCommits(space: Space, commits: readonly Commit[]): Promise<CommitOutcome[]> {
  const parts = commits.map((commit, position): Part => {
    const draft = encodeCommit(space, commit);
    return { commit, draft, recordText: encodedRecord(space, commit), position };
  });
  const outcomes: Outcomes = commits.map(() => undefined);
  let queues = [...Map.groupBy(parts, ({ draft }) => draft.key).values()].map(chain);
  const projections = new Map<string, Projection>();
  const project = (projection: Projection): void => {
    if (space.late) space.late.add(projection);
    else projections.set(projection.key, followedBy(projections.get(projection.key), projection));
  };
  try {
    // Documents of one session build on each other; those of different sessions go together.
    while (queues.length > 0) {
      const split = await commitAll(
        space,
        queues.flatMap((queue) => queue.slice(0, 1)),
        outcomes,
        project,
      );
      queues = queues
        .map(([first, ...rest]) => (first && split.has(first) ? [...single(first), ...rest] : rest))
        .filter(({ length }) => length > 0);
    }
    if (projections.size > 0) await space.driver.advance([...projections.values()]);
  } catch (error) {
    // What was created may be of use to nobody here: whoever looks brings the projections up to date.
    for (const { draft } of parts) space.bases.delete(draft.key);
    throw error;
  }
  return outcomes.map((outcome, position) => outcome ?? unsettled(space, commits[position]));
}

function single({ parts }: Pending): Pending[] {
  return parts.map((part) => pendingOf([part]));
}

function encodedRecord({ name, driver }: Space, { sessionId, record }: Commit): string {
  const text = encodeRecord(record);
  if (text.length * 3 <= driver.maxRecordBytes) return text;
  const bytes = byteLength(text);
  if (bytes <= driver.maxRecordBytes) return text;
  throw new HoldfastError(
    "ENTRY_TOO_LARGE",
    `the record of session ${JSON.stringify(sessionId)} would be ${bytes} bytes and the ${name} store takes at most ${driver.maxRecordBytes}; keep less in its data, state and metadata`,
    { sessionId, store: name },
  );
}

/** Settles commits of different sessions. Answers with those that must be settled one after another. */
async function commitAll(
  space: Space,
  open: readonly Pending[],
  outcomes: Outcomes,
  project: (projection: Projection) => void,
): Promise<Set<Pending>> {
  const split = new Set<Pending>();
  let left = open;
  for (let attempt = 0; attempt < MAX_ATTEMPTS && left.length > 0; attempt += 1) {
    const found = await place(space, left, outcomes, attempt === 0);
    for (const item of found.split) split.add(item);
    left = [...found.again, ...(await write(space, found.placed, outcomes, project))];
  }
  if (left.length > 0) unsettled(space, left[0]?.first);
  return split;
}

/**
 * @module
 * Commits: compare-and-set by documents that are created once.
 *
 * The commits of a life are numbered. Who knows that commit `n` led to the expected version, and that the projection has
 * come to `n`, creates document `n + 1`; of several, one can. That alone decides. Then the projection is moved on, which
 * also tells whether the life still lasts: where it was ended meanwhile, the document is taken away again and the commit
 * has not taken place.
 *
 * A creation first reserves a life, by the session document; several creations may share one, and their documents `1`
 * decide among them.
 */
import { HoldfastError } from "../../log/errors.ts";
import { byteLength } from "../../log/values.ts";
import { encodeRecord } from "../../store/codec.ts";
import type { Commit, CommitOutcome } from "../../store/store.ts";
import { encodeCommit } from "./entries.ts";
import type { Outcomes, Pending } from "./pending.ts";
import { unsettled } from "./pending.ts";
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
  const pending = commits.map((commit, position): Pending => {
    const draft = encodeCommit(space, commit);
    return { commit, draft, recordText: encodedRecord(space, commit), position };
  });
  const outcomes: Outcomes = commits.map(() => undefined);
  const queues = [...Map.groupBy(pending, ({ draft }) => draft.key).values()];
  // Commits of one session build on each other; those of different sessions go together.
  for (let turn = 0; ; turn += 1) {
    const open = queues.flatMap((queue) => queue.slice(turn, turn + 1));
    if (open.length === 0) break;
    await commitAll(space, open, outcomes);
  }
  return outcomes.map((outcome, position) => outcome ?? unsettled(space, commits[position]));
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

/** Settles commits of different sessions. */
async function commitAll(space: Space, open: readonly Pending[], outcomes: Outcomes): Promise<void> {
  let left = open;
  for (let attempt = 0; attempt < MAX_ATTEMPTS && left.length > 0; attempt += 1) {
    const { placed, again } = await place(space, left, outcomes, attempt === 0);
    left = [...again, ...(await write(space, placed, outcomes))];
  }
  if (left.length > 0) unsettled(space, left[0]?.commit);
}

/**
 * @module
 * OpenSearch as the document store needs it. Whatever must be seen at once is read by its id; only lists and searches ask
 * the index, which shows what was written before its last refresh.
 */
import type { DocumentDriver, SessionWithNext } from "../documents/driver.ts";
import { isEnd } from "../documents/end.ts";
import { createAhead } from "./ahead.ts";
import { commitId, commitOf, commitsDriver } from "./commits.ts";
import type { Documents } from "./documents.ts";
import type { OpenSearchIndices } from "./names.ts";
import { createReach } from "./reach.ts";
import { sessionsDriver } from "./sessions.ts";

const MEBIBYTE = 1024 * 1024;
/** As JSON within JSON its text may double, and the words come on top: within the 100 MB of a request in any case. */
const MAX_COMMIT_BYTES = 24 * MEBIBYTE;
const MAX_RECORD_BYTES = 8 * MEBIBYTE;

export function createDriver(documents: Documents, names: OpenSearchIndices): DocumentDriver {
  const reach = createReach();
  const { project, placeOf, sessionIn, ...sessions } = sessionsDriver(documents, names.sessions, reach);
  const { writeIds, dropIds, ...commits } = commitsDriver(documents, names.commits, reach);
  const ahead = createAhead();
  return {
    maxCommitBytes: MAX_COMMIT_BYTES,
    maxRecordBytes: MAX_RECORD_BYTES,
    ...sessions,
    ...commits,

    async createCommits(documents) {
      const created = await commits.createCommits(documents);
      for (const [at, commit] of documents.entries()) if (created[at] && !isEnd(commit)) ahead.note(commit);
      return created;
    },

    /**
     * Of a session that was seen before, or written to just now, it is known where to look, unless others have written to
     * it since.
     */
    async getSessionsWithNext(keys) {
      const guesses = keys.map((key) => {
        const place = ahead.newest(key) ?? placeOf(key);
        return place && { life: place.life, ordinal: place.ordinal + 1 };
      });
      const places = keys.flatMap((key, at) => {
        const guess = guesses[at];
        const session = { index: names.sessions, id: key };
        return guess ? [session, { index: names.commits, id: commitId(guess) }] : [session];
      });
      const found = (await documents.getAll(places)).values();
      return keys.map((key, at): SessionWithNext => {
        const stored = sessionIn(key, found.next().value);
        if (stored) ahead.settle(key, stored);
        const session = stored && ahead.moved(stored);
        const guess = guesses[at];
        const commit = guess && found.next().value;
        if (session?.life !== guess?.life || session?.ordinal !== (guess?.ordinal ?? 0) - 1)
          return { session };
        return { session, next: commit ? commitOf(commit.source) : "none" };
      });
    },

    async advance(projections) {
      await writeIds(projections);
      const moved = await project(projections);
      for (const [at, one] of projections.entries()) if (moved[at]) ahead.settle(one.key, one);
      // Of a life that was ended meanwhile nobody would look for them, and nothing is to be left.
      const unmoved = projections.filter((_, index) => !moved[index]);
      if (unmoved.length > 0) {
        const present = await sessions.getSessions(
          unmoved.map(({ key }) => key),
          false,
        );
        await dropIds(unmoved.filter(({ life }, index) => present[index]?.life !== life));
      }
      return moved;
    },
  };
}

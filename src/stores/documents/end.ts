/**
 * @module
 * How a life ends: by a document in the next place of its log, which holds nothing. It is created once, like a commit, so
 * it tells for sure which commits came before, and none can come after. Then the session document is deleted, which is
 * when nobody sees the session any more, and then the commits; those of the last hour become ends, too, so that nobody
 * who knows of only some of them can take the place of another. Whoever meets an end whose session is still there goes on
 * with it: its remover may have crashed.
 */

import { newToken } from "../token.ts";
import type { CommitDocument, SessionDocument, StoredCommit } from "./driver.ts";
import type { Space } from "./space.ts";

type Ended = Pick<SessionDocument, "key" | "life">;

/** Places that one step looks at. */
const PROBES = 16;

/** Whether a document is the end of its life. */
export function isEnd({ last }: Pick<StoredCommit, "last">): boolean {
  return last === 0;
}

export interface End {
  readonly ordinal: number;
  /** Whether this call created it. */
  readonly isOwn: boolean;
}

/** Ends the log of a life, at `ordinal`; `undefined` where that place is taken by a commit. */
export async function endAt(
  { driver }: Space,
  { key, life }: Ended,
  ordinal: number,
): Promise<End | undefined> {
  const end = endDocument(key, life, ordinal);
  const [isCreated] = await driver.createCommits([end]);
  if (isCreated) return { ordinal, isOwn: true };
  const [there] = await driver.getCommits([end]);
  if (!there || !isEnd(there)) return undefined;
  return { ordinal, isOwn: there.attempt === end.attempt };
}

/** Ends the log of a life, wherever it has come to. */
export async function endLog(space: Space, session: Ended & { readonly ordinal: number }): Promise<End> {
  const { key, life } = session;
  for (let next = session.ordinal + 1; ; ) {
    const end = await endAt(space, { key, life }, next);
    if (end) return end;
    const from = next + 1;
    const places = Array.from({ length: PROBES }, (_, index) => ({ life, ordinal: from + index }));
    const commits = await space.driver.getCommits(places);
    const free = commits.findIndex((commit) => !commit || isEnd(commit));
    next = from + (free < 0 ? PROBES : free);
  }
}

/** Takes away the session of a life whose log was ended; whether this call did. */
export async function endSession({ driver, bases, late }: Space, { key, life }: Ended): Promise<boolean> {
  bases.delete(key);
  late?.drop(key, life);
  return driver.deleteSession(key, life);
}

/** Says nothing of the session but its key, a hash. */
function endDocument(key: string, life: string, ordinal: number): CommitDocument {
  return {
    ...{ key, life, ordinal, space: "", attempt: newToken(), first: 0, last: 0, at: 0, since: 0 },
    ...{ ids: [], types: [], entries: "", texts: [] },
  };
}

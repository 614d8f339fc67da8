/**
 * @module
 * Commits on their way.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { Commit, CommitOutcome } from "../../store/store.ts";
import type { CommitDocument } from "./driver.ts";
import type { CommitDraft } from "./entries.ts";
import type { Base, Space } from "./space.ts";

export interface Pending {
  readonly commit: Commit;
  readonly draft: CommitDraft;
  readonly recordText: string;
  /** Where the outcome stands in the answer. */
  readonly position: number;
}

/** A commit and the place that it builds on. */
export interface Placed {
  readonly item: Pending;
  readonly base: Base;
  readonly document: CommitDocument;
}

export type Outcomes = (CommitOutcome | undefined)[];

/** @throws STORE_UNAVAILABLE always. */
export function unsettled({ name }: Space, commit: Commit | undefined): never {
  const sessionId = commit?.sessionId;
  throw new HoldfastError(
    "STORE_UNAVAILABLE",
    `the ${name} store could not settle a commit to session ${JSON.stringify(sessionId)}, which others create, remove or write to all the time; nothing of it was kept, try again`,
    { sessionId, store: name },
  );
}

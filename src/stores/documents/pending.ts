/**
 * @module
 * Commits on their way.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { Commit, CommitOutcome } from "../../store/store.ts";
import type { CommitDocument } from "./driver.ts";
import type { CommitDraft } from "./entries.ts";
import { mergeDrafts } from "./entries.ts";
import type { Base, Space } from "./space.ts";

/** Commits of one session that go into one document: one, or several that follow on each other. */
export interface Pending {
  /** Each of them, with where its outcome stands in the answer. */
  readonly parts: readonly Part[];
  readonly first: Commit;
  readonly last: Commit;
  readonly draft: CommitDraft;
  /** The record that the last one leads to. */
  readonly recordText: string;
}

export interface Part {
  readonly commit: Commit;
  readonly draft: CommitDraft;
  readonly recordText: string;
  readonly position: number;
}

/** Commits and the place that they build on. */
export interface Placed {
  readonly item: Pending;
  readonly base: Base;
  readonly document: CommitDocument;
}

export type Outcomes = (CommitOutcome | undefined)[];

/** What one document takes of several commits, so that no reader is given much that it did not ask for. */
const MAX_MERGED_LENGTH = 64 * 1024;

export function pendingOf(parts: readonly [Part, ...Part[]]): Pending {
  const [first] = parts;
  const last = parts.at(-1) ?? first;
  const draft = mergeDrafts(
    first.draft,
    parts.slice(1).map((part) => part.draft),
  );
  return { parts, first: first.commit, last: last.commit, draft, recordText: last.recordText };
}

/** `parts` of one session, in order: each by itself, or with those before that it follows on. */
export function chain(parts: readonly Part[]): Pending[] {
  const groups: [Part, ...Part[]][] = [];
  let length = 0;
  for (const part of parts) {
    const group = groups.at(-1);
    length += part.draft.entries.length;
    if (group && length <= MAX_MERGED_LENGTH && followsOn(group, part)) group.push(part);
    else {
      groups.push([part]);
      length = part.draft.entries.length;
    }
  }
  return groups.map(pendingOf);
}

function followsOn(group: readonly Part[], { commit, draft }: Part): boolean {
  const before = group.at(-1)?.commit.record;
  const { expectedVersion, entries, record } = commit;
  if (before?.version !== expectedVersion || entries[0]?.seq !== before.seq + 1) return false;
  if (before.createdAt !== record.createdAt) return false;
  return !draft.ids.some(({ id }) => group.some((one) => one.draft.ids.some((taken) => taken.id === id)));
}

/** @throws STORE_UNAVAILABLE always. */
export function unsettled({ name }: Space, commit: Commit | undefined): never {
  const sessionId = commit?.sessionId;
  throw new HoldfastError(
    "STORE_UNAVAILABLE",
    `the ${name} store could not settle a commit to session ${JSON.stringify(sessionId)}, which others create, remove or write to all the time; nothing of it was kept, try again`,
    { sessionId, store: name },
  );
}

/**
 * @module
 * Logs as commits and back.
 */
import type { Entry } from "../../log/entry.ts";
import { evolve } from "../../log/evolve.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { Commit, SessionStore } from "../../store/store.ts";

const PAGE = 500;

/** Entries as they were committed together, known by the id that their first one carries. */
export interface LoggedCommit {
  readonly id: string;
  readonly entries: readonly Entry[];
}

/** All entries of a session's own log with `after < seq <= upTo`. */
export async function readAll(
  read: SessionStore["read"],
  id: string,
  after: number,
  upTo: number,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  let position = after;
  while (position < upTo) {
    const page = await read(id, { after: position, upTo, limit: PAGE });
    entries.push(...page);
    if (page.length < PAGE) break;
    position = page.at(-1)?.seq ?? upTo;
  }
  return entries;
}

/** The commits that `entries` were made in. */
export function commitsOf(entries: readonly Entry[]): LoggedCommit[] {
  const commits: { id: string; entries: Entry[] }[] = [];
  for (const entry of entries) {
    const last = commits.at(-1);
    if (entry.commit === undefined && last) last.entries.push(entry);
    else commits.push({ id: entry.commit ?? "", entries: [entry] });
  }
  return commits;
}

/**
 * `logged` as commits to `sessionId`, each built on the one before it and the first on `head`. The last one leads to
 * `end` where that is given and is what they lead to, so that what no fold yields comes along.
 */
export function toCommits(
  sessionId: string,
  head: SessionRecord | undefined,
  logged: readonly LoggedCommit[],
  end?: SessionRecord,
): Commit[] {
  const commits: Commit[] = [];
  let before = head;
  for (const [index, { entries }] of logged.entries()) {
    let after = before;
    for (const entry of entries) after = evolve(after, entry);
    if (after === undefined) continue;
    const isEnd = index === logged.length - 1 && end?.seq === after.seq && end.version === after.version;
    const record: SessionRecord = isEnd ? end : after;
    commits.push({ sessionId, expectedVersion: before?.version ?? 0, entries, record });
    before = record;
  }
  return commits;
}

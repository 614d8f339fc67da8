/**
 * @module
 * Reads logs.
 */
import type { Entry } from "../../log/entry.ts";
import type { ReadRange } from "../../store/store.ts";
import type { SessionDocument } from "./driver.ts";
import { decodeEntries } from "./entries.ts";
import { torn } from "./heads.ts";
import type { Space } from "./space.ts";
import { sessionKey } from "./space.ts";

/**
 * Entries of the session's own log, as `SessionStore.read` promises.
 *
 * A removal deletes the session document first and its commits one after another, so what was read while one ran may
 * have holes. It counts only where the session is of the same life afterwards.
 *
 * @throws STORE_CORRUPT where entries that were committed are not there.
 */
export async function readEntries(space: Space, id: string, range: ReadRange): Promise<Entry[]> {
  if (range.limit <= 0 || range.types?.length === 0) return [];
  const key = sessionKey(space.path, id);
  const find = async (): Promise<SessionDocument | undefined> =>
    (await space.driver.getSessions([key], false))[0];
  let session = await find();
  while (session) {
    const entries = await readLife(space, session, range);
    const isCheckable = !range.types && session.ordinal > 0;
    const gap = isCheckable ? gapIn(entries, session, range) : undefined;
    if (isCheckable && gap === undefined) return entries;
    const after = await find();
    if (after?.life === session.life) {
      if (gap === undefined) return entries;
      throw torn(space.name, id, gap);
    }
    session = after;
  }
  return [];
}

/** Entries of one life. Where it is being ended, some may be missing. */
export async function readLife(
  { name, driver }: Space,
  session: SessionDocument,
  range: ReadRange,
): Promise<Entry[]> {
  const { after, upTo = Number.MAX_SAFE_INTEGER, limit, reverse = false } = range;
  const types = range.types && new Set(range.types);
  const found: Entry[] = [];
  const { ordinal, seq } = session;
  const newest = { ordinal, seq };
  const wanted = { after, upTo, reverse, limit, newest, ...(types && { types: [...types] }) };
  for await (const commit of driver.readCommits(session.life, wanted)) {
    const entries = decodeEntries(commit, session.id, name, { after, upTo, types });
    for (const entry of reverse ? entries.reverse() : entries) {
      found.push(entry);
      if (found.length === limit) return found;
    }
  }
  return found;
}

/** Where entries are missing that the session had when it was looked at. */
function gapIn(entries: readonly Entry[], session: SessionDocument, range: ReadRange): string | undefined {
  const { reverse = false, limit } = range;
  const low = Math.max(range.after + 1, session.from);
  const high = Math.min(range.upTo ?? session.seq, session.seq);
  const step = reverse ? -1 : 1;
  let expected = reverse ? (entries[0]?.seq ?? high) : low;
  // Commits that came since are past what the session document says.
  if (reverse && expected < high) return `between ${expected} and ${high}`;
  for (const { seq } of entries) {
    if (seq !== expected) return `at ${expected}`;
    expected = seq + step;
  }
  if (entries.length === limit) return undefined;
  const isWhole = reverse ? expected < low : expected > high;
  return isWhole ? undefined : `at ${expected}`;
}

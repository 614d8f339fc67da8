/**
 * @module
 * Search: commits that may match come newest first; their entries decide, and where their sessions are now.
 */
import type { Entry } from "../../log/entry.ts";
import { isKnown } from "../../log/entry.ts";
import { holdsTerms, searchTerms, searchText } from "../../log/text.ts";
import { decodeCursor, matches } from "../../store/query.ts";
import type { Page, SearchHit, StoreQuery } from "../../store/store.ts";
import type { SearchedLog } from "../text-search.ts";
import { searchLogs } from "../text-search.ts";
import type { StoredCommit } from "./driver.ts";
import { decodeEntries } from "./entries.ts";
import type { Head } from "./heads.ts";
import { headsOf } from "./heads.ts";
import { readEntries } from "./read.ts";
import type { Space } from "./space.ts";

/** Commits whose sessions are looked up together. */
const CHUNK = 32;

/** A session that hits are in. */
interface Found {
  readonly head: Head;
  readonly entries: Entry[];
}

/**
 * A page of the messages that hold every word of `text`.
 *
 * @throws INVALID_ARGUMENT where `text` holds no word, or for a cursor of another search.
 */
export async function searchSpace(space: Space, text: string, query: StoreQuery): Promise<Page<SearchHit>> {
  const terms = searchTerms(text);
  const before = decodeCursor(query, JSON.stringify([space.path, terms]));
  const sessions = new Map<string, Found | undefined>();
  const times: number[] = [];
  for await (const commits of chunks(space.driver.searchCommits(space.path, terms, before?.at))) {
    // The page is full, with one hit more, and all that follows is older.
    const last = times[query.limit];
    if (last !== undefined && commits.every(({ at }) => at < last)) break;
    await findSessions(space, commits, query, sessions);
    for (const commit of commits) {
      const session = sessions.get(commit.key);
      if (session?.head.life !== commit.life || commit.ordinal > session.head.ordinal) continue;
      for (const entry of decodeEntries(commit, session.head.id, space.name)) {
        const words = searchText(entry);
        if (words === undefined || !holdsTerms(words, terms) || (before && entry.at > before.at)) continue;
        session.entries.push(entry);
        // What has the time of the cursor may stand on a page before.
        if (!before || entry.at < before.at) keepNewest(times, entry.at, query.limit + 1);
      }
    }
  }
  const logs: SearchedLog[] = [];
  for (const session of sessions.values())
    if (session && session.entries.length > 0) logs.push(await logOf(space, session));
  logs.sort((a, b) => b.record.updatedAt - a.record.updatedAt);
  return searchLogs(text, query, space.path, logs);
}

async function* chunks(commits: AsyncIterable<StoredCommit>): AsyncGenerator<StoredCommit[]> {
  let chunk: StoredCommit[] = [];
  for await (const commit of commits) {
    if (chunk.push(commit) < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

/** Adds where the sessions are now that commits are of; `undefined` for those that are gone or do not match. */
async function findSessions(
  space: Space,
  commits: readonly StoredCommit[],
  query: StoreQuery,
  sessions: Map<string, Found | undefined>,
): Promise<void> {
  const keys = [...new Set(commits.map(({ key }) => key))].filter((key) => !sessions.has(key));
  const documents = await space.driver.getSessions(keys, true);
  for (const key of keys) sessions.set(key, undefined);
  const present = documents.filter((document) => document !== undefined);
  for (const head of await headsOf(space, present, "may"))
    if (head.record && !head.isEnded && matches(head.record, query))
      sessions.set(head.key, { head, entries: [] });
}

/** Keeps `times` the newest ones, newest first, at most `count`. */
function keepNewest(times: number[], at: number, count: number): void {
  const index = times.findIndex((time) => time < at);
  times.splice(index < 0 ? times.length : index, 0, at);
  times.length = Math.min(times.length, count);
}

async function logOf(space: Space, { head, entries }: Found): Promise<SearchedLog> {
  const revised = new Map<number, Entry>();
  for (const entry of entries) {
    if (!isKnown(entry) || entry.type !== "message.revised") continue;
    const { seq } = entry.data;
    const [message] = await readEntries(space, head.id, { after: seq - 1, upTo: seq, limit: 1 });
    if (message) revised.set(seq, message);
  }
  const record = head.record;
  if (!record) throw new TypeError("a session that was found has no record");
  return { record, newestFirst: () => entries, at: (seq) => revised.get(seq) };
}

/**
 * @module
 * Search for stores without a text index: reads logs newest first and keeps the newest hits, as many as a page holds.
 */
import type { Entry } from "../log/entry.ts";
import { isKnown, positionalId } from "../log/entry.ts";
import type { SessionRecord } from "../log/record.ts";
import { holdsTerms, searchTerms, searchText, snippetOf } from "../log/text.ts";
import { decodeCursor, encodeCursor, matches } from "../store/query.ts";
import type { Page, SearchHit, StoreQuery } from "../store/store.ts";
import { breather } from "./breather.ts";

/** One session's own log, as a search sees it. */
export interface SearchedLog {
  readonly record: SessionRecord;
  newestFirst(): Iterable<Entry>;
  /** The entry at a position. */
  at(seq: number): Entry | undefined;
}

interface Hit {
  readonly at: number;
  /** Session id and position: the order among hits of one time. */
  readonly key: string;
  readonly log: SearchedLog;
  readonly entry: Entry;
  readonly text: string;
}

/**
 * A page of the messages that hold every word of `text`, newest first by time. Memory is bounded by the page, time by
 * the logs: a session last written to before the oldest hit of a full page is not read.
 *
 * @param scope what the cursor is tied to beside the query: the namespace.
 * @param logs sessions by their `updatedAt`, newest first.
 * @throws INVALID_ARGUMENT where `text` holds no word, or for a cursor of another search.
 */
export async function searchLogs(
  text: string,
  query: StoreQuery,
  scope: string,
  logs: Iterable<SearchedLog>,
): Promise<Page<SearchHit>> {
  const terms = searchTerms(text);
  const searched = JSON.stringify([scope, terms]);
  const before = decodeCursor(query, searched);
  const breathe = breather();
  /** Newest first; one more than the page holds, so that it is known whether another page follows. */
  const hits: Hit[] = [];
  for (const log of logs) {
    if (!matches(log.record, query)) continue;
    const last = hits[query.limit];
    if (last && log.record.updatedAt < last.at) break;
    for (const entry of log.newestFirst()) {
      if (breathe.isDue()) await breathe.pause();
      const words = searchText(entry);
      if (words === undefined || !holdsTerms(words, terms)) continue;
      const hit = { at: entry.at, key: hitKey(log.record.id, entry.seq), log, entry, text: words };
      if (!before || isNewer({ at: before.at, key: before.id }, hit)) keep(hits, hit, query.limit + 1);
    }
  }
  const items = hits.slice(0, query.limit).map((hit) => searchHit(hit, terms));
  const last = hits[query.limit - 1];
  if (hits.length <= query.limit || !last) return { items };
  return { items, cursor: encodeCursor(query, { at: last.at, id: last.key }, searched) };
}

function keep(hits: Hit[], hit: Hit, limit: number): void {
  let low = 0;
  let high = hits.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = hits[middle];
    if (other && isNewer(other, hit)) low = middle + 1;
    else high = middle;
  }
  if (low >= limit) return;
  hits.splice(low, 0, hit);
  hits.length = Math.min(hits.length, limit);
}

function isNewer(a: Pick<Hit, "at" | "key">, b: Pick<Hit, "at" | "key">): boolean {
  return a.at > b.at || (a.at === b.at && a.key > b.key);
}

/** Sorts as session id, then position. An id may hold any character but half a surrogate pair, so NUL alone would not do. */
function hitKey(sessionId: string, seq: number): string {
  return `${sessionId.replaceAll("\0", "\0\x01")}\0\0${String(seq).padStart(16, "0")}`;
}

function searchHit({ log, entry, text }: Hit, terms: readonly string[]): SearchHit {
  return {
    sessionId: log.record.id,
    seq: entry.seq,
    messageId: messageId(log, entry),
    at: entry.at,
    snippet: snippetOf(text, terms),
    record: log.record,
  };
}

/** A revision is of the message whose place it takes. */
function messageId(log: SearchedLog, entry: Entry): string {
  if (!isKnown(entry) || entry.type !== "message.revised") return entry.id;
  return log.at(entry.data.seq)?.id ?? positionalId(entry.data.seq);
}

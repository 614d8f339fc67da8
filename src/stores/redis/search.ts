/**
 * @module
 * Search: reads logs newest first, as a store without a text index does.
 */
import type { Entry } from "../../log/entry.ts";
import { isKnown } from "../../log/entry.ts";
import { holdsTerms, searchTerms, searchText } from "../../log/text.ts";
import { decodeCursor } from "../../store/query.ts";
import type { Page, SearchHit, StoreQuery } from "../../store/store.ts";
import type { SearchedLog } from "../text-search.ts";
import { searchLogs } from "../text-search.ts";
import type { Engine, Space } from "./engine.ts";
import { readEntries } from "./entries.ts";
import { walk } from "./lists.ts";

/** Entries that one step reads. */
const READ_AT_ONCE = 256;

/**
 * A page of the messages that hold every word of `text`. Reads logs until the page is full and no other session was
 * written to as late as its oldest hit.
 *
 * @throws INVALID_ARGUMENT where `text` holds no word, or for a cursor of another search.
 */
export async function searchSpace(
  engine: Engine,
  space: Space,
  text: string,
  query: StoreQuery,
): Promise<Page<SearchHit>> {
  const terms = searchTerms(text);
  const before = decodeCursor(query, JSON.stringify([space.path, terms]));
  const isAfterCursor = ({ at }: Entry): boolean => !before || at <= before.at;
  const more = { ...query, limit: query.limit + 1 };
  let logs: SearchedLog[] = [];
  let page = await searchLogs(text, more, space.path, logs);
  for await (const record of walk(engine, space, { ...query, order: "updated" })) {
    const [oldest, next] = page.items.slice(query.limit - 1);
    if (oldest && next && record.updatedAt < oldest.at) break;
    const found = await entriesWith(engine, space, record.id, terms);
    const entries = found.filter(isAfterCursor);
    if (entries.length === 0) continue;
    const revised = await revisedEntries(engine, space, record.id, entries);
    logs.push({ record, newestFirst: () => entries, at: (seq) => revised.get(seq) });
    logs.sort((a, b) => b.record.updatedAt - a.record.updatedAt);
    page = await searchLogs(text, more, space.path, logs);
    // What is older than the page and the one hit past it, which tells that there is more, is of no use any more.
    const last = page.items[query.limit];
    if (last) logs = logs.flatMap((log) => newerOf(log, last.at));
  }
  return searchLogs(text, query, space.path, logs);
}

/** The log with those of its entries alone that are as new as `at`; none where there are none. */
function newerOf(log: SearchedLog, at: number): SearchedLog[] {
  const entries = [...log.newestFirst()].filter((entry) => entry.at >= at);
  return entries.length === 0 ? [] : [{ ...log, newestFirst: () => entries }];
}

async function entriesWith(
  { connection }: Engine,
  { keys }: Space,
  id: string,
  terms: readonly string[],
): Promise<Entry[]> {
  const found: Entry[] = [];
  const key = keys.session(id).entries;
  for (let upTo = Number.MAX_SAFE_INTEGER; upTo > 0; ) {
    const page = await readEntries(connection, key, id, {
      after: 0,
      upTo,
      limit: READ_AT_ONCE,
      reverse: true,
    });
    for (const entry of page) {
      const words = searchText(entry);
      if (words !== undefined && holdsTerms(words, terms)) found.push(entry);
    }
    upTo = page.length < READ_AT_ONCE ? 0 : (page.at(-1)?.seq ?? 1) - 1;
  }
  return found;
}

/** The messages that `entries` revise, by position: a hit names them. */
async function revisedEntries(
  { connection }: Engine,
  { keys }: Space,
  id: string,
  entries: readonly Entry[],
): Promise<Map<number, Entry>> {
  const revised = new Map<number, Entry>();
  for (const entry of entries) {
    if (!isKnown(entry) || entry.type !== "message.revised") continue;
    const { seq } = entry.data;
    const key = keys.session(id).entries;
    const [message] = await readEntries(connection, key, id, { after: seq - 1, upTo: seq, limit: 1 });
    if (message) revised.set(seq, message);
  }
  return revised;
}

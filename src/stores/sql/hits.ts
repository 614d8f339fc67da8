/**
 * @module
 * Search hits, for the SQL dialects whose index names candidates, newest first, and whose text then decides.
 */
import type { Entry } from "../../log/entry.ts";
import { isKnown } from "../../log/entry.ts";
import { holdsTerms, searchTerms, snippetOf } from "../../log/text.ts";
import type { Keyset } from "../../store/query.ts";
import { decodeCursor, encodeCursor } from "../../store/query.ts";
import type { Page, SearchHit, StoreQuery } from "../../store/store.ts";

/** The position of the message that `entry` revises, `undefined` where it is a message of its own. */
export function revisedSeq(entry: Entry): number | undefined {
  return isKnown(entry) && entry.type === "message.revised" ? entry.data.seq : undefined;
}

/** What an index names; its snippet is the whole text, and its message id that of the entry itself. */
export interface Candidate extends SearchHit {
  /** Of the session. */
  readonly key: string;
  /** The position of the message that it revises. */
  readonly revised: number | undefined;
}

/** Where a page of candidates begins: they are in the order of time, session and position, all descending. */
export interface CandidatePlace {
  readonly at: number;
  readonly key: string;
  readonly seq: string;
}

export interface CandidateSource {
  /** Up to `query.limit` and one more, those past `before`. */
  readonly find: (
    terms: readonly string[],
    query: StoreQuery,
    before: CandidatePlace | undefined,
  ) => Promise<Candidate[]>;
  /** The id of the message at a position of a session's own log, or that position where a fork inherits it. */
  readonly idAt: (key: string, seq: number) => Promise<string>;
}

/** A page of the messages that hold every one of `words`, newest first. */
export async function hitsAmong(
  source: CandidateSource,
  namespace: string,
  words: string,
  query: StoreQuery,
): Promise<Page<SearchHit>> {
  const terms = searchTerms(words);
  const scope = JSON.stringify([namespace, terms]);
  const start = decodeCursor(query, scope);
  let before = start && placeIn(start);
  const hits: Candidate[] = [];
  for (let isMore = true; isMore && hits.length <= query.limit; ) {
    const page = await source.find(terms, query, before);
    hits.push(...page.filter(({ snippet }) => holdsTerms(snippet, terms)));
    const last = page.at(-1);
    isMore = page.length > query.limit && last !== undefined;
    if (last) before = { at: last.at, key: last.key, seq: String(last.seq) };
  }
  const items: SearchHit[] = [];
  for (const { key, revised, snippet, ...hit } of hits.slice(0, query.limit)) {
    const messageId = revised === undefined ? hit.messageId : await source.idAt(key, revised);
    items.push({ ...hit, messageId, snippet: snippetOf(snippet, terms) });
  }
  const last = hits[query.limit - 1];
  if (hits.length <= query.limit || !last) return { items };
  return { items, cursor: encodeCursor(query, { at: last.at, id: `${last.key}/${last.seq}` }, scope) };
}

function placeIn({ at, id }: Keyset): CandidatePlace {
  const [key = "", seq = ""] = id.split("/");
  return { at, key, seq };
}

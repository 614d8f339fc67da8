/**
 * @module
 * Search: the index names candidates, newest first, and their text decides. Without an index all are candidates.
 */
import { positionalId } from "../../log/entry.ts";
import { holdsTerms, searchTerms, searchText, snippetOf } from "../../log/text.ts";
import { decodeCursor, encodeCursor } from "../../store/query.ts";
import type { Page, SearchHit, StoreQuery } from "../../store/store.ts";
import { aliased, selected } from "../sql/columns.ts";
import { conditionsOf, filterOf, LISTED_STATUSES } from "../sql/conditions.ts";
import { revisedSeq } from "../sql/hits.ts";
import type { Tables } from "../sql/tables.ts";
import type { Connection, Sql } from "./connection.ts";
import { idOrNull, integer, text } from "./driver.ts";
import type { Reading } from "./entries.ts";
import { entryColumns, toEntry } from "./entries.ts";
import { metadataCondition } from "./lists.ts";
import type { RecordCache } from "./record-cache.ts";
import type { SearchIndex } from "./search-index.ts";

/** The longest words of a search are looked up; where there are more, the text of what is found decides. */
const MAX_TERMS = 32;
/** Entries that one step of a search without an index reads. */
const READ_AT_ONCE = 200;

interface Found extends SearchHit {
  readonly position: number;
}

export type Searcher = (namespace: string, words: string, query: StoreQuery) => Promise<Page<SearchHit>>;

export function createSearcher(
  connection: Connection,
  tables: Tables,
  index: SearchIndex,
  cache: RecordCache,
  reading: Reading,
): Searcher {
  const { search: found, entries, sessions, columns } = tables;
  const s = aliased("s", columns.sessions);
  const e = aliased("e", columns.entries);
  const metadata = metadataCondition(s);
  const { isAvailable } = index;
  const position = isAvailable ? "f.rowid" : e.position;
  const indexed = isAvailable
    ? `${found} AS f CROSS JOIN ${entries} AS e ON ${e.position} = f.rowid`
    : `${entries} AS e`;
  // CROSS JOIN keeps the order of the tables: what leads is read newest first, and no further than the limit.
  const head = `SELECT ${e.position} AS position, ${entryColumns(reading, e)}, ${selected(s, "key", "version", "record")}, ${s.id} AS session_id FROM ${indexed} CROSS JOIN ${sessions} AS s ON ${s.key} = ${e.session_key}`;

  const candidates = (
    sql: Sql,
    namespace: string,
    terms: readonly string[],
    query: StoreQuery,
    page: { before: number; limit: number },
  ): Found[] => {
    const statuses = query.status === undefined ? LISTED_STATUSES : [query.status];
    const filter = filterOf(query, metadata);
    const conditions = [
      ...(isAvailable ? [`f.${found} MATCH ?`] : []),
      `${position} < ?`,
      `${s.namespace} = ?`,
      `${s.status} IN (${statuses.map(() => "?").join(", ")})`,
      ...conditionsOf(filter, metadata, s),
    ];
    const words = isAvailable ? [matchOf(terms)] : [];
    const rows = sql.all(
      `${head} WHERE ${conditions.join(" AND ")} ORDER BY ${position} DESC LIMIT ?`,
      ...words,
      page.before,
      namespace,
      ...statuses,
      ...filter.values,
      page.limit,
    );
    return rows.map((row) => {
      const sessionId = idOrNull(row, "session_id") ?? "";
      const record = cache.decode(
        integer(row, "key"),
        integer(row, "version"),
        text(row, "record"),
        sessionId,
      );
      const entry = toEntry(row, record.id);
      const revised = revisedSeq(entry);
      const messageId = revised === undefined ? entry.id : idAt(sql, integer(row, "key"), revised);
      const snippet = searchText(entry) ?? "";
      return {
        sessionId: record.id,
        seq: entry.seq,
        messageId,
        at: entry.at,
        snippet,
        record,
        position: integer(row, "position"),
      };
    });
  };

  /** A message that a fork inherits is in another session's log, and known by its position here. */
  const idAt = (sql: Sql, sessionKey: number, seq: number): string => {
    const row = sql.get(
      `SELECT ${reading.id(e.id)} AS id FROM ${entries} AS e WHERE ${e.session_key} = ? AND ${e.seq} = ?`,
      sessionKey,
      seq,
    );
    return (row && idOrNull(row, "id")) ?? positionalId(seq);
  };

  return async (namespace, words, query) => {
    const terms = searchTerms(words);
    const scope = JSON.stringify([namespace, terms]);
    const start = decodeCursor(query, scope)?.at ?? Number.MAX_SAFE_INTEGER;
    await index.catchUp(connection);
    const limit = isAvailable ? query.limit + 1 : READ_AT_ONCE;
    const hits: Found[] = [];
    for (let before = start, isMore = true; isMore && hits.length <= query.limit; ) {
      const page = await connection.run((sql) => candidates(sql, namespace, terms, query, { before, limit }));
      hits.push(...page.filter(({ snippet }) => holdsTerms(snippet, terms)));
      isMore = page.length === limit;
      before = page.at(-1)?.position ?? 0;
      if (isMore && hits.length <= query.limit) await new Promise(setImmediate);
    }
    const items = hits.slice(0, query.limit);
    const last = items.at(-1);
    const hasMore = hits.length > query.limit && last;
    return {
      items: items.map(({ position: _position, ...hit }) => ({
        ...hit,
        snippet: snippetOf(hit.snippet, terms),
      })),
      ...(hasMore && { cursor: encodeCursor(query, { at: last.position, id: "" }, scope) }),
    };
  };
}

/** Each word as a quoted prefix: folded words hold letters and digits only, so nothing in them is syntax. */
function matchOf(terms: readonly string[]): string {
  const longest = terms.toSorted((a, b) => b.length - a.length).slice(0, MAX_TERMS);
  return longest.map((term) => `"${term}"*`).join(" ");
}

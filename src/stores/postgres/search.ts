/**
 * @module
 * Search: the index names candidates, newest first, and so are entries that are not in it yet; their text decides.
 */
import { positionalId } from "../../log/entry.ts";
import { searchText } from "../../log/text.ts";
import { decodeRecord } from "../../store/codec.ts";
import type { Page, SearchHit, StoreQuery } from "../../store/store.ts";
import { aliased } from "../sql/columns.ts";
import type { Candidate, CandidatePlace } from "../sql/hits.ts";
import { hitsAmong, revisedSeq } from "../sql/hits.ts";
import { rowReader } from "../sql/rows.ts";
import type { Tables } from "../sql/tables.ts";
import type { Connection } from "./connection.ts";
import { entryColumns, toEntry } from "./entries.ts";
import { NAME } from "./errors.ts";
import { filterIn, statusesIn } from "./lists.ts";
import { createSearchIndex, pendingTable } from "./search-index.ts";
import { wordsQuery } from "./search-words.ts";
import { arrayText, numbered, textOf } from "./values.ts";

const { text, textOrNull } = rowReader(NAME);

export type Searcher = (namespace: string, words: string, query: StoreQuery) => Promise<Page<SearchHit>>;

export function createSearcher(connection: Connection, tables: Tables): Searcher {
  const { sessions, entries, search, columns } = tables;
  const index = createSearchIndex(connection, tables);
  const s = aliased("s", columns.sessions);
  const e = aliased("e", columns.entries);
  // LATERAL has the planner look each entry up.
  const noted = `SELECT p.session_key, p.seq, n.at FROM ${pendingTable(tables)} AS p CROSS JOIN LATERAL (SELECT ${e.at} AS at FROM ${entries} AS e WHERE ${e.session_key} = p.session_key AND ${e.seq} = p.seq LIMIT 1) AS n`;
  const found = `SELECT w.session_key, w.seq, w.at FROM ${search} AS w WHERE w.words @@ $2::text::tsquery UNION ALL ${noted}`;
  const pageSql = (filter: string): string =>
    `WITH page AS MATERIALIZED (SELECT f.session_key, f.seq, f.at FROM (${found}) AS f JOIN ${sessions} AS s ON ${s.key} = f.session_key WHERE ${s.namespace} = $1::text AND ${s.status} = ANY ($3::text::text[])${filter} ORDER BY ${order("f")} LIMIT $4::text::bigint) SELECT ${entryColumns(e)}, ${s.key}::text AS key, ${s.id} AS session, ${s.record} AS record FROM page AS p JOIN ${sessions} AS s ON ${s.key} = p.session_key JOIN ${entries} AS e ON ${e.session_key} = p.session_key AND ${e.seq} = p.seq ORDER BY ${order("p")}`;
  const findId = `SELECT ${e.id} AS id FROM ${entries} AS e WHERE ${e.session_key} = $1::text::bigint AND ${e.seq} = $2::text::bigint`;

  const candidates = async (
    namespace: string,
    terms: readonly string[],
    query: StoreQuery,
    before: CandidatePlace | undefined,
  ): Promise<Candidate[]> => {
    const { conditions, values } = filterIn(query, s);
    if (before) {
      conditions.push(
        "(f.at, f.session_key, f.seq) < (?::text::double precision, ?::text::bigint, ?::text::bigint)",
      );
      values.push(String(before.at), before.key, before.seq);
    }
    const filter = numbered(conditions.map((condition) => ` AND ${condition}`).join(""), 5);
    const rows = await connection.query(pageSql(filter), [
      namespace,
      wordsQuery(terms),
      arrayText(statusesIn(query)),
      String(query.limit + 1),
      ...values,
    ]);
    return rows.map((row) => {
      const sessionId = textOf(text(row, "session"));
      const entry = toEntry(row, sessionId);
      return {
        sessionId,
        seq: entry.seq,
        messageId: entry.id,
        at: entry.at,
        snippet: searchText(entry) ?? "",
        record: decodeRecord(text(row, "record"), sessionId, NAME),
        key: text(row, "key"),
        revised: revisedSeq(entry),
      };
    });
  };

  /** A message that a fork inherits is in another session's log, and known by its position here. */
  const idAt = async (key: string, seq: number): Promise<string> => {
    const [row] = await connection.query(findId, [key, String(seq)]);
    const id = row ? textOrNull(row, "id") : null;
    return id === null ? positionalId(seq) : textOf(id);
  };

  return async (namespace, words, query) => {
    await index.catchUp();
    return hitsAmong({ find: (...asked) => candidates(namespace, ...asked), idAt }, namespace, words, query);
  };
}

function order(table: string): string {
  return `${table}.at DESC, ${table}.session_key DESC, ${table}.seq DESC`;
}

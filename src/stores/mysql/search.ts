/**
 * @module
 * Search: once the index holds all that was committed, it names candidates, newest first, and their text decides.
 */
import { positionalId } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import { searchText } from "../../log/text.ts";
import { decodeRecord } from "../../store/codec.ts";
import type { Page, SearchHit, StoreQuery } from "../../store/store.ts";
import type { Candidate, CandidatePlace, CandidateSource } from "../sql/hits.ts";
import { hitsAmong, revisedSeq } from "../sql/hits.ts";
import type { SqlTables } from "../sql/names.ts";
import { backtickName } from "../sql/names.ts";
import { rowReader } from "../sql/rows.ts";
import type { Connection } from "./connection.ts";
import { ENTRY_COLUMNS, toEntry } from "./entries.ts";
import { NAME } from "./errors.ts";
import { filterIn, statusesIn } from "./lists.ts";
import { createSearchIndex } from "./search-index.ts";
import { wordsQuery } from "./search-words.ts";
import type { SqlValue } from "./values.ts";
import { placeholders } from "./values.ts";

const { number, text, textOrNull } = rowReader(NAME);

export type Searcher = (namespace: string, words: string, query: StoreQuery) => Promise<Page<SearchHit>>;

export function createSearcher(connection: Connection, tables: SqlTables): Searcher {
  const sessions = backtickName(tables.sessions);
  const entries = backtickName(tables.entries);
  const search = backtickName(tables.search);
  const index = createSearchIndex(connection, tables);
  const pageSql = (statuses: number, filter: string): string =>
    `SELECT ${ENTRY_COLUMNS}, s.session_key, s.id AS session_id, s.record FROM (SELECT f.session_key AS hit_key, f.seq AS hit_seq FROM ${search} AS f STRAIGHT_JOIN ${sessions} AS s ON s.session_key = f.session_key WHERE MATCH (f.words) AGAINST (? IN BOOLEAN MODE) AND s.namespace = ? AND s.status IN ${placeholders(statuses)}${filter} ORDER BY f.at DESC, f.session_key DESC, f.seq DESC LIMIT ?) AS p STRAIGHT_JOIN ${sessions} AS s ON s.session_key = p.hit_key STRAIGHT_JOIN ${entries} AS e ON e.session_key = p.hit_key AND e.seq = p.hit_seq`;
  const findId = `SELECT id FROM ${entries} WHERE session_key = ? AND seq = ?`;

  const candidates = async (
    namespace: string,
    terms: readonly string[],
    query: StoreQuery,
    before: CandidatePlace | undefined,
  ): Promise<Candidate[]> => {
    const { conditions, values } = filterIn(query);
    if (before) {
      conditions.push("(f.at, f.session_key, f.seq) < (?, ?, ?)");
      values.push(before.at, Number(before.key), Number(before.seq));
    }
    const statuses = statusesIn(query);
    const filter = conditions.map((condition) => ` AND ${condition}`).join("");
    const bound: SqlValue[] = [wordsQuery(terms), Buffer.from(namespace), ...statuses, ...values];
    const { rows } = await connection.query(pageSql(statuses.length, filter), [...bound, query.limit + 1]);
    const found = rows.map((row): Candidate => {
      const sessionId = text(row, "session_id");
      const entry = toEntry(row, sessionId);
      return {
        sessionId,
        seq: entry.seq,
        messageId: entry.id,
        at: entry.at,
        snippet: searchText(entry) ?? "",
        record: decodeRecord(text(row, "record"), sessionId, NAME),
        key: String(number(row, "session_key")),
        revised: revisedSeq(entry),
      };
    });
    // Not sorted by the server, whose sort buffer would have to take whole entries.
    return found.sort((a, b) => b.at - a.at || Number(b.key) - Number(a.key) || b.seq - a.seq);
  };

  /** A message that a fork inherits is in another session's log, and known by its position here. */
  const idAt = async (key: string, seq: number): Promise<string> => {
    const [row] = (await connection.query(findId, [Number(key), seq])).rows;
    return (row && textOrNull(row, "id")) ?? positionalId(seq);
  };

  return async (namespace, words, query) => {
    const { searchObstacle } = await connection.settings();
    if (searchObstacle !== undefined) throw unsearchable(searchObstacle, tables);
    let caughtUp: Promise<void> | undefined;
    const find: CandidateSource["find"] = async (...asked) => {
      caughtUp ??= index.catchUp();
      await caughtUp;
      return candidates(namespace, ...asked);
    };
    return hitsAmong({ find, idAt }, namespace, words, query);
  };
}

function unsearchable(obstacle: string, { search }: SqlTables): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `the server's full-text index does not hold every word: ${obstacle}; set it, restart the server, and make the index of ${search} anew`,
    { store: NAME, retryable: false },
  );
}

/**
 * @module
 * The search index. An append does not pay for it, but notes which entries are to be indexed: the next search adds them.
 *
 * What is noted is found by its text until it is in the index: a search looks through both, so nothing depends on when the
 * index catches up. One that can't write, on a standby or as a user without the right to, leaves it as it is.
 *
 * An entry goes from the one to the other within one statement, by which its session is locked, so that it can't be removed
 * meanwhile. No append waits for that lock. What others have locked is left, so that nobody waits for their transactions.
 */
import { HoldfastError } from "../../log/errors.ts";
import { aliased } from "../sql/columns.ts";
import { quoteName } from "../sql/names.ts";
import type { Row } from "../sql/rows.ts";
import { rowReader } from "../sql/rows.ts";
import type { Tables } from "../sql/tables.ts";
import type { Connection } from "./connection.ts";
import { entryColumns, toEntry } from "./entries.ts";
import { NAME } from "./errors.ts";
import { ANY_WORD, indexWords } from "./search-words.ts";
import { arrayText } from "./values.ts";

/** What one statement adds at most: entries, and bytes of them. */
const CHUNK_ENTRIES = 500;
const CHUNK_BYTES = 4 * 1024 * 1024;
/** Before all places, and past them. */
const START = "(0,0)";
const END = "(4294967295,0)";

const { number, text, textOrNull } = rowReader(NAME);

/** The entries that are not indexed yet: a table without an index or a foreign key, so that to add to it costs next to nothing. */
export function pendingTable({ schema, names }: Tables): string {
  const name = quoteName(`${names.search}_pending`);
  return schema === undefined ? name : `${quoteName(schema)}.${name}`;
}

export interface SearchIndex {
  /** Adds what was committed up to now. */
  catchUp(): Promise<void>;
}

export function createSearchIndex(connection: Connection, tables: Tables): SearchIndex {
  const { sessions, entries, search, columns } = tables;
  const pending = pendingTable(tables);
  const s = aliased("s", columns.sessions);
  const e = aliased("e", columns.entries);
  const may = (table: string, privilege: string): string => `has_table_privilege('${table}', '${privilege}')`;
  const mayAdd = `current_setting('transaction_read_only') = 'off' AND ${may(search, "INSERT")} AND ${may(pending, "UPDATE")} AND ${may(pending, "DELETE")} AND ${may(sessions, "UPDATE")}`;
  const bytes = `coalesce(octet_length(${e.data}), 0) + coalesce(octet_length(${e.text}), 0)`;
  const readSome = `SELECT * FROM (
  SELECT p.place::text AS place, p.session_key::text AS key, p.position::text AS position, ${entryColumns(e)},
    sum(${bytes}) OVER (ORDER BY p.place) - (${bytes}) AS before,
    format('(%s,0)', pg_relation_size('${pending}') / current_setting('block_size')::int) AS size
  FROM (SELECT ctid AS place, session_key, seq AS position FROM ${pending} WHERE ctid > $1::text::tid AND ctid < $2::text::tid AND ${mayAdd} LIMIT ${CHUNK_ENTRIES}) AS p
  LEFT JOIN ${entries} AS e ON ${e.session_key} = p.session_key AND ${e.seq} = p.position
) AS chunk WHERE before < ${CHUNK_BYTES} ORDER BY place::tid`;
  // A place is one of another entry where the first was taken from it meanwhile. What has no time has no session any more.
  const addSome = `WITH input AS MATERIALIZED (
  SELECT * FROM unnest($1::text::tid[], $2::text::bigint[], $3::text::bigint[], $4::text::double precision[], $5::text::text[]) AS x(place, key, seq, at, words) LIMIT ${CHUNK_ENTRIES}
),
alive AS MATERIALIZED (
  SELECT ${s.key} AS key FROM ${sessions} AS s WHERE ${s.key} = ANY ($2::text::bigint[]) FOR KEY SHARE SKIP LOCKED
),
free AS MATERIALIZED (
  SELECT p.ctid AS found, i.* FROM input AS i JOIN ${pending} AS p ON p.ctid = i.place AND p.session_key = i.key AND p.seq = i.seq
  FOR UPDATE OF p SKIP LOCKED
),
taken AS (
  DELETE FROM ${pending} AS p USING free AS f
  WHERE p.ctid = f.found AND (f.at IS NULL OR EXISTS (SELECT FROM alive AS a WHERE a.key = f.key))
  RETURNING f.key, f.seq, f.at, f.words
)
INSERT INTO ${search} (session_key, seq, at, words)
SELECT t.key, t.seq, t.at, array_to_tsvector(string_to_array(t.words, ' '))
FROM taken AS t WHERE t.words IS NOT NULL`;

  const addAll = async (): Promise<void> => {
    // In the order of places, past those that were taken, whose dead rows are not read again; and no further than the table
    // went at first, so that no search runs after appends for ever.
    let [after, upTo] = [START, END];
    for (;;) {
      const rows = await connection.query(readSome, [after, upTo]);
      const places = rows.map((row) => text(row, "place"));
      const [first] = rows;
      if (!first) return;
      after = places.at(-1) ?? END;
      if (upTo === END) upTo = text(first, "size");
      await connection.query(addSome, [
        arrayText(places),
        arrayText(rows.map((row) => text(row, "key"))),
        arrayText(rows.map((row) => text(row, "position"))),
        arrayText(rows.map((row) => (isGone(row) ? null : number(row, "at")))),
        arrayText(rows.map(wordsOf)),
      ]);
    }
  };

  let adding: Promise<void> | undefined;
  return {
    catchUp() {
      adding ??= addAll().finally(() => {
        adding = undefined;
      });
      return adding;
    },
  };
}

/** Whether the session of an entry was removed. */
function isGone(row: Row): boolean {
  return textOrNull(row, "data") === null;
}

/** What can't be read is a candidate for every search of its namespace, which then says so, and no other one does. */
function wordsOf(row: Row): string | null {
  if (isGone(row)) return null;
  try {
    return indexWords(toEntry(row, ""));
  } catch (error) {
    if (HoldfastError.is(error, "STORE_CORRUPT")) return ANY_WORD;
    throw error;
  }
}

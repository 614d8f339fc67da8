/**
 * @module
 * The search index. An append does not pay for it, but marks its entries: the index catches up when somebody searches.
 *
 * Entries that are marked are looked up without a lock, so that only committed ones are found and nobody is waited for.
 * Then they are locked, a stretch at a time, which waits for whoever is adding them just now, or removing them; those
 * that are marked still are added, and lose their mark, in the same transaction. Always in the order of the log, so that
 * no two who do so wait for each other; and under READ COMMITTED, so that no append waits.
 */
import { HoldfastError } from "../../log/errors.ts";
import { inTurn } from "../in-turn.ts";
import type { SqlTables } from "../sql/names.ts";
import { backtickName } from "../sql/names.ts";
import type { Row } from "../sql/rows.ts";
import { rowReader } from "../sql/rows.ts";
import type { Connection } from "./connection.ts";
import { ENTRY_COLUMNS, toEntry } from "./entries.ts";
import { NAME } from "./errors.ts";
import { anyPair, rowInserter, stretches } from "./rows.ts";
import { ANY_WORD, indexWords } from "./search-words.ts";
import type { SqlValue } from "./values.ts";

const INDEXED = ["session_key", "seq", "at", "words"] as const;
/** How many marked entries are looked up at a time; what one transaction adds is limited by bytes, too. */
const MAX_LOOKED_UP = 500;

const { number } = rowReader(NAME);

export interface SearchIndex {
  /** Adds all that was committed up to now. */
  catchUp(): Promise<void>;
}

/** A place in the log, of an entry. */
interface Marked {
  readonly key: number;
  readonly seq: number;
  readonly bytes: number;
}

/** Before all entries. */
const START: Marked = { key: 0, seq: 0, bytes: 0 };

export function createSearchIndex(connection: Connection, tables: SqlTables): SearchIndex {
  const entries = backtickName(tables.entries);
  // The rows follow a place in the log. Not as a comparison of rows, for which no index is taken.
  const findMarked = `SELECT session_key, seq, OCTET_LENGTH(data) + COALESCE(OCTET_LENGTH(text), 0) AS bytes FROM ${entries} FORCE INDEX (by_unindexed) WHERE unindexed = 1 AND (session_key > ? OR (session_key = ? AND seq > ?)) ORDER BY session_key, seq LIMIT ${MAX_LOOKED_UP}`;
  const lock = `SELECT e.session_key, ${ENTRY_COLUMNS} FROM ${entries} AS e FORCE INDEX (PRIMARY) WHERE e.unindexed = 1 AND `;
  const unmark = `UPDATE ${entries} FORCE INDEX (PRIMARY) SET unindexed = 0 WHERE `;
  const insert = rowInserter(tables.search, INDEXED);
  // Searches of a process that wait for entries take up one connection.
  const next = inTurn();

  const markedAfter = async ({ key, seq }: Marked): Promise<Marked[]> => {
    const { rows } = await connection.query(findMarked, [key, key, seq]);
    return rows.map((row) => ({
      key: number(row, "session_key"),
      seq: number(row, "seq"),
      bytes: number(row, "bytes"),
    }));
  };

  const add = async (marked: readonly Marked[]): Promise<void> => {
    await connection.transaction(async (session) => {
      const found = anyPair("e.session_key", "e.seq", marked.map(placeOf));
      const locked = await session.query(
        `${lock}${found.sql} ORDER BY e.session_key, e.seq FOR UPDATE`,
        found.values,
      );
      if (locked.rows.length === 0) return;
      await insert(session, locked.rows.flatMap(indexRow));
      const added = anyPair(
        "session_key",
        "seq",
        locked.rows.map((row) => [number(row, "session_key"), number(row, "seq")]),
      );
      await session.query(unmark + added.sql, added.values);
    }, "read committed");
  };

  const addAll = async (): Promise<void> => {
    for (let last: Marked | undefined = START; last; ) {
      const marked = await markedAfter(last);
      for (const some of stretches(marked, ({ bytes }) => bytes)) await add(some);
      last = marked.length === MAX_LOOKED_UP ? marked.at(-1) : undefined;
    }
  };

  return {
    async catchUp() {
      const [first] = await markedAfter(START);
      if (first) await next(addAll);
    },
  };
}

function placeOf({ key, seq }: Marked): [number, number] {
  return [key, seq];
}

function indexRow(row: Row): SqlValue[][] {
  const words = wordsOf(row);
  if (words === null) return [];
  return [[number(row, "session_key"), number(row, "seq"), number(row, "at"), Buffer.from(words)]];
}

/** What can't be read is a candidate for every search of its namespace, which then says so, and no other one does. */
function wordsOf(row: Row): string | null {
  try {
    return indexWords(toEntry(row, ""));
  } catch (error) {
    if (HoldfastError.is(error, "STORE_CORRUPT")) return ANY_WORD;
    throw error;
  }
}

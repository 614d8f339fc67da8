/**
 * @module
 * The search index. An append does not pay for it: it catches up when somebody searches.
 *
 * An FTS5 table that holds words and positions of entries but no text, of words that are folded and separated already,
 * so that every script is searched as `foldText` says and no tokenizer plays a part. It is made by the first search.
 *
 * Taking an entry out needs just the words that went in. They are derived from the entry again, which is only sure to
 * give the same words in a runtime with the same Unicode tables; in another one the index is dropped and made anew.
 *
 * FTS5's own `secure-delete` is not used: taking one entry out rewrites a page for each of its words (0.8 ms an entry),
 * and the keys that separate pages keep beginnings of removed words. Merging the index after a removal leaves nothing
 * but what is live, at 15 ms a megabyte.
 *
 * @see https://www.sqlite.org/fts5.html
 */
import { HoldfastError } from "../../log/errors.ts";
import { foldText, searchText } from "../../log/text.ts";
import { aliased } from "../sql/columns.ts";
import type { Tables } from "../sql/tables.ts";
import type { Connection, Sql } from "./connection.ts";
import type { Row } from "./driver.ts";
import { integer, text } from "./driver.ts";
import type { Reading } from "./entries.ts";
import { entryColumns, toEntry } from "./entries.ts";
import { NAME } from "./errors.ts";
import { META } from "./schema.ts";

/** To be raised when {@link foldText} or {@link searchText} gives other words for the same entry; a test says when. */
const FOLD_VERSION = 1;
const FOLD = `${FOLD_VERSION}/${process.versions.unicode ?? ""}`;

/** What one transaction indexes at most, so that other writers get in between: entries, and bytes of their data. */
const CHUNK_ENTRIES = 1000;
const CHUNK_BYTES = 4 * 1024 * 1024;
/** Entries of a session that are in memory at a time while it is taken out. */
const READ_AT_ONCE = 100;
/** Pages that one transaction merges: some 50 ms. */
const MERGE_PAGES = 500;

export interface SearchIndex {
  /** Whether this SQLite has FTS5; without it there is no index, and searches read the logs. */
  readonly isAvailable: boolean;
  /** Indexes all that was committed up to now. */
  catchUp(connection: Connection): Promise<void>;
  /** Takes the entries of a session out, before they are removed; within the write transaction that is open. */
  takeOut(sql: Sql, sessionKey: number, sessionId: string): void;
  /** To be called once entries were removed, within the same transaction: their positions may be used again. */
  entriesRemoved(sql: Sql): void;
  /** Rewrites the index so that no word of what was taken out is left in it. */
  scrub(connection: Connection): Promise<void>;
}

export function createSearchIndex(tables: Tables, isAvailable: boolean, reading: Reading): SearchIndex {
  const { search: index, entries, sessions, meta, columns } = tables;
  const s = aliased("s", columns.sessions);
  const e = aliased("e", columns.entries);
  const insert = `INSERT INTO ${index} (rowid, words) VALUES (?, ?)`;
  const takeOutOne = `INSERT INTO ${index} (${index}, rowid, words) VALUES ('delete', ?, ?)`;
  const merge = `INSERT INTO ${index} (${index}, rank) VALUES ('merge', ?)`;
  const getMeta = `SELECT value FROM ${meta} WHERE key = ?`;
  const setMeta = `INSERT INTO ${meta} (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`;
  const newest = `SELECT coalesce(max(${e.position}), 0) AS position FROM ${entries} AS e`;
  // The end of the chunk past a position: as many entries as both limits allow, and at least one.
  const chunkEnd = `SELECT max(position) AS position FROM (SELECT position, sum(bytes) OVER (ORDER BY position) - bytes AS bytes_before FROM (SELECT ${e.position} AS position, octet_length(${e.data}) AS bytes FROM ${entries} AS e WHERE ${e.position} > ? ORDER BY ${e.position} LIMIT ${CHUNK_ENTRIES})) WHERE bytes_before < ${CHUNK_BYTES}`;
  const chunk = `SELECT ${e.position} AS position, ${entryColumns(reading, e)}, ${s.id} AS session_id FROM ${entries} AS e JOIN ${sessions} AS s ON ${s.key} = ${e.session_key} WHERE ${e.position} > ? AND ${e.position} <= ? ORDER BY ${e.position}`;
  const ofSession = `SELECT ${e.position} AS position, ${entryColumns(reading, e)} FROM ${entries} AS e WHERE ${e.session_key} = ? AND ${e.position} <= ? AND ${e.seq} > ? ORDER BY ${e.seq} LIMIT ${READ_AT_ONCE}`;

  const indexedUpTo = (sql: Sql): number | undefined => {
    const row = sql.get(getMeta, META.indexedUpTo);
    return row && integer(row, "value");
  };
  const isOurFold = (sql: Sql): boolean => sql.get(getMeta, META.fold)?.value === FOLD;
  const newestPosition = (sql: Sql): number => integer(sql.get(newest) ?? {}, "position");

  const drop = (sql: Sql): void => {
    sql.exec(`DROP TABLE ${index}`);
    sql.run(`DELETE FROM ${meta} WHERE key IN (?, ?, ?)`, META.indexedUpTo, META.fold, META.isScrubbing);
  };

  /** Indexes one chunk; whether there is more. */
  const indexChunk = (sql: Sql): boolean => {
    let from = indexedUpTo(sql);
    if (from !== undefined && !isOurFold(sql)) {
      drop(sql);
      from = undefined;
    }
    if (from === undefined) {
      sql.exec(
        `CREATE VIRTUAL TABLE ${index} USING fts5(words, content = '', detail = none, tokenize = 'ascii')`,
      );
      sql.run(setMeta, META.fold, FOLD);
      from = 0;
    }
    const end = sql.get(chunkEnd, from)?.position ?? null;
    const upTo = end === null ? from : Number(end);
    for (const row of sql.all(chunk, from, upTo)) {
      const words = wordsOf(row, text(row, "session_id"));
      if (words !== "") sql.run(insert, integer(row, "position"), words);
    }
    sql.run(setMeta, META.indexedUpTo, upTo);
    return upTo < newestPosition(sql);
  };

  function* rowsOf(sql: Sql, sessionKey: number, upTo: number): Generator<Row> {
    for (let seq = -1, count = READ_AT_ONCE; count === READ_AT_ONCE; ) {
      const rows = sql.all(ofSession, sessionKey, upTo, seq);
      count = rows.length;
      for (const row of rows) {
        yield row;
        seq = integer(row, "seq");
      }
    }
  }

  return {
    isAvailable,

    async catchUp(connection) {
      if (!isAvailable) return;
      const isBehind = await connection.run(
        (sql) => (indexedUpTo(sql) ?? -1) < newestPosition(sql) || !isOurFold(sql),
      );
      if (!isBehind) return;
      while (await connection.transaction(indexChunk)) await new Promise(setImmediate);
    },

    takeOut(sql, sessionKey, sessionId) {
      const upTo = indexedUpTo(sql);
      if (upTo === undefined) return;
      if (!isAvailable) throw noFullText(sessionId);
      if (!isOurFold(sql)) return drop(sql);
      let isTouched = false;
      try {
        for (const row of rowsOf(sql, sessionKey, upTo)) {
          const words = wordsOf(row, sessionId);
          if (words === "") continue;
          sql.run(takeOutOne, integer(row, "position"), words);
          isTouched = true;
        }
      } catch (error) {
        // What can't be read can't be taken out, and must be removable all the same.
        if (!HoldfastError.is(error) && !(error instanceof TypeError)) throw error;
        return drop(sql);
      }
      // Any number but that of another removal.
      if (isTouched) sql.run(setMeta, META.isScrubbing, Math.floor(Math.random() * Number.MAX_SAFE_INTEGER));
    },

    entriesRemoved(sql) {
      const upTo = indexedUpTo(sql);
      if (upTo !== undefined) sql.run(setMeta, META.indexedUpTo, Math.min(upTo, newestPosition(sql)));
    },

    async scrub(connection) {
      // What the merge under way was begun for: a removal that came later needs one of its own.
      let begunFor: unknown;
      const step = (sql: Sql): unknown => {
        const removal = sql.get(getMeta, META.isScrubbing)?.value;
        if (removal === undefined) return undefined;
        // A negative count makes one segment of all there are; what it leaves to do, positive ones go on with.
        const isBegun = removal === begunFor;
        const before = changes(sql);
        sql.run(merge, isBegun ? MERGE_PAGES : -MERGE_PAGES);
        // One change is the statement itself.
        if (!isBegun || changes(sql) - before >= 2) return removal;
        sql.run(`DELETE FROM ${meta} WHERE key = ?`, META.isScrubbing);
        return undefined;
      };
      for (;;) {
        begunFor = await connection.transaction(step);
        if (begunFor === undefined) return;
        await new Promise(setImmediate);
      }
    },
  };
}

function noFullText(sessionId: string): HoldfastError {
  return new HoldfastError(
    "UNSUPPORTED",
    `session ${JSON.stringify(sessionId)} is in a search index that another program made, and this SQLite lacks FTS5, so its words can't be removed; nothing was changed: use Node 22.16 or later, or better-sqlite3`,
    { sessionId, store: NAME },
  );
}

function wordsOf(row: Row, sessionId: string): string {
  const found = searchText(toEntry(row, sessionId));
  return found === undefined ? "" : foldText(found);
}

function changes(sql: Sql): number {
  return integer(sql.get("SELECT total_changes() AS count") ?? {}, "count");
}

/**
 * @module
 * Removal, without a trace: rows are overwritten with zeros (`secure_delete`), words leave the search index, and the
 * write-ahead log, which holds older images of pages, is emptied.
 *
 * Two limits. A reader in the middle of a transaction keeps the log from being emptied: then that is tried again at the
 * next removal and at `close`. And where SQLite had moved a row from one page to another long before, an old copy of it
 * may stay in the unused part of the first page until that part is written again: only `VACUUM` is sure to clear it,
 * and is left to the owner, since it rewrites the whole file.
 */
import { aliased } from "../sql/columns.ts";
import type { Tables } from "../sql/tables.ts";
import type { Connection, Sql } from "./connection.ts";
import { idOrNull, integer } from "./driver.ts";
import type { Reading } from "./entries.ts";
import type { SearchIndex } from "./search-index.ts";

export interface Remover {
  remove(namespace: string, id: string): Promise<boolean>;
  sweep(namespace: string, nowMs: number, limit: number): Promise<string[]>;
  /** Closes the connection, after a last attempt to empty a log that a reader kept from being emptied. */
  close(): Promise<void>;
}

export function createRemover(
  connection: Connection,
  tables: Tables,
  index: SearchIndex,
  reading: Reading,
): Remover {
  const { sessions, entries, columns } = tables;
  const s = aliased("s", columns.sessions);
  const findKey = `SELECT ${s.key} AS key FROM ${sessions} AS s WHERE ${s.namespace} = ? AND ${s.id} = ?`;
  const findExpired = `SELECT ${s.key} AS key, ${reading.sessionId(s.id)} AS id FROM ${sessions} AS s WHERE ${s.namespace} = ? AND ${s.expires_at} <= ? ORDER BY ${s.expires_at} LIMIT ?`;
  const deleteEntries = `DELETE FROM ${entries} WHERE ${columns.entries.session_key} = ?`;
  const deleteSession = `DELETE FROM ${sessions} AS s WHERE ${s.key} = ?`;
  let isLogToBeEmptied = false;

  const removeOne = (sql: Sql, key: number, id: string): void => {
    index.takeOut(sql, key, id);
    sql.run(deleteEntries, key);
    sql.run(deleteSession, key);
  };

  const leaveNoTrace = async (): Promise<void> => {
    isLogToBeEmptied = true;
    await index.scrub(connection);
    isLogToBeEmptied = !(await connection.truncateLog());
  };

  return {
    async remove(namespace, id) {
      const isFound = await connection.transaction((sql) => {
        const row = sql.get(findKey, namespace, id);
        if (!row) return false;
        removeOne(sql, integer(row, "key"), id);
        index.entriesRemoved(sql);
        return true;
      });
      if (isFound || isLogToBeEmptied) await leaveNoTrace();
      return isFound;
    },

    async sweep(namespace, nowMs, limit) {
      const ids = await connection.transaction((sql) => {
        const rows = sql.all(findExpired, namespace, nowMs, limit);
        const expired = rows.map((row) => ({ key: integer(row, "key"), id: idOrNull(row, "id") ?? "" }));
        for (const { key, id } of expired) removeOne(sql, key, id);
        if (expired.length > 0) index.entriesRemoved(sql);
        return expired.map(({ id }) => id);
      });
      if (ids.length > 0) await leaveNoTrace();
      return ids;
    },

    async close() {
      if (isLogToBeEmptied) await connection.truncateLog();
      isLogToBeEmptied = false;
      await connection.close();
    },
  };
}

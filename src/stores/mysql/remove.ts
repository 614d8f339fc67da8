/**
 * @module
 * Removal: the session is locked, and then all that is its own is deleted, in one transaction. Under READ COMMITTED, so
 * that no lock falls on the neighbours of what is deleted. Entries before the search index: who adds an entry to the
 * index holds that entry until it is there.
 */
import type { SqlTables } from "../sql/names.ts";
import { backtickName } from "../sql/names.ts";
import { rowReader } from "../sql/rows.ts";
import type { Session } from "./client.ts";
import type { Connection } from "./connection.ts";
import { UNDO } from "./connection.ts";
import { NAME } from "./errors.ts";
import { bytesOf, placeholders, wholeNumber } from "./values.ts";

const { number, text } = rowReader(NAME);

export interface Remover {
  remove(namespace: string, id: string): Promise<boolean>;
  sweep(namespace: string, nowMs: number, limit: number): Promise<string[]>;
}

export function createRemover(connection: Connection, tables: SqlTables): Remover {
  const sessions = backtickName(tables.sessions);
  const lockOne = `SELECT session_key, id FROM ${sessions} FORCE INDEX (by_id) WHERE namespace = ? AND id = ? FOR UPDATE`;
  // What another process sweeps, or writes to, is left to it.
  const lockExpired = `SELECT session_key, id FROM ${sessions} FORCE INDEX (by_expires) WHERE namespace = ? AND expires_at <= ? ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED`;

  const removeLocked = async (sql: string, values: (Buffer | number)[]): Promise<string[]> => {
    const removed = await connection.transaction(async (session: Session) => {
      const { rows } = await session.query(sql, values);
      if (rows.length === 0) return UNDO;
      const keys = rows.map((row) => number(row, "session_key"));
      for (const table of [tables.entries, tables.search, tables.sessions]) {
        await session.query(
          `DELETE FROM ${backtickName(table)} WHERE session_key IN ${placeholders(keys.length)}`,
          keys,
        );
      }
      return rows.map((row) => text(row, "id"));
    }, "read committed");
    return removed === UNDO ? [] : removed;
  };

  return {
    remove: async (namespace, id) =>
      (await removeLocked(lockOne, [Buffer.from(namespace), bytesOf(id)])).length > 0,
    sweep: (namespace, nowMs, limit) =>
      removeLocked(lockExpired, [Buffer.from(namespace), nowMs, Math.max(wholeNumber(limit), 0)]),
  };
}

/**
 * @module
 * The usual commit, by itself: five round trips, each a statement that the connection has prepared. The guards of an
 * UPDATE, or the unique index, decide whether it takes place.
 */
import type { SqlTables } from "../sql/names.ts";
import { backtickName } from "../sql/names.ts";
import type { Bound } from "./columns.ts";
import { ADDED, CHANGED, CREATED, INDEXED } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { UNDO } from "./connection.ts";
import { isDuplicateKey } from "./errors.ts";
import { insertRows } from "./rows.ts";
import type { SqlValue } from "./values.ts";

/** Whether the commit took place. Where it didn't, nothing was written, and why is left to the way of a batch. */
export type Advancer = (namespace: string, bound: Bound) => Promise<boolean>;

export function createAdvancer(connection: Connection, tables: SqlTables): Advancer {
  // LAST_INSERT_ID(x) has the answer to an UPDATE carry x, so that the key need not be asked for.
  const change = CHANGED.map((column) =>
    column === "seq" ? "seq = ? + 0 * LAST_INSERT_ID(session_key)" : `${column} = ?`,
  );
  const advance = `UPDATE ${backtickName(tables.sessions)} SET ${change.join(", ")} WHERE namespace = ? AND id = ? AND version = ? AND created_at = ?`;

  return async (namespace, bound) => {
    const { commit } = bound.encoded;
    const { expectedVersion, record } = commit;
    const place = [Buffer.from(namespace), bound.id];
    const outcome = await connection.transaction(async (session) => {
      try {
        let key: number;
        if (expectedVersion === 0) {
          const row: SqlValue[] = [...place, record.createdAt, ...bound.changed];
          key = await insertRows(session, tables.sessions, CREATED, [row]);
        } else {
          const values = [...bound.changed, ...place, expectedVersion, record.createdAt];
          const { affected, insertId } = await session.execute(advance, values);
          if (affected === 0) return UNDO;
          key = insertId;
        }
        // Some proxies leave it out of the answer.
        if (key === 0) return UNDO;
        const withKey = (row: readonly SqlValue[]): SqlValue[] => [key, ...row];
        await insertRows(session, tables.entries, ADDED, bound.added.map(withKey));
        await insertRows(session, tables.search, INDEXED, bound.indexed.map(withKey));
        return true;
      } catch (error) {
        // The session, or an entry of the same id, is there.
        if (isDuplicateKey(error)) return UNDO;
        throw error;
      }
    });
    return outcome !== UNDO;
  };
}

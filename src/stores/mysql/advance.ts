/**
 * @module
 * The usual commit, by itself: four round trips, two of them statements that the connection has prepared. The guards of
 * an UPDATE, or the unique index, decide whether it takes place.
 */
import type { SqlTables } from "../sql/names.ts";
import { backtickName } from "../sql/names.ts";
import type { Session } from "./client.ts";
import type { Bound } from "./columns.ts";
import { ADDED, ADVANCED, CHANGED, CREATED } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { UNDO } from "./connection.ts";
import { isDuplicateKey } from "./errors.ts";
import { createOwnWrites } from "./own-writes.ts";
import { rowInserter } from "./rows.ts";
import type { SqlValue } from "./values.ts";

/** Whether the commit took place. Where it didn't, nothing was written, and why is left to the way of a batch. */
export type Advancer = (namespace: string, bound: Bound) => Promise<boolean>;

export function createAdvancer(connection: Connection, tables: SqlTables): Advancer {
  const update = `UPDATE ${backtickName(tables.sessions)}`;
  const guard = "namespace = ? AND id = ? AND version = ? AND created_at = ?";
  // LAST_INSERT_ID(x) has the answer to an UPDATE carry x, so that the key need not be asked for.
  const change = CHANGED.map((column) =>
    column === "seq" ? "seq = ? + 0 * LAST_INSERT_ID(session_key)" : `${column} = ?`,
  );
  const changeAll = `${update} SET ${change.join(", ")} WHERE ${guard}`;
  const advance = `${update} FORCE INDEX (PRIMARY) SET ${ADVANCED.map((column) => `${column} = ?`).join(", ")} WHERE session_key = ? AND ${guard}`;
  const insertSessions = rowInserter(tables.sessions, CREATED);
  const insertEntries = rowInserter(tables.entries, ADDED);
  const own = createOwnWrites();

  /** The key of the session that it wrote; 0 where it did not. */
  const writeSession = async (
    session: Session,
    namespace: string,
    { encoded, id, changed, advanced }: Bound,
  ): Promise<number> => {
    const { expectedVersion, record } = encoded.commit;
    const place = [Buffer.from(namespace), id];
    if (expectedVersion === 0) return insertSessions(session, [[...place, record.createdAt, ...changed()]]);
    const guarded: SqlValue[] = [...place, expectedVersion, record.createdAt];
    const known = own.unchanged(namespace, expectedVersion, record);
    if (known !== undefined) {
      const { affected } = await session.execute(advance, [...advanced, known, ...guarded]);
      return affected === 0 ? 0 : known;
    }
    // Some proxies leave the key out of the answer.
    const { affected, insertId } = await session.execute(changeAll, [...changed(), ...guarded]);
    return affected === 0 ? 0 : insertId;
  };

  return async (namespace, bound) => {
    const outcome = await connection.transaction(async (session) => {
      try {
        const key = await writeSession(session, namespace, bound);
        if (key === 0) return UNDO;
        await insertEntries(
          session,
          bound.added.map((row) => [key, ...row]),
        );
        return key;
      } catch (error) {
        // The session, or an entry of the same id, is there.
        if (isDuplicateKey(error)) return UNDO;
        throw error;
      }
    });
    if (outcome === UNDO) return false;
    own.wrote(namespace, outcome, bound.encoded.commit.record);
    return true;
  };
}

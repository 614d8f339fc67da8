/**
 * @module
 * What a batch has to know of its sessions, each a statement for all of them.
 */
import type { CommitOutcome } from "../../store/store.ts";
import type { SqlTables } from "../sql/names.ts";
import { backtickName } from "../sql/names.ts";
import { rowReader } from "../sql/rows.ts";
import type { Session } from "./client.ts";
import { rowBytes } from "./columns.ts";
import { NAME } from "./errors.ts";
import { anyPair, stretches } from "./rows.ts";
import { placeholders } from "./values.ts";

const MAX_LOOKED_UP = 500;

const { number, text } = rowReader(NAME);

/** A session as its locked row says. */
export interface Locked {
  readonly key: number;
  readonly version: number;
  readonly createdAt: number;
}

type Duplicate = Extract<CommitOutcome, { readonly status: "duplicate" }>;

/** Each takes ids as bytes, and answers by id or by key; what is not there is left out. */
export interface Lookups {
  /** Locks sessions, in the order of their ids. */
  lock(session: Session, namespace: string, ids: readonly Buffer[]): Promise<Map<string, Locked>>;
  keys(session: Queries, namespace: string, ids: readonly Buffer[]): Promise<Map<string, number>>;
  /** Of pairs of a session's key and an entry's id: the first entry of each session that is there. */
  duplicates(session: Session, pairs: readonly [number, Buffer][]): Promise<Map<number, Duplicate>>;
  records(session: Session, keys: readonly number[]): Promise<Map<number, string>>;
}

type Queries = Pick<Session, "query">;

export function createLookups(tables: SqlTables): Lookups {
  const sessions = backtickName(tables.sessions);
  const entries = backtickName(tables.entries);
  // FORCE INDEX, because a scan of a small table would lock all of it.
  const lockRows = `SELECT session_key, id, version, created_at FROM ${sessions} FORCE INDEX (by_id) WHERE namespace = ? AND id IN `;
  const findKeys = `SELECT session_key, id FROM ${sessions} WHERE namespace = ? AND id IN `;
  const findRecords = `SELECT session_key, record FROM ${sessions} WHERE session_key IN `;
  const findIds = `SELECT session_key, id, seq FROM ${entries} FORCE INDEX (by_id) WHERE `;

  return {
    async lock(session, namespace, ids) {
      const locked = new Map<string, Locked>();
      for (const some of parts(ids)) {
        const { rows } = await session.query(
          `${lockRows}${placeholders(some.length)} ORDER BY id FOR UPDATE`,
          [Buffer.from(namespace), ...some],
        );
        for (const row of rows) {
          locked.set(text(row, "id"), {
            key: number(row, "session_key"),
            version: number(row, "version"),
            createdAt: number(row, "created_at"),
          });
        }
      }
      return locked;
    },

    async keys(session, namespace, ids) {
      const keys = new Map<string, number>();
      for (const some of parts(ids)) {
        const values = [Buffer.from(namespace), ...some];
        const { rows } = await session.query(findKeys + placeholders(some.length), values);
        for (const row of rows) keys.set(text(row, "id"), number(row, "session_key"));
      }
      return keys;
    },

    async duplicates(session, pairs) {
      const duplicates = new Map<number, Duplicate>();
      for (const some of stretches(pairs, rowBytes)) {
        const { sql, values } = anyPair("session_key", "id", some);
        const { rows } = await session.query(findIds + sql, values);
        for (const row of rows) {
          const key = number(row, "session_key");
          const seq = number(row, "seq");
          if (seq >= (duplicates.get(key)?.seq ?? Number.POSITIVE_INFINITY)) continue;
          duplicates.set(key, { status: "duplicate", entryId: text(row, "id"), seq });
        }
      }
      return duplicates;
    },

    async records(session, keys) {
      const records = new Map<number, string>();
      for (const some of parts(keys)) {
        const { rows } = await session.query(findRecords + placeholders(some.length), some);
        for (const row of rows) records.set(number(row, "session_key"), text(row, "record"));
      }
      return records;
    },
  };
}

function parts<T>(items: readonly T[]): T[][] {
  return stretches(items, () => 0, MAX_LOOKED_UP);
}

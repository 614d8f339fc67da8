/**
 * @module
 * Commits: each is checked against its session under the write lock and then written, or not touched at all. So a
 * commit that is refused leaves nothing to undo, and fails no other of its batch.
 */
import type { Commit, CommitOutcome, StoreCapabilities } from "../../store/store.ts";
import type { EncodedCommit, EncodedEntry } from "../sql/encode.ts";
import { encodeCommits as encodeForSql } from "../sql/encode.ts";
import type { SqlTables } from "../sql/names.ts";
import { quoteName } from "../sql/names.ts";
import type { Sql } from "./connection.ts";
import type { SqlValue } from "./driver.ts";
import { integer, storedId, text } from "./driver.ts";
import { NAME } from "./errors.ts";
import type { RecordCache } from "./record-cache.ts";

/** A commit as it will be bound, made before the write lock is taken. */
interface Encoded extends EncodedCommit {
  /** Of each entry all but the session's key, in the order of the columns. */
  readonly rows: readonly (readonly SqlValue[])[];
}

/**
 * Encodes `commits`, so that whatever can't be stored is refused before anything is written.
 *
 * @throws INVALID_ARGUMENT, ENTRY_TOO_LARGE
 */
export function encodeCommits(commits: readonly Commit[], capabilities: StoreCapabilities): Encoded[] {
  return encodeForSql(commits, NAME, capabilities).map((encoded) => ({
    ...encoded,
    rows: encoded.entries.map(rowOf),
  }));
}

function rowOf({ entry, id, text: words, data }: EncodedEntry): SqlValue[] {
  return [entry.seq, entry.type, entry.at, storedId(id), entry.commit ?? null, words, data];
}

export type Committer = (sql: Sql, namespace: string, encoded: Encoded) => CommitOutcome;

/** More than the sessions that a process writes to at a time. */
const MAX_KNOWN = 10_000;

/** A session as this process wrote it last. */
interface Known {
  readonly key: number;
  readonly version: number;
  readonly createdAt: number;
  readonly settled: readonly SqlValue[];
}

/** What applies one commit, within the write transaction that is open. */
export function createCommitter(tables: SqlTables, cache: RecordCache): Committer {
  const sessions = quoteName(tables.sessions);
  const entries = quoteName(tables.entries);
  // The columns that a commit seldom changes. Where they stay, the indexes that hold no version are not written.
  const isSettled =
    "label IS ? AND status = ? AND expires_at IS ? AND kind = ? AND user_id IS ? AND agent IS ? AND parent_id IS ?";
  const select = `SELECT key, version, created_at = ? AS is_same_life, (${isSettled}) AS is_settled FROM ${sessions} WHERE namespace = ? AND id = ?`;
  const written = "version = ?, seq = ?, updated_at = ?, record = ?";
  const advance = `UPDATE ${sessions} SET ${written} WHERE key = ? AND version = ?`;
  const change = `UPDATE ${sessions} SET ${written}, label = ?, status = ?, expires_at = ?, kind = ?, user_id = ?, agent = ?, parent_id = ? WHERE key = ?`;
  const create = `INSERT INTO ${sessions} (version, seq, updated_at, record, label, status, expires_at, kind, user_id, agent, parent_id, created_at, namespace, id) VALUES (${Array(14).fill("?").join(", ")})`;
  const append = `INSERT INTO ${entries} (session_key, seq, type, at, id, commit_id, text, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
  const findId = `SELECT seq FROM ${entries} WHERE session_key = ? AND id = ?`;
  const findRecord = `SELECT version, record FROM ${sessions} WHERE key = ?`;
  /** A guess, which the guards of {@link advance} verify: a key is never used again, and its version only grows. */
  const known = new Map<string, Known>();

  return (sql, namespace, { commit, record: encodedRecord, ids, rows }) => {
    const { sessionId, expectedVersion, record } = commit;
    const { version, seq, updatedAt, createdAt, label = null } = record;
    const { status, expiresAt = null, kind, userId = null, agent = null, parentId = null } = record;
    const changed = [version, seq, updatedAt, encodedRecord] as const;
    const settled = [label, status, expiresAt, kind, userId, agent, parentId] as const;
    const name = `${namespace}\0${sessionId}`;

    const isAdvanced = (key: number): boolean =>
      Number(sql.run(advance, ...changed, key, expectedVersion).changes) > 0;
    const write = (key: number): CommitOutcome => {
      for (const values of rows) sql.run(append, key, ...values);
      if (known.size >= MAX_KNOWN) known.clear();
      known.set(name, { key, version, createdAt, settled });
      return { status: "committed" };
    };
    const duplicateIn = (key: number): CommitOutcome | undefined => {
      for (const id of ids) {
        const found = sql.get(findId, key, storedId(id));
        if (found) return { status: "duplicate", entryId: id, seq: integer(found, "seq") };
      }
      return undefined;
    };

    const last = known.get(name);
    if (last && last.version === expectedVersion && last.createdAt === createdAt) {
      const isKept = settled.every((value, index) => value === last.settled[index]);
      const duplicate = isKept ? duplicateIn(last.key) : undefined;
      if (duplicate) return duplicate;
      if (isKept && isAdvanced(last.key)) return write(last.key);
    }

    const row = sql.get(select, createdAt, ...settled, namespace, sessionId);
    if (!row) {
      if (expectedVersion !== 0) return { status: "conflict" };
      return write(
        Number(sql.run(create, ...changed, ...settled, createdAt, namespace, sessionId).lastInsertRowid),
      );
    }
    const key = integer(row, "key");
    const duplicate = duplicateIn(key);
    if (duplicate) return duplicate;
    if (integer(row, "version") !== expectedVersion || integer(row, "is_same_life") !== 1) {
      const current = sql.get(findRecord, key);
      if (!current) return { status: "conflict" };
      const currentRecord = cache.decode(
        key,
        integer(current, "version"),
        text(current, "record"),
        sessionId,
      );
      return { status: "conflict", current: currentRecord };
    }
    if (integer(row, "is_settled") !== 1 || !isAdvanced(key)) sql.run(change, ...changed, ...settled, key);
    return write(key);
  };
}

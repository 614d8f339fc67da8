/**
 * @module
 * Commits: each is checked against its session under the write lock and then written, or not touched at all. So a
 * commit that is refused leaves nothing to undo, and fails no other of its batch.
 */
import type { Commit, CommitOutcome, StoreCapabilities } from "../../store/store.ts";
import { listed, selected } from "../sql/columns.ts";
import type { EncodedCommit, EncodedEntry } from "../sql/encode.ts";
import { encodeCommits as encodeForSql } from "../sql/encode.ts";
import type { Tables } from "../sql/tables.ts";
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

/**
 * What applies one commit, within the write transaction that is open.
 *
 * @param remembers whether a session is known from its last commit. Not where that may be undone afterwards, for then its
 *   key may be used again.
 */
export function createCommitter(tables: Tables, cache: RecordCache, remembers: boolean): Committer {
  const { sessions, entries } = tables;
  const { sessions: s, entries: e } = tables.columns;
  // The columns that a commit seldom changes. Where they stay, the indexes that hold no version are not written.
  const seldom = ["label", "status", "expires_at", "kind", "user_id", "agent", "parent_id"] as const;
  const settle = seldom.map((column) => `${s[column]} = ?`).join(", ");
  const isSettled = `${s.label} IS ? AND ${s.status} = ? AND ${s.expires_at} IS ? AND ${s.kind} = ? AND ${s.user_id} IS ? AND ${s.agent} IS ? AND ${s.parent_id} IS ?`;
  const select = `SELECT ${selected(s, "key", "version")}, ${s.created_at} = ? AS is_same_life, (${isSettled}) AS is_settled FROM ${sessions} WHERE ${s.namespace} = ? AND ${s.id} = ?`;
  const written = `${s.version} = ?, ${s.seq} = ?, ${s.updated_at} = ?, ${s.record} = ?`;
  const advance = `UPDATE ${sessions} SET ${written} WHERE ${s.key} = ? AND ${s.version} = ?`;
  const change = `UPDATE ${sessions} SET ${written}, ${settle} WHERE ${s.key} = ?`;
  const create = `INSERT INTO ${sessions} (${listed(s, "version", "seq", "updated_at", "record", ...seldom, "created_at", "namespace", "id")}) VALUES (${Array(14).fill("?").join(", ")})`;
  const append = `INSERT INTO ${entries} (${listed(e, "session_key", "seq", "type", "at", "id", "commit_id", "text", "data")}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
  const findId = `SELECT ${e.seq} AS seq FROM ${entries} WHERE ${e.session_key} = ? AND ${e.id} = ?`;
  const findRecord = `SELECT ${selected(s, "version", "record")} FROM ${sessions} WHERE ${s.key} = ?`;
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
      if (remembers) known.set(name, { key, version, createdAt, settled });
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

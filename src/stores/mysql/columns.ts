/**
 * @module
 * What a commit writes: the columns of a session that it may change, and those of an entry.
 */
import { invalidArgument } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import { searchText } from "../../log/text.ts";
import type { EncodedCommit } from "../sql/encode.ts";
import type { SqlValue } from "./values.ts";
import { bytesOf, comparedOrNull, MAX_ID_BYTES, metadataBytes } from "./values.ts";

export const CHANGED = [
  "version",
  "seq",
  "kind",
  "status",
  "user_id",
  "agent",
  "parent_id",
  "label",
  "updated_at",
  "expires_at",
  "metadata",
  "record",
] as const;

/** Of those, what every commit changes. */
export const ADVANCED = ["version", "seq", "updated_at", "record"] as const;

/** Of a session all but its key. */
export const CREATED = ["namespace", "id", "created_at", ...CHANGED] as const;
export const ADDED = [
  "session_key",
  "seq",
  "at",
  "type",
  "id",
  "commit_id",
  "unindexed",
  "text",
  "data",
] as const;

const MAX_TYPE_BYTES = 1024;

/** A commit as it will be bound, made before anything is sent; its rows wait for the key of their session. */
export interface Bound {
  readonly encoded: EncodedCommit;
  readonly id: Buffer;
  readonly record: Buffer;
  /** In the order of {@link CHANGED}. Made at the first call, since most commits need only {@link advanced}. */
  readonly changed: () => readonly SqlValue[];
  /** In the order of {@link ADVANCED}. */
  readonly advanced: readonly SqlValue[];
  /** In the order of {@link ADDED}, without the key. */
  readonly added: readonly (readonly SqlValue[])[];
  /** The callers' ids. */
  readonly ids: readonly Buffer[];
}

/** @throws INVALID_ARGUMENT for ids and types that are longer than their columns. */
export function bind(encoded: EncodedCommit): Bound {
  const { commit, ids } = encoded;
  const { version, seq, updatedAt } = commit.record;
  const record = Buffer.from(encoded.record);
  let changed: readonly SqlValue[] | undefined;
  const checked = (what: string, text: string, limit: number): Buffer =>
    limited(what, bytesOf(text), limit, commit.sessionId);
  return {
    encoded,
    id: checked("id of a session", commit.sessionId, MAX_ID_BYTES),
    record,
    changed() {
      changed ??= changedValues(commit.record, record);
      return changed;
    },
    advanced: [version, seq, updatedAt, record],
    added: encoded.entries.map(({ entry, id, text, data }) => [
      entry.seq,
      entry.at,
      checked("type of an entry", entry.type, MAX_TYPE_BYTES),
      id === undefined ? null : checked("id of an entry", id, MAX_ID_BYTES),
      entry.commit === undefined ? null : checked("id of a commit", entry.commit, MAX_ID_BYTES),
      searchText(entry) === undefined ? 0 : 1,
      text === null ? null : Buffer.from(text),
      Buffer.from(data),
    ]),
    ids: ids.map(bytesOf),
  };
}

function changedValues(values: SessionRecord, record: Buffer): SqlValue[] {
  const { version, seq, kind, status, userId, agent, parentId, label, updatedAt, expiresAt, metadata } =
    values;
  return [
    version,
    seq,
    bytesOf(kind),
    bytesOf(status),
    comparedOrNull(userId),
    comparedOrNull(agent),
    comparedOrNull(parentId),
    comparedOrNull(label),
    updatedAt,
    expiresAt ?? null,
    metadataBytes(metadata),
    record,
  ];
}

function limited(what: string, bytes: Buffer, limit: number, sessionId: string): Buffer {
  if (bytes.length <= limit) return bytes;
  throw invalidArgument(
    `the ${what} for session ${JSON.stringify(sessionId.slice(0, 100))} is ${bytes.length} bytes long; at most ${limit} are allowed`,
    sessionId,
  );
}

/** What a row takes in a prepared statement, and a little more. */
export function rowBytes(row: readonly SqlValue[]): number {
  return row.reduce<number>((sum, value) => sum + (Buffer.isBuffer(value) ? value.length : 8) + 12, 0);
}

/**
 * @module
 * What a commit writes: the columns of a session that it may change, and those of an entry.
 */
import { invalidArgument } from "../../log/errors.ts";
import type { EncodedCommit, EncodedEntry } from "../sql/encode.ts";
import { indexWords } from "./search-words.ts";
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

/** Of a session all but its key. */
export const CREATED = ["namespace", "id", "created_at", ...CHANGED] as const;
export const ADDED = ["session_key", "seq", "at", "type", "id", "commit_id", "text", "data"] as const;
export const INDEXED = ["session_key", "seq", "at", "words"] as const;

const MAX_TYPE_BYTES = 1024;

/** A commit as it will be bound, made before anything is sent; its rows wait for the key of their session. */
export interface Bound {
  readonly encoded: EncodedCommit;
  readonly id: Buffer;
  /** In the order of {@link CHANGED}. */
  readonly changed: readonly SqlValue[];
  /** In the order of {@link ADDED}, without the key. */
  readonly added: readonly (readonly SqlValue[])[];
  /** In the order of {@link INDEXED}, without the key. */
  readonly indexed: readonly (readonly SqlValue[])[];
  /** The callers' ids. */
  readonly ids: readonly Buffer[];
  readonly bytes: number;
}

/** @throws INVALID_ARGUMENT for ids and types that are longer than their columns. */
export function bind(encoded: EncodedCommit): Bound {
  const { commit, record, ids } = encoded;
  const { version, seq, kind, status, userId, agent, parentId, label, updatedAt, expiresAt, metadata } =
    commit.record;
  const changed = [
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
    Buffer.from(record),
  ];
  const checked = (what: string, text: string, limit: number): Buffer =>
    limited(what, bytesOf(text), limit, commit.sessionId);
  const added = encoded.entries.map(({ entry, id, text, data }) => [
    entry.seq,
    entry.at,
    checked("type of an entry", entry.type, MAX_TYPE_BYTES),
    id === undefined ? null : checked("id of an entry", id, MAX_ID_BYTES),
    entry.commit === undefined ? null : checked("id of a commit", entry.commit, MAX_ID_BYTES),
    text === null ? null : Buffer.from(text),
    Buffer.from(data),
  ]);
  const indexed = encoded.entries.flatMap(indexRow);
  return {
    encoded,
    id: checked("id of a session", commit.sessionId, MAX_ID_BYTES),
    changed,
    added,
    indexed,
    ids: ids.map(bytesOf),
    bytes: [changed, ...added, ...indexed].reduce((sum, row) => sum + rowBytes(row), 0),
  };
}

function indexRow({ entry }: EncodedEntry): SqlValue[][] {
  const words = indexWords(entry);
  return words === null ? [] : [[entry.seq, entry.at, Buffer.from(words)]];
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

/**
 * @module
 * What a commit writes: the columns of a session that it may change, and those of an entry, with their types.
 */
import { searchText } from "../../log/text.ts";
import type { EncodedCommit, EncodedEntry } from "../sql/encode.ts";
import { arrayText, metadataTokens, storedOrNull, storedText } from "./values.ts";

export const CHANGED = {
  version: "bigint",
  seq: "bigint",
  kind: "text",
  status: "text",
  user_id: "text",
  agent: "text",
  parent_id: "text",
  label: "text",
  updated_at: "double precision",
  expires_at: "double precision",
  metadata: "text[]",
  record: "text",
} as const;

export const ADDED = {
  seq: "bigint",
  at: "double precision",
  type: "text",
  id: "text",
  commit_id: "text",
  text: "text",
  data: "text",
} as const;

type Value = string | number | null;

export function changedOf({ commit, record }: EncodedCommit): Record<keyof typeof CHANGED, Value> {
  const { version, seq, kind, status, userId, agent, parentId, label, updatedAt, expiresAt, metadata } =
    commit.record;
  const tokens = metadataTokens(metadata);
  return {
    version,
    seq,
    kind,
    status,
    user_id: storedOrNull(userId),
    agent: storedOrNull(agent),
    parent_id: storedOrNull(parentId),
    label: storedOrNull(label),
    updated_at: updatedAt,
    expires_at: expiresAt ?? null,
    metadata: tokens.length === 0 ? null : arrayText(tokens),
    record,
  };
}

/** Also whether a search can find the entry. */
export function addedOf({
  entry,
  id,
  text,
  data,
}: EncodedEntry): Record<keyof typeof ADDED | "searched", Value> {
  return {
    seq: entry.seq,
    at: entry.at,
    type: storedText(entry.type),
    id: storedOrNull(id),
    commit_id: storedOrNull(entry.commit),
    text,
    data,
    searched: searchText(entry) === undefined ? "f" : "t",
  };
}

/** What follows a field of {@link rowsText} where its column takes an array: among rows it is a text. */
export function castOf(column: string): string {
  return column === "metadata" ? "::text[]" : "";
}

export function keysOf<T extends object>(columns: T): (keyof T & string)[];
export function keysOf(columns: object): string[] {
  return Object.keys(columns);
}

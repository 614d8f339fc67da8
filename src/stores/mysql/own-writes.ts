/**
 * @module
 * What this process itself wrote to sessions last, so that the next commit need not write again what stays as it is.
 *
 * A session's key is never used again and its version grows with each commit, so where the row still has the version
 * that was written here, it holds what was written here. Whoever uses this must see to that the version is compared.
 */
import type { SessionRecord } from "../../log/record.ts";

/** Fields of a record that columns are made of, but for those that every commit changes. */
const KEPT = [
  "createdAt",
  "status",
  "label",
  "userId",
  "agent",
  "parentId",
  "kind",
  "expiresAt",
  // The same object, as in a record that was made of the one before.
  "metadata",
] as const;

interface Written {
  readonly key: number;
  readonly version: number;
  /** Of {@link KEPT}. */
  readonly values: readonly unknown[];
}

export interface OwnWrites {
  /**
   * The key of the session, where it was last written to here, at `version`, and what was written is in `record` as it
   * was then, but for what every commit changes.
   */
  unchanged(namespace: string, version: number, record: SessionRecord): number | undefined;
  /** To be told once `record` was committed. */
  wrote(namespace: string, key: number, record: SessionRecord): void;
}

/** Of each of two generations: when the young one is full it becomes the old one, and that is forgotten. */
const MAX_SESSIONS = 2048;

export function createOwnWrites(): OwnWrites {
  let young = new Map<string, Written>();
  let old = new Map<string, Written>();

  return {
    unchanged(namespace, version, record) {
      const place = placeOf(namespace, record.id);
      const written = young.get(place) ?? old.get(place);
      if (written?.version !== version) return undefined;
      return KEPT.every((field, index) => record[field] === written.values[index]) ? written.key : undefined;
    },
    wrote(namespace, key, record) {
      if (young.size >= MAX_SESSIONS) {
        old = young;
        young = new Map();
      }
      const values = KEPT.map((field) => record[field]);
      young.set(placeOf(namespace, record.id), { key, version: record.version, values });
    },
  };
}

function placeOf(namespace: string, id: string): string {
  return `${namespace}\0${id}`;
}

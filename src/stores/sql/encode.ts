/**
 * @module
 * Commits as what will be bound, made before anything is locked or sent. For every SQL dialect.
 */
import type { Entry } from "../../log/entry.ts";
import { HoldfastError, invalidArgument, messageOf } from "../../log/errors.ts";
import { callerId, checkSize, decodeEntry, encodeData, encodeRecord } from "../../store/codec.ts";
import type { Commit, StoreCapabilities } from "../../store/store.ts";

export interface EncodedCommit {
  readonly commit: Commit;
  readonly record: string;
  /** The ids that callers gave. */
  readonly ids: readonly string[];
  readonly entries: readonly EncodedEntry[];
}

export interface EncodedEntry {
  readonly entry: Entry;
  /** Its caller's id. */
  readonly id: string | undefined;
  /** Its text for search as JSON, because a lone surrogate or NUL would not come back from a text column. */
  readonly text: string | null;
  readonly data: string;
}

/**
 * Encodes `commits`, so that whatever can't be stored is refused before anything is written.
 *
 * @throws INVALID_ARGUMENT, ENTRY_TOO_LARGE
 */
export function encodeCommits(
  commits: readonly Commit[],
  store: string,
  capabilities: StoreCapabilities,
): EncodedCommit[] {
  return commits.map((commit) => {
    const { sessionId, record } = commit;
    const ids = commit.entries.flatMap((entry) => callerId(entry) ?? []);
    if (ids.length > 1 && new Set(ids).size < ids.length) {
      throw invalidArgument(
        `a commit to session ${JSON.stringify(sessionId)} holds the same entry id twice; give each entry an id of its own`,
        sessionId,
      );
    }
    const entries = commit.entries.map((entry): EncodedEntry => {
      const data = encodeData(entry);
      checkSize(data, sessionId, store, capabilities);
      const text = entry.text === undefined ? null : JSON.stringify(entry.text);
      if (text !== null) checkSize(text, sessionId, store, capabilities);
      return { entry, id: callerId(entry), text, data };
    });
    return { commit, record: encodeRecord(record), ids, entries };
  });
}

/** The columns of an entry as they were read, `text` as {@link EncodedEntry} has it. */
export type StoredEntry = Parameters<typeof decodeEntry>[0];

/** The entry in `row`. Throws STORE_CORRUPT where it is none. */
export function entryOf(row: StoredEntry, sessionId: string, store: string): Entry {
  if (row.text === null || row.text === undefined) return decodeEntry(row, sessionId, store);
  let text: string;
  try {
    text = String(JSON.parse(row.text));
  } catch (error) {
    throw new HoldfastError(
      "STORE_CORRUPT",
      `the text of entry ${row.seq} of session ${JSON.stringify(sessionId)} can't be read: ${messageOf(error)}; nothing was changed, run "holdfast doctor"`,
      { sessionId, store, cause: error },
    );
  }
  return decodeEntry({ ...row, text }, sessionId, store);
}

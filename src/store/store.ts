/**
 * @module
 * The contract between the log and any engine: the whole of it. `docs/spec.md` states it in numbered clauses and the
 * conformance suite (`holdfast/conformance`) proves them.
 *
 * A store commits entries together with the record that they lead to, and reads them back. It never interprets an
 * entry and never retries.
 */
import type { Entry } from "../log/entry.ts";
import type { SessionKind, SessionRecord, SessionStatus } from "../log/record.ts";

export interface SessionStore {
  /** Short name for messages, for example `"sqlite"`. */
  readonly name: string;
  readonly capabilities: StoreCapabilities;
  /**
   * The namespace that this view is of, as its records name it: `""` for the root; names percent-encoded, nested ones
   * with `/` between. Default `""`.
   */
  readonly namespaceName?: string;
  /** The layers that the store has around its engine, outermost first. Default none. */
  readonly layers?: readonly string[];

  /**
   * Commits each of `commits`, in order, and answers with one outcome each. Atomic: each commit alone; one's conflict
   * fails no other. Once it resolves, what it says `committed` survives as `capabilities.durability` promises.
   *
   * @throws STORE_UNAVAILABLE where it can't be known whether a commit took place; the caller reads to find out.
   *   ENTRY_TOO_LARGE, before anything is written, where an entry exceeds `capabilities.maxEntryBytes`.
   */
  commit(commits: readonly Commit[]): Promise<CommitOutcome[]>;

  /** The newest record of each session, `undefined` where there is none. Throws where it can't be read. */
  find(ids: readonly string[]): Promise<(SessionRecord | undefined)[]>;

  /**
   * Entries of the session's own log with `after < seq <= upTo`, of `types` only where given: the `limit` lowest in
   * ascending order, or with `reverse` the `limit` highest in descending order. Fewer than `limit` means that there
   * are no more. An unknown session has none.
   */
  read(id: string, range: ReadRange): Promise<Entry[]>;

  /** Records that match, newest first, a page at a time. Throws INVALID_ARGUMENT for a cursor that is not of this query. */
  list(query: StoreQuery): Promise<Page<SessionRecord>>;

  /**
   * Removes record, entries and every index row, so that no trace is left in the engine. Whether there was anything.
   *
   * @param note is told what a layer removed besides, for example keys and blobs.
   */
  remove(id: string, note?: (removal: Removal) => void): Promise<boolean>;

  /** Brings the engine's schema up to date. Safe to repeat and to run from several processes at once. */
  migrate(): Promise<MigrationReport>;

  /** The same engine and connection with keys of its own: neither view can name the other's. `""` is the root. */
  namespace(name: string): SessionStore;

  /** Resolves where the engine answers, and rejects with STORE_UNAVAILABLE where it doesn't. */
  ping(): Promise<void>;

  /** Releases what the store itself opened; a client that was passed in stays open. Safe to repeat. */
  close(): Promise<void>;

  /** Messages whose text holds every word of `text`, newest first. Absent where `capabilities.search` is `"none"`. */
  search?(text: string, query: StoreQuery): Promise<Page<SearchHit>>;

  /**
   * The entries of the session's own log past `after`, then each as it is committed through any connection: in order,
   * once, until `signal` aborts. It ends by itself soon after the session is removed, and yields nothing of another one
   * under the same id. It may end at any other time too, for example when a connection was lost: whoever watches finds
   * the record, and where that is still there watches again from the last entry. Where the session isn't there it ends
   * at once. Ending the loop over it releases what it holds, as aborting does. Absent where watch is `"poll"`.
   *
   * @throws STORE_UNAVAILABLE, retryable where that helps, where the engine stays out of reach or the store is closed.
   */
  watch?(id: string, after: number, signal: AbortSignal): AsyncIterable<Entry>;

  /** What is wrong with what is stored, below sessions: files, pages, indexes. Reads all of it and writes nothing. */
  inspect?(): AsyncIterable<StoreFinding>;

  /**
   * Calls `listener` when a layer begins to bridge an outage of the engine, and when that is over. Answers with a function
   * that ends it. Absent where no layer does.
   */
  onHealth?(listener: (health: StoreHealth) => void): () => void;

  /** Removes up to `limit` sessions whose `expiresAt` is at or before `nowMs`; answers with their ids. */
  sweep?(nowMs: number, limit: number): Promise<string[]>;
}

/** One atomic step of one session. */
export interface Commit {
  readonly sessionId: string;
  /**
   * The version that the session must be at. 0: it must not exist. Otherwise its `createdAt` must equal the record's
   * too, so that a late write can't reach another session that was created under the same id.
   */
  readonly expectedVersion: number;
  /** At least one, numbered densely on from the session's `seq`. */
  readonly entries: readonly Entry[];
  /**
   * The record that `entries` lead to. Its `version` is the session's from then on: one more than before, or several
   * where a log that was made elsewhere is imported.
   */
  readonly record: SessionRecord;
}

/**
 * - `conflict`: the session is not at the expected version; `current` is the record that it is at, where it exists.
 * - `duplicate`: the entry `entryId` is in the session's log already, at `seq`; nothing was written. Where a commit is
 *   both, `duplicate` wins, so that a retry after a success is told so.
 */
export type CommitOutcome =
  | { readonly status: "committed" }
  | { readonly status: "conflict"; readonly current?: SessionRecord }
  | { readonly status: "duplicate"; readonly entryId: string; readonly seq: number };

export interface ReadRange {
  readonly after: number;
  readonly upTo?: number;
  readonly limit: number;
  readonly reverse?: boolean;
  readonly types?: readonly string[];
}

export interface StoreCapabilities {
  /** What an acknowledged commit survives: the end of the process, of the system, of a disk. */
  readonly durability: "process" | "os" | "disk" | "replicated";
  readonly search: "none" | "substring" | "fulltext";
  readonly watch: "poll" | "push";
  /** Whether a repeated entry id is recognised for ever, or within a window. */
  readonly idempotency: "full" | "window";
  readonly listConsistency: "strong" | "eventual";
  readonly maxEntryBytes: number;
  readonly nativeTtl: boolean;
  readonly writers: "one-process" | "many";
}

/** Which sessions to list. All conditions must hold. Deleted sessions are listed only by `status: "deleted"`. */
export interface SessionQuery {
  readonly userId?: string;
  readonly agent?: string;
  readonly status?: SessionStatus;
  readonly parentId?: string;
  readonly kind?: SessionKind;
  readonly label?: string;
  /** Each named key has just this value. */
  readonly metadata?: Readonly<Record<string, string | number | boolean | null>>;
  /** Epoch milliseconds, both exclusive. */
  readonly updatedBefore?: number;
  readonly updatedAfter?: number;
  /** Newest first by this time; equal times by id, descending. Default `"updated"`. */
  readonly order?: "updated" | "created";
  /** 1 to 1000. Default 50. */
  readonly limit?: number;
  readonly cursor?: string;
}

/** A query as a store gets it: checked, with its defaults filled in. See `query.ts`. */
export interface StoreQuery extends SessionQuery {
  readonly order: "updated" | "created";
  readonly limit: number;
  /** Leaves out what has expired by this time (epoch milliseconds). */
  readonly liveAt?: number;
  /** Only sessions whose `expiresAt` is at or before this time. */
  readonly expiredAt?: number;
}

export interface Page<T> {
  readonly items: T[];
  /** Where the next page begins; absent on the last one. */
  readonly cursor?: string;
}

export interface SearchHit {
  readonly sessionId: string;
  readonly seq: number;
  /** The id of the message that was found. */
  readonly messageId: string;
  readonly at: number;
  /** A stretch of the text around the first word found, at most 160 characters. */
  readonly snippet: string;
  readonly record: SessionRecord;
}

/** What went with a session, beside the record, entries and index rows of its engine. */
export interface Removal {
  readonly what: "blobs" | "journal" | "keys" | "replica" | "vault";
  readonly count: number;
  /** Where, for example the name of a store. */
  readonly place: string;
}

export interface StoreHealth {
  readonly state: "degraded" | "recovered";
  /** What the engine failed with, where it is degraded. */
  readonly cause?: unknown;
}

export interface StoreFinding {
  /** `damaged`: something is lost or can't be read. `leftover`: a crash left it; nothing that was acknowledged is missing. */
  readonly kind: "damaged" | "leftover";
  /** Where, for example a file. */
  readonly place: string;
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}

export interface MigrationReport {
  readonly store: string;
  /** Schema versions; 0 is an empty engine. */
  readonly from: number;
  readonly to: number;
  /** What was done, a line each; empty where there was nothing to do. */
  readonly steps: readonly string[];
}

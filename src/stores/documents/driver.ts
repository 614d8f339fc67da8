/**
 * @module
 * What the document store needs of an engine: documents that are created once, and nothing that spans two of them.
 *
 * Three kinds of document:
 *
 * - A **commit document**, `life/ordinal`, created once and never changed: the truth. The one that ends a life holds
 *   nothing (see `end.ts`).
 * - A **session document**, one a session, its id made of namespace and session id: which life the session is in, and
 *   the record as it was after commit document `ordinal`. Lists and filters look here. Apart from `life` it is a
 *   projection, which may lag behind the commit documents.
 * - A **marker**, one for each life that was ended, until nobody can still be writing to it.
 *
 * A life is from one creation to its removal; its name is random, so no two lives ever share a document.
 *
 * Every call rejects where the engine does not answer, and may reject though the change took place. What one resolves
 * with is durable as the store's capabilities say, and every read but `listSessions` and `searchCommits` sees it at once
 * (an engine with eventual lists may be late in those two).
 */
import type { SessionRecord } from "../../log/record.ts";
import type { Keyset } from "../../store/query.ts";
import type { StoreQuery } from "../../store/store.ts";

/** No attempt to commit lasts as long: what is then left of a life, or of a creation, is of a crash. */
export const ATTEMPT_MS = 3_600_000;

export interface DocumentDriver {
  /** What the text of one commit's entries and callers' ids may have, in bytes of UTF-8. */
  readonly maxCommitBytes: number;
  /** What the text of a record may have, in bytes of UTF-8. */
  readonly maxRecordBytes: number;

  /**
   * Creates session documents at ordinal 0. Each answers whether it was created; `false`: there is one with that key,
   * which stays as it is.
   */
  reserve(reservations: readonly Reservation[]): Promise<boolean[]>;
  /** The session documents, at once and as they are now. `record` may be left out where `withRecord` is false. */
  getSessions(keys: readonly string[], withRecord: boolean): Promise<(SessionDocument | undefined)[]>;
  /**
   * As `getSessions` with records, each together with the commit document past its projection, where the engine can get at
   * both in one request; else it may leave out `next`.
   */
  getSessionsWithNext?(keys: readonly string[]): Promise<SessionWithNext[]>;
  /**
   * Where the session document is of the same `life` and at a lower `ordinal`, puts the projection in its place; atomic,
   * each alone. Never creates one. Each answers whether it did; `false` may also mean that the driver can't tell. An engine
   * that keeps callers' ids in documents of their own writes those of `commits` first.
   */
  advance(projections: readonly Projection[]): Promise<boolean[]>;
  /**
   * Deletes the session document where it is of `life`. Whether it did; atomic. Once it resolves, no list gives the
   * document.
   */
  deleteSession(key: string, life: string): Promise<boolean>;

  /** Creates commit documents. Each answers whether it was created; `false`: there is one at that place, unchanged. */
  createCommits(commits: readonly CommitDocument[]): Promise<boolean[]>;
  getCommits(places: readonly CommitPlace[]): Promise<(StoredCommit | undefined)[]>;
  /** The commit documents of a life that hold an entry of the range, ascending, or descending with `reverse`. */
  readCommits(life: string, range: CommitRange): AsyncIterable<StoredCommit>;
  /**
   * For each, the first found of `ids` that a commit document of `life` up to the projection's ordinal holds; later ones
   * may be found too.
   */
  findIds(lookups: readonly IdLookup[]): Promise<(EntryPlace | undefined)[]>;
  /**
   * Deletes every commit document of a life, and what else the engine keeps for it. Where the life ends at `end`, that
   * stays, and each document that was created within {@link ATTEMPT_MS} becomes such an end in its place, so that nobody
   * takes that place who has not heard of it yet.
   */
  deleteLife(life: string, end?: number): Promise<void>;

  /** Creates the marker, or gives the one that is there its new time. */
  putMarker(marker: Marker): Promise<void>;
  /** Markers set before `beforeMs`, at most `limit`. */
  getMarkers(beforeMs: number, limit: number): Promise<Marker[]>;
  /** Deletes the marker where it is still of the same time. */
  dropMarker(marker: Marker): Promise<void>;

  /**
   * Session documents of the namespace that match `query`, newest first by its order and then by id descending, those
   * past `before`, at most `limit`; fewer mean that there are no more. May give some that do not match, and those at
   * ordinal 0. `query.limit` and `query.cursor` play no part. Where the index is late, so are the documents.
   */
  listSessions(
    space: string,
    query: StoreQuery,
    before: Keyset | undefined,
    limit: number,
  ): Promise<SessionDocument[]>;
  /** Session documents of the namespace whose `expiresAt` is at or before `nowMs`, of any status, at most `limit`. */
  listExpired(space: string, nowMs: number, limit: number): Promise<SessionDocument[]>;
  /** Session documents of the namespace still at ordinal 0 that were reserved before `beforeMs`, at most `limit`. */
  listReserved(space: string, beforeMs: number, limit: number): Promise<SessionDocument[]>;
  /**
   * Commit documents of the namespace that hold a text with a word that begins with each of `terms` (folded as
   * `foldText` folds), by `at`, newest first; where `atMost` is given, those with `since` at or before it. May give some
   * that do not match.
   */
  searchCommits(
    space: string,
    terms: readonly string[],
    atMost: number | undefined,
  ): AsyncIterable<StoredCommit>;
}

/** What is written before the first commit document of a session: its life, and by what lists will look for it. */
export interface Reservation {
  readonly key: string;
  /** The path of the namespace. */
  readonly space: string;
  readonly id: string;
  readonly life: string;
  readonly atMs: number;
  /** The record that is about to be. Only what lists filter and sort by is kept of it. */
  readonly record: SessionRecord;
}

/** What a session document is to say from commit document `ordinal` on. */
export interface Projection {
  readonly key: string;
  /** The path of the namespace. */
  readonly space: string;
  readonly life: string;
  readonly ordinal: number;
  /** The first seq of the session's own log. */
  readonly from: number;
  readonly record: SessionRecord;
  /** `record` as text. */
  readonly text: string;
  /** The commit documents past the projection as it was, oldest first. */
  readonly commits: readonly Pick<CommitDocument, "ordinal" | "ids">[];
}

/** A session document as it is read. */
export interface SessionDocument {
  readonly key: string;
  readonly id: string;
  readonly life: string;
  /** The newest commit document that the projection knows of; 0: none yet. */
  readonly ordinal: number;
  readonly version: number;
  readonly seq: number;
  readonly from: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** The text of the record; absent at ordinal 0. */
  readonly record?: string;
}

export interface SessionWithNext {
  readonly session: SessionDocument | undefined;
  /** The commit document past the projection; `"none"`: there is none. */
  readonly next?: StoredCommit | "none";
}

export interface CommitPlace {
  readonly life: string;
  /** 1 for the first commit of a life, then on by one. */
  readonly ordinal: number;
}

export interface CommitDocument extends CommitPlace {
  /** Of the session document. */
  readonly key: string;
  readonly space: string;
  /** Tells one attempt to create it from every other. */
  readonly attempt: string;
  /** The first and last seq of its entries. */
  readonly first: number;
  readonly last: number;
  /** The newest and the oldest time of its entries. */
  readonly at: number;
  readonly since: number;
  /** Callers' ids and where they are. */
  readonly ids: readonly EntryPlace[];
  /** The types of its entries, each once. */
  readonly types: readonly string[];
  /** The entries as text. See `entries.ts`. */
  readonly entries: string;
  /** What a search finds its entries by. */
  readonly texts: readonly string[];
}

export type StoredCommit = Omit<CommitDocument, "texts" | "types" | "space" | "since">;

export interface CommitRange {
  /** Entries with `after < seq <= upTo`. */
  readonly after: number;
  readonly upTo: number;
  readonly reverse: boolean;
  /** A commit that is there, and no older than others that are known of. */
  readonly newest?: { readonly ordinal: number; readonly seq: number } | undefined;
  /** Only documents that hold an entry of one of these types. */
  readonly types?: readonly string[];
  /** How many entries are wanted; no promise, so that no more is fetched than is of use. */
  readonly limit: number;
}

export interface IdLookup {
  readonly life: string;
  readonly ids: readonly string[];
}

export interface EntryPlace {
  readonly id: string;
  readonly seq: number;
}

export interface Marker {
  readonly life: string;
  readonly key: string;
  readonly atMs: number;
}

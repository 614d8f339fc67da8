/**
 * @module
 * Large values (images, files, long tool results) in a blob store, and references to them in the store below.
 */
import { invalidArgument } from "../log/errors.ts";
import type { SessionStore } from "../store/store.ts";
import { layerOver, required } from "./layer.ts";
import type { BlobStore } from "./offloaded/blob-store.ts";
import type { BlobCollection, CollectOptions } from "./offloaded/collect.ts";
import { createView } from "./offloaded/view.ts";

export type { BlobStore, MemoryBlobs } from "./offloaded/blob-store.ts";
export { memoryBlobs } from "./offloaded/blob-store.ts";
export type { BlobCollection, CollectOptions } from "./offloaded/collect.ts";
export type { FileBlobsOptions } from "./offloaded/file-blobs.ts";
export { fileBlobs } from "./offloaded/file-blobs.ts";
export type { S3BlobsOptions, S3ClientLike } from "./offloaded/s3-blobs.ts";
export { s3Blobs } from "./offloaded/s3-blobs.ts";

export interface OffloadedStoreOptions {
  /** Where large values go: {@link fileBlobs}, {@link s3Blobs}, {@link memoryBlobs}, or your own. */
  readonly blobs: BlobStore;
  /** Texts and `Uint8Array`s with more bytes than this are taken out. At least 64. Default 16,384. */
  readonly thresholdBytes?: number;
  /**
   * How much of the text of a message stays in the store too where it was taken out, so that search finds it by its
   * beginning. 0: not at all. Default 16,384.
   */
  readonly searchableBytes?: number;
  /**
   * How old something without an owner must be before {@link collectBlobs} takes it for what a crash left. Longer than any
   * commit takes, twice over; the same in all processes. At least 1000. Default one hour.
   */
  readonly graceMs?: number;
  /** How much is kept in memory of what was read last. 0: nothing. Default 16 MiB. */
  readonly cacheBytes?: number;
  /** The time in epoch milliseconds that `graceMs` goes by. Default `Date.now`. */
  readonly clock?: () => number;
}

const NEEDED = "offloadedStore needs blobs: fileBlobs(…), s3Blobs(…), memoryBlobs(), or your own";
const HOUR_MS = 3_600_000;

const COLLECT: unique symbol = Symbol("holdfast.collect");

/**
 * Takes large values out of entries and records, keeps each once in a blob store, and puts them back when they are read.
 * What comes back is what went in; rows stay small. A value that several messages, forks or sessions of one namespace have
 * is kept once; namespaces share nothing.
 *
 * A blob is kept before the commit that refers to it, so an acknowledged commit has its blobs. A crash in between leaves a
 * blob that nobody refers to, for {@link collectBlobs}. `remove` deletes the blobs that only this session had.
 *
 * Search looks through the first `searchableBytes` of a text that was taken out. Labels, ids and texts that are values of
 * metadata always stay in the store, for lists look for them. What is written to the store survives no more than the
 * weaker of store and blob store does; an entry may have up to 64 MiB, where the store below takes less.
 *
 * @throws INVALID_ARGUMENT for options that are none, and around layers that it must not go around. From its methods:
 *   STORE_UNAVAILABLE where the blob store can't be reached; STORE_CORRUPT, naming blob, session and entry, where a blob is
 *   missing or was changed.
 * @example
 * ```ts
 * import { createSessions } from "holdfast";
 * import { fileBlobs, offloadedStore } from "holdfast/offloaded";
 * import { sqliteStore } from "holdfast/sqlite";
 *
 * const store = offloadedStore(sqliteStore({ path: "sessions.db" }), { blobs: fileBlobs({ folder: "blobs" }) });
 * const sessions = createSessions({ store });
 * ```
 */
export function offloadedStore(store: SessionStore, options: OffloadedStoreOptions): SessionStore {
  const { blobs, thresholdBytes = 16_384, searchableBytes = 16_384 } = required(options, NEEDED);
  const { graceMs = HOUR_MS, cacheBytes = 16 * 1024 * 1024, clock = Date.now } = options;
  for (const method of ["put", "get", "delete"] as const) {
    if (typeof blobs?.[method] !== "function") throw invalidArgument(NEEDED);
  }
  checkNumber("thresholdBytes", thresholdBytes, 64);
  checkNumber("searchableBytes", searchableBytes, 0);
  checkNumber("graceMs", graceMs, 1000);
  checkNumber("cacheBytes", cacheBytes, 0);
  let isBridging = false;
  store.onHealth?.(({ state }) => {
    isBridging = state === "degraded";
  });
  const isWhole = (): boolean => !isBridging;
  const settings = { blobs, thresholdBytes, searchableBytes, graceMs, cacheBytes, clock, isWhole };
  return layerOver("offloaded", store, (inner) => {
    const { methods, collect } = createView(inner, settings);
    return { ...methods, [COLLECT]: collect };
  });
}

/**
 * Deletes the blobs of one namespace that nobody refers to: what a crash left, what commits that never took place had, and
 * what expired without `remove`. Safe at any time, beside writers and other collections, in any number of processes, and
 * after a crash of its own. It reads each reference once, a page at a time; run it now and then, for example once a day.
 *
 * @param store what {@link offloadedStore} made, or a namespace of it; not a layer around it.
 * @throws INVALID_ARGUMENT where it is another store. STORE_UNAVAILABLE: what was not done is done by the next one.
 * @example
 * ```ts
 * const { blobs, bytes } = await collectBlobs(store);
 * await collectBlobs(store.namespace("acme"), { dryRun: true });
 * ```
 */
export async function collectBlobs(
  store: SessionStore,
  options: CollectOptions = {},
): Promise<BlobCollection> {
  const { limit } = options;
  if (limit !== undefined) checkNumber("limit", limit, 1);
  if (!isOffloaded(store)) {
    throw invalidArgument(
      "collectBlobs needs the store that offloadedStore made, or a namespace of it; a layer around it will not do",
    );
  }
  return store[COLLECT](options);
}

interface Collecting {
  [COLLECT](options: CollectOptions): Promise<BlobCollection>;
}

function isOffloaded(store: SessionStore): store is SessionStore & Collecting {
  return COLLECT in store && typeof store[COLLECT] === "function";
}

function checkNumber(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw invalidArgument(`${name} must be a whole number of at least ${least}`);
}

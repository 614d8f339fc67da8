/**
 * @module
 * The reader's side: fetches what is referred to, checks it, and puts it back in its place.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { BlobStore } from "./blob-store.ts";
import { inParallel } from "./in-parallel.ts";
import type { CopyName } from "./ledger.ts";
import { nameOfCopy } from "./ledger.ts";
import type { BlobReference } from "./references.ts";
import { hashOf, valueFrom } from "./references.ts";

const FETCHES_AT_ONCE = 8;

/** A reference, and where it was found. */
export interface Place {
  readonly reference: BlobReference;
  readonly sessionId: string;
  /** Of the entry; `undefined` in the record. */
  readonly seq: number | undefined;
}

const missingErrors = new WeakSet<object>();

/** Whether `error` says that a blob is not where it should be. That is no damage where its session is gone too. */
export function isMissing(error: unknown): boolean {
  return typeof error === "object" && error !== null && missingErrors.has(error);
}

export interface Fetcher {
  /** The values that are referred to, each fetched once. */
  fetch(places: readonly Place[]): Promise<(reference: BlobReference) => unknown>;
}

export function createFetcher(options: {
  readonly blobs: BlobStore;
  readonly keyOf: (name: CopyName) => string;
  readonly cacheBytes: number;
  readonly store: string;
}): Fetcher {
  const { blobs, keyOf, cacheBytes, store } = options;
  /** Contents by name, the one that was used last at the end. */
  const cached = new Map<CopyName, Uint8Array>();
  let held = 0;

  const keep = (name: CopyName, content: Uint8Array): void => {
    if (content.byteLength > cacheBytes / 4 || cached.has(name)) return;
    cached.set(name, content);
    held += content.byteLength;
    for (const [oldest, { byteLength }] of cached) {
      if (held <= cacheBytes) return;
      cached.delete(oldest);
      held -= byteLength;
    }
  };
  const recall = (name: CopyName): Uint8Array | undefined => {
    const content = cached.get(name);
    if (content) {
      cached.delete(name);
      cached.set(name, content);
    }
    return content;
  };

  async function contentOf(name: CopyName, place: Place): Promise<Uint8Array> {
    const known = recall(name);
    if (known) return known;
    const content = await blobs.get(keyOf(name));
    if (content === undefined) throw missing(place, name, blobs.name, store);
    if (content.byteLength !== place.reference.bytes || hashOf(content) !== place.reference.hash)
      throw changed(place, name, blobs.name, store);
    keep(name, content);
    return content;
  }

  return {
    async fetch(places) {
      const wanted = new Map(places.map((place) => [nameOfCopy(place.reference), place]));
      const contents = await inParallel(FETCHES_AT_ONCE, [...wanted], async ([name, place]) => {
        const content = await contentOf(name, place);
        return [name, content] as const;
      });
      const found = new Map(contents);
      return (reference) => {
        const content = found.get(nameOfCopy(reference));
        return content && valueFrom(reference, content);
      };
    },
  };
}

function where({ sessionId, seq }: Place): string {
  return `${seq === undefined ? "the record" : `entry ${seq}`} of session ${JSON.stringify(sessionId)}`;
}

function missing(place: Place, name: CopyName, blobs: string, store: string): HoldfastError {
  const error = new HoldfastError(
    "STORE_CORRUPT",
    `the blob ${name} (${place.reference.bytes} bytes), which ${where(place)} refers to, is not in the ${blobs} blob store; bring it back from a backup of the blobs, or check that the store was given the blobs that belong to it`,
    { sessionId: place.sessionId, store },
  );
  missingErrors.add(error);
  return error;
}

function changed(place: Place, name: CopyName, blobs: string, store: string): HoldfastError {
  return new HoldfastError(
    "STORE_CORRUPT",
    `the blob ${name}, which ${where(place)} refers to, was changed in the ${blobs} blob store: it is not the ${place.reference.bytes} bytes that its hash is of; bring it back from a backup of the blobs`,
    { sessionId: place.sessionId, store },
  );
}

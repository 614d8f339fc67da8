/**
 * @module
 * Where large values go: bytes under a name, and no more than that.
 */
import type { StoreCapabilities } from "../../store/store.ts";

/**
 * Keeps bytes under keys. A key is written once, as a rule, and never with other bytes; it consists of `a-z`, `0-9`, `-`,
 * `.` and `/`, and is at most 200 characters long.
 *
 * Every method rejects where the place can't be reached; what it rejects with must not hold a secret.
 *
 * @example
 * ```ts
 * const kept = new Map<string, Uint8Array>();
 * const blobs: BlobStore = {
 *   name: "map",
 *   durability: "process",
 *   put: async (key, bytes) => void kept.set(key, bytes.slice()),
 *   get: async (key) => kept.get(key)?.slice(),
 *   delete: async (key) => void kept.delete(key),
 * };
 * ```
 */
export interface BlobStore {
  /** Short name for messages, for example `"file"`. */
  readonly name: string;
  /** What a blob survives once `put` has resolved. */
  readonly durability: StoreCapabilities["durability"];
  /** Atomic: the whole blob is there afterwards, or nothing. Once it resolves, `durability` holds. Safe to repeat. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** The bytes, which are the caller's own from then on; `undefined` where there is no such blob. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** No error where there is no such blob. */
  delete(key: string): Promise<void>;
  /** Removes what writes that were cut off before this time (epoch milliseconds) left behind. Default: nothing is. */
  tidy?(beforeMs: number): Promise<void>;
  /** Releases what the blob store itself opened. Safe to repeat; a later call opens it again. */
  close?(): Promise<void>;
}

/** A {@link BlobStore} in memory, and how much it holds. */
export interface MemoryBlobs extends BlobStore {
  readonly count: number;
  readonly bytes: number;
  keys(): string[];
}

/**
 * Blobs in memory: for tests, and beside a memory store. They are gone when the process ends, so what the store over them
 * promises to survive is no more than that.
 *
 * @example
 * ```ts
 * const store = offloadedStore(memoryStore(), { blobs: memoryBlobs() });
 * ```
 */
export function memoryBlobs(): MemoryBlobs {
  const kept = new Map<string, Uint8Array>();
  return {
    name: "memory",
    durability: "process",
    async put(key, bytes) {
      kept.set(key, bytes.slice());
    },
    get: async (key) => kept.get(key)?.slice(),
    async delete(key) {
      kept.delete(key);
    },
    get count() {
      return kept.size;
    },
    get bytes() {
      return [...kept.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    },
    keys: () => [...kept.keys()],
  };
}

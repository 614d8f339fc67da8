/** @module A blob store whose every failure is an error of ours. */
import { HoldfastError, messageOf } from "../../log/errors.ts";
import type { BlobStore } from "./blob-store.ts";

/** @param store the name of the store that it belongs to. */
export function guarded(blobs: BlobStore, store: string): BlobStore {
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      if (HoldfastError.is(cause)) throw cause;
      throw new HoldfastError(
        "STORE_UNAVAILABLE",
        `the ${blobs.name} blob store could not ${what}: ${messageOf(cause)}; try again`,
        { store, cause },
      );
    }
  };
  return {
    name: blobs.name,
    durability: blobs.durability,
    put: (key, bytes) => attempt("write a blob", () => blobs.put(key, bytes)),
    get: (key) => attempt("read a blob", () => blobs.get(key)),
    delete: (key) => attempt("delete a blob", () => blobs.delete(key)),
    tidy: (beforeMs) => attempt("tidy up", async () => blobs.tidy?.(beforeMs)),
    close: async () => blobs.close?.(),
  };
}

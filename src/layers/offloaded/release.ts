/**
 * @module
 * Deletes copies that nobody holds any more. Why none that somebody refers to: see `ledger.ts`. Any number may work on the
 * same copy at once, and each may crash anywhere: what is left is found again by its reference.
 */
import type { SessionRecord } from "../../log/record.ts";
import type { BlobStore } from "./blob-store.ts";
import { inParallel } from "./in-parallel.ts";
import type { CopyName, Holding, Ledger } from "./ledger.ts";
import { copyOf, holdingOf, nameOfCopy } from "./ledger.ts";

/** What was deleted. */
export interface Released {
  readonly blobs: number;
  readonly bytes: number;
}

const COPIES_AT_ONCE = 8;

export interface Releaser {
  /** Takes references away, and deletes the copies that nobody else holds. */
  release(references: readonly SessionRecord[]): Promise<Released>;
  /** Deletes a copy, where nobody holds it. */
  releaseCopy(one: Pick<Holding, "hash" | "copy">): Promise<"deleted" | "held" | "later">;
}

/**
 * @param settleMs how long it may take until a reference that was written is listed: so long a copy is left `abandoned`,
 *   for a later collection to go on with. 0 where lists are always up to date.
 * @param isWhole whether lists show what other nodes wrote; while they don't, nothing is deleted.
 */
export function createReleaser(options: {
  readonly ledger: Ledger;
  readonly blobs: BlobStore;
  readonly keyOf: (name: CopyName) => string;
  readonly clock: () => number;
  readonly settleMs: number;
  readonly isWhole: () => boolean;
}): Releaser {
  const { ledger, blobs, keyOf, clock, settleMs, isWhole } = options;

  async function releaseCopy(one: Pick<Holding, "hash" | "copy">): Promise<"deleted" | "held" | "later"> {
    const name = nameOfCopy(one);
    for (;;) {
      const [pointer] = await ledger.pointers([one.hash]);
      const own = pointer && copyOf(pointer) === one.copy ? pointer : undefined;
      if (own?.status === "deleted") {
        await blobs.delete(keyOf(name));
        await ledger.remove([own]);
        return "deleted";
      }
      if (own?.status === "active") {
        if (await ledger.isHeld(name)) return "held";
        if (!isWhole()) return "later";
        await ledger.set([own], "abandoned");
        if (settleMs > 0) return "later";
        continue;
      }
      if (own && settleMs > 0 && own.updatedAt > clock() - settleMs) return "later";
      // From here on nobody can begin to share it.
      if (await ledger.isHeld(name)) {
        if (own) await ledger.set([own], "active");
        return "held";
      }
      // Asked after the list, which may be the call that met the outage.
      if (!isWhole()) return "later";
      if (own) {
        await ledger.set([own], "deleted");
        continue;
      }
      await blobs.delete(keyOf(name));
      return "deleted";
    }
  }

  return {
    releaseCopy,

    async release(references) {
      const open = references.filter(({ status }) => status !== "deleted");
      const taken = await ledger.set(open, "deleted");
      const [nowMs, over] = [clock(), new Set(open.filter((_, index) => taken[index]))];
      const copies = new Map<CopyName, SessionRecord[]>();
      for (const reference of references) {
        if (reference.status !== "deleted" && !over.has(reference)) continue;
        const name = nameOfCopy(holdingOf(reference));
        copies.set(name, [...(copies.get(name) ?? []), reference]);
      }
      const released = await inParallel(COPIES_AT_ONCE, [...copies.values()], async (gone) => {
        const [first] = gone;
        if (!first) return { blobs: 0, bytes: 0 };
        const holding = holdingOf(first);
        // A reference of another session that was written just now may not be listed yet.
        const isFresh =
          settleMs > 0 &&
          gone.some(({ updatedAt, status }) => status !== "deleted" || updatedAt > nowMs - settleMs);
        const result = isFresh ? "later" : await releaseCopy(holding);
        if (result !== "later") await ledger.remove(gone);
        return result === "deleted" ? { blobs: 1, bytes: holding.bytes } : { blobs: 0, bytes: 0 };
      });
      return {
        blobs: released.reduce((sum, { blobs: count }) => sum + count, 0),
        bytes: released.reduce((sum, { bytes }) => sum + bytes, 0),
      };
    },
  };
}

/**
 * @module
 * The writer's side: before a commit names a blob, its bytes are kept and a reference says who holds them. Why nobody
 * deletes them in between: see `ledger.ts`.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { BlobStore } from "./blob-store.ts";
import { inParallel } from "./in-parallel.ts";
import type { CopyName, Holding, Ledger } from "./ledger.ts";
import { copyOf, nameOfCopy, newCopy } from "./ledger.ts";

/** What a commit wants to name. */
export interface Want {
  readonly sessionId: string;
  readonly life: number;
  readonly hash: string;
  readonly bytes: number;
  readonly content: Uint8Array;
  /** Whether an entry names it. What only the record names is named for as long as the record is not changed. */
  readonly isInLog: boolean;
  fill(copy: string): void;
}

/** Some 200 bytes each. */
const MAX_KNOWN = 20_000;
/** Contents that are being kept at the same time. */
const PUTS_AT_ONCE = 8;

/** Which copy each of some wants got. */
export interface Acquired {
  readonly copies: ReadonlyMap<Want, string>;
  /** When the first of their references was written that isn't confirmed; `undefined` where all are. */
  readonly sinceMs: number | undefined;
}

export interface Acquirer {
  /** Fills in the copy of each of `wants`, with its bytes kept and held. */
  acquire(wants: readonly Want[]): Promise<Acquired>;
  /** A commit that named them is in the log: they are held for as long as the session is there. */
  confirm(copies: Iterable<readonly [Want, string]>): void;
}

interface Known {
  readonly copy: string;
  /** When the reference was written; `undefined` once it is confirmed. */
  readonly sinceMs: number | undefined;
  /** Whether no outage was bridged then. */
  readonly isWhole: boolean;
}

export function createAcquirer(options: {
  readonly ledger: Ledger;
  readonly blobs: BlobStore;
  readonly keyOf: (name: CopyName) => string;
  readonly clock: () => number;
  readonly graceMs: number;
  /** Whether the store below knows all there is: not while it bridges an outage. */
  readonly isWhole: () => boolean;
}): Acquirer {
  const { ledger, blobs, keyOf, clock, graceMs, isWhole } = options;
  const known = new Map<string, Known>();
  /** Contents that are on their way, so that two who want the same one keep it once. */
  const underWay = new Map<string, Promise<unknown>>();

  const keyOfWant = ({ sessionId, life, hash }: Want): string => `${hash}${life} ${sessionId}`;
  const remember = (want: Want, one: Known): void => {
    const key = keyOfWant(want);
    known.delete(key);
    known.set(key, one);
    if (known.size <= MAX_KNOWN) return;
    const [oldest] = known.keys();
    if (oldest !== undefined) known.delete(oldest);
  };
  const recall = (want: Want): Known | undefined => {
    const one = known.get(keyOfWant(want));
    // What the session had before may go with it, on another node.
    if (one?.isWhole && !isWhole()) return undefined;
    const isOver = one?.sinceMs !== undefined && clock() - one.sinceMs > graceMs / 4;
    return isOver ? undefined : one;
  };

  /**
   * While an outage is bridged nobody else sees our references, and what there is may not be known: then nothing is shared,
   * and each has copies of its own.
   */
  async function pointersOf(hashes: readonly string[]): Promise<(SessionRecord | undefined)[] | undefined> {
    if (!isWhole()) return undefined;
    try {
      return await ledger.pointers(hashes);
    } catch (error) {
      if (HoldfastError.is(error, "STORE_UNAVAILABLE")) return undefined;
      throw error;
    }
  }

  /** Writes references for what may be shared, and keeps what is new. Answers with what could not be shared after all. */
  async function round(
    wants: readonly Want[],
    mayShare: boolean,
    got: Map<string, Known>,
  ): Promise<readonly Want[]> {
    const hashes = [...new Set(wants.map(({ hash }) => hash))];
    const pointers = await pointersOf(hashes);
    const shared = new Map<string, string>();
    const fresh = new Map<
      string,
      { readonly copy: string; readonly want: Want; readonly isPointed: boolean }
    >();
    hashes.forEach((hash, index) => {
      const pointer = pointers?.[index];
      const want = wants.find((one) => one.hash === hash);
      if (pointer?.status === "active" && mayShare) shared.set(hash, copyOf(pointer));
      else if (want)
        fresh.set(hash, {
          copy: newCopy(),
          want,
          isPointed: pointers !== undefined && pointer === undefined,
        });
    });
    const sinceMs = clock();
    const holdings = new Map<Want, Holding>();
    for (const want of wants) {
      const copy = shared.get(want.hash) ?? fresh.get(want.hash)?.copy ?? "";
      const { sessionId, life, hash, bytes } = want;
      holdings.set(want, { sessionId, life, hash, bytes, copy });
    }
    await ledger.hold([...holdings.values()]);
    await inParallel(PUTS_AT_ONCE, [...fresh.values()], ({ copy, want }) =>
      blobs.put(keyOf(nameOfCopy({ hash: want.hash, copy })), want.content),
    );
    const pointed = [...fresh.values()].filter(({ isPointed }) => isPointed);
    await ledger.point(pointed.map(({ copy, want }) => ({ hash: want.hash, bytes: want.bytes, copy })));
    const sharedHashes = [...shared.keys()];
    const after = await ledger.pointers(sharedHashes);
    const lost = new Set<string>();
    sharedHashes.forEach((hash, index) => {
      const pointer = after[index];
      if (!isWhole() || pointer?.status !== "active" || copyOf(pointer) !== shared.get(hash)) lost.add(hash);
    });
    for (const [want, { copy }] of holdings)
      if (!lost.has(want.hash)) got.set(keyOfWant(want), { copy, sinceMs, isWhole: isWhole() });
    return wants.filter(({ hash }) => lost.has(hash));
  }

  async function make(wants: readonly Want[], got: Map<string, Known>): Promise<void> {
    const left = await round(wants, true, got);
    // Somebody is deleting what could have been shared: then each content is kept once more.
    if (left.length > 0) await round(left, false, got);
    for (const want of wants) {
      const one = got.get(keyOfWant(want));
      if (one) remember(want, one);
    }
  }

  async function acquireAll(wants: readonly Want[]): Promise<ReadonlyMap<string, Known>> {
    const got = new Map<string, Known>();
    for (;;) {
      const missing = new Map<string, Want>();
      for (const want of wants) {
        const key = keyOfWant(want);
        const one = got.get(key) ?? recall(want);
        if (one) got.set(key, one);
        else missing.set(key, want);
      }
      if (missing.size === 0) return got;
      const open = [...missing.values()];
      const others = open.flatMap(({ hash }) => underWay.get(hash) ?? []);
      if (others.length > 0) {
        await Promise.allSettled(others);
        continue;
      }
      const making = make(open, got);
      for (const { hash } of open) underWay.set(hash, making);
      try {
        await making;
      } finally {
        for (const { hash } of open) underWay.delete(hash);
      }
    }
  }

  return {
    async acquire(wants) {
      const got = await acquireAll(wants);
      const copies = new Map<Want, string>();
      let sinceMs: number | undefined;
      for (const want of wants) {
        const one = got.get(keyOfWant(want));
        if (!one) continue;
        want.fill(one.copy);
        copies.set(want, one.copy);
        if (one.sinceMs !== undefined) sinceMs = Math.min(sinceMs ?? one.sinceMs, one.sinceMs);
      }
      return { copies, sinceMs };
    },

    confirm(copies) {
      // What is in a journal may become a fork, or be written anew.
      if (!isWhole()) return;
      // Another copy may be known by now, whose reference is another one.
      for (const [want, copy] of copies)
        if (want.isInLog && known.get(keyOfWant(want))?.copy === copy)
          remember(want, { copy, sinceMs: undefined, isWhole: true });
    },
  };
}

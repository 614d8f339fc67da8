/** A store with blobs on storage that several processes share, and a time that goes by when it is told to. */
import { expect } from "vitest";
import { memoryStore } from "../../src/index.ts";
import type { MemoryBlobs } from "../../src/layers/offloaded.ts";
import { memoryBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { Gate } from "./offloaded-support.ts";
import { copiesIn, gatedBlobs, gatedStore, ledgerOf, referredTo } from "./offloaded-support.ts";

export const GRACE_MS = 60_000;
export const text = (letter: string, length = 1000): string => letter.repeat(length);

export interface Place {
  readonly raw: SessionStore;
  readonly blobs: MemoryBlobs;
  readonly store: SessionStore;
  /** Another process on the same storage. */
  other(gate?: Gate): SessionStore;
  /** Lets time go by. */
  wait(ms: number): void;
}

export function place(raw: SessionStore = memoryStore()): Place {
  const blobs = memoryBlobs();
  let later = 0;
  const clock = (): number => Date.now() + later;
  const other = (gate?: Gate): SessionStore =>
    offloadedStore(gate ? gatedStore(raw, gate) : raw, {
      blobs: gate ? gatedBlobs(blobs, gate) : blobs,
      thresholdBytes: 64,
      graceMs: GRACE_MS,
      clock,
    });
  return {
    raw,
    blobs,
    store: other(),
    other,
    wait(ms) {
      later += ms;
    },
  };
}

/** Just what is referred to is kept, and the ledger knows of nothing else. */
export async function isExact({ raw, blobs }: Place): Promise<void> {
  const copies = await referredTo(raw);
  expect(copiesIn(blobs.keys())).toEqual(copies);
  const { pointers, references } = await ledgerOf(raw);
  expect([...new Set(references.map(({ parentId }) => parentId))].sort()).toEqual(copies);
  expect(references.filter(({ status }) => status === "deleted")).toEqual([]);
  for (const { id, status, metadata } of pointers) {
    expect(status).toBe("active");
    expect(copies).toContain(`${id}.${metadata.copy}`);
  }
}

/** What tests of blobs look at: what is stored below the layer, and a store that dies, waits or fails when it is told to. */
import { internal } from "../../src/layers/layer.ts";
import type { BlobStore, OffloadedStoreOptions } from "../../src/layers/offloaded.ts";
import { memoryBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import type { SessionStore, StoreQuery } from "../../src/store/store.ts";

export const text = (letter: string, length = 100): string => letter.repeat(length);
export const bytes = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 7) % 256);

/** `raw`, with all that is longer than 64 bytes in blobs in memory. */
export function over(raw: SessionStore, more: Partial<OffloadedStoreOptions> = {}) {
  const blobs = memoryBlobs();
  return { raw, blobs, store: offloadedStore(raw, { blobs, thresholdBytes: 64, ...more }) };
}

/** Called before and after each operation; what it throws is what the operation fails with. */
export interface Gate {
  before(what: string): Promise<void> | void;
  after(what: string): Promise<void> | void;
}

async function through<T>(gate: Gate, what: string, work: () => Promise<T>): Promise<T> {
  await gate.before(what);
  const result = await work();
  await gate.after(what);
  return result;
}

/** `store` with `gate` around each operation, in every namespace of it. */
export function gatedStore(store: SessionStore, gate: Gate): SessionStore {
  const place = (store.namespaceName ?? "").includes("holdfast!") ? "ledger" : "log";
  const { sweep } = store;
  return {
    ...store,
    commit: (commits) => through(gate, `${place} commit`, () => store.commit(commits)),
    find: (ids) => through(gate, `${place} find`, () => store.find(ids)),
    read: (id, range) => through(gate, `${place} read`, () => store.read(id, range)),
    list: (query) => through(gate, `${place} list`, () => store.list(query)),
    remove: (id, note) => through(gate, `${place} remove`, () => store.remove(id, note)),
    ...(sweep && {
      sweep: (nowMs, limit) => through(gate, `${place} sweep`, () => sweep.call(store, nowMs, limit)),
    }),
    namespace: (name) => gatedStore(store.namespace(name), gate),
  };
}

export function gatedBlobs(blobs: BlobStore, gate: Gate): BlobStore {
  return {
    ...blobs,
    put: (key, bytes) => through(gate, "blob put", () => blobs.put(key, bytes)),
    get: (key) => through(gate, "blob get", () => blobs.get(key)),
    delete: (key) => through(gate, "blob delete", () => blobs.delete(key)),
  };
}

/** A process that ends at its `step`th operation, before it takes place or after; all that it does later fails too. */
export function deathAt(
  step: number,
  when: "before" | "after",
): Gate & { readonly isDead: boolean; readonly last: string } {
  let left = step;
  let isDead = false;
  let last = "";
  const die = (): void => {
    if (isDead) throw new HoldfastError("STORE_UNAVAILABLE", "the process is dead");
  };
  return {
    get isDead() {
      return isDead;
    },
    get last() {
      return last;
    },
    before(what) {
      die();
      left -= 1;
      if (left > 0) return;
      last = what;
      isDead = when === "before";
      die();
    },
    after() {
      if (left <= 0) isDead = true;
      die();
    },
  };
}

async function recordsIn(store: SessionStore, query: Partial<StoreQuery> = {}): Promise<SessionRecord[]> {
  const records: SessionRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({
      order: "created",
      limit: 500,
      ...query,
      ...(cursor !== undefined && { cursor }),
    });
    records.push(...page.items);
    ({ cursor } = page);
  } while (cursor !== undefined);
  return records;
}

/** The copies that the entries and records of a store without the layer refer to. */
export async function referredTo(raw: SessionStore): Promise<string[]> {
  const found = new Set<string>();
  for (const status of [undefined, "deleted"] as const) {
    for (const record of await recordsIn(raw, status ? { status } : {})) {
      const entries = await raw.read(record.id, { after: 0, limit: 1_000_000 });
      for (const [, hash, copy] of JSON.stringify([record, entries]).matchAll(
        /\{"\$holdfast\.blob":\["(?:text|utf16|bytes)","([0-9a-f]{64})","([0-9a-f]{16})"/g,
      ))
        found.add(`${hash}.${copy}`);
    }
  }
  return [...found].sort();
}

/** What the layer knows of blobs: pointers and references, finished ones too. */
export async function ledgerOf(
  raw: SessionStore,
): Promise<{ pointers: SessionRecord[]; references: SessionRecord[] }> {
  const own = internal(raw, "blobs");
  const all = [...(await recordsIn(own)), ...(await recordsIn(own, { status: "deleted" }))];
  return {
    pointers: all.filter(({ kind }) => kind === "session"),
    references: all.filter(({ kind }) => kind === "child"),
  };
}

/** The copies that are kept under `keys`. */
export function copiesIn(keys: readonly string[]): string[] {
  return keys.map((key) => key.split("/").at(-1) ?? "").sort();
}

/**
 * @module
 * Rotation: every data key is wrapped anew under the newest master key. Entries and records stay as they are.
 *
 * A wrapping is never changed: another one is stored, and once that is there, those that had been found before it are
 * removed. So a key has a wrapping at every moment, whoever stops or rotates at the same time: the wrapping that was stored
 * last can only be removed by somebody who stored one after it.
 */
import { timingSafeEqual } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { HoldfastError, invalidArgument } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { Commit, SessionStore } from "../../store/store.ts";
import { LEFT_OVER_AFTER_MS } from "./data-keys.ts";
import type { Wrapping } from "./key-places.ts";
import {
  contextOf,
  keyPlaceOf,
  newPlace,
  removeWrappings,
  wrappingCommit,
  wrappingOf,
} from "./key-places.ts";
import type { Keyring } from "./keyring.ts";
import { asked, INDEX_KEY } from "./keyring.ts";
import { recordKeyId } from "./shadow.ts";

export interface KeyPlaceOptions {
  /** As it was given to `encryptedStore`. */
  readonly keys?: SessionStore;
  /** Stops before the next page of keys, by throwing its reason. */
  readonly signal?: AbortSignal;
}

export interface RotationOptions extends KeyPlaceOptions {
  /** Its newest master key is rotated to; it must hold the older ones too. */
  readonly keyring: Keyring;
  /**
   * Wraps keys anew that are under the newest master key already, for a service that changes the key behind an id.
   * Default false.
   */
  readonly all?: boolean;
  /** Calls of the keyring at a time. Default 16. */
  readonly concurrency?: number;
  readonly onProgress?: (report: RotationReport) => void;
}

export interface RotationReport {
  /** Keys that are under the newest master key now and weren't before. */
  readonly rewrapped: number;
  /** Keys that were under it already. */
  readonly current: number;
  /** Keys under an older one that are of no session: one is just being created or removed, or a crash left them. */
  readonly left: number;
  /** Keys that could not be wrapped anew, which are as they were. */
  readonly failed: readonly { readonly sessionId: string; readonly error: unknown }[];
}

/** Keys that are looked at together. */
const PAGE = 500;
/** Keys that are created under an old master key meanwhile are found by another pass. */
const PASSES = 3;

/**
 * Wraps all data keys of `store`'s namespace under the newest master key: live, beside readers and writers in any process.
 * Safe to stop at any moment, to repeat, and to run several times at once. It is over when `left` is 0 and `failed` empty;
 * until then the older master keys are needed.
 *
 * Atomic: each key. Other namespaces are rotated by a call for each.
 *
 * @param store the store that `encryptedStore` is put around, or the same namespace of it.
 * @throws INVALID_ARGUMENT where `store` is the encrypted one. What the store throws; repeat it then.
 * @example
 * ```ts
 * const keyring = memoryKeyring({ id: "2026-12", key: newKey }, { id: "2026-11", key: oldKey });
 * await rotateKeys(store, { keyring }); // { rewrapped: 1200, current: 0, left: 0, failed: [] }
 * ```
 */
export async function rotateKeys(store: SessionStore, options: RotationOptions): Promise<RotationReport> {
  const { keyring, all = false, concurrency = 16, onProgress, signal } = options;
  const place = placeOf(store, options);
  const namespace = store.namespaceName ?? "";
  const newest = await asked(() => keyring.current());
  const startedAt = Date.now();
  const current = new Set<string>();
  const rewrapped = new Set<string>();
  let failed: { sessionId: string; error: unknown }[] = [];
  let left = 0;

  const report = (): RotationReport => ({
    rewrapped: rewrapped.size,
    current: [...current].filter((keyId) => !rewrapped.has(keyId)).length,
    left,
    failed,
  });

  const isOld = ({ wrapped, createdAt }: Wrapping): boolean =>
    wrapped.masterKeyId !== newest || (all && createdAt < startedAt);

  async function rewrap({ keyId, sessionId, wrapped }: Wrapping): Promise<Commit> {
    const context = contextOf(namespace, sessionId, keyId);
    const dataKey = await asked(() => keyring.unwrap(wrapped, context), sessionId);
    const again = await asked(() => keyring.wrap(dataKey, context), sessionId);
    const proof = await asked(() => keyring.unwrap(again, context), sessionId);
    const isSame = proof.length === dataKey.length && timingSafeEqual(proof, dataKey);
    dataKey.fill(0);
    proof.fill(0);
    if (!isSame) {
      throw new HoldfastError(
        "DECRYPTION_FAILED",
        `the keyring unwraps another key than it wrapped for session ${JSON.stringify(sessionId)}; its key stays as it was, mend the keyring`,
        { sessionId },
      );
    }
    return wrappingCommit(place, {
      place: newPlace(keyId),
      keyId,
      sessionId,
      wrapped: again,
      createdAt: Date.now(),
    });
  }

  async function rotatePage(wrappings: readonly Wrapping[]): Promise<number> {
    for (const one of wrappings) if (!isOld(one)) current.add(one.keyId);
    const byKey = Map.groupBy(wrappings, ({ keyId }) => keyId);
    const old = [...byKey.values()].flatMap((of) => of.find(isOld) ?? []);
    if (old.length === 0) return 0;
    const isNeeded = await inUse(store, old);
    const [needed, others] = [old.filter(isNeeded), old.filter((one) => !isNeeded(one))];
    left += others.length;

    const commits: Commit[] = [];
    const wrappedAnew: Wrapping[] = [];
    await inChunks(needed, concurrency, async (one) => {
      try {
        commits.push(await rewrap(one));
        wrappedAnew.push(one);
      } catch (error) {
        failed.push({ sessionId: one.sessionId, error });
      }
    });
    if (commits.length === 0) return 0;
    const outcomes = await place.commit(commits);
    // Whoever removes a session meanwhile may have looked for its keys before ours was there.
    const isStillNeeded = await inUse(store, wrappedAnew);
    const gone: SessionRecord[] = [];
    wrappedAnew.forEach((one, at) => {
      const stored = commits[at];
      if (!stored || outcomes[at]?.status !== "committed") return;
      if (isStillNeeded(one)) {
        rewrapped.add(one.keyId);
        for (const { record } of byKey.get(one.keyId) ?? []) if (record) gone.push(record);
      } else {
        left += 1;
        gone.push(stored.record);
      }
    });
    await removeWrappings(place, gone);
    return commits.length;
  }

  for (let pass = 0; pass < PASSES; pass += 1) {
    let moved = 0;
    left = 0;
    failed = [];
    for await (const page of pagesOf(place, signal)) {
      moved += await rotatePage(page);
      onProgress?.(report());
    }
    if (moved === 0) break;
  }
  return report();
}

export interface LeftOverOptions extends KeyPlaceOptions {
  /**
   * How long a key without a session is taken to be that of a session which is being created, in milliseconds. Default a
   * day.
   */
  readonly olderThanMs?: number;
}

/**
 * Destroys data keys of sessions that are not there: those that a crash left, and those of sessions that the engine let
 * expire by itself. Answers with how many there were. Safe to repeat.
 *
 * @param store the store that `encryptedStore` is put around, or the same namespace of it. With another store, all keys
 *   would be of sessions that are not there.
 * @throws INVALID_ARGUMENT where `store` is the encrypted one.
 */
export async function destroyLeftOverKeys(
  store: SessionStore,
  options: LeftOverOptions = {},
): Promise<number> {
  const { olderThanMs = LEFT_OVER_AFTER_MS, signal } = options;
  const place = placeOf(store, options);
  const destroyed = new Set<string>();
  for await (const page of pagesOf(place, signal)) {
    const isNeeded = await inUse(store, page);
    const before = Date.now() - olderThanMs;
    const over = page.filter((one) => one.createdAt <= before && !isNeeded(one));
    await removeWrappings(
      place,
      over.flatMap(({ record }) => record ?? []),
    );
    for (const { keyId } of over) destroyed.add(keyId);
  }
  return destroyed.size;
}

function placeOf(store: SessionStore, { keys }: KeyPlaceOptions): SessionStore {
  if (store.layers?.includes("encrypted")) {
    throw invalidArgument("pass the store that encryptedStore was put around, not the encrypted one");
  }
  return keyPlaceOf(store, keys);
}

/** Which of these keys is of a session that is there, or is the index key. */
async function inUse(
  store: SessionStore,
  wrappings: readonly Wrapping[],
): Promise<(one: Wrapping) => boolean> {
  const ids = [
    ...new Set(wrappings.flatMap(({ keyId, sessionId }) => (keyId === INDEX_KEY ? [] : sessionId))),
  ];
  const records = new Map<string, SessionRecord | undefined>();
  for (const [at, record] of (await store.find(ids)).entries()) records.set(ids[at] ?? "", record);
  return ({ keyId, sessionId }) => {
    if (keyId === INDEX_KEY) return true;
    const record = records.get(sessionId);
    return record !== undefined && recordKeyId(record) === keyId;
  };
}

async function* pagesOf(place: SessionStore, signal: AbortSignal | undefined): AsyncGenerator<Wrapping[]> {
  let cursor: string | undefined;
  do {
    signal?.throwIfAborted();
    const page = await place.list({ order: "created", limit: PAGE, ...(cursor !== undefined && { cursor }) });
    yield page.items.map((record) => wrappingOf(record, place.name));
    // An engine in this process may answer without waiting, and then nobody else would get a turn.
    await nextTurn();
    cursor = page.cursor;
  } while (cursor !== undefined);
}

async function inChunks<T>(
  items: readonly T[],
  size: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  for (let from = 0; from < items.length; from += size) {
    await Promise.all(items.slice(from, from + size).map(work));
    await nextTurn();
  }
}

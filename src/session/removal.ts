/**
 * @module
 * How sessions go: marked first, then removed. What others inherit is kept for them; what is gone stays gone; what is
 * under a legal hold stays.
 */

import { HoldfastError, invalidArgument } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { isExpired, isHeld } from "../log/record.ts";
import type { Removal } from "../store/store.ts";
import type { Runtime, Scope } from "./runtime.ts";
import { findLive, isOf } from "./runtime.ts";
import { sleep } from "./sleep.ts";
import { walk } from "./walk.ts";

/** How long it may take from marking a session as deleted to removing it. */
export const REMOVAL_MS = 60_000;
const REMOVAL_POLLS = 40;
const REMOVAL_POLL_MS = 25;

/**
 * The forks or children of a session, those that are only kept for their own forks included. An import can name any
 * session as its parent; only one of the same user is its child.
 */
export async function relativesOf(
  runtime: Runtime,
  { id, userId }: Pick<SessionRecord, "id" | "userId">,
  kind: "fork" | "child",
): Promise<SessionRecord[]> {
  const found: SessionRecord[] = [];
  for (const status of [undefined, "deleted"] as const) {
    const query = { parentId: id, kind, order: "created", ...(status && { status }) } as const;
    for await (const record of walk(runtime, query)) found.push(record);
  }
  return kind === "fork" ? found : found.filter((child) => child.userId === userId);
}

/** The forks of a session. */
const forksOf = (runtime: Runtime, id: string): Promise<SessionRecord[]> =>
  relativesOf(runtime, { id }, "fork");

/** Whether other sessions than `forkId` are forks of a session. */
export async function isKeptFor(runtime: Runtime, parentId: string, forkId: string): Promise<boolean> {
  return (await forksOf(runtime, parentId)).some(({ id }) => id !== forkId);
}

/** Deletes a session that is visible to `scope`; see `Sessions.delete`. */
export async function deleteSession(
  runtime: Runtime,
  id: string,
  heirs: "keep" | "cascade",
  scope: Scope,
): Promise<boolean> {
  requireHeirs(heirs);
  const record = await findLive(runtime, id, scope);
  if (record === undefined) return false;
  const doomed = heirs === "cascade" ? await ownForksBelow(runtime, record, scope) : [record];
  requireNoneHeld(runtime, id, doomed, scope);
  return removeTree(runtime, record, heirs, scope);
}

/** @throws INVALID_ARGUMENT */
export function requireHeirs(heirs: unknown): void {
  if (heirs !== "keep" && heirs !== "cascade") throw invalidArgument('heirs must be "keep" or "cascade"');
}

/** The session and all forks below it that `heirs: "cascade"` takes along. */
async function ownForksBelow(
  runtime: Runtime,
  record: SessionRecord,
  scope: Scope,
): Promise<SessionRecord[]> {
  const found = [record];
  for (const fork of await forksOf(runtime, record.id)) {
    if (isOf(scope, fork)) found.push(...(await ownForksBelow(runtime, fork, scope)));
  }
  return found;
}

/**
 * So that nothing is done by halves. What is placed under a hold after this look is kept too: then the call fails in the
 * middle, and what went before stays gone.
 *
 * @throws SESSION_HELD
 */
export function requireNoneHeld(
  runtime: Runtime,
  id: string,
  records: readonly SessionRecord[],
  scope: Scope,
): void {
  const nowMs = runtime.clock();
  const held = records.filter((record) => isHeld(record, nowMs));
  if (held.length === 0) return;
  // Whose it is need not be told to everybody.
  const named = held.find((record) => isOf(scope, record));
  const what =
    named?.id === id
      ? "it"
      : named
        ? `${JSON.stringify(named.id)}, which goes or loses with it,`
        : "what inherits from it";
  throw new HoldfastError(
    "SESSION_HELD",
    `session ${JSON.stringify(id)} can't go: ${what} is under a legal hold; nothing was removed`,
    { sessionId: id, store: runtime.store.name },
  );
}

/** Another user's forks are not ours to delete: they are kept, and what they inherit with them. */
async function removeTree(
  runtime: Runtime,
  record: SessionRecord,
  heirs: "keep" | "cascade",
  scope: Scope,
): Promise<boolean> {
  for (const fork of heirs === "cascade" ? await forksOf(runtime, record.id) : []) {
    if (isOf(scope, fork)) await removeTree(runtime, fork, heirs, scope);
  }
  const isMarked = await markDeleted(runtime, record);
  if (isMarked) await collect(runtime, record.id);
  return isMarked;
}

/**
 * From here on every write to the session fails, whoever makes it. Whether it was this call that deleted it.
 *
 * @throws SESSION_HELD. VERSION_CONFLICT where `unchanged` is asked for and the session is not as `record` says.
 */
export async function markDeleted(
  runtime: Runtime,
  record: SessionRecord,
  unchanged = false,
): Promise<boolean> {
  if (record.status === "deleted") return false;
  const writer = runtime.writers.direct(record.id, record);
  try {
    await writer.submit({
      command: { type: "delete" },
      // Of two that delete it at once, one did.
      guard(current) {
        if (current.status === "deleted")
          throw new HoldfastError("SESSION_DELETED", "it was deleted meanwhile");
      },
      ...(unchanged && { expectedVersion: record.version }),
    });
  } catch (error) {
    if (HoldfastError.is(error, "SESSION_DELETED")) return false;
    throw error;
  }
  runtime.events.emit("deleted", { sessionId: record.id }, record.userId);
  return true;
}

/**
 * Removes a deleted session that nobody inherits from any more, and then those that were kept only for it.
 *
 * @param onRemoved is told of each.
 */
export async function collect(
  runtime: Runtime,
  id: string,
  note?: (removal: Removal) => void,
  onRemoved?: (record: SessionRecord) => void,
): Promise<void> {
  const [record] = await runtime.store.find([id]);
  if (record?.status !== "deleted" || (await forksOf(runtime, id)).length > 0) return;
  await runtime.store.remove(id, note);
  onRemoved?.(record);
  if (record.kind === "fork" && record.parentId !== undefined)
    await collect(runtime, record.parentId, note, onRemoved);
}

/**
 * Makes way for a new session under the id of one that has expired, or that was deleted and is inherited by nobody.
 * Whether it is worth trying to create one now.
 *
 * Only who deleted a session removes it, unless a crash kept them from it: were it removed twice, the second time could
 * hit a new one of the same id.
 *
 * @throws SESSION_EXISTS where forks inherit from it, or somebody takes long to remove it
 */
export async function makeWay(runtime: Runtime, id: string): Promise<boolean> {
  const { store } = runtime;
  let [record] = await store.find([id]);
  if (record && record.status !== "deleted") {
    if (!isExpired(record, runtime.clock())) return false;
    if (await markUnchanged(runtime, record)) await collect(runtime, id);
    [record] = await store.find([id]);
  }
  for (let waited = 0; record?.status === "deleted"; waited += 1) {
    if ((await forksOf(runtime, id)).length > 0) {
      throw exists(
        id,
        store.name,
        "has ended and is kept for its forks only; use another id, or erase it first",
      );
    }
    if (waited === REMOVAL_POLLS) throw exists(id, store.name, "is being deleted; try again", true);
    if (record.updatedAt <= runtime.clock() - REMOVAL_MS) await collect(runtime, id);
    else await sleep(REMOVAL_POLL_MS);
    [record] = await store.find([id]);
  }
  return true;
}

function exists(id: string, store: string, why: string, retryable = false): HoldfastError {
  return new HoldfastError("SESSION_EXISTS", `session ${JSON.stringify(id)} ${why}`, {
    sessionId: id,
    store,
    retryable,
  });
}

/** Somebody may have gone on with the session since it was listed; then it stays. */
export async function markUnchanged(runtime: Runtime, record: SessionRecord): Promise<boolean> {
  try {
    return await markDeleted(runtime, record, true);
  } catch (error) {
    if (HoldfastError.is(error, "VERSION_CONFLICT")) return false;
    throw error;
  }
}

/**
 * @module
 * The end of sessions: delete, erase, prune. What others inherit is kept for them; what is gone stays gone.
 */

import { HoldfastError, invalidArgument } from "../log/errors.ts";
import { forkPoint } from "../log/lineage.ts";
import type { SessionRecord } from "../log/record.ts";
import { isExpired } from "../log/record.ts";
import { checkId } from "../log/values.ts";
import { historyOf } from "./history.ts";
import { checkCount, checkDuration } from "./input.ts";
import type { Runtime, Scope } from "./runtime.ts";
import { findLive, isOf, requireLive } from "./runtime.ts";
import { sleep } from "./sleep.ts";
import type { EraseReport, PruneReport, PruneRule } from "./types.ts";
import { walk } from "./walk.ts";

/** How long it may take from marking a session as deleted to removing it. */
const REMOVAL_MS = 60_000;
const REMOVAL_POLLS = 40;
const REMOVAL_POLL_MS = 25;

/** The forks or children of a session, those that are only kept for their own forks included. */
async function relativesOf(
  runtime: Runtime,
  parentId: string,
  kind: "fork" | "child",
): Promise<SessionRecord[]> {
  const found: SessionRecord[] = [];
  for (const status of [undefined, "deleted"] as const) {
    const query = { parentId, kind, order: "created", ...(status && { status }) } as const;
    for await (const record of walk(runtime, query)) found.push(record);
  }
  return found;
}

/** Whether other sessions than `forkId` are forks of a session. */
export async function isKeptFor(runtime: Runtime, parentId: string, forkId: string): Promise<boolean> {
  return (await relativesOf(runtime, parentId, "fork")).some(({ id }) => id !== forkId);
}

/** Deletes a session that is visible to `scope`; see `Sessions.delete`. */
export async function deleteSession(
  runtime: Runtime,
  id: string,
  heirs: "keep" | "cascade",
  scope: Scope,
): Promise<boolean> {
  if (heirs !== "keep" && heirs !== "cascade") throw invalidArgument('heirs must be "keep" or "cascade"');
  const record = await findLive(runtime, id, scope);
  return record !== undefined && removeTree(runtime, record, heirs, scope);
}

/** Another user's forks are not ours to delete: they are kept, and what they inherit with them. */
async function removeTree(
  runtime: Runtime,
  record: SessionRecord,
  heirs: "keep" | "cascade",
  scope: Scope,
): Promise<boolean> {
  for (const fork of heirs === "cascade" ? await relativesOf(runtime, record.id, "fork") : []) {
    if (isOf(scope, fork)) await removeTree(runtime, fork, heirs, scope);
  }
  const isMarked = await markDeleted(runtime, record);
  if (isMarked) await collect(runtime, record.id);
  return isMarked;
}

/**
 * From here on every write to the session fails, whoever makes it. Whether it was this call that deleted it.
 *
 * @throws VERSION_CONFLICT where `unchanged` is asked for and the session is not as `record` says.
 */
async function markDeleted(runtime: Runtime, record: SessionRecord, unchanged = false): Promise<boolean> {
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

/** Removes a deleted session that nobody inherits from any more, and then those that were kept only for it. */
export async function collect(runtime: Runtime, id: string): Promise<void> {
  const [record] = await runtime.store.find([id]);
  if (record?.status !== "deleted" || (await relativesOf(runtime, id, "fork")).length > 0) return;
  await runtime.store.remove(id);
  if (record.kind === "fork" && record.parentId !== undefined) await collect(runtime, record.parentId);
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
    if ((await relativesOf(runtime, id, "fork")).length > 0) {
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

/** Removes a session for good; see `Sessions.erase`. Safe to repeat after a failure. */
export async function eraseSession(runtime: Runtime, id: string, scope: Scope): Promise<EraseReport> {
  const [found] = await runtime.store.find([checkId(id, "session id")]);
  // One that is hidden for its forks can be erased too.
  const isHidden = found?.status === "deleted" && isOf(scope, found);
  const record = isHidden ? found : await requireLive(runtime, id, scope);
  const sessions: string[] = [];
  const heirs: SessionRecord[] = [];
  const entries = await eraseTree(runtime, record, sessions, heirs);
  return { id, sessions, entries, heirs: heirs.filter((heir) => isOf(scope, heir)).map((heir) => heir.id) };
}

async function eraseTree(
  runtime: Runtime,
  record: SessionRecord,
  sessions: string[],
  heirs: SessionRecord[],
): Promise<number> {
  let entries = record.seq - forkPoint(record);
  await markDeleted(runtime, record);
  for (const heir of await heirsOf(runtime, record.id)) {
    await forget(runtime, heir, record.id);
    if (heir.status !== "deleted" && inherits(heir, record.id)) heirs.push(heir);
  }
  for (const child of await relativesOf(runtime, record.id, "child")) {
    entries += await eraseTree(runtime, child, sessions, heirs);
  }
  await runtime.store.remove(record.id);
  sessions.push(record.id);
  if (record.kind === "fork" && record.parentId !== undefined) await collect(runtime, record.parentId);
  return entries;
}

/** Its forks, and all whose history has a part of it, however far down. */
async function heirsOf(runtime: Runtime, id: string): Promise<SessionRecord[]> {
  const heirs: SessionRecord[] = [];
  const open = [id];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const fork of await relativesOf(runtime, next, "fork")) {
      if (next === id || inherits(fork, id)) heirs.push(fork);
      open.push(fork.id);
    }
  }
  return heirs;
}

function inherits(record: SessionRecord, id: string): boolean {
  return record.lineage.some((part) => part.id === id && !part.erased);
}

/**
 * Notes in an heir's own log that a part of its history is gone, so that it does not look lost. From here on it counts
 * as a fork of what is left, so that this is kept for it.
 */
async function forget(runtime: Runtime, heir: SessionRecord, id: string): Promise<void> {
  try {
    await runtime.writers.direct(heir.id, heir).submit({
      async command({ record }) {
        const lineage = record.lineage.map((part) =>
          part.id === id ? { ...part, erased: true as const } : part,
        );
        const before = await seenOf(runtime, record);
        const after = await seenOf(runtime, { ...record, lineage });
        const removed = [...after].filter((seq) => !before.has(seq));
        return { type: "erase-lineage", id, count: before.size - after.size, removed };
      },
    });
  } catch (error) {
    // An heir that went meanwhile needs to be told nothing.
    if (!HoldfastError.is(error, "SESSION_DELETED")) throw error;
  }
}

/** The positions of the messages that are seen. */
async function seenOf(runtime: Runtime, record: SessionRecord): Promise<Set<number>> {
  const seen = new Set<number>();
  for await (const { seq } of historyOf(runtime.store, { record, pending: [] }).messages()) seen.add(seq);
  return seen;
}

/** Removes what the rule names and what has expired; see `Sessions.prune`. */
export async function pruneSessions(runtime: Runtime, rule: PruneRule, scope: Scope): Promise<PruneReport> {
  const { olderThanMs, status, keepLast, dryRun = false } = rule;
  const userId = scope.userId ?? rule.userId;
  if (scope.userId !== undefined && rule.userId !== undefined && rule.userId !== scope.userId) {
    throw invalidArgument("the rule names another user than the one whose sessions are seen");
  }
  if (keepLast !== undefined) checkCount(keepLast, "keepLast");
  const nowMs = runtime.clock();
  const user = userId === undefined ? {} : { userId };
  const doomed = new Map<string, SessionRecord>();
  for await (const record of walk(runtime, user, { expiredAt: nowMs })) doomed.set(record.id, record);
  const expired = doomed.size;

  if (olderThanMs !== undefined || status !== undefined || keepLast !== undefined) {
    const query = {
      ...user,
      ...(status !== undefined && { status }),
      ...(olderThanMs !== undefined && { updatedBefore: nowMs - checkDuration(olderThanMs, "olderThanMs") }),
    };
    let kept = 0;
    for await (const record of walk(runtime, query, { liveAt: nowMs })) {
      // A child goes with its parent; a turn that is under way is not cut off.
      if (record.kind === "child" || (record.turn && record.turn.until > nowMs)) continue;
      kept += 1;
      if (kept > (keepLast ?? 0)) doomed.set(record.id, record);
    }
  }
  const removed = new Set<string>();
  for (const record of doomed.values()) await pruneOne(runtime, record, dryRun, removed);
  if (!dryRun) await collectAll(runtime, user);
  return { removed: [...removed], expired, dryRun };
}

async function pruneOne(
  runtime: Runtime,
  record: SessionRecord,
  dryRun: boolean,
  removed: Set<string>,
): Promise<void> {
  if (removed.has(record.id) || !(dryRun || (await markUnchanged(runtime, record)))) return;
  removed.add(record.id);
  for (const child of await relativesOf(runtime, record.id, "child"))
    await pruneOne(runtime, child, dryRun, removed);
  if (!dryRun) await collect(runtime, record.id);
}

/** Somebody may have gone on with the session since it was listed; then it stays. */
async function markUnchanged(runtime: Runtime, record: SessionRecord): Promise<boolean> {
  try {
    return await markDeleted(runtime, record, true);
  } catch (error) {
    if (HoldfastError.is(error, "VERSION_CONFLICT")) return false;
    throw error;
  }
}

/** Finishes what a crash in the middle of a delete left. */
async function collectAll(runtime: Runtime, user: { readonly userId?: string }): Promise<void> {
  const updatedBefore = runtime.clock() - REMOVAL_MS;
  for await (const record of walk(runtime, { ...user, status: "deleted", updatedBefore, order: "created" }))
    await collect(runtime, record.id);
}

/**
 * @module
 * Removing what is old: a page at a time, so that memory does not grow with what there is, and as much as one is told.
 */
import { invalidArgument } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { isHeld } from "../log/record.ts";
import { checkCount, checkDuration } from "./input.ts";
import { collect, markUnchanged, REMOVAL_MS, relativesOf } from "./removal.ts";
import type { Runtime, Scope } from "./runtime.ts";
import type { PruneReport, PruneRule } from "./types.ts";
import { walk } from "./walk.ts";

/** What one prune may do yet, and what it did. */
interface Pruning {
  readonly dryRun: boolean;
  readonly nowMs: number;
  readonly removed: Set<string>;
  /** Whether it is to begin with no other session. */
  readonly isOver: () => boolean;
  taken: number;
  held: number;
}

/** Removes what the rule names and what has expired; see `Sessions.prune`. */
export async function pruneSessions(runtime: Runtime, rule: PruneRule, scope: Scope): Promise<PruneReport> {
  const { olderThanMs, status, keepLast, dryRun = false } = rule;
  const nowMs = runtime.clock();
  const whose = narrowed(rule, scope);
  if (keepLast !== undefined) checkCount(keepLast, "keepLast");
  const updatedBefore =
    olderThanMs === undefined ? {} : { updatedBefore: nowMs - checkDuration(olderThanMs, "olderThanMs") };
  const pruning: Pruning = {
    dryRun,
    nowMs,
    removed: new Set(),
    isOver: boundsOf(rule, () => pruning.taken),
    taken: 0,
    held: 0,
  };

  let expired = 0;
  let more = false;
  for await (const record of walk(runtime, whose, { expiredAt: nowMs })) {
    more = pruning.isOver();
    if (more) break;
    if (pruning.removed.has(record.id)) expired += 1;
    else if (await pruneOne(runtime, record, pruning)) expired += 1;
  }
  if (!more && (olderThanMs !== undefined || status !== undefined || keepLast !== undefined)) {
    const query = { ...whose, ...updatedBefore, ...(status !== undefined && { status }) };
    let kept = 0;
    for await (const record of walk(runtime, query, { liveAt: nowMs })) {
      // A child goes with its parent; a turn that is under way is not cut off.
      if (record.kind === "child" || (record.turn && record.turn.until > nowMs)) continue;
      kept += 1;
      if (kept <= (keepLast ?? 0)) continue;
      more = pruning.isOver();
      if (more) break;
      await pruneOne(runtime, record, pruning);
    }
  }
  if (!dryRun && !more) await collectAll(runtime, whose, pruning.isOver);
  const { held, removed } = pruning;
  return { removed: [...removed], expired, dryRun, ...(held > 0 && { held }), ...(more && { more }) };
}

type Whose = Pick<PruneRule, "userId" | "agent" | "metadata">;

/** The conditions that hold for what has expired too. */
function narrowed({ userId, agent, metadata }: PruneRule, scope: Scope): Whose {
  if (scope.userId !== undefined && userId !== undefined && userId !== scope.userId) {
    throw invalidArgument("the rule names another user than the one whose sessions are seen");
  }
  const user = scope.userId ?? userId;
  return {
    ...(user !== undefined && { userId: user }),
    ...(agent !== undefined && { agent }),
    ...(metadata !== undefined && { metadata }),
  };
}

function boundsOf({ limit, budgetMs, signal }: PruneRule, taken: () => number): () => boolean {
  if (limit !== undefined) checkCount(limit, "limit", 1);
  // Not by the sessions' clock, which may be a made-up one.
  const end = performance.now() + (budgetMs === undefined ? Infinity : checkDuration(budgetMs, "budgetMs"));
  return () => signal?.aborted === true || taken() >= (limit ?? Infinity) || performance.now() >= end;
}

/** Removes a session with its children, where nobody went on with it since it was listed. Whether it did. */
async function pruneOne(
  runtime: Runtime,
  record: SessionRecord,
  pruning: Pruning,
  isChild = false,
): Promise<boolean> {
  const { dryRun, nowMs, removed } = pruning;
  if (removed.has(record.id)) return false;
  if (isHeld(record, nowMs)) {
    pruning.held += 1;
    return false;
  }
  if (!dryRun && !(await markUnchanged(runtime, record))) return false;
  if (!isChild) pruning.taken += 1;
  removed.add(record.id);
  for (const child of await relativesOf(runtime, record, "child"))
    await pruneOne(runtime, child, pruning, true);
  if (!dryRun) await collect(runtime, record.id);
  return true;
}

/** Finishes what a crash in the middle of a delete left. */
async function collectAll(runtime: Runtime, whose: Whose, isOver: () => boolean): Promise<void> {
  const updatedBefore = runtime.clock() - REMOVAL_MS;
  const query = { ...whose, status: "deleted", updatedBefore, order: "created" } as const;
  for await (const record of walk(runtime, query)) {
    if (isOver()) return;
    await collect(runtime, record.id);
  }
}

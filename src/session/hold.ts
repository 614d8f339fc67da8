/**
 * @module
 * Legal hold: what has to be kept, whatever else is said about it.
 */
import type { EntryDraft } from "../log/entry.ts";
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { isHeld } from "../log/record.ts";
import { checkId } from "../log/values.ts";
import { relativesOf } from "./removal.ts";
import type { Runtime, Scope } from "./runtime.ts";
import { requireLive } from "./runtime.ts";
import type { HoldOptions, HoldReport } from "./types.ts";

/** Places a session and its children under a hold; see `Sessions.hold`. */
export async function holdSession(
  runtime: Runtime,
  id: string,
  options: HoldOptions,
  scope: Scope,
): Promise<HoldReport> {
  requireAll(scope);
  const reason = checkId(options.reason, "reason of the hold");
  const { until } = options;
  if (until !== undefined && !(Number.isFinite(until) && until > runtime.clock())) {
    throw invalidArgument("until must be a time to come, in epoch milliseconds", id);
  }
  const root = await requireLive(runtime, id, scope);
  return changeTree(runtime, root, (record) => {
    const { hold } = record;
    // A child may be held for a reason of its own: then it stays so, for as long as either lasts.
    const isOwn =
      record.id !== id && hold && hold.reason !== root.hold?.reason && isHeld(record, runtime.clock());
    const end = isOwn ? later(hold.until, until) : until;
    const data = { reason: isOwn ? hold.reason : reason, ...(end !== undefined && { until: end }) };
    return hold?.reason === data.reason && hold.until === end ? undefined : { type: "hold.set", data };
  });
}

/** The later of two ends, of which none is for ever. */
function later(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : Math.max(one, other);
}

/** Lifts the hold of a session and of its children; see `Sessions.release`. */
export async function releaseSession(runtime: Runtime, id: string, scope: Scope): Promise<HoldReport> {
  requireAll(scope);
  const record = await requireLive(runtime, id, scope);
  const reason = record.hold?.reason;
  if (reason === undefined) return { sessions: [] };
  return changeTree(runtime, record, ({ hold }) =>
    hold?.reason === reason ? { type: "hold.released", data: {} } : undefined,
  );
}

/** Who is kept from deleting must not be who decides on it. */
function requireAll({ userId }: Scope): void {
  if (userId === undefined) return;
  throw invalidArgument(
    "a user can neither place nor lift a hold; ask the sessions of all users, without forUser",
  );
}

/**
 * Makes a change to a session and then to its children, those that are added meanwhile included: they take the hold over
 * from their parent, or are found here.
 */
async function changeTree(
  runtime: Runtime,
  root: SessionRecord,
  change: (record: SessionRecord) => EntryDraft | undefined,
): Promise<HoldReport> {
  const seen = new Set<string>([root.id]);
  const sessions: string[] = [];
  const open = [root];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (await changeOne(runtime, next, change, next === root)) sessions.push(next.id);
    for (const child of await relativesOf(runtime, next, "child")) {
      if (!seen.has(child.id)) open.push(child);
      seen.add(child.id);
    }
  }
  return { sessions };
}

/** Whether it was changed. A child that went meanwhile has nothing to be held. */
async function changeOne(
  runtime: Runtime,
  record: SessionRecord,
  change: (record: SessionRecord) => EntryDraft | undefined,
  isRoot: boolean,
): Promise<boolean> {
  let isChanged = false;
  try {
    await runtime.writers.direct(record.id, record).submit({
      command: async (history) => {
        const entry = change(history.record);
        isChanged = entry !== undefined;
        return { type: "note", entries: entry ? [entry] : [] };
      },
    });
    return isChanged;
  } catch (error) {
    const isGone = HoldfastError.is(error, "SESSION_DELETED") || HoldfastError.is(error, "SESSION_NOT_FOUND");
    if (isRoot || !isGone) throw error;
    return false;
  }
}

/** A child that was begun while its parent was being placed under a hold is held too. */
export async function holdWithParent(runtime: Runtime, child: SessionRecord): Promise<void> {
  const [parent] = await runtime.store.find([child.parentId ?? child.id]);
  if (!parent?.hold || child.hold || !isHeld(parent, runtime.clock())) return;
  const { reason, until } = parent.hold;
  const data = { reason, ...(until !== undefined && { until }) };
  await changeOne(runtime, child, () => ({ type: "hold.set", data }), true);
}

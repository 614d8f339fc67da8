/**
 * @module
 * Erasing for good, with an account of what went.
 */
import { HoldfastError } from "../log/errors.ts";
import { forkPoint } from "../log/lineage.ts";
import type { SessionRecord } from "../log/record.ts";
import { checkId } from "../log/values.ts";
import { historyOf } from "./history.ts";
import { collect, markDeleted, relativesOf, requireHeirs, requireNoneHeld } from "./removal.ts";
import type { Runtime, Scope } from "./runtime.ts";
import { isOf, requireLive } from "./runtime.ts";
import type { ErasedPart, EraseReport } from "./types.ts";

/** What one erase does, and what it did so far. */
interface Erasing {
  /** Whether a fork goes with the session that it inherits from. */
  readonly takes: (fork: SessionRecord) => boolean;
  /** The sessions that were looked at to go, and those whose turn came. */
  readonly doomed: ReadonlySet<string>;
  readonly begun: Set<string>;
  readonly sessions: string[];
  readonly heirs: Map<string, SessionRecord>;
  readonly note: (part: ErasedPart) => void;
}

/** Removes a session for good; see `Sessions.erase`. Safe to repeat after a failure. */
export async function eraseSession(
  runtime: Runtime,
  id: string,
  heirs: "keep" | "cascade",
  scope: Scope,
): Promise<EraseReport> {
  requireHeirs(heirs);
  const [found] = await runtime.store.find([checkId(id, "session id")]);
  // One that is hidden for its forks can be erased too.
  const isHidden = found?.status === "deleted" && isOf(scope, found);
  const record = isHidden ? found : await requireLive(runtime, id, scope);
  const takes = (fork: SessionRecord): boolean => heirs === "cascade" && isOf(scope, fork);
  const tree = await treeOf(runtime, record, takes);
  const losing: SessionRecord[] = [];
  for (const one of tree)
    losing.push(...(await heirsOf(runtime, one.id)).filter((heir) => inherits(heir, one.id)));
  requireNoneHeld(runtime, id, [...tree, ...losing], scope);

  const parts = new Map<string, ErasedPart>();
  const erasing: Erasing = {
    takes,
    doomed: new Set(tree.map((one) => one.id)),
    begun: new Set(),
    sessions: [],
    heirs: new Map(),
    note({ what, place, count }) {
      const key = JSON.stringify([what, place]);
      parts.set(key, { what, place, count: count + (parts.get(key)?.count ?? 0) });
    },
  };
  await eraseTree(runtime, record, erasing);
  const { name } = runtime.store;
  return {
    id,
    sessions: erasing.sessions,
    entries: parts.get(JSON.stringify(["entries", name]))?.count ?? 0,
    heirs: [...erasing.heirs.values()].filter((heir) => isOf(scope, heir)).map((heir) => heir.id),
    removed: [...parts.values()],
  };
}

/** The session, with all that goes with it: children, theirs, and the forks that `takes` names. */
async function treeOf(
  runtime: Runtime,
  record: SessionRecord,
  takes: Erasing["takes"],
): Promise<SessionRecord[]> {
  const found = new Map([[record.id, record]]);
  // A map is walked with what is added meanwhile. An import can name any parent, also itself.
  for (const next of found.values()) {
    const forks = (await relativesOf(runtime, next, "fork")).filter(takes);
    for (const one of [...forks, ...(await relativesOf(runtime, next, "child"))]) {
      if (!found.has(one.id)) found.set(one.id, one);
    }
  }
  return [...found.values()];
}

async function eraseTree(runtime: Runtime, record: SessionRecord, erasing: Erasing): Promise<void> {
  const { takes, doomed, begun, sessions, heirs, note } = erasing;
  if (begun.has(record.id)) return;
  begun.add(record.id);
  await markDeleted(runtime, record);
  for (const fork of await relativesOf(runtime, record, "fork")) {
    if (takes(fork)) await eraseTree(runtime, fork, erasing);
  }
  for (const heir of await heirsOf(runtime, record.id)) {
    await forget(runtime, heir, record.id);
    if (heir.status !== "deleted" && inherits(heir, record.id)) heirs.set(heir.id, heir);
  }
  for (const child of await relativesOf(runtime, record, "child")) {
    await eraseTree(runtime, child, erasing);
  }
  const removed = ({ id, seq, lineage }: SessionRecord): void => {
    sessions.push(id);
    const place = runtime.store.name;
    note({ what: "entries", count: seq - forkPoint({ lineage }), place });
    note({ what: "records", count: 1, place });
    note({ what: "indexes", count: 1, place });
  };
  // Its parent may have been kept for this one only.
  await runtime.store.remove(record.id, note);
  removed(record);
  const { kind, parentId } = record;
  if (kind === "fork" && parentId !== undefined && !doomed.has(parentId))
    await collect(runtime, parentId, note, removed);
}

/** Its forks, and all whose history has a part of it, however far down. */
async function heirsOf(runtime: Runtime, id: string): Promise<SessionRecord[]> {
  const heirs: SessionRecord[] = [];
  const open = [id];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const fork of await relativesOf(runtime, { id: next }, "fork")) {
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

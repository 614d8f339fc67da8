/**
 * @module
 * Commits on another base than the one that they were made on: what another node wrote meanwhile comes first. Pure.
 *
 * What adds or sets is put behind it, as the session layer does after a conflict: messages, usage, data and state by key,
 * metadata, label, status, expiry, checkpoints, entries of users' own types. What says something about the whole before it
 * (a rewind, a clear, a summary), or about what the other node changed too, can't be.
 */
import type { Entry, KnownEntry } from "../../log/entry.ts";
import { isKnown, positionalId } from "../../log/entry.ts";
import type { SessionRecord } from "../../log/record.ts";
import { encodeValue } from "../../log/values.ts";
import { callerId } from "../../store/codec.ts";
import type { LoggedCommit } from "./logs.ts";

export interface Rebasing {
  /** What both nodes have. */
  readonly baseSeq: number;
  /** The newest record of the primary. */
  readonly head: SessionRecord;
  /** What others wrote past the base. */
  readonly others: readonly Entry[];
  /** Commits of ours that are in the primary already, each with what they are there. */
  readonly landed: readonly (readonly [ours: LoggedCommit, there: LoggedCommit])[];
  /** Callers' ids that the primary said are taken, though nothing of {@link others} has them. */
  readonly taken: ReadonlySet<string>;
  readonly nowMs: number;
}

export type Rebased =
  | { readonly commits: readonly LoggedCommit[] }
  /** The types of entries that stand in the way. */
  | { readonly blocked: readonly string[] };

const FREE: ReadonlySet<string> = new Set([
  "message",
  "usage.added",
  "data.patched",
  "metadata.patched",
  "state.set",
  "label.set",
  "status.set",
  "expiry.set",
  "checkpoint.created",
  "operation.applied",
]);
const REVISING = ["message.revised", "message.removed", "messages.cleared", "history.rewound"];
const REPLACING = ["messages.cleared", "history.rewound", "history.compacted"];
const DATA = ["data.patched", "data.replaced", "data.cleared", "history.rewound"];
const ROUTES = ["route.entered", "route.completed", "step.entered", "history.rewound"];
const TURNS: ReadonlySet<string> = new Set(["turn.started", "turn.extended", "turn.ended"]);

/** `commits` behind what others wrote, or what stands in the way of that. */
export function rebase(commits: readonly LoggedCommit[], setting: Rebasing): Rebased {
  const { head, others, landed } = setting;
  const blocked = commits.flatMap(({ entries }) => entries.flatMap((entry) => obstacle(entry, setting)));
  if (blocked.length > 0 || isInOtherTurn(commits, setting)) {
    return { blocked: [...new Set(blocked.length > 0 ? blocked : ["turn.started"])] };
  }
  const places = new Map<number, number>();
  for (const [ours, there] of landed) align(ours, there, places);
  const known = new Map(others.map((entry) => [entry.id, entry]));
  let { seq, version, label } = head;
  const moved: LoggedCommit[] = [];
  for (const { id, entries } of commits) {
    const kept: Entry[] = [];
    /** What an operation that took place on the other node too brought with it. */
    let repeated = 0;
    for (const entry of entries) {
      const twin = known.get(callerId(entry) ?? "");
      const isRepeated = twin !== undefined && isSame(entry, twin);
      if (isRepeated && isKnown(entry) && entry.type === "operation.applied") repeated = entry.data.count;
      const isPartOfIt = repeated > 0 && entry.type === "message";
      if (isPartOfIt) repeated -= 1;
      const isLabelled = isKnown(entry) && entry.type === "label.set";
      if (isLabelled && entry.data.automatic && label !== undefined) continue;
      if (isLabelled) label = entry.data.label;
      if (isRepeated || isPartOfIt) {
        if (twin) places.set(entry.seq, twin.seq);
        continue;
      }
      seq += 1;
      places.set(entry.seq, seq);
      const own = callerId(entry);
      const isTaken = own !== undefined && (twin !== undefined || setting.taken.has(own));
      kept.push({
        ...placed(entry, places, version + 1),
        seq,
        id: own === undefined || isTaken ? positionalId(seq) : own,
      });
    }
    const [first, ...rest] = kept;
    if (first === undefined) continue;
    version += 1;
    moved.push({ id, entries: [{ ...first, commit: id }, ...rest.map(withoutCommit)] });
  }
  return { commits: moved };
}

/** `commits` at other positions with nothing else between: each entry `by` positions further on. */
export function shifted(commits: readonly LoggedCommit[], by: number, version: number): LoggedCommit[] {
  const places = new Map<number, number>();
  for (const { entries } of commits) for (const { seq } of entries) places.set(seq, seq + by);
  return commits.map(({ id, entries }, index) => ({
    id,
    entries: entries.map((entry) => {
      const seq = entry.seq + by;
      return {
        ...placed(entry, places, version + index),
        seq,
        id: callerId(entry) ?? positionalId(seq),
      };
    }),
  }));
}

function obstacle(entry: Entry, { baseSeq, others }: Rebasing): string[] {
  const meets = (types: readonly string[]): string[] =>
    others.some(({ type }) => types.includes(type)) ? [entry.type] : [];
  if (!isKnown(entry) || FREE.has(entry.type) || TURNS.has(entry.type)) return [];
  switch (entry.type) {
    case "message.revised":
    case "message.removed":
      return entry.data.seq > baseSeq ? [] : meets(REVISING);
    case "history.compacted":
      return entry.data.upTo > baseSeq ? [entry.type] : meets(REPLACING);
    case "data.replaced":
    case "data.cleared":
      return meets(DATA);
    case "route.entered":
    case "route.completed":
    case "step.entered":
      return meets(ROUTES);
    default:
      return [entry.type];
  }
}

/** Whether another worker is in a turn now, and ours would take it away from it. */
function isInOtherTurn(commits: readonly LoggedCommit[], { head, nowMs }: Rebasing): boolean {
  const { turn } = head;
  if (!turn || turn.until <= nowMs) return false;
  const ours = commits.flatMap(({ entries }) => entries.filter(({ type }) => TURNS.has(type)));
  return ours.length > 0 && !ours.some((entry) => turnOf(entry) === turn.id);
}

function turnOf(entry: Entry): string | undefined {
  if (!isKnown(entry)) return undefined;
  switch (entry.type) {
    case "turn.started":
    case "turn.extended":
    case "turn.ended":
      return entry.data.turnId;
    default:
      return undefined;
  }
}

/** Where the entries of a commit went that was rebased before. */
function align(ours: LoggedCommit, there: LoggedCommit, places: Map<number, number>): void {
  let next = 0;
  for (const entry of ours.entries) {
    const found = there.entries.findIndex(
      (other, index) => index >= next && other.type === entry.type && other.at === entry.at,
    );
    if (found < 0) continue;
    next = found + 1;
    const { seq = entry.seq } = there.entries[found] ?? {};
    places.set(entry.seq, seq);
  }
}

/** The entry with the positions that it names as they are now. */
function placed(entry: Entry, places: ReadonlyMap<number, number>, version: number): Entry {
  const now = (seq: number): number => places.get(seq) ?? seq;
  if (!isKnown(entry)) return entry;
  const known: KnownEntry = entry;
  switch (known.type) {
    case "message.revised":
    case "message.removed":
      return { ...entry, data: { ...known.data, seq: now(known.data.seq) } };
    case "history.compacted":
      return { ...entry, data: { ...known.data, upTo: now(known.data.upTo) } };
    case "history.rewound": {
      const { restored } = known.data;
      const { compactedUpTo, revisedUpTo } = restored;
      return {
        ...entry,
        data: {
          ...known.data,
          to: now(known.data.to),
          restored: {
            ...restored,
            ...(compactedUpTo !== undefined && { compactedUpTo: now(compactedUpTo) }),
            ...(revisedUpTo !== undefined && { revisedUpTo: now(revisedUpTo) }),
          },
        },
      };
    }
    case "operation.applied":
      return { ...entry, data: { ...known.data, version } };
    default:
      return entry;
  }
}

/** Whether two entries of one id are the same; of a message and of an operation, what makes it so. */
function isSame(one: Entry, other: Entry): boolean {
  return contentOf(one) === contentOf(other);
}

function contentOf(entry: Entry): string {
  if (isKnown(entry)) {
    if (entry.type === "message") return encodeValue([entry.type, entry.data.message]);
    if (entry.type === "operation.applied") return encodeValue([entry.type, entry.data.digest]);
  }
  return encodeValue([entry.type, entry.data ?? null]);
}

function withoutCommit({ commit: _commit, ...entry }: Entry): Entry {
  return entry;
}

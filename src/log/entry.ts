/**
 * @module
 * The entry: the one thing that a session's log is made of, and the types of entry that Holdfast writes.
 */
import type {
  Conversation,
  Hold,
  LineagePart,
  RouteReference,
  SessionKind,
  SessionStatus,
  StepReference,
  Usage,
} from "./record.ts";

/** A JSON-like object: a message as its caller gave it. See `values.ts` for what it may hold. */
export type StoredObject = Readonly<Record<string, unknown>>;

/**
 * One entry of a session's log. Never changed once committed.
 *
 * - `seq`: its position; dense, from 1 (from the fork point + 1 in a fork), assigned by the writer under compare-and-set.
 * - `id`: the caller's id where one was given, else `#<seq>`. Unique within the session's own log.
 * - `at`: epoch milliseconds, for people; order is `seq` alone.
 * - `text`: what a search index should hold for it; only for `x.*` entries, where it can't be derived from `data`.
 * - `commit`: on the first entry of a commit only: the commit's own random id.
 */
export interface Entry {
  readonly seq: number;
  readonly id: string;
  readonly type: EntryType | `x.${string}`;
  readonly data: unknown;
  readonly at: number;
  readonly text?: string;
  readonly commit?: string;
}

/** What each type of entry holds. The names are the vocabulary of the log and never change their meaning. */
export interface EntryData {
  /** Always the first entry of a log. `base` is what a fork takes over from the place that it was forked at. */
  "session.created": {
    readonly id: string;
    readonly namespace: string;
    readonly kind: SessionKind;
    readonly parentId?: string;
    readonly lineage?: readonly LineagePart[];
    readonly userId?: string;
    readonly agent?: string;
    readonly label?: string;
    readonly metadata?: StoredObject;
    readonly dataVersion: number;
    readonly expiresAt?: number;
    /** The hold that a child takes over from its parent. */
    readonly hold?: Hold;
    readonly base?: Conversation;
  };
  message: { readonly message: StoredObject; readonly turnId?: string };
  /** The message at `seq` now reads `message`, in the same place. */
  "message.revised": { readonly seq: number; readonly message: StoredObject };
  "message.removed": { readonly seq: number };
  /** Every message before this entry is hidden; `count` is how many those were. */
  "messages.cleared": { readonly count: number };
  /** Every entry between `to` and this one is hidden; `restored` is the conversation as it was at `to`. */
  "history.rewound": { readonly to: number; readonly count: number; readonly restored: Conversation };
  /** For a model, `messages` stand in place of all that is at or before `upTo`. The originals stay. */
  "history.compacted": { readonly upTo: number; readonly messages: readonly StoredObject[] };
  "data.patched": { readonly patch: StoredObject; readonly route?: string };
  "data.replaced": { readonly data: StoredObject; readonly dataVersion?: number };
  "data.cleared": Readonly<Record<string, never>>;
  "route.entered": { readonly route: RouteReference; readonly step?: StepReference };
  "step.entered": { readonly step: StepReference };
  "route.completed": { readonly routeId: string };
  "metadata.patched": { readonly patch: StoredObject };
  "label.set": { readonly label: string; readonly automatic: boolean };
  "status.set": { readonly status: Exclude<SessionStatus, "deleted"> };
  "expiry.set": { readonly expiresAt?: number };
  /** A legal hold begins, or goes on with another reason or end. */
  "hold.set": { readonly reason: string; readonly until?: number };
  "hold.released": Readonly<Record<string, never>>;
  /** `value` absent: the slot is emptied. */
  "state.set": { readonly slot: string; readonly value?: unknown };
  "usage.added": { readonly usage: Partial<Usage> };
  "turn.started": { readonly turnId: string; readonly owner: string; readonly until: number };
  /** The lease goes on, or another owner takes the turn over. */
  "turn.extended": { readonly turnId: string; readonly owner: string; readonly until: number };
  "turn.ended": { readonly turnId: string; readonly outcome: TurnOutcome; readonly reason?: string };
  "checkpoint.created": { readonly name: string; readonly metadata?: StoredObject };
  /** An operation with a caller's id took place: its entries follow this one, and `digest` tells them from others. */
  "operation.applied": { readonly digest: string; readonly count: number; readonly version: number };
  "session.deleted": Readonly<Record<string, never>>;
  /** An inherited part of the history was erased for good, with the `count` messages that it held. */
  "lineage.erased": { readonly id: string; readonly count: number };
}

export type EntryType = keyof EntryData;
/** How a turn ended. `interrupted`: its worker vanished and somebody else closed it. */
export type TurnOutcome = "completed" | "failed" | "aborted" | "interrupted";

/** An entry of a type that Holdfast itself writes, with its data typed. */
export type KnownEntry = {
  [T in EntryType]: Omit<Entry, "type" | "data"> & { readonly type: T; readonly data: EntryData[T] };
}[EntryType];

/** An entry before it has a place in a log. `id`: the caller's, where there is one. */
export type EntryDraft =
  | { [T in EntryType]: { readonly type: T; readonly data: EntryData[T]; readonly id?: string } }[EntryType]
  | { readonly type: `x.${string}`; readonly data: unknown; readonly id?: string; readonly text?: string };

/** Whether Holdfast wrote this entry's type, and so knows its data. Entries named `x.*` are its users' own. */
export function isKnown(entry: Entry): entry is KnownEntry {
  return !entry.type.startsWith("x.");
}

/** The id of an entry that its caller gave none: its position. */
export function positionalId(seq: number): string {
  return `#${seq}`;
}

/** The position that a positional id names, or `undefined` for any other id. */
export function positionOf(id: string): number | undefined {
  return /^#[1-9]\d{0,15}$/.test(id) ? Number(id.slice(1)) : undefined;
}

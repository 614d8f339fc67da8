/**
 * @module
 * Entries → messages. What a conversation reads like once revisions, removals, clears, rewinds and compaction are
 * applied. Nothing here touches the log; it only says what to show of it.
 */
import type { Entry, EntryType, StoredObject } from "./entry.ts";
import { isKnown } from "./entry.ts";

/** A message in its place in the conversation. `id`: its caller's, else `#<seq>`. */
export interface StoredMessage<M = StoredObject> {
  readonly id: string;
  readonly seq: number;
  readonly at: number;
  readonly message: M;
}

/** The types of entry that decide which messages are seen, and how. */
export const CONTROL_TYPES: readonly EntryType[] = [
  "message.revised",
  "message.removed",
  "messages.cleared",
  "history.rewound",
];
/** All that is needed to read a conversation. */
export const MESSAGE_TYPES: readonly EntryType[] = ["message", ...CONTROL_TYPES];
/** The same with the compaction overlay, as for a model. */
export const CONTEXT_TYPES: readonly EntryType[] = [...MESSAGE_TYPES, "history.compacted"];

/** The summary that stands for all messages at or before `upTo`. */
export interface Compaction {
  readonly upTo: number;
  readonly messages: readonly StoredObject[];
}

/**
 * Answers what of a log is seen, fed with its entries newest first.
 *
 * A rewind hides what lies between its target and itself, other rewinds included, so read backwards each hidden stretch
 * is met at its end and skipped as one.
 */
export interface Visibility {
  /**
   * Takes the next older entry. Answers with the message where the entry is one that is seen, as it now reads.
   */
  take(entry: Entry): StoredMessage | undefined;
  /** Everything above this position and below what was taken last is hidden: a reader may go on from here. */
  readonly skipTo: number | undefined;
  /** The newest compaction met that no rewind hides. */
  readonly compaction: Compaction | undefined;
}

export function visibility(): Visibility {
  const removed = new Set<number>();
  const revisions = new Map<number, StoredObject>();
  /** Hidden stretches, newest first; both ends exclusive. They never overlap. */
  const hidden: { from: number; to: number }[] = [];
  let compaction: Compaction | undefined;
  let skipTo: number | undefined;

  const isHidden = (seq: number): boolean => hidden.some(({ from, to }) => from < seq && seq < to);
  const hide = (from: number, to: number): void => {
    hidden.push({ from, to });
    skipTo = from;
  };

  return {
    take(entry) {
      skipTo = undefined;
      if (!isKnown(entry)) return undefined;
      if (entry.type === "message") {
        if (removed.has(entry.seq) || isHidden(entry.seq)) return undefined;
        const message = revisions.get(entry.seq) ?? entry.data.message;
        return { id: entry.id, seq: entry.seq, at: entry.at, message };
      }
      if (isHidden(entry.seq)) return undefined;
      switch (entry.type) {
        case "message.revised":
          if (!revisions.has(entry.data.seq)) revisions.set(entry.data.seq, entry.data.message);
          break;
        case "message.removed":
          removed.add(entry.data.seq);
          break;
        case "messages.cleared":
          hide(0, entry.seq);
          break;
        case "history.rewound":
          hide(entry.data.to, entry.seq);
          break;
        case "history.compacted":
          compaction ??= { upTo: entry.data.upTo, messages: entry.data.messages };
          break;
      }
      return undefined;
    },
    get skipTo() {
      return skipTo;
    },
    get compaction() {
      return compaction;
    },
  };
}

/** The messages that are seen of a whole log in memory, oldest first. For tests and small logs. */
export function transcriptOf(entries: readonly Entry[]): StoredMessage[] {
  const view = visibility();
  return entries
    .toReversed()
    .flatMap((entry) => view.take(entry) ?? [])
    .reverse();
}

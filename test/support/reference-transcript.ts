/**
 * @module
 * What a conversation reads like, worked out in the plainest way: forwards, keeping all that was ever seen. Slow, and
 * for that easy to trust; the real one is held against it.
 */
import type { Entry, StoredObject } from "../../src/log/entry.ts";
import { isKnown } from "../../src/log/entry.ts";
import type { StoredMessage } from "../../src/log/transcript.ts";

interface Seen {
  readonly messages: readonly StoredMessage[];
  readonly compaction: { readonly upTo: number; readonly messages: readonly StoredObject[] } | undefined;
}

/** All that is seen after the last of `entries`, which stand oldest first. */
export function referenceView(entries: readonly Entry[]): Seen {
  /** What was seen after each entry. */
  const past: { seq: number; seen: Seen }[] = [];
  const nothing: Seen = { messages: [], compaction: undefined };
  for (const entry of entries) {
    const before = past.at(-1)?.seen ?? nothing;
    const seenAt = (seq: number): Seen => past.findLast((one) => one.seq <= seq)?.seen ?? nothing;
    past.push({ seq: entry.seq, seen: after(before, entry, seenAt) });
  }
  return past.at(-1)?.seen ?? nothing;
}

function after(before: Seen, entry: Entry, seenAt: (seq: number) => Seen): Seen {
  if (!isKnown(entry)) return before;
  const { messages } = before;
  switch (entry.type) {
    case "message": {
      const { id, seq, at, data } = entry;
      return { ...before, messages: [...messages, { id, seq, at, message: data.message }] };
    }
    case "message.revised": {
      const { seq, message } = entry.data;
      return { ...before, messages: messages.map((one) => (one.seq === seq ? { ...one, message } : one)) };
    }
    case "message.removed":
      return { ...before, messages: messages.filter((one) => one.seq !== entry.data.seq) };
    case "messages.cleared":
      return { messages: [], compaction: undefined };
    case "history.rewound":
      return seenAt(entry.data.to);
    case "history.compacted":
      return { ...before, compaction: { upTo: entry.data.upTo, messages: entry.data.messages } };
    default:
      return before;
  }
}

/**
 * @module
 * The end of a conversation, without reading all of it.
 */
import type { Session } from "../index.ts";
import type { StoredObject } from "../log/entry.ts";
import type { StoredMessage } from "../log/transcript.ts";

/** Entries that are read at first for each message wanted, and how much further each next attempt goes back. */
const ENTRIES_PER_MESSAGE = 4;
const FURTHER = 8;

/** The newest `last` messages that are seen, oldest first, with their ids and positions. */
export async function newestMessages(session: Session<StoredObject>, last: number): Promise<StoredMessage[]> {
  if (last === 0) return [];
  const { seq } = session.record;
  for (let span = last * ENTRIES_PER_MESSAGE; ; span *= FURTHER) {
    const after = Math.max(0, seq - span);
    const found: StoredMessage[] = [];
    for await (const message of session.stream({ after, upTo: seq })) {
      found.push(message);
      if (found.length > last) found.shift();
    }
    if (found.length === last || after === 0) return found;
  }
}

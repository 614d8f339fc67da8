/**
 * @module
 * A retry, as who sent it should see it. The session layer tells a repeated entry from another one under the same id by
 * reading what is there and comparing it with what it sent, and what it sent is not what was stored.
 *
 * So where the store says "duplicate", what was sent is remembered, and the next read of just that place answers with it,
 * where its redaction is what is stored. Nobody learns anything by that: who sent it has it.
 */
import type { Entry } from "../../log/entry.ts";
import { encodeValue, isPlainObject } from "../../log/values.ts";
import type { Commit, ReadRange } from "../../store/store.ts";

export interface Retries {
  /** Remembers what was sent in the commit `sent`, of which `stored` is the redaction. */
  remember(sent: Commit, stored: Commit, seq: number): void;
  /** What the reader of `range` should see of the entries `found`. */
  asSent(sessionId: string, range: ReadRange, found: Entry[]): Entry[];
}

/** Sessions that are remembered at most: writers read at once, so that more are none that anybody waits for. */
const LIMIT = 1000;

interface Sent {
  readonly seq: number;
  /** By id, the content that was sent, and what it reads like redacted. */
  readonly contents: ReadonlyMap<string, { readonly sent: Entry; readonly redacted: string }>;
}

export function createRetries(): Retries {
  const bySession = new Map<string, Sent>();
  return {
    remember(sent, stored, seq) {
      const contents = new Map<string, { sent: Entry; redacted: string }>();
      sent.entries.forEach((entry, index) => {
        const other = stored.entries[index];
        if (other && other !== entry) contents.set(entry.id, { sent: entry, redacted: contentOf(other) });
      });
      bySession.delete(sent.sessionId);
      if (contents.size === 0) return;
      bySession.set(sent.sessionId, { seq, contents });
      const [oldest] = bySession.size > LIMIT ? bySession.keys() : [];
      if (oldest !== undefined) bySession.delete(oldest);
    },
    asSent(sessionId, { after, reverse, types, upTo }, found) {
      const known = bySession.get(sessionId);
      if (!known || known.seq !== after + 1 || reverse || types || upTo !== undefined) return found;
      bySession.delete(sessionId);
      return found.map((entry) => {
        const content = known.contents.get(entry.id);
        return content && content.redacted === contentOf(entry) ? withContent(entry, content.sent) : entry;
      });
    },
  };
}

/** What two entries must have in common to be the same: of a message itself, not the turn that it came with. */
function contentOf({ type, data }: Entry): string {
  return encodeValue([type, partOf(type, data) ?? data ?? null]);
}

function withContent(entry: Entry, sent: Entry): Entry {
  const name = NAMES[entry.type];
  if (name === undefined || !isPlainObject(entry.data) || !isPlainObject(sent.data)) {
    return { ...entry, data: sent.data };
  }
  return { ...entry, data: { ...entry.data, [name]: sent.data[name] } };
}

const NAMES: Readonly<Record<string, string | undefined>> = {
  message: "message",
  "operation.applied": "digest",
};

function partOf(type: string, data: unknown): unknown {
  const name = NAMES[type];
  return name !== undefined && isPlainObject(data) ? data[name] : undefined;
}

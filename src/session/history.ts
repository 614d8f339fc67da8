/**
 * @module
 * Reading a session's history: its own log and what it inherits, as one, forwards or backwards, a page at a time.
 */
import type { Entry } from "../log/entry.ts";
import { HoldfastError } from "../log/errors.ts";
import { evolve } from "../log/evolve.ts";
import type { LogPart } from "../log/lineage.ts";
import { forkPoint, lineageAt, partsOf } from "../log/lineage.ts";
import type { Conversation, SessionRecord } from "../log/record.ts";
import { EMPTY_CONVERSATION } from "../log/record.ts";
import type { StoredMessage } from "../log/transcript.ts";
import { CONTROL_TYPES, MESSAGE_TYPES, visibility } from "../log/transcript.ts";
import type { SessionStore } from "../store/store.ts";

/** Measured on 100,000 messages: a walk in pages of 500 grows the process by 60 MB, of 200 by 30, at the same speed. */
const PAGE = 200;

/** A session as of one moment: the record, and the entries that lead to it but are not committed yet. */
export interface Snapshot {
  readonly record: SessionRecord;
  readonly pending: readonly Entry[];
  /** Where entries are now whose callers were told of another position, while they waited to be saved. */
  readonly moved?: ReadonlyMap<number, number>;
}

export interface EntryRange {
  /** Positions past this one. Default 0. */
  readonly after?: number;
  /** Positions up to and including this one. Default: the newest. */
  readonly upTo?: number;
  readonly types?: readonly string[];
}

export interface MessageRange {
  readonly after?: number;
  readonly upTo?: number;
}

export interface History {
  readonly record: SessionRecord;
  /** Entries in order, oldest first, in constant memory. */
  forward(range?: EntryRange): AsyncGenerator<Entry>;
  /**
   * Entries newest first. `visit` answers with `"stop"`, with a position to go on from (that one and older), or with
   * nothing to go on with the next.
   */
  backward(
    range: EntryRange & { firstPage?: number },
    visit: (entry: Entry) => "stop" | number | undefined,
  ): Promise<void>;
  /** The messages that are seen, oldest first, in constant memory. */
  messages(range?: MessageRange): AsyncGenerator<StoredMessage>;
  /** The newest messages that are seen, newest first, for as long as `visit` does not answer with `"stop"`. */
  newestMessages(
    range: MessageRange & { firstPage?: number },
    visit: (message: StoredMessage) => "stop" | undefined,
  ): Promise<void>;
  /** Where the entry is now that a caller knows at `seq`. */
  positionNow(seq: number): number;
  /** The record as it was at a position, as far as it belongs to the conversation; see {@link conversationOf}. */
  recordAt(seq: number): Promise<Pick<SessionRecord, keyof Conversation>>;
}

/** The history that `snapshot` has in `store`. */
export function historyOf(store: SessionStore, { record, pending, moved }: Snapshot): History {
  const stored = { ...record, seq: pending[0] ? pending[0].seq - 1 : record.seq };
  const parts = partsOf(stored);
  let lineageChecked = false;

  /** Inherited entries that are gone must not look like a short history. */
  async function checkPart(part: LogPart): Promise<void> {
    if (part.id === record.id || lineageChecked) return;
    const ids = [...new Set(parts.filter((one) => one.id !== record.id && !one.erased).map((one) => one.id))];
    const found = await store.find(ids);
    const missing = ids.filter((_id, index) => found[index] === undefined);
    if (missing.length > 0) {
      throw new HoldfastError(
        "STORE_CORRUPT",
        `session ${quote(record.id)} inherits history from ${missing.map(quote).join(", ")}, which is missing from the store; restore it from a backup`,
        { sessionId: record.id, store: store.name },
      );
    }
    lineageChecked = true;
  }

  async function* forward({ after = 0, upTo = record.seq, types }: EntryRange = {}): AsyncGenerator<Entry> {
    for (const part of parts) {
      let position = Math.max(part.after, after);
      const end = Math.min(part.upTo, upTo);
      if (part.erased || position >= end) continue;
      await checkPart(part);
      for (;;) {
        const page = await store.read(part.id, {
          after: position,
          upTo: end,
          limit: PAGE,
          ...(types && { types }),
        });
        yield* page;
        const last = page.at(-1);
        if (last === undefined || page.length < PAGE) break;
        position = last.seq;
      }
    }
    yield* pending.filter(
      (entry) => entry.seq > after && entry.seq <= upTo && (types?.includes(entry.type) ?? true),
    );
  }

  const backward: History["backward"] = async (range, visit) => {
    const { after = 0, upTo = record.seq, types, firstPage = PAGE } = range;
    let position = upTo;
    /** Visits one entry; whether to go on. */
    const step = (entry: Entry): boolean => {
      if (entry.seq > position) return true;
      const answer = visit(entry);
      if (answer === "stop") return false;
      position = Math.min(entry.seq - 1, answer ?? entry.seq - 1);
      return true;
    };
    for (const entry of pending.toReversed()) {
      if (entry.seq <= after) return;
      if ((types?.includes(entry.type) ?? true) && !step(entry)) return;
    }
    let limit = Math.max(1, Math.min(firstPage, PAGE));
    for (const part of parts.toReversed()) {
      const begin = Math.max(part.after, after);
      if (part.erased) continue;
      while (Math.min(position, part.upTo) > begin) {
        await checkPart(part);
        const page = await store.read(part.id, {
          after: begin,
          upTo: Math.min(position, part.upTo),
          limit,
          reverse: true,
          ...(types && { types }),
        });
        for (const entry of page) if (!step(entry)) return;
        if (page.length < limit) break;
        limit = PAGE;
      }
    }
  };

  async function* messages({
    after = 0,
    upTo = record.seq,
  }: MessageRange = {}): AsyncGenerator<StoredMessage> {
    const view = visibility();
    const { revisedUpTo = 0 } = record;
    if (revisedUpTo > after) {
      await backward({ after, upTo: revisedUpTo, types: CONTROL_TYPES }, (entry) => {
        view.take(entry);
        return view.skipTo;
      });
    }
    for await (const entry of forward({ after, upTo, types: ["message"] })) {
      const message = view.take(entry);
      if (message) yield message;
    }
  }

  const newestMessages: History["newestMessages"] = async (
    { after = 0, upTo = record.seq, firstPage = PAGE },
    visit,
  ) => {
    const view = visibility();
    await backward({ after, types: MESSAGE_TYPES, firstPage }, (entry) => {
      const message = view.take(entry);
      if (message && message.seq <= upTo && visit(message) === "stop") return "stop";
      return view.skipTo;
    });
  };

  const recordAt: History["recordAt"] = async (seq) => {
    if (seq >= record.seq) return record;
    const own: LogPart = { id: record.id, after: forkPoint(record), upTo: record.seq, erased: false };
    const part = [...parts, own].find((one) => one.upTo >= seq);
    let folded: SessionRecord | undefined;
    for await (const entry of forward({ after: part?.after ?? 0, upTo: seq })) folded = evolve(folded, entry);
    const found = folded ?? { ...EMPTY_CONVERSATION, dataVersion: record.dataVersion };
    if (!record.lineage.some(({ erased }) => erased)) return found;
    // What the fold counted may have been erased since from what it inherits.
    let messageCount = 0;
    const past = { ...record, seq, lineage: lineageAt(record, seq) };
    for await (const _message of historyOf(store, { record: past, pending: [] }).messages())
      messageCount += 1;
    return { ...found, messageCount };
  };

  return {
    record,
    forward,
    backward,
    messages,
    newestMessages,
    positionNow: (seq) => moved?.get(seq) ?? seq,
    recordAt,
  };
}

function quote(text: string): string {
  return JSON.stringify(text);
}

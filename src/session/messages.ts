/**
 * @module
 * Reading the messages of a session: what a message id names, what a model is sent, what a summary replaces.
 */
import type { StoredObject } from "../log/entry.ts";
import { isKnown, positionalId, positionOf } from "../log/entry.ts";
import { invalidArgument } from "../log/errors.ts";
import { repair as repaired } from "../log/repair.ts";
import type { Compaction, StoredMessage } from "../log/transcript.ts";
import { CONTROL_TYPES, visibility } from "../log/transcript.ts";
import type { WindowOptions } from "../log/window.ts";
import { windowStart, windowTaker } from "../log/window.ts";
import type { History, MessageRange } from "./history.ts";
import { checkCount } from "./input.ts";

/** So many instructions at most open a conversation, and among so many entries they are looked for. */
const MOST_LEADING = 4;
const LEADING_ENTRIES = 16;

/**
 * The message that `id` names, as it is seen now. The search begins at the newest.
 *
 * @throws INVALID_ARGUMENT where no message that is seen has this id.
 */
export async function findMessage(history: History, id: unknown): Promise<StoredMessage> {
  const { id: sessionId } = history.record;
  if (typeof id !== "string" || id === "")
    throw invalidArgument("a message id must be a string that is not empty", sessionId);
  const told = positionOf(id);
  const position = told === undefined ? undefined : history.positionNow(told);
  const wanted = position === undefined ? id : positionalId(position);
  let found: StoredMessage | undefined;
  await history.newestMessages({ after: position === undefined ? 0 : position - 1 }, (message) => {
    if (message.id === wanted) found = message;
    return found || (position !== undefined && message.seq < position) ? "stop" : undefined;
  });
  if (found) return found;
  throw invalidArgument(
    `session ${JSON.stringify(sessionId)} shows no message with id ${JSON.stringify(id)}; it may have been removed or rewound`,
    sessionId,
  );
}

/** The messages of a range, oldest first. */
export async function readMessages(
  history: History,
  { last, after = 0, upTo }: MessageRange & { last?: number },
): Promise<StoredMessage[]> {
  checkCount(after, "after");
  if (upTo !== undefined) checkCount(upTo, "upTo");
  const most = last === undefined ? Infinity : checkCount(last, "last");
  const newest: StoredMessage[] = [];
  if (most === 0) return newest;
  const range = {
    after,
    ...(upTo !== undefined && { upTo }),
    ...(last !== undefined && { firstPage: last + 2 }),
  };
  await history.newestMessages(range, (message) => {
    newest.push(message);
    return newest.length >= most ? "stop" : undefined;
  });
  return newest.reverse();
}

/** What a model is sent: opening instructions, the summary, the window; repaired. */
export async function readContext(
  history: History,
  { repair = true, ...limits }: WindowOptions & { repair?: boolean },
): Promise<StoredObject[]> {
  const taker = windowTaker(limits);
  const compaction = await compactionOf(history);
  const summary = compaction?.messages ?? [];
  const instructions = await leadingInstructions(history);
  taker.reserve([...instructions.map(({ message }) => message), ...summary]);

  const newest: StoredMessage[] = [];
  let cut = false;
  const range = {
    after: compaction?.upTo ?? 0,
    ...(limits.lastMessages !== undefined && { firstPage: limits.lastMessages + 2 }),
  };
  await history.newestMessages(range, (message) => {
    cut = !taker.take(message.message);
    if (!cut) newest.push(message);
    return cut ? "stop" : undefined;
  });
  const all = newest.reverse();
  const window = cut ? all.slice(windowStart(all.map(({ message }) => message))) : all;
  const first = window[0]?.seq ?? Infinity;
  const messages = [
    ...instructions.filter(({ seq }) => seq < first).map(({ message }) => message),
    ...summary,
    ...window.map(({ message }) => message),
  ];
  return repair ? repaired(messages) : messages;
}

/** The newest compaction that is in force. */
export async function compactionOf(history: History): Promise<Compaction | undefined> {
  if (history.record.compactedUpTo === undefined) return undefined;
  const view = visibility();
  await history.backward({ types: ["history.compacted", ...CONTROL_TYPES], firstPage: 32 }, (entry) => {
    view.take(entry);
    return view.compaction ? "stop" : view.skipTo;
  });
  return view.compaction;
}

/** System messages that open the conversation: they hold for all of it, so no window or summary takes them away. */
export async function leadingInstructions(history: History): Promise<StoredMessage[]> {
  let after = 0;
  for (;;) {
    const upTo = await lastInstruction(history, after);
    if (upTo === undefined) return [];
    const leading: StoredMessage[] = [];
    for await (const message of history.messages({ after, upTo })) {
      if (!isInstruction(message.message)) break;
      leading.push(message);
    }
    if (leading.length > 0) return leading;
    // What the log begins with is hidden: the conversation began again behind the clear or rewind that hides it.
    after = await endOfHidden(history, upTo);
    if (after === 0) return [];
  }
}

/** The last position of the instructions among the first messages past `after`, where those begin with one. */
async function lastInstruction(history: History, after: number): Promise<number | undefined> {
  const upTo = Math.min(history.record.seq, after + LEADING_ENTRIES);
  let last: number | undefined;
  let count = 0;
  for await (const entry of history.forward({ types: ["message"], after, upTo })) {
    if (!isKnown(entry) || entry.type !== "message" || !isInstruction(entry.data.message)) break;
    last = entry.seq;
    count += 1;
    if (count >= MOST_LEADING) break;
  }
  return last;
}

/** Where the newest stretch ends that hides the message at `seq`; 0 where none does. */
async function endOfHidden(history: History, seq: number): Promise<number> {
  const { revisedUpTo = 0 } = history.record;
  if (revisedUpTo <= seq) return 0;
  const view = visibility();
  const range = { types: ["messages.cleared", "history.rewound"], after: seq, upTo: revisedUpTo };
  let end = 0;
  await history.backward(range, (entry) => {
    view.take(entry);
    if (view.skipTo !== undefined && view.skipTo < seq) end = entry.seq;
    return end > 0 ? "stop" : view.skipTo;
  });
  return end;
}

function isInstruction(message: StoredObject): boolean {
  return message["role"] === "system" || message["role"] === "developer";
}

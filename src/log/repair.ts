/**
 * @module
 * Makes a transcript one that a provider accepts: each tool call is followed by its result. Only the view changes.
 */
import type { StoredObject } from "./entry.ts";
import type { ToolCall } from "./tool-calls.ts";
import {
  interruptedResults,
  isOnlyAnswers,
  resultOf,
  toolCallsOf,
  toolResultIdsOf,
  withResults,
} from "./tool-calls.ts";

/** A call as it was made at one place, with its last result where it has one. */
interface MadeCall {
  readonly call: ToolCall;
  readonly index: number;
  answer?: { readonly index: number; readonly message: StoredObject };
}

/**
 * The messages with every tool call answered right behind the message that makes it:
 *
 * - a result that came late is moved up to its call;
 * - a call with no result gets one that says that it was interrupted, unless its provider runs it, or it waits for
 *   approval at the end of the conversation;
 * - a result with no call before it is left out, and so are all but the last result of one call.
 *
 * Everything else stays as it is and in order. Repairing twice changes nothing more.
 */
export function repair(messages: readonly StoredObject[]): StoredObject[] {
  /** For each message that holds results, the ids of those that stay in it. */
  const staying = new Map<number, Set<string>>();
  /** For each message that makes calls, what to put right behind it. */
  const behind = new Map<number, { moved: StoredObject[]; missing: ToolCall[] }>();
  const otherBefore = lastOtherBefore(messages);

  for (const { call, index, answer } of madeCalls(messages)) {
    const isBehind = otherBefore[answer?.index ?? messages.length] === index;
    if (answer && isBehind) {
      getOrAdd(staying, answer.index, () => new Set<string>()).add(call.id);
    } else if (answer) {
      getOrAdd(behind, index, nothing).moved.push(resultOf(answer.message, call.id));
    } else if (call.waitsFor !== "provider" && !(call.waitsFor === "approval" && isBehind)) {
      getOrAdd(behind, index, nothing).missing.push(call);
    }
  }

  return messages.flatMap((message, index) => {
    const kept = withResults(message, (id) => staying.get(index)?.has(id) ?? false);
    const inserted = behind.get(index);
    return [
      ...(kept ? [kept] : []),
      ...(inserted ? [...inserted.moved, ...interruptedResults(inserted.missing)] : []),
    ];
  });
}

function madeCalls(messages: readonly StoredObject[]): MadeCall[] {
  const all: MadeCall[] = [];
  const newest = new Map<string, MadeCall>();
  messages.forEach((message, index) => {
    for (const id of toolResultIdsOf(message)) {
      const made = newest.get(id);
      if (made) made.answer = { index, message };
    }
    for (const call of toolCallsOf(message)) {
      const made: MadeCall = { call, index };
      newest.set(call.id, made);
      all.push(made);
    }
  });
  return all;
}

/** For each place, and the one behind the end: the last message before it that is not only there to answer calls. */
function lastOtherBefore(messages: readonly StoredObject[]): number[] {
  let last = -1;
  const before = [last];
  for (const [index, message] of messages.entries()) {
    if (!isOnlyAnswers(message)) last = index;
    before.push(last);
  }
  return before;
}

function nothing(): { moved: StoredObject[]; missing: ToolCall[] } {
  return { moved: [], missing: [] };
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

/**
 * @module
 * Messages that are kept as they are, which is what most formats hold.
 */
import type { StoredObject } from "../../log/entry.ts";
import { positionOf } from "../../log/entry.ts";
import { isPlainObject } from "../../log/values.ts";
import { idOf, timeOf } from "./fields.ts";
import { inMebibytes } from "./lines.ts";
import type { Found, ImportedMessage, Origin } from "./types.ts";

/** Whether it is an object that says whose message it is. */
export function isMessage(value: unknown): value is StoredObject {
  return isPlainObject(value) && typeof value.role === "string";
}

/** Gives out each id once: a message id must be unique within its session. */
export function messageIds(): (candidate: unknown) => string | undefined {
  const taken = new Set<string>();
  return (candidate) => {
    const id = typeof candidate === "string" ? idOf(candidate) : undefined;
    if (id === undefined || positionOf(id) !== undefined || taken.has(id)) return undefined;
    taken.add(id);
    return id;
  };
}

/** The message as it is, with its id and its time beside it where it has them. */
export function asGiven(
  message: StoredObject,
  newId: (candidate: unknown) => string | undefined,
): ImportedMessage {
  const id = newId(message.id);
  const at = timeOf(message.timestamp ?? message.createdAt ?? message.created_at);
  return { ...(id !== undefined && { id }), message, ...(at !== undefined && { at }) };
}

/** The messages of a list; what is none is left out and named in `problems`. */
export function messagesOf(values: readonly unknown[]): { messages: ImportedMessage[]; problems: string[] } {
  const newId = messageIds();
  const messages: ImportedMessage[] = [];
  const problems: string[] = [];
  for (const [index, value] of values.entries()) {
    if (isMessage(value)) messages.push(asGiven(value, newId));
    else problems.push(`message ${index + 1} is not an object with a role; it was left out`);
  }
  return { messages, problems };
}

/** What is said of a session that does not fit in memory. */
export function tooLarge({ limits }: Origin): Found {
  return {
    problem: `the file is one session of more than ${inMebibytes(limits.sessionBytes)}, too large to be held at once; split it into several files`,
  };
}

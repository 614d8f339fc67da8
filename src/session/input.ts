/**
 * @module
 * What callers give: checked and copied before anything is written, so that a later change of theirs reaches nothing.
 */
import { createHash } from "node:crypto";
import type { NewMessage } from "../log/decide.ts";
import type { StoredObject } from "../log/entry.ts";
import { positionOf } from "../log/entry.ts";
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import type { Usage } from "../log/record.ts";
import { checkId, encodeValue, frozenCopy, isPlainObject } from "../log/values.ts";

const MAX_LABEL_BYTES = 512;
const USAGE_COUNTS = [
  "inputTokens",
  "outputTokens",
  "cachedInputTokens",
  "reasoningTokens",
  "totalTokens",
] as const;

/**
 * A frozen copy of an object that a caller gave.
 *
 * @throws INVALID_ARGUMENT where it is not a plain object or holds what can't be stored.
 */
export function storedObject(value: unknown, what: string): StoredObject {
  if (!isPlainObject(value)) {
    const kind = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
    throw invalidArgument(
      `${what} must be a plain object, not ${kind === "object" ? "an instance of a class" : kind}`,
    );
  }
  const copy = storedValue(value, what);
  return isPlainObject(copy) ? copy : {};
}

/** A frozen copy of any value that can be stored. */
export function storedValue(value: unknown, what: string): unknown {
  try {
    return frozenCopy(value);
  } catch (error) {
    if (HoldfastError.is(error)) throw invalidArgument(`${what}: ${error.message}`);
    throw error;
  }
}

/** The messages to append, each with its id where it has one: the caller's, else the message's own. */
export function newMessages(messages: unknown, ids?: readonly string[]): NewMessage[] {
  const list: readonly unknown[] = Array.isArray(messages) ? messages : [messages];
  if (ids !== undefined && (!Array.isArray(ids) || ids.length !== list.length)) {
    throw invalidArgument(`ids must name each of the ${list.length} messages`);
  }
  const seen = new Set<string>();
  return list.map((value, index) => {
    const what = list.length === 1 ? "the message" : `message ${index}`;
    const message = storedObject(value, what);
    const own = message["id"];
    const given = ids ? ids[index] : typeof own === "string" && own !== "" ? own : undefined;
    if (given === undefined && !ids) return { message };
    const id = entryId(given, `id of ${what}`);
    if (seen.has(id)) throw invalidArgument(`the id ${JSON.stringify(id)} is given to two messages`);
    seen.add(id);
    return { id, message };
  });
}

/** Checks an id for an entry. Positions (`#12`) name entries that have no id of their own, so they can't be given. */
export function entryId(id: unknown, what: string): string {
  const checked = checkId(id, what);
  if (positionOf(checked) === undefined) return checked;
  throw invalidArgument(`the ${what} is ${JSON.stringify(checked)}, which names a position; give another id`);
}

/** What tells one operation from another with the same id. */
export function digestOf(messages: readonly NewMessage[], usage: Partial<Usage> | undefined): string {
  return createHash("sha256")
    .update(encodeValue([messages, usage ?? null]))
    .digest("base64url")
    .slice(0, 22);
}

/** @throws INVALID_ARGUMENT unless every count is a whole number and the cost a number, none negative. */
export function checkUsage(usage: Partial<Usage>): Partial<Usage> {
  const copy = storedObject(usage, "usage");
  for (const key of USAGE_COUNTS) {
    const count = copy[key];
    if (count !== undefined && !(typeof count === "number" && Number.isInteger(count) && count >= 0)) {
      throw invalidArgument(`usage.${key} must be a whole number of tokens, not ${String(count)}`);
    }
  }
  const { costUsd } = copy;
  if (costUsd !== undefined && !(typeof costUsd === "number" && costUsd >= 0)) {
    throw invalidArgument(`usage.costUsd must be a number of US dollars, not ${String(costUsd)}`);
  }
  const known = [...USAGE_COUNTS, "costUsd"];
  return Object.fromEntries(Object.entries(copy).filter(([key]) => known.includes(key)));
}

/** @throws INVALID_ARGUMENT unless it is a string with something in it, of at most 512 bytes. */
export function checkLabel(label: unknown): string {
  if (typeof label !== "string" || label.trim() === "")
    throw invalidArgument("the label must be a string that is not empty");
  if (Buffer.byteLength(label) > MAX_LABEL_BYTES) {
    throw invalidArgument(`the label is longer than ${MAX_LABEL_BYTES} bytes; shorten it`);
  }
  if (!label.isWellFormed())
    throw invalidArgument("the label holds half of a surrogate pair, which is not valid Unicode");
  return label;
}

/** @throws INVALID_ARGUMENT unless it is a number of milliseconds above 0. */
export function checkDuration(ms: unknown, what: string): number {
  if (typeof ms === "number" && Number.isFinite(ms) && ms > 0) return ms;
  throw invalidArgument(`${what} must be a number of milliseconds above 0, not ${String(ms)}`);
}

/** @throws INVALID_ARGUMENT unless it is a whole number of at least `least`. */
export function checkCount(count: unknown, what: string, least = 0): number {
  if (typeof count === "number" && Number.isSafeInteger(count) && count >= least) return count;
  throw invalidArgument(`${what} must be a whole number of at least ${least}, not ${String(count)}`);
}

/**
 * @module
 * The way through a value to each of its texts, and the value with some of them replaced. What isn't changed is shared.
 */
import { isPlainObject } from "../../log/values.ts";
import { isSealedField, isSigned, unsigned } from "./signed.ts";

/**
 * `message`: names, types and ids are left alone, and what a provider signed is known; `content`: all is text; `title`:
 * only titles are.
 */
export type WalkMode = "message" | "content" | "title";

export interface Place {
  readonly mode: WalkMode;
  /** The nearest property. */
  readonly key: string | undefined;
  /** From the entry's data on. */
  readonly path: string;
  /** Within a part that a provider signed. */
  readonly isSigned: boolean;
  readonly depth: number;
}

/** Stores refuse what is nested deeper, a cycle for example. See `values.ts`. */
const MAX_DEPTH = 540;

export interface Visitor {
  /** What should stand in place of a text; `undefined` leaves it. */
  text(text: string, place: Place): string | undefined;
  /** What should stand in place of bytes; `undefined` leaves them. */
  bytes(bytes: Uint8Array, place: Place): Uint8Array | undefined;
  /** Whether a signed part should not be there at all. */
  isDropped(part: Readonly<Record<string, unknown>>, place: Place): boolean;
}

/** What tells parts of a message apart and links them. Other code depends on it, so it is not looked at. */
const STRUCTURE: ReadonlySet<string> = new Set(
  [
    ["id", "type", "role", "state", "status", "object", "model", "mediaType", "media_type", "mimeType"],
    ["toolCallId", "tool_call_id", "callId", "call_id", "tool_use_id", "toolName", "tool_name"],
    ["itemId", "item_id", "sourceId", "approvalId", "approval_id"],
  ].flat(),
);
/** What a tool was given and what it gave is content, whatever it looks like. */
const CONTENT: ReadonlySet<string> = new Set([
  ...["input", "args", "arguments", "output", "result", "rawInput", "metadata"],
]);
/** A path names properties by these; one that could itself be a secret is `*`. */
const PLAIN_KEY = /^[\w-]{1,30}$/;

export function walk(value: unknown, place: Place, visitor: Visitor): unknown {
  if (typeof value === "string") return visitor.text(value, place) ?? value;
  if (typeof value !== "object" || value === null || place.depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return walkList(value, place, visitor);
  if (value instanceof Uint8Array) return visitor.bytes(value, place) ?? value;
  return isPlainObject(value) ? walkObject(value, place, visitor) : value;
}

function walkList(list: readonly unknown[], place: Place, visitor: Visitor): unknown {
  let isChanged = false;
  const result: unknown[] = [];
  list.forEach((item, index) => {
    const at = { ...place, path: `${place.path}.${index}`, depth: place.depth + 1 };
    if (isSignedPart(item, at) && visitor.isDropped(item, at)) {
      isChanged = true;
      return;
    }
    const next = walk(item, at, visitor);
    isChanged ||= next !== item;
    result.push(next);
  });
  return isChanged ? result : list;
}

function walkObject(value: Record<string, unknown>, outer: Place, visitor: Visitor): unknown {
  let object = value;
  let place = outer;
  if (isSignedPart(value, outer)) {
    // In a list it would be gone. Here it stays, without what vouched for it.
    if (visitor.isDropped(value, outer)) object = unsigned(value);
    else place = { ...outer, isSigned: true };
  }
  let changed: Map<string, unknown> | undefined;
  for (const [key, item] of Object.entries(object)) {
    if (typeof item !== "string" && (typeof item !== "object" || item === null)) continue;
    if (place.mode === "title" && key !== "title") continue;
    if (
      place.mode === "message" &&
      (isSealedField(key, object) || (typeof item === "string" && STRUCTURE.has(key)))
    )
      continue;
    const next = walk(item, within(place, key), visitor);
    if (next !== item) {
      changed ??= new Map();
      changed.set(key, next);
    }
  }
  if (!changed) return object;
  const by = changed;
  return Object.fromEntries(
    Object.entries(object).map(([key, item]) => [key, by.has(key) ? by.get(key) : item]),
  );
}

function within({ mode, path, isSigned: signed, depth }: Place, key: string): Place {
  return {
    mode: mode === "message" && !CONTENT.has(key) ? "message" : "content",
    key,
    path: `${path}.${PLAIN_KEY.test(key) ? key : "*"}`,
    isSigned: signed,
    depth: depth + 1,
  };
}

function isSignedPart(value: unknown, { mode, isSigned: signed }: Place): value is Record<string, unknown> {
  return mode === "message" && !signed && isPlainObject(value) && isSigned(value);
}

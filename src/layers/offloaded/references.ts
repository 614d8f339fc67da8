/**
 * @module
 * What stands in an entry or a record in place of a large value: an object with the single key {@link TAG}. A caller's own
 * object that has just that key is wrapped in one itself, so nothing that is stored can be mistaken for a reference.
 */
import { createHash } from "node:crypto";
import { invalidArgument } from "../../log/errors.ts";
import { byteLength, isPlainObject, knownText } from "../../log/values.ts";
import type { Change } from "./fields.ts";
import { changeMap } from "./fields.ts";

const TAG = "$holdfast.blob";
/** As deep as entries and records may be nested. What is deeper is a cycle, or would be refused by the store below. */
const MAX_DEPTH = 520;

/** How bytes stand for a value. `utf16`: a text with half a surrogate pair, which UTF-8 has no bytes for. */
export type BlobKind = "text" | "utf16" | "bytes";

export interface BlobReference {
  readonly kind: BlobKind;
  /** SHA-256 of the bytes, in hexadecimal. */
  readonly hash: string;
  /** Tells one copy of these bytes from another: see `ledger.ts`. */
  readonly copy: string;
  readonly bytes: number;
  /** Whether the text of the entry that it is in was put there for search only. */
  readonly isFound: boolean;
}

/** A value that was taken out, and the reference in its place: the copy is filled in once it is known. */
export interface Taken {
  readonly hash: string;
  readonly bytes: number;
  /** The bytes to be kept, which no caller can change. */
  readonly content: Uint8Array;
  /** How many bytes it would take as JSON. */
  jsonBytes(): number;
  fill(copy: string): void;
}

/** Whether something within a value has to be changed, remembered for what can't change any more. */
export interface Scan {
  /** Whether there is nothing to change in `value`, however deep. */
  isSettled(value: unknown): boolean;
}

/**
 * A scan for values past `thresholdBytes` and for what looks like a reference; without a threshold, for the latter alone.
 *
 * @throws INVALID_ARGUMENT for a cycle.
 */
export function createScan(thresholdBytes = Number.POSITIVE_INFINITY): Scan {
  const settled = new WeakSet<object>();

  /** `undefined`: there is something to change. Otherwise whether `value` can't change any more. */
  const look = (value: unknown, levels: number): boolean | undefined => {
    if (typeof value === "string") return isLarge(value, thresholdBytes) ? undefined : true;
    if (typeof value !== "object" || value === null || settled.has(value)) return true;
    if (isBytes(value)) return value.byteLength > thresholdBytes ? undefined : false;
    const text = knownText(value);
    // It is plain JSON without a tag, and no text within it is longer than the whole.
    if (text !== undefined && text.length * 3 <= thresholdBytes) return true;
    if (levels === 0) throw tooDeep();
    const isList = Array.isArray(value);
    if (!isList && !isPlainObject(value)) return false;
    if (!isList && isTagged(value)) return undefined;
    let isFrozen = Object.isFrozen(value);
    for (const item of isList ? value : Object.values(value)) {
      const found = look(item, levels - 1);
      if (found === undefined) return undefined;
      isFrozen &&= found;
    }
    if (isFrozen) settled.add(value);
    return isFrozen;
  };

  return { isSettled: (value) => look(value, MAX_DEPTH) !== undefined };
}

/**
 * `value` with a reference in place of each text and each `Uint8Array` past `thresholdBytes`, and what looks like a
 * reference escaped. `value` itself where there is none.
 *
 * @param isFound see {@link BlobReference}.
 */
export function takeOut(
  value: unknown,
  options: { readonly thresholdBytes: number; readonly isFound: boolean; taken(one: Taken): void },
): unknown {
  const { thresholdBytes, isFound, taken } = options;
  const refer = (kind: BlobKind, content: Uint8Array, jsonBytes: () => number): unknown => {
    const hash = hashOf(content);
    const parts = [kind, hash, "", content.byteLength, ...(isFound ? ["found"] : [])];
    const fill = (copy: string): void => {
      parts[2] = copy;
    };
    taken({ hash, bytes: content.byteLength, content, jsonBytes, fill });
    return { [TAG]: parts };
  };
  const change = (item: unknown, levels: number): unknown => {
    if (typeof item === "string") {
      if (!isLarge(item, thresholdBytes)) return item;
      const jsonBytes = (): number => byteLength(JSON.stringify(item));
      if (item.isWellFormed()) return refer("text", Buffer.from(item), jsonBytes);
      return refer("utf16", Buffer.from(item, "utf16le"), jsonBytes);
    }
    if (typeof item !== "object" || item === null) return item;
    if (isBytes(item)) {
      if (item.byteLength <= thresholdBytes) return item;
      return refer("bytes", new Uint8Array(item), () => Math.ceil(item.byteLength / 3) * 4);
    }
    if (levels === 0) throw tooDeep();
    if (Array.isArray(item)) return changeList(item, (one) => change(one, levels - 1));
    // What can't be stored is left for the store below to refuse.
    if (!isPlainObject(item) || Object.getOwnPropertySymbols(item).length > 0 || "toJSON" in item)
      return item;
    const changed = changeMap(item, (one) => change(one, levels - 1));
    return isTagged(changed) ? { [TAG]: ["object", changed] } : changed;
  };
  return change(value, MAX_DEPTH);
}

/** `value` with what `lookUp` says in place of each reference. `value` itself where there is none. */
export function putBack(value: unknown, lookUp: (reference: BlobReference) => unknown): unknown {
  if (typeof value !== "object" || value === null || isBytes(value)) return value;
  if (Array.isArray(value)) return changeList(value, (item) => putBack(item, lookUp));
  if (!isPlainObject(value)) return value;
  if (isTagged(value)) {
    const reference = toReference(value[TAG]);
    if (reference) return lookUp(reference);
    const own = escaped(value[TAG]);
    if (own) return changeMap(own, (item) => putBack(item, lookUp));
  }
  return changeMap(value, (item) => putBack(item, lookUp));
}

/** The value whose bytes are `content`. */
export function valueFrom({ kind }: BlobReference, content: Uint8Array): unknown {
  if (kind === "bytes") return new Uint8Array(content);
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  return bytes.toString(kind === "text" ? "utf8" : "utf16le");
}

export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function toReference(held: unknown): BlobReference | undefined {
  if (!Array.isArray(held)) return undefined;
  const [kind, hash, copy, bytes, found]: unknown[] = held;
  if (kind !== "text" && kind !== "utf16" && kind !== "bytes") return undefined;
  if (typeof hash !== "string" || typeof copy !== "string" || typeof bytes !== "number") return undefined;
  return { kind, hash, copy, bytes, isFound: found === "found" };
}

function escaped(held: unknown): Readonly<Record<string, unknown>> | undefined {
  if (!Array.isArray(held) || held[0] !== "object") return undefined;
  const own: unknown = held[1];
  return isPlainObject(own) ? own : undefined;
}

/** Whether {@link TAG} is all that will be stored of it. */
function isTagged(value: Readonly<Record<string, unknown>>): boolean {
  if (!Object.hasOwn(value, TAG)) return false;
  return Object.entries(value).every(([key, item]) => key === TAG || item === undefined);
}

function isLarge(text: string, thresholdBytes: number): boolean {
  if (text.length * 3 <= thresholdBytes) return false;
  return text.length > thresholdBytes || byteLength(text) > thresholdBytes;
}

/** Whether it is a Uint8Array, of any realm. */
function isBytes(value: object): value is Uint8Array {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === "[object Uint8Array]";
}

function changeList(list: readonly unknown[], change: Change): readonly unknown[] {
  // One of a class of its own is for the store below to refuse.
  if (!Array.isArray(Object.getPrototypeOf(list))) return list;
  const changed = list.map((item) => change(item));
  return changed.some((item, index) => item !== list[index]) ? changed : list;
}

function tooDeep(): Error {
  return invalidArgument(
    `the value holds a cycle or is nested deeper than ${MAX_DEPTH} levels; Holdfast stores JSON values, Uint8Array, Date and bigint, so convert it before you save it`,
  );
}

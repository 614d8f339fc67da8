/**
 * @module
 * The values that a log can hold, and how they become text and come back.
 *
 * JSON plus `Uint8Array`, `Date`, `bigint` and `-0`; `undefined` as JSON treats it. Text, because that alone gives
 * back key order, NUL, lone surrogates, `__proto__` keys and `$` keys as they went in, on every engine.
 *
 * A value that JSON has no word for is written as an object with the single key {@link TAG}; a caller's own object that
 * has just that key is wrapped in a tag itself, so nothing that is stored can be mistaken for a tag.
 */
import { HoldfastError, invalidArgument } from "./errors.ts";

const TAG = "$holdfast";
/** Deeper nesting is refused: it is a cycle, or would exhaust the stack of a reader. */
const MAX_DEPTH = 512;
/** How deep entries and records put a caller's value: `data.base.state.<slot>` and the like. */
const ENVELOPE_DEPTH = 8;
/** Ids are opaque, but every engine must be able to index them. */
const MAX_ID_BYTES = 512;

/**
 * The value as JSON text.
 *
 * @throws INVALID_ARGUMENT for a function, symbol, NaN, Infinity, invalid Date, class instance, cycle or nesting
 *   deeper than 512 (8 more for what Holdfast puts around a value); the message names the path within the value.
 * @example
 * ```ts
 * encodeValue({ at: new Date(0) }); // '{"at":{"$holdfast":["date",0]}}'
 * ```
 */
export function encodeValue(value: unknown): string {
  return knownText(value) ?? encode(value, MAX_DEPTH + ENVELOPE_DEPTH);
}

/** The value that {@link encodeValue} made `text` of. Throws SyntaxError where `text` is not JSON. */
export function decodeValue(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return text.includes(TAG) ? fromTagged(value) : value;
}

/** A deep copy of `value` that shares nothing with it. Throws as {@link encodeValue} does, at 512 levels. */
export function copyValue(value: unknown): unknown {
  return decodeValue(encode(value, MAX_DEPTH));
}

/** The text that a frozen copy was made of: what is written need not be encoded again. */
const texts = new WeakMap<object, string>();

/**
 * A deep-frozen copy of `value`, of which {@link encodeValue} knows the text. Throws as {@link copyValue} does.
 */
export function frozenCopy(value: unknown): unknown {
  const text = encode(value, MAX_DEPTH);
  const copy = freeze(decodeValue(text));
  // A Date or bytes can't be frozen.
  if (typeof copy === "object" && copy !== null && !text.includes(TAG)) texts.set(copy, text);
  return copy;
}

/** The text of what {@link frozenCopy} made. */
export function knownText(value: unknown): string | undefined {
  return typeof value === "object" && value !== null ? texts.get(value) : undefined;
}

function encode(value: unknown, levels: number): string {
  if (value === undefined) throw invalidArgument("the value is undefined; give null where nothing is meant");
  return JSON.stringify(isPlain(value, levels) ? value : toTagged(value, undefined, levels));
}

/** Whether JSON alone can hold the value, as an item of another. Anything not surely plain takes the careful way. */
function isPlain(value: unknown, levels: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return true;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0);
    case "object": {
      if (value === null) return true;
      if (levels === 0 || "toJSON" in value) return false;
      const prototype: unknown = Object.getPrototypeOf(value);
      if (Array.isArray(value)) {
        if (prototype !== Array.prototype) return false;
        for (const item of value) if (!isPlain(item, levels - 1)) return false;
        return true;
      }
      if (prototype !== Object.prototype || Object.getOwnPropertySymbols(value).length > 0) return false;
      for (const [key, item] of Object.entries(value)) {
        if (key === TAG || !isPlain(item, levels - 1)) return false;
      }
      return true;
    }
    default:
      return false;
  }
}

/** The way from a value down to one that it holds. */
interface Path {
  readonly parent: Path | undefined;
  readonly key: string | number;
}

/** @param levels how many levels of objects and arrays there may be from here on. */
function toTagged(value: unknown, path: Path | undefined, levels: number): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return value;
    case "number":
      if (!Number.isFinite(value)) throw refusal(path, `is ${value}`);
      return Object.is(value, -0) ? { [TAG]: ["number", "-0"] } : value;
    case "bigint":
      return { [TAG]: ["bigint", value.toString()] };
    case "object":
      break;
    default:
      throw refusal(path, `is a ${typeof value}`);
  }
  if (value === null) return null;
  if (isDate(value)) {
    const timeMs = value.getTime();
    if (Number.isNaN(timeMs)) throw refusal(path, "is an invalid Date");
    return { [TAG]: ["date", timeMs] };
  }
  if (isBytes(value)) return { [TAG]: ["bytes", toBase64(value)] };
  if (levels === 0) throw refusal(path, `holds a cycle or is nested deeper than ${MAX_DEPTH} levels`);
  // The prototype of arrays is an array itself, in every realm; that of a subclass is not.
  const isList = Array.isArray(value) && Array.isArray(Object.getPrototypeOf(value));
  if (!isList && !isPlainObject(value)) throw refusal(path, `is an instance of ${nameOf(value)}`);
  if ("toJSON" in value && typeof value.toJSON === "function") throw refusal(path, "has a toJSON function");
  const descend = (item: unknown, key: string | number): unknown =>
    toTagged(item, { parent: path, key }, levels - 1);
  if (isList) return Array.from(value, descend);
  if (Object.getOwnPropertySymbols(value).length > 0) throw refusal(path, "has a symbol as a key");
  const entries = Object.entries(value)
    .map(([key, item]): [string, unknown] => [key, descend(item, key)])
    .filter(([, item]) => item !== undefined);
  const copy: Record<string, unknown> = Object.fromEntries(entries);
  return entries.length === 1 && entries[0]?.[0] === TAG ? { [TAG]: ["object", copy] } : copy;
}

function refusal(path: Path | undefined, what: string): HoldfastError {
  const keys: (string | number)[] = [];
  for (let at = path; at !== undefined; at = at.parent) keys.unshift(at.key);
  const way = keys.length > 100 ? [...keys.slice(0, 3), "…"] : keys;
  return invalidArgument(
    `the value${way.length === 0 ? "" : ` at ${way.join(".")}`} ${what}; Holdfast stores JSON values, Uint8Array, Date and bigint, so convert it before you save it`,
  );
}

function nameOf(value: object): string {
  const { name }: { name?: unknown } = value.constructor ?? {};
  return typeof name === "string" && name !== "" ? name : "a class";
}

function fromTagged(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(fromTagged);
  const entries = Object.entries(value);
  const only = entries.length === 1 && entries[0]?.[0] === TAG ? entries[0][1] : undefined;
  if (Array.isArray(only)) return untag(only[0], only[1]);
  return Object.fromEntries(entries.map(([key, item]) => [key, fromTagged(item)]));
}

function untag(kind: unknown, held: unknown): unknown {
  switch (kind) {
    case "date":
      return new Date(Number(held));
    case "bigint":
      return BigInt(String(held));
    case "bytes":
      return fromBase64(String(held));
    case "number":
      return -0;
    case "object":
      return isPlainObject(held)
        ? Object.fromEntries(Object.entries(held).map(([key, item]) => [key, fromTagged(item)]))
        : held;
    default:
      throw new HoldfastError(
        "STORE_CORRUPT",
        `a stored value carries the unknown tag ${JSON.stringify(kind)}`,
      );
  }
}

/** Whether `value` is an object literal, also one of another realm; not an instance of a class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

/** Whether it is a Date, of any realm. Only what merely claims to be one has a `Symbol.toStringTag`. */
function isDate(value: object): value is Date {
  return Object.prototype.toString.call(value) === "[object Date]" && !(Symbol.toStringTag in value);
}

/** Whether it is a Uint8Array, of any realm; Node's Buffer is one. */
function isBytes(value: object): value is Uint8Array {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === "[object Uint8Array]";
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}

/** The length of `text` in UTF-8 bytes. */
export function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

/**
 * Checks an id that a caller gave and returns it.
 *
 * @param what what the id names, for the message: "session id", "user id", …
 * @throws INVALID_ARGUMENT unless it is a string of 1 to 512 bytes of UTF-8 without lone surrogates.
 */
export function checkId(id: unknown, what: string): string {
  if (typeof id !== "string") {
    throw invalidArgument(`the ${what} must be a string, not ${id === null ? "null" : typeof id}`);
  }
  if (id === "") throw invalidArgument(`the ${what} is empty; give a string of 1 to ${MAX_ID_BYTES} bytes`);
  if (!id.isWellFormed())
    throw invalidArgument(`the ${what} holds half of a surrogate pair, which is not valid Unicode`);
  const length = byteLength(id);
  if (length > MAX_ID_BYTES) {
    throw invalidArgument(`the ${what} is ${length} bytes long; at most ${MAX_ID_BYTES} are allowed`);
  }
  return id;
}

/** Deep-freezes what {@link decodeValue} made, so that it can be shared without being copied. */
export function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value))
    return value;
  const held: unknown[] = Object.values(value);
  for (const item of held) if (typeof item === "object") freeze(item);
  return Object.freeze(value);
}

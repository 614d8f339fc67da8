/**
 * @module
 * The suite's own assertions, so that it runs under any test runner and outside of one.
 */
import type { Entry } from "../../log/entry.ts";
import type { HoldfastErrorCode } from "../../log/errors.ts";
import { HoldfastError, messageOf } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";

interface Difference {
  readonly path: string;
  readonly actual: unknown;
  readonly expected: unknown;
}

const SHOWN_CHARACTERS = 200;

/** Fails the case with `message` unless `condition` holds. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw failure(message, undefined, undefined);
}

/**
 * Fails the case unless both are deeply equal: `Object.is` for numbers, bytes and Dates by content, objects with the
 * same keys in the same order, so that their JSON text is the same too. An absent key differs from `undefined`.
 */
export function equal(actual: unknown, expected: unknown, what: string): void {
  report(difference(actual, expected, ""), what);
}

/** As {@link equal}, for records. The order of a record's own fields says nothing; within them it counts. */
export function sameRecord(
  actual: SessionRecord | undefined,
  expected: SessionRecord | undefined,
  what: string,
): void {
  equal(sorted(actual), sorted(expected), what);
}

/** As {@link equal}, for entries. The order of an entry's own fields says nothing; within its data it counts. */
export function sameEntries(actual: readonly Entry[], expected: readonly Entry[], what: string): void {
  equal(actual.map(sorted), expected.map(sorted), what);
}

/** Fails the case unless `call` answers with a promise that rejects with a HoldfastError of `code`; returns that error. */
export async function rejects(
  call: () => Promise<unknown>,
  code: HoldfastErrorCode,
  what: string,
): Promise<HoldfastError> {
  let promise: Promise<unknown>;
  try {
    promise = call();
  } catch (error) {
    throw failure(
      `${what}: threw ${show(error)} instead of answering with a promise that rejects`,
      error,
      code,
    );
  }
  try {
    const answer = await promise;
    throw failure(`${what}: expected ${code}, but it resolved with ${show(answer)}`, answer, code);
  } catch (error) {
    if (HoldfastError.is(error, code)) return error;
    if (isFailure(error)) throw error;
    throw failure(`${what}: expected a HoldfastError ${code}, got ${show(error)}`, error, code);
  }
}

/** `value` in short, for a message. */
export function show(value: unknown): string {
  const text = describe(value, 0);
  return text.length <= SHOWN_CHARACTERS
    ? text
    : `${text.slice(0, SHOWN_CHARACTERS)}… (${text.length} characters)`;
}

function report(found: Difference | undefined, what: string): void {
  if (!found) return;
  const { path, actual, expected } = found;
  const where = path === "" ? "" : ` at ${path}`;
  throw failure(`${what}${where}: expected ${show(expected)}, got ${show(actual)}`, actual, expected);
}

function failure(message: string, actual: unknown, expected: unknown): Error {
  return Object.assign(new Error(message), {
    name: "ConformanceError",
    ...(actual !== expected && { actual: show(actual), expected: show(expected) }),
  });
}

function isFailure(error: unknown): boolean {
  return error instanceof Error && error.name === "ConformanceError";
}

function sorted(fields: object | undefined): unknown {
  if (fields === undefined) return undefined;
  return Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function difference(actual: unknown, expected: unknown, path: string): Difference | undefined {
  if (Object.is(actual, expected)) return undefined;
  const differ: Difference = { path, actual, expected };
  if (typeof actual === "string" && typeof expected === "string")
    return textDifference(actual, expected, path);
  if (!isObject(actual) || !isObject(expected) || kindOf(actual) !== kindOf(expected)) return differ;
  if (actual instanceof Date && expected instanceof Date) {
    return Object.is(actual.getTime(), expected.getTime()) ? undefined : differ;
  }
  if (actual instanceof Uint8Array && expected instanceof Uint8Array) {
    return actual.length === expected.length && actual.every((byte, index) => byte === expected[index])
      ? undefined
      : differ;
  }
  if (Array.isArray(actual) && Array.isArray(expected)) {
    for (const [index, item] of expected.entries()) {
      if (index >= actual.length) break;
      const found = difference(actual[index], item, `${path}[${index}]`);
      if (found) return found;
    }
    return actual.length === expected.length
      ? undefined
      : { ...differ, path: `${path}.length`, actual: actual.length, expected: expected.length };
  }
  const held = new Map(Object.entries(actual));
  for (const [key, value] of Object.entries(expected)) {
    const place = `${path}.${key}`;
    if (!held.has(key)) return { path: place, actual: "nothing", expected: value };
    const found = difference(held.get(key), value, place);
    if (found) return found;
  }
  const keys = Object.keys(actual);
  const wanted = Object.keys(expected);
  if (keys.length === wanted.length && keys.every((key, index) => key === wanted[index])) return undefined;
  return { path: `${path} (its keys, in order)`, actual: keys, expected: wanted };
}

/** Where two long texts part, so that the message shows the place and not the beginning. */
function textDifference(actual: string, expected: string, path: string): Difference {
  let index = 0;
  while (index < actual.length && actual[index] === expected[index]) index += 1;
  if (index < SHOWN_CHARACTERS) return { path, actual, expected };
  const start = index - 20;
  return {
    path: `${path} from character ${start}`,
    actual: actual.slice(start),
    expected: expected.slice(start),
  };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function kindOf(value: object): string {
  if (Array.isArray(value)) return "array";
  if (value instanceof Date) return "date";
  return value instanceof Uint8Array ? "bytes" : "object";
}

function describe(value: unknown, depth: number): string {
  if (typeof value === "string")
    return JSON.stringify(value.length > 1000 ? `${value.slice(0, 1000)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (Object.is(value, -0)) return "-0";
  if (HoldfastError.is(value)) return `HoldfastError ${value.code}: ${value.message}`;
  if (value instanceof Error) return `${value.name}: ${messageOf(value)}`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof Uint8Array) return `Uint8Array(${value.length})[${value.slice(0, 16).join(" ")}]`;
  if (!isObject(value)) return String(value);
  if (depth > 5) return "…";
  if (Array.isArray(value))
    return `[${value
      .slice(0, 20)
      .map((item) => describe(item, depth + 1))
      .join(", ")}]`;
  const fields = Object.entries(value).slice(0, 20);
  return `{ ${fields.map(([key, item]) => `${JSON.stringify(key)}: ${describe(item, depth + 1)}`).join(", ")} }`;
}

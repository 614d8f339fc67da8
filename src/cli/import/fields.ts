/**
 * @module
 * Reading fields of JSON that somebody else wrote: each answers `undefined` where the field is not what it should be.
 */
import { byteLength, isPlainObject } from "../../log/values.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** The object, or one with no fields. */
export function fieldsOf(value: unknown): Fields {
  return isPlainObject(value) ? value : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The string, unless it is blank. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

/** The id that a string or a whole number gives; `undefined` where Holdfast could not take it. */
export function idOf(value: unknown): string | undefined {
  const text = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== "string" || text === "" || !text.isWellFormed() || byteLength(text) > 512)
    return undefined;
  return text;
}

/** A count: a finite number that is not negative. */
export function countOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** Numbers below this are seconds: as milliseconds they would lie before March 1973. */
const FIRST_MILLISECONDS = 1e11;

/** Epoch milliseconds of an ISO date, or of epoch seconds or milliseconds. */
export function timeOf(value: unknown): number | undefined {
  if (typeof value === "number") {
    if (!Number.isFinite(value) || value <= 0) return undefined;
    return Math.round(value < FIRST_MILLISECONDS ? value * 1000 : value);
  }
  if (typeof value !== "string") return undefined;
  const parsed = Date.parse(value);
  return Number.isNaN(parsed) ? undefined : parsed;
}

/** Those of `keys` that the object has a value for. */
export function pick(value: Fields, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    keys.filter((key) => Object.hasOwn(value, key) && value[key] !== null).map((key) => [key, value[key]]),
  );
}

/** The object without `keys`. */
export function omit(value: Fields, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

/**
 * @module
 * What is read of OpenSearch's answers, which are JSON of any shape until they were looked at.
 */
import { isPlainObject } from "../../log/values.ts";

export type Fields = Readonly<Record<string, unknown>>;

const NOTHING: Fields = Object.freeze({});

/** The object at the end of `path`, empty where there is none. */
export function fieldsAt(value: unknown, ...path: readonly string[]): Fields {
  let found = value;
  for (const key of path) found = isPlainObject(found) ? found[key] : undefined;
  return isPlainObject(found) ? found : NOTHING;
}

/** The list at the end of `path`, empty where there is none. */
export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const last = path.at(-1) ?? "";
  const found = fieldsAt(value, ...path.slice(0, -1))[last];
  return Array.isArray(found) ? found : [];
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

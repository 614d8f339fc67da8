/**
 * @module
 * The little of JSON Schema that the offline model understands: which properties there are, and what each may be.
 *
 * @see https://json-schema.org/draft/2020-12
 */
import { isPlainObject } from "../log/values.ts";
import { wordsOf } from "./offline-facts.ts";

export interface Shape {
  readonly type: "string" | "number" | "integer" | "boolean" | "array" | "object";
  /** The values that it may have, where only some are allowed. */
  readonly options: readonly unknown[];
  readonly format: string | undefined;
  readonly items: unknown;
  readonly schema: Readonly<Record<string, unknown>>;
}

export interface Property {
  readonly name: string;
  /** The words that its name is made of, in lower case: `departureCity` is `departure`, `city`. */
  readonly words: readonly string[];
  /** Those words as one. */
  readonly joined: string;
  readonly shape: Shape;
}

const TYPES = ["string", "number", "integer", "boolean", "array", "object"] as const;

/** What a schema allows; of alternatives the first that is not null. An unknown type is taken for a string. */
export function shapeOf(schema: unknown): Shape {
  const given = isPlainObject(schema) ? schema : {};
  const alternatives = listOf(given.anyOf ?? given.oneOf).filter(
    (one) => !isPlainObject(one) || one.type !== "null",
  );
  const constants = alternatives.flatMap((one) => (isPlainObject(one) && "const" in one ? [one.const] : []));
  const [first] = alternatives;
  if (first !== undefined && constants.length < alternatives.length) return shapeOf(first);
  const options = [...listOf(given.enum), ...("const" in given ? [given.const] : []), ...constants];
  const named = typeof given.type === "string" ? [given.type] : listOf(given.type);
  const sample = options.find((option) => option !== null);
  const implied = "properties" in given ? "object" : sample === undefined ? "string" : typeof sample;
  const type = TYPES.find((one) => named.includes(one)) ?? TYPES.find((one) => one === implied) ?? "string";
  const format = typeof given.format === "string" ? given.format : undefined;
  return {
    type,
    options: options.filter((option) => option !== null),
    format,
    items: given.items,
    schema: given,
  };
}

/** The properties of an object's schema. */
export function propertiesOf(schema: unknown): Property[] {
  const { properties } = shapeOf(schema).schema;
  if (!isPlainObject(properties)) return [];
  return Object.entries(properties).map(([name, property]) => {
    const words = wordsOf(name.replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, "$1 $2"));
    return { name, words, joined: words.join(""), shape: shapeOf(property) };
  });
}

/**
 * A value that fits the schema: `found`, filled up with the plainest value for each required property that is not in
 * it. Patterns, formats and minimum lengths of strings are not looked at.
 */
export function filled(schema: unknown, found: Readonly<Record<string, unknown>> = {}): unknown {
  const { type, options, items, schema: own } = shapeOf(schema);
  if ("default" in own && type !== "object") return own.default;
  if (options.length > 0) return options[0];
  switch (type) {
    case "string":
      return "";
    case "boolean":
      return false;
    case "number":
    case "integer":
      return Math.max(0, numberOf(own.minimum), numberOf(own.exclusiveMinimum) + 1);
    case "array":
      return Array.from({ length: Math.max(0, numberOf(own.minItems)) }, () => filled(items));
    default: {
      const required = new Set(listOf(own.required));
      const values = propertiesOf(own).flatMap(({ name, shape }): [string, unknown][] => {
        const value = found[name];
        if (value === undefined) return required.has(name) ? [[name, filled(shape.schema)]] : [];
        return [[name, completed(shape, value)]];
      });
      return Object.fromEntries(values);
    }
  }
}

/** A value that was found, its objects filled up. */
function completed({ schema, items }: Shape, value: unknown): unknown {
  if (isPlainObject(value)) return filled(schema, value);
  return Array.isArray(value)
    ? value.map((item: unknown) => (isPlainObject(item) ? filled(items, item) : item))
    : value;
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : Number.NEGATIVE_INFINITY;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

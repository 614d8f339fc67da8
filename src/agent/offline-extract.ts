/**
 * @module
 * Values from plain sentences, by rules that know nothing of a subject: what a property is called, and what it may be,
 * say what to look for.
 */
import { isPlainObject } from "../log/values.ts";
import { factsIn, PROPER_NAME } from "./offline-facts.ts";
import type { Property, Shape } from "./offline-schema.ts";
import { propertiesOf, shapeOf } from "./offline-schema.ts";

export interface Extraction {
  /** Properties that have a value already: others are thought of first where a value could be for several. */
  readonly known?: ReadonlySet<string>;
  /** The property that the user was just asked for: a short answer is its value. */
  readonly asked?: string | undefined;
}

const NUMBER_WORDS = "zero one two three four five six seven eight nine ten".split(" ");
const NUMBER = `\\d+(?:\\.\\d+)?|${NUMBER_WORDS.slice(1).join("|")}`;
const PEOPLE = /^(?:passenger|people|person|guest|travell?er|adult|seat|party)s?$/;
const PEOPLE_WORDS = "passengers?|people|persons?|guests?|travell?ers?|adults?|seats?";
const DATE = /\b\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?(?!\d)/g;
/** Strings that are told by how they look. */
const LOOKS: readonly { readonly pattern: RegExp; readonly is: (property: Property) => boolean }[] = [
  {
    pattern: DATE,
    is: ({ joined, shape }) => /date|day|when/.test(joined) || /^date/.test(shape.format ?? ""),
  },
  { pattern: /(?<![\d:])\d\d?:\d\d(?![\d:])/g, is: ({ words }) => words.includes("time") },
  {
    pattern: /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g,
    is: ({ joined, shape }) => joined.includes("email") || shape.format === "email",
  },
  { pattern: /\+?\d[\d ()-]{6,}\d/g, is: ({ joined }) => joined.includes("phone") },
];
const DIRECTIONS = new Map([
  ["origin", "from"],
  ["departure", "from"],
  ["destination", "to"],
  ["arrival", "to"],
  ...["from", "to", "via"].map((word): [string, string] => [word, word]),
]);
/** Where a value in a sentence ends. */
const VALUE_END = "[.,;!?]+(?=\\s|$)|\\s+and\\s+(?:my|the|I|it|we|then)\\b|\\n|$";
const NO_ANSWER = /^(?:hi|hello|hey|thanks|thank you|ok|okay|never mind|cancel|stop|later|what|why|how)\b/i;
const MAX_ANSWER_WORDS = 3;

/** The values for properties of `schema` that `text` holds. Pure. */
export function extractValues(
  schema: unknown,
  text: string,
  { known = new Set(), asked }: Extraction = {},
): Record<string, unknown> {
  const values = new Map<string, unknown>();
  const properties = propertiesOf(schema);
  for (const property of properties) {
    const value = ownValue(property, text, properties);
    if (value !== undefined) values.set(property.name, value);
  }
  /** Those without a value, in the order in which something that may be for any of them is handed out. */
  const open = (fits: (property: Property) => boolean): Property[] =>
    properties
      .filter((property) => !values.has(property.name) && fits(property))
      .sort((one, other) => rank(one) - rank(other));
  const rank = ({ name }: Property): number => (name === asked ? 0 : known.has(name) ? 2 : 1);
  const taken = new Set(values.values());
  let rest = text;
  for (const { pattern, is } of LOOKS) {
    const found = (rest.match(pattern) ?? []).filter((value) => !taken.has(value));
    rest = rest.replace(pattern, " ");
    const waiting = open((property) => isFreeString(property.shape) && is(property));
    for (const [index, value] of found.entries()) {
      const property = waiting[index];
      if (property) values.set(property.name, property.shape.format === "date" ? value.slice(0, 10) : value);
    }
  }
  const numbers = open(({ shape }) => isNumber(shape) && shape.options.length === 0);
  const countable = numbers.filter(({ name }) => name === asked || !known.has(name));
  const [counted] = countable;
  if (counted && (countable.length === 1 || counted.name === asked)) {
    // "another one" is a number only where one was asked for.
    const number = counted.name === asked ? rest : (/\d+(?:\.\d+)?/.exec(rest)?.[0] ?? "");
    set(values, counted.name, convert(counted.shape, number));
  }
  const [decided, ...others] = open(({ shape, name }) => shape.type === "boolean" && !known.has(name));
  if (decided && (others.length === 0 || decided.name === asked)) {
    const word = /^\s*(yes|no)\b/i.exec(text)?.[1];
    if (word !== undefined) values.set(decided.name, word.toLowerCase() === "yes");
  }
  const [answered] = open(({ name }) => name === asked);
  if (answered && values.size === 0 && isShortAnswer(text)) {
    set(values, answered.name, convert(answered.shape, text.trim().replace(/(?:,?\s+please)?[.!]*$/i, "")));
  }
  return Object.fromEntries(
    properties.flatMap(({ name }) => (values.has(name) ? [[name, values.get(name)]] : [])),
  );
}

function set(values: Map<string, unknown>, name: string, value: unknown): void {
  if (value !== undefined) values.set(name, value);
}

/** What is surely meant for this property. */
function ownValue(property: Property, text: string, all: readonly Property[]): unknown {
  const { shape } = property;
  if (shape.type === "object") {
    const values = extractValues(shape.schema, text);
    return Object.keys(values).length > 0 ? values : undefined;
  }
  const told = isFreeString(shape) ? (nameIn(property, text) ?? factFor(property, text)) : undefined;
  const value = told ?? labelled(property, text, all);
  if (value !== undefined) return value;
  if (shape.options.length > 0) return optionIn(shape, text);
  if (isFreeString(shape)) return directionIn(property, text);
  if (isNumber(shape)) return countIn(property, text);
  if (shape.type === "array") return arrayIn(property, text);
  return shape.type === "boolean" ? withOrWithout(property, text) : undefined;
}

/** `<property> is X`, `<property>: X`. */
function labelled(property: Property, text: string, all: readonly Property[]): unknown {
  const { words, shape } = property;
  if (words.length === 0) return undefined;
  const labels = all
    .map((other) => labelOf(other.words))
    .filter(Boolean)
    .join("|");
  const end = shape.type === "array" ? VALUE_END.replace(",", "") : VALUE_END;
  const pattern = new RegExp(
    `(?<![\\p{L}\\p{N}])${labelOf(words)}(?:\\s+(?:is|are|will be|should be)\\s+|\\s*[:=]\\s*)(?:"([^"\\n]*)"|(\\S.*?)(?=${end}|\\s+and\\s+(?:${labels})\\b|\\s+(?:${labels})\\s*[:=]))`,
    "iu",
  );
  // "What date is it?" tells no date.
  const match = pattern.exec(text.replace(/\b(?:what|which|when|where|who|how)\b[^.!?\n]*\?/giu, ""));
  const value = match?.[1] ?? match?.[2];
  if (value === undefined) return undefined;
  const look = isFreeString(shape) ? LOOKS.find(({ is }) => is(property)) : undefined;
  return convert(shape, (look && value.match(look.pattern)?.[0]) ?? value);
}

function labelOf(words: readonly string[]): string {
  return words.join("[\\s_-]*");
}

/** "my name is Ada Lovelace", for properties that hold a person's name or a part of it. */
function nameIn({ joined }: Property, text: string): string | undefined {
  const part = /^(first|last|full|customer|guest|passenger|user|contact|your)?name$/.exec(joined);
  const name = part === null ? undefined : factsIn([text]).values.get("name");
  if (part?.[1] === "first") return name?.split(" ")[0];
  return part?.[1] === "last" ? name?.split(" ").slice(1).join(" ") || undefined : name;
}

/** "I live in Lisbon" for `city`, "my favourite colour is blue" for `favoriteColour`. */
function factFor({ joined }: Property, text: string): string | undefined {
  for (const [fact, value] of factsIn([text]).values) {
    const key = fact.replaceAll(" ", "");
    if (fact !== "name" && [key, `home${key}`].includes(joined.replace("favourite", "favorite")))
      return value;
  }
  return undefined;
}

function arrayIn({ joined, shape }: Property, text: string): unknown {
  if (shapeOf(shape.items).type === "object") {
    const item = extractValues(shape.items, text);
    return Object.keys(item).length > 0 ? [item] : undefined;
  }
  const allergy = joined === "allergies" ? factsIn([text]).values.get("allergy") : undefined;
  return allergy === undefined ? undefined : convert(shape, allergy);
}

/** `from X`, `to X`: a proper name, or the words of "from x to y". */
function directionIn({ words: [first = ""], joined }: Property, text: string): string | undefined {
  const direction = /date|day|time|when/.test(joined) ? undefined : DIRECTIONS.get(first);
  if (direction === undefined) return undefined;
  const name = new RegExp(`\\b(?:${direction}|${capitalised(direction)})\\s+(${PROPER_NAME})`, "u").exec(
    text,
  )?.[1];
  if (name !== undefined) return name;
  const [, from, to] = /\bfrom ([\p{L}'-]+) to ([\p{L}'-]+)/iu.exec(text) ?? [];
  return direction === "from" ? from : direction === "to" ? to : undefined;
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** "2 people", "a table for two", "3 nights". */
function countIn({ words, shape }: Property, text: string): unknown {
  const isPeople = words.some((word) => PEOPLE.test(word));
  const nouns = words.filter((word) => word.length > 3 && !/^(?:number|count|total|size)$/.test(word));
  const alternatives = [
    ...nouns.map((noun) => `${noun.replace(/s$/, "")}s?`),
    ...(isPeople ? [PEOPLE_WORDS] : []),
  ];
  if (alternatives.length === 0) return undefined;
  const free = withoutLooks(text);
  const counted = new RegExp(`\\b(${NUMBER})\\s+(?:\\p{L}+\\s+)?(?:${alternatives.join("|")})\\b`, "iu").exec(
    free,
  );
  const forSome = new RegExp(`\\bfor (${NUMBER})(?=\\s*(?:[.,;!?]|$|\\b(?:on|at|in|from|to)\\b))`, "iu");
  const number = counted?.[1] ?? (isPeople ? forSome.exec(free)?.[1] : undefined);
  return number === undefined ? undefined : convert(shape, number);
}

/** "with breakfast", "without breakfast", "no breakfast". */
function withOrWithout({ words }: Property, text: string): boolean | undefined {
  const found = new RegExp(`\\b(with|without|no)\\s+(?:an?\\s+|the\\s+)?${labelOf(words)}\\b`, "iu").exec(
    text,
  )?.[1];
  return found === undefined ? undefined : found.toLowerCase() === "with";
}

/** The allowed value that comes first in the text. */
function optionIn({ options }: Shape, text: string): unknown {
  const found = options.map((option) => ({ option, at: indexOfWord(text, String(option)) }));
  return found.filter(({ at }) => at >= 0).sort((one, other) => one.at - other.at)[0]?.option;
}

/** Where `word` stands in `text` on its own, in any case; -1 where it does not. */
export function indexOfWord(text: string, word: string): number {
  if (word === "") return -1;
  return text.search(new RegExp(`(?<![\\p{L}\\p{N}])${escaped(word)}(?![\\p{L}\\p{N}])`, "iu"));
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** `raw` as a value that the shape allows; `undefined` where it is none. */
function convert(shape: Shape, raw: string): unknown {
  const text = raw.trim();
  if (text === "") return undefined;
  if (shape.options.length > 0) return optionIn(shape, text);
  switch (shape.type) {
    case "number":
    case "integer": {
      const found = new RegExp(`-?\\d+(?:\\.\\d+)?|\\b(?:${NUMBER_WORDS.join("|")})\\b`, "iu").exec(
        text,
      )?.[0];
      if (found === undefined) return undefined;
      const word = NUMBER_WORDS.indexOf(found.toLowerCase());
      const number = word === -1 ? Number(found) : word;
      return shape.type === "integer" && !Number.isSafeInteger(number) ? undefined : number;
    }
    case "boolean":
      return /^(?:yes|true|on)\b/i.test(text) ? true : /^(?:no|false|off)\b/i.test(text) ? false : undefined;
    case "array": {
      const items = text
        .split(/,\s*(?:and\s+)?|\s+and\s+/u)
        .map((item) => convert(shapeOf(shape.items), item));
      const found = items.filter((item) => item !== undefined);
      return found.length > 0 ? found : undefined;
    }
    case "object":
      return undefined;
    default:
      if (shape.format === "date") return text.match(DATE)?.[0]?.slice(0, 10);
      if (shape.format === "date-time") return text.match(DATE)?.[0];
      return text;
  }
}

/** The text without dates, times, addresses and phone numbers, whose digits count nothing. */
function withoutLooks(text: string): string {
  return LOOKS.reduce((rest, { pattern }) => rest.replace(pattern, " "), text);
}

function isShortAnswer(text: string): boolean {
  const { length } = text.trim().split(/\s+/u);
  const isFact = factsIn([text]).values.size > 0;
  return length <= MAX_ANSWER_WORDS && !isFact && !text.includes("?") && !NO_ANSWER.test(text.trim());
}

function isFreeString({ type, options }: Shape): boolean {
  return type === "string" && options.length === 0;
}

function isNumber({ type }: Shape): boolean {
  return type === "number" || type === "integer";
}

/** What several texts hold together; what was said last counts, and objects are put together. */
export function extractFromAll(schema: unknown, texts: readonly string[]): Record<string, unknown> {
  return texts.reduce<Record<string, unknown>>(
    (values, text) => merged(values, extractValues(schema, text)),
    {},
  );
}

function merged(one: Record<string, unknown>, other: Record<string, unknown>): Record<string, unknown> {
  const both = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const before = both[key];
    both[key] = isPlainObject(before) && isPlainObject(value) ? merged(before, value) : value;
  }
  return both;
}

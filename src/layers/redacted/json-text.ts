/**
 * @module
 * JSON that is kept as text, such as the arguments of a tool call: its strings are looked at one by one, decoded, and put
 * back so that it stays JSON. All else of it stays as it is, to the byte.
 */

/** A string of JSON. Cut into what can't be mistaken, so that it takes time linear in the text. */
const STRING = /"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?/g;
/** Shorter texts hold nothing, and most texts that begin so are no JSON. */
const MIN_LENGTH = 8;

export interface JsonString {
  /** Where it stands, with its quotes. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** The property that it is the value of, or that its list is. */
  readonly key: string | undefined;
}

/** The strings within `text` that are values, where it is a JSON object or list; else `undefined`. */
export function jsonStrings(text: string): readonly JsonString[] | undefined {
  if (text.length < MIN_LENGTH || !/^\s*(?:\{\s*"|\[\s*["[{])/.test(text) || !isJson(text)) return undefined;
  const found: JsonString[] = [];
  let key: string | undefined;
  for (const { 0: whole, 1: inner = "", 2: colon, index } of text.matchAll(STRING)) {
    const decoded = inner.includes("\\") ? decode(`"${inner}"`) : inner;
    if (colon !== undefined) {
      key = decoded;
      continue;
    }
    found.push({ start: index, end: index + whole.length, text: decoded, key });
  }
  return found;
}

/** `text` with each string that `replacement` answers for replaced; `text` itself where that is none. */
export function replaceStrings(
  text: string,
  strings: readonly JsonString[],
  replacement: (string: JsonString) => string | undefined,
): string {
  let result = "";
  let at = 0;
  for (const string of strings) {
    const next = replacement(string);
    if (next === undefined || next === string.text) continue;
    result += text.slice(at, string.start) + JSON.stringify(next);
    at = string.end;
  }
  return at === 0 ? text : result + text.slice(at);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function decode(literal: string): string {
  const value: unknown = JSON.parse(literal);
  return typeof value === "string" ? value : "";
}

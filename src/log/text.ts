/**
 * @module
 * The words of a message: what search looks through, what a label is taken from.
 */
import type { Entry } from "./entry.ts";
import { isKnown } from "./entry.ts";
import { invalidArgument } from "./errors.ts";
import { isPlainObject } from "./values.ts";

const LABEL_GRAPHEMES = 50;
/** One grapheme can be any length (a letter under a thousand accents), so a label is limited in UTF-16 units too. */
const LABEL_LENGTH = 2000;
const SNIPPET_LENGTH = 160;
/** How much of a snippet comes before the word that was found. */
const SNIPPET_LEAD = 60;
// Made at their first use: the tables behind them take 8 ms to load, a third of what importing Holdfast takes.
let graphemes: Intl.Segmenter | undefined;
let words: Intl.Segmenter | undefined;

/** Characters of scripts that don't separate words. */
const UNSPACED =
  "[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}]";
const ONE_UNSPACED = new RegExp(UNSPACED, "v");
const EACH_UNSPACED = new RegExp(UNSPACED, "gv");
/** A stretch that {@link foldText} makes one word of. */
const EACH_WORD = new RegExp(`${UNSPACED}|[[\\p{L}\\p{N}\\p{M}]--${UNSPACED}]+`, "gv");

/** The text that a search should find this entry by, `undefined` where it has none. */
export function searchText(entry: Entry): string | undefined {
  if (entry.text !== undefined) return entry.text;
  if (!isKnown(entry) || (entry.type !== "message" && entry.type !== "message.revised")) return undefined;
  return messageText(entry.data.message) || undefined;
}

/**
 * The human text of a message in the shapes of AI SDK, OpenAI and Anthropic: string content, text parts, and the text
 * of tool results. Other parts, a model's reasoning among them, add nothing.
 */
export function messageText(message: unknown): string {
  if (!isPlainObject(message)) return "";
  return textOf(message.content ?? message.parts ?? message.text);
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map(textOf).filter(Boolean).join("\n");
  if (!isPlainObject(content) || content.type === "reasoning") return "";
  for (const key of ["text", "output", "content", "value"]) {
    if (Object.hasOwn(content, key)) return textOf(content[key]);
  }
  return "";
}

/**
 * A label for a conversation that begins with `text`: one line, whole words, at most 50 characters as people count
 * them, the whole text where it fits; `undefined` where nothing is left.
 *
 * @see https://unicode.org/reports/tr29/ for graphemes and words.
 */
export function labelFrom(text: string): string | undefined {
  const line = oneLine(text);
  /** Where the graphemes end that fit. A word boundary can lie within one. */
  const ends = new Set<number>();
  let limit = 0;
  let space = 0;
  graphemes ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  for (const { index, segment } of graphemes.segment(line)) {
    if (segment === " ") space = index;
    if (ends.size === LABEL_GRAPHEMES || limit + segment.length > LABEL_LENGTH) break;
    limit += segment.length;
    ends.add(limit);
  }
  if (limit === line.length) return line || undefined;
  const isSpaced = space > 0 && !ONE_UNSPACED.test(line.slice(space, limit));
  return line.slice(0, isSpaced ? space : lastWordEnd(line, limit, ends)).trimEnd() || undefined;
}

/** Where the last word ends that fits into `limit`; `limit` itself where not even the first one does. */
function lastWordEnd(line: string, limit: number, ends: ReadonlySet<number>): number {
  let last = 0;
  // Words of some scripts are looked up in a dictionary, so no more than needed is searched.
  words ??= new Intl.Segmenter(undefined, { granularity: "word" });
  for (const { index, segment } of words.segment(line.slice(0, 2 * limit))) {
    const end = index + segment.length;
    if (end > limit) break;
    if (ends.has(end)) last = end;
  }
  return last || limit;
}

function oneLine(text: string): string {
  return text
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .toWellFormed();
}

/**
 * The words of a search, folded as {@link foldText} folds. All of them must occur.
 *
 * @throws INVALID_ARGUMENT where there is none.
 */
export function searchTerms(text: unknown): string[] {
  if (typeof text !== "string") throw invalidArgument("the text to search for must be a string");
  const terms = foldText(text).split(" ").filter(Boolean);
  if (terms.length === 0) throw invalidArgument("the text to search for holds no letter or digit");
  return [...new Set(terms)];
}

/**
 * `text` in the form in which it is searched: lower case, no accents, letters and digits only, words separated by one
 * space. Characters of scripts that don't separate words (Han, kana, Thai, …) are each a word.
 */
export function foldText(text: string): string {
  return (
    text
      .normalize("NFKD")
      .replace(/\p{M}+/gu, "")
      .toLowerCase()
      // Upper case tells less apart: ß and ss, σ and the ς at a word's end, i and ı.
      .toUpperCase()
      .toLowerCase()
      .replaceAll("ς", "σ")
      .replace(/[^\p{L}\p{N}]+/gu, " ")
      .replace(EACH_UNSPACED, " $& ")
      .replace(/ {2,}/g, " ")
      .trim()
  );
}

/** Whether folded `text` holds each of `terms` as a whole word or the beginning of one. */
export function holdsTerms(text: string, terms: readonly string[]): boolean {
  const folded = ` ${foldText(text)}`;
  return terms.every((term) => folded.includes(` ${term}`));
}

/** A stretch of `text` around the first of `terms` that it holds, on one line, at most 160 characters. */
export function snippetOf(text: string, terms: readonly string[]): string {
  const line = oneLine(text);
  let start = 0;
  for (const { 0: word, index } of line.matchAll(EACH_WORD)) {
    if (!terms.some((term) => holdsTerms(word, [term]))) continue;
    start = Math.max(0, index - SNIPPET_LEAD);
    break;
  }
  const end = start + SNIPPET_LENGTH - 2;
  // A surrogate pair that is cut in half is left out.
  const cut = line.slice(start, end).replace(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/g, "");
  return `${start > 0 ? "…" : ""}${cut}${end < line.length ? "…" : ""}`;
}

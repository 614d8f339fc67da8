/**
 * @module
 * What the search index holds of an entry, and what it is asked. Words are folded here, so no text search
 * configuration of PostgreSQL's plays a part; the text of what is found decides.
 *
 * @see https://www.postgresql.org/docs/current/textsearch-limitations.html
 */
import type { Entry } from "../../log/entry.ts";
import { foldText, searchText } from "../../log/text.ts";

/** Longer words are found by their beginning. */
const MAX_WORD_LENGTH = 64;
/** A `tsvector` takes 1 MB, and a character at most 4 bytes. */
const MAX_CHARACTERS = 200_000;
/** Stands for an entry of more words than can be indexed, which is a candidate for every search. No word is this. */
export const ANY_WORD = "*";
/** The longest words of a search are looked up. */
const MAX_TERMS = 32;

/** The words of `entry`, each once, separated by spaces; `null` where a search can't find it. */
export function indexWords(entry: Entry): string | null {
  const text = searchText(entry);
  const folded = text === undefined ? "" : foldText(text);
  if (folded === "") return null;
  const words = [...new Set(folded.split(" ").map(beginning))].join(" ");
  return words.length > MAX_CHARACTERS ? ANY_WORD : words;
}

/** A `tsquery` for entries that hold words which begin with each of `terms`. */
export function wordsQuery(terms: readonly string[]): string {
  const longest = terms.toSorted((a, b) => b.length - a.length).slice(0, MAX_TERMS);
  // Folded words hold letters and digits only, so nothing in them is syntax.
  return `(${longest.map((term) => `'${beginning(term)}':*`).join(" & ")}) | '${ANY_WORD}'`;
}

/** At most {@link MAX_WORD_LENGTH} of `word`, without the first half of a character that was cut. */
function beginning(word: string): string {
  return word.length <= MAX_WORD_LENGTH
    ? word
    : word.slice(0, MAX_WORD_LENGTH).replace(/[\uD800-\uDBFF]$/, "");
}

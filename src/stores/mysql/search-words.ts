/**
 * @module
 * What the FULLTEXT index holds of an entry, and what it is asked.
 *
 * MySQL's own idea of words would lose some: it leaves out those of fewer than three characters, and its list of
 * stopwords; what is a letter depends on version and collation. So the index is given tokens in place of words: a mark
 * that no stopword begins with and that makes the shortest word long enough, and the folded word in the letters and
 * digits of ASCII. The text of what is found decides.
 *
 * @see https://dev.mysql.com/doc/refman/8.4/en/fulltext-fine-tuning.html
 * @see https://dev.mysql.com/doc/refman/8.4/en/fulltext-stopwords.html
 */
import type { Entry } from "../../log/entry.ts";
import { foldText, searchText } from "../../log/text.ts";

const MARK = "zz";
/** The shortest token: the mark and one letter. The server's default limit. */
export const MIN_TOKEN_LENGTH = MARK.length + 1;
/** Longer words are found by their beginning. The server's default limit is 84. */
export const MAX_TOKEN_LENGTH = 64;
const MAX_CHARACTERS = 200_000;
/** Stands for an entry of more words than are indexed, which is a candidate for every search. No token is this. */
export const ANY_WORD = "anyword";
/** The longest words of a search are looked up. */
const MAX_TERMS = 32;

/** The tokens of `entry`, each once, separated by spaces; `null` where a search can't find it. */
export function indexWords(entry: Entry): string | null {
  const text = searchText(entry);
  const folded = text === undefined ? "" : foldText(text);
  if (folded === "") return null;
  const tokens = [...new Set(folded.split(" ").map(tokenOf))].join(" ");
  return tokens.length > MAX_CHARACTERS ? ANY_WORD : tokens;
}

/** A search in BOOLEAN MODE for entries that hold words which begin with each of `terms`. Letters, digits and `()+* `. */
export function wordsQuery(terms: readonly string[]): string {
  const longest = terms.toSorted((a, b) => b.length - a.length).slice(0, MAX_TERMS);
  return `(${longest.map((term) => `+${tokenOf(term)}*`).join(" ")}) ${ANY_WORD}`;
}

/**
 * Each character has a code of its own and no code begins another one, so tokens begin alike where words do. ASCII
 * stands for itself, but for the letter that begins the code of any other character.
 */
function tokenOf(word: string): string {
  const coded = word.replace(/[^a-pr-z0-9]/gu, (character) => {
    const point = character.codePointAt(0) ?? 0;
    return `q${point.toString(36).padStart(4, "0")}`;
  });
  return `${MARK}${coded}`.slice(0, MAX_TOKEN_LENGTH);
}

/**
 * @module
 * The words of a commit, for an engine whose own text search would drop short words or take them apart.
 */
import { foldText } from "../../log/text.ts";
import { byteLength } from "../../log/values.ts";

/** Longer words are found by their beginning. */
const MAX_WORD_LENGTH = 64;
/** What a word takes in a document beside its letters, about. */
const WORD_OVERHEAD_BYTES = 32;
const MAX_WORDS_BYTES = 1024 * 1024;
/** Stands for more words than can be kept: a candidate for every search. No word is this. */
export const ANY_WORD = "*";

/** The words of `texts`, folded, each once; {@link ANY_WORD} alone where they are too many. */
export function wordsOf(texts: readonly string[]): string[] {
  const words = new Set<string>();
  let bytes = 0;
  for (const text of texts) {
    for (const word of foldText(text).split(" ")) {
      const kept = beginning(word);
      if (kept === "" || words.has(kept)) continue;
      words.add(kept);
      bytes += byteLength(kept) + WORD_OVERHEAD_BYTES;
      if (bytes > MAX_WORDS_BYTES) return [ANY_WORD];
    }
  }
  return [...words];
}

/** At most 64 of `word`, without the first half of a character that was cut. */
export function beginning(word: string): string {
  return word.length <= MAX_WORD_LENGTH
    ? word
    : word.slice(0, MAX_WORD_LENGTH).replace(/[\uD800-\uDBFF]$/, "");
}

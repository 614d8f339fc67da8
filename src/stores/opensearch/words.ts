/**
 * @module
 * The words that OpenSearch looks for. Texts are folded before they are sent, as `foldText` folds, so that its analyzer
 * has nothing to do but to part them at the spaces, and words mean the same here as in every other store.
 */
import { foldText } from "../../log/text.ts";
import type { Fields } from "./answers.ts";

export const WORDS_ANALYZER = "holdfast_words";
/** The analyzer cuts longer words into pieces of this many UTF-16 units. */
export const WORD_LENGTH = 255;
/** What is looked for of a longer word, so that it lies within the first piece. */
const PREFIX_LENGTH = 200;

/** What a search finds `texts` by. */
export function wordsOf(texts: readonly string[]): string[] {
  return texts.map(foldText).filter((text) => text !== "");
}

/** The condition that a text has a word that begins with `term`. Of long words others may meet it, too. */
export function holdsWord(term: string): Fields {
  // Half of a surrogate pair would stand for no character.
  return { prefix: { words: term.slice(0, PREFIX_LENGTH).replace(/[\uD800-\uDBFF]$/, "") } };
}

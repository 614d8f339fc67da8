/**
 * @module
 * What the offline model knows of its user: facts that were told in plain sentences, and nothing else.
 */

/** A proper name: capitalised words in a row. */
export const PROPER_NAME = "\\p{Lu}[\\p{L}'-]*(?: (?!I\\b)\\p{Lu}[\\p{L}'-]*)*";

const SINGLE_FACTS = [
  ["name", new RegExp(`\\b(?:[Mm]y name is|[Cc]all me)\\s+(${PROPER_NAME})`, "gu")],
  ["city", new RegExp(`\\bI (?:live in|moved to|have moved to)\\s+(${PROPER_NAME})`, "gu")],
  ["allergy", /\bI(?: am|'m) allergic to\s+([\p{L} ]*\p{L})/gu],
] as const;
const FAVOURITE = /\bmy favou?rite ([\p{L} ]+?) (?:is|are) ([^.,;!?\n]+)/giu;
/** A request, not a question, so at the beginning of a sentence or with "that". */
const REMEMBER = /(?:^(?:please )?remember(?: that|:)?|\bremember that)\s+(.+?)[.!]*$/iu;
/** Words of a question that say nothing of what it is about. */
const EMPTY_WORDS = new Set(
  "what which when where whose does have know tell told your about that this with please could would there".split(
    " ",
  ),
);
const SUMMARY_LENGTH = 600;
const SUMMARY_LINE_LENGTH = 200;

export interface Facts {
  /** By `name`, `city`, `allergy` and `favorite <what>`; what was said last counts. */
  readonly values: ReadonlyMap<string, string>;
  /** What the user wants remembered, word for word. */
  readonly notes: readonly string[];
}

export function factsIn(texts: readonly string[]): Facts {
  const values = new Map<string, string>();
  const notes: string[] = [];
  for (const text of texts) {
    for (const [fact, pattern] of SINGLE_FACTS)
      for (const [, value] of text.matchAll(pattern)) if (value !== undefined) values.set(fact, value);
    for (const [, what = "", value = ""] of text.matchAll(FAVOURITE))
      values.set(favourite(what), value.trim());
    for (const sentence of sentencesOf(text)) {
      const note = sentence.endsWith("?") ? undefined : REMEMBER.exec(sentence)?.[1];
      if (note !== undefined) notes.push(note);
    }
  }
  return { values, notes };
}

/** The answer to a question about the user. */
export function recall(question: string, { values, notes }: Facts): string {
  const answers: string[] = [];
  const add = (known: (value: string) => string, unknown: string, fact: string): void => {
    const value = values.get(fact);
    answers.push(value === undefined ? unknown : known(value));
  };
  if (/\bmy name\b|\bwho am I\b/i.test(question))
    add((name) => `Your name is ${name}.`, "You have not told me your name.", "name");
  if (/\bI live\b/i.test(question))
    add((city) => `You live in ${city}.`, "You have not told me where you live.", "city");
  if (/\ballergic\b/i.test(question))
    add((what) => `You are allergic to ${what}.`, "You have not told me of an allergy.", "allergy");
  for (const [, word = "", rest = ""] of question.matchAll(
    /\bmy (favou?rite) (\p{L}+(?: (?!and\b)\p{L}+){0,2})/giu,
  )) {
    const what = longestKnown(rest, values);
    add(
      (value) => `Your ${word} ${what} is ${value}.`,
      `You have not told me your ${word} ${what}.`,
      favourite(what),
    );
  }
  if (/\bremember\b/i.test(question)) {
    const all = notes.length > 0 ? `You asked me to remember: ${notes.join("; ")}.` : undefined;
    answers.push(all ?? "You have not asked me to remember anything.");
  }
  if (answers.length > 0) return answers.join(" ");
  const words = wordsOf(question).filter((word) => word.length > 3 && !EMPTY_WORDS.has(word));
  const note = notes.findLast(
    (text) => words.length > 0 && words.every((word) => wordsOf(text).includes(word)),
  );
  return note === undefined ? "This conversation does not say." : `You told me: ${note}.`;
}

/** What is said to `text`, which asks for nothing; empty where it tells nothing. */
export function acknowledge(text: string): string {
  const { values, notes } = factsIn([text]);
  const told = [...values].map(([fact, value]) => {
    if (fact === "name") return `Nice to meet you, ${value}.`;
    if (fact === "city") return `${value}, a fine place.`;
    if (fact === "allergy") return `No ${value} for you, then.`;
    return `I will remember that your ${fact} is ${value}.`;
  });
  return [...told, ...notes.map((note) => `I will remember: ${note}.`)].join(" ");
}

/**
 * A summary of what the user told, at most 600 characters, a line for each message: the sentences that hold a fact, else
 * the first one. Where not all fits, facts go before other lines, and newer ones before older ones.
 */
export function summaryOf(texts: readonly string[]): string {
  const lines = new Map<string, boolean>();
  for (const text of texts) {
    const sentences = sentencesOf(text);
    const facts = sentences.filter((sentence) => acknowledge(sentence) !== "");
    const line = facts.join(" ") || sentences[0];
    if (line !== undefined) lines.set(cut(line, SUMMARY_LINE_LENGTH), facts.length > 0);
  }
  const newestFirst = [...lines].reverse();
  const ranked = [
    ...newestFirst.filter(([, isFact]) => isFact),
    ...newestFirst.filter(([, isFact]) => !isFact),
  ];
  const kept = new Set<string>();
  let left = SUMMARY_LENGTH - "Summary: ".length;
  for (const [line] of ranked) {
    if (line.length + 1 > left) continue;
    left -= line.length + 1;
    kept.add(line);
  }
  return `Summary: ${[...lines.keys()].filter((line) => kept.has(line)).join("\n") || "nothing was said."}`;
}

/** `text`, or as much of it as fits into `length` with an ellipsis. */
export function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).toWellFormed()}…`;
}

function sentencesOf(text: string): string[] {
  return text
    .split(/(?<=[.!?])\s+|\n+/u)
    .map((sentence) => sentence.trim())
    .filter(Boolean);
}

export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

function favourite(what: string): string {
  return `favorite ${what.toLowerCase()}`;
}

/** The longest beginning of `text` that names a known favourite, else all of it. */
function longestKnown(text: string, values: ReadonlyMap<string, string>): string {
  const words = text.split(" ");
  const beginnings = words.map((_word, index) => words.slice(0, words.length - index).join(" "));
  return beginnings.find((what) => values.has(favourite(what))) ?? text;
}

/**
 * @module
 * Puts the rules to the texts of one commit, each distinct text once: what an entry brings is mostly in the record too.
 */
import { jsonStrings, replaceStrings } from "./json-text.ts";
import type { RedactedText, RedactionRule, Replace } from "./rule.ts";
import { applyRules } from "./rule.ts";

export interface Texts {
  /** Puts the rules to `text`; answers with a promise where a rule does. */
  ask(text: string, key: string | undefined): Promise<void> | undefined;
  /** What they left of it, once it was asked for; `undefined` where that is all of it. */
  of(text: string, key: string | undefined): RedactedText | undefined;
}

/** Pictures and the like within a URL: no text. */
const DATA_URL = /^data:[\w.+-]+\/[\w.+-]+(?:;[\w=.-]+)*;base64,[A-Za-z0-9+/_-]*={0,2}$/;
/** JSON in a string of JSON in a string of JSON …; what is deeper is looked at as one text. */
const MAX_JSON_DEPTH = 8;

type Answer = RedactedText | undefined;

export function createTexts(rules: readonly RedactionRule[], sessionId: string, replace: Replace): Texts {
  const known = new Map<string, Answer>();

  const resolve = (text: string, key: string | undefined, depth: number): Answer | Promise<Answer> => {
    const strings = depth < MAX_JSON_DEPTH ? jsonStrings(text) : undefined;
    if (!strings) {
      const context = { sessionId, ...(key !== undefined && { key }) };
      return applyRules(rules, text, context, replace);
    }
    const answers = strings.map((one) => {
      try {
        return resolve(one.text, one.key ?? key, depth + 1);
      } catch (error) {
        // So that what others began is waited for, and no failure of theirs goes unheard.
        return Promise.reject(error);
      }
    });
    const combine = (all: readonly Answer[]): Answer => combined(text, strings, all);
    const ready = answers.filter((answer): answer is Answer => !(answer instanceof Promise));
    if (ready.length === answers.length) return combine(ready);
    return Promise.all(answers).then(combine);
  };

  return {
    ask(text, key) {
      const name = `${key ?? ""}\0${text}`;
      if (text === "" || known.has(name) || (text.startsWith("data:") && DATA_URL.test(text)))
        return undefined;
      const answer = resolve(text, key, 0);
      if (answer instanceof Promise) return answer.then((late) => void known.set(name, late));
      known.set(name, answer);
      return undefined;
    },
    of: (text, key) => known.get(`${key ?? ""}\0${text}`),
  };
}

function combined(
  text: string,
  strings: NonNullable<ReturnType<typeof jsonStrings>>,
  answers: readonly Answer[],
): Answer {
  if (answers.every((answer) => answer === undefined)) return undefined;
  const found = new Map<string, number>();
  const originals = new Map<string, string>();
  const byStart = new Map<number, string>();
  answers.forEach((answer, index) => {
    if (!answer) return;
    for (const [rule, count] of answer.found) found.set(rule, (found.get(rule) ?? 0) + count);
    for (const [placed, original] of answer.originals) originals.set(placed, original);
    byStart.set(strings[index]?.start ?? -1, answer.text);
  });
  return { text: replaceStrings(text, strings, ({ start }) => byStart.get(start)), found, originals };
}

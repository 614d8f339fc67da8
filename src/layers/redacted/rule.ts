/**
 * @module
 * What a rule is, and how rules are put to a text: one after another, each on what the one before it left.
 */
import { HoldfastError, invalidArgument } from "../../log/errors.ts";
import { placeholderRanges } from "./placeholder.ts";

/** A stretch of a text, in UTF-16 units as `slice` takes them. */
export interface RedactionSpan {
  readonly start: number;
  readonly end: number;
  /** What kind of thing it is. Default: the rule's name. */
  readonly rule?: string;
  /** What to put in its place. Default: a placeholder. It is not kept in a vault. */
  readonly replacement?: string;
}

export interface RedactionContext {
  readonly sessionId: string;
  /** The name of the nearest property that the text is at, where there is one. */
  readonly key?: string;
}

/** What to hide: stretches of the text, or the text as it should read. */
export type RedactionAnswer = readonly RedactionSpan[] | string | undefined;

/**
 * Finds what to hide in `text`. The same text and context must give the same answer each time, and what it puts in place
 * must not be found again: a record is redacted anew with each commit.
 */
export type RedactionFunction = (
  text: string,
  context: RedactionContext,
) => RedactionAnswer | Promise<RedactionAnswer>;

export interface RedactionRule {
  /** Lower-case letters, digits and hyphens, at most 40: it is part of placeholders. */
  readonly name: string;
  readonly find: RedactionFunction;
  /** Loads what it needs, before its first use; tried again at the next commit where it fails. */
  readonly load?: () => Promise<void>;
}

/** A text after the rules: what was found in it, and what the placeholders in it stand for. */
export interface RedactedText {
  readonly text: string;
  /** How often each kind was found. */
  readonly found: ReadonlyMap<string, number>;
  readonly originals: ReadonlyMap<string, string>;
}

/** What to put in place of `original`. `isKept`: it can be put back from a vault. */
export type Replace = (rule: string, original: string) => { readonly text: string; readonly isKept: boolean };

const NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
const MAX_NAME_LENGTH = 40;

/** The rules that `given` says; functions are named `custom`, or after themselves. */
export function rulesOf(given: unknown): readonly RedactionRule[] {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (list.length === 0)
    throw invalidArgument("redact holds no rule; give secrets(), personalData() or your own");
  return list.map((one): RedactionRule => {
    if (isFunction(one)) return { name: nameOf(one), find: one };
    if (isRule(one)) return { ...one, name: checkName(one.name) };
    throw invalidArgument(
      "redact takes rules and functions: secrets(), personalData(), (text) => [{ start, end }]",
    );
  });
}

/**
 * What `rules` leave of `text`, `undefined` where that is all of it.
 *
 * @throws INVALID_DATA where a rule fails, without what it failed with: that may hold the text.
 */
export function applyRules(
  rules: readonly RedactionRule[],
  text: string,
  context: RedactionContext,
  replace: Replace,
): RedactedText | undefined | Promise<RedactedText | undefined> {
  const found = new Map<string, number>();
  const originals = new Map<string, string>();
  let now = text;
  const take = (rule: RedactionRule, answer: RedactionAnswer): void => {
    if (answer === undefined) return;
    if (typeof answer === "string") {
      if (answer === now) return;
      found.set(rule.name, (found.get(rule.name) ?? 0) + 1);
      now = answer;
      return;
    }
    now = put(now, checkSpans(answer, now, rule, context), (span) => {
      const name = span.rule ?? rule.name;
      found.set(name, (found.get(name) ?? 0) + 1);
      if (span.replacement !== undefined) return span.replacement;
      const original = now.slice(span.start, span.end);
      const placed = replace(name, original);
      if (placed.isKept) originals.set(placed.text, original);
      return placed.text;
    });
  };
  const result = (): RedactedText | undefined =>
    found.size === 0 ? undefined : { text: now, found, originals };
  for (const [index, rule] of rules.entries()) {
    const answer = ask(rule, now, context);
    if (!(answer instanceof Promise)) {
      take(rule, answer);
      continue;
    }
    return (async () => {
      take(rule, await answer.catch(() => failed(rule, context)));
      for (const next of rules.slice(index + 1)) {
        const more = ask(next, now, context);
        take(next, more instanceof Promise ? await more.catch(() => failed(next, context)) : more);
      }
      return result();
    })();
  }
  return result();
}

function ask(
  rule: RedactionRule,
  text: string,
  context: RedactionContext,
): RedactionAnswer | Promise<RedactionAnswer> {
  try {
    return rule.find(text, context);
  } catch {
    return failed(rule, context);
  }
}

function failed({ name }: RedactionRule, { sessionId }: RedactionContext): never {
  throw new HoldfastError(
    "INVALID_DATA",
    `the redaction rule "${name}" failed on a text for session ${JSON.stringify(sessionId)}; nothing was written. What it failed with is left out here, since that may hold the text`,
    { sessionId },
  );
}

/** The spans in order, those that overlap as one, without what is a placeholder already. */
function checkSpans(
  spans: unknown,
  text: string,
  rule: RedactionRule,
  context: RedactionContext,
): readonly RedactionSpan[] {
  if (!Array.isArray(spans)) return failed(rule, context);
  if (spans.length === 0) return [];
  const placed = placeholderRanges(text);
  const sorted = spans
    .map((span: unknown) => (isSpan(span, text.length) ? span : failed(rule, context)))
    .filter(({ start, end }) => start < end && !placed.some((one) => one.start <= start && end <= one.end))
    .toSorted((a, b) => a.start - b.start || b.end - a.end);
  const merged: RedactionSpan[] = [];
  for (const span of sorted) {
    const whole = cover(span, placed);
    const last = merged.at(-1);
    if (!last || whole.start >= last.end) merged.push(whole);
    else if (whole.end > last.end) merged[merged.length - 1] = { ...last, end: whole.end };
  }
  return merged;
}

/** A span that cuts a placeholder takes all of it. */
function cover(
  span: RedactionSpan,
  placed: readonly { readonly start: number; readonly end: number }[],
): RedactionSpan {
  let { start, end } = span;
  for (const one of placed) {
    if (one.start < start && start < one.end) start = one.start;
    if (one.start < end && end < one.end) end = one.end;
  }
  return { ...span, start, end };
}

function put(
  text: string,
  spans: readonly RedactionSpan[],
  replacement: (span: RedactionSpan) => string,
): string {
  let result = "";
  let at = 0;
  for (const span of spans) {
    result += text.slice(at, span.start) + replacement(span);
    at = span.end;
  }
  return result + text.slice(at);
}

function isSpan(span: unknown, length: number): span is RedactionSpan {
  if (typeof span !== "object" || span === null || !("start" in span) || !("end" in span)) return false;
  const { start, end } = span;
  if ("rule" in span && span.rule !== undefined && !(typeof span.rule === "string" && isName(span.rule)))
    return false;
  if ("replacement" in span && span.replacement !== undefined && typeof span.replacement !== "string")
    return false;
  const isPlace = (value: unknown): boolean =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= length;
  return isPlace(start) && isPlace(end);
}

function isName(name: string): boolean {
  return name.length <= MAX_NAME_LENGTH && NAME.test(name);
}

function checkName(name: string): string {
  if (isName(name)) return name;
  throw invalidArgument(
    `the rule name ${JSON.stringify(name)} must be lower-case letters, digits and hyphens, at most ${MAX_NAME_LENGTH}`,
  );
}

/** `findTicket` is `find-ticket`. */
function nameOf({ name }: RedactionFunction): string {
  const kebab = name.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, "-").toLowerCase();
  return isName(kebab) ? kebab : "custom";
}

function isFunction(value: unknown): value is RedactionFunction {
  return typeof value === "function";
}

function isRule(value: unknown): value is RedactionRule {
  return (
    typeof value === "object" &&
    value !== null &&
    "name" in value &&
    typeof value.name === "string" &&
    "find" in value &&
    typeof value.find === "function"
  );
}

/**
 * @module
 * What stands in place of what was hidden: `[redacted:email]`, or with a key `[redacted:email:abcdefghijkl]`.
 */
import { createHmac } from "node:crypto";
import { invalidArgument } from "../../log/errors.ts";

/** 48 bits: of 1,000 things hidden in a session, two share a placeholder with a chance of 2 in 10^9. */
const TAG_LETTERS = 12;
const MIN_KEY_BYTES = 32;
const PLACEHOLDER = /\[redacted:[a-z0-9-]{1,40}(?::[a-p]{12})?\]/g;
const TAGGED = /\[redacted:[a-z0-9-]{1,40}:[a-p]{12}\]/g;

/** Where a text holds placeholders. */
export function placeholderRanges(text: string): { readonly start: number; readonly end: number }[] {
  if (!text.includes("[redacted:")) return [];
  return Array.from(text.matchAll(PLACEHOLDER), ({ 0: match, index }) => ({
    start: index,
    end: index + match.length,
  }));
}

/** The placeholders of `text` that a vault may know, each once. */
export function taggedPlaceholders(text: string): string[] {
  if (!text.includes("[redacted:")) return [];
  return [...new Set(Array.from(text.matchAll(TAGGED), ([match]) => match))];
}

/** `text` with each placeholder that `originals` knows put back. */
export function putBack(text: string, originals: ReadonlyMap<string, string>): string {
  return text.replaceAll(TAGGED, (placeholder) => originals.get(placeholder) ?? placeholder);
}

/**
 * The placeholder of `original` in one session. Its tag is an HMAC-SHA-256 of namespace, session, rule and original, in
 * the letters a to p so that it looks like no number: equal within the session, different in every other one, and of no
 * use to anybody who guesses at the original without the key.
 */
export function placeholder(
  key: Uint8Array | undefined,
  scope: readonly string[],
  rule: string,
  original: string,
): string {
  if (!key) return `[redacted:${rule}]`;
  const digest = createHmac("sha256", key)
    .update(JSON.stringify([...scope, rule, original]))
    .digest("hex")
    .slice(0, TAG_LETTERS);
  const tag = Array.from(digest, (digit) => String.fromCharCode(97 + Number.parseInt(digit, 16))).join("");
  return `[redacted:${rule}:${tag}]`;
}

/** A digest that nobody can check a guess against without the key. */
export function keyedDigest(key: Uint8Array, digest: string): string {
  return createHmac("sha256", key).update(`operation ${digest}`).digest("base64url").slice(0, 22);
}

/** A copy of the caller's key. @throws INVALID_ARGUMENT unless it is 32 bytes or more. */
export function checkKey(key: unknown): Uint8Array | undefined {
  if (key === undefined) return undefined;
  if (key instanceof Uint8Array && key.length >= MIN_KEY_BYTES) return Uint8Array.from(key);
  throw invalidArgument(
    `the key of a redaction must be a Uint8Array of ${MIN_KEY_BYTES} bytes or more, for example crypto.getRandomValues(new Uint8Array(32)), and the same in every process`,
  );
}

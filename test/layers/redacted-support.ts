/** What the tests of the redaction share. */
import { randomOf } from "./corpus/random.ts";
import { TOKENS } from "./corpus/tokens.ts";

export const KEY = new Uint8Array(32).fill(9);
export const MAIL = "ada.lovelace@analytical-engines.org";

/** A token of `kind` from the corpus. */
export function tokenOf(kind: string, seed = 1): string {
  const found = TOKENS.find((one) => one.kind === kind);
  if (!found) throw new Error(`no such kind: ${kind}`);
  return found.make(randomOf(seed)).secret;
}

/** One that the rules find by its form, and of which no other rule finds a part. */
export const GITHUB = tokenOf("github, classic");
export const STRIPE = tokenOf("stripe, live");

/**
 * @module
 * Puts back what a vault has for a session, or for one that it inherits from.
 */
import { HoldfastError } from "../../log/errors.ts";
import { isPlainObject } from "../../log/values.ts";
import type { SessionStore } from "../../store/store.ts";
import { jsonStrings, replaceStrings } from "./json-text.ts";
import type { RedactionVault, VaultScope } from "./vault.ts";
import { revealText } from "./vault.ts";

export function reveal(
  vault: RedactionVault | undefined,
  below: SessionStore,
  namespace: string,
  sessionId: string,
  text: string,
): Promise<string>;
export function reveal(
  vault: RedactionVault | undefined,
  below: SessionStore,
  namespace: string,
  sessionId: string,
  value: unknown,
): Promise<unknown>;
export async function reveal(
  vault: RedactionVault | undefined,
  below: SessionStore,
  namespace: string,
  sessionId: string,
  value: unknown,
): Promise<unknown> {
  if (!vault) {
    throw new HoldfastError(
      "UNSUPPORTED",
      `what was hidden in session ${JSON.stringify(sessionId)} can't be put back: the redaction has no vault`,
      { sessionId },
    );
  }
  let known: Promise<readonly VaultScope[]> | undefined;
  const scopes = (): Promise<readonly VaultScope[]> => {
    known ??= scopesOf(below, namespace, sessionId);
    return known;
  };
  return within(value, (text) => revealText(vault, scopes, text));
}

/** The session, then those that it inherits from, nearest first. */
async function scopesOf(
  below: SessionStore,
  namespace: string,
  sessionId: string,
): Promise<readonly VaultScope[]> {
  const [record] = await below.find([sessionId]);
  const inherited = (record?.lineage ?? []).map(({ id }) => id).reverse();
  return [...new Set([sessionId, ...inherited])].map((id) => ({ namespace, sessionId: id }));
}

async function within(value: unknown, put: (text: string) => Promise<string>): Promise<unknown> {
  if (typeof value === "string") return withinText(value, put);
  if (Array.isArray(value)) return Promise.all(value.map((item: unknown) => within(item, put)));
  if (!isPlainObject(value)) return value;
  const entries = Object.entries(value).map(
    async ([key, item]): Promise<[string, unknown]> => [key, await within(item, put)],
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** JSON stays JSON, whatever the originals hold. */
async function withinText(text: string, put: (text: string) => Promise<string>): Promise<string> {
  if (!text.includes("[redacted:")) return text;
  const strings = jsonStrings(text);
  if (!strings) return put(text);
  const revealed = new Map<number, string>();
  for (const { start, text: inner } of strings) revealed.set(start, await withinText(inner, put));
  return replaceStrings(text, strings, ({ start }) => revealed.get(start));
}

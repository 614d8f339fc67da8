/**
 * @module
 * Which parts of a message a provider has signed or encrypted, so that it refuses the conversation where they were changed.
 *
 * @see https://platform.claude.com/docs/en/build-with-claude/extended-thinking (thinking blocks go back unmodified)
 * @see https://ai.google.dev/gemini-api/docs/thought-signatures
 * @see https://platform.openai.com/docs/guides/reasoning (encrypted_content)
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ReasoningTextBlock.html
 */
import { isPlainObject } from "../../log/values.ts";

/** Fields that hold a signature or ciphertext. They are never looked at. */
const SEALED: ReadonlySet<string> = new Set([
  "signature",
  "thoughtSignature",
  "thought_signature",
  "encrypted_content",
  "encryptedContent",
  "reasoningEncryptedContent",
  "encrypted_index",
  "encryptedIndex",
  "redactedData",
  "redacted_data",
  "redactedContent",
]);
/** Where frameworks keep what a provider added to a part, one or two objects deep. */
const CARRIERS: readonly string[] = [
  "providerMetadata",
  "providerOptions",
  "callProviderMetadata",
  "resultProviderMetadata",
  "providerData",
  "provider_metadata",
  "provider_options",
  "extra_content",
  "reasoningContent",
];
const SEALED_TYPES: ReadonlySet<unknown> = new Set(["redacted_thinking", "reasoning.encrypted"]);
const CARRIER_DEPTH = 3;

export function isSealedField(key: string, part: Readonly<Record<string, unknown>>): boolean {
  return SEALED.has(key) || (key === "data" && SEALED_TYPES.has(part.type));
}

/** Whether a provider vouches for the object as it is: it carries a signature or ciphertext, itself or in its metadata. */
export function isSigned(part: Readonly<Record<string, unknown>>): boolean {
  if (SEALED_TYPES.has(part.type) || holdsSeal(part)) return true;
  return CARRIERS.some((key) => Object.hasOwn(part, key) && carriesSeal(part[key], CARRIER_DEPTH));
}

/** `part` without what vouches for it. */
export function unsigned(part: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const left = Object.entries(part).filter(([key]) => !SEALED.has(key) && !CARRIERS.includes(key));
  return Object.fromEntries(SEALED_TYPES.has(part.type) ? left.filter(([key]) => key !== "data") : left);
}

function carriesSeal(value: unknown, depth: number): boolean {
  if (depth === 0 || !isPlainObject(value)) return false;
  return holdsSeal(value) || Object.values(value).some((item) => carriesSeal(item, depth - 1));
}

function holdsSeal(value: Readonly<Record<string, unknown>>): boolean {
  for (const key of SEALED) {
    const held = Object.hasOwn(value, key) ? value[key] : undefined;
    if ((typeof held === "string" && held !== "") || held instanceof Uint8Array) return true;
  }
  return false;
}

/**
 * @module
 * Blind values: what list filters by label and metadata compare in the engine. Equal values have equal blind values within a
 * namespace, and nothing else can be told from one without the namespace's index key.
 *
 * @see https://www.rfc-editor.org/rfc/rfc2104 HMAC; cut to 128 bits, as section 5 allows.
 */
import { createHmac, createSecretKey } from "node:crypto";

const BLIND_BYTES = 16;
/** Labels and metadata that were blinded last. */
const KNOWN = 10_000;

type Metadata = Readonly<Record<string, unknown>>;

export interface Blind {
  label(label: string): string;
  /** Keys and values blinded. What a list can't look for keeps its key only. */
  metadata(metadata: Metadata): Record<string, string | number>;
}

export function createBlind(bytes: Uint8Array): Blind {
  const secret = createSecretKey(bytes);
  const known = new Map<string, string>();
  const objects = new WeakMap<Metadata, Record<string, string | number>>();

  const blinded = (...parts: readonly unknown[]): string => {
    const text = JSON.stringify(parts);
    const found = known.get(text);
    if (found !== undefined) return found;
    const value = createHmac("sha256", secret).update(text).digest().toString("base64url", 0, BLIND_BYTES);
    if (known.size >= KNOWN) known.clear();
    known.set(text, value);
    return value;
  };

  return {
    label: (label) => blinded("label", label),
    metadata(metadata) {
      const found = objects.get(metadata);
      if (found) return found;
      const entries = Object.entries(metadata).map(([key, value]): [string, string | number] => [
        blinded("key", key),
        isScalar(value) ? blinded("value", key, value) : 0,
      ]);
      const result = Object.fromEntries(entries);
      if (Object.isFrozen(metadata)) objects.set(metadata, result);
      return result;
    },
  };
}

function isScalar(value: unknown): boolean {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

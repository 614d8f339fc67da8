/** The redaction as the conformance suite gets it: all rules, tags, and a vault in the same engine. */
import { personalData, redactedStore, secrets, vaultIn } from "../../src/layers/redacted.ts";
import type { Wrap } from "./harness.ts";

export const KEY = new Uint8Array(32).fill(7);

export const wrap: Wrap = (store) =>
  redactedStore(store, {
    redact: [secrets(), personalData({ phone: { country: "US" }, ip: true })],
    key: KEY,
    vault: vaultIn(store),
  });

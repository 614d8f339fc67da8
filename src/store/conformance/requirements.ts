/**
 * @module
 * What a store or a harness may lack, and how a store that lacks it must show so.
 */
import { HoldfastError } from "../../log/errors.ts";
import { check, show } from "./assert.ts";
import type { Requirement } from "./harness.ts";

const REACHABLE_ENTRY_BYTES = 64 * 1024 * 1024;

export const search: Requirement = {
  name: "search",
  isMet: (store) => store.capabilities.search !== "none",
  declared: (store) =>
    isUnsupported(store.search && (() => store.search?.("word", { order: "updated", limit: 1 })), "search"),
};

export const push: Requirement = {
  name: "a watch that pushes",
  isMet: (store) => store.capabilities.watch === "push",
  declared: (store) => {
    const next = (): Promise<unknown> | undefined =>
      store.watch?.("session", 0, AbortSignal.timeout(1000))[Symbol.asyncIterator]().next();
    return isUnsupported(store.watch && next, "watch");
  },
};

export const sweep: Requirement = {
  name: "sweep()",
  isMet: (store) => store.sweep !== undefined,
  declared: async () => undefined,
};

export const nativeTtl: Requirement = {
  name: "an engine that expires sessions by itself",
  isMet: (store) => store.capabilities.nativeTtl,
  declared: async () => undefined,
};

export const restart: Requirement = {
  name: "restart() in the harness",
  isMet: (_store, harness) => harness.restart !== undefined,
  declared: async ({ name, capabilities }) =>
    check(
      capabilities.durability === "process",
      `the ${name} store declares durability ${show(capabilities.durability)}, so its harness must have restart()`,
    ),
};

export const residue: Requirement = {
  name: "residue() in the harness",
  isMet: (_store, harness) => harness.residue !== undefined,
  declared: async () => undefined,
};

export const processes: Requirement = {
  name: "several writing processes, and runWriter() in the harness",
  isMet: ({ capabilities }, harness) => capabilities.writers === "many" && harness.runWriter !== undefined,
  declared: async () => undefined,
};

export const reachableLimit: Requirement = {
  name: "an entry limit of at most 64 MiB",
  isMet: ({ capabilities }) => capabilities.maxEntryBytes <= REACHABLE_ENTRY_BYTES,
  declared: async ({ capabilities }) =>
    check(capabilities.maxEntryBytes > 0, `maxEntryBytes is ${capabilities.maxEntryBytes}`),
};

/** A method that a store declares it lacks is absent, or rejects with UNSUPPORTED. */
async function isUnsupported(
  call: (() => Promise<unknown> | undefined) | undefined,
  method: string,
): Promise<void> {
  if (call === undefined) return;
  try {
    await call();
  } catch (error) {
    check(
      HoldfastError.is(error, "UNSUPPORTED"),
      `${method}() is declared as lacking: expected UNSUPPORTED, got ${show(error)}`,
    );
    return;
  }
  check(false, `${method}() is declared as lacking, yet it answers`);
}

/** A store that supports what `requirement` names, for a case that can't go on without. */
export function need<T>(value: T | undefined, what: string): T {
  check(value !== undefined, `${what} is missing though it was declared`);
  return value;
}

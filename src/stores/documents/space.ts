/**
 * @module
 * One namespace as the parts of the store see it, and what is known of its sessions without asking.
 */
import { createHash } from "node:crypto";
import type { StoreCapabilities } from "../../store/store.ts";
import type { DocumentDriver } from "./driver.ts";
import type { Late } from "./late.ts";

export interface Space {
  /** The store's name, for messages. */
  readonly name: string;
  readonly path: string;
  readonly capabilities: StoreCapabilities;
  readonly driver: DocumentDriver;
  readonly bases: Bases;
  /** Where lists may be late: what writes the projections. */
  readonly late?: Late | undefined;
}

/**
 * Where a session was: its commit document `ordinal` led to `version`. Of a life this stays true for ever. It is only
 * noted once the projection had come as far, or where this process is about to bring it there.
 */
export interface Base {
  readonly life: string;
  readonly ordinal: number;
  readonly version: number;
  readonly seq: number;
  readonly from: number;
  readonly createdAt: number;
}

/** The bases of the sessions that were committed to lately, by key. */
export interface Bases {
  get(key: string): Base | undefined;
  set(key: string, base: Base): void;
  delete(key: string): void;
}

/** Some 300 bytes each. */
const MAX_BASES = 4096;
/**
 * Of a life that was ended nothing is left after an hour, not even its end, and who went on from here would not notice.
 */
const MAX_AGE_MS = 600_000;

export function createBases(): Bases {
  const bases = new Map<string, { readonly base: Base; readonly atMs: number }>();
  return {
    get(key) {
      const noted = bases.get(key);
      return noted && performance.now() - noted.atMs < MAX_AGE_MS ? noted.base : undefined;
    },
    set(key, base) {
      bases.delete(key);
      bases.set(key, { base, atMs: performance.now() });
      if (bases.size <= MAX_BASES) return;
      const [oldest] = bases.keys();
      if (oldest !== undefined) bases.delete(oldest);
    },
    delete(key) {
      bases.delete(key);
    },
  };
}

/** The id of a session's document: of bounded length, of letters, digits, `-` and `_`, and no two sessions share one. */
export function sessionKey(path: string, id: string): string {
  return createHash("sha256")
    .update(JSON.stringify([path, id]))
    .digest("base64url");
}

/**
 * @module
 * One namespace as the parts of the store see it, and what is known of its sessions without asking.
 */
import { createHash, randomBytes } from "node:crypto";
import type { StoreCapabilities } from "../../store/store.ts";
import type { DocumentDriver } from "./driver.ts";

export interface Space {
  /** The store's name, for messages. */
  readonly name: string;
  readonly path: string;
  readonly capabilities: StoreCapabilities;
  readonly driver: DocumentDriver;
  readonly bases: Bases;
}

/**
 * Where a session was: its commit document `ordinal` led to `version`. Of a life this stays true for ever, and it is
 * only noted once the projection had come as far.
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

export function createBases(): Bases {
  const bases = new Map<string, Base>();
  return {
    get: (key) => bases.get(key),
    set(key, base) {
      bases.delete(key);
      bases.set(key, base);
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

/** A name that nobody else has made: for a life, for an attempt. */
export function newToken(): string {
  return randomBytes(16).toString("base64url");
}

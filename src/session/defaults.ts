/**
 * @module
 * The default store, and stores by name or URL.
 */
import { HoldfastError } from "../log/errors.ts";
import type { SessionStore } from "../store/store.ts";
import { memoryStore } from "../stores/memory.ts";
import { naming } from "./lazy.ts";
import { takeRandomBytes } from "./random.ts";

/** A store, or one that is still being opened. */
export type StoreSource = SessionStore | Promise<SessionStore>;

let defaultStore: StoreSource | undefined;

/** Sets the store of every later `createSessions` that names none. `undefined`: in memory again. */
export function setDefaultStore(store: StoreSource | undefined): void {
  defaultStore = store;
}

/** The store that was set, else a new one in memory. */
export function getDefaultStore(): StoreSource {
  return defaultStore ?? memoryStore();
}

/**
 * Opens a store by its name or URL; the engine is loaded only then.
 *
 * `"memory"`, `"file"` and `"sqlite"` take the store's own options; a URL says it all: `memory:`, `file:./sessions`,
 * `sqlite:./sessions.db`, `postgres://localhost/app` (needs the package `pg`), `redis://localhost:6379` (`ioredis`).
 *
 * @throws INVALID_ARGUMENT for a name or URL that is not known.
 * @example
 * ```ts
 * import { createSessions, createStore } from "holdfast";
 * const sessions = createSessions({ store: createStore("memory:") });
 * ```
 */
export async function createStore(
  kindOrUrl: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<SessionStore> {
  return (await naming()).storeByName(kindOrUrl, options);
}

/**
 * A new session id: a UUIDv7, so that ids sort by the time that they were made.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
 */
export function createSessionId(nowMs: number = Date.now()): string {
  const bytes = takeRandomBytes(16);
  bytes.writeUIntBE(Math.max(0, Math.trunc(nowMs)), 0, 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** @throws UNSUPPORTED */
export function unsupported(store: SessionStore, what: string): HoldfastError {
  return new HoldfastError("UNSUPPORTED", `the ${store.name} store can't ${what}; use one that can`, {
    store: store.name,
  });
}

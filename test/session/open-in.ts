/**
 * @module
 * Stores on disk by kind and folder, for tests and for the processes that they start.
 */
import { join } from "node:path";
import type { SessionStore } from "../../src/store/store.ts";
import { fileStore } from "../../src/stores/file.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";

export type StoreKind = "memory" | "file" | "sqlite";

/** A store on disk in `folder`. */
export function openIn(
  kind: Exclude<StoreKind, "memory">,
  folder: string,
  durability: "full" | "normal" = "normal",
): SessionStore {
  return kind === "file"
    ? fileStore({ directory: join(folder, "sessions"), durability })
    : sqliteStore({ path: join(folder, "sessions.db"), durability });
}

/**
 * @module
 * The stores that are measured, and sessions over them.
 */
import { join } from "node:path";
import type { SessionStore, Sessions } from "../src/index.ts";
import { createSessions, fileStore, memoryStore } from "../src/index.ts";
import { sqliteStore } from "../src/stores/sqlite.ts";
import type { BenchMessage } from "./messages.ts";

export const ENGINES = ["memory", "file", "sqlite"] as const;
export type Engine = (typeof ENGINES)[number];
export type Durability = "full" | "normal";

export function isEngine(name: string | undefined): name is Engine {
  return name === "memory" || name === "file" || name === "sqlite";
}

/** The store of `engine` with its data in `folder`. */
export function openStore(engine: Engine, folder: string, durability: Durability = "full"): SessionStore {
  if (engine === "memory") return memoryStore();
  if (engine === "file") return fileStore({ directory: folder, durability });
  return sqliteStore({ path: databasePath(folder), durability });
}

export function databasePath(folder: string): string {
  return join(folder, "sessions.db");
}

export function sessionsOver(store: SessionStore): Sessions<BenchMessage> {
  return createSessions<BenchMessage>({ store });
}

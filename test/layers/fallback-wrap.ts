/** A fallback with a journal of its own beside each store that is opened. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { fallbackStore } from "../../src/layers/fallback.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import type { Wrap } from "./harness.ts";

export const wrap: Wrap = (store, folder) =>
  fallbackStore(store, {
    journal: sqliteStore({ path: join(folder, `journal-${randomUUID()}.db`), durability: "normal" }),
  });

/** All the layers that a server would have around its engine. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { encryptedStore, memoryKeyring } from "../../src/layers/encrypted.ts";
import { fallbackStore } from "../../src/layers/fallback.ts";
import { fileBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { tracedStore } from "../../src/layers/otel.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import type { Wrap } from "./harness.ts";

const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7)).toString("base64");

export const wrap: Wrap = (store, folder) => {
  const journal = sqliteStore({ path: join(folder, `journal-${randomUUID()}.db`), durability: "normal" });
  const blobs = fileBlobs({ folder: join(folder, "blobs"), durability: "os" });
  const lean = offloadedStore(fallbackStore(store, { journal }), { blobs, thresholdBytes: 256 });
  return tracedStore(encryptedStore(lean, { keyring: memoryKeyring({ id: "test", key: KEY }) }));
};

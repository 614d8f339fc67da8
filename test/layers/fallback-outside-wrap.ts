/** A fallback around encryption, with a journal that is encrypted too: it can merge what it can read. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { encryptedStore, memoryKeyring } from "../../src/layers/encrypted.ts";
import { fallbackStore } from "../../src/layers/fallback.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import type { Wrap } from "./harness.ts";

const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7)).toString("base64");

export const wrap: Wrap = (store, folder) => {
  const sealed = (inner: SessionStore): SessionStore =>
    encryptedStore(inner, { keyring: memoryKeyring({ id: "test", key: KEY }) });
  const path = join(folder, `journal-${randomUUID()}.db`);
  return fallbackStore(sealed(store), { journal: sealed(sqliteStore({ path, durability: "normal" })) });
};

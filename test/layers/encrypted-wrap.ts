/** Encryption under one master key, which all processes know. */
import { encryptedStore, memoryKeyring } from "../../src/layers/encrypted.ts";
import type { Wrap } from "./harness.ts";

export const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString("base64");

export const wrap: Wrap = (store) =>
  encryptedStore(store, { keyring: memoryKeyring({ id: "test-1", key: KEY }) });

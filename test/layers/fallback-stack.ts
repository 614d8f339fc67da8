/**
 * @module
 * Stacks of layers around a fallback, and around the engine without one, as another program would have them.
 */
import type { Keyring, MasterKey } from "../../src/layers/encrypted.ts";
import { encryptedStore, memoryKeyring } from "../../src/layers/encrypted.ts";
import type { BlobStore } from "../../src/layers/offloaded.ts";
import { memoryBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { tracedStore } from "../../src/layers/otel.ts";
import type { SessionStore } from "../../src/store/store.ts";

export const masterKey = (id: string, factor = 7): MasterKey => ({
  id,
  key: Buffer.from(Array.from({ length: 32 }, (_, index) => (index * factor) % 256)),
});

export interface Stack {
  readonly title: string;
  /** The layers around `store`; those around one engine share their blobs. */
  over(store: SessionStore, keyring?: Keyring): SessionStore;
  /** Those of them that are below the encryption. */
  below(store: SessionStore): SessionStore;
}

const keys = (): Keyring => memoryKeyring(masterKey("test"));

/** Encryption alone, and all that a server would have. */
export function stacks(blobs: BlobStore = memoryBlobs()): readonly [Stack, Stack] {
  const lean = (store: SessionStore): SessionStore => offloadedStore(store, { blobs, thresholdBytes: 256 });
  return [
    {
      title: "encrypted(fallback)",
      over: (store, keyring = keys()) => encryptedStore(store, { keyring }),
      below: (store) => store,
    },
    {
      title: "traced(encrypted(offloaded(fallback)))",
      over: (store, keyring = keys()) => tracedStore(encryptedStore(lean(store), { keyring })),
      below: lean,
    },
  ];
}

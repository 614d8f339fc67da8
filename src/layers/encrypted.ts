/**
 * Encryption at rest: all that a session holds is sealed with AES-256-GCM before the store sees it, under a key of its own
 * that a master key wraps. What stays readable, and what this protects against, is in `docs/guide/security.md`.
 *
 * @module holdfast/encrypted
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { createSessions, memoryStore } from "holdfast";
 * import { encryptedStore, memoryKeyring } from "holdfast/encrypted";
 *
 * const keyring = memoryKeyring({ id: "2026-11", key: randomBytes(32) });
 * const sessions = createSessions({ store: encryptedStore(memoryStore(), { keyring }) });
 * ```
 */
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import type { SessionStore, StoreCapabilities } from "../store/store.ts";
import type { Blind } from "./encrypted/blind.ts";
import { createBlind } from "./encrypted/blind.ts";
import { ENVELOPE_BYTES } from "./encrypted/cipher.ts";
import { createCommitting } from "./encrypted/committing.ts";
import { createDataKeys } from "./encrypted/data-keys.ts";
import { keyPlaceOf } from "./encrypted/key-places.ts";
import type { Keyring } from "./encrypted/keyring.ts";
import { checkDense, createOpening } from "./encrypted/opening.ts";
import { createRemoving } from "./encrypted/removing.ts";
import { innerType } from "./encrypted/shadow.ts";
import type { LayerMethods } from "./layer.ts";
import { layerOver, required } from "./layer.ts";

export type { FileKeyringOptions } from "./encrypted/file-keyring.ts";
export { fileKeyring } from "./encrypted/file-keyring.ts";
export type {
  EnvKeyringOptions,
  KeyContext,
  Keyring,
  KmsKeyringOptions,
  MasterKey,
  WrappedKey,
} from "./encrypted/keyring.ts";
export { envKeyring, kmsKeyring, memoryKeyring } from "./encrypted/keyring.ts";
export type { LeftOverOptions, RotationOptions, RotationReport } from "./encrypted/rotation.ts";
export { destroyLeftOverKeys, rotateKeys } from "./encrypted/rotation.ts";

export interface EncryptedStoreOptions {
  /** What holds the master keys. */
  readonly keyring: Keyring;
  /**
   * Another store for the wrapped data keys, so that no backup holds a session with its key. Closed with this one.
   * Default: a namespace of the same store, which only this layer can name.
   */
  readonly keys?: SessionStore;
  /** Data keys that a process remembers, for each namespace. Default 10,000. */
  readonly cachedKeys?: number;
  /** How long it remembers each, in milliseconds. Default ten minutes. */
  readonly cacheMs?: number;
}

const NEEDED =
  "encryptedStore needs a keyring: memoryKeyring(…), envKeyring(…), fileKeyring(…), kmsKeyring(…), or your own";

/** What an entry's data has around its envelope, as JSON. */
const AROUND_BYTES = 1024;

/**
 * `store` with all content encrypted. Search is taken away; lists by label and metadata go by keyed hashes.
 *
 * Removing a session destroys its key, and so does a sweep.
 *
 * @throws INVALID_ARGUMENT where `store` is encrypted already, or redacted; for options that make no sense.
 */
export function encryptedStore(store: SessionStore, options: EncryptedStoreOptions): SessionStore {
  const { keyring, keys: keyStore, cachedKeys = 10_000, cacheMs = 600_000 } = required(options, NEEDED);
  if (![keyring?.current, keyring?.wrap, keyring?.unwrap].every((method) => typeof method === "function")) {
    throw invalidArgument(NEEDED);
  }
  if (!(Number.isInteger(cachedKeys) && cachedKeys > 0)) {
    throw invalidArgument("cachedKeys must be a whole number, 1 or more");
  }
  if (!(cacheMs >= 0)) throw invalidArgument("cacheMs must be a number of milliseconds");

  return layerOver("encrypted", store, (below): LayerMethods => {
    if (keyStore && below !== store && below.namespaceName === undefined) {
      throw invalidArgument(
        `the ${below.name} store doesn't say which namespace it is (namespaceName), so its keys can't be kept in another store`,
      );
    }
    const capabilities = capabilitiesOver(below.capabilities);
    const place = keyPlaceOf(below, keyStore);
    const namespace = below.namespaceName ?? "";
    const keys = createDataKeys({ place, keyring, namespace, cachedKeys, cacheMs });
    const opening = createOpening(below, keys);
    let known: Blind | undefined;
    const blind = (): Blind | Promise<Blind> =>
      known ?? keys.index().then((bytes) => (known ??= createBlind(bytes)));
    const { watch } = below;

    return {
      capabilities,
      without: ["search"],
      commit: createCommitting({ store: below, capabilities, keys, opening, blind }),
      find: (ids) => twice(async () => opening.records(await below.find(ids))),
      read: (id, range) =>
        twice(async () => {
          const { types } = range;
          const entries = await below.read(id, types ? { ...range, types: types.map(innerType) } : range);
          if (!types) checkDense(entries, id, below.name);
          return opening.entries(id, entries);
        }),

      async list(query) {
        const { label, metadata } = query;
        const isBlinded = label !== undefined || metadata !== undefined;
        const blinded = isBlinded ? await blind() : undefined;
        const sealed = {
          ...query,
          ...(label !== undefined && blinded && { label: blinded.label(label) }),
          ...(metadata !== undefined && blinded && { metadata: blinded.metadata(metadata) }),
        };
        return twice(async () => {
          const page = await below.list(sealed);
          const items = (await opening.records(page.items)).filter((record) => record !== undefined);
          return page.cursor === undefined ? { items } : { items, cursor: page.cursor };
        });
      },

      ...createRemoving(below, keys),
      ...(watch && {
        async *watch(id, after, signal) {
          for await (const entry of watch.call(below, id, after, signal)) {
            const opened = await opening.entries(id, [entry]).catch(async (error: unknown) => {
              const [record] = await below.find([id]);
              if (record) throw error;
              return undefined;
            });
            if (!opened) return;
            yield* opened;
          }
        },
      }),

      async migrate() {
        await keyStore?.migrate();
        return below.migrate();
      },
      async ping() {
        await Promise.all([below.ping(), keyStore?.ping()]);
      },
      async close() {
        await Promise.all([below.close(), keyStore?.close()]);
      },
    };
  });
}

/**
 * `read`, and once more where it fails to decrypt: a session that was removed after it was read has no key any more, and is
 * seen to be gone the second time.
 */
async function twice<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!HoldfastError.is(error, "DECRYPTION_FAILED")) throw error;
    return read();
  }
}

/** Sealed text is longer by a third, so that the engine's limit is reached sooner. */
function capabilitiesOver(inner: StoreCapabilities): StoreCapabilities {
  const maxEntryBytes = Math.floor(((inner.maxEntryBytes - AROUND_BYTES) * 3) / 4) - ENVELOPE_BYTES;
  return { ...inner, search: "none", maxEntryBytes };
}

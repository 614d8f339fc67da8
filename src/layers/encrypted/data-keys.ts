/**
 * @module
 * Data keys: one for each session, made when it is created, kept wrapped, and remembered unwrapped for a while.
 */
import { createSecretKey, randomBytes } from "node:crypto";
import { HoldfastError } from "../../log/errors.ts";
import type { SessionStore } from "../../store/store.ts";
import type { CipherKey } from "./cipher.ts";
import { KEY_BYTES, KEY_ID_BYTES } from "./cipher.ts";
import type { Wrapping } from "./key-places.ts";
import { contextOf, removeEach, wrappingCommit, wrappingOf, wrappingsOf } from "./key-places.ts";
import type { Keyring } from "./keyring.ts";
import { asked, INDEX_KEY } from "./keyring.ts";

/** The key of one session. */
export interface DataKey extends CipherKey {
  readonly sessionId: string;
  /** What all that is sealed under it is bound to: namespace and session, as the beginning of a JSON array. */
  readonly binding: string;
}

/** A key that is needed, and by what: `entry 7 of session "a"`. */
export interface Wanted {
  readonly keyId: string;
  readonly sessionId: string;
  readonly what: string;
}

export interface DataKeys {
  /** New keys for these sessions, stored in one batch. Once it resolves they can be found through any connection. */
  create(sessionIds: readonly string[]): Promise<DataKey[]>;
  /** The key where it is remembered, and of this session. */
  peek(keyId: string, sessionId: string): DataKey | undefined;
  /**
   * Sees to it that all of these are remembered, and answers with them.
   *
   * @throws DECRYPTION_FAILED where one isn't there, is of another session, or does not unwrap.
   */
  load(wanted: readonly Wanted[]): Promise<Map<string, DataKey>>;
  /** Destroys these keys of the session, and those that a crash left. Answers with how many there were. */
  destroy(sessionId: string, keyIds: ReadonlySet<string>): Promise<number>;
  /** The key that list filters of this namespace are blinded with; made at its first use. */
  index(): Promise<Uint8Array>;
}

export interface DataKeysOptions {
  /** Where wrapped keys are kept. */
  readonly place: SessionStore;
  readonly keyring: Keyring;
  readonly namespace: string;
  /** How many keys are remembered, and for how long after they were unwrapped. */
  readonly cachedKeys: number;
  readonly cacheMs: number;
}

interface Held {
  readonly key: DataKey;
  readonly until: number;
}

/** A key without its session is left over from a crash; one that is younger may belong to a session about to be written. */
export const LEFT_OVER_AFTER_MS = 24 * 3_600_000;
/** A key is moved while it is looked for at most this often in a row. */
const ATTEMPTS = 3;

export function createDataKeys({
  place,
  keyring,
  namespace,
  cachedKeys,
  cacheMs,
}: DataKeysOptions): DataKeys {
  const held = new Map<string, Held>();

  const peek = (keyId: string, sessionId: string): DataKey | undefined => {
    const found = held.get(keyId);
    if (!found || found.key.sessionId !== sessionId) return undefined;
    if (found.until > Date.now()) return found.key;
    held.delete(keyId);
    return undefined;
  };

  const remember = (keyId: string, sessionId: string, bytes: Uint8Array): DataKey => {
    const key: DataKey = {
      id: keyId,
      idBytes: Buffer.from(keyId, "base64url"),
      secret: createSecretKey(bytes),
      sessionId,
      binding: JSON.stringify([namespace, sessionId]).slice(0, -1),
    };
    bytes.fill(0);
    // The oldest goes first; one that is used past its time is unwrapped again.
    for (const oldest of held.keys()) {
      if (held.size < cachedKeys) break;
      held.delete(oldest);
    }
    held.set(keyId, { key, until: Date.now() + cacheMs });
    return key;
  };

  const wrap = async (sessionId: string, keyId: string, bytes: Uint8Array): Promise<Wrapping> => {
    const context = contextOf(namespace, sessionId, keyId);
    const wrapped = await asked(() => keyring.wrap(bytes, context), sessionId);
    return { place: keyId, keyId, sessionId, wrapped, createdAt: Date.now() };
  };

  const unwrap = async ({ keyId, sessionId, wrapped }: Wrapping): Promise<Uint8Array> => {
    const bytes = await asked(
      () => keyring.unwrap(wrapped, contextOf(namespace, sessionId, keyId)),
      sessionId,
    );
    if (bytes.length === KEY_BYTES) return bytes;
    throw refused(
      `session ${JSON.stringify(sessionId)}`,
      sessionId,
      `its data key is ${bytes.length} bytes long`,
    );
  };

  /** The first wrapping of each key, or any other; all of them wrap the same key. */
  const find = async (wanted: readonly Wanted[]): Promise<Map<string, Wrapping>> => {
    const found = new Map<string, Wrapping>();
    const take = (wrapping: Wrapping): void => void found.set(wrapping.keyId, wrapping);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const missing = wanted.filter(({ keyId }) => !found.has(keyId));
      if (missing.length === 0) break;
      const records = await place.find(missing.map(({ keyId }) => keyId));
      for (const record of records) if (record) take(wrappingOf(record, place.name));
      const moved = missing.filter(({ keyId }) => !found.has(keyId));
      const sessionIds = [...new Set(moved.map(({ sessionId }) => sessionId))];
      for (const list of await Promise.all(sessionIds.map((id) => wrappingsOf(place, id))))
        list.forEach(take);
    }
    return found;
  };

  async function load(wanted: readonly Wanted[]): Promise<Map<string, DataKey>> {
    const keys = new Map<string, DataKey>();
    const missing = new Map<string, Wanted>();
    for (const one of wanted) {
      const key = peek(one.keyId, one.sessionId);
      if (key) keys.set(one.keyId, key);
      else missing.set(one.keyId, one);
    }
    if (missing.size === 0) return keys;
    const found = await find([...missing.values()]);
    const unwrapped = [...missing.values()].map(async ({ keyId, sessionId, what }) => {
      const wrapping = found.get(keyId);
      if (!wrapping) {
        throw refused(
          what,
          sessionId,
          "its data key isn't there: it was destroyed, or the keys are kept in another store",
        );
      }
      if (wrapping.sessionId !== sessionId)
        throw refused(what, sessionId, "it was sealed for another session");
      return remember(keyId, sessionId, await unwrap(wrapping));
    });
    for (const key of await Promise.all(unwrapped)) keys.set(key.id, key);
    return keys;
  }

  async function create(sessionIds: readonly string[]): Promise<DataKey[]> {
    const drafts = sessionIds.map((sessionId) => {
      const bytes = randomBytes(KEY_BYTES);
      return { sessionId, keyId: randomBytes(KEY_ID_BYTES).toString("base64url"), bytes };
    });
    const wrappings = await Promise.all(
      drafts.map(({ sessionId, keyId, bytes }) => wrap(sessionId, keyId, bytes)),
    );
    const outcomes = await place.commit(wrappings.map((wrapping) => wrappingCommit(place, wrapping)));
    const keys: DataKey[] = [];
    for (const [at, { sessionId, keyId, bytes }] of drafts.entries()) {
      if (outcomes[at]?.status === "committed") keys.push(remember(keyId, sessionId, bytes));
      // Another session drew the same 72 random bits.
      else keys.push(...(await create([sessionId])));
    }
    return keys;
  }

  let indexKey: Promise<Uint8Array> | undefined;
  async function loadIndex(): Promise<Uint8Array> {
    const unwrapAny = async ([wrapping]: readonly Wrapping[]): Promise<Uint8Array | undefined> =>
      wrapping && unwrap(wrapping);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const [first] = await place.find([INDEX_KEY]);
      const known = await unwrapAny(
        first ? [wrappingOf(first, place.name)] : await wrappingsOf(place, "", true),
      );
      if (known) return known;
      const bytes = randomBytes(KEY_BYTES);
      const commit = wrappingCommit(place, await wrap("", INDEX_KEY, bytes));
      const [outcome] = await place.commit([commit]);
      if (outcome?.status === "committed") return bytes;
    }
    throw new HoldfastError(
      "STORE_CORRUPT",
      `the index key of the ${place.name} store is neither there nor can it be made; run "holdfast doctor"`,
      { store: place.name },
    );
  }

  return {
    create,
    peek,
    load,

    async destroy(sessionId, keyIds) {
      for (const keyId of keyIds) held.delete(keyId);
      const before = Date.now() - LEFT_OVER_AFTER_MS;
      const wrappings = (await wrappingsOf(place, sessionId)).filter(
        ({ keyId, createdAt }) => keyIds.has(keyId) || createdAt < before,
      );
      // Where lists lag behind, the first wrapping is found by its id alone.
      const places = new Set([...wrappings.map((wrapping) => wrapping.place), ...keyIds]);
      const removed = await removeEach(place, [...places]);
      return removed > 0 ? Math.max(1, new Set(wrappings.map(({ keyId }) => keyId)).size) : 0;
    },

    index() {
      indexKey ??= loadIndex().catch((error: unknown) => {
        indexKey = undefined;
        throw error;
      });
      return indexKey;
    },
  };
}

export function refused(what: string, sessionId: string, why: string, cause?: unknown): HoldfastError {
  return new HoldfastError("DECRYPTION_FAILED", `${what} can't be decrypted: ${why}; nothing was changed`, {
    sessionId,
    cause,
  });
}

/**
 * @module
 * Keyrings: what holds the master keys, which wrap the data keys of sessions and nothing else.
 */
import type { KeyObject } from "node:crypto";
import { createSecretKey } from "node:crypto";
import { HoldfastError, invalidArgument } from "../../log/errors.ts";
import { KEY_BYTES, openBytes, sealBytes } from "./cipher.ts";

/** The id of the key of a namespace that list filters are blinded with; no session's. */
export const INDEX_KEY = "index";

/**
 * What wraps data keys. Implement it for a key management service that {@link kmsKeyring} doesn't fit.
 *
 * Errors that are no HoldfastError are taken as "can't be reached now": STORE_UNAVAILABLE.
 */
export interface Keyring {
  /** The id of the master key that is the newest: new data keys are wrapped under it, and a rotation ends under it. */
  current(): Promise<string>;
  /** Wraps `dataKey`, 32 bytes, under the newest master key. `context` must be the same when it is unwrapped. */
  wrap(dataKey: Uint8Array, context: KeyContext): Promise<WrappedKey>;
  /**
   * @throws DECRYPTION_FAILED where the master key isn't there, is another one, or `context` is.
   */
  unwrap(wrapped: WrappedKey, context: KeyContext): Promise<Uint8Array>;
}

export interface WrappedKey {
  /** The id of the master key, 1 to 512 bytes. It is kept in clear. */
  readonly masterKeyId: string;
  readonly bytes: Uint8Array;
}

/** Whose data key it is. No secret: a key management service may log it. */
export type KeyContext = Readonly<Record<"namespace" | "session" | "key", string>>;

export interface MasterKey {
  /** Names the key for ever: another key needs another id. */
  readonly id: string;
  /** 32 random bytes, or those as base64, base64url or hex. */
  readonly key: Uint8Array | string;
}

export type MasterKeys = ReadonlyMap<string, KeyObject>;

/**
 * Master keys that are given. The first is the newest; the others only unwrap.
 *
 * @throws INVALID_ARGUMENT for a key that isn't 32 bytes, or two of one id.
 * @example
 * ```ts
 * const keyring = memoryKeyring({ id: "2026-11", key: randomBytes(32) });
 * ```
 */
export function memoryKeyring(...keys: readonly MasterKey[]): Keyring {
  const known = masterKeys(keys, "memoryKeyring");
  return localKeyring(async () => known, "memoryKeyring");
}

export interface EnvKeyringOptions {
  /** Default `HOLDFAST_MASTER_KEYS`. */
  readonly variable?: string;
  /** Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Master keys from an environment variable: `ID=KEY`, several with commas between, the newest first. Read once.
 *
 * @throws INVALID_ARGUMENT where the variable is not set, or holds anything else.
 */
export function envKeyring({
  variable = "HOLDFAST_MASTER_KEYS",
  env = process.env,
}: EnvKeyringOptions = {}): Keyring {
  const value = env[variable];
  if (value === undefined || value.trim() === "") {
    throw invalidArgument(
      `the environment variable ${variable} is not set: give it ID=KEY, for example "${exampleId()}=$(openssl rand -base64 32)"`,
    );
  }
  const known = masterKeys(parseKeys(value.split(","), variable), variable);
  return localKeyring(async () => known, variable);
}

export interface KmsKeyringOptions {
  /** The key that new data keys are wrapped under, as the service names it. */
  readonly keyId: string;
  /** Encrypts 32 bytes under the key `keyId`. `context` is what AWS calls encryption context and others additional data. */
  encrypt(
    plain: Uint8Array,
    request: { readonly keyId: string; readonly context: KeyContext },
  ): Promise<Uint8Array>;
  /** Decrypts what `encrypt` made under the key `keyId`, which may be an older one. */
  decrypt(
    sealed: Uint8Array,
    request: { readonly keyId: string; readonly context: KeyContext },
  ): Promise<Uint8Array>;
}

/** Master keys that never leave a key management service. One call for each new session, and for each one that is read first. */
export function kmsKeyring({ keyId, encrypt, decrypt }: KmsKeyringOptions): Keyring {
  return {
    current: async () => keyId,
    wrap: async (dataKey, context) => ({
      masterKeyId: keyId,
      bytes: await encrypt(dataKey, { keyId, context }),
    }),
    unwrap: ({ masterKeyId, bytes }, context) => decrypt(bytes, { keyId: masterKeyId, context }),
  };
}

/** A keyring over keys that are at hand. `load` may give others at each call. */
export function localKeyring(load: () => Promise<MasterKeys>, place: string): Keyring {
  const newest = async (): Promise<readonly [string, KeyObject]> => {
    const [first] = await load();
    if (!first) throw invalidArgument(`${place} holds no master key`);
    return first;
  };
  return {
    async current() {
      const [id] = await newest();
      return id;
    },
    async wrap(dataKey, context) {
      const [masterKeyId, secret] = await newest();
      return { masterKeyId, bytes: sealBytes(secret, dataKey, additionalOf(masterKeyId, context)) };
    },
    async unwrap({ masterKeyId, bytes }, context) {
      const secret = (await load()).get(masterKeyId);
      if (!secret) {
        throw refusal(
          context,
          `the master key ${JSON.stringify(masterKeyId)} is not in ${place}; add it there`,
        );
      }
      try {
        return openBytes(secret, bytes, additionalOf(masterKeyId, context));
      } catch (error) {
        const why = `its data key does not unwrap under the master key ${JSON.stringify(masterKeyId)} of ${place}: that is another key than it was wrapped under, or what is stored was changed`;
        throw refusal(context, why, error);
      }
    },
  };
}

function additionalOf(masterKeyId: string, { namespace, session, key }: KeyContext): string {
  return JSON.stringify(["holdfast data key", masterKeyId, namespace, session, key]);
}

function refusal({ session, key }: KeyContext, why: string, cause?: unknown): HoldfastError {
  const what = key === INDEX_KEY ? "the index of labels and metadata" : `session ${JSON.stringify(session)}`;
  return new HoldfastError("DECRYPTION_FAILED", `${what} can't be decrypted: ${why}`, {
    ...(key !== INDEX_KEY && { sessionId: session }),
    cause,
  });
}

/** The keys of lines `ID=KEY`; empty ones and those that begin with `#` are left out. */
export function parseKeys(lines: readonly string[], place: string): MasterKey[] {
  return lines.flatMap((line, index): MasterKey[] => {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) return [];
    const at = text.indexOf("=");
    // The line may hold a key, so no message may.
    if (at <= 0) throw invalidArgument(`item ${index + 1} of ${place} is not ID=KEY`);
    return [{ id: text.slice(0, at).trim(), key: text.slice(at + 1).trim() }];
  });
}

/** @throws INVALID_ARGUMENT */
export function masterKeys(keys: readonly MasterKey[], place: string): MasterKeys {
  const known = new Map<string, KeyObject>();
  for (const { id, key } of keys) {
    if (typeof id !== "string" || id === "" || Buffer.byteLength(id) > 512) {
      throw invalidArgument(`a master key of ${place} has no id of 1 to 512 bytes`);
    }
    if (known.has(id))
      throw invalidArgument(`${place} holds two master keys with the id ${JSON.stringify(id)}`);
    known.set(id, secretOf(id, key, place));
  }
  if (known.size === 0) throw invalidArgument(`${place} holds no master key`);
  return known;
}

function secretOf(id: string, key: Uint8Array | string, place: string): KeyObject {
  const bytes = typeof key === "string" ? bytesOf(key) : Buffer.from(key);
  const isWeak = bytes.every((byte) => byte === bytes[0]);
  if (bytes.length !== KEY_BYTES || isWeak) {
    throw invalidArgument(
      `the master key ${JSON.stringify(id)} of ${place} must be ${KEY_BYTES} random bytes, as base64 or hex; "openssl rand -base64 32" makes one`,
    );
  }
  const secret = createSecretKey(bytes);
  bytes.fill(0);
  return secret;
}

function bytesOf(text: string): Buffer {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  return /^[\w+/-]{43}=?$/.test(text) ? Buffer.from(text, "base64") : Buffer.alloc(0);
}

function exampleId(): string {
  return new Date().toISOString().slice(0, 7);
}

/** Runs a call of a keyring; what isn't a HoldfastError becomes one. */
export async function asked<T>(call: () => Promise<T>, sessionId?: string): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (HoldfastError.is(error)) throw error;
    throw new HoldfastError(
      "STORE_UNAVAILABLE",
      `the keyring failed, so nothing was written or read: ${error instanceof Error ? error.name : "it threw"}; see the cause`,
      { sessionId, cause: error },
    );
  }
}

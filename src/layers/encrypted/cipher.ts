/**
 * @module
 * AES-256-GCM as it is used for everything that is sealed, and the envelope that a sealed text is kept in.
 *
 * An envelope is base64 of: version (1 byte, 1), id of the data key (9 bytes), nonce (12 bytes), ciphertext, tag (16 bytes).
 * Nonces are random: NIST SP 800-38D, 8.2.2. What is sealed under one key is limited to {@link MAX_SEALED}.
 *
 * @see https://nvlpubs.nist.gov/nistpubs/Legacy/SP/nistspecialpublication800-38d.pdf
 */
import type { KeyObject } from "node:crypto";
import { createCipheriv, createDecipheriv, randomFillSync } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const VERSION = 1;
export const KEY_BYTES = 32;
/** Ids of data keys are random. A multiple of three, so that base64 needs no padding. */
export const KEY_ID_BYTES = 9;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const TAG = { authTagLength: TAG_BYTES };
const HEADER_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES;

/** What an envelope holds beside the ciphertext, which is as long as the text. */
export const ENVELOPE_BYTES = HEADER_BYTES + TAG_BYTES;

/**
 * Texts that may be sealed under one key: with random nonces of 96 bits, so many keep the probability that any two are
 * equal below 2^-32. SP 800-38D, 8.3.
 */
export const MAX_SEALED = 2 ** 32;

/** A key with the id that envelopes name it by: 9 bytes as base64url. */
export interface CipherKey {
  readonly id: string;
  readonly idBytes: Uint8Array;
  readonly secret: KeyObject;
}

/** Random bytes are drawn for many nonces at once, which costs a fifth; each is used once. */
const POOLED = 512;
const pool = Buffer.alloc(POOLED * NONCE_BYTES);
let used = POOLED;

/** 12 random bytes that no other call gets; valid until the next call. */
function nextNonce(): Buffer {
  if (used === POOLED) {
    randomFillSync(pool);
    used = 0;
  }
  const from = used * NONCE_BYTES;
  used += 1;
  return pool.subarray(from, from + NONCE_BYTES);
}

/** AES-256-GCM with a nonce of 12 bytes: the ciphertext, and its tag of 16 bytes. A nonce is never to be used twice. */
export function encrypt(
  secret: KeyObject,
  nonce: Uint8Array,
  plain: string | Uint8Array,
  additional: string | Uint8Array,
): { readonly sealed: Uint8Array; readonly tag: Uint8Array } {
  const cipher = createCipheriv(ALGORITHM, secret, nonce, TAG);
  cipher.setAAD(typeof additional === "string" ? Buffer.from(additional) : additional);
  const sealed = typeof plain === "string" ? cipher.update(plain, "utf8") : cipher.update(plain);
  // In this mode, nothing is left for the end.
  cipher.final();
  return { sealed, tag: cipher.getAuthTag() };
}

/** What {@link encrypt} was given. Throws an Error unless secret, nonce, additional data and tag are the same. */
export function decrypt(
  secret: KeyObject,
  nonce: Uint8Array,
  sealed: Uint8Array,
  tag: Uint8Array,
  additional: string | Uint8Array,
): Buffer {
  const decipher = createDecipheriv(ALGORITHM, secret, nonce, TAG);
  decipher.setAAD(typeof additional === "string" ? Buffer.from(additional) : additional);
  decipher.setAuthTag(tag);
  const plain = decipher.update(sealed);
  // Throws where the tag does not fit: nothing of `plain` may be used before.
  decipher.final();
  return plain;
}

/** `text` sealed under `key`, so that it opens only with the same `additional` text. */
export function sealText(key: CipherKey, text: string, additional: string): string {
  const nonce = nextNonce();
  const { sealed, tag } = encrypt(key.secret, nonce, text, additional);
  const envelope = Buffer.allocUnsafe(ENVELOPE_BYTES + sealed.length);
  envelope[0] = VERSION;
  envelope.set(key.idBytes, 1);
  envelope.set(nonce, 1 + KEY_ID_BYTES);
  envelope.set(sealed, HEADER_BYTES);
  envelope.set(tag, HEADER_BYTES + sealed.length);
  return envelope.toString("base64");
}

/** The text in `envelope`. Throws an Error where key, additional text or envelope are not those of its sealing. */
export function openText(key: CipherKey, envelope: string, additional: string): string {
  const bytes = Buffer.from(envelope, "base64");
  if (bytes.length < ENVELOPE_BYTES) throw new Error("the envelope is too short");
  const end = bytes.length - TAG_BYTES;
  const nonce = bytes.subarray(1 + KEY_ID_BYTES, HEADER_BYTES);
  const sealed = bytes.subarray(HEADER_BYTES, end);
  return decrypt(key.secret, nonce, sealed, bytes.subarray(end), additional).toString("utf8");
}

/** The id of the key that `envelope` was sealed under, or why there is none. Nothing vouches for it until it opens. */
export function keyIdOf(envelope: string): { readonly id: string } | { readonly why: string } {
  const head = Buffer.from(envelope.slice(0, 16), "base64");
  if (head.length < 1 + KEY_ID_BYTES) return { why: "the envelope is cut off" };
  if (head[0] !== VERSION) {
    return { why: `the envelope is of version ${head[0]}, which this version of Holdfast doesn't know` };
  }
  return { id: head.toString("base64url", 1, 1 + KEY_ID_BYTES) };
}

/** `plain` sealed under `secret`: version, nonce, ciphertext, tag. For keys, which are few and have no text. */
export function sealBytes(secret: KeyObject, plain: Uint8Array, additional: string): Uint8Array {
  const nonce = Uint8Array.from(nextNonce());
  const { sealed, tag } = encrypt(secret, nonce, plain, additional);
  return Buffer.concat([Uint8Array.of(VERSION), nonce, sealed, tag]);
}

/** What {@link sealBytes} sealed. Throws an Error where it was not under `secret` with `additional`. */
export function openBytes(secret: KeyObject, bytes: Uint8Array, additional: string): Uint8Array {
  const head = 1 + NONCE_BYTES;
  const end = bytes.length - TAG_BYTES;
  if (end < head || bytes[0] !== VERSION) throw new Error("it is of no known version");
  return decrypt(secret, bytes.subarray(1, head), bytes.subarray(head, end), bytes.subarray(end), additional);
}

/** The primitive on known answers, nonces, and ciphertexts of the format that were made once and must open for ever. */
import { createSecretKey, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  decrypt,
  ENVELOPE_BYTES,
  encrypt,
  keyIdOf,
  openText,
  sealText,
} from "../../src/layers/encrypted/cipher.ts";
import { encryptedStore, memoryKeyring } from "../../src/layers/encrypted.ts";
import { internal } from "../../src/layers/layer.ts";
import { begin, say } from "../../src/store/conformance/build.ts";
import type { Commit } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { FROZEN, FROZEN_MASTER } from "./encrypted-frozen.ts";

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/**
 * AES-256 with nonces of 96 bits.
 *
 * @see https://csrc.nist.rip/groups/ST/toolkit/BCM/documents/proposedmodes/gcm/gcm-revised-spec.pdf test cases 13 to 16.
 */
const KEY = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
const PLAIN =
  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
const SEALED =
  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
const VECTORS = [
  ["13", "00".repeat(32), "00".repeat(12), "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"],
  [
    "14",
    "00".repeat(32),
    "00".repeat(12),
    "00".repeat(16),
    "",
    "cea7403d4d606b6e074ec5d3baf39d18",
    "d0d1c8a799996bf0265b98b5d48ab919",
  ],
  ["15", KEY, "cafebabefacedbaddecaf888", PLAIN, "", SEALED, "b094dac5d93471bdec1a502270e3cc6c"],
  [
    "16",
    KEY,
    "cafebabefacedbaddecaf888",
    PLAIN.slice(0, 120),
    "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    SEALED.slice(0, 120),
    "76fc6ece0f4e1768cddf8853bb2d551b",
  ],
] as const;

const newKey = () => {
  const idBytes = randomBytes(9);
  return { id: idBytes.toString("base64url"), idBytes, secret: createSecretKey(randomBytes(32)) };
};

describe("AES-256-GCM", () => {
  for (const [name, key, nonce, plain, additional, sealed, tag] of VECTORS) {
    test(`known answer: test case ${name}`, () => {
      const secret = createSecretKey(hex(key));
      const made = encrypt(secret, hex(nonce), hex(plain), hex(additional));
      expect([hexOf(made.sealed), hexOf(made.tag)]).toEqual([sealed, tag]);
      expect(hexOf(decrypt(secret, hex(nonce), hex(sealed), hex(tag), hex(additional)))).toBe(plain);
      const otherTag = hex(tag).map((byte, at) => (at === 15 ? byte ^ 1 : byte));
      expect(() => decrypt(secret, hex(nonce), hex(sealed), otherTag, hex(additional))).toThrow();
    });
  }
});

describe("the envelope", () => {
  test("holds version, key id, nonce, ciphertext and tag, and nothing of the text", () => {
    const key = newKey();
    const envelope = sealText(key, "a secret text", "here");
    const bytes = Buffer.from(envelope, "base64");
    expect(bytes.length).toBe(ENVELOPE_BYTES + "a secret text".length);
    expect(bytes[0]).toBe(1);
    expect(keyIdOf(envelope)).toEqual({ id: key.id });
    expect(bytes.includes("secret")).toBe(false);
    expect(openText(key, envelope, "here")).toBe("a secret text");
  });

  test("any text comes back, of any length", () => {
    const key = newKey();
    for (const text of ["", "é漢🙂", "\u0000", "x".repeat(1_000_000)])
      expect(openText(key, sealText(key, text, "here"), "here")).toBe(text);
  });

  test("every bit counts, and so does its length", () => {
    const key = newKey();
    const bytes = Buffer.from(sealText(key, "text", "here"), "base64");
    // The id of the key is not part of what is authenticated: another key is another id, and does not open it.
    const first = 1 + key.idBytes.length;
    for (let bit = first * 8; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => openText(key, flipped.toString("base64"), "here"), `bit ${bit}`).toThrow();
    }
    for (let length = 0; length < bytes.length; length += 1)
      expect(() => openText(key, bytes.toString("base64", 0, length), "here"), `${length} bytes`).toThrow();
    expect(() => openText(key, Buffer.concat([bytes, Buffer.of(0)]).toString("base64"), "here")).toThrow();
    expect(() => openText(key, bytes.toString("base64"), "elsewhere")).toThrow();
    expect(() => openText(newKey(), bytes.toString("base64"), "here")).toThrow();
  });

  test("a later version is told as such", () => {
    const bytes = Buffer.from(sealText(newKey(), "text", "here"), "base64");
    bytes[0] = 2;
    expect(keyIdOf(bytes.toString("base64"))).toEqual({ why: expect.stringContaining("version 2") });
    expect(keyIdOf("AQ==")).toEqual({ why: "the envelope is cut off" });
  });
});

describe("nonces", () => {
  test("no two of 200,000 are the same, and each differs in about half of its bits from the one before", () => {
    const key = newKey();
    const seen = new Set<string>();
    let bits = 0;
    let before = Buffer.alloc(12);
    const count = 200_000;
    for (let index = 0; index < count; index += 1) {
      const nonce = Buffer.from(sealText(key, "", ""), "base64").subarray(10, 22);
      seen.add(nonce.toString("hex"));
      for (const [at, byte] of nonce.entries()) {
        for (let rest = byte ^ (before[at] ?? 0); rest > 0; rest &= rest - 1) bits += 1;
      }
      before = nonce;
    }
    expect(seen.size).toBe(count);
    // 48 expected, with a standard deviation of 4.9 over the root of the count: 0.011.
    expect(bits / count).toBeGreaterThan(47.9);
    expect(bits / count).toBeLessThan(48.1);
  });

  test("an attempt that lost is not repeated under the same nonce", async () => {
    const inner = memoryStore();
    const sent: string[] = [];
    const spy = {
      ...inner,
      commit: (commits: readonly Commit[]) => {
        sent.push(JSON.stringify(commits));
        return inner.commit(commits);
      },
    };
    const store = encryptedStore(spy, { keyring: memoryKeyring(FROZEN_MASTER) });
    const session = await begin(store, { id: "a" });
    const commit = session.next(say("one"));
    await store.commit([commit]);
    await store.commit([commit]);
    const envelopes = sent.slice(-2).map((text) => text.match(/"sealed":"([^"]+)"/g) ?? []);
    expect(envelopes.flat()).toHaveLength(4);
    expect(new Set(envelopes.flat().map((text) => text.slice(10, 46))).size).toBe(4);
  });
});

test("what was sealed once by this format opens for ever", async () => {
  const inner = memoryStore();
  await internal(inner, "keys").commit(FROZEN.keys);
  await inner.commit(FROZEN.sessions);
  const store = encryptedStore(inner, { keyring: memoryKeyring(FROZEN_MASTER) });
  const [record] = await store.find(["frozen"]);
  expect(record?.label).toBe("A frozen label");
  expect(record?.metadata).toEqual({ plan: "gold" });
  expect(record?.state).toEqual({ slot: new Uint8Array([1, 2, 3]) });
  const entries = await store.read("frozen", { after: 0, limit: 10 });
  expect(entries.map(({ type }) => type)).toEqual(["session.created", "message", "x.note", "state.set"]);
  expect(entries[1]?.data).toEqual({ message: { role: "user", content: "A frozen message" } });
  expect([entries[2]?.data, entries[2]?.text]).toEqual([
    { big: 2n ** 70n, at: new Date(5) },
    "words to find",
  ]);
  expect((await store.list({ order: "updated", limit: 5, label: "A frozen label" })).items).toHaveLength(1);
  expect((await store.list({ order: "updated", limit: 5, metadata: { plan: "gold" } })).items).toHaveLength(
    1,
  );
});

/** Keyrings, and the life of a data key: made with its session, shared by processes, destroyed with it. */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { chmod, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSessions, HoldfastError } from "../../src/index.ts";
import type { Keyring } from "../../src/layers/encrypted.ts";
import {
  destroyLeftOverKeys,
  encryptedStore,
  envKeyring,
  fileKeyring,
  kmsKeyring,
  memoryKeyring,
} from "../../src/layers/encrypted.ts";
import { internal } from "../../src/layers/layer.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { Removal, SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";

const newKey = (): string => randomBytes(32).toString("base64");
const CONTEXT = { namespace: "n", session: "s", key: "k" };
const keyring = memoryKeyring({ id: "m", key: newKey() });
const everyPlace = { order: "created", limit: 1000 } as const;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-keys-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function keysIn(store: SessionStore): Promise<string[]> {
  const { items } = await internal(store, "keys").list(everyPlace);
  return items.map(({ metadata }) => String(metadata.session)).sort();
}

/** What a keyring wraps comes back, for the same session only. */
async function expectWraps(ring: Keyring, masterKeyId: string): Promise<void> {
  const dataKey = randomBytes(32);
  const wrapped = await ring.wrap(dataKey, CONTEXT);
  expect(wrapped.masterKeyId).toBe(masterKeyId);
  expect(await ring.current()).toBe(masterKeyId);
  expect(Buffer.from(wrapped.bytes).includes(dataKey.subarray(0, 8))).toBe(false);
  expect(Buffer.from(await ring.unwrap(wrapped, CONTEXT)).equals(dataKey)).toBe(true);
  for (const part of ["namespace", "session", "key"] as const)
    await expect(ring.unwrap(wrapped, { ...CONTEXT, [part]: "other" })).rejects.toThrow();
  const cut = { ...wrapped, bytes: wrapped.bytes.subarray(0, 30) };
  await expect(ring.unwrap(cut, CONTEXT)).rejects.toThrow();
}

describe("keyrings", () => {
  test("keys in memory, as bytes, base64, base64url or hex", async () => {
    const bytes = randomBytes(32);
    const forms = [bytes, ...(["base64", "base64url", "hex"] as const).map((form) => bytes.toString(form))];
    const [first, ...others] = forms.map((key) => memoryKeyring({ id: "a", key }));
    const wrapped = await first?.wrap(Buffer.alloc(32, 7), CONTEXT);
    for (const ring of others)
      expect(wrapped && (await ring.unwrap(wrapped, CONTEXT))).toEqual(Buffer.alloc(32, 7));
    await expectWraps(memoryKeyring({ id: "2", key: newKey() }, { id: "1", key: newKey() }), "2");
    expect(
      bytes.some((byte) => byte !== 0),
      "the caller's bytes are left alone",
    ).toBe(true);
  });

  test("what is no key is refused, and not repeated in the message", () => {
    const weak = "correct horse battery staple";
    const cases: (() => Keyring)[] = [
      () => memoryKeyring(),
      () => memoryKeyring({ id: "a", key: weak }),
      () => memoryKeyring({ id: "a", key: "" }),
      () => memoryKeyring({ id: "a", key: new Uint8Array(32) }),
      () => memoryKeyring({ id: "a", key: randomBytes(16) }),
      () => memoryKeyring({ id: "", key: newKey() }),
      () => memoryKeyring({ id: "a", key: newKey() }, { id: "a", key: newKey() }),
      () => envKeyring({ env: {} }),
      () => envKeyring({ env: { HOLDFAST_MASTER_KEYS: weak } }),
      () => envKeyring({ variable: "OTHER", env: { OTHER: `a=${weak}` } }),
    ];
    for (const make of cases) {
      const error = caught(make);
      expect(HoldfastError.is(error, "INVALID_ARGUMENT"), String(error)).toBe(true);
      expect(String(error)).not.toContain("horse");
    }
  });

  test("keys in the environment, the newest first", async () => {
    const env = { HOLDFAST_MASTER_KEYS: ` 2026-12=${newKey()}, 2026-11=${newKey()} ` };
    await expectWraps(envKeyring({ env }), "2026-12");
  });

  test("keys in a file, which is read again once it changed, and must be its owner's alone", async () => {
    const path = join(folder, "keys");
    const [one, two] = [newKey(), newKey()];
    await writeFile(path, `# master keys\n\n1=${one}\n`, { mode: 0o600 });
    const ring = fileKeyring({ path });
    await expectWraps(ring, "1");
    const wrapped = await ring.wrap(Buffer.alloc(32, 7), CONTEXT);
    await writeFile(`${path}.next`, `2=${two}\r\n1=${one}\r\n`, { mode: 0o600 });
    await rename(`${path}.next`, path);
    await expectWraps(ring, "2");
    expect(await ring.unwrap(wrapped, CONTEXT)).toEqual(Buffer.alloc(32, 7));
    await chmod(path, 0o644);
    await writeFile(path, `3=${two}\n`);
    await expect(ring.current()).rejects.toThrow("chmod 600");
    await expectWraps(fileKeyring({ path, allowReadableByOthers: true }), "3");
    await expect(fileKeyring({ path: join(folder, "missing") }).current()).rejects.toThrow("ENOENT");
  });

  test("keys in a key management service, which is told whose key it is", async () => {
    const kms = new Map([
      ["arn:1", randomBytes(32)],
      ["arn:2", randomBytes(32)],
    ]);
    const asked: unknown[] = [];
    const ringOf = (keyId: string): Keyring =>
      kmsKeyring({
        keyId,
        async encrypt(plain, request) {
          asked.push(request);
          const iv = randomBytes(12);
          const cipher = createCipheriv("aes-256-gcm", kms.get(request.keyId) ?? "", iv);
          cipher.setAAD(Buffer.from(JSON.stringify(request.context)));
          return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
        },
        async decrypt(sealed, request) {
          const bytes = Buffer.from(sealed);
          const decipher = createDecipheriv(
            "aes-256-gcm",
            kms.get(request.keyId) ?? "",
            bytes.subarray(0, 12),
            {
              authTagLength: 16,
            },
          );
          decipher.setAAD(Buffer.from(JSON.stringify(request.context)));
          decipher.setAuthTag(bytes.subarray(-16));
          return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
        },
      });
    await expectWraps(ringOf("arn:1"), "arn:1");
    const inner = memoryStore();
    await begin(encryptedStore(inner, { keyring: ringOf("arn:1") }), { id: "a" }, say("one"));
    expect(asked.at(-1)).toEqual({
      keyId: "arn:1",
      context: { namespace: "", session: "a", key: expect.stringMatching(/^[\w-]{12}$/) },
    });
    // Under a newer key, what the older one wrapped still opens.
    const later = encryptedStore(inner, { keyring: ringOf("arn:2") });
    expect(await later.read("a", { after: 0, limit: 10 })).toHaveLength(2);
  });

  test("a service that fails is STORE_UNAVAILABLE, and nothing is written", async () => {
    const inner = memoryStore();
    const down: Keyring = {
      ...keyring,
      wrap: () => Promise.reject(new Error("connect ECONNREFUSED, token=secret")),
    };
    const error = await begin(encryptedStore(inner, { keyring: down }), { id: "a" }).catch(
      (one: unknown) => one,
    );
    expect(HoldfastError.is(error, "STORE_UNAVAILABLE")).toBe(true);
    expect(String(error)).not.toContain("secret");
    expect(inner.snapshot()).toEqual([]);
  });
});

describe("a data key", () => {
  test("is one for each session and namespace, and sessions of one batch get theirs in one", async () => {
    const inner = memoryStore();
    const store = encryptedStore(inner, { keyring });
    await store.commit(["a", "b", "c"].map((id) => commitOf(undefined, [creation({ id }), say("same")])));
    await begin(store.namespace("n"), { id: "a" }, say("same"));
    expect(await keysIn(inner)).toEqual(["a", "b", "c"]);
    expect(await keysIn(inner.namespace("n"))).toEqual(["a"]);
    const { items } = await internal(inner, "keys").list(everyPlace);
    expect(new Set(items.map(({ metadata }) => metadata.wrapped)).size).toBe(3);
  });

  test("is not left over where its session could not be created", async () => {
    const inner = memoryStore();
    const store = encryptedStore(inner, { keyring });
    await begin(store, { id: "a" });
    const again = await outcomeOf(store, commitOf(undefined, [creation({ id: "a" })]));
    expect(again).toMatchObject({ status: "conflict", current: { id: "a" } });
    const large = note("x".repeat(store.capabilities.maxEntryBytes + 1));
    await expect(store.commit([commitOf(undefined, [creation({ id: "b" }), large])])).rejects.toThrow(
      "at most",
    );
    const refusing = { ...inner, commit: () => Promise.reject(new HoldfastError("INVALID_ARGUMENT", "no")) };
    await expect(begin(encryptedStore(refusing, { keyring }), { id: "c" })).rejects.toThrow("no");
    expect(await keysIn(inner)).toEqual(["a"]);
  });

  test("stays where it isn't known whether its session was created", async () => {
    const inner = memoryStore();
    const unsure: SessionStore = {
      ...inner,
      async commit(commits) {
        await inner.commit(commits);
        throw new HoldfastError("STORE_UNAVAILABLE", "the connection was lost");
      },
    };
    await expect(begin(encryptedStore(unsure, { keyring }), { id: "a" }, say("x"))).rejects.toThrow("lost");
    expect(await encryptedStore(inner, { keyring }).read("a", { after: 0, limit: 5 })).toHaveLength(2);
  });

  test("a limit is told in the caller's bytes: what the layer takes, the engine takes", async () => {
    const store = encryptedStore(memoryStore(), { keyring });
    const { maxEntryBytes } = store.capabilities;
    const session = await begin(store, { id: "a" });
    await session.write(note("x".repeat(maxEntryBytes - 2)));
    await session.write({ type: "x.words", data: null, text: "y".repeat(maxEntryBytes - 8) });
    const over = session.next(note("x".repeat(maxEntryBytes - 1)));
    await expect(store.commit([over])).rejects.toThrow(`is ${maxEntryBytes + 1} bytes`);
  });

  test("hostile ids, types and keys meet no other", async () => {
    const inner = memoryStore();
    const store = encryptedStore(inner, { keyring });
    const ids = [
      "index",
      "__proto__",
      "a:b",
      "a/../b",
      "%",
      "*",
      "{x}",
      "'; --",
      "nul\0",
      "x".repeat(512),
      "🙂",
    ];
    for (const id of ids) {
      const metadata: Record<string, unknown> = JSON.parse('{"__proto__":"p","constructor":"c"}');
      const session = await begin(
        store,
        { id, label: id.slice(0, 9), metadata },
        { ...note(1), id: "__proto__" },
      );
      await session.write(
        { type: "x.sealed.message", data: { of: id } },
        { type: "x.sealed.x.sealed.y", data: id },
      );
    }
    const fresh = encryptedStore(inner, { keyring });
    for (const id of ids) {
      const entries = await fresh.read(id, { after: 2, limit: 10 });
      expect(entries.map(({ type, data }) => [type, data])).toEqual([
        ["x.sealed.message", { of: id }],
        ["x.sealed.x.sealed.y", id],
      ]);
      expect(await fresh.read(id, { after: 0, limit: 10, types: ["message"] })).toEqual([]);
      expect(await fresh.read(id, { after: 0, limit: 10, types: ["x.sealed.message"] })).toHaveLength(1);
      const [record] = await fresh.find([id]);
      expect(Object.entries(record?.metadata ?? {})).toEqual([
        ["__proto__", "p"],
        ["constructor", "c"],
      ]);
    }
    const query = { order: "updated", limit: 100, metadata: JSON.parse('{"__proto__":"p"}') } as const;
    expect((await fresh.list(query)).items).toHaveLength(ids.length);
  });
});

describe("crypto-erase", () => {
  test("erase destroys the key and says so; a copy of the ciphertext opens no more", async () => {
    const [inner, keys, copy] = [memoryStore(), memoryStore(), memoryStore()];
    const store = encryptedStore(inner, { keyring, keys });
    const sessions = createSessions({ store });
    const session = await sessions.create({ id: "a", label: "mine" });
    await session.append({ role: "user", content: "to be forgotten" });
    await sessions.create({ id: "b" });
    for (const { record, entries } of inner.snapshot())
      await copy.commit([{ sessionId: record.id, expectedVersion: 0, entries, record }]);
    expect((await encryptedStore(copy, { keyring, keys }).find(["a"]))[0]?.label).toBe("mine");
    const removals: Removal[] = [];
    await encryptedStore(inner, { keyring, keys }).remove("a", (removal) => removals.push(removal));
    expect(removals).toEqual([{ what: "keys", count: 1, place: "memory" }]);
    expect(await keysIn(keys)).toEqual(["", "b"]);
    const restored = encryptedStore(copy, { keyring, keys });
    for (const call of [() => restored.find(["a"]), () => restored.read("a", { after: 0, limit: 10 })])
      await expect(call()).rejects.toThrow("destroyed");
    expect(await restored.read("b", { after: 0, limit: 10 })).toHaveLength(1);
  });

  test("what another process wrote with the key that it remembers, after the erase, is refused", async () => {
    const inner = memoryStore();
    const [one, two] = [encryptedStore(inner, { keyring }), encryptedStore(inner, { keyring })];
    const session = await begin(one, { id: "a" }, say("one"));
    await two.remove("a");
    expect(await outcomeOf(one, session.next(say("late")))).toEqual({ status: "conflict" });
    // A new session under the id gets a key of its own, whoever remembers which.
    const fresh = await begin(two, { id: "a" }, say("new"));
    await fresh.write(say("more"));
    const byOne = fresh.next(say("by the one who remembers the old key"));
    expect(await outcomeOf(one, byOne)).toEqual({ status: "committed" });
    expect(await outcomeOf(one, session.next(say("late")))).toMatchObject({ status: "conflict" });
    for (const store of [one, two, encryptedStore(inner, { keyring })])
      expect(await store.read("a", { after: 0, limit: 10 })).toEqual([...fresh.entries, ...byOne.entries]);
    expect(await keysIn(inner)).toEqual(["a"]);
  });

  test("a session that is erased between the read of it and its key is gone, not damaged", async () => {
    const inner = memoryStore();
    const other = encryptedStore(inner, { keyring });
    const spoiling: SessionStore = {
      ...inner,
      async find(ids) {
        const found = await inner.find(ids);
        await other.remove("a");
        return found;
      },
      async read(id, range) {
        const found = await inner.read(id, range);
        await other.remove("a");
        return found;
      },
      async list(query) {
        const found = await inner.list(query);
        await other.remove("a");
        return found;
      },
      async commit(commits) {
        const outcomes = await inner.commit(commits);
        await other.remove("a");
        return outcomes;
      },
    };
    const reads: ((store: SessionStore) => Promise<unknown>)[] = [
      (store) => store.find(["a"]),
      (store) => store.read("a", { after: 0, limit: 10 }),
      async (store) => (await store.list({ order: "updated", limit: 10 })).items,
    ];
    for (const read of reads) {
      await begin(other, { id: "a" }, say("one"));
      const seen = await read(encryptedStore(spoiling, { keyring }));
      expect(Array.isArray(seen) && seen.filter((one) => one !== undefined)).toEqual([]);
    }
    await begin(other, { id: "a" }, say("one"));
    const again = commitOf(undefined, [creation({ id: "a" })]);
    expect(await outcomeOf(encryptedStore(spoiling, { keyring }), again)).toEqual({ status: "conflict" });
    expect(await keysIn(inner)).toEqual([]);
  });

  test("a sweep destroys the keys of what it removes", async () => {
    const inner: SessionStore = memoryStore();
    const store = encryptedStore(inner, { keyring });
    await begin(store, { id: "gone", expiresAt: Date.now() - 1 }, say("x"));
    await begin(store, { id: "kept" }, say("x"));
    expect(await store.sweep?.(Date.now(), 10)).toEqual(["gone"]);
    expect(await keysIn(inner)).toEqual(["kept"]);
  });

  test("keys whose session the engine dropped by itself are found and destroyed, once they are old enough", async () => {
    const inner = memoryStore();
    const store = encryptedStore(inner, { keyring });
    await begin(store, { id: "dropped", label: "x" }, say("x"));
    await begin(store, { id: "kept" }, say("x"));
    await inner.remove("dropped");
    expect(await destroyLeftOverKeys(inner)).toBe(0);
    expect(await destroyLeftOverKeys(inner, { olderThanMs: 0 })).toBe(1);
    expect(await keysIn(inner)).toEqual(["", "kept"]);
    expect(await encryptedStore(inner, { keyring }).read("kept", { after: 0, limit: 10 })).toHaveLength(2);
  });
});

describe("the cache", () => {
  test("is bounded and forgets: each key is unwrapped again once it is out", async () => {
    const inner = memoryStore();
    let unwraps = 0;
    const counting: Keyring = {
      ...keyring,
      unwrap(wrapped, context) {
        unwraps += 1;
        return keyring.unwrap(wrapped, context);
      },
    };
    const ids = ["a", "b", "c", "d"];
    for (const id of ids) await begin(encryptedStore(inner, { keyring }), { id }, say("x"));
    const all = encryptedStore(inner, { keyring: counting });
    for (const id of [...ids, ...ids]) await all.read(id, { after: 0, limit: 10 });
    expect(unwraps).toBe(4);
    unwraps = 0;
    const two = encryptedStore(inner, { keyring: counting, cachedKeys: 2 });
    for (const id of [...ids, ...ids]) await two.read(id, { after: 0, limit: 10 });
    // Of one page more than are remembered, too.
    expect((await two.find(ids)).map((record) => record?.id)).toEqual(ids);
    expect(unwraps).toBeGreaterThanOrEqual(8);
    unwraps = 0;
    const none = encryptedStore(inner, { keyring: counting, cacheMs: 0 });
    for (let time = 0; time < 3; time += 1) await none.read("a", { after: 0, limit: 10 });
    expect(unwraps).toBe(3);
  });
});

function caught(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

test("without a keyring there is no store, so that nothing is ever written under none", () => {
  for (const options of [{}, { keyring: undefined }, { keyring: 5 }, { keyring: { current: newKey } }])
    expect(() => Reflect.apply(encryptedStore, undefined, [memoryStore(), options])).toThrow(
      "encryptedStore needs a keyring: memoryKeyring",
    );
});

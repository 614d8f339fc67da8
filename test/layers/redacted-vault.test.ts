/** Originals in a vault: put back, removed with their session, and there before the commit. */
import { describe, expect, test } from "vitest";
import type { RedactedStoreOptions, RedactionVault } from "../../src/layers/redacted.ts";
import { personalData, redactedStore, secrets, vaultIn } from "../../src/layers/redacted.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { Removal } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { GITHUB, KEY, MAIL, tokenOf } from "./redacted-support.ts";

const TEXT = `ask ${MAIL} for ${GITHUB}`;

function opened(options: Partial<RedactedStoreOptions> = {}) {
  const memory = memoryStore();
  const safe = memoryStore();
  const vault = vaultIn(safe);
  const store = redactedStore(memory, { redact: [secrets(), personalData()], key: KEY, vault, ...options });
  const contentOf = async (id: string) =>
    JSON.stringify((await store.read(id, { after: 1, limit: 100 })).map(({ data }) => data));
  return { memory, safe, vault, store, contentOf };
}

test("what was hidden can be put back: in a text, in a value, and in JSON within a text", async () => {
  const { memory, store, contentOf } = opened();
  const pem = tokenOf("private key, rsa");
  const value = { a: [`${TEXT}\n${pem}`], json: JSON.stringify({ quoted: `"${pem}"` }) };
  const session = await begin(store, {}, note(value));
  expect(JSON.stringify(memory.snapshot())).not.toMatch(new RegExp(`${MAIL}|${GITHUB}|MII`));
  const [entry] = await store.read(session.id, { after: 1, limit: 1 });
  expect(await store.reveal(session.id, entry?.data)).toEqual(value);
  const [placeholder] = /\[redacted:email:\w+\]/.exec(await contentOf(session.id)) ?? [];
  expect(
    await store.reveal(session.id, `to ${placeholder}, [redacted:email:aaaaaaaaaaaa], [redacted:email]`),
  ).toBe(`to ${MAIL}, [redacted:email:aaaaaaaaaaaa], [redacted:email]`);
});

test("a fork puts back what it inherits; another session does not", async () => {
  const { store, contentOf } = opened();
  const parent = await begin(store, {}, say(TEXT));
  const text = await contentOf(parent.id);
  const fork = await begin(store, {
    kind: "fork",
    parentId: parent.id,
    lineage: [{ id: parent.id, upTo: 2 }],
  });
  const other = await begin(store);
  expect(await store.reveal(fork.id, text)).toContain(TEXT);
  expect(await store.reveal(other.id, text)).toBe(text);
});

test("namespaces have vaults of their own", async () => {
  const { store, contentOf } = opened();
  const tenant = store.namespace("a/../b").namespace("c%");
  await begin(tenant, { id: "s" }, say(TEXT));
  await begin(store, { id: "s" }, say("nothing"));
  const text = JSON.stringify(await tenant.read("s", { after: 1, limit: 1 }));
  expect(await tenant.reveal("s", text)).toContain(MAIL);
  expect(await store.reveal("s", text)).toBe(text);
  await store.remove("s");
  expect(await tenant.reveal("s", text)).toContain(MAIL);
  expect(await contentOf("s")).toBe("[]");
});

test("a vault may be in the store that the redaction is around", async () => {
  const memory = memoryStore();
  const store = redactedStore(memory, { redact: secrets(), key: KEY, vault: vaultIn(memory) });
  const session = await begin(store, {}, say(GITHUB));
  expect(await memory.find([session.id])).toHaveLength(1);
  expect(JSON.stringify(await memory.read(session.id, { after: 0, limit: 9 }))).not.toContain(GITHUB);
  const [entry] = await store.read(session.id, { after: 1, limit: 1 });
  expect(JSON.stringify(await store.reveal(session.id, entry?.data))).toContain(GITHUB);
  await store.remove(session.id);
  expect(memory.size).toBe(0);
});

test("removing a session removes its originals, and says how many", async () => {
  const { safe, store } = opened();
  const session = await begin(store, {}, say(TEXT), say(TEXT), say("fresh.face@new-mail.org"));
  await session.write(say(TEXT));
  expect(JSON.stringify(safe.snapshot())).toContain(MAIL);
  const removals: Removal[] = [];
  expect(await store.remove(session.id, (removal) => removals.push(removal))).toBe(true);
  expect(removals).toEqual([{ what: "vault", count: 3, place: "vault in memory" }]);
  expect(safe.size).toBe(0);
  expect(await store.remove(session.id, (removal) => removals.push(removal))).toBe(false);
  expect(removals).toHaveLength(1);
});

test("a sweep of expired sessions does too", async () => {
  const { safe, store } = opened();
  await begin(store, { id: "old", expiresAt: 1 }, say(TEXT));
  await begin(store, { id: "new" }, say(TEXT));
  expect(await store.sweep?.(2, 10)).toEqual(["old"]);
  expect(safe.snapshot().map(({ record }) => record.id)).toEqual(["new"]);
});

test("a late write to a removed session leaves nothing in the vault", async () => {
  const { safe, store } = opened();
  const session = await begin(store, {}, say(TEXT));
  const late = session.next(say(TEXT));
  await store.remove(session.id);
  expect(await outcomeOf(store, late)).toEqual({ status: "conflict" });
  expect(safe.size).toBe(0);
});

test("another session under the same id gets its originals anew", async () => {
  const { store } = opened();
  await begin(store, { id: "s" }, say(TEXT));
  await store.remove("s");
  await begin(store, { id: "s" }, say(TEXT));
  const [entry] = await store.read("s", { after: 1, limit: 1 });
  expect(JSON.stringify(await store.reveal("s", entry?.data))).toContain(GITHUB);
});

test("two writers give the vault the same and different things at once", async () => {
  const { memory, safe, store } = opened();
  const other = redactedStore(memory, { redact: personalData(), key: KEY, vault: vaultIn(safe) });
  const sessions = await Promise.all([
    begin(store, { id: "s" }, say(MAIL)),
    begin(other, { id: "t" }, say(MAIL)),
  ]);
  const mails = Array.from({ length: 20 }, (_, index) => `person-${index}@some-place.org`);
  await Promise.all(
    mails.map(async (mail, index) => {
      const commit = commitOf(sessions[0]?.record, [say(mail)]);
      await (index % 2 === 0 ? store : other).commit([commit]);
    }),
  );
  const tags = JSON.stringify(safe.snapshot()).match(/\[redacted:email:[a-p]{12}\]/g) ?? [];
  expect(new Set(tags).size).toBe(22);
});

describe("what a failing vault means", () => {
  const FAILING: RedactionVault = {
    place: "nowhere",
    put: () => Promise.reject(new Error("no vault today")),
    get: () => Promise.resolve(new Map()),
    remove: () => Promise.resolve(0),
  };

  test("nothing is written that could not be put back, now or at a retry", async () => {
    const { memory, store } = opened({ vault: FAILING });
    const commit = commitOf(undefined, [creation({ id: "s", metadata: { owner: MAIL } }), say(TEXT)]);
    for (const _attempt of [1, 2]) await expect(store.commit([commit])).rejects.toThrow("no vault today");
    expect(memory.size).toBe(0);
    const [plain] = await store.commit([commitOf(undefined, [creation({ id: "p" }), say("nothing")])]);
    expect(plain).toEqual({ status: "committed" });
  });

  test("the vault has what it needs before the engine is asked", async () => {
    const { memory, safe } = opened();
    const seen: boolean[] = [];
    const spy = {
      ...memory,
      commit(commits: Parameters<typeof memory.commit>[0]) {
        seen.push(JSON.stringify(safe.snapshot()).includes(MAIL));
        return memory.commit(commits);
      },
    };
    const store = redactedStore(spy, { redact: personalData(), key: KEY, vault: vaultIn(safe) });
    await begin(store, {}, say(MAIL));
    expect(seen).toEqual([true]);
  });
});

test("options that don't go together are refused", async () => {
  const vault = vaultIn(memoryStore());
  const redact = secrets();
  expect(() => redactedStore(memoryStore(), { redact, vault })).toThrow("a vault needs a key");
  expect(() => redactedStore(memoryStore(), { redact, vault, key: KEY, mask: () => "-" })).toThrow("mask");
  expect(() => vaultIn(redactedStore(memoryStore(), { redact }))).toThrow("placeholders");
  const without = redactedStore(memoryStore(), { redact });
  await expect(without.reveal("s", "text")).rejects.toMatchObject({ code: "UNSUPPORTED" });
});

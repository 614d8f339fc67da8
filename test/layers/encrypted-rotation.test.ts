/** Rotation: nothing is lost wherever it stops, and nothing is left under the old key once it is over. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { SessionRecord } from "../../src/index.ts";
import { createSessions, HoldfastError } from "../../src/index.ts";
import type { Keyring } from "../../src/layers/encrypted.ts";
import { encryptedStore, memoryKeyring, rotateKeys } from "../../src/layers/encrypted.ts";
import { internal } from "../../src/layers/layer.ts";
import { begin, commitOf, creation, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";

const OLD = { id: "old", key: randomBytes(32).toString("base64") };
const NEW = { id: "new", key: randomBytes(32).toString("base64") };
const [ONLY_OLD, ONLY_NEW, BOTH, BACK] = [
  memoryKeyring(OLD),
  memoryKeyring(NEW),
  memoryKeyring(NEW, OLD),
  memoryKeyring(OLD, NEW),
];
const ROTATE_PROCESS = fileURLToPath(new URL("encrypted-rotate-process.ts", import.meta.url));

async function fill(store: SessionStore, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `s${index}`);
  await store.commit(
    ids.map((id) => commitOf(undefined, [creation({ id, label: "a label" }), say(`text of ${id}`)])),
  );
  return ids;
}

async function expectReadable(inner: SessionStore, keyring: Keyring, ids: readonly string[]): Promise<void> {
  // A store of its own, which remembers no key.
  const store = encryptedStore(inner, { keyring });
  for (const id of ids) {
    const [, entry] = await store.read(id, { after: 0, limit: 10 });
    expect(JSON.stringify(entry?.data)).toContain(`text of ${id}`);
  }
  expect((await store.find(ids)).map((record) => record?.label)).toEqual(ids.map(() => "a label"));
  const page = await store.list({ order: "updated", limit: 1000, label: "a label" });
  expect(page.items.length).toBeGreaterThanOrEqual(Math.min(1000, ids.length));
}

async function placesOf(inner: SessionStore): Promise<SessionRecord[]> {
  const keys = internal(inner, "keys");
  const items: SessionRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await keys.list({ order: "created", limit: 1000, ...(cursor !== undefined && { cursor }) });
    items.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return items;
}

/** How many wrappings there are under each master key. */
async function wrappings(inner: SessionStore): Promise<Record<string, number>> {
  const items = await placesOf(inner);
  return Object.fromEntries(
    [...Map.groupBy(items, ({ agent }) => agent ?? "")].map(([id, of]) => [id, of.length]),
  );
}

test("all keys go to the newest master key; entries and records stay as they are, byte for byte", async () => {
  const inner = memoryStore();
  const ids = await fill(encryptedStore(inner, { keyring: ONLY_OLD }), 12);
  const before = await Promise.all(ids.map((id) => inner.read(id, { after: 0, limit: 10 })));
  const records = await inner.find(ids);
  expect(await rotateKeys(inner, { keyring: BOTH })).toEqual({
    rewrapped: 13,
    current: 0,
    left: 0,
    failed: [],
  });
  expect(await wrappings(inner)).toEqual({ new: 13 });
  expect(await Promise.all(ids.map((id) => inner.read(id, { after: 0, limit: 10 })))).toEqual(before);
  expect(await inner.find(ids)).toEqual(records);
  await expectReadable(inner, ONLY_NEW, ids);
  expect(await rotateKeys(inner, { keyring: BOTH })).toEqual({
    rewrapped: 0,
    current: 13,
    left: 0,
    failed: [],
  });
  // The old wrappings are nowhere, in no log either.
  const raw = JSON.stringify(inner.snapshot());
  expect(raw).not.toContain('"agent":"old"');
  expect(raw).toContain('"agent":"new"');
});

test("with `all`, keys under the newest master key are wrapped anew too", async () => {
  const inner = memoryStore();
  const ids = await fill(encryptedStore(inner, { keyring: ONLY_OLD }), 3);
  await sleep(2);
  expect(await rotateKeys(inner, { keyring: ONLY_OLD, all: true })).toMatchObject({ rewrapped: 4, left: 0 });
  expect(await wrappings(inner)).toEqual({ old: 4 });
  await expectReadable(inner, ONLY_OLD, ids);
});

test("namespaces are rotated each on its own, and the encrypted store is refused", async () => {
  const inner = memoryStore();
  const store = encryptedStore(inner, { keyring: ONLY_OLD });
  await fill(store, 2);
  const ids = await fill(store.namespace("n"), 2);
  await rotateKeys(inner, { keyring: BOTH });
  expect(await wrappings(inner.namespace("n"))).toEqual({ old: 3 });
  await rotateKeys(inner.namespace("n"), { keyring: BOTH });
  expect(await wrappings(inner.namespace("n"))).toEqual({ new: 3 });
  await expectReadable(inner.namespace("n"), ONLY_NEW, ids);
  await expect(rotateKeys(store, { keyring: BOTH })).rejects.toThrow("not the encrypted one");
});

test("a key that does not unwrap is named, keeps its wrapping, and holds up no other", async () => {
  const inner = memoryStore();
  const ids = await fill(encryptedStore(inner, { keyring: ONLY_OLD }), 3);
  const broken: Keyring = {
    ...BOTH,
    async unwrap(wrapped, context) {
      if (context.session === "s1") throw new TypeError("the service is down");
      return BOTH.unwrap(wrapped, context);
    },
  };
  const report = await rotateKeys(inner, { keyring: broken });
  expect(report).toMatchObject({ rewrapped: 3, failed: [{ sessionId: "s1" }] });
  expect(HoldfastError.is(report.failed[0]?.error, "STORE_UNAVAILABLE")).toBe(true);
  expect(await wrappings(inner)).toEqual({ new: 3, old: 1 });
  await expectReadable(inner, BOTH, ids);
});

test("a keyring that wraps wrongly destroys nothing", async () => {
  const inner = memoryStore();
  const ids = await fill(encryptedStore(inner, { keyring: ONLY_OLD }), 2);
  const wrong: Keyring = { ...BOTH, wrap: (_key, context) => BOTH.wrap(randomBytes(32), context) };
  const report = await rotateKeys(inner, { keyring: wrong });
  expect(report.failed).toHaveLength(3);
  await expectReadable(inner, ONLY_OLD, ids);
});

describe("stopped", () => {
  class Stopped extends Error {}

  /** `store`, which stops the process, as it were, at call number `at`, before or after its effect. */
  function stopping(store: SessionStore, at: number, when: "after" | "before"): SessionStore {
    let calls = 0;
    const step = async <T>(call: () => Promise<T>): Promise<T> => {
      calls += 1;
      if (calls > at || (calls === at && when === "before")) throw new Stopped();
      const answer = await call();
      if (calls >= at && when === "after") throw new Stopped();
      return answer;
    };
    const over = (inner: SessionStore): SessionStore => ({
      ...inner,
      commit: (commits) => step(() => inner.commit(commits)),
      find: (ids) => step(() => inner.find(ids)),
      list: (query) => step(() => inner.list(query)),
      remove: (id) => step(() => inner.remove(id)),
      sweep: (nowMs, limit) => step(async () => inner.sweep?.(nowMs, limit) ?? []),
      namespace: (name) => over(inner.namespace(name)),
    });
    return over(store);
  }

  for (const [when, count] of [
    ["before", 3],
    ["after", 3],
    ["before", 8],
    ["after", 8],
  ] as const) {
    test(`${when} any step of ${count} keys, all can be read, and the next rotation ends it`, async () => {
      let at = 1;
      for (; ; at += 1) {
        const inner = memoryStore();
        const ids = await fill(encryptedStore(inner, { keyring: ONLY_OLD }), count);
        const first = await rotateKeys(stopping(inner, at, when), { keyring: BOTH }).catch(
          (error: unknown) => error,
        );
        if (!(first instanceof Stopped)) break;
        await expectReadable(inner, BOTH, ids);
        expect(await rotateKeys(inner, { keyring: BOTH })).toMatchObject({ left: 0, failed: [] });
        expect(Object.keys(await wrappings(inner)), `stopped at ${at}`).toEqual(["new"]);
        await expectReadable(inner, ONLY_NEW, ids);
      }
      expect(at).toBeGreaterThan(7);
    });
  }

  test("by its signal, between two pages", async () => {
    const inner = memoryStore();
    const ids = await fill(encryptedStore(inner, { keyring: ONLY_OLD }), 700);
    const stop = new AbortController();
    const rotating = rotateKeys(inner, {
      keyring: BOTH,
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(rotating).rejects.toThrow("abort");
    const held = await wrappings(inner);
    expect(held.old).toBeGreaterThan(0);
    expect(held.new).toBeGreaterThan(0);
    await expectReadable(inner, BOTH, ids);
  });
});

test("several at once, even in opposite directions, lose no key", async () => {
  for (let round = 0; round < 10; round += 1) {
    const inner = memoryStore();
    const ids = await fill(encryptedStore(inner, { keyring: ONLY_OLD }), 8);
    const late = async <T>(call: () => Promise<T>): Promise<T> => {
      await sleep(Math.random() * 3);
      return call();
    };
    const jittery = (store: SessionStore): SessionStore => ({
      ...store,
      find: (wanted) => late(() => store.find(wanted)),
      list: (query) => late(() => store.list(query)),
      commit: (commits) => late(() => store.commit(commits)),
      remove: (id) => late(() => store.remove(id)),
      sweep: (nowMs, limit) => late(async () => store.sweep?.(nowMs, limit) ?? []),
      namespace: (name) => jittery(store.namespace(name)),
    });
    const keyrings = [BOTH, BACK, BOTH, BACK];
    await Promise.all(keyrings.map((keyring) => rotateKeys(jittery(inner), { keyring })));
    await expectReadable(inner, BOTH, ids);
    await rotateKeys(inner, { keyring: BOTH });
    await expectReadable(inner, ONLY_NEW, ids);
    expect(Object.keys(await wrappings(inner))).toEqual(["new"]);
  }
});

test("a session that is erased between the look at it and the new wrapping of its key keeps none", async () => {
  const inner = memoryStore();
  const store = encryptedStore(inner, { keyring: ONLY_OLD });
  const ids = await fill(store, 6);
  let erased = false;
  const late = (of: SessionStore): SessionStore => ({
    ...of,
    async commit(commits) {
      if (!erased) expect(await store.remove("s3")).toBe(true);
      erased = true;
      return of.commit(commits);
    },
    namespace: (name) => late(of.namespace(name)),
  });
  expect(await rotateKeys(late(inner), { keyring: BOTH })).toMatchObject({ rewrapped: 6, failed: [] });
  expect((await placesOf(inner)).map(({ metadata }) => metadata.session)).not.toContain("s3");
  await expectReadable(
    inner,
    ONLY_NEW,
    ids.filter((id) => id !== "s3"),
  );
});

test("readers whose keys are moved under them, and writers that create and erase, go on", async () => {
  const inner = memoryStore();
  const ids = await fill(encryptedStore(inner, { keyring: ONLY_OLD }), 30);
  let isOver = false;
  const written: string[] = [];
  const write = async (): Promise<void> => {
    // Deployed with the new key before the rotation, and remembering nothing, so that each step looks for keys.
    const store = encryptedStore(inner, { keyring: BOTH, cacheMs: 0 });
    for (let index = 0; !isOver; index += 1) {
      const session = await begin(store, { id: `w${index}`, label: "a label" }, say(`text of w${index}`));
      await session.write(say("more"));
      expect(await store.read(session.id, { after: 0, limit: 10 })).toHaveLength(3);
      expect((await store.find([ids[index % 30] ?? ""]))[0]?.label).toBe("a label");
      if (index % 3 === 0) await store.remove(session.id);
      else written.push(session.id);
      await sleep(0);
    }
  };
  const writing = write();
  for (let round = 0; round < 10; round += 1) {
    await rotateKeys(inner, { keyring: round % 2 ? BACK : BOTH });
    await sleep(1);
  }
  isOver = true;
  await writing;
  await rotateKeys(inner, { keyring: BOTH });
  expect(written.length).toBeGreaterThan(3);
  await expectReadable(inner, ONLY_NEW, [...ids, ...written]);
  // What was erased meanwhile has no key left.
  const { items } = await internal(inner, "keys").list({ order: "created", limit: 1000 });
  const of = new Set(items.map(({ metadata }) => metadata.session));
  expect([...of].sort()).toEqual(["", ...ids, ...written].sort());
});

test("killed with SIGKILL again and again while another process writes, it loses nothing and ends", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-rotation-"));
  const path = join(folder, "a.db");
  const inner = sqliteStore({ path, durability: "normal" });
  const ids = await fill(encryptedStore(inner, { keyring: ONLY_OLD }), 2500);
  const sessions = createSessions({ store: encryptedStore(inner, { keyring: BOTH, cacheMs: 50 }) });
  let isOver = false;
  let appended = 0;
  const write = async (): Promise<void> => {
    const session = await sessions.open("s0");
    while (!isOver) {
      await session.append({ role: "user", content: "more" });
      appended += 1;
      await sleep(1);
    }
  };
  const writing = write();
  let killed = 0;
  let wasPartial = false;
  for (let round = 0; round < 8; round += 1) {
    // In turns there and back, so that there is work left in each round.
    const keys = JSON.stringify(round % 2 ? [OLD, NEW] : [NEW, OLD]);
    const child = spawn(process.execPath, [ROTATE_PROCESS, path, keys]);
    const ended = once(child, "exit");
    for (let line = 0; line <= round % 4; line += 1) await once(child.stdout, "data");
    await sleep(Math.random() * 20);
    if (child.kill("SIGKILL")) killed += 1;
    await ended;
    const held = await wrappings(inner);
    wasPartial ||= (held.old ?? 0) > 0 && (held.new ?? 0) > 0;
    await expectReadable(inner, BOTH, ids.slice(0, 50));
  }
  expect(killed).toBeGreaterThan(3);
  expect(wasPartial, "no kill came in the middle").toBe(true);
  expect(await rotateKeys(inner, { keyring: BOTH })).toMatchObject({ left: 0, failed: [] });
  isOver = true;
  await writing;
  expect(Object.keys(await wrappings(inner))).toEqual(["new"]);
  await expectReadable(inner, ONLY_NEW, ids);
  const all = await encryptedStore(inner, { keyring: ONLY_NEW }).read("s0", { after: 2, limit: 100_000 });
  expect(all).toHaveLength(appended);
  await sessions.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** What somebody who can write to the engine can do to a session, and what is found out: on a real SQLite file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SQLInputValue } from "node:sqlite";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HoldfastError } from "../../src/index.ts";
import { encryptedStore, memoryKeyring } from "../../src/layers/encrypted.ts";
import { internal } from "../../src/layers/layer.ts";
import type { TestSession } from "../../src/store/conformance/build.ts";
import { begin, note, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { KEY } from "./encrypted-wrap.ts";

let folder = "";
let inner: SessionStore;
let session: TestSession;
const MASTER = { id: "test-1", key: KEY };

const open = (keyring = memoryKeyring(MASTER)): SessionStore => encryptedStore(inner, { keyring });
const read = (store = open(), id = "a") => store.read(id, { after: 0, limit: 100 });
const find = async (store = open(), id = "a") => (await store.find([id]))[0];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-tamper-"));
  inner = sqliteStore({ path: join(folder, "a.db") });
  const store = open();
  const draft = [say("one", "m1"), say("two"), note({ three: 3 }), say("four")];
  session = await begin(store, { id: "a", userId: "ann", label: "mine" }, ...draft);
  await begin(store, { id: "b", userId: "bob", label: "his" }, ...draft);
  await begin(store.namespace("n"), { id: "a", userId: "ann" }, ...draft);
});

afterEach(async () => {
  await inner.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A store that remembers nothing of what it read. */
async function reopen(): Promise<void> {
  await inner.close();
  inner = sqliteStore({ path: join(folder, "a.db") });
}

/** Changes what is stored behind the store's back. */
function sql(statement: string, ...values: SQLInputValue[]): void {
  const database = new DatabaseSync(join(folder, "a.db"));
  const { changes } = database.prepare(statement).run(...values);
  database.close();
  expect(Number(changes), statement).toBeGreaterThan(0);
}

const keyOf = (id: string, namespace = ""): string =>
  `(SELECT key FROM holdfast_sessions WHERE id = '${id}' AND namespace = '${namespace}')`;
const dataOf = (id: string, seq: number, namespace = ""): string =>
  `(SELECT data FROM holdfast_entries WHERE session_key = ${keyOf(id, namespace)} AND seq = ${seq})`;
const setEntry = (what: string, seq: number, ...values: SQLInputValue[]): void =>
  sql(`UPDATE holdfast_entries SET ${what} WHERE session_key = ${keyOf("a")} AND seq = ${seq}`, ...values);
const setRecord = (what: string, ...values: SQLInputValue[]): void =>
  sql(`UPDATE holdfast_sessions SET ${what} WHERE key = ${keyOf("a")}`, ...values);

/** What a call is refused with: named, and without any key in it. */
async function refusal(call: () => Promise<unknown>, code = "DECRYPTION_FAILED"): Promise<HoldfastError> {
  const error = await call().then(
    (value) => expect.fail(`it answers with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof HoldfastError)) throw error;
  expect(error.code, error.message).toBe(code);
  expect(error.sessionId).toBe("a");
  expect(error.message).toContain('session "a"');
  expect(error.retryable).toBe(false);
  for (let link: unknown = error; link instanceof Error; link = link.cause) {
    for (const form of ["base64", "base64url", "hex"] as const)
      expect(link.message).not.toContain(Buffer.from(KEY, "base64").toString(form).slice(0, 12));
  }
  return error;
}

describe("an entry's ciphertext opens in its own place only", () => {
  const moves: Readonly<Record<string, () => void>> = {
    "moved to another position": () => setEntry(`data = ${dataOf("a", 3)}`, 2),
    "swapped with another of its commit, of the same type": () => setEntry(`data = ${dataOf("a", 5)}`, 3),
    "copied from another session": () => setEntry(`data = ${dataOf("b", 2)}`, 2),
    "copied from the same session of another namespace": () => setEntry(`data = ${dataOf("a", 2, "n/")}`, 2),
    "given another id": () => setEntry("id = 'm2'", 2),
    "without its id": () => setEntry("id = NULL", 2),
    "given another type": () => setEntry("type = 'x.sealed.message.removed'", 2),
    "given another time": () => setEntry("at = at + 1", 2),
    "made to begin a commit": () => setEntry("commit_id = 'made up'", 2),
    "in clear": () =>
      setEntry(`type = 'message', data = '{"message":{"role":"user","content":"forged"}}'`, 2),
    "in clear, of its type": () => setEntry(`data = '{"message":{"role":"user","content":"forged"}}'`, 2),
    empty: () => setEntry(`data = '{"sealed":""}'`, 2),
    "of another kind of value": () => setEntry(`data = '{"sealed":5}'`, 2),
    "no object": () => setEntry("data = 'null'", 2),
    "cut off": () =>
      setEntry(`data = json_object('sealed', substr(json_extract(data, '$.sealed'), 1, 60))`, 2),
    "with a letter changed": () =>
      setEntry(
        `data = json_object('sealed', substr(json_extract(data, '$.sealed'), 1, 40) || CASE substr(json_extract(data, '$.sealed'), 41, 1) WHEN 'A' THEN 'B' ELSE 'A' END || substr(json_extract(data, '$.sealed'), 42))`,
        2,
      ),
    "of a later version": () =>
      setEntry(`data = json_object('sealed', 'Ag' || substr(json_extract(data, '$.sealed'), 3))`, 2),
  };
  for (const [title, move] of Object.entries(moves)) {
    test(title, async () => {
      move();
      expect((await refusal(() => read())).message).toMatch(/entry [23] /);
      // Only what was touched is lost.
      expect(await open().read("a", { after: 3, limit: 2 })).toEqual(session.entries.slice(3));
      expect(await read(open(), "b")).toHaveLength(5);
    });
  }

  test("one that is missing in between is found", async () => {
    sql(`DELETE FROM holdfast_entries WHERE session_key = ${keyOf("a")} AND seq = 3`);
    await refusal(() => read(), "STORE_CORRUPT");
    expect(await read(open(), "b")).toHaveLength(5);
  });
});

describe("a record", () => {
  const recordOf = (id: string): string => `(SELECT record FROM holdfast_sessions WHERE key = ${keyOf(id)})`;
  const changes: Readonly<Record<string, () => void>> = {
    "that was given to another user": () => setRecord(`record = json_set(record, '$.userId', 'eve')`),
    "with another status": () => setRecord(`record = json_set(record, '$.status', 'completed')`),
    "with another expiry": () => setRecord(`record = json_set(record, '$.expiresAt', 99999999999999)`),
    "with another parent": () => setRecord(`record = json_set(record, '$.parentId', 'b')`),
    "with another lineage": () =>
      setRecord(`record = json_set(record, '$.lineage', json('[{"id":"b","upTo":4}]'))`),
    "with another version": () => setRecord(`record = json_set(record, '$.version', 9)`),
    "that is said to be shorter": () => setRecord(`record = json_set(record, '$.seq', 3)`),
    "of another session": () => setRecord(`record = json_set(${recordOf("b")}, '$.id', 'a')`),
    "with the envelope of another session": () =>
      setRecord(`record = json_set(record, '$.state', json(json_extract(${recordOf("b")}, '$.state')))`),
    "without an envelope": () => setRecord(`record = json_remove(record, '$.state')`),
  };
  for (const [title, change] of Object.entries(changes)) {
    test(title, async () => {
      change();
      await refusal(() => find());
      await refusal(() => open().list({ order: "updated", limit: 10 }));
      expect((await find(open(), "b"))?.label).toBe("his");
    });
  }

  test("an older envelope in a newer record is brought up to date by the entries", async () => {
    const before = await inner.find(["a"]);
    await session.write({ type: "label.set", data: { label: "newer", automatic: false } }, say("five"));
    setRecord(`record = json_set(record, '$.state', json(?))`, JSON.stringify(before[0]?.state));
    expect(await find()).toEqual(session.record);
  });

  test("what a list looks for says nothing in its place: the sealed label counts", async () => {
    setRecord(`label = 'x', record = json_set(record, '$.label', 'x')`);
    expect((await find())?.label).toBe("mine");
  });

  test("not found: the whole session as it was before", async () => {
    const [before] = await inner.find(["a"]);
    const old = { version: 0, seq: 0, ...before };
    await session.write(say("to be lost"));
    sql(`DELETE FROM holdfast_entries WHERE session_key = ${keyOf("a")} AND seq > ?`, old.seq);
    setRecord("version = ?, seq = ?, record = ?", old.version, old.seq, JSON.stringify(before));
    expect((await find())?.seq).toBe(5);
  });
});

describe("keys", () => {
  const keys = (): SessionStore => internal(inner, "keys");
  const placeOf = async (id: string): Promise<string> => {
    const page = await keys().list({ order: "updated", limit: 10 });
    const found = page.items.find(({ metadata }) => metadata.session === id);
    return found?.id ?? "";
  };

  test("another master key under the same id is told, and so is one that is missing", async () => {
    const other = memoryKeyring({ id: "test-1", key: Buffer.from(KEY, "base64").reverse() });
    for (const call of [() => find(open(other)), () => read(open(other))]) {
      expect((await refusal(call)).message).toContain('master key "test-1"');
    }
    const missing = memoryKeyring({ id: "test-2", key: KEY });
    expect((await refusal(() => find(open(missing)))).message).toContain('"test-1" is not in');
    // And nothing can be written that could not be read then.
    await refusal(() => open(missing).commit([session.next(say("x"))]));
    expect(await find()).toEqual(session.record);
  });

  test("the key of another session does not stand in", async () => {
    const [a, b] = [await placeOf("a"), await placeOf("b")];
    sql(
      `UPDATE holdfast_sessions SET record = json_set(record, '$.metadata.wrapped', (SELECT json_extract(record, '$.metadata.wrapped') FROM holdfast_sessions WHERE id = ?)) WHERE id = ?`,
      b,
      a,
    );
    await reopen();
    await refusal(() => find());
    expect((await find(open(), "b"))?.label).toBe("his");
  });

  test("without its key a session can't be read, and can still be removed", async () => {
    await keys().remove(await placeOf("a"));
    expect((await refusal(() => find())).message).toContain("destroyed");
    await refusal(() => read());
    expect(await open().remove("a")).toBe(true);
    expect(await find()).toBeUndefined();
  });
});

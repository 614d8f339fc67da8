/**
 * What the SQLite store does beyond the conformance suite: its options, its drivers, and its tables.
 */
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { rejects, sameEntries, sameRecord } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import { idsOf, queryOf } from "../../src/store/conformance/cases/list.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { refusalOf } from "../support/errors.ts";
import { DRIVERS, newPath, openDatabase, openStore, singleValue, temporaryFolder } from "./sqlite-support.ts";

describe("options", () => {
  const refused: readonly (readonly [string, object])[] = [
    ["no source", {}],
    ["an empty path", { path: "" }],
    ["a path with NUL", { path: "a\0b" }],
    ["a path that is no text", { path: { $ne: null } }],
    ["both sources", { path: "a.db", database: openMemory() }],
    ["a database that is none", { database: { prepare: "no" } }],
    ["a database that is null", { database: null }],
    [
      "a database that answers with promises",
      { database: { exec: async () => undefined, prepare: async () => undefined } },
    ],
    ["a closed database", { database: openMemory({ isClosed: true }) }],
    ["an unknown durability", { path: "a.db", durability: "none" }],
    ["an unknown way to migrate", { path: "a.db", migrate: "never" }],
    ["a negative timeout", { path: "a.db", busyTimeoutMs: -1 }],
    ["a timeout that is no number", { path: "a.db", busyTimeoutMs: Number.NaN }],
    ["a table that is SQL", { path: "a.db", tables: { sessions: 'x"; DROP TABLE users; --' } }],
    ["a table that begins with a digit", { path: "a.db", tables: { entries: "1a" } }],
    ["a table that is empty", { path: "a.db", tables: { meta: "" } }],
    ["a table that is no text", { path: "a.db", tables: { meta: 7 } }],
    ["a table of SQLite's own", { path: "a.db", tables: { meta: "sqlite_schema" } }],
    ["a long table", { path: "a.db", tables: { meta: "m".repeat(49) } }],
    ["two tables of one name", { path: "a.db", tables: { meta: "same", search: "SAME" } }],
    ["an unknown table", { path: "a.db", tables: { users: "users" } }],
  ];
  test.each(refused)("%s is INVALID_ARGUMENT, and nothing is opened", (_title, options) => {
    expect(refusalOf(() => Reflect.apply(sqliteStore, undefined, [options])).code).toBe("INVALID_ARGUMENT");
    expect(existsSync("a.db")).toBe(false);
  });

  test("nothing is opened before the first call, which makes the folder too", async () => {
    const path = `${await temporaryFolder()}/a/b c/sessions.db`;
    const store = openStore({ path });
    expect(existsSync(path)).toBe(false);
    await begin(store, { id: "a" });
    expect(existsSync(path)).toBe(true);
  });

  test("capabilities say what each durability survives", async () => {
    const path = await newPath();
    const shown = (options: Parameters<typeof sqliteStore>[0]) => {
      const { durability, writers } = openStore(options).capabilities;
      return [durability, writers];
    };
    expect(shown({ path })).toEqual(["disk", "many"]);
    expect(shown({ path, durability: "normal" })).toEqual(["os", "many"]);
    expect(shown({ path: ":memory:" })).toEqual(["process", "one-process"]);
    expect(shown({ database: openDatabase(":memory:") })).toEqual(["process", "one-process"]);
    expect(shown({ database: openDatabase(path) })).toEqual(["disk", "many"]);
  });

  test.each([
    ["full", 2],
    ["normal", 1],
  ] as const)(
    "durability %s is SQLite's synchronous %i, in WAL, with secure_delete",
    async (durability, level) => {
      const database = openDatabase(await newPath());
      await begin(openStore({ database, durability }));
      expect(singleValue(database, "PRAGMA synchronous")).toBe(level);
      expect(singleValue(database, "PRAGMA journal_mode")).toBe("wal");
      expect(singleValue(database, "PRAGMA secure_delete")).toBe(1);
    },
  );

  test("tables can have any name, keywords too, and two sets of tables in one file do not meet", async () => {
    const path = await newPath();
    const tables = { sessions: "select", entries: "order", meta: "table", search: "Match", messages: "view" };
    const [one, two] = [openStore({ path, tables }), openStore({ path })];
    const session = await begin(one, { id: "a", userId: "u" }, say("wombat", "m"));
    await begin(two, { id: "b" }, say("koala"));
    sameRecord((await one.find(["a"]))[0], session.record, "the record");
    expect(await idsOf(one)).toEqual(["a"]);
    expect(await idsOf(two)).toEqual(["b"]);
    expect((await one.search?.("wombat", queryOf()))?.items.map(({ messageId }) => messageId)).toEqual(["m"]);
    expect((await two.search?.("wombat", queryOf()))?.items).toEqual([]);
    expect(await one.remove("a")).toBe(true);
    expect(singleValue(openDatabase(path), "SELECT count(*) FROM holdfast_messages")).toBe(1);
  });

  test("a namespace is the same view each time", async () => {
    const store = openStore({ path: ":memory:" });
    expect(store.namespace("a")).toBe(store.namespace("a"));
    expect(store.namespace("")).toBe(store);
    expect(store.namespace("a").namespace("b")).not.toBe(store.namespace("a/b"));
    expect(refusalOf(() => store.namespace("\uD800")).code).toBe("INVALID_ARGUMENT");
  });
});

describe.each(Object.entries(DRIVERS))("a database of %s", (_name, open) => {
  test("does all that a path does, and stays open", async () => {
    const path = await newPath();
    const database = open(path);
    onTestFinished(() => void database.close());
    const store = sqliteStore({ database });
    const session = await begin(
      store,
      { id: "a\0b", userId: "u\0", metadata: { "k\0": "v" } },
      say("wombat", "m\0"),
      { type: "x.note", data: 1n, text: "half \uD800 and \0" },
    );
    await session.write(say("second"));
    await begin(store, { id: "a\0c", userId: "u\0", expiresAt: 5 });
    sameRecord((await store.find(["a\0b"]))[0], session.record, "the record");
    sameEntries(await store.read("a\0b", { after: 0, limit: 10 }), session.entries, "the log");
    expect(await idsOf(store, { userId: "u\0" })).toEqual(["a\0c", "a\0b"]);
    expect(await idsOf(store, { metadata: { "k\0": "v" } })).toEqual(["a\0b"]);
    expect((await store.search?.("wom", queryOf()))?.items[0]?.messageId).toBe("m\0");
    expect((await outcomeOf(store, session.next(say("again", "m\0")))).status).toBe("duplicate");
    expect(await store.sweep?.(5, 10)).toEqual(["a\0c"]);

    const beside = openStore({ path });
    sameRecord((await beside.find(["a\0b"]))[0], session.record, "the record through node:sqlite");
    sameEntries(
      await beside.read("a\0b", { after: 0, limit: 10 }),
      session.entries,
      "the log through node:sqlite",
    );

    await store.close();
    await store.close();
    await rejects(() => store.ping(), "STORE_UNAVAILABLE", "a closed store");
    expect(singleValue(database, "SELECT count(*) FROM holdfast_sessions")).toBe(1);
    expect(await beside.remove("a\0b")).toBe(true);
  });

  test("that its owner closed is named in the error", async () => {
    const database = open(await newPath());
    const store = sqliteStore({ database });
    await begin(store, { id: "a" });
    database.close();
    const error = await rejects(() => store.find(["a"]), "STORE_UNAVAILABLE", "a database that was closed");
    expect(error.message).toContain("closed by its owner");
    expect(error.retryable).toBe(false);
  });

  test("with a transaction of its owner open is waited for, and the transaction is left alone", async () => {
    const database = open(await newPath());
    onTestFinished(() => void database.close());
    database.exec("CREATE TABLE mine (a)");
    const store = openStore({ database, busyTimeoutMs: 50 });
    const patient = openStore({ database, busyTimeoutMs: 5000 });
    await begin(store, { id: "before" });
    database.exec("BEGIN; INSERT INTO mine VALUES (1)");
    const error = await rejects(
      () => store.commit([commitOf(undefined, [creation({ id: "a" })])]),
      "STORE_UNAVAILABLE",
      "a commit within another transaction",
    );
    expect(error.message).toContain("transaction of its owner");
    const waiting = begin(patient, { id: "b" });
    await delay(20);
    database.exec("COMMIT");
    await waiting;
    expect(singleValue(database, "SELECT count(*) FROM mine")).toBe(1);
    expect(await idsOf(store)).toEqual(["b", "before"]);
  });

  test("a batch of which one statement fails is rolled back whole, and the next goes through", async () => {
    const database = open(await newPath());
    onTestFinished(() => void database.close());
    const store = openStore({ database });
    const session = await begin(store, { id: "a" });
    database.exec(
      "CREATE TRIGGER failing BEFORE INSERT ON holdfast_entries WHEN new.type = 'x.bad' BEGIN SELECT RAISE(ABORT, 'not today'); END",
    );
    const bad = session.next(say("first"), { type: "x.bad", data: null });
    const error = await rejects(
      () => store.commit([commitOf(undefined, [creation({ id: "b" })]), bad]),
      "STORE_UNAVAILABLE",
      "a failing batch",
    );
    expect(error.message).toContain("not today");
    expect(await store.find(["b"])).toEqual([undefined]);
    sameRecord((await store.find(["a"]))[0], session.record, "the session");
    await session.write(note(1));
    sameEntries(await store.read("a", { after: 0, limit: 10 }), session.entries, "the log");
  });
});

test("a database that answers with bigint works as well", async () => {
  const open = DRIVERS["better-sqlite3"];
  const database = open?.(":memory:");
  if (!database || !("defaultSafeIntegers" in database) || typeof database.defaultSafeIntegers !== "function")
    throw new TypeError("better-sqlite3 has changed");
  database.defaultSafeIntegers(true);
  const store = openStore({ database });
  const session = await begin(store, { id: "a", expiresAt: 7 }, say("wombat", "m"));
  await session.write(say("two"));
  sameEntries(await store.read("a", { after: 0, limit: 10 }), session.entries, "the log");
  expect(await idsOf(store)).toEqual(["a"]);
  expect((await outcomeOf(store, session.next(say("x", "m")))).status).toBe("duplicate");
  expect((await store.search?.("wombat", queryOf()))?.items.length).toBe(1);
  expect(await store.sweep?.(7, 1)).toEqual(["a"]);
});

test("an entry id twice in one commit is INVALID_ARGUMENT, and nothing of the batch is written", async () => {
  const store = openStore({ path: ":memory:" });
  const session = await begin(store, { id: "a" });
  const batch = [
    commitOf(undefined, [creation({ id: "b" })]),
    session.next(say("one", "m"), say("two", "m")),
  ];
  expect((await rejects(() => store.commit(batch), "INVALID_ARGUMENT", "the commit")).sessionId).toBe("a");
  expect(await store.find(["b"])).toEqual([undefined]);
});

describe("records that were read are kept", () => {
  test("frozen, so that no caller changes what the next one gets", async () => {
    const store = openStore({ path: ":memory:" });
    await begin(store, { id: "a", metadata: { deep: { list: [1] } } });
    const [record] = await store.find(["a"]);
    expect(() => Reflect.apply(Array.prototype.push, Object(record?.metadata.deep).list, [2])).toThrow(
      TypeError,
    );
    expect((await store.list(queryOf())).items[0]).toBe(record);
  });

  test("but not where they hold what can't be frozen", async () => {
    const store = openStore({ path: ":memory:" });
    await begin(store, { id: "a", metadata: { when: new Date(5), bytes: new Uint8Array([1]) } });
    const [record] = await store.find(["a"]);
    const { when, bytes } = record?.metadata ?? {};
    if (!(when instanceof Date) || !(bytes instanceof Uint8Array))
      throw new TypeError("the values changed their kind");
    when.setTime(9);
    bytes[0] = 9;
    expect((await store.find(["a"]))[0]?.metadata).toEqual({ when: new Date(5), bytes: new Uint8Array([1]) });
    expect((await store.list(queryOf())).items[0]?.metadata).toEqual({
      when: new Date(5),
      bytes: new Uint8Array([1]),
    });
  });

  test("and pages of them, which no caller changes and every commit does", async () => {
    const store = openStore({ path: ":memory:" });
    const first = await begin(store, { id: "a", userId: "u" });
    await begin(store, { id: "b", userId: "u" });
    for (let round = 0; round < 3; round += 1) {
      const { items } = await store.list(queryOf({ userId: "u" }));
      expect(items.map(({ id }) => id).sort()).toEqual(["a", "b"]);
      items.length = 0;
    }
    await first.write({ type: "label.set", data: { label: "new", automatic: false } });
    const { items } = await store.list(queryOf({ userId: "u" }));
    expect(items.map(({ id, label }) => [id, label])).toContainEqual(["a", "new"]);
  });

  test("and a list of more than are kept, or of large ones, is whole", async () => {
    const store = openStore({ path: ":memory:", durability: "normal" });
    const many = Array.from({ length: 9000 }, (_, index) =>
      commitOf(undefined, [creation({ id: `s${index}`, userId: `u${index % 9}` })]),
    );
    await store.commit(many);
    expect((await idsOf(store)).length).toBe(9000);
    const large = Array.from({ length: 60 }, (_, index) =>
      commitOf(undefined, [
        creation({ id: `large ${index}`, userId: "large", metadata: { text: "x".repeat(100_000) } }),
      ]),
    );
    await store.commit(large);
    for (let round = 0; round < 3; round += 1) {
      expect((await idsOf(store, { userId: "large", limit: 50 })).length).toBe(60);
      expect((await idsOf(store, { userId: "u1", limit: 1000 })).length).toBe(1000);
    }
  });
});

test("the view shows messages of every shape to people with SQL tools", async () => {
  const path = await newPath();
  const store = openStore({ path });
  await begin(
    store,
    { id: "a" },
    say("plain"),
    {
      type: "message",
      data: {
        message: {
          role: "assistant",
          content: [{ type: "text", text: "one" }, { type: "image", url: "u" }, "two", 3],
        },
      },
    },
    { type: "message", data: { message: { role: "user", parts: [{ type: "text", text: "of parts" }] } } },
    { type: "message", data: { message: { role: "tool", content: null } } },
    note("no message"),
  );
  await begin(store.namespace("n"), { id: "a" }, say("in n"));
  const rows = openDatabase(path)
    .prepare("SELECT session, seq, role, text, namespace FROM holdfast_messages ORDER BY namespace, seq")
    .all();
  expect(rows.map((row) => Object.values(row))).toEqual([
    ["a", 2, "user", "plain", ""],
    ["a", 3, "assistant", "one\ntwo", ""],
    ["a", 4, "user", "of parts", ""],
    ["a", 5, "tool", null, ""],
    ["a", 2, "user", "in n", "n/"],
  ]);
});

function openMemory({ isClosed = false } = {}) {
  const database = DRIVERS["node:sqlite"]?.(":memory:");
  if (isClosed) database?.close();
  return database;
}

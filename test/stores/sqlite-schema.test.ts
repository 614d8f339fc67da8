/**
 * The tables of the SQLite store: who makes them, and what happens where they are not as expected.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, say } from "../../src/store/conformance/build.ts";
import { idsOf, queryOf } from "../../src/store/conformance/cases/list.ts";
import { newPath, openDatabase, openStore, singleValue } from "./sqlite-support.ts";

const FIRST_VERSION = readFileSync(new URL("fixtures/sqlite-schema-1.sql", import.meta.url), "utf8");

test("migrate reports what it did, once", async () => {
  const store = openStore({ path: await newPath() });
  const made = [
    "version 1: made holdfast_sessions, holdfast_entries, holdfast_meta and the view holdfast_messages",
  ];
  expect(await store.migrate()).toEqual({ store: "sqlite", from: 0, to: 1, steps: made });
  expect(await store.migrate()).toEqual({ store: "sqlite", from: 1, to: 1, steps: [] });
});

describe('migrate: "manual"', () => {
  test("refuses every call on an empty database, leaves it empty, and works once migrate was called", async () => {
    const path = await newPath();
    const database = openDatabase(path);
    database.exec("CREATE TABLE mine (a)");
    const store = openStore({ path, migrate: "manual" });
    for (const call of [
      () => store.find(["a"]),
      () => begin(store),
      () => store.list(queryOf()),
      () => store.ping(),
      () => store.remove("a"),
    ]) {
      expect((await rejects(call, "MIGRATION_REQUIRED", "a first use")).message).toContain(
        "call store.migrate()",
      );
    }
    expect(singleValue(database, "SELECT group_concat(name) FROM sqlite_schema")).toBe("mine");
    expect(singleValue(database, "PRAGMA journal_mode")).toBe("delete");
    await store.migrate();
    await begin(store, { id: "a" });
    expect(await idsOf(openStore({ path, migrate: "manual" }))).toEqual(["a"]);
  });
});

describe("schema version 1", () => {
  test("is still what a new database gets", async () => {
    const [old, now] = [openDatabase(":memory:"), openDatabase(":memory:")];
    old.exec(FIRST_VERSION);
    await openStore({ database: now }).migrate();
    // As it is written down, but for quotation marks around names.
    const schema = `SELECT type, name, replace(sql, '"', '') AS sql FROM sqlite_schema ORDER BY name`;
    expect(now.prepare(schema).all()).toEqual(old.prepare(schema).all());
  });

  test("opens, reads, and goes on", async () => {
    const path = await newPath();
    openDatabase(path).exec(FIRST_VERSION);
    const store = openStore({ path });
    expect((await store.migrate()).steps).toEqual([]);
    const [first, second] = await store.find(["first", "second"]);
    expect(first).toMatchObject({
      version: 3,
      seq: 5,
      userId: "ann",
      label: "Trip to Lisbon",
      data: { city: "Lisbon", when: new Date(1_763_600_000_000) },
    });
    expect(second).toMatchObject({ kind: "fork", lineage: [{ id: "first", upTo: 3 }] });
    const entries = await store.read("first", { after: 0, limit: 10 });
    expect(entries.map(({ id }) => id)).toEqual(["#1", "m1", "#3", "#4", "#5"]);
    expect(entries[4]).toMatchObject({ data: { n: 1n }, text: "a note to find" });
    expect((await store.search?.("lisbon", queryOf()))?.items.map(({ messageId }) => messageId)).toEqual([
      "m1",
    ]);
    expect(await idsOf(store)).toEqual(["second", "first"]);
    expect(await idsOf(store.namespace("tenant/1"), { status: "completed" })).toEqual(["first"]);
    await begin(store, { id: "third" }, say("on"));
    expect(await idsOf(store)).toEqual(["third", "second", "first"]);
  });
});

describe("a database that is not as expected is left as it is:", () => {
  const cases: readonly (readonly [
    string,
    string,
    "MIGRATION_REQUIRED" | "INVALID_ARGUMENT" | "STORE_CORRUPT",
    RegExp,
  ])[] = [
    [
      "of a newer release",
      `${FIRST_VERSION} UPDATE holdfast_meta SET value = 2;`,
      "MIGRATION_REQUIRED",
      /version 2 .* upgrade holdfast/,
    ],
    [
      "with somebody else's sessions table",
      "CREATE TABLE holdfast_sessions (id, token);",
      "INVALID_ARGUMENT",
      /holdfast_sessions .* option "tables"/,
    ],
    [
      "with somebody else's meta table",
      "CREATE TABLE Holdfast_Meta (name);",
      "INVALID_ARGUMENT",
      /holdfast_meta .* option "tables"/,
    ],
    [
      "with a view of one of the names",
      "CREATE VIEW holdfast_messages AS SELECT 1;",
      "INVALID_ARGUMENT",
      /holdfast_messages/,
    ],
    [
      "with a column gone",
      `${FIRST_VERSION} DROP VIEW holdfast_messages; ALTER TABLE holdfast_entries DROP COLUMN text;`,
      "STORE_CORRUPT",
      /holdfast_entries lacks text/,
    ],
    [
      "with a version that is no number",
      `${FIRST_VERSION} UPDATE holdfast_meta SET value = 'x';`,
      "STORE_CORRUPT",
      /value holds string/,
    ],
  ];
  test.each(cases)("%s", async (_title, sql, code, message) => {
    const path = await newPath();
    openDatabase(path).exec(sql);
    const before = readFileSync(path);
    const store = openStore({ path });
    for (const call of [() => begin(store), () => store.find(["first"]), () => store.migrate()]) {
      expect((await rejects(call, code, "a use")).message).toMatch(message);
    }
    await store.close();
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});

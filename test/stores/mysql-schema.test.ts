/**
 * The tables of the MySQL store: who makes them, and what happens where they are not as expected.
 */
import { readFileSync } from "node:fs";
import type { Pool } from "mysql2/promise";
import { expect, test } from "vitest";
import type { EntryDraft } from "../../src/log/entry.ts";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, outcomeOf, say } from "../../src/store/conformance/build.ts";
import { firstVersion } from "../../src/stores/mysql/tables.ts";
import { mysqlStore } from "../../src/stores/mysql.ts";
import { DEFAULT_TABLES } from "../../src/stores/sql/names.ts";
import { mysqlTools, QUERY } from "./mysql-support.ts";

const FIRST_VERSION = readFileSync(new URL("fixtures/mysql-schema-1.sql", import.meta.url), "utf8");

const tools = await mysqlTools();
if (tools) {
  const { newUrl, newPool } = tools;

  test("other names: tables and the view, for text of every kind", async () => {
    const uri = await newUrl();
    const own = newPool(uri);
    const tables = { sessions: "chat", entries: `e${"n".repeat(47)}`, messages: "key" };
    const store = mysqlStore({ pool: own, tables });
    const parts = (...content: unknown[]): EntryDraft => ({
      type: "message",
      data: { message: { role: "assistant", content } },
    });
    await begin(
      store,
      { id: "ä" },
      say("plain 'ä' \"🙂\" \\ \0 end"),
      parts({ type: "text", text: "one" }),
      parts({ type: "text", text: "one" }, { type: "text", text: "two" }),
      say("half \ud800"),
    );
    const [rows] = await own.query("SELECT session, seq, role, text, namespace FROM `key` ORDER BY seq");
    expect(rows).toEqual([
      { session: "ä", seq: 2, role: "user", text: "plain 'ä' \"🙂\" \\ \0 end", namespace: "" },
      { session: "ä", seq: 3, role: "assistant", text: "one", namespace: "" },
      { session: "ä", seq: 4, role: "assistant", text: '["one", "two"]', namespace: "" },
      expect.objectContaining({ seq: 5 }),
    ]);
  });

  test("migrate: manual refuses until it is called, and leaves an empty database empty", async () => {
    const own = newPool(await newUrl());
    const store = mysqlStore({ pool: own, migrate: "manual" });
    for (const call of [() => store.find(["a"]), () => begin(store), () => store.list(QUERY)]) {
      const error = await rejects(call, "MIGRATION_REQUIRED", "a first use");
      expect(error.message).toContain("no Holdfast tables");
    }
    expect((await own.query("SHOW TABLES"))[0]).toEqual([]);
    expect((await store.migrate()).from).toBe(0);
    expect(await store.migrate()).toEqual({ store: "mysql", from: 1, to: 1, steps: [] });
    expect(await store.find(["a"])).toEqual([undefined]);
  });

  test("a newer schema, others' tables and columns that are gone are refused, and nothing is changed", async () => {
    for (const [statements, code, message] of [
      [["UPDATE holdfast_meta SET value = '99'"], "MIGRATION_REQUIRED", /version 99.*upgrade/],
      [["DROP TABLE holdfast_meta"], "INVALID_ARGUMENT", /holdfast_sessions that is not Holdfast's/],
      [
        ["DROP TABLE holdfast_meta", "CREATE TABLE holdfast_meta (mine INT)"],
        "INVALID_ARGUMENT",
        /not Holdfast's/,
      ],
      [["ALTER TABLE holdfast_entries DROP COLUMN data"], "STORE_CORRUPT", /lacks data/],
      [["DROP TABLE holdfast_search"], "STORE_CORRUPT", /holdfast_search lacks/],
    ] as const) {
      const own = newPool(await newUrl());
      await mysqlStore({ pool: own }).migrate();
      for (const statement of statements) await own.query(statement);
      const shape =
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()";
      const [before] = await own.query(shape);
      const store = mysqlStore({ pool: own });
      for (const call of [() => store.find(["a"]), () => store.migrate()])
        expect((await rejects(call, code, statements.join("; "))).message).toMatch(message);
      expect((await own.query(shape))[0]).toEqual(before);
    }
  });

  test("a migration that broke off is taken up where it was left", async () => {
    const own = newPool(await newUrl());
    for (const statement of firstVersion(DEFAULT_TABLES).slice(0, 3)) await own.query(statement);
    const store = mysqlStore({ pool: own });
    const session = await begin(store, { id: "a" }, say("hello"));
    expect(await store.find(["a"])).toEqual([session.record]);
    expect((await own.query("SELECT value FROM holdfast_meta"))[0]).toEqual([{ value: Buffer.from("1") }]);
  });

  test("version 1 is still what a new database gets, opens, reads, and goes on", async () => {
    const [old, now] = [newPool(await newUrl()), newPool(await newUrl())];
    for (const statement of FIRST_VERSION.split(/;\n/).filter((part) => part.trim() !== ""))
      await old.query(statement);
    await mysqlStore({ pool: now }).migrate();
    const schemaOf = async (own: Pool): Promise<unknown> => {
      const columns =
        "SELECT TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_TYPE, IS_NULLABLE, COLUMN_KEY, EXTRA, COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, 3";
      const indexes =
        "SELECT TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE, INDEX_TYPE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, 2, 3";
      const view =
        "SELECT REPLACE(VIEW_DEFINITION, DATABASE(), '') FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()";
      return Promise.all([columns, indexes, view].map(async (sql) => (await own.query(sql))[0]));
    };
    expect(await schemaOf(now)).toEqual(await schemaOf(old));
    const store = mysqlStore({ pool: old });
    expect((await store.migrate()).steps).toEqual([]);
    const [first] = await store.find(["first"]);
    expect(first).toMatchObject({ version: 2, seq: 4, userId: "ann", label: "Trip to Lisbon" });
    const entries = await store.read("first", { after: 0, limit: 10 });
    expect(entries.map(({ id }) => id)).toEqual(["#1", "m1", "#3", "n1"]);
    expect(entries[3]).toMatchObject({ data: { n: 1n }, text: "a note to find" });
    const query = { ...QUERY, userId: "ann", metadata: { plan: "pro" } };
    expect((await store.list(query)).items).toEqual([first]);
    expect((await store.search?.("lisbon", query))?.items.map(({ messageId }) => messageId)).toEqual(["m1"]);
    expect((await store.search?.("note", QUERY))?.items.map(({ messageId }) => messageId)).toEqual(["n1"]);
    const inside = store.namespace("tenant/1");
    expect((await inside.find(["first"]))[0]?.messageCount).toBe(1);
    expect(await outcomeOf(store, commitOf(first, [say("on", "m1")]))).toMatchObject({
      status: "duplicate",
      seq: 2,
    });
    expect(await outcomeOf(store, commitOf(first, [say("on")]))).toEqual({ status: "committed" });
  });
}

/**
 * The tables of the PostgreSQL store: who makes them, and what happens where they, the server or the client are not as
 * expected. Nothing is changed then, and the error says what to do.
 */
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import postgres from "postgres";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import type { HoldfastErrorCode } from "../../src/log/errors.ts";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, say } from "../../src/store/conformance/build.ts";
import { idsOf, queryOf } from "../../src/store/conformance/cases/list.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { PostgresStoreOptions } from "../../src/stores/postgres.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import type { Task } from "./postgres-process.ts";
import { newSchema } from "./postgres-support.ts";

const FIRST_VERSION = readFileSync(new URL("fixtures/postgres-schema-1.sql", import.meta.url), "utf8");
const SCRIPT = fileURLToPath(new URL("postgres-process.ts", import.meta.url));

const server = await startPostgres();
if (server) {
  const { url } = server;
  const pool = poolOf({ connectionString: url, max: 4 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  /** A schema in which `sql` was run. */
  const schemaWith = async (sql: string): Promise<string> => {
    const schema = newSchema();
    await pool.query(`CREATE SCHEMA "${schema}"`);
    const client = await pool.connect();
    try {
      await client.query(`BEGIN; SET LOCAL search_path = "${schema}"; ${sql}; COMMIT`);
    } finally {
      client.release();
    }
    return schema;
  };
  /** Everything in `schema`, its own name left out. */
  const contentsOf = async (schema: string): Promise<string> => {
    const { rows } = await pool.query(
      `SELECT concat_ws(' ', c.relname, c.relkind::text, pg_get_viewdef(c.oid)) AS line FROM pg_class AS c WHERE c.relnamespace = $1::regnamespace
       UNION ALL SELECT concat_ws(' ', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text, a.attcollation::regcollation)
         FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'v')
       UNION ALL SELECT pg_get_indexdef(i.indexrelid) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relnamespace = $1::regnamespace
       UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = $1::regnamespace ORDER BY 1`,
      [`"${schema}"`],
    );
    return rows.map(({ line }) => String(line).replaceAll(schema, "s")).join("\n");
  };
  const rowsOf = async (schema: string): Promise<string> => {
    const { rows } = await pool.query(
      `SELECT c.relname AS name, query_to_xml(format('SELECT * FROM %s AS t ORDER BY t::text', c.oid::regclass), true, true, '')::text AS content
       FROM pg_class AS c WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' ORDER BY 1`,
      [`"${schema}"`],
    );
    return JSON.stringify(rows);
  };

  describe("schema version 1", () => {
    test("is still what a new database gets", async () => {
      const fresh = newSchema();
      await postgresStore({ pool, schema: fresh }).migrate();
      expect(await contentsOf(fresh)).toBe(await contentsOf(await schemaWith(FIRST_VERSION)));
    });

    test("opens, reads, and goes on", async () => {
      const store = postgresStore({ pool, schema: await schemaWith(FIRST_VERSION) });
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

    test("is left as it is by two processes that migrate at once", async () => {
      const schema = await schemaWith(FIRST_VERSION);
      const before = await contentsOf(schema);
      const migrate = (id: string): Promise<unknown> =>
        new Promise((resolve, reject) => {
          const child = fork(SCRIPT, { execPath: process.execPath, execArgv: [] });
          child.once("message", resolve);
          child.once("exit", (code) => reject(new Error(`the process ended with ${code}`)));
          child.send({ url, schema, do: "migrate", id, count: 0 } satisfies Task);
        });
      const report = { store: "postgres", from: 1, to: 1, steps: [] };
      expect(await Promise.all(["a", "b"].map(migrate))).toEqual([report, report]);
      expect(await contentsOf(schema)).toBe(before);
      expect((await idsOf(postgresStore({ pool, schema }))).toSorted()).toEqual([
        "a",
        "b",
        "first",
        "second",
      ]);
    });
  });

  describe("a database that is not as expected is left as it is:", () => {
    const cases: readonly (readonly [string, string, HoldfastErrorCode, RegExp])[] = [
      [
        "of a newer release",
        `${FIRST_VERSION} UPDATE holdfast_meta SET value = '2' WHERE key = 'schema_version'`,
        "MIGRATION_REQUIRED",
        /version 2 .* upgrade holdfast/,
      ],
      [
        "with somebody else's sessions table",
        "CREATE TABLE holdfast_sessions (id int, token text)",
        "INVALID_ARGUMENT",
        /holdfast_sessions .* option "tables"/,
      ],
      [
        "with somebody else's meta table",
        "CREATE TABLE holdfast_meta (name text)",
        "INVALID_ARGUMENT",
        /holdfast_meta .* option "tables"/,
      ],
      [
        "with a view of one of the names",
        "CREATE VIEW holdfast_messages AS SELECT 1 AS one",
        "INVALID_ARGUMENT",
        /holdfast_messages/,
      ],
      [
        "with a column gone",
        `${FIRST_VERSION} ALTER TABLE holdfast_entries DROP COLUMN text`,
        "STORE_CORRUPT",
        /holdfast_entries lacks text/,
      ],
      [
        "with a table gone",
        `${FIRST_VERSION} DROP TABLE holdfast_search`,
        "STORE_CORRUPT",
        /holdfast_search lacks session_key/,
      ],
      [
        "with a version that is no number",
        `${FIRST_VERSION} UPDATE holdfast_meta SET value = 'x' WHERE key = 'schema_version'`,
        "STORE_CORRUPT",
        /version holds string/,
      ],
    ];
    test.each(cases)("%s", async (_title, sql, code, message) => {
      const schema = await schemaWith(sql);
      const before = [await contentsOf(schema), await rowsOf(schema)];
      const store = postgresStore({ pool, schema });
      for (const call of [() => begin(store), () => store.find(["first"]), () => store.migrate()]) {
        const error = await rejects(call, code, "a use");
        expect(error.message).toMatch(message);
        expect(error).toMatchObject({ store: "postgres", retryable: false });
      }
      await store.close();
      expect([await contentsOf(schema), await rowsOf(schema)]).toEqual(before);
    });
  });

  describe("a server that only reads", () => {
    const readOnly = (): pg.Pool => {
      const made = poolOf({
        connectionString: url,
        max: 2,
        options: "-c default_transaction_read_only=on",
      });
      onTestFinished(() => made.end());
      return made;
    };

    test("refuses to write and to migrate, saying so, and can be read", async () => {
      const schema = await schemaWith(FIRST_VERSION);
      const before = [await contentsOf(schema), await rowsOf(schema)];
      const store = postgresStore({ pool: readOnly(), schema });
      expect((await store.find(["first"]))[0]?.seq).toBe(5);
      expect(await store.read("first", { after: 0, limit: 9 })).toHaveLength(5);
      expect((await store.search?.("lisbon", queryOf()))?.items).toHaveLength(1);
      for (const call of [() => begin(store, { id: "new" }), () => store.remove("first")]) {
        const error = await rejects(call, "STORE_UNAVAILABLE", "a write");
        expect(error.message).toMatch(/read-only.*connect to the primary/);
      }
      const empty = newSchema();
      const error = await rejects(
        () => postgresStore({ pool: readOnly(), schema: empty }).find(["a"]),
        "STORE_UNAVAILABLE",
        "a first use",
      );
      expect(error.message).toMatch(/read-only.*connect to the primary/);
      expect([await contentsOf(schema), await rowsOf(schema)]).toEqual(before);
    });
  });

  test("a user without privileges is told to have them granted", async () => {
    await pool.query("CREATE ROLE weak LOGIN PASSWORD 'weak-password'");
    const target = new URL(url);
    target.username = "weak";
    target.password = "weak-password";
    const weak = poolOf({ connectionString: target.href, max: 2 });
    onTestFinished(() => weak.end());
    const schema = await schemaWith(FIRST_VERSION);
    const stores: readonly (readonly [string, SessionStore])[] = [
      ["no right to the schema", postgresStore({ pool: weak, schema })],
      ["no right to make one", postgresStore({ pool: weak, schema: newSchema() })],
      ["no right to make tables", postgresStore({ pool: weak })],
    ];
    for (const [what, store] of stores) {
      const error = await rejects(() => store.find(["first"]), "STORE_UNAVAILABLE", what);
      expect(error.message, what).toMatch(/lacks a privilege: .*permission denied.*grant it/);
      expect(error.retryable).toBe(false);
    }
    await pool.query(`GRANT USAGE ON SCHEMA "${schema}" TO weak`);
    await pool.query(`GRANT SELECT ON ALL TABLES IN SCHEMA "${schema}" TO weak`);
    const reader = postgresStore({ pool: weak, schema });
    expect((await reader.find(["first"]))[0]?.seq).toBe(5);
    const error = await rejects(() => begin(reader, { id: "new" }), "STORE_UNAVAILABLE", "a write");
    expect(error.message).toMatch(/permission denied for table/);
  });

  test("a client that is closed already is told of at each call", async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.end();
    const ended = poolOf({ connectionString: url });
    await ended.end();
    const sql = postgres(url);
    await sql.end();
    const pglite = await PGlite.create();
    await pglite.close();
    const sources: Readonly<Record<string, PostgresStoreOptions>> = {
      "a Client": { client },
      "a Pool": { pool: ended },
      "postgres.js": { pool: sql },
      PGlite: { client: pglite },
    };
    for (const [what, source] of Object.entries(sources)) {
      const store = postgresStore(source);
      for (const call of [() => store.ping(), () => store.find(["a"]), () => begin(store)]) {
        const error = await rejects(call, "STORE_UNAVAILABLE", what);
        expect(error.message, what).toMatch(/client .* is closed/);
        expect(error.retryable, what).toBe(false);
      }
      await store.close();
    }
  });
}

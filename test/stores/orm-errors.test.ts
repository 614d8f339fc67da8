/**
 * What Prisma and Drizzle are given wrongly, and what they meet: a clear error with its remedy, no secret in it, nothing
 * changed.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { PrismaBetterSqlite3 } from "@prisma/adapter-better-sqlite3";
import { PrismaPg } from "@prisma/adapter-pg";
import Database from "better-sqlite3";
import { drizzle as drizzleSqlite } from "drizzle-orm/better-sqlite3";
import { drizzle as drizzleMysql } from "drizzle-orm/mysql2";
import { drizzle as drizzlePg } from "drizzle-orm/node-postgres";
import { drizzle as drizzleProxy } from "drizzle-orm/sqlite-proxy";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import type { HoldfastErrorCode } from "../../src/log/errors.ts";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { drizzleStore } from "../../src/stores/drizzle.ts";
import { prismaStore } from "../../src/stores/prisma.ts";
import { statementsOf } from "../../src/stores/sql/statements.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { prismaClient } from "../engines/prisma-client.ts";
import { newSchema } from "./postgres-support.ts";

test("a script is split at the ends of its statements only", () => {
  const script = `SELECT ';' AS "a;b"; -- no; end
DO $x$ BEGIN PERFORM 'it''s; $'; END $x$;
 ;CREATE TABLE t (a DEFAULT -1)`;
  expect(statementsOf(script)).toEqual([
    `SELECT ';' AS "a;b"`,
    "DO $x$ BEGIN PERFORM 'it''s; $'; END $x$",
    "CREATE TABLE t (a DEFAULT -1)",
  ]);
});

describe("options that make no sense are refused before anything is sent", () => {
  const unused = (): never => {
    throw new Error("a statement was sent");
  };
  const client = { $queryRawUnsafe: unused, $executeRawUnsafe: unused };
  const db = drizzlePg.mock();
  const onFile = drizzleSqlite(new Database(":memory:"));
  const hostile = ['a"; DROP TABLE x; --', "a.b", "", "1a", "ä", "x".repeat(49), "pg_x"];
  const cases: [name: string, make: (options: unknown) => unknown, options: object, message: RegExp][] = [
    ["no client", given(prismaStore), {}, /prisma must be a PrismaClient/],
    ["another client", given(prismaStore), { prisma: { query: unused } }, /prisma must be a PrismaClient/],
    ["an unknown provider", given(prismaStore), { prisma: client }, /give prismaStore the option provider/],
    [
      "another provider",
      given(prismaStore),
      { prisma: { ...client, _activeProvider: "mysql" } },
      /not on "mysql"/,
    ],
    [
      "SQLite's options on PostgreSQL",
      given(prismaStore),
      { prisma: client, provider: "postgresql", durability: "full" },
      /are for SQLite/,
    ],
    [
      "a schema on SQLite",
      given(prismaStore),
      { prisma: client, provider: "sqlite", schema: "chat" },
      /has no schemas/,
    ],
    [
      "a wrong durability",
      given(prismaStore),
      { prisma: client, provider: "sqlite", durability: "most" },
      /durability must be/,
    ],
    [
      "a wrong timeout",
      given(prismaStore),
      { prisma: client, provider: "sqlite", busyTimeoutMs: -1 },
      /busyTimeoutMs must be/,
    ],
    ["no database", given(drizzleStore), {}, /db must be a database of drizzle-orm/],
    [
      "another database",
      given(drizzleStore),
      { db: { execute: unused } },
      /db must be a database of drizzle-orm/,
    ],
    ["MySQL", given(drizzleStore), { db: drizzleMysql.mock() }, /give mysqlStore the pool/],
    [
      "an asynchronous SQLite",
      given(drizzleStore),
      { db: drizzleProxy(async () => ({ rows: [] })) },
      /better-sqlite3 only/,
    ],
    [
      "a transaction of SQLite's on PostgreSQL",
      given(drizzleStore),
      { db, transaction: "yours" },
      /are for SQLite/,
    ],
    [
      "a schema on SQLite through Drizzle",
      given(drizzleStore),
      { db: onFile, schema: "chat" },
      /has no schemas/,
    ],
    ["a wrong transaction", given(drizzleStore), { db: onFile, transaction: "mine" }, /transaction must be/],
    ...(["ctid", "Xmin", "rowid"] as const).map((name): (typeof cases)[number] => [
      `${name} as column`,
      given(drizzleStore),
      { db, columns: { sessions: { id: name } } },
      /columns.sessions.id: .* the engine has itself/,
    ]),
    [
      "two columns of one name",
      given(drizzleStore),
      { db, columns: { sessions: { user_id: "Agent" } } },
      /columns.sessions.agent and columns.sessions.user_id are both agent/,
    ],
    [
      "an unknown column",
      given(prismaStore),
      { prisma: client, provider: "postgresql", columns: { sessions: { userId: "user" } } },
      /columns.sessions.userId is no column/,
    ],
    [
      "columns of another table",
      given(drizzleStore),
      { db: onFile, columns: { search: { words: "w" } } },
      /columns.search: only columns of sessions and entries/,
    ],
    ...hostile.flatMap((name): typeof cases => [
      [
        `${name} as table`,
        given(prismaStore),
        { prisma: client, provider: "sqlite", tables: { sessions: name } },
        /tables.sessions/,
      ],
      [
        `${name} as table`,
        given(prismaStore),
        { prisma: client, provider: "postgresql", tables: { entries: name } },
        /tables.entries/,
      ],
      [`${name} as table`, given(drizzleStore), { db, tables: { meta: name } }, /tables.meta/],
      [
        `${name} as column`,
        given(prismaStore),
        { prisma: client, provider: "sqlite", columns: { sessions: { user_id: name } } },
        /columns.sessions.user_id/,
      ],
      [
        `${name} as column`,
        given(prismaStore),
        { prisma: client, provider: "postgresql", columns: { entries: { at: name } } },
        /columns.entries.at/,
      ],
      [
        `${name} as column`,
        given(drizzleStore),
        { db, columns: { sessions: { record: name } } },
        /columns.sessions.record/,
      ],
      [
        `${name} as column`,
        given(drizzleStore),
        { db: onFile, columns: { entries: { position: name } } },
        /columns.entries.position/,
      ],
      [`${name} as schema`, given(drizzleStore), { db, schema: name }, /schema must be|schema: /],
    ]),
  ];
  for (const [name, make, options, message] of cases) {
    test(`${name}, of ${inspect(options, { depth: 0 }).slice(0, 60)}`, () => {
      expect(() => make(options)).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) }),
      );
    });
  }
});

/** `make` as a caller without types calls it. */
function given(make: (options: never) => SessionStore): (options: unknown) => unknown {
  return (options) => Reflect.apply(make, undefined, [options]);
}

/** Fails as `code` says, with `message`, and without any of `secrets` in all that can be seen of the error. */
async function fails(
  work: () => Promise<unknown>,
  code: HoldfastErrorCode,
  message: RegExp,
  { retryable, secrets = [] }: { retryable: boolean; secrets?: readonly string[] },
): Promise<void> {
  const error = await rejects(work, code, String(message));
  expect(error.message).toMatch(message);
  expect({ message: error.message, retryable: error.retryable }).toMatchObject({ retryable });
  for (const secret of secrets) expect(inspect(error, { depth: 10 })).not.toContain(secret);
}

for (const orm of ["Prisma", "Drizzle"] as const) {
  describe(`${orm} on SQLite`, () => {
    const open = async (path: string, options: object = {}): Promise<SessionStore> => {
      if (orm === "Drizzle") {
        const database = new Database(path, { timeout: 0 });
        onTestFinished(() => void database.close());
        return drizzleStore({ db: drizzleSqlite(database), ...options });
      }
      const client = await prismaClient(
        "sqlite",
        new PrismaBetterSqlite3({ url: `file:${path}`, timeout: 0 }),
      );
      onTestFinished(() => client.$disconnect());
      return prismaStore({ prisma: client, ...options });
    };
    const newPath = async (): Promise<string> => {
      const folder = await mkdtemp(join(tmpdir(), "holdfast-orm-"));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      return join(folder, "app.db");
    };
    const change = (path: string, statement: string): void => {
      const database = new Database(path);
      database.exec(statement);
      database.close();
    };
    const schemaOf = (path: string): unknown => {
      const database = new Database(path, { readonly: true });
      const found = database.prepare("SELECT sql FROM sqlite_schema ORDER BY name").pluck().all();
      database.close();
      return found;
    };

    test("a table of ours with other columns, an older and a newer schema", async () => {
      const path = await newPath();
      change(path, "CREATE TABLE holdfast_sessions (a)");
      const before = schemaOf(path);
      const store = await open(path);
      await fails(() => begin(store), "INVALID_ARGUMENT", /not Holdfast's.*option "tables"/, {
        retryable: false,
      });
      expect(schemaOf(path)).toEqual(before);
      const manual = await open(await newPath(), { migrate: "manual" });
      await fails(() => begin(manual), "MIGRATION_REQUIRED", /no Holdfast tables/, { retryable: false });
      const newer = await newPath();
      await (await open(newer)).migrate();
      change(newer, "UPDATE holdfast_meta SET value = 7 WHERE key = 'schema_version'");
      const late = await open(newer);
      await fails(() => begin(late), "MIGRATION_REQUIRED", /version 7.*upgrade holdfast/, {
        retryable: false,
      });
    });

    test("a database that is locked, and waited for in vain", async () => {
      const path = await newPath();
      const store = await open(path, { busyTimeoutMs: 100 });
      const session = await begin(store, { id: "s" });
      const other = new Database(path, { timeout: 0 });
      onTestFinished(() => void other.close());
      other.exec("BEGIN IMMEDIATE");
      await fails(
        () => session.write(say("ZyqSecretZyq")),
        "STORE_UNAVAILABLE",
        /locked by another process for 1\d\d ms/,
        {
          retryable: true,
          secrets: ["Zyq"],
        },
      );
      expect(await store.find(["s"])).toEqual([session.record]);
      other.exec("COMMIT");
      await session.write(say("now"));
    });

    test("a file that is no database", async () => {
      const path = await newPath();
      await writeFile(path, "this is a text, and no database at all".repeat(100));
      const store = await open(path);
      await fails(() => begin(store), "STORE_CORRUPT", /not a SQLite database/, { retryable: false });
    });

    test("a store that is closed refuses, and the client is left open", async () => {
      const path = await newPath();
      const store = await open(path);
      await begin(store, { id: "s" });
      await store.close();
      await fails(() => store.find(["s"]), "STORE_UNAVAILABLE", /store is closed/, { retryable: false });
    });

    test("other names of tables, beside sqliteStore on the same ones", async () => {
      const path = await newPath();
      const tables = { sessions: "Chats", entries: "chat_entries", meta: "chat_meta", search: "chat_words" };
      const store = await open(path, { tables });
      const session = await begin(store, { id: "s\0s" }, say("One parcel", "nul\0id"));
      const plain = sqliteStore({ path, tables });
      onTestFinished(() => plain.close());
      expect(await plain.find(["s\0s"])).toEqual([session.record]);
      await session.write(say("Two parcels"));
      expect(await store.read("s\0s", { after: 0, limit: 9 })).toEqual(session.entries);
      const twice = await plain.commit([session.next(say("One parcel", "nul\0id"))]);
      expect(twice).toEqual([{ status: "duplicate", entryId: "nul\0id", seq: 2 }]);
      expect(await store.commit([session.next(say("One parcel", "nul\0id"))])).toEqual(twice);
      for (const one of [store, plain]) {
        const hits = await one.search?.("parcel", { order: "updated", limit: 5 });
        expect(hits?.items.map(({ messageId }) => messageId)).toEqual(["#3", "nul\0id"]);
      }
    });
  });
}

test("a transaction of the client's own that lasts is waited for, and named", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-orm-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const client = await prismaClient("sqlite", new PrismaBetterSqlite3({ url: `file:${folder}/a.db` }));
  onTestFinished(() => client.$disconnect());
  const store = prismaStore({ prisma: client, busyTimeoutMs: 50 });
  const session = await begin(store, { id: "s" });
  await client.$transaction(async () => {
    await fails(() => session.write(say("late")), "STORE_UNAVAILABLE", /locked/, { retryable: true });
  });
  await session.write(say("now"));
});

const server = await startPostgres();
if (server) {
  const { url, password } = server;
  const pool = poolOf({ connectionString: url, max: 2 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  for (const orm of ["Prisma", "Drizzle"] as const) {
    describe(`${orm} on PostgreSQL`, () => {
      const open = async (place: string, schema: string, options: object = {}): Promise<SessionStore> => {
        if (orm === "Drizzle") {
          const own = poolOf({ connectionString: place, max: 2 });
          onTestFinished(() => own.end());
          return drizzleStore({ db: drizzlePg(own), schema, ...options });
        }
        const client = await prismaClient("postgresql", new PrismaPg({ connectionString: place, max: 2 }));
        onTestFinished(() => client.$disconnect());
        return prismaStore({ prisma: client, schema, ...options });
      };
      const secrets = [password, "ZyqWrongZyq"];

      test("a wrong password, an unreachable host, a missing database", async () => {
        const at = new URL(url);
        at.password = "ZyqWrongZyq";
        const schema = newSchema();
        const refused = await open(String(at), schema);
        await fails(() => begin(refused), "STORE_UNAVAILABLE", /refused the connection.*password/, {
          retryable: false,
          secrets,
        });
        const nowhere = new URL(url);
        nowhere.port = "1";
        const lost = await open(String(nowhere), schema);
        await fails(() => begin(lost), "STORE_UNAVAILABLE", /failed or was lost/, {
          retryable: true,
          secrets,
        });
        const missing = new URL(url);
        missing.pathname = "/no_such_database";
        const none = await open(String(missing), schema);
        await fails(() => begin(none), "STORE_UNAVAILABLE", /refused the connection.*database/, {
          retryable: false,
          secrets,
        });
      });

      test("a missing privilege, and a server that is read-only", async () => {
        const [schema, user] = [newSchema(), newSchema()];
        await pool.query(`CREATE ROLE ${user} LOGIN PASSWORD 'x'`);
        const at = new URL(url);
        [at.username, at.password] = [user, "x"];
        const poor = await open(String(at), schema);
        await fails(() => begin(poor), "STORE_UNAVAILABLE", /lacks a privilege.*grant it/, {
          retryable: false,
        });
        const readOnly = await open(`${url}?options=-c%20default_transaction_read_only%3Don`, schema);
        await fails(() => begin(readOnly), "STORE_UNAVAILABLE", /read-only/, { retryable: true });
        const { rows } = await pool.query(`SELECT to_regnamespace('${schema}') AS found`);
        expect(rows).toEqual([{ found: null }]);
      });

      test("a table of ours with other columns, no tables, a newer schema", async () => {
        const schema = newSchema();
        await pool.query(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.holdfast_sessions (a int)`);
        const foreign = await open(url, schema);
        await fails(() => begin(foreign), "INVALID_ARGUMENT", /not Holdfast's/, { retryable: false });
        const manual = await open(url, newSchema(), { migrate: "manual" });
        await fails(() => begin(manual), "MIGRATION_REQUIRED", /no Holdfast tables/, { retryable: false });
        const newer = newSchema();
        await (await open(url, newer)).migrate();
        await pool.query(`UPDATE ${newer}.holdfast_meta SET value = '7'`);
        const late = await open(url, newer);
        await fails(() => begin(late), "MIGRATION_REQUIRED", /version 7/, { retryable: false });
      });

      test("a connection that the server ends is another one for the next call", async () => {
        const schema = newSchema();
        const store = await open(`${url}?application_name=${schema}`, schema);
        const session = await begin(store, { id: "s" });
        const kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
        await pool.query(kill, [schema]);
        await expect
          .poll(() => store.find(["s"]).catch(({ code, retryable }) => [code, retryable]))
          .toEqual([session.record]);
        await session.write(say("on"));
      });

      test("tables that were dropped meanwhile, without a word of what was to be written", async () => {
        const schema = newSchema();
        const store = await open(url, schema);
        const session = await begin(store, { id: "s" });
        await pool.query(`DROP SCHEMA ${schema} CASCADE`);
        await fails(() => session.write(say("ZyqWrongZyq")), "MIGRATION_REQUIRED", /lacks tables/, {
          retryable: false,
          secrets,
        });
      });
    });
  }
}

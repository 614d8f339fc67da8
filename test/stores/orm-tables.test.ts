/**
 * The models and tables that the documentation gives for Prisma and Drizzle are those that `migrate()` makes, and typed
 * reads of them answer with what the store wrote.
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PrismaBetterSqlite3 } from "@prisma/adapter-better-sqlite3";
import { PrismaPg } from "@prisma/adapter-pg";
import Database from "better-sqlite3";
import { and, asc, eq } from "drizzle-orm";
import { drizzle as drizzleSqlite } from "drizzle-orm/better-sqlite3";
import { drizzle as drizzlePg } from "drizzle-orm/node-postgres";
import { getTableConfig as pgTableConfig } from "drizzle-orm/pg-core";
import { getTableConfig as sqliteTableConfig } from "drizzle-orm/sqlite-core";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { begin, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { drizzleStore } from "../../src/stores/drizzle.ts";
import { prismaStore } from "../../src/stores/prisma.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import type { TestClient } from "../engines/prisma-client.ts";
import { documentedModels, prismaClient } from "../engines/prisma-client.ts";
import * as onPostgres from "./drizzle-tables-postgres.ts";
import * as onSqlite from "./drizzle-tables-sqlite.ts";
import { names } from "./orm-camel-case.ts";

/** A column of a table. */
interface Column {
  readonly name: string;
  readonly type: string;
  readonly isRequired: boolean;
}

const byName = (a: Column, b: Column): number => (a.name < b.name ? -1 : 1);

const write = (store: SessionStore) =>
  begin(
    store,
    { id: "s", userId: "alice", label: "Parcels", metadata: { plan: "free" } },
    say("Where?", "m1"),
  );

/** The columns that the model of a table declares in the documentation. */
function modelColumns(provider: "postgresql" | "sqlite", table: string): Omit<Column, "type">[] {
  const models = documentedModels(provider).split(/^model /m);
  const model =
    models.find((text) => text.includes(`@@map("${table}")`) || text.startsWith(`${table} `)) ?? "";
  const columns: (Omit<Column, "type"> & { type: string })[] = [];
  for (const [, name = "", type = "", rest = ""] of model.matchAll(/^ {2}(\w+) +(\S+)(.*)$/gm)) {
    if (/^(Holdfast|Chat)/.test(type)) continue;
    const mapped = /@map\("(\w+)"\)/.exec(rest)?.[1];
    columns.push({ name: mapped ?? name, type: "", isRequired: !/[?\]]$/.test(type) });
  }
  return columns.sort(byName).map(({ name, isRequired }) => ({ name, isRequired }));
}

const untyped = (columns: readonly Column[]): Omit<Column, "type">[] =>
  columns.map(({ name, isRequired }) => ({ name, isRequired }));

/** What Prisma reads of the session that {@link write} wrote, by the models of the documentation. */
async function prismaReads(client: TestClient): Promise<void> {
  const found = await client.holdfastSession.findMany({
    where: { userId: "alice", createdAt: { gt: 1e12 } },
    include: { entries: { where: { type: "message" }, orderBy: { seq: "asc" } } },
  });
  expect(found).toMatchObject([
    { id: "s", label: "Parcels", status: "active", parentId: null, expiresAt: null, entries: [{ id: "m1" }] },
  ]);
  expect(await client.holdfastEntry.count({ where: { session: { id: "s" } } })).toBe(2);
  const [entry] = await client.holdfastEntry.findMany({ where: { id: "m1" } });
  expect(entry).toMatchObject({ type: "message", data: expect.stringContaining('"Where?"') });
}

test.each([
  ["drizzle.md", "drizzle-tables-postgres.ts"],
  ["drizzle.md", "drizzle-tables-sqlite.ts"],
  ["drizzle.md", "orm-camel-case.ts"],
  ["prisma.md", "orm-camel-case.ts"],
])("%s gives what is tested here of %s", (page, file) => {
  const [documented, tested] = [`../../docs/stores/${page}`, file].map((path) =>
    readFileSync(join(import.meta.dirname, path), "utf8"),
  );
  expect(documented).toContain(tested?.replace(/^\/\*[\s\S]*?\*\/\n/, ""));
});

describe("SQLite", () => {
  const { holdfastSessions, holdfastEntries } = onSqlite;
  const newPath = async (): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-orm-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    return join(folder, "app.db");
  };
  const columnsOf = (database: Database.Database, table: string): Column[] =>
    database
      .prepare<[string], { name: string; type: string; notnull: number; pk: number }>(
        "SELECT * FROM pragma_table_info(?)",
      )
      .all(table)
      .map(({ name, type, notnull, pk }) => ({
        name,
        // A caller's id may be text or bytes.
        type: type === "" ? "text" : type.toLowerCase(),
        isRequired: notnull === 1 || pk === 1,
      }))
      .sort(byName);

  test("the tables of Drizzle are those that migrate makes, and are read", async () => {
    const database = new Database(await newPath());
    onTestFinished(() => void database.close());
    const db = drizzleSqlite(database);
    await write(drizzleStore({ db }));
    for (const table of [holdfastSessions, holdfastEntries]) {
      const { name, columns } = sqliteTableConfig(table);
      const declared = columns.map((column) => ({
        name: column.name,
        type: column.getSQLType(),
        isRequired: column.notNull,
      }));
      expect(declared.sort(byName)).toEqual(columnsOf(database, name));
    }
    const rows = db
      .select({ id: holdfastSessions.id, label: holdfastSessions.label, data: holdfastEntries.data })
      .from(holdfastSessions)
      .innerJoin(holdfastEntries, eq(holdfastEntries.sessionKey, holdfastSessions.key))
      .where(and(eq(holdfastSessions.userId, "alice"), eq(holdfastEntries.type, "message")))
      .all();
    expect(rows).toEqual([{ id: "s", label: "Parcels", data: expect.stringContaining('"Where?"') }]);
  });

  test("the models of Prisma are the tables that migrate makes, and are read", async () => {
    const path = await newPath();
    const client = await prismaClient("sqlite", new PrismaBetterSqlite3({ url: `file:${path}` }));
    onTestFinished(() => client.$disconnect());
    await write(prismaStore({ prisma: client }));
    const database = new Database(path, { readonly: true });
    onTestFinished(() => void database.close());
    for (const table of ["holdfast_sessions", "holdfast_entries"]) {
      expect(modelColumns("sqlite", table)).toEqual(untyped(columnsOf(database, table)));
    }
    await prismaReads(client);
  });
});

const server = await startPostgres();
if (server) {
  const { url } = server;
  const pool = poolOf({ connectionString: url, max: 4 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });
  const columnsOf = async (table: string): Promise<Column[]> => {
    const { rows } = await pool.query(
      "SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS is_required FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0",
      [table],
    );
    return rows
      .map(({ name, type, is_required }): Column => ({ name, type, isRequired: is_required }))
      .sort(byName);
  };

  describe("PostgreSQL", () => {
    const { holdfastSessions, holdfastEntries } = onPostgres;

    test("the tables of Drizzle and the models of Prisma are those that migrate makes, and are read", async () => {
      const db = drizzlePg(pool);
      const client = await prismaClient("postgresql", new PrismaPg({ connectionString: url, max: 2 }));
      onTestFinished(() => client.$disconnect());
      expect((await prismaStore({ prisma: client }).migrate()).from).toBe(0);
      await write(drizzleStore({ db }));
      for (const table of [holdfastSessions, holdfastEntries]) {
        const { name, columns, foreignKeys } = pgTableConfig(table);
        const declared = columns.map((column) => ({
          name: column.name,
          type: column.getSQLType(),
          isRequired: column.notNull,
        }));
        const made = await columnsOf(name);
        expect(declared.sort(byName)).toEqual(made);
        expect(modelColumns("postgresql", name)).toEqual(untyped(made));
        expect(foreignKeys.map(({ onDelete }) => onDelete)).toEqual(
          name === "holdfast_entries" ? ["cascade"] : [],
        );
      }
      const rows = await db
        .select({ id: holdfastSessions.id, metadata: holdfastSessions.metadata, seq: holdfastEntries.seq })
        .from(holdfastSessions)
        .innerJoin(holdfastEntries, eq(holdfastEntries.sessionKey, holdfastSessions.key))
        .where(eq(holdfastSessions.userId, "alice"))
        .orderBy(asc(holdfastEntries.seq));
      expect(rows).toEqual([
        { id: "s", metadata: ['"plan":"free"'], seq: 1 },
        { id: "s", metadata: ['"plan":"free"'], seq: 2 },
      ]);
      await prismaReads(client);
    });

    test("the models of Prisma under names in camel case are the tables that migrate makes, and are read", async () => {
      const client = await prismaClient("postgresql", new PrismaPg({ connectionString: url, max: 2 }));
      onTestFinished(() => client.$disconnect());
      const others = { meta: "chat_meta", search: "chat_search", messages: "chat_messages" };
      const { tables, columns } = names;
      await write(prismaStore({ prisma: client, tables: { ...tables, ...others }, columns }));
      for (const table of Object.values(tables)) {
        expect(modelColumns("postgresql", table)).toEqual(untyped(await columnsOf(`"${table}"`)));
      }
      const query = { where: { userId: "alice" }, include: { entries: true } };
      expect(await client.chatSession.findMany(query)).toMatchObject([{ id: "s", entries: [{}, {}] }]);
    });
  });
}

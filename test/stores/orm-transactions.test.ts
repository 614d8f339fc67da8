/**
 * Sessions within a transaction of the application's own, through Prisma and Drizzle: kept with it or undone with it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { PGlite } from "@electric-sql/pglite";
import { PrismaBetterSqlite3 } from "@prisma/adapter-better-sqlite3";
import { PrismaPg } from "@prisma/adapter-pg";
import Database from "better-sqlite3";
import { sql } from "drizzle-orm";
import { drizzle as drizzleSqlite } from "drizzle-orm/better-sqlite3";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";
import { drizzle as drizzlePg } from "drizzle-orm/node-postgres";
import type { PgTransactionConfig } from "drizzle-orm/pg-core";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import { drizzle as drizzlePostgresJs } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { createSessions } from "../../src/index.ts";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { drizzleStore } from "../../src/stores/drizzle.ts";
import { prismaStore } from "../../src/stores/prisma.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import type { TestClient } from "../engines/prisma-client.ts";
import { prismaClient } from "../engines/prisma-client.ts";
import { newSchema } from "./postgres-support.ts";

/** An application with a table of orders, and sessions in the same database. */
interface Application {
  readonly store: SessionStore;
  /** Runs `work` in one transaction of the application's: `store` and `order` take part in it. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** As `transaction`, on the database as it is when the transaction begins. PostgreSQL only. */
  repeatableRead?<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  orders(): Promise<string[]>;
  /** The number of rows in all tables of the store; `undefined` where there are no tables. */
  rows(): Promise<number | undefined>;
  /** Runs a statement on a connection of its own. */
  run(statement: string): Promise<unknown>;
  /** The store through a connection that is no part of any transaction. */
  elsewhere(): SessionStore;
}

interface Transaction {
  readonly store: SessionStore;
  order(item: string): Promise<unknown>;
}

type Open = () => Promise<Application>;

const UNDO = new Error("undo all of it");
const FAIL_SQLITE =
  "CREATE TRIGGER failing BEFORE INSERT ON holdfast_entries WHEN new.type = 'x.bad' BEGIN SELECT RAISE(ABORT, 'not today'); END";

async function newFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-orm-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "app.db");
  const database = new Database(path);
  database.exec(
    "PRAGMA journal_mode = WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL)",
  );
  database.close();
  return path;
}

/** What looks at a file of SQLite from outside. */
function besides(path: string): Pick<Application, "orders" | "rows" | "run" | "elsewhere"> {
  const database = new Database(path, { timeout: 0 });
  const other = sqliteStore({ path });
  onTestFinished(async () => {
    database.close();
    await other.close();
  });
  const column = (statement: string): unknown[] => database.prepare(statement).pluck().all();
  return {
    orders: async () => column("SELECT item FROM orders ORDER BY id").map(String),
    async rows() {
      const tables = column("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'holdfast%s'");
      if (tables.length === 0) return undefined;
      return tables.reduce<number>((sum, name) => sum + Number(column(`SELECT count(*) FROM ${name}`)[0]), 0);
    },
    run: async (statement) => database.exec(statement),
    elsewhere: () => other,
  };
}

const prismaOnSqlite: Open = async () => {
  const path = await newFile();
  const client = await prismaClient("sqlite", new PrismaBetterSqlite3({ url: `file:${path}`, timeout: 0 }));
  onTestFinished(() => client.$disconnect());
  return {
    ...besides(path),
    store: prismaStore({ prisma: client }),
    transaction: (work) =>
      client.$transaction((tx) =>
        work({ store: prismaStore({ prisma: tx }), order: (item) => tx.order.create({ data: { item } }) }),
      ),
  };
};

const drizzleOnSqlite: Open = async () => {
  const path = await newFile();
  const database = new Database(path, { timeout: 0 });
  onTestFinished(() => void database.close());
  const db = drizzleSqlite(database);
  return {
    ...besides(path),
    store: drizzleStore({ db, busyTimeoutMs: 1000 }),
    async transaction(work) {
      db.run(sql`BEGIN IMMEDIATE`);
      try {
        const result = await work({
          store: drizzleStore({ db, transaction: "yours" }),
          order: async (item) => db.run(sql`INSERT INTO orders (item) VALUES (${item})`),
        });
        db.run(sql`COMMIT`);
        return result;
      } catch (error) {
        db.run(sql`ROLLBACK`);
        throw error;
      }
    },
  };
};

/** What every application may rely on. */
function takesPart(open: Open): void {
  test("what is committed is there with the rest of the transaction, and not before", async () => {
    const app = await open();
    await app.store.migrate();
    await app.transaction(async ({ store, order }) => {
      const sessions = createSessions({ store });
      const session = await sessions.create({ id: "s", messages: [{ role: "user", content: "A kettle." }] });
      await order("kettle");
      await session.append({ role: "assistant", content: "It is ordered." });
      expect((await session.messages()).length).toBe(2);
      expect((await sessions.list()).items.map(({ id }) => id)).toEqual(["s"]);
      expect((await sessions.search("kettle")).items).toHaveLength(1);
      expect(await app.elsewhere().find(["s"])).toEqual([undefined]);
      expect(await app.orders()).toEqual([]);
    });
    expect(await app.orders()).toEqual(["kettle"]);
    const session = await createSessions({ store: app.store }).open("s");
    expect((await session.messages()).length).toBe(2);
    await session.append({ role: "user", content: "Thanks." });
    expect((await app.elsewhere().find(["s"]))[0]?.messageCount).toBe(3);
    expect((await app.store.search?.("kettle", { order: "updated", limit: 5 }))?.items).toHaveLength(1);
  });

  test("what is rolled back leaves no trace, and the same can be done anew", async () => {
    const app = await open();
    const kept = await begin(app.store, { id: "kept" }, say("before"));
    const rows = await app.rows();
    const undone = app.transaction(async ({ store, order }) => {
      const sessions = createSessions({ store });
      await sessions.create({ id: "s", messages: [{ role: "user", content: "A kettle." }] });
      await (await sessions.open("kept")).append({ role: "user", content: "undone" });
      await order("kettle");
      throw UNDO;
    });
    await expect(undone).rejects.toBe(UNDO);
    expect(await app.rows()).toBe(rows);
    expect(await app.orders()).toEqual([]);
    expect(await app.store.find(["s", "kept"])).toEqual([undefined, kept.record]);
    await kept.write(say("after"));
    const session = await begin(app.store, { id: "s" }, say("anew"));
    await session.write(say("and on"));
    expect((await app.elsewhere().find(["s"]))[0]).toEqual(session.record);
    expect((await app.store.read("kept", { after: 0, limit: 9 })).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  test("a refusal ends nothing: conflict, duplicate and a session that exists leave the transaction as it is", async () => {
    const app = await open();
    const session = await begin(app.store, { id: "s" }, say("one", "m1"));
    await app.transaction(async ({ store, order }) => {
      const stale = commitOf({ ...session.record, version: 7 }, [say("late")]);
      expect(await outcomeOf(store, stale)).toEqual({ status: "conflict", current: session.record });
      const twice = await outcomeOf(store, session.next(say("one", "m1")));
      expect(twice).toEqual({ status: "duplicate", entryId: "m1", seq: 2 });
      const again = createSessions({ store }).create({ id: "s" });
      await expect(again).rejects.toMatchObject({ code: "SESSION_EXISTS" });
      expect(await outcomeOf(store, session.next(note(1)))).toEqual({ status: "committed" });
      await order("kettle");
    });
    expect(await app.orders()).toEqual(["kettle"]);
    expect((await app.store.find(["s"]))[0]?.version).toBe(session.record.version + 1);
  });

  test("tables that are made in a transaction go with it", async () => {
    const app = await open();
    const undone = app.transaction(async ({ store }) => {
      await begin(store, { id: "s" });
      throw UNDO;
    });
    await expect(undone).rejects.toBe(UNDO);
    expect(await app.rows()).toBeUndefined();
    await app.transaction(async ({ store }) => void (await begin(store, { id: "s" })));
    expect((await app.store.find(["s"]))[0]?.version).toBe(1);
  });

  test("removal is undone with the transaction, or takes place with it", async () => {
    const app = await open();
    const session = await begin(app.store, { id: "s" }, say("words"));
    expect((await app.store.search?.("words", { order: "updated", limit: 5 }))?.items).toHaveLength(1);
    const undone = app.transaction(async ({ store }) => {
      expect(await store.remove("s")).toBe(true);
      expect(await store.find(["s"])).toEqual([undefined]);
      throw UNDO;
    });
    await expect(undone).rejects.toBe(UNDO);
    expect(await app.store.find(["s"])).toEqual([session.record]);
    expect((await app.store.search?.("words", { order: "updated", limit: 5 }))?.items).toHaveLength(1);
    await app.transaction(({ store }) => store.remove("s"));
    expect(await app.store.find(["s"])).toEqual([undefined]);
    expect((await app.store.search?.("words", { order: "updated", limit: 5 }))?.items).toEqual([]);
  });

  test("many calls at once are done one after another", async () => {
    const app = await open();
    await app.store.migrate();
    await app.transaction(async ({ store, order }) => {
      const sessions = createSessions({ store });
      const ids = ["a", "b", "c", "d", "e"];
      await Promise.all(ids.map((id) => sessions.create({ id, messages: [{ role: "user", content: id }] })));
      await Promise.all(
        ids.map(async (id) => (await sessions.open(id)).append({ role: "user", content: id })),
      );
      await order("kettle");
    });
    const { items } = await app.store.list({ order: "created", limit: 9 });
    expect(items.map(({ messageCount }) => messageCount)).toEqual([2, 2, 2, 2, 2]);
  });
}

for (const [name, open] of [
  ["Prisma on SQLite", prismaOnSqlite],
  ["Drizzle on SQLite", drizzleOnSqlite],
] as const) {
  describe(name, () => {
    takesPart(open);

    test("of a batch that fails nothing is there, and the rest of the transaction can be kept", async () => {
      const app = await open();
      const session = await begin(app.store, { id: "s" });
      await app.run(FAIL_SQLITE);
      await app.transaction(async ({ store, order }) => {
        await order("kettle");
        const bad = session.next({ type: "x.bad", data: "Zyq" });
        const error = await rejects(
          () => store.commit([commitOf(undefined, [creation({ id: "b" })]), bad]),
          "STORE_UNAVAILABLE",
          "a batch with an entry that the database refuses",
        );
        expect(error.message).toContain("not today");
      });
      expect(await app.orders()).toEqual(["kettle"]);
      expect(await app.store.find(["b", "s"])).toEqual([undefined, session.record]);
    });

    test("another store waits until the transaction has ended, and sees nothing of what was undone", async () => {
      const app = await open();
      const session = await begin(app.store, { id: "s" });
      const undone = commitOf(session.record, [say("undone")]);
      let seen: Promise<unknown> | undefined;
      await expect(
        app.transaction(async ({ store }) => {
          expect(await outcomeOf(store, undone)).toEqual({ status: "committed" });
          seen = app.store.find(["s"]);
          await app.elsewhere().find(["s"]);
          throw UNDO;
        }),
      ).rejects.toBe(UNDO);
      expect(await seen).toEqual([session.record]);
      await session.write(note("kept"));
      expect(await app.store.find(["s"])).toEqual([session.record]);
    });
  });
}

describe("Drizzle on SQLite, what can't be joined", () => {
  test("db.transaction, which ends before anything asynchronous is done", async () => {
    const database = new Database(":memory:");
    const db = drizzleSqlite(database);
    const give = (tx: unknown): unknown => Reflect.apply(drizzleStore, undefined, [{ db: tx }]);
    expect(() => db.transaction(give)).toThrow(/ends with its callback.*transaction: "yours"/);
  });

  test("nothing where no transaction is open", async () => {
    const database = new Database(":memory:");
    const store = drizzleStore({ db: drizzleSqlite(database), transaction: "yours" });
    const error = await rejects(() => begin(store, { id: "s" }), "INVALID_ARGUMENT", "no transaction");
    expect(error.message).toContain("none is open");
    expect(database.prepare("SELECT count(*) FROM sqlite_schema").pluck().get()).toBe(0);
  });
});

test("Drizzle on PGlite: kept with a transaction, or undone with it", async () => {
  const database = await PGlite.create();
  onTestFinished(() => database.close());
  const db = drizzlePglite(database);
  const root = drizzleStore({ db });
  await root.migrate();
  for (const id of ["undone", "kept"]) {
    const done = db.transaction(async (tx) => {
      const store = drizzleStore({ db: tx });
      expect(store.capabilities).toMatchObject({ durability: "process", writers: "one-process" });
      await begin(store, { id }, say("words"));
      if (id === "undone") throw UNDO;
    });
    await done.catch((error: unknown) => expect(error).toBe(UNDO));
  }
  const { items } = await root.list({ order: "updated", limit: 5 });
  expect(items.map(({ id }) => id)).toEqual(["kept"]);
});

test("Prisma on SQLite keeps its durability after the client was disconnected", async () => {
  const path = await newFile();
  const client = await prismaClient("sqlite", new PrismaBetterSqlite3({ url: `file:${path}`, timeout: 0 }));
  onTestFinished(() => client.$disconnect());
  const store = prismaStore({ prisma: client });
  const level = async (): Promise<unknown> => client.$queryRawUnsafe("PRAGMA synchronous");
  const session = await begin(store, { id: "s" });
  expect(await level()).toEqual([{ synchronous: 2n }]);
  await client.$disconnect();
  expect(await level()).toEqual([{ synchronous: 1n }]);
  await session.write(note(1));
  expect(await level()).toEqual([{ synchronous: 2n }]);
});

const server = await startPostgres();
if (server) {
  const { url } = server;
  const pool = poolOf({ connectionString: url, max: 8 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  /** A schema with a table of orders, and a URL whose connections are in it. */
  const newApplication = async (): Promise<{ place: string; besides: ReturnType<typeof aside> }> => {
    const schema = newSchema();
    await pool.query(
      `CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.orders (id serial PRIMARY KEY, item text)`,
    );
    return { place: `${url}?options=-c%20search_path%3D${schema}`, besides: aside(schema) };
  };
  const aside = (schema: string): Pick<Application, "orders" | "rows" | "run" | "elsewhere"> => ({
    orders: async () =>
      (await pool.query(`SELECT item FROM ${schema}.orders ORDER BY id`)).rows.map(({ item }) => item),
    async rows() {
      const { rows } = await pool.query(`SELECT to_regclass('${schema}.holdfast_sessions') AS found`);
      if (rows[0]?.found === null) return undefined;
      const count = (table: string): string => `(SELECT count(*) FROM ${schema}.holdfast_${table})`;
      const all = `SELECT ${["sessions", "entries", "search"].map(count).join(" + ")} AS count`;
      return Number((await pool.query(all)).rows[0]?.count);
    },
    run: (statement) => pool.query(`SET search_path = ${schema}; ${statement}; RESET search_path`),
    elsewhere: () => drizzleStore({ db: drizzlePg(pool), schema }),
  });

  const prismaOnPostgres: Open = async () => {
    const { place, besides: others } = await newApplication();
    const client = await prismaClient("postgresql", new PrismaPg({ connectionString: place, max: 4 }));
    onTestFinished(() => client.$disconnect());
    const within = (tx: TestClient): Transaction => ({
      store: prismaStore({ prisma: tx }),
      order: (item) => tx.$executeRawUnsafe("INSERT INTO orders (item) VALUES ($1)", item),
    });
    return {
      ...others,
      store: prismaStore({ prisma: client }),
      transaction: (work) => client.$transaction((tx) => work(within(tx))),
      repeatableRead: (work) =>
        client.$transaction((tx) => work(within(tx)), { isolationLevel: "RepeatableRead" }),
    };
  };
  const throughDrizzle = (db: NodePgDatabase | PostgresJsDatabase) => {
    const run = <T>(work: (tx: Transaction) => Promise<T>, config?: PgTransactionConfig): Promise<T> =>
      db.transaction(
        (tx) =>
          work({
            store: drizzleStore({ db: tx }),
            order: async (item) => tx.execute(sql`INSERT INTO orders (item) VALUES (${item})`),
          }),
        config,
      );
    return {
      store: drizzleStore({ db }),
      transaction: <T>(work: (tx: Transaction) => Promise<T>) => run(work),
      repeatableRead: <T>(work: (tx: Transaction) => Promise<T>) =>
        run(work, { isolationLevel: "repeatable read" }),
    };
  };
  const drizzleOnPostgres: Open = async () => {
    const { place, besides: others } = await newApplication();
    const own = poolOf({ connectionString: place, max: 4 });
    onTestFinished(() => own.end());
    const db = drizzlePg(own);
    return { ...others, ...throughDrizzle(db) };
  };
  const drizzleOnPostgresJs: Open = async () => {
    const { place, besides: others } = await newApplication();
    const own = postgres(place, { max: 4, onnotice: () => undefined });
    onTestFinished(() => own.end());
    const db = drizzlePostgresJs(own);
    return { ...others, ...throughDrizzle(db) };
  };

  for (const [name, open] of [
    ["Prisma on PostgreSQL", prismaOnPostgres],
    ["Drizzle on PostgreSQL through node-postgres", drizzleOnPostgres],
    ["Drizzle on PostgreSQL through postgres-js", drizzleOnPostgresJs],
  ] as const) {
    describe(name, () => {
      takesPart(open);

      test("transactions that append to one session wait for each other, and both are there", async () => {
        const app = await open();
        await begin(app.store, { id: "s" });
        const append = (content: string): Promise<void> =>
          app.transaction(async ({ store }) => {
            const session = await createSessions({ store }).open("s");
            await session.append({ role: "user", content });
          });
        await Promise.all([append("one"), append("two"), append("three")]);
        const session = await createSessions({ store: app.store }).open("s");
        expect((await session.messages()).map(({ content }) => content).sort()).toEqual([
          "one",
          "three",
          "two",
        ]);
      });

      test("a transaction that PostgreSQL undid says so, and run again as a whole it is kept", async () => {
        const app = await open();
        const session = await begin(app.store, { id: "s" });
        const work = async ({ store, order }: Transaction, isFirst: boolean): Promise<void> => {
          await order("kettle");
          const [record] = await store.find(["s"]);
          if (isFirst) await session.write(say("between"));
          await outcomeOf(store, commitOf(record, [say("mine")]));
        };
        const strict = (isFirst: boolean): Promise<void> | undefined =>
          app.repeatableRead?.((tx) => work(tx, isFirst));
        const error = await rejects(
          async () => strict(true),
          "STORE_UNAVAILABLE",
          "a transaction that was undone",
        );
        expect(error.message).toMatch(/your transaction.*was undone.*run the whole of it again/);
        expect(error.retryable).toBe(true);
        expect(await app.orders()).toEqual([]);
        await strict(false);
        expect(await app.orders()).toEqual(["kettle"]);
        const entries = await app.store.read("s", { after: 1, limit: 5 });
        expect(entries.map(({ seq }) => seq)).toEqual([2, 3]);
      });

      test("a store does not outlive its transaction unnoticed: where Prisma can tell, it says so", async () => {
        const app = await open();
        if (!name.startsWith("Prisma")) return;
        const session = await begin(app.store, { id: "s" });
        const store = await app.transaction(async (tx) => tx.store);
        const late = await rejects(
          () => store.commit([session.next(say("late"))]),
          "STORE_UNAVAILABLE",
          "late",
        );
        expect(late.message).toMatch(/has ended.*with a store of its own/);
        expect((await app.store.find(["s"]))[0]?.version).toBe(1);
      });

      test("an error of the database names none of the values, and ends the transaction", async () => {
        const app = await open();
        const session = await begin(app.store, { id: "s" });
        await app.run(
          "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$; CREATE TRIGGER failing BEFORE INSERT ON holdfast_entries FOR EACH ROW EXECUTE FUNCTION fail()",
        );
        const failing = (store: SessionStore): Promise<unknown> =>
          store.commit([session.next(say("ZyqSecretZyq", "ZyqIdZyq"))]);
        for (const isJoined of [true, false]) {
          const error = await rejects(
            () => (isJoined ? app.transaction(({ store }) => failing(store)) : failing(app.store)),
            "STORE_UNAVAILABLE",
            "a statement that fails",
          );
          expect(error.message).toContain("not today");
          expect(inspect(error, { depth: 10 })).not.toContain("Zyq");
        }
      });
    });
  }
}

/**
 * Other names of columns: hostile ones are refused, the tables have those that were given and no others, and what is
 * there under other names is left as it is. That all works under such names is for the conformance suite.
 */
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, say } from "../../src/store/conformance/build.ts";
import { idsOf } from "../../src/store/conformance/cases/list.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { RENAMED } from "./orm-names.ts";
import { follow, newSchema } from "./postgres-support.ts";
import { newPath, openDatabase, openStore } from "./sqlite-support.ts";

const { tables, columns } = RENAMED;
const { position, ...entries } = columns.entries;
const { metadata, ...sessions } = columns.sessions;

/** What the view of messages shows, whatever the columns beneath are called. */
const SHOWN = { session: "a", seq: 2, role: "user", text: "Where?", namespace: "" };

describe("SQLite", () => {
  const open = async () => {
    const path = await newPath();
    const database = openDatabase(path);
    const namesIn = (table: string): unknown[] =>
      database
        .prepare("SELECT name FROM pragma_table_info(?) ORDER BY name")
        .all(table)
        .map(({ name }) => name);
    return { path, database, namesIn, store: openStore({ path, ...RENAMED }) };
  };

  test("tables have just these columns, and the view shows what it always does", async () => {
    const { store, database, namesIn } = await open();
    await begin(store, { id: "a" }, say("Where?"));
    expect(namesIn(tables.sessions)).toEqual(Object.values(sessions).sort());
    expect(namesIn(tables.entries)).toEqual([...Object.values(entries), position].sort());
    expect(database.prepare(`SELECT * FROM "${tables.messages}"`).all()).toMatchObject([SHOWN]);
  });

  test("a column that is gone is named as it is called, and nothing is changed", async () => {
    const { store, path, database } = await open();
    await begin(store, { id: "a" }, say("Where?"));
    await store.close();
    database.exec(`DROP VIEW "${tables.messages}"; ALTER TABLE "Order" DROP COLUMN "commitId"`);
    const schema = "SELECT name, sql FROM sqlite_schema";
    const before = database.prepare(schema).all();
    const broken = openStore({ path, ...RENAMED });
    const error = await rejects(() => broken.find(["a"]), "STORE_CORRUPT", "a read");
    expect(error.message).toContain("table Order lacks commitId,");
    expect(database.prepare(schema).all()).toEqual(before);
  });

  test("tables that are there under other names are left as they are, and used once they are renamed", async () => {
    const { path } = await open();
    const store = openStore({ path });
    await begin(store, { id: "a", userId: "alice" }, say("Where?"));
    const other = openStore({ path, columns: { sessions: { user_id: "userId" } } });
    const error = await rejects(() => other.find(["a"]), "STORE_CORRUPT", "a read");
    expect(error.message).toMatch(/holdfast_sessions lacks userId, .*option "columns"/);
    expect(await idsOf(store)).toEqual(["a"]);
    await store.close();
    openDatabase(path).exec("ALTER TABLE holdfast_sessions RENAME COLUMN user_id TO userId");
    expect(await idsOf(other, { userId: "alice" })).toEqual(["a"]);
  });
});

const server = await startPostgres();
if (server) {
  const pool = poolOf({ connectionString: server.url, max: 4 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  describe("PostgreSQL", () => {
    const open = () => {
      const schema = newSchema();
      const store = postgresStore({ pool, schema, ...RENAMED });
      onTestFinished(() => store.close());
      const namesIn = async (table: string): Promise<unknown[]> => {
        const { rows } = await pool.query(
          "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2",
          [schema, table],
        );
        return rows.map(({ name }) => name).sort();
      };
      return { schema, store, namesIn };
    };

    test("tables have just these columns, and the view shows what it always does", async () => {
      const { schema, store, namesIn } = open();
      await begin(store, { id: "a" }, say("Where?"));
      expect(await namesIn(tables.sessions)).toEqual([...Object.values(sessions), metadata].sort());
      expect(await namesIn(tables.entries)).toEqual(Object.values(entries).sort());
      const { rows } = await pool.query(`SELECT * FROM ${schema}."${tables.messages}"`);
      expect(rows).toMatchObject([{ ...SHOWN, seq: "2" }]);
    });

    test("a session is watched", async () => {
      const { schema, store } = open();
      const writer = postgresStore({ pool, schema, ...RENAMED });
      onTestFinished(() => writer.close());
      const session = await begin(writer, { id: "a" }, say("Where?"));
      expect(store.capabilities.watch).toBe("push");
      const abort = new AbortController();
      const watch = follow(store, "a", abort);
      await expect.poll(() => watch.seqs).toEqual([1, 2]);
      await session.write(say("Here."));
      await expect.poll(() => watch.seqs, { timeout: 5000 }).toEqual([1, 2, 3]);
      abort.abort();
      expect(await watch.done).toBeUndefined();
    });

    test("a column that is gone is named as it is called, and so are names that were not given", async () => {
      const { schema, store } = open();
      await begin(store, { id: "a" }, say("Where?"));
      const unnamed = postgresStore({ pool, schema, tables });
      const forgotten = await rejects(() => unnamed.find(["a"]), "STORE_CORRUPT", "a read");
      expect(forgotten.message).toMatch(/ChatSession lacks key, .*option "columns"/);
      await pool.query(`ALTER TABLE ${schema}."Order" DROP COLUMN "commitId"`);
      const broken = postgresStore({ pool, schema, ...RENAMED });
      const error = await rejects(() => broken.find(["a"]), "STORE_CORRUPT", "a read");
      expect(error.message).toContain("table Order lacks commitId,");
    });
  });
}

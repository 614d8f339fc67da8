/**
 * Synchronous work on a client that answers with promises: each statement is sent once and in order.
 */
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import type { Sql } from "../../src/stores/sqlite/connection.ts";
import { isRow } from "../../src/stores/sqlite/driver.ts";
import type { Statements } from "../../src/stores/sqlite/replay.ts";
import { replay } from "../../src/stores/sqlite/replay.ts";

/** A database behind promises, and what it was sent. */
function open(): { statements: Statements; sent: string[] } {
  const database = new DatabaseSync(":memory:");
  const sent: string[] = [];
  return {
    sent,
    statements: {
      async all(sql, values) {
        sent.push(sql);
        return database
          .prepare(sql)
          .all(...values)
          .filter(isRow);
      },
      async run(sql, values) {
        sent.push(sql);
        return Number(database.prepare(sql).run(...values).changes);
      },
    },
  };
}

const CREATE = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)";
const INSERT = "INSERT INTO t (b) VALUES (?)";

test("a read sees the writes before it, and the work gets what the statements answer", async () => {
  const { statements, sent } = open();
  const work = (sql: Sql): unknown => {
    sql.exec(`${CREATE}; CREATE TABLE u (x)`);
    const key = sql.run(INSERT, "one").lastInsertRowid;
    sql.run(INSERT, "two");
    const before = sql.all("SELECT b FROM t ORDER BY a").map(({ b }) => b);
    const changed = sql.run("UPDATE t SET b = 'x' WHERE a > ?", 0).changes;
    const none = sql.get("SELECT b FROM t WHERE a = ?", 99);
    return { key, before, changed, none, after: sql.inSnapshot(() => sql.get("SELECT b FROM t")?.b) };
  };
  const answer = { key: 1, before: ["one", "two"], changed: 2, none: undefined, after: "x" };
  expect(await replay(statements, work)).toEqual(answer);
  const writes = sent.filter((sql) => !sql.startsWith("SELECT"));
  expect(writes).toEqual([CREATE, "CREATE TABLE u (x)", INSERT, INSERT, "UPDATE t SET b = 'x' WHERE a > ?"]);
});

test("rows for one table go together, in order, and no more than a statement takes", async () => {
  const { statements, sent } = open();
  const run = async (count: number): Promise<unknown> =>
    replay(statements, (sql) => {
      for (let index = 0; index < count; index += 1) sql.run(INSERT, `${index}`);
      return sql.all("SELECT a - 1 AS place, b FROM t ORDER BY a").map(({ place, b }) => `${place}` === b);
    });
  await statements.run(CREATE, []);
  sent.length = 0;
  expect(await run(9000)).toEqual(Array(9000).fill(true));
  expect(sent.filter((sql) => sql.startsWith("INSERT"))).toHaveLength(3);
});

test("work that fails sends nothing of what it had not waited for; work that ends sends all", async () => {
  const { statements, sent } = open();
  await statements.run(CREATE, []);
  const failing = replay(statements, (sql) => {
    sql.run(INSERT, "never");
    throw new RangeError("no");
  });
  await expect(failing).rejects.toThrow(new RangeError("no"));
  await replay(statements, (sql) => void sql.run(INSERT, "last"));
  expect(sent).toEqual([CREATE, INSERT]);
  expect(await statements.all("SELECT b FROM t", [])).toEqual([{ b: "last" }]);
});

test("an error of the database ends the work, which can't take it for its own", async () => {
  const { statements } = open();
  const work = (sql: Sql): unknown => {
    try {
      return sql.get("SELECT * FROM missing");
    } catch (error) {
      if (error instanceof TypeError) return "swallowed";
      throw error;
    }
  };
  await expect(replay(statements, work)).rejects.toThrow("no such table: missing");
});

test("work that does something else when it is run again is found out", async () => {
  const { statements } = open();
  let runs = 0;
  const work = (sql: Sql): unknown => {
    runs += 1;
    return sql.get(`SELECT ${runs}`);
  };
  await expect(replay(statements, work)).rejects.toThrow(/the same work did SELECT 2 where it did SELECT 1/);
});

/**
 * @module
 * The MySQL store for the conformance suite: a database of its own for each case, on one server.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Pool } from "mysql2/promise";
import type { ConformanceHarness } from "../../src/store/conformance/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { MysqlDriver, MysqlLocation, OpenedMysql } from "./mysql-open.ts";
import { openMysql } from "./mysql-open.ts";

const WRITER_PROCESS = fileURLToPath(new URL("mysql-writer-process.ts", import.meta.url));
const run = promisify(execFile);

export function newDatabaseName(): string {
  return `test_${randomBytes(6).toString("hex")}`;
}

/** The address of database `name` on the server at `url`. */
export function urlOf(url: string, name: string): string {
  return url.replace(/\/holdfast$/, `/${name}`);
}

/** Stores in databases of the server at `url`, through the client that `driver` names. `pool` is for looking on. */
export function mysqlHarness(
  driver: MysqlDriver,
  url: string,
  pool: Pool,
  ...namespaces: string[]
): ConformanceHarness {
  let name = "";
  let opened: OpenedMysql[] = [];
  const location = (): MysqlLocation => ({ driver, url: urlOf(url, name), namespaces });
  const connect = async (): Promise<SessionStore> => {
    const connection = await openMysql(location());
    opened.push(connection);
    return connection.store;
  };
  const closeAll = async (): Promise<void> => {
    await Promise.all(opened.map(({ close }) => close()));
    opened = [];
  };
  return {
    async open() {
      name = newDatabaseName();
      await pool.query(`CREATE DATABASE ${name}`);
      return connect();
    },
    openSecond: connect,
    async restart() {
      await closeAll();
      return connect();
    },
    async runWriter(task) {
      const args = [WRITER_PROCESS, JSON.stringify(location()), JSON.stringify(task)];
      const { stdout } = await run(process.execPath, args);
      return JSON.parse(stdout);
    },
    residue: (needle) => placesOf(pool, name, needle),
    async destroy() {
      await closeAll();
      await pool.query(`DROP DATABASE IF EXISTS ${name}`);
    },
  };
}

/**
 * The tables of database `name` whose rows hold `needle`, in upper or lower case, as it is or in hexadecimal. What the
 * server keeps for its full-text index is not looked into: it holds words of removed rows until it is optimised.
 */
async function placesOf(pool: Pool, name: string, needle: string): Promise<string[]> {
  const needles = [needle, Buffer.from(needle).toString("hex")].map((form) => form.toLowerCase());
  const [tables] = await pool.query({
    sql: "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE'",
    rowsAsArray: true,
    values: [name],
  });
  const places: string[] = [];
  for (const table of Array.isArray(tables) ? tables.flat() : []) {
    const [rows] = await pool.query({ sql: `SELECT * FROM ${name}.${String(table)}`, rowsAsArray: true });
    const values: unknown[] = Array.isArray(rows) ? rows.flat() : [];
    const held = values.map(String).join("\n").toLowerCase();
    if (needles.some((form) => held.includes(form))) places.push(String(table));
  }
  return places;
}

/**
 * @module
 * What tests of the MySQL store need of a server: databases of their own, stores on them, and a look at its locks.
 */
import type { Connection, Pool } from "mysql2/promise";
import { createConnection, createPool } from "mysql2/promise";
import { afterAll, expect, onTestFinished } from "vitest";
import type { SessionStore } from "../../src/store/store.ts";
import { mysqlStore } from "../../src/stores/mysql.ts";
import type { MariadbServer } from "../engines/mariadb-server.ts";
import { startMariadb } from "../engines/mariadb-server.ts";
import { newDatabaseName } from "./mysql-harness.ts";

export const QUERY = { order: "updated", limit: 10 } as const;

export interface MysqlTools {
  readonly server: MariadbServer;
  /** For looking on. */
  readonly pool: Pool;
  /** The address of a database that is new. */
  newUrl(): Promise<string>;
  /** A pool that ends with the test. */
  newPool(uri: string): Pool;
  newStore(uri: string): SessionStore;
  /** A connection of its own, with a transaction open that the test ends. */
  openTransaction(uri: string): Promise<Connection>;
  /** The last column of the last row. */
  lastValue(sql: string): Promise<unknown>;
  /** Waits until `count` transactions wait for a lock. */
  areWaiting(count: number): Promise<void>;
}

/** Starts a server for the tests of a file; `undefined` where there is none. */
export async function mysqlTools(
  settings?: Readonly<Record<string, string>>,
): Promise<MysqlTools | undefined> {
  const server = await startMariadb(settings);
  if (!server) return undefined;
  const pool = createPool({ uri: server.url, connectionLimit: 4 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });
  const newPool = (uri: string): Pool => {
    const own = createPool({ uri, connectionLimit: 8 });
    onTestFinished(() => own.end());
    return own;
  };
  const lastValue = async (sql: string): Promise<unknown> => {
    const [rows] = await pool.query({ sql, rowsAsArray: true });
    return Array.isArray(rows) ? rows.flat().at(-1) : undefined;
  };
  return {
    server,
    pool,
    newUrl: () => server.newDatabase(newDatabaseName()),
    newPool,
    newStore: (uri) => mysqlStore({ pool: newPool(uri) }),
    async openTransaction(uri) {
      const connection = await createConnection({ uri });
      onTestFinished(() => connection.end());
      await connection.query("START TRANSACTION");
      return connection;
    },
    lastValue,
    async areWaiting(count) {
      const sql = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'";
      await expect.poll(() => lastValue(sql), { timeout: 5000 }).toBe(String(count));
    },
  };
}

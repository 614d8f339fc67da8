/**
 * @module
 * Opens the MySQL store by a description that is plain JSON, so that another process can open the same one.
 */
import { createConnection as createCallbackConnection, createPool as createCallbackPool } from "mysql2";
import { createConnection, createPool } from "mysql2/promise";
import type { SessionStore } from "../../src/store/store.ts";
import type { MysqlClient } from "../../src/stores/mysql/client.ts";
import { mysqlStore } from "../../src/stores/mysql.ts";

export type MysqlDriver = "pool" | "connection" | "callback-pool" | "callback-connection" | "url";

export interface MysqlLocation {
  readonly driver: MysqlDriver;
  readonly url: string;
  /** Namespaces, outermost first. */
  readonly namespaces: readonly string[];
}

export interface OpenedMysql {
  readonly store: SessionStore;
  /** Closes the store and the client that was opened for it. Safe to repeat. */
  close(): Promise<void>;
}

export async function openMysql({ driver, url, namespaces }: MysqlLocation): Promise<OpenedMysql> {
  const { store, end } = await openRoot(driver, url);
  let isOpen = true;
  return {
    store: namespaces.reduce((view, name) => view.namespace(name), store),
    async close() {
      await store.close();
      if (isOpen) await end();
      isOpen = false;
    },
  };
}

async function openRoot(
  driver: MysqlDriver,
  uri: string,
): Promise<{ store: SessionStore; end: () => Promise<unknown> }> {
  if (driver === "url") return { store: mysqlStore({ url: uri }), end: async () => undefined };
  const { client, end } = await openClient(driver, uri);
  return { store: mysqlStore(driver.endsWith("pool") ? { pool: client } : { client }), end };
}

async function openClient(
  driver: Exclude<MysqlDriver, "url">,
  uri: string,
): Promise<{ client: MysqlClient; end: () => Promise<unknown> }> {
  switch (driver) {
    case "pool": {
      const pool = createPool({ uri, connectionLimit: 4 });
      return { client: pool, end: () => pool.end() };
    }
    case "connection": {
      const connection = await createConnection({ uri });
      return { client: connection, end: () => connection.end() };
    }
    case "callback-pool": {
      const pool = createCallbackPool({ uri, connectionLimit: 4 });
      return { client: pool, end: () => pool.promise().end() };
    }
    case "callback-connection": {
      const connection = createCallbackConnection({ uri });
      return { client: connection, end: () => connection.promise().end() };
    }
  }
}

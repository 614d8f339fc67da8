/**
 * @module
 * Opens a store by a description that is plain JSON, so that another process can open the same one.
 */
import { createRequire } from "node:module";
import type { SessionStore } from "../../src/store/store.ts";
import { fileStore } from "../../src/stores/file.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import type { SqliteDatabase } from "../../src/stores/sqlite/driver.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { poolOf } from "../engines/pool.ts";

export type StoreKind = "file" | "sqlite" | "better-sqlite3" | "libsql";

export interface StoreLocation {
  readonly kind: StoreKind;
  /** The folder that holds all that the store writes. */
  readonly folder: string;
  /** Namespaces, outermost first. */
  readonly namespaces: readonly string[];
}

/** A schema of a PostgreSQL database, through pg or postgres.js. */
export interface PostgresLocation {
  readonly kind: "pg" | "postgres.js";
  readonly url: string;
  readonly schema: string;
  readonly namespaces: readonly string[];
}

export interface OpenedStore {
  readonly store: SessionStore;
  /** Closes the store and what was opened for it. Safe to repeat. */
  close(): Promise<void>;
}

export function openStore(location: StoreLocation | PostgresLocation): OpenedStore {
  const { store, close } =
    "url" in location ? openPostgres(location) : openRoot(location.kind, location.folder);
  return { store: location.namespaces.reduce((view, name) => view.namespace(name), store), close };
}

function openRoot(kind: StoreKind, folder: string): OpenedStore {
  if (kind === "file") return closable(fileStore({ directory: `${folder}/sessions` }));
  const path = `${folder}/sessions.db`;
  if (kind === "sqlite") return closable(sqliteStore({ path }));
  const database = openDatabase(kind, path);
  return closable(sqliteStore({ database }), () => database.close());
}

function openPostgres({ kind, url, schema }: PostgresLocation): OpenedStore {
  if (kind === "pg") {
    const pool = poolOf({ connectionString: url, max: 4 });
    return closable(postgresStore({ pool, schema }), () => pool.end());
  }
  const postgres: typeof import("postgres") = createRequire(import.meta.url)("postgres");
  const sql = postgres(url, { max: 4, onnotice: () => undefined });
  return closable(postgresStore({ pool: sql, schema }), () => sql.end());
}

function closable(store: SessionStore, release: () => unknown = () => undefined): OpenedStore {
  let isOpen = true;
  return {
    store,
    async close() {
      await store.close();
      if (isOpen) await release();
      isOpen = false;
    },
  };
}

type Driver = new (path: string) => SqliteDatabase & { close(): unknown };

/** A database of a driver that comes without types. */
function openDatabase(driver: "better-sqlite3" | "libsql", path: string): InstanceType<Driver> {
  const Database: unknown = createRequire(import.meta.url)(driver);
  if (!isDriver(Database)) throw new TypeError(`${driver} exports no class`);
  return new Database(path);
}

function isDriver(value: unknown): value is Driver {
  return typeof value === "function";
}

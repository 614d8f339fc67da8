/**
 * @module
 * Databases for the tests of the SQLite store: of each driver, in folders of their own.
 */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { onTestFinished } from "vitest";
import type { SessionStore } from "../../src/store/store.ts";
import type { SqliteDatabase, SqliteStoreOptions } from "../../src/stores/sqlite.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";

export type OwnedDatabase = SqliteDatabase & { close(): unknown };
type Driver = new (path: string, options?: object) => OwnedDatabase;

/** Opens a database with each driver that the store takes. */
export const DRIVERS: Readonly<Record<string, (path: string) => OwnedDatabase>> = {
  "node:sqlite": (path) => new DatabaseSync(path),
  "better-sqlite3": (path) => openWith("better-sqlite3", path),
  libsql: (path) => openWith("libsql", path),
};

function openWith(driver: string, path: string): OwnedDatabase {
  const Database: unknown = createRequire(import.meta.url)(driver);
  if (!isDriver(Database)) throw new TypeError(`${driver} exports no class`);
  return new Database(path, { timeout: 0 });
}

function isDriver(value: unknown): value is Driver {
  return typeof value === "function";
}

/** A folder that goes with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-sqlite-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The path of a database that does not exist yet. */
export async function newPath(): Promise<string> {
  return join(await temporaryFolder(), "sessions.db");
}

/** A store that is closed when the test ends. */
export function openStore(options: SqliteStoreOptions): SessionStore {
  const store = sqliteStore(options);
  onTestFinished(() => store.close());
  return store;
}

/** A plain connection beside the store, closed when the test ends. */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  onTestFinished(() => {
    if (database.isOpen) database.close();
  });
  return database;
}

/**
 * All bytes of the database in `folder`: file, write-ahead log and shared memory. Read by another process: POSIX drops
 * all locks that a process has on a file when it closes any descriptor of it, those of SQLite's connections too.
 */
export function rawBytes(folder: string): string {
  const paths = readdirSync(folder).map((name) => join(folder, name));
  return execFileSync("cat", paths, { encoding: "latin1", maxBuffer: 2 ** 30 });
}

/** The value of the only column of the only row. */
export function singleValue(database: SqliteDatabase, sql: string): unknown {
  const row = database.prepare(sql).get();
  return typeof row === "object" && row !== null ? Object.values(row)[0] : undefined;
}

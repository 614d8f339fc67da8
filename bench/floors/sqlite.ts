/**
 * @module
 * SQLite driven by hand: a session row that knows when it was updated, an index to list the newest by, an entry row;
 * nothing checked but the version. What any program that keeps and lists conversations in SQLite has to do at least.
 */
import { DatabaseSync } from "node:sqlite";
import type { BenchMessage } from "../messages.ts";

export interface SqliteFloor {
  create(id: string): void;
  /** Guarded update and insert, in a transaction of their own. */
  append(id: string, message: BenchMessage): void;
  /** One message to each of `ids`, all in one transaction. */
  appendToAll(ids: readonly string[], message: BenchMessage): void;
  close(): void;
}

export interface SqliteFloorOptions {
  readonly synchronous: "FULL" | "NORMAL";
  /** SQLite's default of 4096, or 2048 as the store has it. */
  readonly pageBytes: 4096 | 2048;
}

export function sqliteFloor(path: string, { synchronous, pageBytes }: SqliteFloorOptions): SqliteFloor {
  const database = new DatabaseSync(path);
  database.exec(`
    PRAGMA page_size = ${pageBytes};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = ${synchronous};
    PRAGMA wal_autocheckpoint = ${(1000 * 4096) / pageBytes};
    CREATE TABLE sessions (id TEXT PRIMARY KEY, version INTEGER NOT NULL, updated_at INTEGER NOT NULL);
    CREATE INDEX sessions_updated ON sessions (updated_at);
    CREATE TABLE entries (session_id TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, message TEXT NOT NULL, PRIMARY KEY (session_id, seq));
  `);
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  const create = database.prepare("INSERT INTO sessions VALUES (?, 0, ?)");
  const update = database.prepare(
    "UPDATE sessions SET version = ?, updated_at = ? WHERE id = ? AND version = ?",
  );
  const insert = database.prepare("INSERT INTO entries VALUES (?, ?, ?, ?)");
  const versions = new Map<string, number>();

  const write = (id: string, message: BenchMessage): void => {
    const version = versions.get(id) ?? 0;
    const at = Date.now();
    if (update.run(version + 1, at, id, version).changes !== 1)
      throw new Error(`${id} was changed by another writer`);
    insert.run(id, version + 1, at, JSON.stringify(message));
    versions.set(id, version + 1);
  };

  return {
    create(id) {
      create.run(id, Date.now());
    },
    append(id, message) {
      begin.run();
      write(id, message);
      commit.run();
    },
    appendToAll(ids, message) {
      begin.run();
      for (const id of ids) write(id, message);
      commit.run();
    },
    close: () => database.close(),
  };
}

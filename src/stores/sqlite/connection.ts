/**
 * @module
 * One connection: opened and migrated at first use, waited for without blocking while another process has it locked.
 *
 * The drivers are synchronous, so a transaction begins and ends within one turn of the event loop and no two of them
 * ever meet on a connection. SQLite's own busy timeout would stop the whole process while it waits, so here it is 0 and
 * the waiting is done between attempts.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { HoldfastError, messageOf } from "../../log/errors.ts";
import type { MigrationReport } from "../../store/store.ts";
import type { SqlTables } from "../sql/names.ts";
import type { Row, RunResult, SqliteDatabase, SqliteStatement, SqlValue } from "./driver.ts";
import { isRow } from "./driver.ts";
import { isBusy, isForeignTransaction, lockedError, NAME, toHoldfastError } from "./errors.ts";
import { migrate, migrationRequired, SCHEMA_VERSION, schemaVersion } from "./schema.ts";

/** Statements by their text, each prepared once. */
export interface Sql {
  get(sql: string, ...values: SqlValue[]): Row | undefined;
  all(sql: string, ...values: SqlValue[]): Row[];
  run(sql: string, ...values: SqlValue[]): RunResult;
  /** Runs a script. */
  exec(sql: string): void;
}

export interface Connection {
  /** Names the database, for messages. */
  readonly what: string;
  /** Runs `work`, which must be synchronous. Again from the start where the database was locked. */
  run<T>(work: (sql: Sql) => T): Promise<T>;
  /** As `run`, within a write transaction: all that `work` writes, or nothing. */
  transaction<T>(work: (sql: Sql) => T): Promise<T>;
  migrate(): Promise<MigrationReport>;
  /** Copies the log into the database and empties it; `false` where a reader in another process stood in the way. */
  truncateLog(): Promise<boolean>;
  close(): Promise<void>;
}

export interface ConnectionOptions {
  /** A path, or a database that stays its owner's. */
  readonly source: { readonly path: string } | { readonly database: SqliteDatabase };
  readonly tables: SqlTables;
  readonly durability: "full" | "normal";
  readonly migrate: "auto" | "manual";
  readonly busyTimeoutMs: number;
}

interface Opened {
  readonly sql: Sql;
  isMigrated: boolean;
  close(): void;
}

/**
 * Half of SQLite's default: an append rewrites a part of four or five pages whole, and a typical message fills a
 * quarter of one. Measured on 2,000 messages of tau-bench, an append writes 10 kB to the log in place of 18 kB, the
 * file grows by 2 %.
 */
const PAGE_BYTES = 2048;
/** As much log as SQLite's default of 1,000 pages of 4 KiB before it is copied into the database. */
const CHECKPOINT_PAGES = 2000;
/** A list has a statement for each combination of conditions; more than that are prepared again. */
const MAX_STATEMENTS = 200;
const MAX_PAUSE_MS = 50;
/** How long a removal waits for readers before it leaves the log to the next one. */
const TRUNCATE_WAIT_MS = 1000;

export function createConnection(options: ConnectionOptions): Connection {
  const { tables, busyTimeoutMs } = options;
  const what = describe(options);
  let opened: Opened | undefined;
  let isClosed = false;

  const open = (mayMigrate: boolean): Opened => {
    if (isClosed) {
      throw new HoldfastError("STORE_UNAVAILABLE", "the sqlite store is closed; make a new one", {
        store: NAME,
        retryable: false,
      });
    }
    opened ??= openDatabase(options, mayMigrate);
    return opened;
  };

  const ready = (): Sql => {
    const mayMigrate = options.migrate === "auto";
    const database = open(mayMigrate);
    if (!database.isMigrated) bringUpToDate(mayMigrate);
    return database.sql;
  };

  const bringUpToDate = (mayMigrate: boolean): MigrationReport => {
    const database = open(mayMigrate);
    const { sql } = database;
    let from = schemaVersion(sql, tables);
    let steps: string[] = [];
    if (from < SCHEMA_VERSION) {
      if (!mayMigrate) throw migrationRequired(from);
      steps = atomically(sql, () => {
        from = schemaVersion(sql, tables);
        return from < SCHEMA_VERSION ? migrate(sql, tables, from) : [];
      });
    }
    database.isMigrated = true;
    return { store: NAME, from, to: SCHEMA_VERSION, steps };
  };

  const atomically = <T>(sql: Sql, work: () => T): T => {
    sql.run("BEGIN IMMEDIATE");
    try {
      const result = work();
      sql.run("COMMIT");
      return result;
    } catch (error) {
      rollBack(sql, error);
      throw error;
    }
  };

  const rollBack = (sql: Sql, reason: unknown): void => {
    try {
      sql.run("ROLLBACK");
    } catch (error) {
      // A full disk or an I/O error makes SQLite roll back by itself.
      if (messageOf(error).includes("no transaction is active")) return;
      opened?.close();
      opened = undefined;
      throw toHoldfastError(
        new AggregateError([reason, error], `rolling back failed: ${messageOf(error)}`),
        what,
      );
    }
  };

  const attempt = async <T>(work: () => T): Promise<T> => {
    let startedAt: number | undefined;
    for (let count = 0; ; count += 1) {
      try {
        return work();
      } catch (error) {
        if (!isBusy(error) && !isForeignTransaction(error)) throw toHoldfastError(error, what);
        startedAt ??= performance.now();
        const waitedMs = Math.round(performance.now() - startedAt);
        if (waitedMs >= busyTimeoutMs) throw lockedError(error, what, waitedMs);
        await pause(count, busyTimeoutMs - waitedMs);
      }
    }
  };

  const truncateLog = async (): Promise<boolean> => {
    const startedAt = performance.now();
    for (let count = 0; ; count += 1) {
      const row = ready().get("PRAGMA wal_checkpoint(TRUNCATE)");
      if (Number(row?.busy ?? 0) === 0) return true;
      const leftMs = Math.min(busyTimeoutMs, TRUNCATE_WAIT_MS) - (performance.now() - startedAt);
      if (leftMs <= 0) return false;
      await pause(count, leftMs);
    }
  };

  return {
    what,
    run: (work) => attempt(() => work(ready())),
    transaction: (work) =>
      attempt(() => {
        const sql = ready();
        return atomically(sql, () => work(sql));
      }),
    migrate: () => attempt(() => bringUpToDate(true)),
    async truncateLog() {
      try {
        return await truncateLog();
      } catch (error) {
        if (isBusy(error)) return false;
        throw toHoldfastError(error, what);
      }
    },
    async close() {
      isClosed = true;
      const closing = opened;
      opened = undefined;
      try {
        closing?.close();
      } catch (error) {
        throw toHoldfastError(error, what);
      }
    },
  };
}

/** Short at first, since a writer is rarely in the way for longer than its fsync; random, so that two don't keep step. */
async function pause(count: number, atMostMs: number): Promise<void> {
  if (count < 2) await nextTurn();
  else await delay(Math.min(atMostMs, Math.random() * Math.min(MAX_PAUSE_MS, 2 ** count)));
}

function describe({ source }: ConnectionOptions): string {
  if ("database" in source) return "the SQLite database that was passed in";
  return source.path === ":memory:" ? "the SQLite database in memory" : `the SQLite database ${source.path}`;
}

function openDatabase({ source, tables, durability }: ConnectionOptions, mayMigrate: boolean): Opened {
  // Read before anything is set, so that a database that is not for us stays as it is.
  const versionIn = (sql: Sql): number => {
    const version = schemaVersion(sql, tables);
    if (!mayMigrate && version < SCHEMA_VERSION) throw migrationRequired(version);
    return version;
  };
  if ("database" in source) {
    const sql = statementsOf(source.database);
    versionIn(sql);
    configure(sql, durability);
    return { sql, isMigrated: false, close: () => undefined };
  }
  const { path } = source;
  if (path !== ":memory:") makeFolder(path);
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  const database = new DatabaseSync(path);
  try {
    const sql = statementsOf(database);
    if (versionIn(sql) === 0) sql.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
    configure(sql, durability);
    sql.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    return { sql, isMigrated: false, close: () => database.close() };
  } catch (error) {
    database.close();
    throw error;
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw new HoldfastError(
      "STORE_UNAVAILABLE",
      `the folder of the SQLite database ${path} can't be made (${messageOf(error)}); give a path in a folder that this process may write to`,
      { store: NAME, cause: error, retryable: false },
    );
  }
}

/**
 * - WAL lets readers and one writer work at once, in any number of processes of one machine.
 * - FULL syncs the log at each commit; NORMAL only when it is copied into the database. `fullfsync` is for macOS, where
 *   a plain fsync leaves data in the drive's cache.
 * - `secure_delete` overwrites what is deleted with zeros.
 *
 * @see https://www.sqlite.org/pragma.html
 */
function configure(sql: Sql, durability: "full" | "normal"): void {
  sql.get("PRAGMA journal_mode = WAL");
  sql.exec(`PRAGMA synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`);
  if (durability === "full") sql.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
  sql.exec("PRAGMA secure_delete = ON");
}

function statementsOf(database: SqliteDatabase): Sql {
  const prepared = new Map<string, SqliteStatement>();
  const statement = (sql: string): SqliteStatement => {
    const known = prepared.get(sql);
    if (known) return known;
    if (prepared.size >= MAX_STATEMENTS) prepared.clear();
    const made = database.prepare(sql);
    prepared.set(sql, made);
    return made;
  };
  return {
    get(sql, ...values) {
      const row = statement(sql).get(...values);
      return isRow(row) ? row : undefined;
    },
    all: (sql, ...values) =>
      statement(sql)
        .all(...values)
        .filter(isRow),
    run: (sql, ...values) => statement(sql).run(...values),
    exec(sql) {
      database.exec(sql);
    },
  };
}

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
import { HoldfastError, invalidArgument, messageOf } from "../../log/errors.ts";
import type { MigrationReport } from "../../store/store.ts";
import type { Tables } from "../sql/tables.ts";
import { migrationRequired } from "../sql/versions.ts";
import type { Row, RunResult, SqliteDatabase, SqliteStatement, SqlValue } from "./driver.ts";
import { isInTransaction, isRow } from "./driver.ts";
import { NAME, toHoldfastError } from "./errors.ts";
import { migrate, SCHEMA_VERSION, schemaVersion } from "./schema.ts";
import { closedError, createPatience, emptyLog } from "./waiting.ts";

/** Statements by their text, each prepared once. */
export interface Sql {
  get(sql: string, ...values: SqlValue[]): Row | undefined;
  all(sql: string, ...values: SqlValue[]): Row[];
  run(sql: string, ...values: SqlValue[]): RunResult;
  /** Runs a script. */
  exec(sql: string): void;
  /** Runs `work` on the database as it is at one moment, whatever other processes write meanwhile. */
  inSnapshot<T>(work: () => T): T;
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
  /** Whether all is done within the transaction that the owner of the database has open, and nothing without one. */
  readonly joins?: boolean;
  readonly tables: Tables;
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
const OWN = { begin: "BEGIN IMMEDIATE", commit: "COMMIT", rollBack: "ROLLBACK" };
/** Within another transaction. What is rolled back to stays open. */
const JOINED = { begin: "SAVEPOINT holdfast", commit: "RELEASE holdfast", rollBack: "ROLLBACK TO holdfast" };

export function createConnection(options: ConnectionOptions): Connection {
  const { source, tables, busyTimeoutMs, joins = false } = options;
  const bounds = joins ? JOINED : OWN;
  const what = describe(options);
  let opened: Opened | undefined;
  let isClosed = false;

  const open = (mayMigrate: boolean): Opened => {
    if (isClosed) throw closedError();
    opened ??= openDatabase(options, mayMigrate);
    return opened;
  };

  const ready = (): Sql => {
    const mayMigrate = options.migrate === "auto";
    if ("database" in source) checkTransaction(source.database, joins);
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
      if (!mayMigrate) throw migrationRequired(NAME, from, SCHEMA_VERSION);
      steps = atomically(sql, () => {
        from = schemaVersion(sql, tables);
        return from < SCHEMA_VERSION ? migrate(sql, tables, from) : [];
      });
    }
    database.isMigrated = true;
    return { store: NAME, from, to: SCHEMA_VERSION, steps };
  };

  const atomically = <T>(sql: Sql, work: () => T): T => {
    sql.run(bounds.begin);
    try {
      const result = work();
      sql.run(bounds.commit);
      return result;
    } catch (error) {
      rollBack(sql, error);
      throw error;
    }
  };

  const rollBack = (sql: Sql, reason: unknown): void => {
    try {
      sql.run(bounds.rollBack);
      if (joins) sql.run(bounds.commit);
    } catch (error) {
      // A full disk or an I/O error makes SQLite roll back by itself.
      if (/no transaction is active|no such savepoint/.test(messageOf(error))) return;
      opened?.close();
      opened = undefined;
      throw toHoldfastError(
        new AggregateError([reason, error], `rolling back failed: ${messageOf(error)}`),
        what,
      );
    }
  };

  const attempt = async <T>(work: () => T): Promise<T> => {
    let patience: ((error: unknown) => Promise<void>) | undefined;
    for (;;) {
      try {
        return work();
      } catch (error) {
        patience ??= createPatience(what, busyTimeoutMs);
        await patience(error);
      }
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
    truncateLog: async () => !joins && emptyLog((sql) => ready().get(sql), what, busyTimeoutMs),
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

/**
 * The owner's transaction is left alone: what it wrote may yet be undone, so it must not even be read.
 *
 * @throws INVALID_ARGUMENT where one is to be joined and none is open.
 */
function checkTransaction(database: SqliteDatabase, joins: boolean): void {
  const isOpen = isInTransaction(database);
  if (isOpen === undefined || isOpen === joins) return;
  if (isOpen) throw new Error("the database is within a transaction of its owner");
  throw invalidArgument(
    "the store takes part in a transaction of yours and none is open on the database; begin one first, and make a new store for each",
  );
}

function describe({ source }: ConnectionOptions): string {
  if ("database" in source) return "the SQLite database that was passed in";
  return source.path === ":memory:" ? "the SQLite database in memory" : `the SQLite database ${source.path}`;
}

function openDatabase(options: ConnectionOptions, mayMigrate: boolean): Opened {
  const { source, tables, durability, joins = false } = options;
  // Read before anything is set, so that a database that is not for us stays as it is.
  const versionIn = (sql: Sql): number => {
    const version = schemaVersion(sql, tables);
    if (!mayMigrate && version < SCHEMA_VERSION) throw migrationRequired(NAME, version, SCHEMA_VERSION);
    return version;
  };
  if ("database" in source) {
    const sql = statementsOf(source.database, joins);
    versionIn(sql);
    if (joins) sql.exec("PRAGMA secure_delete = ON");
    else configure(sql, durability);
    return { sql, isMigrated: false, close: () => undefined };
  }
  const { path } = source;
  if (path !== ":memory:") makeFolder(path);
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  const database = new DatabaseSync(path);
  try {
    const sql = statementsOf(database, false);
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

function statementsOf(database: SqliteDatabase, joins: boolean): Sql {
  const prepared = new Map<string, SqliteStatement>();
  const statement = (sql: string): SqliteStatement => {
    const known = prepared.get(sql);
    if (known) return known;
    if (prepared.size >= MAX_STATEMENTS) prepared.clear();
    const made = database.prepare(sql);
    prepared.set(sql, made);
    return made;
  };
  const run: Sql["run"] = (sql, ...values) => statement(sql).run(...values);
  return {
    run,
    get(sql, ...values) {
      const row = statement(sql).get(...values);
      return isRow(row) ? row : undefined;
    },
    all: (sql, ...values) =>
      statement(sql)
        .all(...values)
        .filter(isRow),
    exec(sql) {
      database.exec(sql);
    },
    inSnapshot(work) {
      if (joins) return work();
      run("BEGIN");
      try {
        return work();
      } finally {
        run("COMMIT");
      }
    },
  };
}

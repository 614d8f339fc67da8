/**
 * @module
 * The way to the database that all namespaces share: migrated at first use, transactions run again where another one
 * that ran beside them undid them, errors made ours.
 */
import { setTimeout as delay } from "node:timers/promises";
import { HoldfastError } from "../../log/errors.ts";
import type { MigrationReport } from "../../store/store.ts";
import type { SqlTables } from "../sql/names.ts";
import { migrationRequired } from "../sql/versions.ts";
import type { Executor, Result, Session } from "./client.ts";
import { isLockTimeout, isRace, NAME, toHoldfastError } from "./errors.ts";
import { migrate, SCHEMA_VERSION, schemaVersion } from "./schema.ts";
import type { Settings } from "./server.ts";
import { readSettings } from "./server.ts";
import type { SqlValue } from "./values.ts";

/** What a transaction's work answers with, where nothing that it wrote shall stay. */
export const UNDO = Symbol("undo");

export interface Connection {
  /** Runs one statement, once the schema is there. */
  query(sql: string, values?: SqlValue[]): Promise<Result>;
  /**
   * Runs `work` as one transaction, from the beginning where the server undid it for another one's sake.
   *
   * @param isolation `read committed`: locks only rows, not what is between them. Takes one more round trip.
   */
  transaction<T>(
    work: (session: Session) => Promise<T | typeof UNDO>,
    isolation?: "read committed",
  ): Promise<T | typeof UNDO>;
  /** What the server is set to. */
  settings(): Promise<Settings>;
  migrate(): Promise<MigrationReport>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** A transaction that is undone again and again meets far more writers than a session ever has. */
const MAX_ATTEMPTS = 20;
const MAX_PAUSE_MS = 100;
/** A lock that is held for longer than the server waits is waited for again, for so long in all. */
const LOCK_PATIENCE_MS = 10_000;

export function createConnection(
  executor: Executor,
  tables: SqlTables,
  migration: "auto" | "manual",
): Connection {
  let isClosed = false;
  let known: Settings | undefined;
  let preparing: Promise<Settings> | undefined;

  const run = async <T>(work: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      if (isClosed) throw closedError();
      try {
        return await work();
      } catch (error) {
        if (isClosed && !HoldfastError.is(error)) throw closedError(error);
        const isAgain =
          isRace(error) || (isLockTimeout(error) && performance.now() - begun < LOCK_PATIENCE_MS);
        if (!isAgain || attempt === MAX_ATTEMPTS) throw toHoldfastError(error, executor);
        await delay(Math.random() * Math.min(MAX_PAUSE_MS, 2 ** attempt));
      }
    }
  };

  const bringUpToDate = async (mayMigrate: boolean): Promise<MigrationReport> => {
    const version = await schemaVersion(executor, tables);
    if (version < SCHEMA_VERSION && !mayMigrate) throw migrationRequired(NAME, version, SCHEMA_VERSION);
    const { from, steps } =
      version < SCHEMA_VERSION ? await migrate(executor, tables) : { from: version, steps: [] };
    return { store: NAME, from, to: SCHEMA_VERSION, steps };
  };

  const prepare = async (): Promise<Settings> => {
    const settings = await readSettings(executor);
    await bringUpToDate(migration === "auto");
    return settings;
  };

  const settings = async (): Promise<Settings> => {
    if (known) return known;
    preparing ??= run(prepare).finally(() => {
      preparing = undefined;
    });
    known = await preparing;
    return known;
  };

  return {
    settings,
    async query(sql, values) {
      await settings();
      return run(() => executor.query(sql, values));
    },
    async transaction(work, isolation) {
      const { mayReadCommitted } = await settings();
      const isReadCommitted = isolation !== undefined && mayReadCommitted;
      return run(() =>
        executor.hold((session, discard) => transact(session, work, discard, isReadCommitted)),
      );
    },
    migrate: () =>
      run(async () => {
        await readSettings(executor);
        return bringUpToDate(true);
      }),
    async ping() {
      await run(() => executor.query("SELECT 1 AS one"));
    },
    async close() {
      isClosed = true;
      try {
        await executor.close();
      } catch (error) {
        throw toHoldfastError(error, executor);
      }
    },
  };

  async function transact<T>(
    session: Session,
    work: (session: Session) => Promise<T | typeof UNDO>,
    discard: () => void,
    isReadCommitted: boolean,
  ): Promise<T | typeof UNDO> {
    if (!executor.isPool && (await session.query("DO 0")).isInTransaction) throw ownersTransaction();
    if (isReadCommitted) await session.query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
    await session.query("START TRANSACTION");
    try {
      const result = await work(session);
      await session.query(result === UNDO ? "ROLLBACK" : "COMMIT");
      return result;
    } catch (error) {
      // The connection may be lost, and what it wrote with it. It must not go back to a pool with a transaction open.
      await session.query("ROLLBACK").catch(discard);
      throw error;
    }
  }
}

function ownersTransaction(): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    "the Connection of the mysql store has a transaction of its owner's open, which one of the store's would commit; nothing was written: end it, or give the store a Pool or a Connection of its own",
    { store: NAME, retryable: false },
  );
}

function closedError(cause?: unknown): HoldfastError {
  return new HoldfastError("STORE_UNAVAILABLE", "the mysql store is closed; make a new one", {
    store: NAME,
    retryable: false,
    cause,
  });
}

/**
 * @module
 * The way to the database that all namespaces share: migrated at first use, statements run again where another one
 * that ran beside them undid them, errors made ours.
 */
import { setTimeout as delay } from "node:timers/promises";
import { HoldfastError } from "../../log/errors.ts";
import type { MigrationReport } from "../../store/store.ts";
import type { Row } from "../sql/rows.ts";
import type { Tables } from "../sql/tables.ts";
import { migrationRequired } from "../sql/versions.ts";
import type { Executor } from "./client.ts";
import { isRace, NAME, toHoldfastError } from "./errors.ts";
import { migrate, SCHEMA_VERSION, schemaVersion } from "./schema.ts";
import type { SqlValue } from "./values.ts";

export interface Connection {
  /** Runs one statement with `values` bound, once the schema is there. */
  query(sql: string, values: SqlValue[], isKept?: boolean): Promise<Row[]>;
  migrate(): Promise<MigrationReport>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** A statement that is undone again and again meets far more writers than a session ever has. */
const MAX_ATTEMPTS = 20;
const MAX_PAUSE_MS = 100;

export function createConnection(
  executor: Executor,
  tables: Tables,
  migration: "auto" | "manual",
): Connection {
  let isClosed = false;
  let isReady = false;
  let preparing: Promise<MigrationReport> | undefined;

  const run = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt += 1) {
      if (isClosed) throw closedError();
      try {
        return await work();
      } catch (error) {
        if (isClosed && !HoldfastError.is(error)) throw closedError(error);
        if (!isRace(error) || attempt === MAX_ATTEMPTS) throw toHoldfastError(error, executor.secrets);
        await delay(Math.random() * Math.min(MAX_PAUSE_MS, 2 ** attempt));
      }
    }
  };

  const bringUpToDate = async (mayMigrate: boolean): Promise<MigrationReport> => {
    const version = await schemaVersion(executor, tables);
    if (version < SCHEMA_VERSION && !mayMigrate) throw migrationRequired(NAME, version, SCHEMA_VERSION);
    const { from, steps } =
      version < SCHEMA_VERSION ? await migrate(executor, tables) : { from: version, steps: [] };
    isReady = true;
    return { store: NAME, from, to: SCHEMA_VERSION, steps };
  };

  const ready = async (): Promise<void> => {
    if (isReady) return;
    preparing ??= run(() => bringUpToDate(migration === "auto")).finally(() => {
      preparing = undefined;
    });
    await preparing;
  };

  return {
    async query(sql, values, isKept) {
      await ready();
      return run(() => executor.query(sql, values, isKept));
    },
    migrate: () => run(() => bringUpToDate(true)),
    async ping() {
      await run(() => executor.query("SELECT 1 AS one", []));
    },
    async close() {
      isClosed = true;
      try {
        await executor.close();
      } catch (error) {
        throw toHoldfastError(error, executor.secrets);
      }
    },
  };
}

export function closedError(cause?: unknown): HoldfastError {
  return new HoldfastError("STORE_UNAVAILABLE", "the postgres store is closed; make a new one", {
    store: NAME,
    retryable: false,
    cause,
  });
}

/**
 * @module
 * A connection through a client that answers with promises: its own transactions, or one of its owner's.
 */
import type { MigrationReport } from "../../store/store.ts";
import type { Tables } from "../sql/tables.ts";
import { migrationRequired } from "../sql/versions.ts";
import type { Connection, Sql } from "./connection.ts";
import { NAME } from "./errors.ts";
import type { Statements } from "./replay.ts";
import { replay } from "./replay.ts";
import { migrate, SCHEMA_VERSION, schemaVersion } from "./schema.ts";
import { closedError, createPatience, emptyLog } from "./waiting.ts";

export interface AsyncClient {
  /** For what can't be done within a transaction. */
  readonly statements: Statements;
  /** Whether all is done within a transaction of the owner's. */
  readonly isJoined: boolean;
  /** Runs `work` with all that it does taking place, or nothing of it; one at a time. */
  transaction<T>(work: (statements: Statements) => Promise<T>): Promise<T>;
}

export interface AsyncConnectionOptions {
  readonly client: AsyncClient;
  /** Names the database, for messages. */
  readonly what: string;
  readonly tables: Tables;
  readonly durability: "full" | "normal";
  readonly migrate: "auto" | "manual";
  readonly busyTimeoutMs: number;
}

export function createAsyncConnection(options: AsyncConnectionOptions): Connection {
  const { client, what, tables, durability, busyTimeoutMs } = options;
  const level = durability === "full" ? 2 : 1;
  // Changes nothing, and takes the lock that a read would have to wait in vain for later, when others had written.
  const takeLock = `UPDATE ${tables.meta} SET value = value WHERE false`;
  let isClosed = false;
  let isReady = false;

  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    const patience = createPatience(what, busyTimeoutMs);
    for (;;) {
      if (isClosed) throw closedError();
      try {
        return await work();
      } catch (error) {
        await patience(error);
      }
    }
  };

  const versionIn = (statements: Statements): Promise<number> =>
    replay(statements, (sql) => schemaVersion(sql, tables));

  /** As for a database that the store opens itself; kept by the connection, so to be done again on a new one. */
  const configure = async (): Promise<void> => {
    for (const setting of ["journal_mode = WAL", `synchronous = ${level}`, "secure_delete = ON"]) {
      await client.statements.all(`PRAGMA ${setting}`, []);
    }
  };

  const isConfigured = async (statements: Statements): Promise<boolean> => {
    const [row] = await statements.all("PRAGMA synchronous", []);
    return Number(row?.synchronous) >= level;
  };

  const bringUpToDate = async (mayMigrate: boolean): Promise<MigrationReport> => {
    // Read before anything is set, so that a database that is not for us stays as it is.
    const before = await client.transaction(versionIn);
    if (before < SCHEMA_VERSION && !mayMigrate) throw migrationRequired(NAME, before, SCHEMA_VERSION);
    if (!client.isJoined) await configure();
    const done = await client.transaction(async (statements) => {
      if (before === SCHEMA_VERSION) return { from: before, steps: [] };
      const from = await versionIn(statements);
      if (from === SCHEMA_VERSION) return { from, steps: [] };
      return { from, steps: await replay(statements, (sql) => migrate(sql, tables, from)) };
    });
    isReady = true;
    return { store: NAME, from: done.from, to: SCHEMA_VERSION, steps: done.steps };
  };

  const ready = async (): Promise<void> => {
    if (!isReady) await bringUpToDate(options.migrate === "auto");
  };

  return {
    what,
    run: (work) =>
      attempt(async () => {
        await ready();
        return client.transaction((statements) => replay(statements, work));
      }),

    transaction: <T>(work: (sql: Sql) => T) =>
      attempt(async () => {
        for (;;) {
          await ready();
          const done = await client.transaction(async (statements) => {
            await statements.run(takeLock, []);
            if (!client.isJoined && !(await isConfigured(statements))) return undefined;
            return { answer: await replay(statements, work) };
          });
          if (done) return done.answer;
          await configure();
        }
      }),

    migrate: () => attempt(() => bringUpToDate(true)),

    async truncateLog() {
      if (client.isJoined) return false;
      return emptyLog(async (sql) => (await client.statements.all(sql, []))[0], what, busyTimeoutMs);
    },

    async close() {
      isClosed = true;
    },
  };
}

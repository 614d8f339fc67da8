/**
 * @module
 * What the store needs of mysql2, and one way to call its clients. The driver is not imported here.
 *
 * Values go two ways. `query` puts them into the text, bytes as `X'…'`: that takes statements of any shape, and since
 * no text is quoted, no `sql_mode` can change what it says. `execute` binds them in a prepared statement, of which each
 * connection keeps one a text: for the few statements that always look the same, and for large values.
 */
import { invalidArgument } from "../../log/errors.ts";
import { inTurn } from "../in-turn.ts";
import type { Row } from "../sql/rows.ts";
import { isRow } from "../sql/rows.ts";
import { isUnprepared } from "./errors.ts";
import type { SqlValue } from "./values.ts";
import { textOf } from "./values.ts";

/** A statement as mysql2 takes it. */
export interface MysqlStatement {
  readonly sql: string;
  readonly values?: SqlValue[];
  readonly rowsAsArray?: boolean;
  readonly nestTables?: boolean;
  readonly typeCast?: (field: { buffer(): Uint8Array | null }) => unknown;
}

/** A Connection of `mysql2/promise`. */
export interface MysqlConnection {
  query(statement: MysqlStatement): Promise<unknown>;
  execute(statement: MysqlStatement): Promise<unknown>;
}

/** A Pool of `mysql2/promise`. */
export interface MysqlPool extends MysqlConnection {
  getConnection(): Promise<MysqlPoolConnection>;
}

interface MysqlPoolConnection extends MysqlConnection {
  release(): void;
  destroy(): void;
}

/** A Pool or Connection of `mysql2`, the one with callbacks. */
export interface MysqlCallbackClient {
  promise(): MysqlPool | MysqlConnection;
}

export type MysqlClient = MysqlPool | MysqlConnection | MysqlCallbackClient;

export interface Result {
  /** What `query` reads is text, numbers too. */
  readonly rows: Row[];
  /** How many rows the statement wrote, or found to be as it would write them. */
  readonly affected: number;
  readonly insertId: number;
  /** Whether a transaction is open afterwards; `undefined` where the driver doesn't say. */
  readonly isInTransaction: boolean | undefined;
}

/** One connection. */
export interface Session {
  query(sql: string, values?: SqlValue[]): Promise<Result>;
  execute(sql: string, values: SqlValue[]): Promise<Result>;
}

export interface Executor {
  readonly isPool: boolean;
  /** What must not be in a message. */
  readonly secrets: readonly string[];
  query(sql: string, values?: SqlValue[]): Promise<Result>;
  /** Keeps a connection to itself while `work` runs. `discard`: it must not be used again. */
  hold<T>(work: (session: Session, discard: () => void) => Promise<T>): Promise<T>;
  /** Closes what the store made itself. */
  close(): Promise<void>;
}

/**
 * How to call `client`.
 *
 * @throws INVALID_ARGUMENT for anything that is no client.
 */
export function executorOf(client: MysqlClient): Executor {
  const given: unknown = client;
  const found = hasFunction(given, "promise") ? Reflect.apply(given.promise, given, []) : given;
  if (isPool(found)) return overPool(async () => found, []);
  if (isConnection(found)) return overConnection(found);
  throw invalidArgument("pool or client must be a Pool or Connection of mysql2");
}

/** @param open the pool, which may be made at the first call. */
export function overPool(
  open: () => Promise<MysqlPool>,
  secrets: readonly string[],
  close: () => Promise<void> = async () => undefined,
): Executor {
  return {
    isPool: true,
    secrets,
    query: async (sql, values) => sessionOf(await open()).query(sql, values),
    async hold(work) {
      const pool = await open();
      const connection = await pool.getConnection();
      let isUsable = true;
      try {
        return await work(sessionOf(connection), () => {
          isUsable = false;
        });
      } finally {
        if (isUsable) connection.release();
        else connection.destroy();
      }
    },
    close,
  };
}

function overConnection(connection: MysqlConnection): Executor {
  const session = sessionOf(connection);
  // No statement of another call may come between those of a transaction.
  const next = inTurn();
  return {
    isPool: false,
    secrets: [],
    query: (sql, values) => next(() => session.query(sql, values)),
    hold: (work) => next(() => work(session, () => undefined)),
    close: async () => undefined,
  };
}

function sessionOf(client: MysqlConnection): Session {
  const query = async (sql: string, values: SqlValue[] = []): Promise<Result> =>
    resultOf(await client.query({ sql, values, ...AS_WE_READ }));
  return {
    query,
    async execute(sql, values) {
      try {
        return resultOf(await client.execute({ sql, values }));
      } catch (error) {
        if (!isUnprepared(error)) throw error;
        return query(sql, values);
      }
    },
  };
}

/**
 * Over what the owner of the client may have chosen. Bytes as they came, numbers as their digits: mysql2 may round what
 * it makes a number of, and takes longer for it.
 */
const AS_WE_READ = {
  rowsAsArray: false,
  nestTables: false,
  typeCast: (field: { buffer(): Uint8Array | null }): unknown => field.buffer(),
} as const;

const IN_TRANSACTION = 1;

function resultOf(answer: unknown): Result {
  const result: unknown = Array.isArray(answer) ? answer[0] : undefined;
  if (Array.isArray(result)) {
    return { rows: result.filter(isRow).map(readable), affected: 0, insertId: 0, isInTransaction: undefined };
  }
  const header: Row = isRow(result) ? result : {};
  const { serverStatus } = header;
  return {
    rows: [],
    affected: Number(header.affectedRows ?? 0),
    insertId: Number(header.insertId ?? 0),
    isInTransaction: typeof serverStatus === "number" ? (serverStatus & IN_TRANSACTION) !== 0 : undefined,
  };
}

function readable(row: Row): Row {
  const read: Record<string, unknown> = {};
  for (const column of Object.keys(row)) {
    const value = row[column];
    read[column] = value instanceof Uint8Array ? textOf(value) : value;
  }
  return read;
}

function hasFunction<K extends string>(value: unknown, name: K): value is Record<K, () => unknown> {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, name) === "function";
}

function isConnection(value: unknown): value is MysqlConnection {
  return hasFunction(value, "query") && hasFunction(value, "execute");
}

export function isPool(value: unknown): value is MysqlPool {
  return isConnection(value) && hasFunction(value, "getConnection");
}

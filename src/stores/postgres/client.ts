/**
 * @module
 * What the store needs of a PostgreSQL driver, and one way to call each: pg, postgres.js and PGlite. No driver is
 * imported, but pg where a url is given.
 */
import { HoldfastError, invalidArgument } from "../../log/errors.ts";
import { inTurn } from "../in-turn.ts";
import type { Row } from "../sql/rows.ts";
import { isRow } from "../sql/rows.ts";
import { codeOf, NAME } from "./errors.ts";
import { createKeeping } from "./kept.ts";
import type { SqlValue } from "./values.ts";

export { inTurn };

/** A Pool or a connected Client of pg. */
export interface PgClient {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

/** A PGlite database. */
export interface PgliteClient {
  query(text: string, params?: unknown[]): Promise<unknown>;
  exec(text: string): Promise<unknown>;
}

/** The `sql` function of postgres.js. */
export interface PostgresJsClient {
  unsafe(
    text: string,
    parameters?: SqlValue[],
    options?: { prepare?: boolean | undefined },
  ): PromiseLike<readonly unknown[]>;
}

export type PostgresClient = PgClient | PgliteClient | PostgresJsClient | Executor;

export interface Executor {
  /** What an acknowledged commit survives. */
  readonly durability: "process" | "os" | "disk";
  /** Whether other processes can reach the same database. */
  readonly isShared: boolean;
  /** What must not be in a message. */
  readonly secrets: readonly string[];
  /**
   * Runs one statement with `values` bound.
   *
   * @param isKept whether it may be kept under a name, see `kept.ts`: one of few texts, whose plan is the same for all values.
   */
  query(text: string, values: SqlValue[], isKept?: boolean): Promise<Row[]>;
  /** Runs several statements as one transaction; the rows of each. */
  script(text: string): Promise<Row[][]>;
  /** Closes what the store made itself. */
  close(): Promise<void>;
}

/**
 * How to call `client`.
 *
 * @throws INVALID_ARGUMENT for anything that is no client.
 */
export function executorOf(client: PostgresClient): Executor {
  const given: unknown = client;
  if (isExecutor(given)) return given;
  if (isPostgresJs(given)) return overPostgresJs(given);
  if (isPglite(given)) return overPglite(given);
  if (isPg(given)) return overPg(given);
  throw invalidArgument(
    "pool or client must be a Pool or Client of pg, the sql function of postgres.js, or a PGlite database",
  );
}

/** A pool of pg's own, made at the first call. */
export function executorAt(url: string): Executor {
  checkUrl("url", url);
  let opening: Promise<Executor> | undefined;
  const open = (): Promise<Executor> => {
    opening ??= openPool(url).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  return {
    durability: "disk",
    isShared: true,
    secrets: secretsIn(url),
    query: async (text, values, isKept) => (await open()).query(text, values, isKept),
    script: async (text) => (await open()).script(text),
    async close() {
      await (await opening)?.close();
      opening = undefined;
    },
  };
}

/** @throws INVALID_ARGUMENT for an option that is no URL of PostgreSQL. */
export function checkUrl(option: string, url: unknown): void {
  if (typeof url === "string" && /^postgres(ql)?:\/\//i.test(url)) return;
  throw invalidArgument(`${option} must begin with postgres:// or postgresql://`);
}

interface NamingPool {
  query(statement: { name: string; text: string; values: SqlValue[] }): Promise<unknown>;
}

interface OwnPool extends PgClient {
  on(event: "error", listener: (error: unknown) => void): unknown;
  end(): Promise<unknown>;
}

async function openPool(url: string): Promise<Executor> {
  const Pool = await findInPg("Pool");
  const pool: unknown = new Pool({ connectionString: url, application_name: "holdfast", keepAlive: true });
  if (!isOwnPool(pool)) throw notInstalled();
  // A connection that is lost while nobody uses it: the pool opens another one for the next statement.
  pool.on("error", () => undefined);
  return {
    ...overPg(pool),
    async close() {
      await pool.end();
    },
  };
}

/** A class of the package pg. */
export async function findInPg(name: "Pool" | "Client"): Promise<new (options: object) => unknown> {
  let driver: unknown;
  try {
    driver = await import("pg");
  } catch (error) {
    if (codeOf(error) === "ERR_MODULE_NOT_FOUND") throw notInstalled(error);
    throw error;
  }
  for (const found of [driver, isRow(driver) ? driver.default : undefined]) {
    if (isRow(found) && isConstructor(found[name])) return found[name];
  }
  throw notInstalled();
}

export function notInstalled(cause?: unknown): HoldfastError {
  return new HoldfastError(
    "INVALID_ARGUMENT",
    'a url for postgresStore needs the package pg 8 or later, which is not installed: run "npm install pg", or give a pool or client',
    { store: NAME, cause },
  );
}

/** The password in `url`, as it is written there and decoded. */
export function secretsIn(url: string): string[] {
  const found = /^[^:]+:\/\/[^:@/?]*:([^@/?]*(?:@[^@/?]*)*)@/.exec(url)?.[1];
  const inQuery = /[?&]password=([^&#]*)/i.exec(url)?.[1];
  const written = [found, inQuery].filter((secret) => secret !== undefined && secret !== "");
  return [...new Set([url, ...written.flatMap((secret) => [secret, decoded(secret)])])].filter(isText);
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text && decodeURIComponent(text);
  } catch (error) {
    // It is not percent-encoded, so what is written is the password.
    if (error instanceof URIError) return text;
    throw error;
  }
}

function overPg(client: PgClient): Executor {
  // A Client runs one query at a time, and pg 9 will refuse another one meanwhile; a Pool has a client for each.
  const call = isPool(client) ? (work: Work) => work() : inTurn();
  // On a Client a transaction of its owner's may be open, which a name that is lost would undo.
  const keeping = isNaming(client) ? createKeeping() : undefined;
  return {
    ...SERVER,
    async query(text, values, isKept = false) {
      const plain = (): Promise<unknown> => call(() => client.query(text, values));
      if (!isKept || !keeping || !isNaming(client)) return rowsOf(await plain());
      return rowsOf(await keeping(text, (name) => client.query({ name, text, values }), plain));
    },
    script: async (text) => resultsOf(await call(() => client.query(text))),
  };
}

function overPglite(client: PgliteClient): Executor {
  const directory = "dataDir" in client ? client.dataDir : undefined;
  const isKept = typeof directory === "string" && directory !== "" && !directory.startsWith("memory://");
  return {
    ...SERVER,
    // PGlite runs PostgreSQL with fsync off.
    durability: isKept ? "os" : "process",
    isShared: false,
    query: async (text, values) => rowsOf(await client.query(text, values)),
    script: async (text) => resultsOf(await client.exec(text)),
  };
}

function overPostgresJs(sql: PostgresJsClient): Executor {
  return {
    ...SERVER,
    // Not under names: behind PgBouncer in transaction mode its statements failed with them.
    query: async (text, values) => rowsOf({ rows: await sql.unsafe(text, values, { prepare: false }) }),
    // Without parameters it takes the simple protocol, which takes several statements.
    async script(text) {
      const results = await sql.unsafe(text);
      const isOne = !results.some(Array.isArray);
      return resultsOf((isOne ? [results] : results).map((rows) => ({ rows })));
    },
  };
}

const SERVER = { durability: "disk", isShared: true, secrets: [], close: async () => undefined } as const;

type Work = () => Promise<unknown>;

export function rowsOf(result: unknown): Row[] {
  const rows = isRow(result) ? result.rows : undefined;
  return Array.isArray(rows) ? rows.filter(isRow) : [];
}

/** Of one statement, drivers answer with one result in place of a list. */
function resultsOf(results: unknown): Row[][] {
  return Array.isArray(results) ? results.map(rowsOf) : [rowsOf(results)];
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

export function hasFunction(value: unknown, name: string): boolean {
  return (
    (typeof value === "function" || (typeof value === "object" && value !== null)) &&
    typeof Reflect.get(value, name) === "function"
  );
}

export /** What another store made of its own client. */
function isExecutor(value: unknown): value is Executor {
  return hasFunction(value, "query") && hasFunction(value, "script");
}

export function isPostgresJs(value: unknown): value is PostgresJsClient {
  return hasFunction(value, "unsafe");
}

export function isPglite(value: unknown): value is PgliteClient {
  return isPg(value) && hasFunction(value, "exec");
}

export function isPg(value: unknown): value is PgClient {
  return hasFunction(value, "query");
}

/** A Pool of pg itself, not one that only has its methods. */
function isNaming(value: object): value is NamingPool {
  return isPool(value) && hasFunction(value, "Client");
}

export function isPool(value: object): boolean {
  return "totalCount" in value;
}

function isOwnPool(value: unknown): value is OwnPool {
  return isPg(value) && hasFunction(value, "on") && hasFunction(value, "end");
}

function isConstructor(value: unknown): value is new (options: object) => unknown {
  return typeof value === "function";
}

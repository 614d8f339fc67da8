/**
 * @module
 * LISTEN on a connection that is nobody else's, through each driver.
 */
import { isRow } from "../sql/rows.ts";
import type { PgClient, PgliteClient, PostgresClient, PostgresJsClient } from "./client.ts";
import {
  checkUrl,
  findInPg,
  hasFunction,
  isPglite,
  isPool,
  isPostgresJs,
  notInstalled,
  rowsOf,
  secretsIn,
} from "./client.ts";

export interface Notices {
  /** What was notified on the channel. */
  heard(payload: string): void;
  /** The driver listens again after it lost the connection: what was notified meanwhile was not heard. */
  resumed(): void;
  /** The connection was lost, and the driver does nothing about it. */
  lost(): void;
}

export interface Listener {
  /** Errors don't tell these. */
  readonly secrets: readonly string[];
  /**
   * Listens on `channel`, a plain name; resolves with what ends that and gives the connection back. `undefined` where
   * it would be heard by others too, since a pooler such as PgBouncer stands between.
   */
  listen(channel: string, notices: Notices): Promise<(() => Promise<void>) | undefined>;
}

/** How to listen beside `client`. `undefined` for one that has no connection to spare: a Client, or a Pool of one. */
export function listenerOf(client: PostgresClient): Listener | undefined {
  const given: unknown = client;
  if (isPostgresJs(given)) return canListen(given) ? overPostgresJs(given) : undefined;
  if (isPglite(given)) return canListen(given) ? overPglite(given) : undefined;
  if (!isSharedPool(given) || !hasRoom(given)) return undefined;
  return {
    secrets: [],
    listen: (channel, notices) => listenOver(() => borrow(given), channel, notices, true),
  };
}

/**
 * Whether statements may be sent on `client` at any time, as transactions of their own. On a Client they would get into
 * one that the user has open.
 */
export function isPoolOf(client: PostgresClient): boolean {
  const given: unknown = client;
  if (isPostgresJs(given)) return canListen(given);
  return isPglite(given) || isSharedPool(given);
}

/**
 * A connection of pg's own for each LISTEN.
 *
 * @param trusted where the user says that `url` leads to the server itself, or through a pooler in session mode.
 */
export function listenerAt(url: string, { trusted }: { readonly trusted: boolean }): Listener {
  checkUrl(trusted ? "listenUrl" : "url", url);
  return {
    secrets: secretsIn(url),
    listen: (channel, notices) => listenOver(() => connect(url), channel, notices, !trusted),
  };
}

/** A client of pg with a connection. */
interface Connected extends PgClient {
  readonly processID?: unknown;
  on(event: "error" | "end" | "notification", listener: (value: unknown) => void): unknown;
}

interface Line {
  readonly client: Connected;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 10_000;

async function connect(url: string): Promise<Line> {
  const Client = await findInPg("Client");
  const client: unknown = new Client({
    connectionString: url,
    application_name: "holdfast listen",
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  if (!isConnected(client) || !isOwn(client)) throw notInstalled();
  // Told of a loss that comes while it connects, too, which the promise tells already.
  client.on("error", () => undefined);
  await client.connect();
  return { client, close: async () => void (await client.end()) };
}

async function borrow(pool: SharedPool): Promise<Line> {
  const client = await pool.connect();
  // Given back, it is closed: nobody else gets a connection that listens.
  return { client, close: async () => client.release(true) };
}

async function listenOver(
  open: () => Promise<Line>,
  channel: string,
  notices: Notices,
  mustBeDirect: boolean,
): Promise<(() => Promise<void>) | undefined> {
  const { client, close } = await open();
  let isOver = false;
  const stop = async (): Promise<void> => {
    if (isOver) return;
    isOver = true;
    await close();
  };
  const lose = (): void => {
    if (!isOver) notices.lost();
  };
  client.on("error", lose);
  client.on("end", lose);
  client.on("notification", (message) => {
    if (isOver || !isRow(message) || message.channel !== channel) return;
    notices.heard(typeof message.payload === "string" ? message.payload : "");
  });
  try {
    if (mustBeDirect) {
      const [row] = rowsOf(await client.query(BACKEND));
      if (row?.pid !== client.processID) {
        await stop();
        return undefined;
      }
    }
    await client.query(`LISTEN "${channel}"`);
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}

/** A pooler has no process of the server to name when a client connects, and names one that it makes up. */
const BACKEND = "SELECT pg_backend_pid() AS pid";

function overPostgresJs(sql: PostgresJsClient & CanListen): Listener {
  return {
    secrets: [],
    async listen(channel, notices) {
      const found: unknown = await sql.unsafe(BACKEND);
      const [row] = Array.isArray(found) ? found : [];
      const state = Array.isArray(found) ? Reflect.get(found, "state") : undefined;
      if (!isRow(row) || !isRow(state) || row.pid !== state.pid) return undefined;
      let isFirst = true;
      const listening = await sql.listen(channel, notices.heard, () => {
        if (!isFirst) notices.resumed();
        isFirst = false;
      });
      return async () => {
        if (hasUnlisten(listening)) await listening.unlisten();
      };
    },
  };
}

function overPglite(client: PgliteClient & CanListen): Listener {
  return {
    secrets: [],
    async listen(channel, notices) {
      const unlisten = await client.listen(channel, notices.heard);
      return async () => {
        if (typeof unlisten === "function") await unlisten();
      };
    },
  };
}

interface CanListen {
  listen(channel: string, heard: (payload: string) => void, listens?: () => void): Promise<unknown>;
}

interface SharedPool extends PgClient {
  connect(): Promise<Connected & { release(destroy: boolean): void }>;
}

function canListen<C extends object>(client: C): client is C & CanListen {
  return hasFunction(client, "listen");
}

function hasUnlisten(value: unknown): value is { unlisten(): Promise<unknown> } {
  return hasFunction(value, "unlisten");
}

function isSharedPool(value: unknown): value is SharedPool {
  return typeof value === "object" && value !== null && isPool(value) && hasFunction(value, "connect");
}

function isConnected(value: unknown): value is Connected {
  return hasFunction(value, "query") && hasFunction(value, "on");
}

function isOwn(value: unknown): value is { connect(): Promise<unknown>; end(): Promise<unknown> } {
  return hasFunction(value, "connect") && hasFunction(value, "end");
}

/** One that listens leaves room for statements. */
function hasRoom(pool: SharedPool): boolean {
  const options: unknown = Reflect.get(pool, "options");
  return !(isRow(options) && typeof options.max === "number" && options.max < 2);
}

/**
 * @module
 * The pool that the store makes of a URL. mysql2 is imported only here, at the first call.
 */
import { HoldfastError, invalidArgument } from "../../log/errors.ts";
import { isRow } from "../sql/rows.ts";
import type { Executor, MysqlPool } from "./client.ts";
import { isPool, overPool } from "./client.ts";
import { codeOf, NAME } from "./errors.ts";

interface OwnPool extends MysqlPool {
  end(): Promise<unknown>;
}

/**
 * A pool at `url`, made at the first call.
 *
 * @throws INVALID_ARGUMENT for what is no URL of a MySQL database.
 */
export function executorAt(url: string): Executor {
  const { address, secrets } = parse(url);
  let opening: Promise<OwnPool> | undefined;
  const open = (): Promise<OwnPool> => {
    opening ??= openPool(address).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  return overPool(open, secrets, async () => {
    await (await opening)?.end();
    opening = undefined;
  });
}

function parse(url: unknown): { address: string; secrets: string[] } {
  if (typeof url !== "string" || !/^(mysql|mariadb):\/\//i.test(url)) {
    throw invalidArgument("url must begin with mysql:// or mariadb://");
  }
  const address = url.replace(/^\w+/, "mysql");
  if (!URL.canParse(address)) throw notAnAddress();
  const { password, searchParams } = new URL(address);
  const written = [password, searchParams.get("password") ?? ""].filter((secret) => secret !== "");
  return { address, secrets: [url, address, ...written.flatMap((secret) => [secret, decoded(secret)])] };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) throw notAnAddress();
    throw error;
  }
}

function notAnAddress(): HoldfastError {
  return invalidArgument(
    "the url of the mysql store is no URL; give mysql://user:password@host:3306/database, with special characters of the password percent-encoded",
  );
}

async function openPool(uri: string): Promise<OwnPool> {
  const createPool = await findCreatePool();
  const pool = createPool({ uri, enableKeepAlive: true });
  if (!isOwnPool(pool)) throw notInstalled();
  return pool;
}

async function findCreatePool(): Promise<(options: object) => unknown> {
  let driver: unknown;
  try {
    driver = await import("mysql2/promise");
  } catch (error) {
    if (codeOf(error) === "ERR_MODULE_NOT_FOUND") throw notInstalled(error);
    throw error;
  }
  for (const found of [driver, isRow(driver) ? driver.default : undefined]) {
    if (isRow(found) && isFunction(found.createPool)) return found.createPool;
  }
  throw notInstalled();
}

function notInstalled(cause?: unknown): HoldfastError {
  return new HoldfastError(
    "INVALID_ARGUMENT",
    'mysqlStore({ url }) needs the package mysql2 3 or later, which is not installed: run "npm install mysql2", or give a pool or client',
    { store: NAME, cause },
  );
}

function isFunction(value: unknown): value is (options: object) => unknown {
  return typeof value === "function";
}

function isOwnPool(value: unknown): value is OwnPool {
  return isPool(value) && "end" in value && typeof value.end === "function";
}

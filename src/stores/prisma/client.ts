/**
 * @module
 * What the store needs of a Prisma client, and what its errors are errors of. Prisma is not imported.
 */
import { HoldfastError, invalidArgument, messageOf } from "../../log/errors.ts";
import { hasFunction } from "../postgres/client.ts";
import type { Row } from "../sql/rows.ts";
import { isRow } from "../sql/rows.ts";

/** A `PrismaClient`, extended or not, or the client that the callback of `prisma.$transaction` is given. */
export interface PrismaClient {
  $queryRawUnsafe(sql: string, ...values: unknown[]): PromiseLike<unknown>;
  $executeRawUnsafe(sql: string, ...values: unknown[]): PromiseLike<number>;
}

/** A client that can begin a transaction of its own. */
export interface PrismaRoot extends PrismaClient {
  $transaction<T>(
    work: (client: PrismaClient) => Promise<T>,
    options: { readonly maxWait: number; readonly timeout: number },
  ): Promise<T>;
}

export type PrismaProvider = "postgresql" | "sqlite";

/** @throws INVALID_ARGUMENT for anything that is no client. */
export function checkClient(client: unknown): asserts client is PrismaClient {
  if (hasFunction(client, "$queryRawUnsafe") && hasFunction(client, "$executeRawUnsafe")) return;
  throw invalidArgument(
    "prisma must be a PrismaClient, or the client that the callback of prisma.$transaction is given",
  );
}

/** Whether `client` is not that of a transaction: that one can't connect. */
export function isRoot(client: PrismaClient): client is PrismaRoot {
  return hasFunction(client, "$connect") && hasFunction(client, "$transaction");
}

/** @throws INVALID_ARGUMENT where it is none that there is a store for. */
export function providerOf(client: PrismaClient, given: unknown): PrismaProvider {
  const found: unknown = given ?? Reflect.get(client, "_activeProvider");
  if (found === "postgresql" || found === "postgres") return "postgresql";
  if (found === "sqlite") return "sqlite";
  throw invalidArgument(
    typeof found === "string"
      ? `prismaStore works on the providers "postgresql" and "sqlite", not on ${JSON.stringify(found)}; use the store of that engine`
      : 'this client does not tell its provider; give prismaStore the option provider: "postgresql" or "sqlite"',
  );
}

export function rowsIn(answer: unknown): Row[] {
  return Array.isArray(answer) ? answer.filter(isRow) : [];
}

/** What a driver adapter calls errors that have no code of the database. */
const CODES: Readonly<Record<string, string>> = {
  DatabaseNotReachable: "ECONNREFUSED",
  ConnectionClosed: "ECONNRESET",
  SocketTimeout: "ETIMEDOUT",
};

/**
 * The error of the database or of the connection to it that is in an error of Prisma's, with its code. An error of
 * Prisma itself keeps Prisma's code, `P…`.
 */
export function driverError(error: unknown): unknown {
  if (HoldfastError.is(error) || !isRow(error)) return error;
  const meta = isRow(error.meta) ? error.meta : error;
  const adapter = isRow(meta.driverAdapterError) ? meta.driverAdapterError : error;
  const cause = isRow(adapter.cause) ? adapter.cause : {};
  const code = cause.originalCode ?? CODES[String(cause.kind)] ?? error.code ?? error.errorCode;
  const message = cause.originalMessage ?? cause.message ?? withoutPreamble(messageOf(error));
  return Object.assign(new Error(String(message)), typeof code === "string" && { code });
}

/** Prisma tells first which of its functions was called, and from where. */
function withoutPreamble(message: string): string {
  return message.slice(message.lastIndexOf("\n\n") + 1).trim();
}

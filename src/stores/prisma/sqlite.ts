/**
 * @module
 * Prisma as a way to call SQLite.
 */
import { HoldfastError, messageOf } from "../../log/errors.ts";
import { inTurn } from "../postgres/client.ts";
import type { AsyncClient } from "../sqlite/async-connection.ts";
import { NAME } from "../sqlite/errors.ts";
import type { Statements } from "../sqlite/replay.ts";
import type { PrismaClient } from "./client.ts";
import { driverError, isRoot, rowsIn } from "./client.ts";

/** Prisma undoes a transaction that takes longer; its own default of 5 s is too short for the largest commits. */
const TIMEOUT_MS = 120_000;

export function overPrismaSqlite(client: PrismaClient, busyTimeoutMs: number): AsyncClient {
  const statements = statementsOn(client);
  // The connection is one. What Prisma runs outside of a transaction while one is open becomes part of that.
  const next = inTurn();
  if (!isRoot(client)) {
    return {
      statements,
      isJoined: true,
      transaction: (work) => next(() => withinSavepoint(statements, work)),
    };
  }
  const options = { maxWait: Math.max(1, busyTimeoutMs), timeout: TIMEOUT_MS };
  return {
    statements,
    isJoined: false,
    transaction: (work) =>
      next(() => calling(() => client.$transaction((tx) => work(statementsOn(tx)), options))),
  };
}

function statementsOn(client: PrismaClient): Statements {
  return {
    all: (sql, values) => calling(async () => rowsIn(await client.$queryRawUnsafe(sql, ...values))),
    run: (sql, values) => calling(async () => await client.$executeRawUnsafe(sql, ...values)),
  };
}

async function withinSavepoint<T>(
  statements: Statements,
  work: (statements: Statements) => Promise<T>,
): Promise<T> {
  await statements.run("SAVEPOINT holdfast", []);
  try {
    const result = await work(statements);
    await statements.run("RELEASE holdfast", []);
    return result;
  } catch (error) {
    await undo(statements, error);
    throw error;
  }
}

async function undo(statements: Statements, reason: unknown): Promise<void> {
  try {
    await statements.run("ROLLBACK TO holdfast", []);
    await statements.run("RELEASE holdfast", []);
  } catch (error) {
    throw new HoldfastError(
      "STORE_UNAVAILABLE",
      `your transaction that the sqlite store takes part in is over (${messageOf(reason)}); let it end, and run the whole of it again`,
      { store: NAME, cause: error },
    );
  }
}

async function calling<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const found = driverError(error);
    // Another transaction of the same client was in the way for all of the time.
    const isWaitOver = messageOf(found).includes("Unable to start a transaction");
    throw isWaitOver && found instanceof Error ? Object.assign(found, { code: "SQLITE_BUSY" }) : found;
  }
}

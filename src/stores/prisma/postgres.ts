/**
 * @module
 * Prisma as a way to call PostgreSQL.
 */
import type { Executor } from "../postgres/client.ts";
import { joined } from "../postgres/joined.ts";
import type { Row } from "../sql/rows.ts";
import { statementsOf } from "../sql/statements.ts";
import type { PrismaClient } from "./client.ts";
import { driverError, isRoot, rowsIn } from "./client.ts";

/** A migration waits for another one, and for those who use its tables. */
const SCRIPT_OPTIONS = { maxWait: 10_000, timeout: 120_000 } as const;

export function overPrisma(client: PrismaClient): Executor {
  const runAll = async (on: PrismaClient, text: string): Promise<Row[][]> => {
    const results: Row[][] = [];
    for (const statement of statementsOf(text)) results.push(rowsIn(await on.$queryRawUnsafe(statement)));
    return results;
  };
  const executor: Executor = {
    durability: "disk",
    isShared: true,
    secrets: [],
    query: (text, values) => calling(async () => rowsIn(await client.$queryRawUnsafe(text, ...values))),
    script: (text) =>
      calling(() =>
        isRoot(client) ? client.$transaction((tx) => runAll(tx, text), SCRIPT_OPTIONS) : runAll(client, text),
      ),
    close: async () => undefined,
  };
  return isRoot(client) ? executor : joined(executor);
}

async function calling<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw driverError(error);
  }
}

/**
 * @module
 * Drizzle as a way to call PostgreSQL.
 */
import type { Executor } from "../postgres/client.ts";
import { executorOf, inTurn, isPg, isPglite, isPool, rowsOf } from "../postgres/client.ts";
import { joined } from "../postgres/joined.ts";
import type { SqlValue } from "../postgres/values.ts";
import type { Row } from "../sql/rows.ts";
import { isRow } from "../sql/rows.ts";
import { statementsOf } from "../sql/statements.ts";
import type { DrizzlePostgres } from "./client.ts";
import { driverError, kindsOf } from "./client.ts";

export function overDrizzle(db: DrizzlePostgres): Executor {
  const kinds = kindsOf(db);
  const client: unknown = Reflect.get(db, "$client");
  const isEmbedded = kinds.some((kind) => kind.startsWith("Pglite"));
  const next = isSingle(client) ? inTurn() : <T>(work: () => Promise<T>) => work();
  const executor: Executor = {
    durability: isEmbedded ? durabilityOf(client) : "disk",
    isShared: !isEmbedded,
    secrets: [],
    query: (text, values) => next(() => run(db, text, values)),
    script: (text) =>
      next(() =>
        calling(() =>
          db.transaction(async (tx) => {
            const results: Row[][] = [];
            for (const statement of statementsOf(text)) results.push(await run(tx, statement, []));
            return results;
          }),
        ),
      ),
    close: async () => undefined,
  };
  return kinds.includes("PgTransaction") ? joined(executor) : executor;
}

function run(db: DrizzlePostgres, text: string, values: readonly SqlValue[]): Promise<Row[]> {
  const query = { getSQL: () => ({ toQuery: () => ({ sql: text, params: values }) }) };
  return calling(async () => {
    const answer = await db.execute(query);
    return Array.isArray(answer) ? answer.filter(isRow) : rowsOf(answer);
  });
}

async function calling<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw driverError(error);
  }
}

/** Whether `client` is a Client of pg, which runs one query at a time. */
function isSingle(client: unknown): boolean {
  return typeof client === "object" && isPg(client) && !isPool(client) && !isPglite(client);
}

/** A transaction does not tell where its PGlite keeps its data. */
function durabilityOf(client: unknown): Executor["durability"] {
  return isPglite(client) ? executorOf(client).durability : "process";
}

/**
 * @module
 * A transaction that its owner began, and ends: the store's statements take part in it.
 */
import { HoldfastError, messageOf } from "../../log/errors.ts";
import type { Executor } from "./client.ts";
import { inTurn } from "./client.ts";
import { codeOf, isRace, NAME } from "./errors.ts";

/** What PostgreSQL calls a transaction that failed before, and Prisma one that ended or took too long. */
const OVER: ReadonlySet<string> = new Set(["25P02", "P2028"]);

/**
 * `executor`, whose statements are all of one such transaction. PostgreSQL takes nothing more from a transaction once a
 * statement of it failed, so none is run again here: only the whole can be. They are run one after another, on the one
 * connection that the transaction has.
 */
export function joined(executor: Executor): Executor {
  const next = inTurn();
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await next(work);
    } catch (error) {
      throw isRace(error) || OVER.has(codeOf(error) ?? "") ? undone(error) : error;
    }
  };
  return {
    ...executor,
    query: (text, values) => call(() => executor.query(text, values)),
    script: (text) => call(() => executor.script(text)),
  };
}

function undone(error: unknown): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `your transaction that the postgres store takes part in was undone, or has ended (${messageOf(error)}): run the whole of it again, with a store of its own`,
    { store: NAME, cause: error },
  );
}

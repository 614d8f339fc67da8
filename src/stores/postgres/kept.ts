/**
 * @module
 * Statements that a connection keeps, parsed and planned, under a name: to plan a commit takes the server as long as to run it.
 *
 * A pooler that gives each transaction another connection may lead to one that lacks the name, or has it already. Nothing
 * was run then: the statement is sent again without one, and so are all others from there on. A name tells the whole text
 * of its statement, so under none is another one ever run.
 *
 * @see https://www.postgresql.org/docs/current/sql-prepare.html
 */
import { createHash } from "node:crypto";
import { codeOf } from "./errors.ts";

/** Each connection keeps so many at most, some 100 kB each. */
const MAX_KEPT = 32;
/** A plan that was made while tables were small is made anew, whether or not PostgreSQL has analyzed them since. */
const PLANNED_ANEW_AFTER = [100, 1000, 10_000];

/** invalid_sql_statement_name, duplicate_prepared_statement, and a result that has other types since. */
const LOST = ["26000", "42P05", "0A000"];

/** Runs `named` with a name for `text`, or `plain` where it can have none. */
export type Keeping = <T>(
  text: string,
  named: (name: string) => PromiseLike<T>,
  plain: () => PromiseLike<T>,
) => Promise<T>;

export function createKeeping(): Keeping {
  const hashes = new Map<string, string>();
  let isOff = false;
  let count = 0;

  const nameOf = (text: string): string | undefined => {
    let hash = hashes.get(text);
    if (hash === undefined) {
      if (hashes.size === MAX_KEPT) return undefined;
      hash = createHash("sha256").update(text).digest("base64url").slice(0, 22);
      hashes.set(text, hash);
    }
    count += 1;
    return `holdfast_${hash}_${PLANNED_ANEW_AFTER.filter((limit) => count > limit).length}`;
  };

  return async (text, named, plain) => {
    const name = isOff ? undefined : nameOf(text);
    if (name === undefined) return plain();
    try {
      return await named(name);
    } catch (error) {
      if (!LOST.includes(codeOf(error) ?? "")) throw error;
      isOff = true;
      return plain();
    }
  };
}

/**
 * @module
 * Settings of the server that play a part, read once, and refused where what the store promises could not be kept.
 */
import { HoldfastError } from "../../log/errors.ts";
import { rowReader } from "../sql/rows.ts";
import type { Executor } from "./client.ts";
import { NAME } from "./errors.ts";
import { MAX_TOKEN_LENGTH, MIN_TOKEN_LENGTH } from "./search-words.ts";

export interface Settings {
  /** `max_allowed_packet`: what one statement, and one row, may take. */
  readonly packetBytes: number;
  /** What keeps FULLTEXT from finding every word; `undefined` where nothing does. */
  readonly searchObstacle: string | undefined;
  /** Whether READ COMMITTED may be used: with a binary log of statements the server refuses to write under it. */
  readonly mayReadCommitted: boolean;
}

const NAMES = [
  "autocommit",
  "binlog_format",
  "innodb_ft_max_token_size",
  "innodb_ft_min_token_size",
  "log_bin",
  "max_allowed_packet",
  // The first one is MySQL's name and MariaDB's since 11.1, the other one that of older ones.
  "transaction_isolation",
  "tx_isolation",
] as const;

const { text } = rowReader(NAME);

/** @throws STORE_UNAVAILABLE where connections don't commit by themselves, or read what is not committed. */
export async function readSettings(executor: Executor): Promise<Settings> {
  const names = NAMES.map((name) => `'${name}'`).join(", ");
  // SHOW, because a variable that a server lacks is an error in SELECT.
  const { rows } = await executor.query(`SHOW VARIABLES WHERE Variable_name IN (${names})`);
  const values = new Map(rows.map((row) => [text(row, "Variable_name").toLowerCase(), text(row, "Value")]));
  const value = (name: (typeof NAMES)[number]): string => values.get(name) ?? "";
  if (value("autocommit") === "OFF") {
    throw refusal("autocommit is off", "turn it on for them");
  }
  const isolation = value("transaction_isolation") || value("tx_isolation");
  if (isolation === "READ-UNCOMMITTED") {
    throw refusal("their isolation is READ UNCOMMITTED", "choose REPEATABLE READ or READ COMMITTED");
  }
  const shortest = Number(value("innodb_ft_min_token_size"));
  const longest = Number(value("innodb_ft_max_token_size"));
  return {
    packetBytes: Number(value("max_allowed_packet")),
    searchObstacle:
      shortest > MIN_TOKEN_LENGTH
        ? `innodb_ft_min_token_size is ${shortest} and must be ${MIN_TOKEN_LENGTH} or less`
        : longest < MAX_TOKEN_LENGTH
          ? `innodb_ft_max_token_size is ${longest} and must be ${MAX_TOKEN_LENGTH} or more`
          : undefined,
    mayReadCommitted: value("log_bin") !== "ON" || value("binlog_format") !== "STATEMENT",
  };
}

function refusal(what: string, remedy: string): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `the connections of the mysql store can't be used: ${what}; ${remedy}`,
    { store: NAME, retryable: false },
  );
}

/**
 * @module
 * Errors of MySQL, MariaDB and mysql2 as errors of Holdfast that say what to do.
 *
 * @see https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
 * @see https://mariadb.com/kb/en/mariadb-error-code-reference/
 */
import type { HoldfastErrorCode } from "../../log/errors.ts";
import { HoldfastError, messageOf } from "../../log/errors.ts";
import { isRow } from "../sql/rows.ts";

export const NAME = "mysql";

/** The number of an error of the server; 0 for any other. */
export function numberOf(error: unknown): number {
  return isRow(error) && typeof error.errno === "number" && error.errno > 0 ? error.errno : 0;
}

/** The code of an error of the connection, `ER_…` for one of the server; "" for any other. */
export function codeOf(error: unknown): string {
  return isRow(error) && typeof error.code === "string" ? error.code : "";
}

/** Whether a row with the same key is there already. The transaction goes on, without what the statement would write. */
export function isDuplicateKey(error: unknown): boolean {
  return numberOf(error) === 1062;
}

/**
 * Whether the transaction was undone because another one ran beside it, so that it can be run again as it is: a
 * deadlock, a row that changed since it was first read (MariaDB), a certification that failed (a cluster), a statement
 * whose table was altered.
 */
export function isRace(error: unknown): boolean {
  return [1213, 1020, 3101, 1615].includes(numberOf(error));
}

/** Whether another transaction held a lock for longer than `innodb_lock_wait_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  return numberOf(error) === 1205;
}

/** Whether the server can't prepare a statement, or no further one. */
export function isUnprepared(error: unknown): boolean {
  return [1295, 1461].includes(numberOf(error));
}

type Rule = readonly [codes: readonly number[], code: HoldfastErrorCode, text: string, isRetryable?: boolean];

/** `$` stands for the message of the server. */
const RULES: readonly Rule[] = [
  [
    [1054, 1146],
    "MIGRATION_REQUIRED",
    'the database lacks tables or columns that this release of Holdfast needs ($); call store.migrate() or run "holdfast migrate"',
  ],
  [
    [1044, 1045, 1049, 1130, 1251, 1524, 1698, 3118, 4151],
    "STORE_UNAVAILABLE",
    "the MySQL server refused the connection: $; check user, password, database and the user's host",
    false,
  ],
  [
    [1046],
    "INVALID_ARGUMENT",
    "the connection of the mysql store has no database; name one in its url or its options",
  ],
  [
    [1142, 1143, 1227, 1370],
    "STORE_UNAVAILABLE",
    'the database user lacks a privilege: $; grant it, or let a user that has it run "holdfast migrate"',
    false,
  ],
  [
    [1290, 1792, 1836],
    "STORE_UNAVAILABLE",
    "the MySQL server is read-only: $; connect to the primary, and try again",
  ],
  [
    [1153, 1301],
    "ENTRY_TOO_LARGE",
    "a commit is larger than the server takes at once ($); raise max_allowed_packet, or split it",
  ],
  [
    [1021, 1037, 1040, 1041, 1114, 1203, 1206, 1226],
    "STORE_UNAVAILABLE",
    "the MySQL server is out of a resource: $; nothing was written: free disk space or connections, and try again",
  ],
  [
    [1034, 1194, 1195, 1712, 1817, 1877],
    "STORE_CORRUPT",
    "the MySQL database is damaged ($); nothing was changed: restore a backup",
  ],
  [
    [1020, 1205, 1213, 1317, 1615, 1907, 1969, 3024, 3101, 3572],
    "STORE_UNAVAILABLE",
    "the MySQL server cancelled the statement: $; try again",
  ],
  [
    [1047, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 4031],
    "STORE_UNAVAILABLE",
    "the connection to the MySQL server was lost: $; try again",
  ],
];

const LOST = /^(E(CONN\w*|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NOTFOUND|AI_AGAIN)|ENOENT|PROTOCOL_\w+)$/;

export interface ErrorContext {
  /** What must not be in a message. */
  readonly secrets: readonly string[];
  /** Whether the client makes a new connection in place of one that was lost. */
  readonly isPool: boolean;
}

/** `error` as a HoldfastError. */
export function toHoldfastError(error: unknown, { secrets, isPool }: ErrorContext): HoldfastError {
  if (HoldfastError.is(error)) return error;
  const described = describe(error);
  const message = secrets.reduce((text, secret) => text.replaceAll(secret, "***"), described);
  const cause = message === described ? withoutStatement(error) : undefined;
  const make = (code: HoldfastErrorCode, text: string, retryable?: boolean): HoldfastError =>
    new HoldfastError(
      code,
      text.replace("$", () => message),
      { store: NAME, cause, retryable },
    );

  const rule = RULES.find(([numbers]) => numbers.includes(numberOf(error)));
  if (rule) return make(rule[1], rule[2], rule[3]);
  if (/^Pool is closed/i.test(message) || (!isPool && /closed state/i.test(message))) {
    return make(
      "STORE_UNAVAILABLE",
      "the client of the mysql store was closed, or lost its connection ($); open it again and make a new store of it",
      false,
    );
  }
  if (/^(Queue limit reached|No connections available)/.test(message)) {
    return make(
      "STORE_UNAVAILABLE",
      "the pool of the mysql store has no connection to spare: $; raise its limits, or try again",
    );
  }
  if (LOST.test(codeOf(error)) || /connection lost|closed state|handshake|socket/i.test(message)) {
    return make(
      "STORE_UNAVAILABLE",
      "the connection to the MySQL server failed or was lost: $; see that the server runs, and try again",
    );
  }
  return make("STORE_UNAVAILABLE", "the MySQL server failed: $", false);
}

/** Drivers put the statement into their errors, and with it what was to be stored. */
function withoutStatement(error: unknown): unknown {
  if (!(error instanceof Error) || !("sql" in error)) return error;
  const copy = new Error(error.message);
  for (const key of ["stack", "code", "errno", "sqlState"]) Reflect.set(copy, key, Reflect.get(error, key));
  return copy;
}

/** Node's error of a host with several addresses has no message, and holds one for each. */
function describe(error: unknown): string {
  if (!(error instanceof AggregateError) || error.message !== "") return messageOf(error);
  return error.errors.map(messageOf).join("; ");
}

/**
 * @module
 * Errors of PostgreSQL and its drivers as errors of Holdfast that say what to do.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
import type { HoldfastErrorCode } from "../../log/errors.ts";
import { HoldfastError, messageOf } from "../../log/errors.ts";

export const NAME = "postgres";

/** The SQLSTATE of an error of the server, or the code of an error of the connection; `undefined` for any other. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/**
 * Whether the statement was undone because another one ran beside it, so that it can be run again as it is: a deadlock,
 * a stricter isolation than READ COMMITTED, or a row, table or schema that its snapshot did not show yet.
 */
export function isRace(error: unknown): boolean {
  return ["40001", "40P01", "23505", "42P06", "42P07"].includes(codeOf(error) ?? "");
}

const LOST =
  /^(E(CONN\w*|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NOTFOUND|AI_AGAIN)|ENOENT|CONNECTION_\w+|CONNECT_TIMEOUT)$/;

/** What drivers say where their user ended the client, or where it can't be used again. */
const CLOSED = /not queryable|after calling end on the pool|PGlite is closed/i;

/** `error` as a HoldfastError. `secrets` are left out of its message. */
export function toHoldfastError(error: unknown, secrets: readonly string[]): HoldfastError {
  if (HoldfastError.is(error)) return error;
  const code = codeOf(error) ?? "";
  const message = secrets.reduce((text, secret) => text.replaceAll(secret, "***"), describe(error));
  const isSafe = message === describe(error) && code !== "ERR_INVALID_URL";
  const make = (kind: HoldfastErrorCode, text: string, retryable?: boolean): HoldfastError =>
    new HoldfastError(kind, text, { store: NAME, ...(isSafe && { cause: error }), retryable });

  if (code === "ERR_INVALID_URL") {
    return make(
      "INVALID_ARGUMENT",
      "the url of the postgres store is no URL; give postgres://user:password@host:5432/database, with special characters of the password percent-encoded",
    );
  }
  if (/^(42P01|3F000|42703)$/.test(code)) {
    return make(
      "MIGRATION_REQUIRED",
      `the database lacks tables or columns that this release of Holdfast needs (${message}); call store.migrate() or run "holdfast migrate"`,
    );
  }
  if (/^XX00[12]$/.test(code)) {
    return make(
      "STORE_CORRUPT",
      `the PostgreSQL database is damaged (${message}); nothing was changed: restore a backup`,
    );
  }
  if (/^28/.test(code) || code === "3D000") {
    return make(
      "STORE_UNAVAILABLE",
      `PostgreSQL refused the connection: ${message}; check user, password, database and pg_hba.conf`,
      false,
    );
  }
  if (code === "42501") {
    return make(
      "STORE_UNAVAILABLE",
      `the database user lacks a privilege: ${message}; grant it, or let a user that has it run "holdfast migrate"`,
      false,
    );
  }
  if (code === "CONNECTION_ENDED" || CLOSED.test(message)) {
    return make(
      "STORE_UNAVAILABLE",
      `the client of the postgres store is closed: ${message}; open another one, and make a new store on it`,
      false,
    );
  }
  if (/^53/.test(code)) {
    return make(
      "STORE_UNAVAILABLE",
      `PostgreSQL is out of a resource: ${message}; nothing was written: free disk space or connections, and try again`,
    );
  }
  if (/^(08|57P)/.test(code) || LOST.test(code) || isLostConnection(message)) {
    return make(
      "STORE_UNAVAILABLE",
      `the connection to PostgreSQL failed or was lost: ${message}; see that the server runs, and try again`,
    );
  }
  if (code === "25006") {
    return make(
      "STORE_UNAVAILABLE",
      `the PostgreSQL server is read-only: ${message}; connect to the primary, and try again`,
    );
  }
  if (/^(57014|55P03|40001|40P01|23505|42P06|42P07|25P0\d)$/.test(code)) {
    return make("STORE_UNAVAILABLE", `PostgreSQL cancelled the statement: ${message}; try again`);
  }
  return make("STORE_UNAVAILABLE", `PostgreSQL failed: ${message}`, false);
}

function isLostConnection(message: string): boolean {
  return /connection (is )?(terminated|ended|closed|error)|timeout (exceeded|expired)|socket/i.test(message);
}

/** Node's error of a host with several addresses has no message, and holds one for each. */
function describe(error: unknown): string {
  if (!(error instanceof AggregateError) || error.message !== "") return messageOf(error);
  return error.errors.map(messageOf).join("; ");
}

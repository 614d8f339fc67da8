/**
 * @module
 * Errors of SQLite, of any driver, as errors of Holdfast that say what to do.
 *
 * @see https://www.sqlite.org/rescode.html
 */
import type { HoldfastErrorCode } from "../../log/errors.ts";
import { HoldfastError, messageOf } from "../../log/errors.ts";

export const NAME = "sqlite";

const PRIMARY_CODES: ReadonlyMap<number, string> = new Map([
  [3, "PERM"],
  [5, "BUSY"],
  [6, "LOCKED"],
  [7, "NOMEM"],
  [8, "READONLY"],
  [10, "IOERR"],
  [11, "CORRUPT"],
  [13, "FULL"],
  [14, "CANTOPEN"],
  [15, "PROTOCOL"],
  [18, "TOOBIG"],
  [26, "NOTADB"],
]);

/** The primary result code without its prefix, for example `"BUSY"`; `undefined` for any other error. */
export function sqliteCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  // node:sqlite numbers its codes, better-sqlite3 and libsql name them; both may be extended ones.
  if ("errcode" in error && typeof error.errcode === "number") return PRIMARY_CODES.get(error.errcode & 0xff);
  if ("code" in error && typeof error.code === "string") return /^SQLITE_([A-Z]+)/.exec(error.code)?.[1];
  return undefined;
}

/** Whether another connection stood in the way, so that the same call may succeed in a moment. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === "BUSY" || code === "LOCKED" || code === "PROTOCOL";
}

/** Whether the caller had a transaction open on the database that it passed in. */
export function isForeignTransaction(error: unknown): boolean {
  return /(within|inside) a transaction/.test(messageOf(error));
}

/** `error` as a HoldfastError. `what` names the database: `the SQLite database /data/app.db`. */
export function toHoldfastError(error: unknown, what: string): HoldfastError {
  if (HoldfastError.is(error)) return error;
  const message = messageOf(error);
  const make = (code: HoldfastErrorCode, text: string, retryable?: boolean): HoldfastError =>
    new HoldfastError(code, text, { store: NAME, cause: error, retryable });
  switch (sqliteCode(error)) {
    case "READONLY":
    case "PERM":
      return make(
        "STORE_UNAVAILABLE",
        `${what} can't be written: make the file and its folder writable for this process (${message})`,
        false,
      );
    case "CANTOPEN":
      return make(
        "STORE_UNAVAILABLE",
        `${what} can't be opened: see that its folder exists and that this process may read and write in it (${message})`,
        false,
      );
    case "FULL":
      return make(
        "STORE_UNAVAILABLE",
        `the disk that holds ${what} is full and nothing was written; free some space and try again`,
      );
    case "IOERR":
      return make("STORE_UNAVAILABLE", `${what} could not be read or written: ${message}; check the disk`);
    case "NOTADB":
      return make(
        "STORE_CORRUPT",
        `${what} is not a SQLite database, or is encrypted; nothing was changed: give another path, or restore a backup`,
      );
    case "CORRUPT":
      return make(
        "STORE_CORRUPT",
        `${what} is damaged (${message}); nothing was changed: restore a backup, or save what can be read with the "sqlite3" program's ".recover"`,
      );
    case "TOOBIG":
      return make(
        "ENTRY_TOO_LARGE",
        `a value is larger than ${what} can hold (${message}); split it, or keep the large part elsewhere and store a reference`,
      );
    default:
  }
  if (message.includes("malformed JSON")) {
    return make(
      "STORE_CORRUPT",
      `a record in ${what} is not JSON, so it was changed by another program; nothing was changed: restore a backup, or run "holdfast doctor"`,
    );
  }
  if (/not open|is closed/i.test(message)) {
    return make(
      "STORE_UNAVAILABLE",
      `${what} was closed by its owner; open it again and make a new store of it`,
      false,
    );
  }
  return make("STORE_UNAVAILABLE", `${what} failed: ${message}`, false);
}

/** After waiting `waitedMs` in vain. */
export function lockedError(error: unknown, what: string, waitedMs: number): HoldfastError {
  const text = isForeignTransaction(error)
    ? `${what} had a transaction of its owner open for ${waitedMs} ms; end it before the store is used, or give the store a connection of its own`
    : `${what} was locked by another process for ${waitedMs} ms and nothing was written; try again, raise busyTimeoutMs, or find what holds it (a database tool, a backup, a long transaction)`;
  return new HoldfastError("STORE_UNAVAILABLE", text, { store: NAME, cause: error });
}

/**
 * @module
 * The one family of errors. Every refusal and every failure in Holdfast is a {@link HoldfastError} with a code.
 */

/** What went wrong, as a stable code. `docs/errors.md` says for each what it means and what to do. */
export type HoldfastErrorCode =
  | "SESSION_NOT_FOUND"
  | "SESSION_EXISTS"
  | "SESSION_DELETED"
  | "SESSION_CLOSED"
  | "SESSION_HELD"
  | "VERSION_CONFLICT"
  | "TURN_IN_PROGRESS"
  | "DUPLICATE_ENTRY"
  | "INVALID_ARGUMENT"
  | "INVALID_DATA"
  | "ENTRY_TOO_LARGE"
  | "STORE_UNAVAILABLE"
  | "STORE_CORRUPT"
  | "MIGRATION_REQUIRED"
  | "DECRYPTION_FAILED"
  | "UNSUPPORTED";

export interface HoldfastErrorOptions {
  /** The session that the failed call was about. */
  sessionId?: string | undefined;
  /** The name of the store that failed, for example `"sqlite"`. */
  store?: string | undefined;
  /** Whether the same call may succeed later without being changed. Default: decided by the code. */
  retryable?: boolean | undefined;
  /** The error underneath, kept whole. */
  cause?: unknown;
}

const RETRYABLE: ReadonlySet<HoldfastErrorCode> = new Set(["STORE_UNAVAILABLE", "TURN_IN_PROGRESS"]);
const BRAND: unique symbol = Symbol.for("holdfast.error");

/**
 * The error that every Holdfast call fails with.
 *
 * `message` says what happened, to which session, and what to do. It never holds a secret.
 *
 * @example
 * ```ts
 * import { createSessions, HoldfastError } from "holdfast";
 * const sessions = createSessions();
 * try {
 *   await sessions.open("unknown");
 * } catch (error) {
 *   if (!HoldfastError.is(error, "SESSION_NOT_FOUND")) throw error;
 * }
 * ```
 */
export class HoldfastError extends Error {
  override readonly name = "HoldfastError";
  readonly code: HoldfastErrorCode;
  readonly sessionId: string | undefined;
  readonly store: string | undefined;
  readonly retryable: boolean;

  constructor(code: HoldfastErrorCode, message: string, options: HoldfastErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.sessionId = options.sessionId;
    this.store = options.store;
    this.retryable = options.retryable ?? RETRYABLE.has(code);
    Object.defineProperty(this, BRAND, { value: true });
  }

  /**
   * Whether `error` is a HoldfastError, and of `code` where one is given. Holds across copies of the package, where
   * `instanceof` does not.
   */
  static is(error: unknown, code?: HoldfastErrorCode): error is HoldfastError {
    if (typeof error !== "object" || error === null || !(BRAND in error)) return false;
    return code === undefined || ("code" in error && error.code === code);
  }
}

/** Makes an INVALID_ARGUMENT error: the caller's input is wrong and nothing was written. */
export function invalidArgument(message: string, sessionId?: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message, { sessionId });
}

/** The message of any thrown value, for use inside another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

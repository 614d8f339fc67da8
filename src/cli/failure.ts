/**
 * @module
 * How a command fails: the exit codes, the one line that is printed, and what `--json` prints in its place.
 */
import { CommanderError } from "commander";
import { HoldfastError, messageOf } from "../log/errors.ts";

/** The exit codes. `docs/guide/cli.md` and the help text state them. */
export const EXIT = {
  ok: 0,
  /** The command ran and something went wrong, or a check found something wrong. */
  failure: 1,
  /** The command line or a value in it is wrong; nothing was done. */
  usage: 2,
  /** There is no such session, or no such store. */
  notFound: 3,
  /** Stopped by Ctrl-C or SIGTERM. */
  interrupted: 130,
} as const;

export type CliErrorCode =
  | "INVALID_ARGUMENT"
  | "AMBIGUOUS_ID"
  | "SESSION_NOT_FOUND"
  | "STORE_NOT_FOUND"
  | "CHECK_FAILED"
  | "CANCELLED"
  | "INTERRUPTED";

/** A failure that the command line itself finds. `details` are lines for people below the error. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;
  readonly details: readonly string[];

  constructor(code: CliErrorCode, message: string, details: readonly string[] = []) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

export function usageError(message: string): CliError {
  return new CliError("INVALID_ARGUMENT", message);
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly sessionId?: string;
  readonly details: readonly string[];
  readonly exitCode: number;
}

/** What to tell of anything that was thrown. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CliError) {
    return {
      code: error.code,
      message: error.message,
      details: error.details,
      exitCode: exitCodeOf(error.code),
    };
  }
  if (HoldfastError.is(error)) {
    const { code, message, sessionId } = error;
    return {
      code,
      message,
      ...(sessionId !== undefined && { sessionId }),
      details: [],
      exitCode: exitCodeOf(code),
    };
  }
  if (error instanceof CommanderError) {
    const message = error.message.replace(/^error: /, "");
    return { code: "INVALID_ARGUMENT", message, details: [], exitCode: EXIT.usage };
  }
  return { code: systemCodeOf(error), message: messageOf(error), details: [], exitCode: EXIT.failure };
}

function exitCodeOf(code: string): number {
  switch (code) {
    case "INVALID_ARGUMENT":
    case "AMBIGUOUS_ID":
      return EXIT.usage;
    case "SESSION_NOT_FOUND":
    case "STORE_NOT_FOUND":
      return EXIT.notFound;
    case "INTERRUPTED":
      return EXIT.interrupted;
    default:
      return EXIT.failure;
  }
}

/** The code of a system error such as ENOENT. */
function systemCodeOf(error: unknown): string {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "UNEXPECTED";
}

/**
 * @module
 * Where results and notes go. Results on stdout, everything else on stderr; both end quietly when nobody reads them.
 */
import { once } from "node:events";
import { encodeValue } from "../log/values.ts";
import { clean, cleanJson } from "./clean.ts";
import { EXIT, failureOf } from "./failure.ts";
import { paintError } from "./style.ts";

export interface Output {
  /** Whether results are lines of JSON. */
  readonly json: boolean;
  /** A line of a result, for people. */
  line(text?: string): void;
  /** A result as one line of JSON. */
  value(value: unknown): void;
  /** A line on stderr: what is going on, what to do next. Not printed with `--json`. */
  note(text: string): void;
  /** A line on stderr that must not be missed, with or without `--json`. */
  warn(text: string, value: unknown): void;
  /** Resolves once a slow reader has caught up, so that long output needs little memory. */
  drained(): Promise<void>;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    line: (text = "") => void process.stdout.write(`${text}\n`),
    value: (value) => void process.stdout.write(`${cleanJson(encodeValue(value))}\n`),
    note(text) {
      if (!json) process.stderr.write(`${text}\n`);
    },
    warn: (text, value) =>
      void process.stderr.write(json ? `${cleanJson(encodeValue(value))}\n` : `${text}\n`),
    async drained() {
      if (process.stdout.writableNeedDrain) await once(process.stdout, "drain");
    },
  };
}

/** Ends the process when the reader of stdout is gone, as `| head` is after its lines. */
export function endWhenUnread(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      process.exit(EXIT.ok);
    });
  }
}

/** Prints a failure on stderr and answers with the exit code. The stack is shown only with HOLDFAST_DEBUG. */
export function printFailure(error: unknown, json: boolean): number {
  const { code, message, sessionId, details, exitCode } = failureOf(error);
  if (json) {
    const body = {
      code,
      message,
      ...(sessionId !== undefined && { sessionId }),
      ...(details.length > 0 && { details }),
    };
    process.stderr.write(`${cleanJson(JSON.stringify({ error: body }))}\n`);
  } else {
    const line = clean(message).replace(/\s*\n\s*/g, " ");
    process.stderr.write(`${paintError("red", `error ${code}:`)} ${line}\n`);
    for (const detail of details) process.stderr.write(`  ${clean(detail)}\n`);
  }
  if (process.env.HOLDFAST_DEBUG && error instanceof Error)
    process.stderr.write(`${clean(error.stack ?? "")}\n`);
  return exitCode;
}

/**
 * @module
 * Asking before something is removed.
 */
import { createInterface } from "node:readline/promises";
import { CliError, usageError } from "./failure.ts";
import { interruptible } from "./interrupt.ts";

/**
 * Asks on stderr and waits for `y` or `yes`.
 *
 * @throws INVALID_ARGUMENT where nobody is there to answer, CANCELLED on any other answer than yes.
 */
export async function confirm(question: string, yes: boolean | undefined): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) {
    throw usageError(
      "this removes data and there is no terminal to ask on; pass --yes to go ahead, or --dry-run to see what would go",
    );
  }
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await interruptible((signal) => reader.question(`${question} [y/N] `, { signal }));
    if (/^y(es)?$/i.test(answer.trim())) return;
  } catch (error) {
    if (!(error instanceof Error && error.name === "AbortError")) throw error;
  } finally {
    reader.close();
  }
  throw new CliError("CANCELLED", "nothing was removed");
}

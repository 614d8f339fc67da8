/**
 * @module
 * Ctrl-C on long work: what is under way is finished, then the command stops. A second one stops it at once.
 */
import { breather } from "../stores/breather.ts";
import { CliError, EXIT } from "./failure.ts";

/** Runs `run` with a signal that aborts on SIGINT and SIGTERM. */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    return await run(controller.signal);
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

const breath = breather();

/**
 * A place where long work may stop. Lets signals and timers through, which work on a store without waiting would not.
 *
 * @throws INTERRUPTED where the signal has aborted.
 */
export async function stopPoint(signal: AbortSignal, message: () => string): Promise<void> {
  if (breath.isDue()) await breath.pause();
  if (signal.aborted) throw new CliError("INTERRUPTED", message());
}

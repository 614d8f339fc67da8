/**
 * @module
 * A progress bar on stderr, for people at a terminal only.
 */
import cliProgress from "cli-progress";
import type { Output } from "./output.ts";

export interface Progress {
  update(done: number, total: number): void;
  /** Prints a line above the bar. */
  above(print: () => void): void;
  /** Takes the bar away. Safe to repeat. */
  stop(): void;
}

/** @param title what goes on, for example `import`. */
export function createProgress(output: Output, title: string): Progress {
  if (output.json || !process.stderr.isTTY) {
    return { update: () => undefined, above: (print) => print(), stop: () => undefined };
  }
  const bar = new cliProgress.SingleBar({
    format: `${title} [{bar}] {percentage}%  {duration_formatted}`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    noTTYOutput: false,
    barsize: 30,
    // Ctrl-C is ours to handle.
    gracefulExit: false,
  });
  let running = false;
  let last = { done: 0, total: 1 };
  const start = (): void => {
    bar.start(Math.max(1, last.total), last.done);
    running = true;
  };
  const stop = (): void => {
    if (running) bar.stop();
    running = false;
  };
  return {
    update(done, total) {
      last = { done, total };
      if (!running) start();
      bar.setTotal(Math.max(1, total));
      bar.update(done);
    },
    above(print) {
      const wasRunning = running;
      stop();
      print();
      if (wasRunning) start();
    },
    stop,
  };
}

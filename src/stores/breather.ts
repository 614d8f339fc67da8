/**
 * @module
 * Keeps long work, and many short pieces of it one after another, from holding up everything else in the process.
 */
import { setImmediate } from "node:timers/promises";

export interface Breather {
  /** Whether it has been long since others could run. */
  isDue(): boolean;
  /** Lets others run. */
  pause(): Promise<void>;
}

/** Long against what a pause costs, short against what anybody notices. */
const EVERY_MS = 2;

export function breather(): Breather {
  let since = performance.now();
  return {
    isDue: () => performance.now() - since > EVERY_MS,
    async pause() {
      await setImmediate();
      since = performance.now();
    },
  };
}

/**
 * @module
 * Waiting that a signal ends, and trying again for a while.
 */
import { setTimeout as delay } from "node:timers/promises";
import { HoldfastError } from "../log/errors.ts";

/** How soon what is new is seen where nobody tells of it, and how soon it is tried again what failed. */
export const LOOK_MS = 200;
/** How long the database may be out of reach before its watches are told. */
const PATIENCE_MS = 30_000;

/**
 * What `work` resolves with, tried again for a while where the database is out of reach; `undefined` where `signal`
 * aborts meanwhile.
 */
export async function persist<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!HoldfastError.is(error) || !error.retryable || performance.now() > until) throw error;
    }
    await pause(LOOK_MS, signal);
    if (signal.aborted) return undefined;
  }
}

/** Resolves after `ms`, or when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(Math.max(0, ms), undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

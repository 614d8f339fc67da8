/**
 * @module
 * Waiting for what has the database locked, without blocking the process.
 */
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { HoldfastError } from "../../log/errors.ts";
import type { Row } from "./driver.ts";
import { isBusy, isForeignTransaction, lockedError, NAME, toHoldfastError } from "./errors.ts";

const MAX_PAUSE_MS = 50;
/** How long a removal waits for readers before it leaves the log to the next one. */
const TRUNCATE_WAIT_MS = 1000;

/** Short at first, since a writer is rarely in the way for longer than its fsync; random, so that two don't keep step. */
async function pause(count: number, atMostMs: number): Promise<void> {
  if (count < 2) await nextTurn();
  else await delay(Math.min(atMostMs, Math.random() * Math.min(MAX_PAUSE_MS, 2 ** count)));
}

/** What to do when an attempt failed with `error`: resolves once it may be made again, else throws what it failed with. */
export function createPatience(what: string, busyTimeoutMs: number): (error: unknown) => Promise<void> {
  const startedAt = performance.now();
  let count = 0;
  return async (error) => {
    if (!isBusy(error) && !isForeignTransaction(error)) throw toHoldfastError(error, what);
    const waitedMs = Math.round(performance.now() - startedAt);
    if (waitedMs >= busyTimeoutMs) throw lockedError(error, what, waitedMs);
    await pause(count, busyTimeoutMs - waitedMs);
    count += 1;
  };
}

type Checkpoint = (sql: "PRAGMA wal_checkpoint(TRUNCATE)") => Row | undefined | Promise<Row | undefined>;

/**
 * Copies the log into the database and empties it; `false` where a reader in another process, or a transaction of the
 * owner's, stood in the way.
 */
export async function emptyLog(
  checkpoint: Checkpoint,
  what: string,
  busyTimeoutMs: number,
): Promise<boolean> {
  const startedAt = performance.now();
  try {
    for (let count = 0; ; count += 1) {
      const row = await checkpoint("PRAGMA wal_checkpoint(TRUNCATE)");
      if (Number(row?.busy ?? 0) === 0) return true;
      const leftMs = Math.min(busyTimeoutMs, TRUNCATE_WAIT_MS) - (performance.now() - startedAt);
      if (leftMs <= 0) return false;
      await pause(count, leftMs);
    }
  } catch (error) {
    if (isBusy(error) || isForeignTransaction(error)) return false;
    throw toHoldfastError(error, what);
  }
}

export function closedError(): HoldfastError {
  return new HoldfastError("STORE_UNAVAILABLE", "the sqlite store is closed; make a new one", {
    store: NAME,
    retryable: false,
  });
}

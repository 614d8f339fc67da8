/**
 * @module
 * Removing what has expired, and what rules name, now and then: a little at a time, in any number of workers at once.
 *
 * It keeps no state: what one run leaves is the next run's, whoever makes it. Of two workers that come to the same
 * session one removes it, and what was renewed, gone on with or placed under a hold since it was listed stays; see
 * `Sessions.prune`. It does not use an engine's own `sweep`, which knows neither forks nor children.
 *
 * @example
 * ```ts
 * import { createSessions, memoryStore } from "holdfast";
 * import { startSweeper } from "holdfast/retention";
 * const sessions = createSessions({ store: memoryStore() });
 * const sweeper = startSweeper(sessions, { everyMs: 60_000, rules: [{ olderThanMs: 90 * 86_400_000 }] });
 * await sweeper.stop();
 * ```
 */
import { HoldfastError, messageOf } from "../log/errors.ts";
import { checkCount, checkDuration } from "./input.ts";
import type { PruneReport, PruneRule, Sessions } from "./types.ts";

export interface SweeperOptions {
  /** From one run to the next, give or take a quarter, so that workers don't go in step. Default 60,000. */
  readonly everyMs?: number;
  /** What else to remove than what has expired. Each rule is a prune of its own, in this order. */
  readonly rules?: readonly Omit<PruneRule, "limit" | "budgetMs" | "signal" | "dryRun">[];
  /** Sessions that one run removes at most. Default 1000. Where more are left, the next run comes soon. */
  readonly limit?: number;
  /** How long one run takes at most, but for the session that it is at. Default 10,000. */
  readonly budgetMs?: number;
  /** Stops it, as `stop()` does. */
  readonly signal?: AbortSignal;
  readonly onSwept?: (report: PruneReport) => void;
  /** Default: a warning of the process. The next run comes all the same. */
  readonly onError?: (error: unknown) => void;
}

export interface Sweeper extends AsyncDisposable {
  /** Makes a run now, or joins the one that is under way. Answers with a report for each rule that it came to. */
  sweep(): Promise<PruneReport[]>;
  /** Ends it; resolves once what is under way is over. Safe to repeat. */
  stop(): Promise<void>;
}

const DEFAULT_EVERY_MS = 60_000;
const DEFAULT_LIMIT = 1000;
const DEFAULT_BUDGET_MS = 10_000;

/**
 * Sweeps `sessions` now and then, until it is stopped or they are closed. Its timer keeps no process running.
 *
 * @throws INVALID_ARGUMENT
 */
export function startSweeper(sessions: Pick<Sessions, "prune">, options: SweeperOptions = {}): Sweeper {
  const { rules = [], onSwept, onError = warn } = options;
  const everyMs = checkDuration(options.everyMs ?? DEFAULT_EVERY_MS, "everyMs");
  const limit = checkCount(options.limit ?? DEFAULT_LIMIT, "limit", 1);
  const budgetMs = checkDuration(options.budgetMs ?? DEFAULT_BUDGET_MS, "budgetMs");
  const ending = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, ending.signal]) : ending.signal;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<PruneReport[]> | undefined;

  async function sweepOnce(): Promise<PruneReport[]> {
    const end = performance.now() + budgetMs;
    const reports: PruneReport[] = [];
    let left = limit;
    for (const rule of rules.length === 0 ? [{}] : rules) {
      const leftMs = Math.ceil(end - performance.now());
      if (left <= 0 || leftMs <= 0 || signal.aborted) break;
      const report = await sessions.prune({ ...rule, limit: left, budgetMs: leftMs, signal });
      left -= report.removed.length;
      reports.push(report);
      onSwept?.(report);
    }
    return reports;
  }

  function sweep(): Promise<PruneReport[]> {
    running ??= sweepOnce().finally(() => {
      running = undefined;
    });
    return running;
  }

  /** Where more is left the next run comes after as long as this one took: half of the time is others'. */
  async function run(): Promise<void> {
    const begin = performance.now();
    let waitMs = everyMs * (0.75 + Math.random() / 2);
    try {
      const reports = await sweep();
      const isAll = reports.length >= Math.max(1, rules.length) && !reports.some(({ more }) => more);
      if (!isAll) waitMs = Math.min(waitMs, performance.now() - begin);
    } catch (error) {
      if (HoldfastError.is(error, "SESSION_CLOSED")) ending.abort();
      else onError(error);
    }
    plan(waitMs);
  }

  function plan(waitMs: number): void {
    if (signal.aborted) return;
    timer = setTimeout(() => void run(), waitMs);
    timer.unref();
  }

  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  // Not at once: workers that start together would all do the same.
  plan(everyMs * Math.random());

  async function stop(): Promise<void> {
    ending.abort();
    await Promise.allSettled([running]);
  }

  return { sweep, stop, [Symbol.asyncDispose]: stop };
}

function warn(error: unknown): void {
  process.emitWarning(`a sweep failed and is tried again later: ${messageOf(error)}`, "HoldfastWarning");
}

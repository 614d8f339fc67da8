/**
 * @module
 * Whether an outage is being bridged, who is told, and when recovery is tried.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { StoreHealth } from "../../store/store.ts";

export interface Outage {
  /** What the primary failed with. */
  readonly cause: unknown;
}

export interface Recovery {
  /** From the first failure until all was replayed. */
  readonly degradedMs: number;
  /** Commits that the primary got from the journal during this outage. */
  readonly replayed: number;
  /** Sessions whose commits were put behind what others had written. */
  readonly rebased: number;
  /** Sessions of which a fork was made. */
  readonly diverged: number;
}

export interface Health {
  readonly isDegraded: boolean;
  /** Aborted when the state changes; then there is another one. */
  readonly changed: AbortSignal;
  /** How long it was degraded until now, and how often that began. */
  readonly degradedMs: number;
  readonly outages: number;
  /** An outage was met, or what one left behind. */
  degrade(cause: unknown): void;
  /** Tries to recover now. @throws STORE_UNAVAILABLE where that does not succeed */
  recover(): Promise<void>;
  onHealth(listener: (health: StoreHealth) => void): () => void;
  /** No more attempts; resolves once the one under way is over. */
  stop(): Promise<void>;
}

export interface HealthOptions {
  readonly store: string;
  readonly probeEveryMs: number;
  /** Asks the primary and replays what is owed. Whether all is done. */
  readonly attempt: () => Promise<boolean>;
  readonly cause: () => unknown;
  readonly totals: () => Omit<Recovery, "degradedMs">;
  readonly onFallback: ((outage: Outage) => void) | undefined;
  readonly onRecover: ((recovery: Recovery) => void) | undefined;
}

/** A connection that broke while the server is well is made anew at once. */
const FIRST_PROBE_MS = 50;

export function createHealth(options: HealthOptions): Health {
  const { store, probeEveryMs, attempt, cause, totals, onFallback, onRecover } = options;
  const listeners = new Set<(health: StoreHealth) => void>();
  let changing = new AbortController();
  let since: number | undefined;
  let before = totals();
  let pastMs = 0;
  let outages = 0;
  let timer: NodeJS.Timeout | undefined;
  let delayMs = 0;
  let running: Promise<boolean> | undefined;
  let isStopped = false;

  function tell(health: StoreHealth): void {
    for (const listener of [...listeners]) guarded(() => listener(health));
    changing.abort();
    changing = new AbortController();
  }

  function schedule(): void {
    if (isStopped || timer) return;
    delayMs = Math.min(probeEveryMs, Math.max(FIRST_PROBE_MS, delayMs * 2));
    timer = setTimeout(() => {
      timer = undefined;
      // It may have begun again while the last one was told to be over.
      void run().then(() => since !== undefined && schedule());
    }, delayMs);
    // What is owed is in the journal: nobody has to stay for it.
    timer.unref();
  }

  /** One attempt at a time; who asks for one while it runs gets its answer. */
  function run(): Promise<boolean> {
    running ??= once().finally(() => {
      running = undefined;
    });
    return running;
  }

  async function once(): Promise<boolean> {
    if (!(await attempt()) || since === undefined) return since === undefined;
    const degradedMs = Date.now() - since;
    const { replayed, rebased, diverged } = totals();
    const recovery: Recovery = {
      degradedMs,
      replayed: replayed - before.replayed,
      rebased: rebased - before.rebased,
      diverged: diverged - before.diverged,
    };
    pastMs += degradedMs;
    since = undefined;
    delayMs = 0;
    guarded(() => onRecover?.(recovery));
    tell({ state: "recovered" });
    return true;
  }

  return {
    get isDegraded() {
      return since !== undefined;
    },
    get changed() {
      return changing.signal;
    },
    get degradedMs() {
      return pastMs + (since === undefined ? 0 : Date.now() - since);
    },
    get outages() {
      return outages;
    },
    degrade(met) {
      if (since === undefined) {
        since = Date.now();
        outages += 1;
        before = totals();
        guarded(() => onFallback?.({ cause: met }));
        tell({ state: "degraded", cause: met });
      }
      if (!running) schedule();
    },
    async recover() {
      if (since === undefined) return;
      clearTimeout(timer);
      timer = undefined;
      // One that is under way may have asked the primary before it was back.
      await running;
      if (since === undefined || (await run())) return;
      schedule();
      throw new HoldfastError(
        "STORE_UNAVAILABLE",
        `the ${store} store is still out of reach, or does not take all that was written meanwhile; it is kept in the journal, and tried again`,
        { store, cause: cause() },
      );
    },
    onHealth(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await running;
      changing.abort();
    },
  };
}

/** What a listener throws is its own: it must neither vanish nor change what happens. */
function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

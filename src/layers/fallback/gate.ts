/**
 * @module
 * The way to the primary: a time limit for each call, and a circuit breaker that decides whether the primary is asked.
 *
 * @see https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker
 */
import {
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
} from "cockatiel";
import { notAsked, timedOut } from "./outage.ts";

export interface Gate {
  /** Whether the primary is asked at all. */
  readonly isAsking: boolean;
  /** What it failed with last. */
  readonly cause: unknown;
  /**
   * Asks the primary.
   *
   * @throws what it rejects with; an outage also where it takes too long, or is not asked at the moment.
   */
  ask<T>(work: () => Promise<T>): Promise<T>;
  /** Asks it even if it was out of reach a moment ago: where it answers, it is asked again from here on. */
  probe(work: () => Promise<void>): Promise<void>;
}

export interface GateOptions {
  readonly store: string;
  readonly timeoutMs: number;
  readonly failures: number;
  readonly isOutage: (error: unknown) => boolean;
}

export function createGate({ store, timeoutMs, failures, isOutage }: GateOptions): Gate {
  let cause: unknown;
  // Only a probe may find out whether the primary is back, so the breaker itself makes nobody wait.
  const breaker = circuitBreaker(handleWhen(isOutage), {
    halfOpenAfter: 0,
    breaker: new ConsecutiveBreaker(failures),
  });
  const limit = timeout(timeoutMs, { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false });

  const run = <T>(work: () => Promise<T>): Promise<T> =>
    breaker.execute(async () => {
      try {
        return await limit.execute(work);
      } catch (error) {
        const met = error instanceof TaskCancelledError ? timedOut(store, timeoutMs) : error;
        if (isOutage(met)) cause = met;
        throw met;
      }
    });

  return {
    get isAsking() {
      return breaker.state === CircuitState.Closed;
    },
    get cause() {
      return cause;
    },
    async ask(work) {
      if (breaker.state !== CircuitState.Closed) throw notAsked(store, cause);
      return run(work);
    },
    probe: run,
  };
}

/**
 * @module
 * How long a store is degraded, from what its layers say of their health.
 */
import type { SessionStore } from "../../store/store.ts";
import type { AttributeValue } from "./api.ts";
import type { StoreMetrics } from "./metrics.ts";

export interface HealthWatch {
  readonly isDegraded: boolean;
  /** Counts the time since the last call, where the store is degraded. */
  count(): void;
  /** Ends it. */
  stop(): void;
}

/** @param use is called with the instruments once they are there, and guards against what they throw. */
export function watchHealth(
  store: SessionStore,
  attributes: Record<string, AttributeValue>,
  use: (work: (metrics: StoreMetrics) => void) => void,
): HealthWatch {
  let countedAt: number | undefined;

  function count(): void {
    if (countedAt === undefined) return;
    const nowMs = performance.now();
    const seconds = (nowMs - countedAt) / 1000;
    countedAt = nowMs;
    use(({ degradedTime }) => degradedTime.add(seconds, attributes));
  }

  function set(isDegraded: boolean): void {
    // The same news may come twice.
    if (isDegraded === (countedAt !== undefined)) return;
    count();
    countedAt = isDegraded ? performance.now() : undefined;
    use(({ degraded }) => degraded.add(isDegraded ? 1 : -1, attributes));
  }

  const unsubscribe = store.onHealth?.(({ state }) => set(state === "degraded"));
  return {
    get isDegraded() {
      return countedAt !== undefined;
    },
    count,
    stop() {
      unsubscribe?.();
      set(false);
    },
  };
}

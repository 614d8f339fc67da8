/**
 * @module
 * The instruments of a store, by name, unit and buckets.
 */
import type { Counter, Histogram, Telemetry, TelemetrySource } from "./api.ts";
import type { Ended } from "./observe.ts";

export interface StoreMetrics {
  /** What each operation took. */
  readonly duration: Histogram;
  /** Commits in each call of `commit` that holds more than one. */
  readonly batch: Histogram;
  readonly conflicts: Counter;
  readonly duplicates: Counter;
  /** What each read gave back: records, entries, hits, ids. */
  readonly returned: Histogram;
  /** Watches that are open. */
  readonly watches: Counter;
  /** 1 while a layer bridges an outage. */
  readonly degraded: Counter;
  readonly degradedTime: Counter;
}

/** From a tenth of a millisecond, which an engine in the process takes, to the ten seconds after which most give up. */
const SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
/** A batch is of 256 at most. */
const BATCH = [2, 4, 8, 16, 32, 64, 128, 256];
/** A page is of 1,000 at most. */
const ITEMS = [0, 1, 5, 10, 25, 50, 100, 250, 500, 1000];

/** The instruments, made on first use: by then the SDK is there, if there is to be one. `undefined` where that fails. */
export function storeMetrics(
  { meter }: Telemetry,
  { attempt }: TelemetrySource,
): () => StoreMetrics | undefined {
  let made: StoreMetrics | undefined;
  let isTried = false;
  return () => {
    if (isTried) return made;
    isTried = true;
    attempt(() => {
      made = {
        duration: meter.createHistogram("holdfast.store.duration", {
          description: "Duration of an operation of a session store.",
          unit: "s",
          advice: { explicitBucketBoundaries: SECONDS },
        }),
        batch: meter.createHistogram("holdfast.store.batch.size", {
          description: "Commits that went to the store in one call, where there was more than one.",
          unit: "{commit}",
          advice: { explicitBucketBoundaries: BATCH },
        }),
        conflicts: meter.createCounter("holdfast.store.conflicts", {
          description: "Commits that another writer came before.",
          unit: "{commit}",
        }),
        duplicates: meter.createCounter("holdfast.store.duplicates", {
          description: "Commits with an entry that was in the log already.",
          unit: "{commit}",
        }),
        returned: meter.createHistogram("holdfast.store.returned", {
          description: "Records, entries or hits that a read gave back.",
          unit: "{item}",
          advice: { explicitBucketBoundaries: ITEMS },
        }),
        watches: meter.createUpDownCounter("holdfast.store.watches", {
          description: "Sessions that are being watched.",
          unit: "{watch}",
        }),
        degraded: meter.createUpDownCounter("holdfast.store.degraded", {
          description: "Stores whose engine is out of reach while a fallback stands in.",
          unit: "{store}",
        }),
        degradedTime: meter.createCounter("holdfast.store.degraded.time", {
          description: "How long fallbacks stood in.",
          unit: "s",
        }),
      };
    });
    return made;
  };
}

/** Measures an operation that is over. */
export function measure(metrics: StoreMetrics, { operation, startedAt, endedAt, facts, error }: Ended): void {
  const { attributes } = operation;
  const seconds = (endedAt - startedAt) / 1000;
  metrics.duration.record(seconds, error === undefined ? attributes : { ...attributes, "error.type": error });
  if (!facts) return;
  const { commits, conflicts, duplicates, returned } = facts;
  // Most are of one. Recording that too would be half of what metrics cost, and `duration` counts the calls.
  if (commits !== undefined && commits > 1) metrics.batch.record(commits, attributes);
  if (conflicts) metrics.conflicts.add(conflicts, attributes);
  if (duplicates) metrics.duplicates.add(duplicates, attributes);
  if (returned !== undefined) metrics.returned.record(returned, attributes);
}

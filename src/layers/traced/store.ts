/**
 * @module
 * A store whose operations are traced and measured.
 */

import type { Commit, CommitOutcome, SessionStore } from "../../store/store.ts";
import type { LayerMethods } from "../layer.ts";
import { layerOver } from "../layer.ts";
import type { Telemetry, TelemetryOptions, TelemetrySource } from "./api.ts";
import { telemetrySource } from "./api.ts";
import type { HealthWatch } from "./health.ts";
import { watchHealth } from "./health.ts";
import { observedItems } from "./items.ts";
import type { StoreMetrics } from "./metrics.ts";
import { measure, storeMetrics } from "./metrics.ts";
import type { Facts, Observer } from "./observe.ts";
import { createObserver } from "./observe.ts";
import type { OperationName } from "./operations.ts";
import { attributesOf, operationsOf } from "./operations.ts";

export interface TracedStoreOptions extends TelemetryOptions {
  /**
   * Whether spans name sessions and namespaces. Their names may tell who a person is, and spans leave the process.
   * Metrics never have them. Default false.
   */
  readonly recordIds?: boolean;
  /**
   * Whether a span is active while its operation takes place, so that spans of the engine's driver are its children, and
   * recorded as it ends. Without, spans are made up to 50 ms afterwards, many together, for a fraction of the cost; the
   * driver's stand beside them, under the same parent. Default false.
   */
  readonly activeSpans?: boolean;
}

/** What every view of a traced store shares. */
interface Tracing {
  readonly source: TelemetrySource;
  readonly recordIds: boolean;
  /** What spans and metrics are made with, once it is loaded. */
  readonly ready: Ready | undefined;
  load(): Promise<Ready>;
}

interface Ready extends Observer {
  readonly telemetry: Telemetry;
  readonly metrics: () => StoreMetrics | undefined;
}

/**
 * `store`, with a span and a measurement of each operation, by OpenTelemetry. What comes back, fails and is stored is as
 * without it, whatever the tracer, the meter or an exporter does.
 *
 * A span is a child of the one that is active in its caller. It holds counts, never content; names of sessions only with
 * `recordIds`. Operations are recorded within 50 ms, and before `close` resolves: close the store before the SDK is shut
 * down. May go around and between all other layers.
 *
 * @throws INVALID_ARGUMENT, from each operation, where neither `@opentelemetry/api` is there nor both a tracer and a meter.
 * @example
 * ```ts
 * import { createSessions } from "holdfast";
 * import { tracedStore } from "holdfast/otel";
 * import { sqliteStore } from "holdfast/sqlite";
 *
 * const sessions = createSessions({ store: tracedStore(sqliteStore({ path: "./chat.db" })) });
 * ```
 */
export function tracedStore(store: SessionStore, options: TracedStoreOptions = {}): SessionStore {
  const tracing = tracingOf(options);
  const health = watchHealth(store, attributesOf(store), (work) => {
    const use = ({ metrics }: Ready): void =>
      tracing.source.attempt(() => {
        const made = metrics();
        if (made) work(made);
      });
    if (tracing.ready) use(tracing.ready);
    // Where it can't be loaded, each operation says so.
    else tracing.load().then(use, () => undefined);
  });
  return layerOver("traced", store, (below) => methodsOf(below, tracing, health, below === store));
}

function tracingOf({ recordIds = false, activeSpans = false, ...given }: TracedStoreOptions): Tracing {
  const source = telemetrySource(given, "tracedStore");
  let ready: Ready | undefined;
  const made = (telemetry: Telemetry): Ready => {
    if (ready) return ready;
    const { tracer } = telemetry;
    const metrics = storeMetrics(telemetry, source);
    const observer = createObserver({
      source,
      tracer,
      isActive: activeSpans,
      measure(ended) {
        const found = metrics();
        if (found) measure(found, ended);
      },
    });
    ready = { telemetry, metrics, ...observer };
    return ready;
  };
  return {
    source,
    recordIds,
    get ready() {
      return ready;
    },
    load: async () => made(await source.load()),
  };
}

function methodsOf(
  below: SessionStore,
  tracing: Tracing,
  health: HealthWatch,
  isRoot: boolean,
): LayerMethods {
  const { source, recordIds } = tracing;
  const operations = operationsOf(below, recordIds);

  function traced<T>(
    name: OperationName,
    work: () => Promise<T>,
    factsOf?: (result: T) => Facts,
  ): Promise<T> {
    health.count();
    const { ready } = tracing;
    if (ready) return ready.observe(operations[name], work, factsOf);
    return tracing.load().then(({ observe }) => observe(operations[name], work, factsOf));
  }

  async function* items<T>(name: "watch" | "inspect", given: AsyncIterable<T>) {
    const { telemetry, metrics } = tracing.ready ?? (await tracing.load());
    const open = name === "watch" ? () => metrics()?.watches : undefined;
    yield* observedItems(source, telemetry, operations[name], given, open);
  }

  const about = (ids: readonly string[]): Facts => ({
    ids: recordIds ? ids : undefined,
    isDegraded: health.isDegraded,
  });
  const returned = (count: number, ids: readonly string[] = []): Facts => ({
    returned: count,
    ...about(ids),
  });

  function committed(commits: readonly Commit[], outcomes: readonly CommitOutcome[]): Facts {
    let entries = 0;
    for (const commit of commits) entries += commit.entries.length;
    let conflicts = 0;
    let duplicates = 0;
    for (const { status } of outcomes) {
      if (status === "conflict") conflicts += 1;
      else if (status === "duplicate") duplicates += 1;
    }
    const ids = recordIds ? commits.map(({ sessionId }) => sessionId) : undefined;
    return { commits: commits.length, entries, conflicts, duplicates, ids, isDegraded: health.isDegraded };
  }

  const { search, watch, inspect, sweep } = below;
  return {
    commit: (commits) =>
      traced(
        "commit",
        () => below.commit(commits),
        (outcomes) => committed(commits, outcomes),
      ),
    find: (ids) =>
      traced(
        "find",
        () => below.find(ids),
        (found) => returned(found.filter((one) => one !== undefined).length, ids),
      ),
    read: (id, range) =>
      traced(
        "read",
        () => below.read(id, range),
        ({ length }) => returned(length, [id]),
      ),
    list: (query) =>
      traced(
        "list",
        () => below.list(query),
        (page) => returned(page.items.length),
      ),
    remove: (id, note) =>
      traced(
        "remove",
        () => below.remove(id, note),
        () => about([id]),
      ),
    migrate: () => traced("migrate", () => below.migrate()),
    ping: () => traced("ping", () => below.ping()),
    async close() {
      if (isRoot) health.stop();
      await traced("close", () => below.close());
      tracing.ready?.flush();
    },
    ...(search && {
      search: (text, query) =>
        traced(
          "search",
          () => search.call(below, text, query),
          (page) => returned(page.items.length),
        ),
    }),
    ...(sweep && {
      sweep: (nowMs, limit) =>
        traced(
          "sweep",
          () => sweep.call(below, nowMs, limit),
          ({ length }) => returned(length),
        ),
    }),
    ...(watch && { watch: (id, after, signal) => items("watch", watch.call(below, id, after, signal)) }),
    ...(inspect && { inspect: () => items("inspect", inspect.call(below)) }),
  };
}

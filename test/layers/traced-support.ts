/**
 * @module
 * A real SDK of OpenTelemetry whose spans and metrics stay in memory, and what it recorded in words.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Context, ContextManager, Meter, Tracer } from "@opentelemetry/api";
import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import type { DataPoint, MetricData } from "@opentelemetry/sdk-metrics";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";

/** Carries the active span through promises, as `@opentelemetry/context-async-hooks` does. */
export function asyncContext(): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, work, self, ...args) => storage.run(active, () => work.apply(self, args)),
    bind: (_, target) => target,
    enable: () => manager,
    disable() {
      storage.disable();
      return manager;
    },
  };
  return manager;
}

export interface TestTelemetry {
  readonly tracer: Tracer;
  readonly meter: Meter;
  /** The spans that have ended, in that order. */
  spans(): ReadableSpan[];
  /** The newest span of that name that has ended. */
  span(name: string): ReadableSpan;
  /** What was counted or measured under `name`, a point for each set of attributes. */
  points(name: string): Promise<readonly DataPoint<unknown>[]>;
  metrics(): Promise<MetricData[]>;
  reset(): void;
}

/** @param exporter where spans go; default: into memory. */
export function testTelemetry(exporter?: SpanExporter): TestTelemetry {
  context.setGlobalContextManager(asyncContext());
  const memory = new InMemorySpanExporter();
  const tracing = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter ?? memory)] });
  const collected = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: collected, exportIntervalMillis: 3_600_000 });
  const measuring = new MeterProvider({ readers: [reader] });
  async function metrics(): Promise<MetricData[]> {
    await reader.forceFlush();
    const last = collected.getMetrics().at(-1);
    return last?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
  }
  return {
    tracer: tracing.getTracer("test"),
    meter: measuring.getMeter("test"),
    spans: () => memory.getFinishedSpans(),
    span(name) {
      const found = memory.getFinishedSpans().findLast((one) => one.name === name);
      if (found) return found;
      throw new Error(`no span ${name}; there are ${memory.getFinishedSpans().map((one) => one.name)}`);
    },
    metrics,
    async points(name) {
      return (await metrics()).find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? [];
    },
    reset: () => memory.reset(),
  };
}

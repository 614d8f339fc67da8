/**
 * @module
 * What is needed of OpenTelemetry's API, as small interfaces that its own tracer and meter satisfy, and where they come
 * from. Numbers are those of the API, which never change: kind 0 internal, 2 client; status 2 error.
 * https://opentelemetry.io/docs/specs/otel/trace/api/
 */
import { invalidArgument, messageOf } from "../../log/errors.ts";

export type AttributeValue = string | number | boolean | string[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** Names a span, in any process. */
export interface SpanIdentity {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly isRemote?: boolean;
}

export interface Span {
  spanContext(): SpanIdentity;
  isRecording(): boolean;
  setAttribute(key: string, value: AttributeValue): unknown;
  setStatus(status: { code: 2 }): unknown;
  /** @param at since the epoch, as seconds and nanoseconds. */
  end(at?: [number, number]): void;
}

export interface SpanSetup {
  kind?: 0 | 2;
  attributes?: Record<string, AttributeValue>;
  links?: { context: SpanIdentity }[];
  root?: boolean;
  /** Since the epoch, as seconds and nanoseconds. */
  startTime?: [number, number];
}

/** A `Tracer` of `@opentelemetry/api`. */
export interface Tracer {
  /** @param context the API's `Context`; the span that is active in it is the parent. Default: the one of the caller. */
  startSpan(name: string, options?: SpanSetup, context?: unknown): Span;
  startActiveSpan(name: string, options: SpanSetup, work: (span: Span) => void): unknown;
}

export interface Counter {
  add(value: number, attributes?: Record<string, AttributeValue>): void;
}

export interface Histogram {
  record(value: number, attributes?: Record<string, AttributeValue>): void;
}

export interface InstrumentSetup {
  description?: string;
  unit?: string;
  advice?: { explicitBucketBoundaries?: number[] };
}

/** A `Meter` of `@opentelemetry/api`. */
export interface Meter {
  createCounter(name: string, options?: InstrumentSetup): Counter;
  createUpDownCounter(name: string, options?: InstrumentSetup): Counter;
  createHistogram(name: string, options?: InstrumentSetup): Histogram;
}

export interface TelemetryOptions {
  /** Default: the one that is registered with `@opentelemetry/api`. */
  readonly tracer?: Tracer;
  /** Default: the one that is registered with `@opentelemetry/api` by the time of the first operation. */
  readonly meter?: Meter;
}

export interface Telemetry {
  readonly tracer: Tracer;
  readonly meter: Meter;
}

/** Where a caller is in a trace. */
export interface Place {
  readonly context: unknown;
  /** The span that it is in, where that has not ended. */
  readonly parent: Span | undefined;
  /** The span that it was in, where that has ended: then it is no parent any more. */
  readonly ended: SpanIdentity | undefined;
}

/** Where spans and metrics go, and what becomes of failures there: they change nothing of the work. */
export interface TelemetrySource {
  /** @throws INVALID_ARGUMENT where there is neither the package nor both a tracer and a meter. */
  load(): Promise<Telemetry>;
  /** Where the caller is; nowhere, where the package isn't there, or can't say. */
  place(): Place;
  /** Does `work`; where it fails, that is told once, as a warning of the process. */
  attempt(work: () => void): void;
  /** Tells of a failure to record, once. */
  tell(error: unknown): void;
}

/** The name that tracer and meter are asked for by. */
const SCOPE = "holdfast";
const NOWHERE: Place = { context: undefined, parent: undefined, ended: undefined };

/** @param who names the caller in messages. */
export function telemetrySource({ tracer, meter }: TelemetryOptions, who: string): TelemetrySource {
  let api: Awaited<typeof loading> | undefined;
  const loading = import("@opentelemetry/api");
  const settled = loading.then(
    (found) => {
      api = found;
      return undefined;
    },
    (error: unknown) => ({ error }),
  );
  let isTold = false;

  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      tell(error);
    }
  };

  function tell(error: unknown): void {
    if (isTold) return;
    isTold = true;
    process.emitWarning(
      `${who} could not record: ${messageOf(error)}. The work itself goes on; this is said once`,
      "HoldfastWarning",
    );
  }

  return {
    attempt,
    tell,
    async load() {
      // Even where both were passed: the active span is known from the package alone.
      const failed = await settled;
      if (tracer && meter) return { tracer, meter };
      if (!api) {
        throw invalidArgument(
          `${who} needs the package @opentelemetry/api, or both a tracer and a meter (${messageOf(failed?.error)})`,
        );
      }
      return {
        tracer: tracer ?? api.trace.getTracer(SCOPE),
        meter: meter ?? api.metrics.getMeter(SCOPE),
      };
    },
    place() {
      if (!api) return NOWHERE;
      try {
        const context = api.context.active();
        const span = api.trace.getSpan(context);
        if (!span || !hasEnded(span)) return { context, parent: span, ended: undefined };
        return { context: api.trace.deleteSpan(context), parent: undefined, ended: span.spanContext() };
      } catch (error) {
        tell(error);
        return NOWHERE;
      }
    },
  };
}

/**
 * Whether `span` has ended, though work that was begun in it goes on. One that another process began isn't recording here,
 * and one that isn't sampled never was.
 */
function hasEnded(span: Span): boolean {
  if (span.isRecording()) return false;
  const { traceFlags, isRemote } = span.spanContext();
  return (traceFlags & 1) === 1 && isRemote !== true;
}

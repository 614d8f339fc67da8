/**
 * @module
 * One operation as a span and in histograms. Whatever a tracer, a meter or an exporter does, the operation takes place
 * once, and its caller gets what it gave.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { AttributeValue, Place, Span, SpanIdentity, SpanSetup, TelemetrySource, Tracer } from "./api.ts";

/** What is the same of every operation of its kind, made once. */
export interface Operation {
  readonly spanName: string;
  /** Of its spans. */
  readonly spanAttributes: Record<string, AttributeValue>;
  /** Of its metrics. */
  readonly attributes: Record<string, AttributeValue>;
}

/** What came of an operation: numbers and names, so that nothing of its content is held until they are recorded. */
export interface Facts {
  /** Of commits: how many of them, and how many entries they held. */
  readonly commits?: number;
  readonly entries?: number;
  readonly conflicts?: number;
  readonly duplicates?: number;
  readonly returned?: number;
  /** Of the sessions, where these may be told. */
  readonly ids?: readonly string[] | undefined;
  readonly isDegraded?: boolean;
}

/** An operation that is over. Times are those of `performance.now()`. */
export interface Ended {
  readonly operation: Operation;
  readonly startedAt: number;
  readonly endedAt: number;
  /** Absent where its span is recorded already. */
  readonly place: Place | undefined;
  readonly facts: Facts | undefined;
  /** What it failed with. */
  readonly error: string | undefined;
}

export interface Observer {
  /** Does `work`, and records it. `factsOf` is asked once it is over; its answer goes into span and metrics. */
  observe<T>(operation: Operation, work: () => Promise<T>, factsOf?: (result: T) => Facts): Promise<T>;
  /** Records what waits to be recorded. */
  flush(): void;
}

export interface ObserverOptions {
  readonly source: TelemetrySource;
  readonly tracer: Tracer;
  /** Whether a span is there while its operation takes place, and active in it. */
  readonly isActive: boolean;
  /** Measures an operation that is over. */
  readonly measure: (ended: Ended) => void;
}

/** What is recorded together: so many at most, and after this time at the latest. */
const MAX_WAITING = 256;
const MAX_WAIT_MS = 50;
const CLIENT = 2;

/**
 * Records operations once they are over, many together: that costs a fraction of what it costs between two calls of an
 * engine, for code and data of the SDK are in the processor's caches then. With `isActive` each is recorded at once.
 */
export function createObserver({ source, tracer, isActive, measure }: ObserverOptions): Observer {
  const { attempt } = source;
  let waiting: Ended[] = [];
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const ended = waiting;
    waiting = [];
    const offsetMs = Date.now() - performance.now();
    each(ended, (one) => spanOf(tracer, one, offsetMs));
    each(ended, measure);
  }

  function each(ended: readonly Ended[], record: (one: Ended) => void): void {
    for (const one of ended) {
      try {
        record(one);
      } catch (error) {
        source.tell(error);
      }
    }
  }

  function add(ended: Ended): void {
    waiting.push(ended);
    if (isActive || waiting.length >= MAX_WAITING) flush();
    // It keeps the process alive until then: one that ends by itself loses nothing.
    else timer ??= setTimeout(flush, MAX_WAIT_MS);
  }

  /** `then` in place of `await`: a promise and a task less for each call of the engine. */
  function run<T>(
    operation: Operation,
    work: () => Promise<T>,
    factsOf: ((result: T) => Facts) | undefined,
    span?: Span,
  ): Promise<T> {
    const place = isActive ? undefined : source.place();
    const startedAt = performance.now();
    const ended = (facts: Facts | undefined, error: string | undefined): void => {
      if (span) {
        attempt(() => facts && span.isRecording() && tell(span, facts));
        attempt(() => finish(span, undefined, error));
      }
      add({ operation, startedAt, endedAt: performance.now(), place, facts, error });
    };
    return begun(work).then(
      (result) => {
        let facts: Facts | undefined;
        try {
          facts = factsOf?.(result);
        } catch (error) {
          source.tell(error);
        }
        ended(facts, undefined);
        return result;
      },
      (error: unknown) => {
        ended(undefined, errorType(error));
        throw error;
      },
    );
  }

  function runActive<T>(
    operation: Operation,
    work: () => Promise<T>,
    factsOf: ((result: T) => Facts) | undefined,
  ): Promise<T> {
    const setup = { kind: CLIENT, attributes: operation.spanAttributes } as const;
    return inSpan(source, tracer, operation.spanName, setup, (span) => run(operation, work, factsOf, span));
  }

  return { observe: isActive ? runActive : run, flush };
}

/** `work`, where what it throws at once is a rejection too. */
function begun<T>(work: () => Promise<T>): Promise<T> {
  try {
    return work();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The span of an operation that is over. */
function spanOf(
  tracer: Tracer,
  { operation, startedAt, endedAt, place, facts, error }: Ended,
  offsetMs: number,
): void {
  if (!place) return;
  const setup: SpanSetup = {
    kind: CLIENT,
    attributes: operation.spanAttributes,
    startTime: hrTime(offsetMs + startedAt),
  };
  if (place.ended) Object.assign(setup, rootLinked(place.ended));
  const span = tracer.startSpan(operation.spanName, setup, place.context);
  try {
    if (facts && span.isRecording()) tell(span, facts);
    if (error !== undefined) fail(span, error);
  } finally {
    span.end(hrTime(offsetMs + endedAt));
  }
}

/** Seconds and nanoseconds: what the SDK would make of the number. */
function hrTime(epochMs: number): [number, number] {
  const seconds = Math.floor(epochMs / 1000);
  return [seconds, Math.trunc((epochMs - seconds * 1000) * 1_000_000)];
}

/** Runs `work`, once, in a span that is active in it: a child of the one that is active in the caller. */
export function inSpan<T>(
  source: TelemetrySource,
  tracer: Tracer,
  name: string,
  setup: SpanSetup,
  work: (span: Span | undefined) => Promise<T>,
): Promise<T> {
  let running: Promise<T> | undefined;
  source.attempt(() => {
    const { ended } = source.place();
    tracer.startActiveSpan(name, ended ? { ...setup, ...rootLinked(ended) } : setup, (span) => {
      running ??= work(span);
    });
  });
  return running ?? work(undefined);
}

/** Says what came of a span, and ends it. */
export function finish(
  span: Span,
  attributes: Record<string, AttributeValue> | undefined,
  error: string | undefined,
): void {
  try {
    if (!span.isRecording()) return;
    for (const [key, value] of Object.entries(attributes ?? {})) span.setAttribute(key, value);
    if (error !== undefined) fail(span, error);
  } finally {
    span.end();
  }
}

/** A span that is over can't get children any more: what is still done in it begins a trace of its own, linked to it. */
function rootLinked(ended: SpanIdentity): SpanSetup {
  return { root: true, links: [{ context: ended }] };
}

/** Says on `span` what came of its operation. One by one: the SDK goes through what a span begins with three times. */
function tell(span: Span, facts: Facts): void {
  const { commits, entries, conflicts, duplicates, returned, ids, isDegraded } = facts;
  if (entries !== undefined) span.setAttribute("holdfast.entries", entries);
  if (commits !== undefined && commits !== 1) {
    span.setAttribute("db.operation.name", "BATCH commit");
    span.setAttribute("db.operation.batch.size", commits);
  }
  if (conflicts) span.setAttribute("holdfast.conflicts", conflicts);
  if (duplicates) span.setAttribute("holdfast.duplicates", duplicates);
  if (returned !== undefined) span.setAttribute("db.response.returned_rows", returned);
  if (ids && ids.length > 0)
    span.setAttribute("holdfast.session.id", ids.length === 1 ? ids.join() : [...ids]);
  if (isDegraded) span.setAttribute("holdfast.degraded", true);
}

/** Marks `span` as failed. An error's message may hold content, so its kind is all that is recorded. */
export function fail(span: Span, type: string): void {
  span.setAttribute("error.type", type);
  span.setStatus({ code: 2 });
}

/** The code of a HoldfastError, else the error's name. */
export function errorType(error: unknown): string {
  if (HoldfastError.is(error)) return error.code;
  return error instanceof Error ? error.name : "_OTHER";
}

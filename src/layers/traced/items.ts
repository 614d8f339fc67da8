/**
 * @module
 * What goes on for long, as a span of its own: a watch, an inspection.
 */
import type { Counter, Span, Telemetry, TelemetrySource } from "./api.ts";
import type { Operation } from "./observe.ts";
import { errorType, fail } from "./observe.ts";

/**
 * `items`, within a span from the first that is asked for to the end. It may last for hours, so it is no part of its
 * caller's trace, but linked to it; what is done between two items is no part of the span.
 */
export async function* observedItems<T>(
  source: TelemetrySource,
  { tracer }: Telemetry,
  operation: Operation,
  items: AsyncIterable<T>,
  open?: () => Counter | undefined,
): AsyncGenerator<T, void, undefined> {
  const { attempt } = source;
  let span: Span | undefined;
  attempt(() => {
    const { parent, ended } = source.place();
    const caller = parent?.spanContext() ?? ended;
    const links = caller ? [{ context: caller }] : [];
    const attributes = operation.spanAttributes;
    span = tracer.startSpan(operation.spanName, { kind: 2, attributes, root: true, links });
  });
  attempt(() => open?.()?.add(1, operation.attributes));
  let count = 0;
  try {
    for await (const item of items) {
      count += 1;
      yield item;
    }
  } catch (error) {
    attempt(() => span && fail(span, errorType(error)));
    throw error;
  } finally {
    attempt(() => open?.()?.add(-1, operation.attributes));
    attempt(() => span?.setAttribute("db.response.returned_rows", count));
    attempt(() => span?.end());
  }
}

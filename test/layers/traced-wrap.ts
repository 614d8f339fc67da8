/** Traced and measured with a real SDK, names of sessions included; twice, once with spans that are active. */
import { tracedStore } from "../../src/layers/otel.ts";
import type { Wrap } from "./harness.ts";
import { testTelemetry } from "./traced-support.ts";

export const wrap: Wrap = (store) => {
  const inner = tracedStore(store, { ...testTelemetry(), recordIds: true, activeSpans: true });
  return tracedStore(inner, { ...testTelemetry(), recordIds: true });
};

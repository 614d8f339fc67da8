/**
 * OpenTelemetry for stores and agents.
 *
 * @module holdfast/otel
 */
export type { AgentTelemetryOptions, TracedAgents, TracedFacts, TracedWork } from "./traced/agent.ts";
export { agentTelemetry } from "./traced/agent.ts";
export type {
  Attributes,
  AttributeValue,
  Counter,
  Histogram,
  InstrumentSetup,
  Meter,
  Span,
  SpanIdentity,
  SpanSetup,
  TelemetryOptions,
  Tracer,
} from "./traced/api.ts";
export type { TracedStoreOptions } from "./traced/store.ts";
export { tracedStore } from "./traced/store.ts";

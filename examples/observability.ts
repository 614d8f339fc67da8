/**
 * Spans of an agent's turn, printed as a tree: the run, the calls of model and tools in it, what the store did for them.
 * Nothing of what was said is in them.
 *
 *     node examples/observability.ts
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Context, ContextManager } from "@opentelemetry/api";
import { context, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { createSessions, memoryStore } from "holdfast";
import { agentTool, createAgent, offlineModel } from "holdfast/agent";
import { agentTelemetry, tracedStore } from "holdfast/otel";
import { z } from "zod";

// An application starts an SDK in place of this, for example @opentelemetry/sdk-node.
const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
trace.setGlobalTracerProvider(provider);
context.setGlobalContextManager(asyncContext());

const sessions = createSessions({ store: tracedStore(memoryStore()) });
const agent = createAgent({
  name: "assistant",
  model: offlineModel(),
  tools: {
    now: agentTool({
      description: "Tells the time.",
      inputSchema: z.object({}),
      readOnly: true,
      execute: () => new Date().toISOString(),
    }),
  },
  sessions,
  telemetry: agentTelemetry(),
});
await agent.run("My name is Alice.", { sessionId: "s-1" });
await sessions.close();

const spans = exporter.getFinishedSpans().toSorted((a, b) => msOf(a.startTime) - msOf(b.startTime));
print(undefined, "");

function print(parentId: string | undefined, indent: string): void {
  for (const span of spans) {
    if (span.parentSpanContext?.spanId !== parentId) continue;
    console.log(`${indent}${span.name} ${JSON.stringify(span.attributes)}`);
    print(span.spanContext().spanId, `${indent}  `);
  }
}

function msOf([seconds, nanoseconds]: ReadableSpan["startTime"]): number {
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Carries the active span through promises; an SDK for Node brings one. */
function asyncContext(): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, work, self, ...args) => storage.run(active, () => work.apply(self, args)),
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}

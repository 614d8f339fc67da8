/** What an agent tells of its work: spans in each other, tokens, failures; and no content unless asked. */
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { AgentFacts, AgentTelemetry, AgentWork } from "../../src/agent/index.ts";
import { agentTool, createAgent, offlineModel } from "../../src/agent/index.ts";
import type { TracedAgents, TracedFacts, TracedWork } from "../../src/layers/otel.ts";
import { agentTelemetry, tracedStore } from "../../src/layers/otel.ts";
import { createSessions } from "../../src/session/sessions.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { TestTelemetry } from "../layers/traced-support.ts";
import { testTelemetry } from "../layers/traced-support.ts";
import type { ScriptedStep } from "./support.ts";
import { scriptedModel } from "./support.ts";

let telemetry: TestTelemetry;
beforeEach(() => {
  telemetry = testTelemetry();
});
afterEach(() => context.disable());

const CONTENT = ["SECRET-prompt", "SECRET-answer", "SECRET-input", "SECRET-result", "SECRET-system"];
const look = agentTool({
  description: "Looks something up.",
  inputSchema: z.object({ key: z.string() }),
  execute: ({ key }) => `SECRET-result of ${key}`,
});
const fails = agentTool({
  description: "Fails.",
  inputSchema: z.object({}),
  execute: () => {
    throw new TypeError("SECRET-result");
  },
});
const STEPS: readonly ScriptedStep[] = [
  [
    { call: "look", id: "c-1", input: { key: "SECRET-input" } },
    { call: "fails", id: "c-2", input: {} },
  ],
  "SECRET-answer",
];

function agentOf(steps: readonly ScriptedStep[], options: Parameters<typeof agentTelemetry>[0] = {}) {
  return createAgent({
    name: "helper",
    model: scriptedModel(steps),
    instructions: "SECRET-system",
    tools: { look, fails },
    sessions: createSessions({ store: tracedStore(memoryStore(), { ...telemetry, activeSpans: true }) }),
    telemetry: agentTelemetry({ ...telemetry, ...options }),
  });
}

/** Each span as its name within those of its ancestors. */
function paths(spans: readonly ReadableSpan[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
  const pathOf = (span: ReadableSpan): string => {
    const parent = span.parentSpanContext && byId.get(span.parentSpanContext.spanId);
    return parent ? `${pathOf(parent)} > ${span.name}` : span.name;
  };
  return spans.map(pathOf);
}

test("the agent's interface and what is made for it are the same", () => {
  expectTypeOf<TracedAgents>().toExtend<AgentTelemetry>();
  expectTypeOf<AgentTelemetry>().toExtend<TracedAgents>();
  expectTypeOf<TracedWork>().toEqualTypeOf<AgentWork>();
  expectTypeOf<TracedFacts>().toEqualTypeOf<AgentFacts>();
});

describe("a run", () => {
  test("is a span with the calls of model, tools and store in it", async () => {
    await agentOf(STEPS).run("SECRET-prompt", { sessionId: "s-1", userId: "u-1" });
    const found = paths(telemetry.spans());
    expect(found.filter((path) => !path.includes("holdfast.")).sort()).toEqual([
      "invoke_agent helper",
      "invoke_agent helper > chat scripted",
      "invoke_agent helper > chat scripted",
      "invoke_agent helper > execute_tool fails",
      "invoke_agent helper > execute_tool look",
    ]);
    const commits = found.filter((path) => path.endsWith("holdfast.commit"));
    expect(commits.length).toBeGreaterThan(2);
    expect(new Set(commits)).toEqual(new Set(["invoke_agent helper > holdfast.commit"]));
    expect(telemetry.span("invoke_agent helper")).toMatchObject({
      kind: SpanKind.INTERNAL,
      attributes: {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "helper",
        "gen_ai.provider.name": "test",
        "gen_ai.request.model": "scripted",
        "gen_ai.response.finish_reasons": ["stop"],
      },
      status: { code: SpanStatusCode.UNSET },
    });
    expect(telemetry.span("chat scripted").kind).toBe(SpanKind.CLIENT);
    expect(telemetry.span("execute_tool look").attributes).toEqual({
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.agent.name": "helper",
      "gen_ai.tool.type": "function",
      "gen_ai.tool.name": "look",
      "gen_ai.tool.call.id": "c-1",
    });
    expect(telemetry.span("execute_tool fails")).toMatchObject({
      attributes: { "error.type": "tool_error" },
      status: { code: SpanStatusCode.ERROR },
    });
  });

  test("stays within the span of its caller, streamed or in a chat too; a resumed one is a run of its own", async () => {
    const agent = agentOf(["a", "b", "c"]);
    const caller = telemetry.tracer.startSpan("request");
    await context.with(trace.setSpan(context.active(), caller), async () => {
      for await (const _ of agent.stream("hello", { sessionId: "s" }));
      const chat = await agent.open("s");
      await chat.run("again");
      await chat.send("and again");
      for await (const _ of chat.receive());
    });
    caller.end();
    const runs = paths(telemetry.spans()).filter((path) => path.endsWith("invoke_agent helper"));
    expect(runs).toEqual(Array(3).fill("request > invoke_agent helper"));
  });

  test("of a sub-agent is within the tool call of its parent", async () => {
    const child = createAgent({
      name: "child",
      model: scriptedModel(["done"]),
      telemetry: agentTelemetry(telemetry),
    });
    const parent = createAgent({
      name: "parent",
      model: scriptedModel([[{ call: "ask", id: "c", input: { prompt: "do it" } }], "fine"]),
      tools: { ask: child.asTool({ description: "Does it." }) },
      store: memoryStore(),
      telemetry: agentTelemetry(telemetry),
    });
    await parent.run("go", { sessionId: "s" });
    expect(paths(telemetry.spans())).toContain(
      "invoke_agent parent > execute_tool ask > invoke_agent child > chat scripted",
    );
  });

  test("that fails says with what, and the failure comes through as it is", async () => {
    const broken = new RangeError("SECRET-answer");
    const agent = agentOf([broken]);
    await expect(agent.run("hello", { sessionId: "s" })).rejects.toBe(broken);
    for (const name of ["chat scripted", "invoke_agent helper"]) {
      const { attributes, status, events } = telemetry.span(name);
      expect([name, attributes["error.type"]]).toEqual([name, "RangeError"]);
      expect(status).toEqual({ code: SpanStatusCode.ERROR });
      expect(events).toEqual([]);
    }
    await expect(agent.resume("unknown")).rejects.toThrow("unknown");
    expect(telemetry.span("invoke_agent helper").attributes["error.type"]).toBe("SESSION_NOT_FOUND");
  });

  test("counts tokens where they were spent, and sums them in its span", async () => {
    const agent = createAgent({
      name: "helper",
      model: offlineModel(),
      store: memoryStore(),
      title: offlineModel(),
      telemetry: agentTelemetry(telemetry),
    });
    const { usage, session } = await agent.run("Hello there.", { sessionId: "s" });
    expect(telemetry.span("invoke_agent helper").attributes).toMatchObject({
      "gen_ai.usage.input_tokens": usage.inputTokens,
      "gen_ai.usage.output_tokens": usage.outputTokens,
    });
    const points = await telemetry.points("gen_ai.client.token.usage");
    const sums = points.map(({ attributes, value }) => [
      attributes["gen_ai.token.type"],
      typeof value === "object" && value !== null && "sum" in value && value.sum,
    ]);
    // The title is a call of the model too, and the session's usage counts it.
    expect(telemetry.spans().filter(({ name }) => name.startsWith("chat ")).length).toBe(2);
    expect(sums).toEqual([
      ["input", session?.usage.inputTokens],
      ["output", session?.usage.outputTokens],
    ]);
    expect(usage.totalTokens).toBeGreaterThan(0);
  });

  test("is measured: runs, calls of the model, calls of tools", async () => {
    await agentOf(STEPS).run("SECRET-prompt", { sessionId: "s-1" });
    const counted = async (name: string) =>
      (await telemetry.points(name)).map(({ attributes, value }) => [
        attributes["gen_ai.tool.name"] ??
          attributes["gen_ai.agent.name"] ??
          attributes["gen_ai.request.model"],
        attributes["error.type"],
        typeof value === "object" && value !== null && "count" in value && value.count,
      ]);
    expect(await counted("gen_ai.invoke_agent.duration")).toEqual([["helper", undefined, 1]]);
    expect(await counted("gen_ai.client.operation.duration")).toEqual([["scripted", undefined, 2]]);
    expect((await counted("gen_ai.execute_tool.duration")).sort()).toEqual([
      ["fails", "tool_error", 1],
      ["look", undefined, 1],
    ]);
  });
});

describe("content", () => {
  const told = async (): Promise<string> =>
    JSON.stringify([
      telemetry.spans().map(({ name, attributes, events, links, status }) => ({
        name,
        attributes,
        events,
        links,
        status,
      })),
      await telemetry.metrics(),
    ]);

  test("is in no span and no metric, nor names of sessions", async () => {
    const agent = agentOf([...STEPS, new Error("SECRET-answer")]);
    await agent.run("SECRET-prompt", {
      sessionId: "SECRET-session",
      userId: "SECRET-user",
      label: "SECRET-label",
      metadata: { key: "SECRET-metadata" },
    });
    await agent
      .run("SECRET-prompt", { sessionId: "SECRET-session", userId: "SECRET-user" })
      .catch(() => undefined);
    expect(telemetry.spans().length).toBeGreaterThan(8);
    expect(await told()).not.toContain("SECRET");
  });

  test("is in spans where it is asked for, in the shape of the conventions; in metrics never", async () => {
    await agentOf(STEPS, { recordContent: true, recordIds: true }).run("SECRET-prompt", { sessionId: "s-1" });
    const text = await told();
    for (const secret of CONTENT) expect(text).toContain(secret);
    expect(JSON.stringify(await telemetry.metrics())).not.toContain("SECRET");
    const { attributes } = telemetry.span("chat scripted");
    expect(attributes["gen_ai.conversation.id"]).toBe("s-1");
    expect(JSON.parse(String(attributes["gen_ai.output.messages"]))).toEqual([
      { role: "assistant", parts: [{ type: "text", content: "SECRET-answer" }] },
    ]);
    expect(JSON.parse(String(attributes["gen_ai.input.messages"]))).toMatchObject([
      { role: "user", parts: [{ type: "text", content: "SECRET-prompt" }] },
      {
        role: "assistant",
        parts: [{ type: "tool_call", id: "c-1", name: "look", arguments: { key: "SECRET-input" } }, {}],
      },
      { role: "tool", parts: [{ type: "tool_call_response" }] },
      { role: "tool", parts: [{ type: "tool_call_response" }] },
    ]);
    expect(telemetry.span("execute_tool look").attributes).toMatchObject({
      "gen_ai.tool.call.arguments": '{"key":"SECRET-input"}',
    });
  });
});

test("calls of the model are left to the AI SDK's own telemetry where that is asked for", async () => {
  await agentOf(STEPS, { modelCalls: false }).run("SECRET-prompt", { sessionId: "s-1" });
  const names = new Set(telemetry.spans().map(({ name }) => name));
  expect(names).toContain("execute_tool look");
  expect(names).not.toContain("chat scripted");
  expect(await telemetry.points("gen_ai.client.operation.duration")).toEqual([]);
});

test("telemetry that throws changes nothing of a run", async () => {
  const broken = (): never => {
    throw new Error("telemetry is broken");
  };
  const warnings: string[] = [];
  const listen = ({ message }: Error): void => void warnings.push(message);
  process.on("warning", listen);
  const meter = { createHistogram: broken, createCounter: broken, createUpDownCounter: broken };
  const agent = agentOf(STEPS, { tracer: { startSpan: broken, startActiveSpan: broken }, meter });
  const { text } = await agent.run("hello", { sessionId: "s" });
  expect(text).toBe("SECRET-answer");
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  expect(warnings.filter((message) => message.startsWith("agentTelemetry could not record"))).toHaveLength(1);
});

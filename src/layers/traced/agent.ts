/**
 * @module
 * Runs of agents, calls of models and tools as spans and metrics, by the conventions for generative AI.
 * https://github.com/open-telemetry/semantic-conventions-genai
 */
import type { Usage } from "../../log/record.ts";
import type { AttributeValue, Histogram, Telemetry, TelemetryOptions, TelemetrySource } from "./api.ts";
import { telemetrySource } from "./api.ts";
import { messagesText, valueText } from "./messages.ts";
import { errorType, finish, inSpan } from "./observe.ts";

/** What an agent tells that it is about to do. See `AgentWork` of `holdfast/agent`. */
export interface TracedWork {
  readonly operation: "invoke_agent" | "chat" | "execute_tool";
  readonly agent: string;
  readonly provider: string;
  readonly model: string;
  readonly sessionId?: string | undefined;
  readonly toolName?: string | undefined;
  readonly toolCallId?: string;
  readonly input?: unknown;
  readonly instructions?: string;
}

/** What came of it. See `AgentFacts` of `holdfast/agent`. */
export interface TracedFacts {
  readonly sessionId?: string | undefined;
  readonly usage?: Usage;
  readonly finishReason?: string;
  readonly error?: unknown;
  readonly isError?: boolean;
  readonly output?: unknown;
}

/** What `createAgent` takes as `telemetry`. */
export interface TracedAgents {
  observe<T>(work: TracedWork, run: (tell: (facts: TracedFacts) => void) => Promise<T>): Promise<T>;
}

export interface AgentTelemetryOptions extends TelemetryOptions {
  /**
   * Whether spans hold what is said: messages, the system prompt, inputs and results of tools. It leaves the process, for
   * wherever spans go. Default false.
   */
  readonly recordContent?: boolean;
  /** Whether spans name the session, as `gen_ai.conversation.id`. Default false. */
  readonly recordIds?: boolean;
  /**
   * Whether calls of the model are recorded. Say no where the AI SDK's own telemetry is registered (`@ai-sdk/otel`), which
   * records them too. Default true.
   */
  readonly modelCalls?: boolean;
}

/** The buckets that the conventions name. */
const CALL_SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];

/** What the AI SDK calls a provider, where the conventions have another word for it; the longest that fits. */
const PROVIDERS: readonly (readonly [start: string, name: string])[] = [
  ["amazon-bedrock", "aws.bedrock"],
  ["azure", "azure.ai.openai"],
  ["google.vertex", "gcp.vertex_ai"],
  ["google", "gcp.gemini"],
  ["mistral", "mistral_ai"],
  ["xai", "x_ai"],
];

interface Ready extends Telemetry {
  readonly durations: Readonly<Record<TracedWork["operation"], Histogram>> | undefined;
  readonly tokens: Histogram | undefined;
}

/**
 * Records what an agent does: a span `invoke_agent NAME` for each run, and in it `chat MODEL` for each call of the model and
 * `execute_tool NAME` for each call of a tool, with what they took and the tokens they cost, also as metrics. No content,
 * unless asked. What the agent does and fails with is as without it.
 *
 * @throws INVALID_ARGUMENT, from each run, where neither `@opentelemetry/api` is there nor both a tracer and a meter.
 * @example
 * ```ts
 * import { createAgent, offlineModel } from "holdfast/agent";
 * import { agentTelemetry } from "holdfast/otel";
 *
 * const agent = createAgent({ name: "chat", model: offlineModel(), telemetry: agentTelemetry() });
 * ```
 */
export function agentTelemetry(options: AgentTelemetryOptions = {}): TracedAgents {
  const { recordContent = false, recordIds = false, modelCalls = true, ...given } = options;
  const source = telemetrySource(given, "agentTelemetry");
  let ready: Ready | undefined;

  function go<T>(
    { tracer, durations, tokens }: Ready,
    work: TracedWork,
    run: (tell: (facts: TracedFacts) => void) => Promise<T>,
  ): Promise<T> {
    const { operation, agent, model, toolName } = work;
    const target = { invoke_agent: agent, chat: model, execute_tool: toolName }[operation];
    const attributes = attributesOf(work);
    const setup = {
      kind: operation === "chat" ? 2 : 0,
      attributes: {
        ...attributes,
        ...(operation !== "chat" && { "gen_ai.agent.name": agent }),
        ...(work.toolCallId !== undefined && { "gen_ai.tool.call.id": work.toolCallId }),
      },
    } as const;
    return inSpan(
      source,
      tracer,
      target === undefined ? operation : `${operation} ${target}`,
      setup,
      async (span) => {
        const startedAt = performance.now();
        let facts: TracedFacts = {};
        let failure: string | undefined;
        try {
          return await run((more) => {
            facts = { ...facts, ...more };
          });
        } catch (error) {
          failure = errorType(facts.error ?? error);
          throw error;
        } finally {
          failure ??= facts.isError ? "tool_error" : undefined;
          const measured = failure === undefined ? attributes : { ...attributes, "error.type": failure };
          const seconds = (performance.now() - startedAt) / 1000;
          source.attempt(() => durations?.[operation].record(seconds, measured));
          source.attempt(() => count(tokens, operation, facts.usage, attributes));
          if (span) {
            const told = { ...factsOf(facts), ...(recordIds && idOf(work, facts)) };
            // What can't be text is left out, and the span is ended all the same.
            if (recordContent)
              source.attempt(() => span.isRecording() && Object.assign(told, contentOf(work, facts)));
            source.attempt(() => finish(span, told, failure));
          }
        }
      },
    );
  }

  return {
    observe(work, run) {
      if (work.operation === "chat" && !modelCalls) return run(() => undefined);
      if (ready) return go(ready, work, run);
      return source.load().then((telemetry) => {
        ready ??= withInstruments(telemetry, source);
        return go(ready, work, run);
      });
    },
  };
}

function withInstruments(telemetry: Telemetry, { attempt }: TelemetrySource): Ready {
  const { meter } = telemetry;
  let durations: Ready["durations"];
  let tokens: Ready["tokens"];
  attempt(() => {
    const duration = (name: string, description: string): Histogram =>
      meter.createHistogram(name, {
        description,
        unit: "s",
        advice: { explicitBucketBoundaries: [...CALL_SECONDS] },
      });
    durations = {
      invoke_agent: duration("gen_ai.invoke_agent.duration", "Duration of a run of an agent."),
      chat: duration("gen_ai.client.operation.duration", "Duration of a call of a model."),
      execute_tool: duration("gen_ai.execute_tool.duration", "Duration of a call of a tool."),
    };
    tokens = meter.createHistogram("gen_ai.client.token.usage", {
      description: "Tokens of a call of a model.",
      unit: "{token}",
      advice: { explicitBucketBoundaries: [...TOKENS] },
    });
  });
  return { ...telemetry, durations, tokens };
}

/** What is the same of each work of its kind: what metrics are told apart by. */
function attributesOf({
  operation,
  agent,
  provider,
  model,
  toolName,
}: TracedWork): Record<string, AttributeValue> {
  const called: Record<string, AttributeValue> =
    operation === "execute_tool"
      ? { "gen_ai.tool.type": "function", ...(toolName !== undefined && { "gen_ai.tool.name": toolName }) }
      : { "gen_ai.provider.name": providerOf(provider), "gen_ai.request.model": model };
  return {
    "gen_ai.operation.name": operation,
    ...(operation === "invoke_agent" && { "gen_ai.agent.name": agent }),
    ...called,
  };
}

/** The AI SDK puts the kind of model behind it: `openai.chat`. */
function providerOf(provider: string): string {
  const known = PROVIDERS.find(([start]) => provider === start || provider.startsWith(`${start}.`));
  return known?.[1] ?? provider.split(".", 1)[0] ?? provider;
}

/** Tokens are counted where they were spent; the sum of a run would count them again. */
function count(
  tokens: Histogram | undefined,
  operation: TracedWork["operation"],
  usage: Usage | undefined,
  attributes: Record<string, AttributeValue>,
): void {
  if (operation !== "chat" || !usage || usage.totalTokens === 0) return;
  tokens?.record(usage.inputTokens, { ...attributes, "gen_ai.token.type": "input" });
  tokens?.record(usage.outputTokens, { ...attributes, "gen_ai.token.type": "output" });
}

function factsOf({ usage, finishReason }: TracedFacts): Record<string, AttributeValue> {
  return {
    ...(finishReason !== undefined && { "gen_ai.response.finish_reasons": [finishReason] }),
    ...(usage && {
      "gen_ai.usage.input_tokens": usage.inputTokens,
      "gen_ai.usage.output_tokens": usage.outputTokens,
      ...(usage.cachedInputTokens !== undefined && {
        "gen_ai.usage.cache_read.input_tokens": usage.cachedInputTokens,
      }),
      ...(usage.reasoningTokens !== undefined && {
        "gen_ai.usage.reasoning.output_tokens": usage.reasoningTokens,
      }),
    }),
  };
}

function idOf(work: TracedWork, facts: TracedFacts): Record<string, AttributeValue> {
  const id = work.sessionId ?? facts.sessionId;
  return id === undefined ? {} : { "gen_ai.conversation.id": id };
}

function contentOf(
  { operation, input, instructions }: TracedWork,
  { output }: TracedFacts,
): Record<string, AttributeValue> {
  if (operation === "execute_tool") {
    return {
      "gen_ai.tool.call.arguments": valueText(input),
      ...(output !== undefined && { "gen_ai.tool.call.result": valueText(output) }),
    };
  }
  return {
    ...(Array.isArray(input) && { "gen_ai.input.messages": messagesText(input) }),
    ...(instructions && {
      "gen_ai.system_instructions": valueText([{ type: "text", content: instructions }]),
    }),
    ...(output !== undefined && { "gen_ai.output.messages": messagesText([output]) }),
  };
}

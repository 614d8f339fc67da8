/**
 * @module
 * What an agent tells of its work, for traces and metrics. `agentTelemetry` of `holdfast/otel` makes one that speaks
 * OpenTelemetry; the agent knows nothing of that.
 */
import type { LanguageModel } from "ai";
import type { Usage } from "../log/record.ts";
import type { AgentOptions, AgentResult } from "./types.ts";

/** A run of an agent, a call of its model, or a call of a tool. */
export interface AgentWork {
  readonly operation: "invoke_agent" | "chat" | "execute_tool";
  /** The name of the agent. */
  readonly agent: string;
  readonly provider: string;
  readonly model: string;
  readonly sessionId?: string | undefined;
  /** Absent where the model named one that the agent doesn't have. */
  readonly toolName?: string | undefined;
  readonly toolCallId?: string;
  /** Content: the messages that the run or the model is given, or the input of the tool. */
  readonly input?: unknown;
  /** Content: the system prompt. */
  readonly instructions?: string;
}

/** What came of it. */
export interface AgentFacts {
  readonly sessionId?: string | undefined;
  readonly usage?: Usage;
  readonly finishReason?: string;
  /** What it failed with, where it rejects with something that stands for that. */
  readonly error?: unknown;
  /** Whether a tool failed, which the run is told as its result. */
  readonly isError?: boolean;
  /** Content: the message that the model answered with, or the output of the tool. */
  readonly output?: unknown;
}

export interface AgentTelemetry {
  /**
   * Does what `run` does, once, and answers as it does; failures of its own must not show. `run` tells what came of the
   * work, where it came to an end.
   */
  observe<T>(work: AgentWork, run: (tell: (facts: AgentFacts) => void) => Promise<T>): Promise<T>;
}

/** Lets the agent's telemetry watch `run`, where it has one. */
export function observed<T>(
  { telemetry, name, model }: Pick<AgentOptions, "telemetry" | "name" | "model">,
  work: Omit<AgentWork, "agent" | "provider" | "model">,
  run: (tell: (facts: AgentFacts) => void) => Promise<T>,
  called: LanguageModel = model,
): Promise<T> {
  if (!telemetry) return run(() => undefined);
  const known = typeof called === "string" ? { provider: "gateway", modelId: called } : called;
  const { provider, modelId } = known;
  return telemetry.observe({ ...work, agent: name, provider, model: modelId }, run);
}

/** Lets it watch a whole run. */
export function observedRun<D extends object>(
  options: Pick<AgentOptions, "telemetry" | "name" | "model">,
  sessionId: string | undefined,
  input: unknown,
  run: () => Promise<AgentResult<D>>,
): Promise<AgentResult<D>> {
  return observed(options, { operation: "invoke_agent", sessionId, input }, async (tell) => {
    const result = await run();
    const { usage, finishReason, message: output } = result;
    tell({ sessionId: result.sessionId, usage, finishReason, output });
    return result;
  });
}

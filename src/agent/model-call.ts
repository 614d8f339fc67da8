/**
 * @module
 * One call of the model through the AI SDK, which runs no tools here: what it says is stored before any tool runs.
 */
import type {
  AssistantModelMessage,
  FinishReason,
  LanguageModel,
  ModelMessage,
  ToolModelMessage,
  ToolSet,
} from "ai";
import { isStepCount, streamText } from "ai";
import type { Usage } from "../log/record.ts";
import { NO_USAGE } from "../log/record.ts";
import { usageOf } from "./messages.ts";
import type { AgentTools, ModelSettings, ToolCallInfo } from "./types.ts";

export interface ModelRequest {
  readonly model: LanguageModel;
  readonly instructions: string;
  readonly messages: readonly ModelMessage[];
  readonly tools: AgentTools;
  readonly settings: ModelSettings;
  readonly signal: AbortSignal;
}

/** What is told while the model speaks. */
export interface ModelListener {
  text(text: string): void;
  reasoning(text: string): void;
  toolCall(call: ToolCallInfo): void;
}

export interface ModelAnswer {
  readonly text: string;
  /** Absent where it said nothing at all. */
  readonly message: AssistantModelMessage | undefined;
  /** The calls that we are to run. */
  readonly calls: readonly ToolCallInfo[];
  /** Results that stand already: of calls that can't be run, because there is no such tool or the input does not fit. */
  readonly refused: readonly ToolModelMessage[];
  readonly finishReason: FinishReason;
  readonly usage: Usage;
}

/** The call failed or was aborted. `partial` is the text that had come by then. */
export class ModelCallError extends Error {
  override readonly name = "ModelCallError";
  readonly partial: string;

  constructor(cause: unknown, partial: string) {
    super("the call of the model failed", { cause });
    this.partial = partial;
  }
}

/** @throws ModelCallError with what the provider or the signal said as its cause. */
export async function callModel(request: ModelRequest, listener: ModelListener): Promise<ModelAnswer> {
  const { model, instructions, messages, tools, settings, signal } = request;
  let text = "";
  const failed = (cause: unknown): ModelCallError => new ModelCallError(cause, text);
  if (signal.aborted) throw failed(signal.reason);
  try {
    const result = streamText({
      ...settings,
      model,
      ...(instructions !== "" && { instructions }),
      messages: [...messages],
      // A summary may be a system message; those that a caller stored are the caller's will.
      allowSystemInMessages: true,
      tools: withoutExecution(tools),
      stopWhen: isStepCount(1),
      abortSignal: signal,
      // Failures come as parts of the stream; the default would print them.
      onError: () => undefined,
    });
    const calls: ToolCallInfo[] = [];
    let finishReason: FinishReason | undefined;
    let usage: Usage = NO_USAGE;
    for await (const part of result.stream) {
      switch (part.type) {
        case "text-delta":
          text += part.text;
          listener.text(part.text);
          break;
        case "reasoning-delta":
          listener.reasoning(part.text);
          break;
        case "tool-call": {
          const { toolCallId, toolName, input } = part;
          const call = { toolCallId, toolName, input };
          if (!part.providerExecuted && !part.invalid) calls.push(call);
          listener.toolCall(call);
          break;
        }
        case "finish-step":
          finishReason = part.finishReason;
          usage = usageOf(part.usage);
          break;
        case "error":
          throw failed(part.error);
        case "abort":
          throw failed(
            signal.aborted ? signal.reason : new DOMException("the call was aborted", "AbortError"),
          );
        default:
      }
    }
    if (finishReason === undefined)
      throw failed(new Error("the model's answer ended before it was finished"));
    const answers = await result.responseMessages;
    const message = answers.find((answer) => answer.role === "assistant");
    const refused = answers.filter((answer) => answer.role === "tool");
    return { text, message, calls, refused, finishReason, usage };
  } catch (error) {
    throw error instanceof ModelCallError ? error : failed(signal.aborted ? signal.reason : error);
  }
}

/** The tools as they are declared to the model: the SDK neither runs them nor asks for approval. */
function withoutExecution(tools: AgentTools): ToolSet {
  const declared: ToolSet = {};
  for (const [name, tool] of Object.entries(tools)) {
    const { execute, needsApproval, ...declaration } = tool;
    declared[name] = declaration;
  }
  return declared;
}

/**
 * @module
 * Messages between a session's log and the AI SDK.
 */
import type {
  AssistantModelMessage,
  LanguageModelUsage,
  ModelMessage,
  ToolModelMessage,
  ToolResultPart,
} from "ai";
import { invalidArgument } from "../log/errors.ts";
import type { Usage } from "../log/record.ts";
import { NO_USAGE } from "../log/record.ts";
import { isPlainObject } from "../log/values.ts";
import { newMessages } from "../session/input.ts";
import type { Message } from "../session/types.ts";
import type { Prompt } from "./types.ts";

export type ToolOutput = ToolResultPart["output"];

const ROLES: ReadonlySet<unknown> = new Set(["system", "user", "assistant", "tool"]);
/** @see https://ai-sdk.dev/docs/reference/ai-sdk-core/model-message */
const PARTS: ReadonlySet<string> = new Set([
  "text",
  "reasoning",
  "reasoning-file",
  "custom",
  "tool-call",
  "tool-result",
  "tool-approval-request",
  "tool-approval-response",
]);

/** @throws INVALID_ARGUMENT unless it is a text with something in it, or messages of the user or of tools. */
export function promptMessages(prompt: Prompt): ModelMessage[] {
  if (typeof prompt === "string") {
    if (prompt.trim() === "") throw invalidArgument("the prompt is empty; give what the user says");
    return [{ role: "user", content: prompt }];
  }
  const given: unknown = Array.isArray(prompt) ? prompt : [prompt];
  const list: unknown = Array.isArray(given) ? given.map(withTextUrls) : given;
  // What can't be stored is refused before a session is made for it.
  if (isModelMessages(list) && list.length > 0 && list.every(isOfUser) && newMessages(list)) return list;
  throw invalidArgument("the prompt must be a text, or messages of the user or of tools");
}

/** A URL object is a class of the platform; as text it means the same to the AI SDK, and can be stored. */
function withTextUrls(message: unknown): unknown {
  if (!isPlainObject(message) || !Array.isArray(message.content)) return message;
  const content = message.content.map((part: unknown) =>
    isPlainObject(part)
      ? Object.fromEntries(
          Object.entries(part).map(([key, value]) => [key, value instanceof URL ? value.href : value]),
        )
      : part,
  );
  return { ...message, content };
}

function isOfUser({ role }: ModelMessage): boolean {
  return role === "user" || role === "tool";
}

/**
 * What a session holds as messages of the AI SDK, without the requests and answers of approvals: those are ours.
 *
 * @throws INVALID_ARGUMENT where it holds messages of another shape.
 */
export function modelMessages(stored: readonly object[], sessionId: string | undefined): ModelMessage[] {
  const messages: unknown[] = stored.flatMap(withoutApprovals);
  if (isModelMessages(messages)) return messages;
  throw invalidArgument(
    `session ${JSON.stringify(sessionId)} holds messages that are not of the AI SDK, which an agent can't send; convert them, or use another session`,
    sessionId,
  );
}

/** The AI SDK checks each message against its schema before it sends them; this tells its shape from others. */
function isModelMessages(messages: unknown): messages is ModelMessage[] {
  return Array.isArray(messages) && messages.every(isModelMessage);
}

function isModelMessage(message: unknown): boolean {
  if (!isPlainObject(message) || !ROLES.has(message.role)) return false;
  const { role, content } = message;
  if (typeof content === "string") return role !== "tool";
  return Array.isArray(content) && content.every((part: unknown) => isPlainObject(part) && isModelPart(part));
}

/** Parts of other SDKs have other types, or the same with other fields. */
function isModelPart(part: Readonly<Record<string, unknown>>): boolean {
  if (part.type === "image") return "image" in part;
  if (part.type === "file") return "data" in part;
  return typeof part.type === "string" && PARTS.has(part.type);
}

function withoutApprovals(message: object): object[] {
  const content: unknown = "content" in message ? message.content : undefined;
  if (!Array.isArray(content)) return [message];
  const kept = content.filter(
    (part: unknown) =>
      !isPlainObject(part) ||
      (part.type !== "tool-approval-request" && part.type !== "tool-approval-response"),
  );
  if (kept.length === content.length) return [message];
  return kept.length === 0 ? [] : [{ ...message, content: kept }];
}

/** The words of a message. */
export function textOf({ content }: Pick<Message, "content"> | AssistantModelMessage): string {
  if (typeof content === "string") return content;
  return content
    .map((part) => ("type" in part && part.type === "text" && "text" in part ? String(part.text) : ""))
    .join("");
}

/** The result of one tool call as a message. */
export function resultMessage(
  call: { readonly toolCallId: string; readonly toolName: string },
  output: ToolOutput,
): ToolModelMessage {
  const { toolCallId, toolName } = call;
  return { role: "tool", content: [{ type: "tool-result", toolCallId, toolName, output }] };
}

export function isErrorOutput(output: ToolOutput): boolean {
  return output.type === "error-text" || output.type === "error-json" || output.type === "execution-denied";
}

/** What a provider counted, in our terms; what it did not say counts as nothing. */
export function usageOf(usage: LanguageModelUsage | undefined): Usage {
  if (!usage) return NO_USAGE;
  const { inputTokens = 0, outputTokens = 0 } = usage;
  const cachedInputTokens = usage.inputTokenDetails?.cacheReadTokens;
  const reasoningTokens = usage.outputTokenDetails?.reasoningTokens;
  return {
    inputTokens,
    outputTokens,
    ...(cachedInputTokens !== undefined && { cachedInputTokens }),
    ...(reasoningTokens !== undefined && { reasoningTokens }),
    totalTokens: usage.totalTokens ?? inputTokens + outputTokens,
  };
}

/** Whether a provider counted anything. */
export function isSpent({ totalTokens, inputTokens, outputTokens, costUsd = 0 }: Usage): boolean {
  return totalTokens > 0 || inputTokens > 0 || outputTokens > 0 || costUsd > 0;
}

/**
 * @module
 * Where tool calls and their results stand in a message, in the shapes of AI SDK, OpenAI chat and Anthropic.
 *
 * @see https://ai-sdk.dev/docs/reference/ai-sdk-core/model-message
 * @see https://platform.openai.com/docs/api-reference/chat/create
 * @see https://docs.anthropic.com/en/docs/build-with-claude/tool-use
 */
import type { StoredObject } from "./entry.ts";
import { isPlainObject } from "./values.ts";

export type ToolShape = "ai-sdk" | "openai" | "anthropic";

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly shape: ToolShape;
  /** Whom it may be without a result for: the provider that runs it, or somebody who is asked to approve it. */
  readonly waitsFor?: "provider" | "approval";
}

/** The tool calls that a message makes and that it does not answer itself. */
export function toolCallsOf(message: StoredObject): ToolCall[] {
  const parts = listOf(message.content);
  const answered = new Set(parts.map(resultIdOf));
  const approvals = new Set(
    parts.map((part) => (part.type === "tool-approval-request" ? part.toolCallId : undefined)),
  );
  const calls = new Map<string, ToolCall>();
  for (const part of parts) {
    const call = callOf(part);
    if (call === undefined || answered.has(call.id)) continue;
    const waitsFor = part.providerExecuted === true ? "provider" : approvals.has(call.id) && "approval";
    calls.set(call.id, { ...call, ...(waitsFor && { waitsFor }) });
  }
  for (const { id, function: called, custom = called } of listOf(message.tool_calls)) {
    if (typeof id !== "string" || calls.has(id) || answered.has(id)) continue;
    calls.set(id, { id, name: isPlainObject(custom) ? nameOf(custom.name) : "", shape: "openai" });
  }
  return [...calls.values()];
}

/** The ids of the calls that a message answers; an assistant's own (provider-executed) results are not among them. */
export function toolResultIdsOf(message: StoredObject): string[] {
  if (message.role === "assistant") return [];
  const answered = openaiResultIdOf(message);
  return answered === undefined
    ? listOf(message.content).flatMap((part) => resultIdOf(part) ?? [])
    : [answered];
}

/** Whether a message is only there to answer tool calls: with results, or with the approval of one. */
export function isOnlyAnswers(message: StoredObject): boolean {
  if (message.role === "tool") return true;
  const { length } = arrayOf(message.content);
  return length > 0 && toolResultIdsOf(message).length === length;
}

/**
 * The message with the results of only those calls that `keep` accepts, the last one of each; `undefined` where nothing
 * is left of it.
 */
export function withResults(
  message: StoredObject,
  keep: (callId: string) => boolean,
): StoredObject | undefined {
  const ids = toolResultIdsOf(message);
  if (new Set(ids).size === ids.length && ids.every(keep)) return message;
  if (openaiResultIdOf(message) !== undefined) return undefined;
  const parts = arrayOf(message.content);
  const results = parts.map((part) => (isPlainObject(part) ? resultIdOf(part) : undefined));
  const content = parts.filter((_part, index) => {
    const id = results[index];
    return id === undefined || (keep(id) && results.lastIndexOf(id) === index);
  });
  return content.length === 0 ? undefined : { ...message, content };
}

/** A message that holds nothing but the last result of one call, taken from `message`. */
export function resultOf(message: StoredObject, callId: string): StoredObject {
  if (openaiResultIdOf(message) !== undefined) return message;
  return {
    ...message,
    content: listOf(message.content)
      .filter((part) => resultIdOf(part) === callId)
      .slice(-1),
  };
}

/** What stands in for a result that never came, for each of `calls`, in the shape of their message. */
export function interruptedResults(calls: readonly ToolCall[]): StoredObject[] {
  const text = "The tool call was interrupted before it gave a result.";
  const of = (shape: ToolShape): ToolCall[] => calls.filter((call) => call.shape === shape);
  const sdk = of("ai-sdk").map(({ id, name }) => ({
    type: "tool-result",
    toolCallId: id,
    toolName: name,
    output: { type: "error-text", value: text },
  }));
  const anthropic = of("anthropic").map(({ id }) => ({
    type: "tool_result",
    tool_use_id: id,
    content: text,
    is_error: true,
  }));
  return [
    ...(sdk.length > 0 ? [{ role: "tool", content: sdk }] : []),
    ...of("openai").map(({ id }) => ({ role: "tool", tool_call_id: id, content: text })),
    ...(anthropic.length > 0 ? [{ role: "user", content: anthropic }] : []),
  ];
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function listOf(value: unknown): StoredObject[] {
  return arrayOf(value).filter(isPlainObject);
}

function nameOf(name: unknown): string {
  return typeof name === "string" ? name : "";
}

function callOf(part: StoredObject): ToolCall | undefined {
  if (part.type === "tool-call" && typeof part.toolCallId === "string") {
    return { id: part.toolCallId, name: nameOf(part.toolName), shape: "ai-sdk" };
  }
  if (part.type === "tool_use" && typeof part.id === "string") {
    return { id: part.id, name: nameOf(part.name), shape: "anthropic" };
  }
  return undefined;
}

/** The call that a message of OpenAI's shape answers. */
function openaiResultIdOf(message: StoredObject): string | undefined {
  const id = message.tool_call_id;
  return message.role === "tool" && typeof id === "string" ? id : undefined;
}

function resultIdOf(part: StoredObject): string | undefined {
  if (part.type === "tool-result" && typeof part.toolCallId === "string") return part.toolCallId;
  if (part.type === "tool_result" && typeof part.tool_use_id === "string") return part.tool_use_id;
  return undefined;
}

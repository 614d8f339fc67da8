/**
 * @module
 * Tool calls and results in each provider's shape, and who calls and answers what, read without the code under test.
 */
import type { StoredObject } from "../../src/log/entry.ts";

export const SHAPES = ["ai-sdk", "openai", "openai-custom", "anthropic"] as const;
export type Shape = (typeof SHAPES)[number];

/** An assistant message that says `text`, where there is one, and makes calls. */
export function callMessage(shape: Shape, ids: readonly string[], text?: string): StoredObject {
  const said = text === undefined ? [] : [{ type: "text", text }];
  switch (shape) {
    case "ai-sdk":
      return {
        role: "assistant",
        content: [
          ...said,
          ...ids.map((id) => ({ type: "tool-call", toolCallId: id, toolName: "look", input: { id } })),
        ],
      };
    case "anthropic":
      return {
        role: "assistant",
        content: [...said, ...ids.map((id) => ({ type: "tool_use", id, name: "look", input: { id } }))],
      };
    case "openai":
      return {
        role: "assistant",
        content: text ?? null,
        tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "look", arguments: "{}" } })),
      };
    case "openai-custom":
      return {
        role: "assistant",
        content: text ?? null,
        tool_calls: ids.map((id) => ({ id, type: "custom", custom: { name: "look", input: "x" } })),
      };
  }
}

/** One message with the results of calls; `text` beside them where the shape has a place for it. */
export function resultMessage(
  shape: Shape,
  ids: readonly string[],
  value: string,
  text?: string,
): StoredObject {
  switch (shape) {
    case "ai-sdk":
      return {
        role: "tool",
        content: ids.map((id) => ({
          type: "tool-result",
          toolCallId: id,
          toolName: "look",
          output: { type: "text", value },
        })),
      };
    case "anthropic":
      return {
        role: "user",
        content: [
          ...ids.map((id) => ({ type: "tool_result", tool_use_id: id, content: value })),
          ...(text === undefined ? [] : [{ type: "text", text }]),
        ],
      };
    case "openai":
    case "openai-custom":
      return { role: "tool", tool_call_id: ids[0] ?? "", content: value };
  }
}

export interface Result {
  readonly id: string;
  readonly value: string;
}

function fields(value: unknown): StoredObject {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function list(value: unknown): StoredObject[] {
  return Array.isArray(value) ? value.map(fields) : [];
}

/** The calls that a message makes, in order. */
export function callsIn(message: StoredObject): string[] {
  const { content, tool_calls } = message;
  const parts = list(content).filter(({ type }) => type === "tool-call" || type === "tool_use");
  return [
    ...parts.map(({ toolCallId, id }) => String(toolCallId ?? id)),
    ...list(tool_calls).map(({ id }) => String(id)),
  ];
}

/** The results that a message brings, in order. */
export function resultsIn(message: StoredObject): Result[] {
  const { role, tool_call_id, content } = message;
  if (tool_call_id !== undefined) return [{ id: String(tool_call_id), value: String(content) }];
  if (role === "assistant") return [];
  return list(content).flatMap((part) => {
    if (part.type === "tool-result")
      return [{ id: String(part.toolCallId), value: String(fields(part.output).value) }];
    return part.type === "tool_result" ? [{ id: String(part.tool_use_id), value: String(part.content) }] : [];
  });
}

/** What a message says beside results; `undefined` where it is only there for them. */
export function besidesResults(message: StoredObject): StoredObject | undefined {
  if (resultsIn(message).length === 0) return message;
  const { role, content } = message;
  const rest = list(content).filter(({ type }) => type !== "tool-result" && type !== "tool_result");
  return rest.length === 0 ? undefined : { role, content: rest };
}

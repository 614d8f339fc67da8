/**
 * @module
 * Messages of the AI SDK in the shape of the conventions, for spans that record content.
 * https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-input-messages.json
 */
import { isPlainObject } from "../../log/values.ts";

/** `messages` as JSON. Bytes of files and images are left out. */
export function messagesText(messages: readonly unknown[]): string {
  return JSON.stringify(messages.map(messageOf));
}

/** Any value as JSON. */
export function valueText(value: unknown): string {
  return JSON.stringify(value) ?? "null";
}

function messageOf(message: unknown): object {
  if (!isPlainObject(message)) return { role: "unknown", parts: [] };
  const { role, content } = message;
  const parts: unknown[] = Array.isArray(content) ? content : [{ type: "text", text: content }];
  return { role, parts: parts.map(partOf) };
}

function partOf(part: unknown): object {
  if (!isPlainObject(part)) return { type: "unknown" };
  const { type, text, toolCallId: id, toolName: name, input, output, mediaType } = part;
  switch (type) {
    case "text":
    case "reasoning":
      return { type, content: text };
    case "tool-call":
      return { type: "tool_call", id, name, arguments: input };
    case "tool-result":
      return { type: "tool_call_response", id, response: output };
    default:
      return { type, ...(mediaType !== undefined && { mime_type: mediaType }) };
  }
}

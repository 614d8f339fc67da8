/**
 * @module
 * What a message consists of, for people: text, reasoning, tool calls, tool results, in the shapes of AI SDK, OpenAI
 * chat and Anthropic. What is of no known shape is shown as it was stored.
 */
import type { StoredObject } from "../log/entry.ts";
import { encodeValue, isPlainObject } from "../log/values.ts";

export type Block =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "reasoning"; readonly text: string }
  | { readonly kind: "call"; readonly id: string | undefined; readonly name: string; readonly input: string }
  | {
      readonly kind: "result";
      readonly id: string | undefined;
      readonly name: string | undefined;
      readonly output: string;
      readonly failed: boolean;
    }
  | { readonly kind: "other"; readonly text: string };

export function roleOf(message: StoredObject): string {
  const { role } = message;
  return typeof role === "string" && role !== "" ? role : "message";
}

/** The blocks of a message, in its own order; never none. */
export function blocksOf(message: StoredObject): Block[] {
  const content = message.content ?? message.parts ?? message.text;
  const answered = textOrUndefined(message.tool_call_id);
  const blocks =
    answered === undefined
      ? contentBlocks(content)
      : [result(answered, textOrUndefined(message.name), valueText(content), false)];
  const calls: unknown = message.tool_calls;
  for (const call of Array.isArray(calls) ? calls : []) blocks.push(partBlock(call));
  if (isPlainObject(message.function_call)) blocks.push(openAiCall(undefined, message.function_call));
  if (blocks.length > 0) return blocks;
  const { role: _role, ...rest } = message;
  return [{ kind: "other", text: encodeValue(rest) }];
}

function contentBlocks(content: unknown): Block[] {
  if (typeof content === "string") return content === "" ? [] : [{ kind: "text", text: content }];
  if (Array.isArray(content)) return content.map(partBlock);
  return isPlainObject(content) ? [partBlock(content)] : [];
}

function partBlock(part: unknown): Block {
  if (typeof part === "string") return { kind: "text", text: part };
  if (!isPlainObject(part)) return { kind: "other", text: valueText(part) };
  const type = typeof part.type === "string" ? part.type : "";
  const called: unknown = part.function;
  if (isPlainObject(called)) return openAiCall(textOrUndefined(part.id), called);
  switch (type) {
    case "tool-call":
      return call(part.toolCallId, part.toolName, part.input ?? part.args);
    case "tool_use":
    case "server_tool_use":
      return call(part.id, part.name, part.input);
    case "custom":
      return call(part.id, "custom", part.custom);
    case "tool-result":
      return aiSdkResult(part);
    case "tool_result":
      return result(
        textOrUndefined(part.tool_use_id),
        undefined,
        valueText(part.content),
        part.is_error === true,
      );
    case "reasoning":
    case "thinking":
      return { kind: "reasoning", text: valueText(part.text ?? part.thinking ?? part.summary) };
    default:
      if (typeof part.text === "string") return { kind: "text", text: part.text };
      return { kind: "other", text: attachment(part, type) };
  }
}

function aiSdkResult(part: StoredObject): Block {
  const output: unknown = part.output ?? part.result;
  const id = textOrUndefined(part.toolCallId);
  const name = textOrUndefined(part.toolName);
  if (!isPlainObject(output) || typeof output.type !== "string" || !Object.hasOwn(output, "value")) {
    return result(id, name, valueText(output), part.isError === true);
  }
  return result(id, name, valueText(output.value), output.type.startsWith("error"));
}

/** A picture or file, without its bytes; any other part as it is. */
function attachment(part: StoredObject, type: string): string {
  if (!/image|file|audio|video|document/.test(type)) return encodeValue(part);
  const about = [part.filename ?? part.name, part.mediaType ?? part.mimeType ?? part.media_type]
    .filter((value) => typeof value === "string")
    .join(", ");
  return about === "" ? `[${type}]` : `[${type}: ${about}]`;
}

function call(id: unknown, name: unknown, input: unknown): Block {
  return {
    kind: "call",
    id: textOrUndefined(id),
    name: textOrUndefined(name) ?? "tool",
    input: valueText(input),
  };
}

function openAiCall(id: string | undefined, called: StoredObject): Block {
  return call(id, called.name, called.arguments);
}

function result(id: string | undefined, name: string | undefined, output: string, failed: boolean): Block {
  return { kind: "result", id, name, output, failed };
}

function textOrUndefined(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A value for people: text as it is, text parts joined, anything else as JSON. */
function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === undefined || value === null) return "";
  if (Array.isArray(value) && value.every((item) => isPlainObject(item) && typeof item.text === "string")) {
    return value.map((item: unknown) => (isPlainObject(item) ? String(item.text) : "")).join("\n");
  }
  return encodeValue(value);
}

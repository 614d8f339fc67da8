/**
 * @module
 * The items of a Codex rollout as messages.
 *
 * Codex stores what OpenAI's Responses API speaks. There a tool call is an item of its own without a role, which nothing
 * that shows, searches or resumes a conversation would know. So:
 *
 * | item | message |
 * |---|---|
 * | `message` | as given: it has a role and content |
 * | `function_call`, `custom_tool_call`, `local_shell_call` | `assistant` with one of OpenAI chat's `tool_calls` |
 * | `…_output` with a `call_id` | `tool` with `tool_call_id` and the output as content |
 * | `reasoning` | `assistant` with one `{ type: "reasoning", text }` part for each summary |
 * | any other (`web_search_call`, …) | `assistant` with the item itself as the only part |
 *
 * Nothing is lost: what the message has no place for stands in its `raw`, and the item's own id is the message's id.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/object
 */
import type { StoredObject } from "../../log/entry.ts";
import { isPlainObject } from "../../log/values.ts";
import { type Fields, fieldsOf, listOf, omit, textOf } from "./fields.ts";
import { isMessage } from "./messages.ts";

/** The item as a message; `undefined` for one that is not part of the conversation. */
export function codexMessage(item: Fields): StoredObject | undefined {
  const type = textOf(item.type);
  if (type === undefined || type === "ghost_snapshot") return undefined;
  if (type === "message") return isMessage(item) ? item : undefined;
  if (type === "reasoning") return reasoning(item);
  const call = textOf(item.call_id);
  if (call !== undefined && type.endsWith("_output")) return toolResult(item, type, call);
  if (call !== undefined) {
    const made = toolCall(item, type, call);
    if (made) return made;
  }
  return { role: "assistant", content: [item] };
}

function toolCall(item: Fields, type: string, id: string): StoredObject | undefined {
  const name = textOf(item.name);
  if (type === "function_call" && name !== undefined && typeof item.arguments === "string") {
    const call = { id, type: "function", function: { name, arguments: item.arguments } };
    return calling(call, rest(item, ["call_id", "name", "arguments"]));
  }
  if (type === "custom_tool_call" && name !== undefined && typeof item.input === "string") {
    const call = { id, type: "custom", custom: { name, input: item.input } };
    return calling(call, rest(item, ["call_id", "name", "input"]));
  }
  if (type === "local_shell_call" && isPlainObject(item.action)) {
    const call = {
      id,
      type: "function",
      function: { name: "local_shell", arguments: JSON.stringify(item.action) },
    };
    return calling(call, { type, ...rest(item, ["call_id", "action"]) });
  }
  return undefined;
}

function calling(call: StoredObject, raw: Fields): StoredObject {
  return { role: "assistant", content: null, tool_calls: [call], ...kept(raw) };
}

function toolResult(item: Fields, type: string, id: string): StoredObject {
  const { output } = item;
  const inner = fieldsOf(output);
  const plain = typeof output === "string" || Array.isArray(output);
  const content = plain ? output : (textOf(inner.content) ?? JSON.stringify(output ?? item.tools ?? null));
  return {
    role: "tool",
    tool_call_id: id,
    content,
    ...kept({
      ...(type !== "function_call_output" && { type }),
      ...rest(item, ["call_id", ...(plain ? ["output"] : [])]),
    }),
  };
}

function reasoning(item: Fields): StoredObject {
  const summary = listOf(item.summary).map(fieldsOf);
  const texts = summary.map(({ text }) => text);
  const simple = Array.isArray(item.summary) && summary.every(isSimpleSummary);
  const parts = texts.filter((text) => typeof text === "string").map((text) => ({ type: "reasoning", text }));
  return {
    role: "assistant",
    content: parts.length > 0 ? parts : [{ type: "reasoning", text: "" }],
    ...kept(rest(item, simple ? ["summary"] : [])),
  };
}

function isSimpleSummary(part: Fields): boolean {
  return part.type === "summary_text" && typeof part.text === "string" && Object.keys(part).length === 2;
}

/** What is left of an item when its type, its id and `used` are told elsewhere; nulls say nothing. */
function rest(item: Fields, used: readonly string[]): Record<string, unknown> {
  const left = omit(item, ["type", "id", ...used]);
  return Object.fromEntries(Object.entries(left).filter(([, value]) => value !== null));
}

function kept(raw: Fields): { raw?: Fields } {
  return Object.keys(raw).length === 0 ? {} : { raw };
}

/**
 * @module
 * The demo's agent in one function: the offline model, with one tool, on the messages that it is sent.
 */

import { partsOf } from "../../agent/offline-conversation.ts";
import { offlineReply } from "../../agent/offline-reply.ts";
import type { Message } from "../../index.ts";
import { isPlainObject } from "../../log/values.ts";

/** The model's next message after `messages`. Pure. */
export function nextMessage(messages: readonly Message[]): Message {
  const { text, calls } = offlineReply(messages, { tools: [{ name: "get_weather" }] });
  if (calls.length === 0) return { role: "assistant", content: text };
  return {
    role: "assistant",
    content: calls.map(({ toolCallId, toolName, arguments: input }) => ({
      type: "tool-call",
      toolCallId,
      toolName,
      input: JSON.parse(input),
    })),
  };
}

/** The tool calls that a message makes. */
export function toolCallsOf(message: Message): { toolCallId: string; city: string }[] {
  return partsOf(message).flatMap(({ type, toolCallId, input }) => {
    const city = isPlainObject(input) ? input.city : undefined;
    return type === "tool-call" && typeof toolCallId === "string" && typeof city === "string"
      ? [{ toolCallId, city }]
      : [];
  });
}

/**
 * @module
 * Which sub-agents a Claude Code session started, by the prompt that it gave them.
 */
import type { StoredObject } from "../../log/entry.ts";
import { fieldsOf, idOf, listOf, textOf } from "./fields.ts";

export interface StartedAgent {
  readonly agent?: string;
  readonly label?: string;
}

export type ClaudeAgents = ReturnType<typeof claudeAgents>;

/** Notes the calls that start sub-agents, to name their side chains, which say only what they were asked. */
export function claudeAgents() {
  const byPrompt = new Map<string, StartedAgent>();
  return {
    note(message: StoredObject): void {
      for (const block of listOf(message.content).map(fieldsOf)) {
        if (block.type !== "tool_use" || (block.name !== "Task" && block.name !== "Agent")) continue;
        const input = fieldsOf(block.input);
        const prompt = textOf(input.prompt);
        if (prompt === undefined) continue;
        const agent = idOf(input.subagent_type);
        const label = textOf(input.description);
        byPrompt.set(prompt, {
          ...(agent !== undefined && { agent }),
          ...(label !== undefined && { label }),
        });
      }
    },
    startedWith(first: StoredObject | undefined): StartedAgent | undefined {
      const content = first?.content;
      const prompt = typeof content === "string" ? content : textOf(fieldsOf(listOf(content)[0]).text);
      return prompt === undefined ? undefined : byPrompt.get(prompt);
    },
  };
}

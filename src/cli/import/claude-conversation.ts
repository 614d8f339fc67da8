/**
 * @module
 * One conversation of a Claude Code transcript while its lines come in.
 */
import type { StoredObject } from "../../log/entry.ts";
import type { Usage } from "../../log/record.ts";
import { type Fields, fieldsOf, textOf, timeOf } from "./fields.ts";
import { messageIds } from "./messages.ts";
import type { ImportedMessage } from "./types.ts";
import { addUsage, anthropicUsage } from "./usage.ts";

/** What the lines gathered so far say. */
export interface ClaudeConversation {
  add(line: Fields, message: StoredObject): void;
  readonly messages: ImportedMessage[];
  readonly first: Fields;
  /** Each model that answered, in order of appearance. */
  readonly models: readonly string[];
  usage(): Partial<Usage> | undefined;
}

/** A conversation without messages; `first` is the line that it begins with. */
export function claudeConversation(first: Fields): ClaudeConversation {
  const newId = messageIds();
  const messages: ImportedMessage[] = [];
  /** By `message.id`: where the answer stands, and what it cost by its newest line. */
  const answers = new Map<string, { index: number; usage?: Partial<Usage> }>();
  const models = new Set<string>();

  return {
    messages,
    first,
    get models() {
      return [...models];
    },
    add(line, message) {
      const answerId = message.role === "assistant" ? textOf(message.id) : undefined;
      const begun = answerId === undefined ? undefined : answers.get(answerId);
      const earlier = begun && messages[begun.index];
      const joined = earlier && joinedAnswer(earlier.message, message);
      if (earlier && joined) {
        earlier.message = joined;
      } else {
        const id = newId(line.uuid);
        const at = timeOf(line.timestamp);
        messages.push({ ...(id !== undefined && { id }), message, ...(at !== undefined && { at }) });
      }
      const model = textOf(message.model);
      if (model !== undefined && !model.startsWith("<")) models.add(model);
      if (message.role !== "assistant") return;
      const usage = anthropicUsage(fieldsOf(message.usage));
      const key = answerId ?? `#${messages.length}`;
      const index = begun?.index ?? messages.length - 1;
      answers.set(key, usage || begun?.usage ? { index, usage: usage ?? begun?.usage ?? {} } : { index });
    },
    usage() {
      let sum: Partial<Usage> | undefined;
      for (const { usage } of answers.values()) sum = addUsage(sum, usage);
      return sum;
    },
  };
}

/** Two lines of one answer as one message; `undefined` where their contents are not lists of blocks. */
function joinedAnswer(earlier: StoredObject, later: StoredObject): StoredObject | undefined {
  const { content } = earlier;
  const { content: more } = later;
  if (!Array.isArray(content) || !Array.isArray(more)) return undefined;
  return { ...earlier, ...later, content: [...content, ...more] };
}

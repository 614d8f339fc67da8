/**
 * @module
 * What is done to a session once a turn is over: a summary of what has become long, a title for what is new. Neither
 * is worth failing a turn that is committed, so failures are reported and the conversation stays as it is.
 */
import type { LanguageModel } from "ai";
import { generateText } from "ai";
import { isKnown } from "../log/entry.ts";
import type { Message, Session } from "../session/types.ts";
import { isSpent, modelMessages, textOf, usageOf } from "./messages.ts";
import type { AgentSetting } from "./setting.ts";
import { observed } from "./telemetry.ts";
import type { CompactionOptions } from "./types.ts";

const SUMMARIZE =
  "Write a summary of the conversation so far, for yourself: it will stand in its place. Keep names, numbers, dates, decisions, open questions and what the user wants. Answer with the summary only.";
const ENTITLE =
  "Write a title of at most six words for this conversation, in its own language. Answer with the title only.";
const DEFAULT_KEEP_LAST = 10;
const MAX_TITLE_CHARACTERS = 80;

/** Lets a summary stand for the older messages, where there are more to send than the agent's threshold. */
export async function compactIfLong<D extends object>(
  { options, window }: AgentSetting<D>,
  session: Session<Message, D>,
): Promise<void> {
  const compaction = options.history?.compaction;
  if (!compaction) return;
  const { afterMessages, afterTokens, keepLast = DEFAULT_KEEP_LAST } = compaction;
  const messages = await session.context({ repair: false });
  const countTokens = window.countTokens ?? estimateTokens;
  const isLong =
    (afterMessages !== undefined && messages.length > afterMessages) ||
    (afterTokens !== undefined &&
      messages.reduce((sum, message) => sum + countTokens(message), 0) > afterTokens);
  if (!isLong) return;
  await session.compact({
    keepLast,
    summarize: (older) => summaryOf(compaction, options, older, session),
  });
}

async function summaryOf<D extends object>(
  { summarize }: CompactionOptions,
  options: AgentSetting<D>["options"],
  messages: Message[],
  session: Session<Message, D>,
): Promise<Message> {
  const made = typeof summarize === "function" ? await summarize(messages) : undefined;
  if (typeof made === "object") return made;
  const model = typeof summarize === "function" || summarize === undefined ? options.model : summarize;
  const text = made ?? (await ask(options, model, SUMMARIZE, messages, session));
  return { role: "user", content: `Summary of the conversation so far: ${text}` };
}

/** Whether the turn that is gone on with is the session's first, from whose words its label comes. */
export async function isUntitled<D extends object>(
  { options }: AgentSetting<D>,
  session: Session<Message, D>,
): Promise<boolean> {
  const { turn } = session.record;
  if (options.title === undefined || !turn) return false;
  for await (const entry of session.entries({ types: ["label.set"], reverse: true })) {
    return isKnown(entry) && entry.type === "label.set" && entry.data.automatic && entry.seq > turn.seq;
  }
  return false;
}

/** Gives a session that was new its title. */
export async function entitle<D extends object>(
  { options }: AgentSetting<D>,
  session: Session<Message, D>,
): Promise<void> {
  const { title } = options;
  if (title === undefined) return;
  const messages = await session.messages({ last: 10 });
  const text =
    typeof title === "function"
      ? await title(messages)
      : await ask(options, title, ENTITLE, messages, session);
  const line = text.trim().split("\n", 1)[0]?.slice(0, MAX_TITLE_CHARACTERS).trim();
  if (line) await session.rename(line.isWellFormed() ? line : line.slice(0, -1));
}

/** Asks a model about the conversation. What that costs is the session's. */
async function ask<D extends object>(
  options: AgentSetting<D>["options"],
  model: LanguageModel,
  instructions: string,
  messages: readonly Message[],
  session: Session<Message, D>,
): Promise<string> {
  const transcript = modelMessages(messages, session.id)
    .map((message) => `${message.role}: ${wordsOf(message.content)}`)
    .join("\n");
  const input = [{ role: "user", content: transcript }];
  const work = { operation: "chat", sessionId: session.id, input, instructions } as const;
  const { text, spent } = await observed(
    options,
    work,
    async (tell) => {
      const { text, usage, finishReason } = await generateText({ model, instructions, prompt: transcript });
      const spent = usageOf(usage);
      tell({ usage: spent, finishReason, output: { role: "assistant", content: text } });
      return { text, spent };
    },
    model,
  );
  if (isSpent(spent)) await session.addUsage(spent);
  if (text.trim() === "") throw new Error("the model answered with nothing");
  return text;
}

/** A message in words: what tools were given and gave, too. */
function wordsOf(content: unknown): string {
  if (typeof content === "string") return content;
  return Array.isArray(content)
    ? content.map((part: unknown) => (isText(part) ? part.text : JSON.stringify(part))).join(" ")
    : "";
}

function isText(part: unknown): part is { text: string } {
  return typeof part === "object" && part !== null && "text" in part && typeof part.text === "string";
}

/** About four characters a token in English, as OpenAI's guide to tokens has it. */
function estimateTokens(message: Message): number {
  return Math.ceil((textOf(message).length || JSON.stringify(message.content).length) / 4);
}

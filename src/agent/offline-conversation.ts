/**
 * @module
 * What the offline model makes of the messages that it is sent: who said what, which tools were called, and what came
 * of it.
 */
import { isPlainObject } from "../log/values.ts";
import type { Message } from "../session/types.ts";

/** What came of a tool call. `kind` is `text` or `json` where it went well. */
export interface ToolOutcome {
  readonly kind: "text" | "json" | "error" | "denied";
  /** The result, the error, or the reason for the denial. */
  readonly text: string;
}

export interface PastCall {
  readonly toolName: string;
  readonly input: unknown;
  /** Absent: there is no result yet. */
  readonly outcome?: ToolOutcome;
}

export interface Conversation {
  /** All instructions, without summaries of what was said before. */
  readonly instructions: string;
  /** What the user is known to have said, oldest first: own messages, and lines of summaries that stand for them. */
  readonly told: readonly string[];
  /** The user's last message. */
  readonly text: string;
  /** What the assistant said last before that. */
  readonly replyBefore: string;
  /** The calls before the user's last message, since the assistant last said that something is done. */
  readonly earlierCalls: readonly PastCall[];
  /** The calls since the user's last message, in the order in which they were made. */
  readonly calls: readonly PastCall[];
  /** The number of the next call: no call that is to be seen has it or a higher one. */
  readonly nextCall: number;
}

/** Where a message that sums up earlier ones begins to do so. */
const SUMMARY =
  /(?:^[^\p{L}\n]*(?:(?:this|here|is|an?|the|earlier|previous|prior|conversation)\s+)*summary\b[^\n:]*:|<summary>)\s*/imu;

/** Where the next message of a transcript begins. */
const ROLE = /^(?=(?:user|assistant|tool|system): )/mu;

/** Reads the messages of a prompt, in the AI SDK's shape. Pure. */
export function readConversation(messages: readonly Message[]): Conversation {
  const last = messages.findLastIndex(({ role }) => role === "user");
  const before = messages.slice(0, Math.max(last, 0));
  const own = messages[last];
  const system = messages.filter(({ role }) => role === "system").map(textOf);
  const done = before.findLastIndex((message) => message.role === "assistant" && isDone(textOf(message)));
  return {
    instructions: system.map(withoutSummary).join("\n"),
    told: messages.flatMap(toldIn),
    text: own === undefined ? "" : textOf(own),
    replyBefore: textOf(before.findLast(({ role }) => role === "assistant") ?? NOTHING),
    earlierCalls: callsIn(before.slice(done + 1)),
    calls: callsIn(messages.slice(last + 1)),
    nextCall: nextCallIn(messages),
  };
}

/** The messages of a transcript that begins each with its role, as a summariser is sent it; else the message as it is. */
export function transcriptIn(message: Message): Message[] {
  const text = textOf(message);
  if (message.role !== "user" || text.search(ROLE) !== 0) return [message];
  return text.split(ROLE).map((said) => {
    const [role = "", ...words] = said.split(": ");
    return { role: role === "user" ? "user" : "assistant", content: words.join(": ").trim() };
  });
}

const NOTHING: Message = { role: "assistant", content: "" };

/** The words of a message. */
export function textOf({ content }: Message): string {
  return typeof content === "string"
    ? content
    : content.map((part) => ("text" in part && part.type === "text" ? String(part.text) : "")).join("");
}

/** The parts of a message; none where it is a text. */
export function partsOf({ content }: Message): Record<string, unknown>[] {
  return typeof content === "string" ? [] : content.map((part) => ({ ...part }));
}

export function isSuccess(call: PastCall): boolean {
  return call.outcome?.kind === "text" || call.outcome?.kind === "json";
}

/** How the model says that a task is completed. */
function isDone(text: string): boolean {
  return text.includes(": done.");
}

function toldIn(message: Message): string[] {
  const text = textOf(message);
  const summary = SUMMARY.exec(text);
  if (summary === null) return message.role === "user" ? [text] : [];
  const lines = text.slice(summary.index + summary[0].length).split("\n");
  return lines.map((line) => line.replace(/^Summary:\s*|<\/summary>/giu, "").trim()).filter(Boolean);
}

function withoutSummary(text: string): string {
  const summary = SUMMARY.exec(text);
  return summary === null ? text : text.slice(0, summary.index);
}

/** Every call with its result; where an id occurs twice, a result belongs to the newer call. */
function callsIn(messages: readonly Message[]): PastCall[] {
  const calls: { toolName: string; input: unknown; outcome?: ToolOutcome }[] = [];
  const byId = new Map<unknown, (typeof calls)[number]>();
  for (const part of messages.flatMap(partsOf)) {
    if (part.type === "tool-call") {
      const call = { toolName: String(part.toolName), input: part.input };
      calls.push(call);
      byId.set(part.toolCallId, call);
    }
    const call = part.type === "tool-result" ? byId.get(part.toolCallId) : undefined;
    if (call) call.outcome = outcomeOf(part.output);
  }
  return calls;
}

function nextCallIn(messages: readonly Message[]): number {
  const ids = messages.flatMap(partsOf).flatMap((part) => (part.type === "tool-call" ? part.toolCallId : []));
  // In a window on a longer conversation, the highest number is more than there are calls to be seen.
  const numbers = ids.map((id) => Number(/^call-(\d+)$/.exec(String(id))?.[1] ?? 0));
  return numbers.reduce((highest, number) => Math.max(highest, number), ids.length) + 1;
}

function outcomeOf(output: unknown): ToolOutcome {
  const { type, value, reason } = isPlainObject(output) ? output : {};
  switch (type) {
    case "text":
      return { kind: "text", text: String(value) };
    case "error-text":
      return { kind: "error", text: String(value) };
    case "error-json":
      return { kind: "error", text: jsonOf(value) };
    case "execution-denied":
      return { kind: "denied", text: typeof reason === "string" ? reason : "" };
    case "content":
      return { kind: "text", text: textOf({ role: "tool", content: Array.isArray(value) ? value : [] }) };
    default:
      return { kind: "json", text: jsonOf(value) };
  }
}

/** A value as JSON text; `null` where JSON has no word for it. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value) ?? "null";
}

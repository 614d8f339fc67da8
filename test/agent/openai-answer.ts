/**
 * @module
 * Answers of a model in the shape of OpenAI's chat completions, whole and in chunks.
 */
import { createHash } from "node:crypto";
import type { ChatMessage, ChatRequest } from "./openai-request.ts";

/** Token counts in the wire's shape. What is left out is worked out from the number of characters. */
export interface ChatUsage {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly total_tokens?: number;
  readonly prompt_tokens_details?: { readonly cached_tokens: number };
  readonly completion_tokens_details?: { readonly reasoning_tokens: number };
}

export interface ChatToolCall {
  /** Default: worked out from the history, so that the same history gets the same id. */
  readonly id?: string;
  readonly name: string;
  /** A string is sent as it is, valid JSON or not; anything else as its JSON. */
  readonly arguments: unknown;
}

/** What the model says. If it has neither text, reasoning nor tool calls: the default answer. */
export interface Answer {
  readonly text?: string;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ChatToolCall[];
  readonly usage?: ChatUsage;
  /** Default: `tool_calls` where there are some, else `stop`. */
  readonly finishReason?: string;
  /** Time before each chunk of a streamed answer. Default: none. */
  readonly chunkDelayMs?: number;
}

const textOf = ({ content }: ChatMessage): string =>
  typeof content === "string" ? content : (content ?? []).map(({ text }) => text ?? "").join("");

/**
 * The answer that follows from the history alone: it repeats the tool results that came last; calls a tool if
 * the user says `use TOOL {json}` (what follows the name is sent as the arguments, valid or not); else says
 * what the user said and how many messages there were.
 */
export function defaultAnswer({ messages }: ChatRequest): Answer {
  const lastOther = messages.findLastIndex(({ role }) => role !== "tool");
  const results = messages.slice(lastOther + 1);
  if (results.length > 0) return { text: `The tool said: ${results.map(textOf).join(" | ")}` };
  const lastUser = messages.findLast(({ role }) => role === "user");
  const said = lastUser ? textOf(lastUser) : "";
  const [, name, input] = /^use (\S+) (.+)$/s.exec(said) ?? [];
  if (name !== undefined && input !== undefined) return { toolCalls: [{ name, arguments: input }] };
  return { text: `You said "${said}". There were ${messages.length} messages.` };
}

const PIECE_LENGTH = 8;

function wireToolCalls({ toolCalls = [] }: Answer, { messages }: ChatRequest) {
  const history = createHash("sha256").update(JSON.stringify(messages)).digest("hex").slice(0, 20);
  return toolCalls.map((call, index) => ({
    id: call.id ?? `call_${history}${index}`,
    type: "function",
    function: {
      name: call.name,
      arguments: typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments),
    },
  }));
}

/** The number of tokens of a text, as a rule of thumb has it: four characters each. */
const tokensOf = (text: string): number => Math.ceil(text.length / 4);

function wireUsage(answer: Answer, request: ChatRequest) {
  const said = `${answer.text ?? ""}${answer.reasoning ?? ""}${JSON.stringify(answer.toolCalls ?? "")}`;
  const prompt = answer.usage?.prompt_tokens ?? tokensOf(JSON.stringify(request.messages));
  const completion = answer.usage?.completion_tokens ?? tokensOf(said);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...answer.usage,
  };
}

const finishReasonOf = (answer: Answer): string =>
  answer.finishReason ?? (answer.toolCalls?.length ? "tool_calls" : "stop");

/** What every body and chunk starts with. The time is fixed, so that an answer is the same at every run. */
const head = (request: ChatRequest, object: string) => ({
  id: "chatcmpl-test",
  object,
  created: 1_700_000_000,
  model: request.model,
});

/** The body of an answer that is not streamed. */
export function completion(answer: Answer, request: ChatRequest): object {
  const toolCalls = wireToolCalls(answer, request);
  const message = {
    role: "assistant",
    content: answer.text ?? null,
    ...(answer.reasoning !== undefined && { reasoning_content: answer.reasoning }),
    ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
    refusal: null,
  };
  return {
    ...head(request, "chat.completion"),
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReasonOf(answer) }],
    usage: wireUsage(answer, request),
  };
}

/** All chunks of a streamed answer: the role, the deltas, the finish reason and, if asked for, the usage. */
export function chunksOf(answer: Answer, request: ChatRequest): object[] {
  const deltas: object[] = [{ role: "assistant", content: "" }];
  const words = (text = "") => text.split(/(?<=\s)/).filter((word) => word !== "");
  for (const word of words(answer.reasoning)) deltas.push({ reasoning_content: word });
  for (const word of words(answer.text)) deltas.push({ content: word });
  for (const [index, { function: called, ...call }] of wireToolCalls(answer, request).entries()) {
    deltas.push({ tool_calls: [{ index, ...call, function: { name: called.name, arguments: "" } }] });
    for (let at = 0; at < called.arguments.length; at += PIECE_LENGTH) {
      const piece = called.arguments.slice(at, at + PIECE_LENGTH);
      deltas.push({ tool_calls: [{ index, function: { arguments: piece } }] });
    }
  }
  const withUsage = request.stream_options?.include_usage === true;
  const chunk = (delta: object, finishReason: string | null) => ({
    ...head(request, "chat.completion.chunk"),
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    ...(withUsage && { usage: null }),
  });
  const chunks: object[] = deltas.map((delta) => chunk(delta, null));
  chunks.push(chunk({}, finishReasonOf(answer)));
  if (withUsage) {
    chunks.push({
      ...head(request, "chat.completion.chunk"),
      choices: [],
      usage: wireUsage(answer, request),
    });
  }
  return chunks;
}

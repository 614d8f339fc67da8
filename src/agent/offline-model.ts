/**
 * @module
 * The offline model as a language model of the AI SDK: it streams, calls tools and fills schemas, with no network and no
 * key, so that an agent can be tried and tested for what it stores. What it says is decided by {@link offlineReply}.
 */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";
import type { LanguageModel } from "ai";
import { jsonOf } from "./offline-conversation.ts";
import type { OfferedTool, OfflineReply, OfflineRequest } from "./offline-reply.ts";
import { offlineReply } from "./offline-reply.ts";

/** A model as the AI SDK takes it; its interface is that of `@ai-sdk/provider`, which need not be installed by itself. */
export type OfflineModel = Extract<LanguageModel, { readonly specificationVersion: "v4" }>;

export interface OfflineModelOptions {
  /** How long it takes until the first part of an answer. Default 0. */
  readonly delayMs?: number;
  /** How long it takes from one piece of text, or of a tool's arguments, to the next. Default 0. */
  readonly chunkDelayMs?: number;
}

/** For the estimate of tokens: about what English text takes. */
const CHARACTERS_PER_TOKEN = 4;
const MODEL_ID = "offline";
/** A word with the space before it, so that the pieces together are the text. */
const WORD = /\s*\S+(?:\s+$)?/gu;
const ARGUMENTS_PIECE = /[\s\S]{1,12}/gu;

/**
 * A deterministic stand-in for a language model: the same prompt, the same answer. An abort ends a call at once, with
 * the signal's reason.
 *
 * Usage is an estimate: a token for every 4 characters, begun ones included, of the prompt's texts, tool names and JSON
 * (input), and of the text, tool names and arguments that it answers with (output).
 *
 * @example
 * ```ts
 * import { generateText } from "ai";
 *
 * const { text } = await generateText({ model: offlineModel(), prompt: "My name is Alice." });
 * ```
 */
export function offlineModel({ delayMs = 0, chunkDelayMs = 0 }: OfflineModelOptions = {}): OfflineModel {
  return {
    specificationVersion: "v4",
    provider: "holdfast",
    modelId: MODEL_ID,
    supportedUrls: {},
    async doGenerate(options) {
      await pause(delayMs, options.abortSignal);
      const reply = replyTo(options);
      return {
        content: contentOf(reply),
        finishReason: finishReasonOf(reply),
        usage: usageOf(options, reply),
        response: { modelId: MODEL_ID },
        warnings: [],
      };
    },
    async doStream(options) {
      options.abortSignal?.throwIfAborted();
      return { stream: ReadableStream.from(streamParts(options, delayMs, chunkDelayMs)) };
    },
  };
}

async function* streamParts(
  options: LanguageModelV4CallOptions,
  delayMs: number,
  chunkDelayMs: number,
): AsyncGenerator<LanguageModelV4StreamPart, void, undefined> {
  const { abortSignal } = options;
  await pause(delayMs, abortSignal);
  const reply = replyTo(options);
  let pieces = 0;
  for (const part of partsOf(reply, usageOf(options, reply))) {
    const isPiece = part.type === "text-delta" || part.type === "tool-input-delta";
    await pause(isPiece && pieces > 0 ? chunkDelayMs : 0, abortSignal);
    if (isPiece) pieces += 1;
    yield part;
  }
}

function* partsOf(
  reply: OfflineReply,
  usage: LanguageModelV4Usage,
): Generator<LanguageModelV4StreamPart, void, undefined> {
  yield { type: "stream-start", warnings: [] };
  yield { type: "response-metadata", modelId: MODEL_ID };
  if (reply.text !== "") {
    const id = "text-1";
    yield { type: "text-start", id };
    for (const delta of reply.text.match(WORD) ?? [reply.text]) yield { type: "text-delta", id, delta };
    yield { type: "text-end", id };
  }
  for (const { toolCallId: id, toolName, arguments: input } of reply.calls) {
    yield { type: "tool-input-start", id, toolName };
    for (const delta of input.match(ARGUMENTS_PIECE) ?? []) yield { type: "tool-input-delta", id, delta };
    yield { type: "tool-input-end", id };
    yield { type: "tool-call", toolCallId: id, toolName, input };
  }
  yield { type: "finish", usage, finishReason: finishReasonOf(reply) };
}

function replyTo({
  prompt,
  tools = [],
  toolChoice,
  responseFormat,
}: LanguageModelV4CallOptions): OfflineReply {
  const request: OfflineRequest = {
    tools: tools.map(
      (tool): OfferedTool =>
        tool.type === "function" ? { name: tool.name, schema: tool.inputSchema } : { name: tool.name },
    ),
    toolChoice: toolChoice?.type === "tool" ? toolChoice : (toolChoice?.type ?? "auto"),
    ...(responseFormat?.type === "json" && { json: { schema: responseFormat.schema } }),
  };
  return offlineReply(prompt, request);
}

function contentOf({ text, calls }: OfflineReply): LanguageModelV4Content[] {
  const toolCalls = calls.map(({ toolCallId, toolName, arguments: input }) => ({
    type: "tool-call" as const,
    toolCallId,
    toolName,
    input,
  }));
  return text === "" ? toolCalls : [{ type: "text", text }, ...toolCalls];
}

function finishReasonOf({ calls }: OfflineReply): LanguageModelV4FinishReason {
  return { unified: calls.length > 0 ? "tool-calls" : "stop", raw: undefined };
}

function usageOf(
  { prompt }: LanguageModelV4CallOptions,
  { text, calls }: OfflineReply,
): LanguageModelV4Usage {
  const sent = prompt.flatMap(({ content }) => (typeof content === "string" ? content : content.map(textIn)));
  const input = tokensOf(sent);
  const output = tokensOf([text, ...calls.flatMap((call) => [call.toolName, call.arguments])]);
  return {
    inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: output, text: output, reasoning: 0 },
  };
}

/** What counts of a part of a message. Files count nothing. */
function textIn(part: object): string {
  if ("text" in part) return String(part.text);
  const { toolName, input, output } = { toolName: "", input: "", output: "", ...part };
  return `${toolName}${input === "" ? "" : jsonOf(input)}${output === "" ? "" : jsonOf(output)}`;
}

function tokensOf(texts: readonly string[]): number {
  const characters = texts.reduce((length, text) => length + text.length, 0);
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

/** Waits; not at all for 0. Throws the signal's reason as soon as it is aborted. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  if (ms <= 0) return;
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

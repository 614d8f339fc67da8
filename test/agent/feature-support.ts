/**
 * @module
 * A model that says what a test scripted, and remembers all that it was sent; turns that a dead process left.
 */
import { randomUUID } from "node:crypto";
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";
import type { Entry } from "../../src/log/entry.ts";
import { isKnown } from "../../src/log/entry.ts";
import { evolveAll } from "../../src/log/evolve.ts";
import type { Message } from "../../src/session/types.ts";
import type { SessionStore } from "../../src/store/store.ts";

export type Metadata = Record<string, Record<string, string>>;

export interface ScriptedCall {
  readonly id: string;
  readonly name: string;
  /** Sent as JSON; a string as it is. */
  readonly input?: unknown;
  readonly metadata?: Metadata;
}

/** What the model says in one call: a text, or all of it. */
export interface Said {
  readonly reasoning?: { readonly text: string; readonly metadata?: Metadata };
  readonly text?: string;
  readonly textMetadata?: Metadata;
  readonly file?: { readonly mediaType: string; readonly base64: string };
  readonly calls?: readonly ScriptedCall[];
  /** Input and output tokens. */
  readonly tokens?: readonly [number, number];
  /** Waited for before each piece of text but the first. */
  readonly between?: () => Promise<unknown>;
  readonly fails?: Error;
}

export type Line = string | Said | ((sent: SentCall) => string | Said | Promise<string | Said>);

/** One call of the model, as a provider sees it. */
export interface SentCall {
  readonly prompt: LanguageModelV4Prompt;
  readonly tools: readonly string[];
  readonly options: LanguageModelV4CallOptions;
}

export interface RecordingModel extends LanguageModelV4 {
  readonly sent: SentCall[];
  /** The words of the system prompt of one call. */
  system(index: number): string;
  /** What was said in one call without the system prompt, as `role: words`. */
  heard(index: number): string[];
}

/** Says one line after another; more calls than lines are a failure. */
export function recordingModel(...lines: readonly Line[]): RecordingModel {
  const sent: SentCall[] = [];
  const next = async (options: LanguageModelV4CallOptions): Promise<Said> => {
    const { prompt, tools = [] } = structuredClone({ prompt: options.prompt, tools: options.tools });
    const call = { prompt, tools: tools.map(({ name }) => name), options };
    sent.push(call);
    const line = lines[sent.length - 1];
    if (line === undefined) throw new Error(`the script has no line ${sent.length}`);
    const said = typeof line === "function" ? await line(call) : line;
    return typeof said === "string" ? { text: said } : said;
  };
  return {
    specificationVersion: "v4",
    provider: "test",
    modelId: "scripted",
    supportedUrls: { "*/*": [/.*/] },
    sent,
    system(index) {
      const [first] = sent[index]?.prompt ?? [];
      return first?.role === "system" ? first.content : "";
    },
    heard: (index) =>
      (sent[index]?.prompt ?? [])
        .filter(({ role }) => role !== "system")
        .map(
          ({ role, content }) =>
            `${role}: ${typeof content === "string" ? content : content.map(words).join(" ")}`,
        ),
    async doGenerate(options) {
      const { text = "", tokens } = await next(options);
      return {
        content: [{ type: "text", text }],
        finishReason: { unified: "stop", raw: undefined },
        usage: usageOf(tokens),
        warnings: [],
      };
    },
    async doStream(options) {
      const said = await next(options);
      return { stream: ReadableStream.from(partsOf(said)) };
    },
  };
}

async function* partsOf(said: Said): AsyncGenerator<LanguageModelV4StreamPart, void, undefined> {
  const { reasoning, text = "", textMetadata, file, calls = [], between, fails } = said;
  yield { type: "stream-start", warnings: [] };
  if (reasoning) {
    const id = "reasoning-1";
    yield { type: "reasoning-start", id };
    yield { type: "reasoning-delta", id, delta: reasoning.text };
    yield { type: "reasoning-end", id, ...(reasoning.metadata && { providerMetadata: reasoning.metadata }) };
  }
  if (text !== "") {
    const id = "text-1";
    yield { type: "text-start", id };
    for (const [index, delta] of (text.match(/\s*\S+\s*$|\s*\S+/gu) ?? [text]).entries()) {
      if (index > 0) await between?.();
      yield { type: "text-delta", id, delta };
    }
    yield { type: "text-end", id, ...(textMetadata && { providerMetadata: textMetadata }) };
  }
  if (file) yield { type: "file", mediaType: file.mediaType, data: { type: "data", data: file.base64 } };
  for (const { id: toolCallId, name: toolName, input = {}, metadata } of calls) {
    const json = typeof input === "string" ? input : JSON.stringify(input);
    yield {
      type: "tool-call",
      toolCallId,
      toolName,
      input: json,
      ...(metadata && { providerMetadata: metadata }),
    };
  }
  if (fails) throw fails;
  yield {
    type: "finish",
    usage: usageOf(said.tokens),
    finishReason: { unified: calls.length > 0 ? "tool-calls" : "stop", raw: undefined },
  };
}

function usageOf([input, output]: readonly [number, number] = [10, 5]): LanguageModelV4Usage {
  return {
    inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: output, text: output, reasoning: 0 },
  };
}

function words(part: object): string {
  if ("text" in part) return String(part.text);
  if ("output" in part && "toolCallId" in part)
    return `${String(part.toolCallId)}=${JSON.stringify(part.output)}`;
  if ("toolName" in part && "toolCallId" in part)
    return `${String(part.toolName)}#${String(part.toolCallId)}`;
  return "type" in part ? `<${String(part.type)}>` : "<?>";
}

export const call = (id: string, name: string, input: unknown = {}): ScriptedCall => ({ id, name, input });
export const calls = (...made: readonly ScriptedCall[]): Said => ({ calls: made });

/** What the model was told in one call of each tool call, by its id. */
export function outputsIn({ sent }: RecordingModel, index: number): Record<string, unknown> {
  const parts = (sent[index]?.prompt ?? []).flatMap((message) =>
    message.role === "tool" ? message.content : [],
  );
  return Object.fromEntries(
    parts.flatMap((part) => (part.type === "tool-result" ? [[part.toolCallId, part.output]] : [])),
  );
}

/** An assistant's message with tool calls, as an agent stores it. */
export function callMessage(...made: readonly ScriptedCall[]): Message {
  return {
    role: "assistant",
    content: made.map(({ id, name, input = {} }) => ({
      type: "tool-call",
      toolCallId: id,
      toolName: name,
      input,
    })),
  };
}

export function resultMessage(id: string, name: string, value: string): Message {
  return {
    role: "tool",
    content: [{ type: "tool-result", toolCallId: id, toolName: name, output: { type: "text", value } }],
  };
}

/**
 * Leaves a turn as a process does that dies in it: begun, with these messages, and never ended. Its lease runs out at
 * once, or after `leaseMs`.
 */
export async function leaveTurnOpen(
  store: SessionStore,
  sessionId: string,
  messages: readonly Message[],
  leaseMs = 0,
): Promise<void> {
  const [record] = await store.find([sessionId]);
  if (!record) throw new Error("create the session first");
  const at = Date.now();
  const first = record.seq + 1;
  const turnId = randomUUID();
  const drafts = [
    { type: "turn.started" as const, data: { turnId, owner: "a dead process", until: at + leaseMs } },
    ...messages.map((message) => ({ type: "message" as const, data: { message, turnId } })),
  ];
  const entries = drafts.map(({ type, data }, index): Entry => {
    const seq = first + index;
    return { seq, id: `#${seq}`, type, data, at, ...(index === 0 && { commit: `left-${seq}` }) };
  });
  const left = evolveAll(record, entries);
  if (!left) throw new Error("nothing came of the entries");
  const [outcome] = await store.commit([
    { sessionId, expectedVersion: record.version, entries, record: { ...left, version: record.version + 1 } },
  ]);
  if (outcome?.status !== "committed") throw new Error(`the turn was not left: ${JSON.stringify(outcome)}`);
}

/** What a session's log says, a word each; of turns how they ended. */
export async function typesIn(store: SessionStore, id: string): Promise<string[]> {
  const entries = await store.read(id, { after: 0, limit: 1000 });
  return entries.map((entry) =>
    isKnown(entry) && entry.type === "turn.ended" ? `turn.ended:${entry.data.outcome}` : entry.type,
  );
}

/**
 * @module
 * What the tests of agents share: a model that plays a script, a log in words, what a provider says of a transcript, and
 * a store whose Nth commit fails.
 */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4StreamPart,
} from "@ai-sdk/provider";
import type { ModelMessage } from "ai";
import { generateText } from "ai";
import { expect } from "vitest";
import { modelMessages } from "../../src/agent/messages.ts";
import type { Entry } from "../../src/log/entry.ts";
import type { HoldfastErrorCode } from "../../src/log/errors.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { toolCallsOf, toolResultIdsOf } from "../../src/log/tool-calls.ts";
import { isPlainObject } from "../../src/log/values.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { checkRequest, errorBody, parseJson } from "./openai-request.ts";

type ProviderMetadata = NonNullable<
  Extract<LanguageModelV4StreamPart, { type: "reasoning-end" }>["providerMetadata"]
>;

/** One thing that a scripted model does in a step. */
export type ScriptedPart =
  /** One piece of its text. */
  | { readonly text: string }
  /** A thought, signed as Anthropic's models do it. */
  | { readonly reasoning: string; readonly metadata?: ProviderMetadata }
  /** A tool call; `input` as a text is sent as it is, which need not be JSON. */
  | { readonly call: string; readonly id: string; readonly input?: unknown }
  /** The provider reports an error in its stream. */
  | { readonly error: unknown }
  /** The connection breaks. */
  | { readonly breaks: unknown }
  /** Nothing more comes, and no end. */
  | { readonly cut: true }
  /** Nothing more comes until the call is aborted. */
  | { readonly hang: true }
  /** Something else happens meanwhile. */
  | { readonly wait: () => unknown };

/** A step: its parts and then a proper finish; a text alone; or an error with which the call is refused. */
export type ScriptedStep = string | Error | readonly ScriptedPart[];

export interface ScriptedModel extends LanguageModelV4 {
  /** What each call was sent. */
  readonly calls: LanguageModelV4CallOptions[];
  /** Adds steps to play. */
  play(...steps: readonly ScriptedStep[]): void;
}

const NO_TOKENS = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
};

/** A model that plays `steps`, one a call, and fails where there is none left. It counts no tokens. */
export function scriptedModel(steps: readonly ScriptedStep[] = []): ScriptedModel {
  const calls: LanguageModelV4CallOptions[] = [];
  const left = [...steps];
  return {
    specificationVersion: "v4",
    provider: "test",
    modelId: "scripted",
    supportedUrls: {},
    calls,
    play: (...more) => void left.push(...more),
    doGenerate: () => Promise.reject(new Error("the scripted model only streams")),
    async doStream(options) {
      options.abortSignal?.throwIfAborted();
      calls.push(options);
      const step = left.shift() ?? new Error(`call ${calls.length} of the model is not in the script`);
      if (step instanceof Error) throw step;
      const parts = typeof step === "string" ? [{ text: step }] : step;
      return { stream: ReadableStream.from(played(parts, options.abortSignal)) };
    },
  };
}

async function* played(
  parts: readonly ScriptedPart[],
  signal: AbortSignal | undefined,
): AsyncGenerator<LanguageModelV4StreamPart, void, undefined> {
  yield { type: "stream-start", warnings: [] };
  let openText = false;
  for (const [index, part] of parts.entries()) {
    if ("wait" in part) {
      await part.wait();
      continue;
    }
    if (openText && !("text" in part)) yield { type: "text-end", id: "text" };
    if (!openText && "text" in part) yield { type: "text-start", id: "text" };
    openText = "text" in part;
    if ("text" in part) yield { type: "text-delta", id: "text", delta: part.text };
    else if ("reasoning" in part) {
      const id = `reasoning-${index}`;
      yield { type: "reasoning-start", id };
      yield { type: "reasoning-delta", id, delta: part.reasoning };
      yield { type: "reasoning-end", id, ...(part.metadata && { providerMetadata: part.metadata }) };
    } else if ("call" in part) {
      const { id, call: toolName, input = {} } = part;
      const text = typeof input === "string" ? input : JSON.stringify(input);
      yield { type: "tool-input-start", id, toolName };
      yield { type: "tool-input-delta", id, delta: text };
      yield { type: "tool-input-end", id };
      yield { type: "tool-call", toolCallId: id, toolName, input: text };
    } else if ("error" in part) yield { type: "error", error: part.error };
    else if ("breaks" in part) throw part.breaks;
    else if ("cut" in part) return;
    else await aborted(signal);
    signal?.throwIfAborted();
  }
  if (openText) yield { type: "text-end", id: "text" };
  const unified = parts.some((part) => "call" in part) ? "tool-calls" : "stop";
  yield { type: "finish", usage: NO_TOKENS, finishReason: { unified, raw: undefined } };
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** A log in words: each entry's type and what matters of its data. */
export async function entriesOf(session: {
  entries(): AsyncIterable<Entry>;
}): Promise<(readonly [type: string, summary: string])[]> {
  const found: (readonly [string, string])[] = [];
  for await (const { type, data } of session.entries()) found.push([type, summaryOf(type, data)]);
  return found;
}

function summaryOf(type: string, data: unknown): string {
  const held = record(data);
  switch (type) {
    case "message":
      return inWords(record(held.message));
    case "message.revised":
      return inWords(record(held.message));
    case "turn.ended":
      return [held.outcome, held.reason].filter((word) => word !== undefined).join(" ");
    case "label.set":
      return String(held.label);
    case "session.created":
      return [held.userId, held.agent].filter((word) => word !== undefined).join(" ");
    case "turn.started":
    case "turn.extended":
      return "";
    default:
      return JSON.stringify(data);
  }
}

/** A message in words: its role, its texts, calls as `name#id{input}`, results as `#id=output`, errors as `#id!text`. */
export function inWords(message: object): string {
  const { role, content } = record(message);
  const parts: unknown[] = Array.isArray(content) ? content : [{ type: "text", text: content }];
  return `${role}: ${parts.map((part) => partInWords(record(part))).join(" ")}`;
}

function partInWords(part: Record<string, unknown>): string {
  const { holdfast } = record(part.providerOptions);
  const mark = record(holdfast).partial === true ? "(partial) " : "";
  switch (part.type) {
    case "text":
      return `${mark}${part.text}`;
    case "reasoning":
      return `${mark}<${part.text}>`;
    case "tool-call":
      return `${part.toolName}#${part.toolCallId}${JSON.stringify(part.input)}`;
    case "tool-result": {
      const { type, value, reason } = record(part.output);
      const text =
        typeof value === "string" ? value : JSON.stringify(value === undefined ? (reason ?? "") : value);
      return `#${part.toolCallId}${String(type).startsWith("error") ? "!" : "="}${text}`;
    }
    default:
      return JSON.stringify(part);
  }
}

function record(value: unknown): Record<string, unknown> {
  return isPlainObject(value) ? value : {};
}

/** Fails unless each tool call is answered, once, before anything else is said, and nothing else is. */
export function expectAnswered(messages: readonly object[]): void {
  const problems: string[] = [];
  let open = new Set<string>();
  for (const message of messages) {
    const { role } = record({ ...message });
    for (const id of toolResultIdsOf({ ...message })) {
      if (!open.delete(id)) problems.push(`${id} is answered, but no call of that id is open`);
    }
    if (role === "tool") continue;
    for (const id of open) problems.push(`${id} has no result`);
    open = new Set(toolCallsOf({ ...message }).map(({ id }) => id));
  }
  for (const id of open) problems.push(`${id} has no result`);
  expect(problems).toEqual([]);
}

/**
 * Sends the messages, with a further one of the user, by OpenAI's protocol to what checks them as its endpoint does.
 * Fails where the AI SDK or the endpoint refuses them.
 */
export async function expectAccepted(stored: readonly object[]): Promise<void> {
  expectAnswered(stored);
  const provider = createOpenAICompatible({
    name: "check",
    baseURL: "http://check.invalid/v1",
    fetch: async (_, init) => {
      const request = checkRequest(parseJson(String(init?.body)));
      if ("status" in request && typeof request.status === "number" && "message" in request)
        return Response.json(errorBody({ message: String(request.message) }), { status: request.status });
      return Response.json({
        id: "1",
        created: 0,
        model: "check",
        choices: [{ index: 0, message: { role: "assistant", content: "yes" }, finish_reason: "stop" }],
      });
    },
  });
  const messages: ModelMessage[] = [
    ...modelMessages(stored, undefined),
    { role: "user", content: "Is that all right?" },
  ];
  const model = provider.chatModel("check");
  const { text } = await generateText({ model, messages, maxRetries: 0, allowSystemInMessages: true });
  expect(text).toBe("yes");
}

/** All that comes, in order. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The error that `work` rejects with. Fails where it doesn't. */
export async function failureOf(work: Promise<unknown>): Promise<unknown> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (!outcome) throw new Error("nothing failed");
  return outcome.error;
}

/** The HoldfastError with that code that `work` rejects with. */
export async function refusalOf(work: Promise<unknown>, code: HoldfastErrorCode): Promise<HoldfastError> {
  const error = await failureOf(work);
  if (HoldfastError.is(error, code)) return error;
  throw error;
}

/**
 * How a commit fails:
 *
 * - `refused`: nothing is written.
 * - `ambiguous`: it is written, then the error comes; reading shows that it is there.
 * - `dark`: it is written, then the error comes, and nothing can be read or written any more until `heal`.
 * - `down`: nothing is written, and nothing can be read or written any more until `heal`.
 */
export type CommitFault = "refused" | "ambiguous" | "dark" | "down";

export interface FailingStore extends SessionStore {
  /** How many commits were asked for. */
  readonly commits: number;
  /** The types of the entries of the commit that failed. */
  readonly failed: readonly string[] | undefined;
  heal(): void;
}

/** `store`, whose commit number `at` (from 1) fails. */
export function failingStore(store: SessionStore, fault: CommitFault, at: number): FailingStore {
  let commits = 0;
  let failed: readonly string[] | undefined;
  let isAway = false;
  const unavailable = (): HoldfastError =>
    new HoldfastError("STORE_UNAVAILABLE", "the store of this test failed as it was told to", {
      store: store.name,
    });
  const asLongAsThere = async <T>(work: () => Promise<T>): Promise<T> => {
    if (isAway) throw unavailable();
    return work();
  };
  return {
    ...store,
    get commits() {
      return commits;
    },
    get failed() {
      return failed;
    },
    heal() {
      isAway = false;
    },
    find: (ids) => asLongAsThere(() => store.find(ids)),
    read: (id, range) => asLongAsThere(() => store.read(id, range)),
    list: (query) => asLongAsThere(() => store.list(query)),
    async commit(batch) {
      if (isAway) throw unavailable();
      commits += 1;
      if (commits !== at) return store.commit(batch);
      failed = batch.flatMap(({ entries }) => entries.map(({ type }) => type));
      if (fault === "ambiguous" || fault === "dark") await store.commit(batch);
      isAway = fault === "dark" || fault === "down";
      throw unavailable();
    },
  };
}

/**
 * @module
 * A loopback server that speaks OpenAI's chat-completions protocol, streamed and not, with its faults.
 * It refuses what the real API refuses, so that a history that it accepts is one that a provider accepts.
 *
 * @example
 * await using server = await startOpenAiServer({ reply: (_, attempt) => (attempt === 1 ? { status: 500 } : undefined) });
 * const model = createOpenAICompatible({ name: "test", baseURL: server.baseUrl }).chatModel("test-model");
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { text as readText } from "node:stream/consumers";
import type { Answer } from "./openai-answer.ts";
import { chunksOf, completion, defaultAnswer } from "./openai-answer.ts";
import type { ApiError, ChatRequest } from "./openai-request.ts";
import { checkRequest, errorBody, invalid, parseJson } from "./openai-request.ts";

export type { Answer, ChatToolCall, ChatUsage } from "./openai-answer.ts";
export type { ChatMessage, ChatRequest } from "./openai-request.ts";

/**
 * What goes wrong. The number of chunks counts every `data:` line, the first of which gives only the role;
 * of an answer that is not streamed, half of the body is sent.
 */
export type Fault =
  /** An error before the answer. Retry times are sent both as `retry-after` (whole s) and `retry-after-ms`. */
  | { readonly status: number; readonly message?: string; readonly retryAfterSeconds?: number }
  /** Destroys the socket, with nothing sent. */
  | { readonly dropBeforeResponse: true }
  /** Destroys the socket after that many chunks. */
  | (Answer & { readonly dropAfterChunks: number })
  /** Sends half of the next chunk's JSON after that many chunks, and then the rest of the answer. */
  | (Answer & { readonly malformedAfterChunks: number })
  /** Sends an error object in the stream after that many chunks, as the API does when it fails, and ends. */
  | (Answer & { readonly errorAfterChunks: number })
  /** Ends the response cleanly after that many chunks, with no finish reason and no `[DONE]`. */
  | (Answer & { readonly endWithoutDone: number })
  /** Sends nothing for that long, and then the answer. */
  | (Answer & { readonly hangMs: number });

export type Reply = Answer | Fault;

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The parsed body, whether it was accepted or not; `undefined` if there was none, or no JSON. */
  readonly body: unknown;
  /** The body, if it was accepted. */
  readonly chat: ChatRequest | undefined;
  /** Resolves when the exchange is over: answered in full, cut off by the client, or dropped by a fault. */
  readonly outcome: Promise<"answered" | "aborted" | "dropped">;
}

export interface OpenAiServerOptions {
  /** Requires `Authorization: Bearer <key>`. Default: anybody may. */
  readonly apiKey?: string;
  /** The models that there are; any other gets 404. Default: every model, `test-model` is listed. */
  readonly models?: readonly string[];
  /**
   * The answer to a request. `attempt` counts, from 1, how often this very body has come: a retry is 2.
   * `undefined`: the default answer (see `defaultAnswer`).
   */
  readonly reply?: (request: ChatRequest, attempt: number) => Reply | undefined | Promise<Reply | undefined>;
}

export interface OpenAiServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>/v1` */
  readonly baseUrl: string;
  /** All that it was sent, oldest first. */
  readonly requests: readonly ReceivedRequest[];
  /** Cuts all connections. @throws AggregateError if a `reply` threw, or asked for what cannot be done. */
  close(): Promise<void>;
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

const sendError = (response: ServerResponse, error: ApiError): void =>
  send(response, error.status, errorBody(error));

/** What the API says with a status, where it has a type or a code of its own. */
function sendFailure(response: ServerResponse, fault: Extract<Fault, { status: number }>): void {
  const { status, message = `Fault ${status} of the test.`, retryAfterSeconds } = fault;
  const [type, code] =
    status === 429
      ? ["requests", "rate_limit_exceeded"]
      : status >= 500
        ? ["server_error", null]
        : ["invalid_request_error", status === 401 ? "invalid_api_key" : null];
  const headers: Record<string, string> = {};
  if (retryAfterSeconds !== undefined) {
    headers["retry-after"] = `${Math.ceil(retryAfterSeconds)}`;
    headers["retry-after-ms"] = `${retryAfterSeconds * 1000}`;
  }
  send(response, status, errorBody({ message, type: type ?? "", code: code ?? null }), headers);
}

/** The responses that were cut off from this side. */
const dropped = new WeakSet<ServerResponse>();

function drop(response: ServerResponse): void {
  dropped.add(response);
  response.destroy();
}

/** Waits, or until the client has gone. */
const pause = (ms: number, response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      response.off("close", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    response.on("close", done);
  });

/** Resolves when the text has left the process; that the client has gone is told by the outcome. */
const write = (response: ServerResponse, text: string): Promise<void> =>
  new Promise((resolve) => {
    response.write(text, () => resolve());
  });

type Break = { readonly kind: "drop" | "malformed" | "error" | "end"; readonly after: number };

function breakOf(reply: Exclude<Reply, { status: number }>): Break | undefined {
  if ("dropAfterChunks" in reply) return { kind: "drop", after: reply.dropAfterChunks };
  if ("malformedAfterChunks" in reply) return { kind: "malformed", after: reply.malformedAfterChunks };
  if ("errorAfterChunks" in reply) return { kind: "error", after: reply.errorAfterChunks };
  if ("endWithoutDone" in reply) return { kind: "end", after: reply.endWithoutDone };
  return undefined;
}

async function stream(
  response: ServerResponse,
  chunks: object[],
  delayMs: number,
  fault?: Break,
): Promise<void> {
  if (fault && !(fault.after <= chunks.length)) {
    throw new RangeError(`A fault after ${fault.after} chunks, but the answer has ${chunks.length}.`);
  }
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
  });
  response.flushHeaders();
  for (const [index, chunk] of [...chunks, undefined].entries()) {
    if (delayMs > 0) await pause(delayMs, response);
    if (response.destroyed) return;
    const data = chunk ? JSON.stringify(chunk) : "[DONE]";
    if (index === fault?.after) {
      if (fault.kind === "drop") return drop(response);
      if (fault.kind === "end") return void response.end();
      if (fault.kind === "error") {
        const body = errorBody({ message: "The server had an error while answering.", type: "server_error" });
        await write(response, `data: ${JSON.stringify(body)}\n\n`);
        return void response.end();
      }
      await write(response, `data: ${data.slice(0, data.length / 2)}\n\n`);
      continue;
    }
    await write(response, `data: ${data}\n\n`);
  }
  response.end();
}

async function respond(response: ServerResponse, request: ChatRequest, reply: Reply): Promise<void> {
  if ("status" in reply) return sendFailure(response, reply);
  if ("dropBeforeResponse" in reply) return drop(response);
  if ("hangMs" in reply) await pause(reply.hangMs, response);
  const says = reply.text ?? reply.reasoning ?? reply.toolCalls;
  const answer = says === undefined ? { ...defaultAnswer(request), ...reply } : reply;
  const fault = breakOf(reply);
  if (request.stream === true) {
    return stream(response, chunksOf(answer, request), answer.chunkDelayMs ?? 0, fault);
  }
  if (!fault) return send(response, 200, completion(answer, request));
  const body = JSON.stringify(completion(answer, request));
  response.writeHead(200, { "content-type": "application/json" });
  await write(response, body.slice(0, body.length / 2));
  if (fault.kind === "drop") drop(response);
  else response.end();
}

/** Starts a server on a free port of 127.0.0.1. */
export async function startOpenAiServer(options: OpenAiServerOptions = {}): Promise<OpenAiServer> {
  const { apiKey, models, reply } = options;
  const requests: ReceivedRequest[] = [];
  const failures: unknown[] = [];
  const attempts = new Map<string, number>();

  function refusal(request: IncomingMessage, body: unknown): ApiError | ChatRequest | undefined {
    if (apiKey !== undefined && request.headers.authorization !== `Bearer ${apiKey}`) {
      return { status: 401, message: "Incorrect API key provided.", code: "invalid_api_key" };
    }
    if (request.method === "GET" && request.url === "/v1/models") return undefined;
    if (request.method !== "POST" || request.url !== "/v1/chat/completions") {
      const message = `Unknown request URL: ${request.method} ${request.url}.`;
      return { status: 404, message, code: "unknown_url" };
    }
    if (body === undefined) return invalid("We could not parse the JSON body of your request.", null);
    const chat = checkRequest(body);
    if ("messages" in chat && models?.includes(chat.model) === false) {
      return { status: 404, message: `The model '${chat.model}' does not exist.`, code: "model_not_found" };
    }
    return chat;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { promise: outcome, resolve } = Promise.withResolvers<"answered" | "aborted" | "dropped">();
    response.on("close", () => {
      resolve(response.writableFinished ? "answered" : dropped.has(response) ? "dropped" : "aborted");
    });
    const raw = await readText(request);
    const body = parseJson(raw);
    const checked = refusal(request, body);
    const chat = checked && "messages" in checked ? checked : undefined;
    const { method = "", url: path = "", headers } = request;
    requests.push({ method, path, headers, body, chat, outcome });
    if (checked === undefined) {
      const data = (models ?? ["test-model"]).map((id) => ({
        id,
        object: "model",
        created: 0,
        owned_by: "test",
      }));
      return send(response, 200, { object: "list", data });
    }
    if (!("messages" in checked)) return sendError(response, checked);
    const attempt = (attempts.get(raw) ?? 0) + 1;
    attempts.set(raw, attempt);
    await respond(response, checked, (await reply?.(checked, attempt)) ?? {});
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      // The client has gone before it had sent all: nothing was asked.
      if (response.destroyed && !request.complete) return;
      failures.push(error);
      if (response.headersSent) drop(response);
      // Not 500: clients would try again what can only fail again.
      else sendError(response, { status: 400, message: `The test's reply failed: ${String(error)}` });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("The server has no port.");

  async function close(): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
    if (failures.length > 0) throw new AggregateError(failures.splice(0), "The test's reply failed.");
  }

  return { baseUrl: `http://127.0.0.1:${address.port}/v1`, requests, close, [Symbol.asyncDispose]: close };
}

/**
 * @module
 * The model of a chat: the offline one, one of the AI SDK's gateway, or one that is served by OpenAI's protocol.
 */
import type { LanguageModel } from "ai";
import { offlineModel } from "../../agent/index.ts";
import type { ChatOptions } from "../commands/chat.ts";
import { usageError } from "../failure.ts";
import { loadPackage } from "./optional-package.ts";

/** Where a model is reached, for messages about what goes wrong there. */
export interface ModelServer {
  /** As a person knows it, without credentials. */
  readonly place: string;
  /** The environment variable that holds the key. */
  readonly keyVariable: string;
  /** What else may be done where the key is missing or wrong. */
  readonly otherwise: string;
  /** Never to be printed. */
  readonly key?: string;
}

export interface ChatModel {
  readonly model: LanguageModel;
  /** What it is, in a line. */
  readonly about: string;
  readonly isOffline: boolean;
  readonly server: ModelServer;
}

const OFFLINE =
  "a small offline model that answers from the history that it is sent; --base-url and --model name a real one";
/** Between the words that it says, so that streaming can be seen where somebody watches. */
const OFFLINE_WORD_MS = 25;
const GATEWAY_KEY = "AI_GATEWAY_API_KEY";

/**
 * @param isWatched whether somebody sees the answer come.
 * @throws INVALID_ARGUMENT for options that do not go together, UNSUPPORTED where a package is missing.
 */
export async function chooseModel(options: ChatOptions, isWatched: boolean): Promise<ChatModel> {
  const { model: name, baseUrl, apiKeyEnv } = options;
  if (baseUrl !== undefined) return servedModel(baseUrl, name, apiKeyEnv);
  const gateway = {
    place: "the AI SDK's gateway",
    otherwise: "or name a server of your own with --base-url",
    ...keyIn(GATEWAY_KEY),
  };
  if (name !== undefined)
    return { model: name, about: `${name} by ${gateway.place}`, isOffline: false, server: gateway };
  const model = offlineModel({ chunkDelayMs: isWatched ? OFFLINE_WORD_MS : 0 });
  return { model, about: OFFLINE, isOffline: true, server: gateway };
}

async function servedModel(
  baseUrl: string,
  name: string | undefined,
  keyVariable: string,
): Promise<ChatModel> {
  const url = URL.parse(baseUrl);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw usageError("--base-url must be the URL of an API, such as http://localhost:11434/v1");
  }
  if (name === undefined) throw usageError("--base-url needs --model too: which of the server's models");
  const { createOpenAICompatible } = await loadPackage(
    "@ai-sdk/openai-compatible",
    "--base-url",
    () => import("@ai-sdk/openai-compatible"),
  );
  const server = {
    place: `${url.origin}${url.pathname}`,
    otherwise: "or name another variable with --api-key-env",
    ...keyIn(keyVariable),
  };
  const provider = createOpenAICompatible({
    name: "openai-compatible",
    baseURL: baseUrl,
    includeUsage: true,
    ...(server.key !== undefined && { apiKey: server.key }),
  });
  return {
    model: provider.chatModel(name),
    about: `${name} at ${server.place}`,
    isOffline: false,
    server,
  };
}

function keyIn(keyVariable: string): { keyVariable: string; key?: string } {
  const key = process.env[keyVariable];
  return { keyVariable, ...(key && { key }) };
}

/**
 * @module
 * What OpenAI's chat-completions endpoint accepts, and the error that it answers with where it refuses.
 */
import { z } from "zod";

const ROLES = ["system", "developer", "user", "assistant", "tool", "function"] as const;

/** @returns `undefined` where the text is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const isJson = (text: string): boolean => parseJson(text) !== undefined;

const toolCallSchema = z.looseObject({
  id: z.string(),
  type: z.literal("function"),
  function: z.looseObject({
    name: z.string().min(1),
    arguments: z.string().refine(isJson, "Expected a JSON text."),
  }),
});

const messageSchema = z.looseObject({
  role: z.enum(ROLES),
  content: z
    .union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))])
    .nullish(),
  tool_calls: z.array(toolCallSchema).min(1).optional(),
  tool_call_id: z.string().optional(),
});

const requestSchema = z.looseObject({
  model: z.string(),
  messages: z.array(messageSchema).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
  tools: z
    .array(z.looseObject({ type: z.literal("function"), function: z.looseObject({ name: z.string() }) }))
    .optional(),
});

/** One message of a request that was accepted, in the wire's shape. */
export type ChatMessage = z.infer<typeof messageSchema>;
/** The body of a request that was accepted, in the wire's shape. */
export type ChatRequest = z.infer<typeof requestSchema>;

/** An error of the API. Default type: `invalid_request_error`. */
export interface ApiError {
  readonly status: number;
  readonly message: string;
  readonly type?: string;
  readonly param?: string | null;
  readonly code?: string | null;
}

export const invalid = (message: string, param: string | null, code: string | null = null): ApiError => ({
  status: 400,
  message,
  param,
  code,
});

const pathOf = (path: readonly PropertyKey[]): string =>
  path
    .map((key, index) => (typeof key === "number" ? `[${key}]` : `${index ? "." : ""}${String(key)}`))
    .join("");

/** What the schema cannot say: every tool call is answered, directly after it, once, and nothing else is. */
function checkOrder(messages: readonly ChatMessage[]): ApiError | undefined {
  const open = new Set<string>();
  const unanswered = (): ApiError =>
    invalid(
      `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...open].join(", ")}`,
      "messages",
    );
  for (const [index, message] of messages.entries()) {
    const at = `messages[${index}]`;
    if (message.role === "tool") {
      const id = message.tool_call_id;
      if (id === undefined) return invalid(`Missing parameter 'tool_call_id'.`, `${at}.tool_call_id`);
      if (!open.delete(id)) {
        return invalid(
          `Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls' (no open call '${id}').`,
          `${at}.role`,
        );
      }
    } else if (open.size > 0) return unanswered();
    if (message.content == null && !(message.role === "assistant" && message.tool_calls)) {
      return invalid(`Invalid value for 'content': expected a string, got null.`, `${at}.content`);
    }
    if (message.role !== "assistant") continue;
    for (const { id } of message.tool_calls ?? []) open.add(id);
  }
  return open.size > 0 ? unanswered() : undefined;
}

/** The request, typed, or why the API refuses it. */
export function checkRequest(body: unknown): ChatRequest | ApiError {
  const parsed = requestSchema.safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const param = pathOf(issue?.path ?? []);
    return invalid(`Invalid value for '${param}': ${issue?.message}.`, param, issue?.code ?? null);
  }
  return checkOrder(parsed.data.messages) ?? parsed.data;
}

/** The body that OpenAI sends with an error. */
export const errorBody = ({
  message,
  type = "invalid_request_error",
  param = null,
  code = null,
}: Omit<ApiError, "status">) => ({
  error: { message, type, param, code },
});

/**
 * @module
 * What went wrong with a model, in one line that says what to do.
 */
import { APICallError, JSONParseError, RetryError, TypeValidationError } from "ai";
import { HoldfastError, messageOf } from "../../log/errors.ts";
import { cleanLine } from "../clean.ts";
import { failureOf } from "../failure.ts";
import type { ModelServer } from "./choose-model.ts";
import type { ChatFailure } from "./view.ts";

const AGAIN = "/retry asks again";
/** A provider's message may be a page. */
const MAX_SAID_LENGTH = 300;

/** @param hasText whether a part of the answer had come. */
export function turnFailure(error: unknown, server: ModelServer, hasText: boolean): ChatFailure {
  if (HoldfastError.is(error)) return failureOf(error);
  const cause = RetryError.isInstance(error) ? error.lastError : error;
  const kept = hasText ? "; what had come is kept" : "";
  return { code: "MODEL_FAILED", message: `${modelMessage(cause, server)}${kept}`, details: [] };
}

function modelMessage(error: unknown, server: ModelServer): string {
  const { place, keyVariable, key, otherwise } = server;
  const said = oneLine(messageOf(error), key);
  const status = statusOf(error);
  if (status === undefined) {
    // Its message holds all that could not be read.
    if (JSONParseError.isInstance(error) || TypeValidationError.isInstance(error))
      return `the answer of ${place} broke off: a part of it could not be read; ${AGAIN}`;
    if (!APICallError.isInstance(error)) return `the answer of ${place} broke off: ${said}; ${AGAIN}`;
    const why = oneLine(reasonOf(error), key);
    return error.responseHeaders === undefined
      ? `can't reach ${place}: ${why}; check --base-url, and whether the server runs`
      : `the answer of ${place} broke off: ${why}; ${AGAIN}`;
  }
  const answer = `${status}: ${said}`;
  if (status === 401 || status === 403) {
    return key === undefined
      ? `${place} wants a key, and $${keyVariable} is not set (${answer}); set it, ${otherwise}`
      : `${place} refused the key in $${keyVariable} (${answer}); correct it, ${otherwise}`;
  }
  if (status === 404) return `${place} does not know that (${answer}); check --model and --base-url`;
  if (status === 429) return `${place} had too many requests (${answer}); wait a little; ${AGAIN}`;
  if (status >= 500) return `${place} failed (${answer}); ${AGAIN}`;
  return `${place} refused the request (${answer})`;
}

/** Errors of providers and of the gateway have one. */
function statusOf(error: unknown): number | undefined {
  const status: unknown = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
  // A stream that breaks off after a good start says 200.
  return typeof status === "number" && status >= 400 ? status : undefined;
}

/** The innermost message: `fetch failed` is the outermost of what `ECONNREFUSED` says. */
function reasonOf(error: Error): string {
  let inner: Error = error;
  while (inner.cause instanceof Error) inner = inner.cause;
  const code = "code" in inner && typeof inner.code === "string" ? inner.code : "";
  return inner.message || code || error.message;
}

/**
 * The first line, which says what is wrong; some write a page. Some repeat the key that they refuse: it goes before the
 * text is cut, so that no part of it is left.
 */
function oneLine(text: string, key: string | undefined): string {
  const whole = key === undefined ? text : text.replaceAll(key, "[key]");
  const line = cleanLine(whole.trim().split("\n", 1)[0] ?? "");
  return line.length > MAX_SAID_LENGTH ? `${line.slice(0, MAX_SAID_LENGTH).toWellFormed()}…` : line;
}

/**
 * @module
 * Errors of OpenSearch and of its client as errors of Holdfast that say what to do, without a secret in them.
 */
import type { HoldfastErrorCode } from "../../log/errors.ts";
import { HoldfastError, messageOf } from "../../log/errors.ts";
import { isPlainObject } from "../../log/values.ts";

export const NAME = "opensearch";

/** What the server said of a request, or of one item of it. */
export interface Failure {
  /** The HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** The kind of error, for example `"index_not_found_exception"`; `""` where the server named none. */
  readonly type: string;
  readonly reason: string;
}

interface Meaning {
  readonly code: HoldfastErrorCode;
  readonly retryable: boolean;
  readonly text: string;
}

const again = (text: string): Meaning => ({ code: "STORE_UNAVAILABLE", retryable: true, text });
const refused = (text: string): Meaning => ({ code: "STORE_UNAVAILABLE", retryable: false, text });

/** By the kind of error that the server names; it tells more than the status. */
const BY_TYPE: ReadonlyMap<string, Meaning> = new Map([
  [
    "index_not_found_exception",
    {
      code: "MIGRATION_REQUIRED",
      retryable: false,
      text: 'an index of the store is not there; call store.migrate() or run "holdfast migrate"',
    },
  ],
  [
    "cluster_block_exception",
    again(
      "OpenSearch is read-only or still recovering and wrote nothing; free some disk space or take the index block away, then try again",
    ),
  ],
  [
    "circuit_breaking_exception",
    again("OpenSearch is short of memory and refused; try again, or give it a larger heap"),
  ],
  ["no_shard_available_action_exception", again("a shard of the store is not available now; try again")],
  ["unavailable_shards_exception", again("a shard of the store is not available now; try again")],
  ["process_cluster_event_timeout_exception", again("the OpenSearch cluster is busy; try again")],
]);

function meaningOf({ status, type }: Failure): Meaning {
  const known = BY_TYPE.get(type);
  if (known) return known;
  if (status === 401)
    return refused("OpenSearch refused the user name or password; check what the client was given");
  if (status === 403)
    return refused(
      "this OpenSearch user lacks a privilege; it needs to read, write, refresh and search the store's indices, and to create them and their templates for migrate()",
    );
  if (status === 413)
    return {
      code: "ENTRY_TOO_LARGE",
      retryable: false,
      text: "a commit is larger than OpenSearch takes in one request (http.max_content_length); nothing was written: commit less at once, or keep the large part elsewhere and store a reference",
    };
  if (status === 429) return again("OpenSearch is overloaded and refused; try again in a moment");
  if (status === 0 || status === 408 || status >= 500)
    return again(
      "OpenSearch could not be reached or did not answer; see that the cluster runs, then try again",
    );
  return refused("OpenSearch refused a request");
}

/** `failure` as a HoldfastError. */
export function errorOf(failure: Failure, sessionId?: string, cause?: unknown): HoldfastError {
  const { code, retryable, text } = meaningOf(failure);
  const said = withoutSecrets([failure.type, failure.reason].filter(Boolean).join(": "));
  return new HoldfastError(
    code,
    `${text}${sessionId === undefined ? "" : ` (session ${JSON.stringify(sessionId)})`}${said === "" ? "" : `: ${said}`}`,
    { sessionId, store: NAME, retryable, cause: causeOf(cause, said) },
  );
}

/** Whatever the client threw as a HoldfastError. A commit that ends so may or may not have taken place. */
export function toHoldfastError(error: unknown, sessionId?: string): HoldfastError {
  if (HoldfastError.is(error)) return error;
  return errorOf(failureOf(error), sessionId, error);
}

/** What an error of the client says of the server's answer. */
export function failureOf(error: unknown): Failure {
  const fields: { statusCode?: unknown; body?: unknown } =
    typeof error === "object" && error !== null ? error : {};
  const status = typeof fields.statusCode === "number" ? fields.statusCode : 0;
  const body = isPlainObject(fields.body) ? fields.body : {};
  const { type, reason } = saidIn(body.error);
  if (type !== "") return { status, type, reason };
  // Without an answer there is no status; anything else that has none is an error of the client itself.
  const isOfConnection =
    error instanceof Error &&
    /Connection|Timeout|Abort|Socket|ECONN|EPIPE|ENOTFOUND/i.test(`${error.name} ${error.message}`);
  return { status: status === 0 && !isOfConnection ? 400 : status, type: "", reason: messageOf(error) };
}

/** Kind and reason of an `error` object in an answer. */
export function saidIn(error: unknown): { type: string; reason: string } {
  if (!isPlainObject(error)) return { type: "", reason: typeof error === "string" ? error : "" };
  return {
    type: typeof error.type === "string" ? error.type : "",
    reason: typeof error.reason === "string" ? error.reason : "",
  };
}

/** A URL's user and password never get into a message. */
function withoutSecrets(message: string): string {
  return message.replaceAll(/\/\/[^/\s]*@/g, "//***@");
}

/** The client's errors carry the whole request: its headers, so the password, and what was to be stored. */
function causeOf(error: unknown, said: string): Error | undefined {
  if (error === undefined) return undefined;
  const cause = new Error(said);
  if (error instanceof Error) cause.name = error.name;
  return cause;
}

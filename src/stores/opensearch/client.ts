/**
 * @module
 * What the store needs of an OpenSearch client: its transport. No client is imported, but the official one where a url
 * is given.
 */
import { HoldfastError, invalidArgument, messageOf } from "../../log/errors.ts";
import { NAME } from "./errors.ts";

/** What is used of a `Client` of @opensearch-project/opensearch. */
export interface OpenSearchClient {
  readonly transport: {
    request(
      params: {
        method: string;
        path: string;
        querystring?: Record<string, string | number | boolean>;
        body?: Record<string, unknown>;
        bulkBody?: Buffer;
      },
      options?: { requestTimeout?: number; maxRetries?: number },
    ): PromiseLike<unknown>;
  };
}

export interface Request {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly query?: Record<string, string | number | boolean>;
  readonly body?: Record<string, unknown>;
  /** Lines of JSON, in place of `body`: as bytes, which are made of text in half the time that a socket takes. */
  readonly lines?: Buffer;
  /** How long to wait for the answer. Default: what the client was made with. */
  readonly timeoutMs?: number;
  /** Whether the client must not send it again, as it does by itself where a connection was lost. */
  readonly isSentOnce?: boolean;
}

/** Sends one request and answers with the body of the answer. Rejects with what the client does. */
export type Send = (request: Request) => Promise<unknown>;

/**
 * @throws INVALID_ARGUMENT for what is no client.
 */
export function senderOf(client: OpenSearchClient): Send {
  const given: { transport?: { request?: unknown } | undefined } | null | undefined = client;
  if (typeof given?.transport?.request !== "function")
    throw invalidArgument("client must be a Client of @opensearch-project/opensearch");
  return async ({ method, path, query, body, lines, timeoutMs, isSentOnce = false }) => {
    const answer = await client.transport.request(
      {
        method,
        path,
        ...(query && { querystring: query }),
        ...(body && { body }),
        ...(lines !== undefined && { bulkBody: lines }),
      },
      {
        ...(timeoutMs !== undefined && { requestTimeout: timeoutMs }),
        ...(isSentOnce && { maxRetries: 0 }),
      },
    );
    return typeof answer === "object" && answer !== null && "body" in answer ? answer.body : undefined;
  };
}

export interface OpenedClient {
  readonly client: OpenSearchClient;
  close(): Promise<void>;
}

/** Where a URL of the store leads, without what is secret in it. */
export interface Address {
  readonly node: string;
  readonly auth?: { readonly username: string; readonly password: string };
}

const DEFAULT_PORT = "9200";

/**
 * The address in `opensearch://user:password@host:9200` or `opensearch+https://…`.
 *
 * @throws INVALID_ARGUMENT for a URL that is none.
 */
export function addressOf(url: unknown): Address {
  const [, isSecure, rest = ""] =
    (typeof url === "string" && /^opensearch(\+https)?:\/\/(.+)$/i.exec(url)) || [];
  const text = `${isSecure ? "https" : "http"}://${rest}`;
  if (rest === "" || !URL.canParse(text) || /%(?![0-9a-f]{2})/i.test(rest))
    throw invalidArgument(
      "opensearchStore needs a client of @opensearch-project/opensearch, or a url such as opensearch://localhost:9200 or opensearch+https://user:password@host:9200, with special characters of the password percent-encoded",
    );
  const { protocol, hostname, port, pathname, username, password } = new URL(text);
  // A URL leaves out the port that is its protocol's own, so what was written is looked at.
  const isPortGiven = /^(?:[^/]*@)?(?:\[[^\]]*\]|[^/:]*):\d/.test(rest);
  const place = `${protocol}//${hostname}:${isPortGiven ? port || (isSecure ? "443" : "80") : DEFAULT_PORT}`;
  return {
    node: pathname === "/" ? place : `${place}${pathname}`,
    ...(username !== "" && {
      auth: { username: decodeURIComponent(username), password: decodeURIComponent(password) },
    }),
  };
}

/**
 * A client of the store's own. It sends nothing a second time by itself.
 *
 * @throws STORE_UNAVAILABLE where the package is not installed.
 */
export async function openClient({ node, auth }: Address, timeoutMs: number): Promise<OpenedClient> {
  const { Client } = await import("@opensearch-project/opensearch").catch((error: unknown) => {
    throw new HoldfastError(
      "STORE_UNAVAILABLE",
      `opensearchStore({ url }) needs the package @opensearch-project/opensearch: npm install @opensearch-project/opensearch, or pass a client of your own (${messageOf(error)})`,
      { store: NAME, retryable: false },
    );
  });
  const client = new Client({ node, ...(auth && { auth }), requestTimeout: timeoutMs, maxRetries: 0 });
  return { client, close: () => client.close() };
}

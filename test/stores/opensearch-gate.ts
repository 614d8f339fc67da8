/**
 * @module
 * What stands before OpenSearch where it has users: a gate on a loopback port that asks for a name and a password, lets
 * a user do only what it may, and hands on all else. The node of the tests has no security plugin of its own.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request } from "node:http";

export interface Gate {
  readonly port: number;
  close(): Promise<void>;
}

export interface GateRules {
  readonly user: string;
  readonly password: string;
  /** Whether a request of the user is let through. */
  may(method: string, path: string): boolean;
  /** The longest body that is let through. Default: any. */
  readonly maxBytes?: number;
}

export async function startGate(
  node: string,
  { user, password, may, maxBytes = Infinity }: GateRules,
): Promise<Gate> {
  const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const target = new URL(node);
  const refuse = (response: ServerResponse, status: number, type: string, reason: string): void => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { type, reason }, status }));
  };
  const gate = createServer((incoming: IncomingMessage, response: ServerResponse) => {
    const { method = "GET", url = "/", headers } = incoming;
    if (Number(headers["content-length"] ?? 0) > maxBytes) {
      response.writeHead(413, { "content-type": "text/plain" });
      response.end("Request Entity Too Large");
      return;
    }
    if (headers.authorization !== wanted) {
      response.writeHead(401, { "content-type": "text/plain" });
      response.end("Unauthorized");
      return;
    }
    if (!may(method, url))
      return refuse(
        response,
        403,
        "security_exception",
        `no permissions for [${method}] and User [name=${user}]`,
      );
    const onward = request(
      {
        host: target.hostname,
        port: target.port,
        method,
        path: url,
        headers: { ...headers, authorization: "" },
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on("error", (error) => refuse(response, 502, "gate", error.message));
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => gate.listen(0, "127.0.0.1", resolve));
  const address = gate.address();
  if (typeof address !== "object" || address === null) throw new Error("no port is free");
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        gate.close(() => resolve());
        gate.closeAllConnections();
      }),
  };
}

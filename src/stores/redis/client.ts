/**
 * @module
 * The two clients that people have, ioredis and node-redis, as one function that sends commands.
 */
import { HoldfastError, invalidArgument, messageOf } from "../../log/errors.ts";
import { replyCode, toHoldfastError } from "./errors.ts";
import type { IoRedisSettings, Link } from "./link.ts";
import { checkMethod, ioRedisNode, nodeRedisNode } from "./link.ts";
import { NAME } from "./replies.ts";
import { slotOf } from "./slots.ts";

/** What is used of an ioredis `Redis`. */
export interface IoRedisClient {
  readonly isCluster: boolean;
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  pipeline(commands?: unknown[][]): { exec(): Promise<[error: Error | null, result: unknown][] | null> };
  duplicate(settings: IoRedisSettings): IoRedisConnection;
}

/** What is used of an ioredis `Cluster`. */
export interface IoRedisCluster {
  readonly isCluster: boolean;
  readonly options: { readonly keyPrefix?: string | undefined };
  /** For each slot the addresses of its nodes, the master's first. */
  readonly slots: readonly (readonly string[])[];
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  nodes(role: "master"): readonly IoRedisNode[];
}

/** What is used of one node of an ioredis `Cluster`. */
export interface IoRedisNode {
  readonly options: { readonly host?: string | undefined; readonly port?: number | undefined };
  duplicate(settings: IoRedisSettings): IoRedisConnection;
}

/** A further connection by ioredis. */
export interface IoRedisConnection {
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  connect(): Promise<unknown>;
  disconnect(): void;
  on(event: "error" | "end", listener: (error?: unknown) => void): unknown;
}

/** What is used of a node-redis client: `createClient(…)`, connected. */
export interface NodeRedisClient {
  sendCommand(args: readonly string[]): Promise<unknown>;
  duplicate(settings: { disableOfflineQueue: true }): NodeRedisConnection;
}

/** What is used of a node-redis Cluster: `createCluster(…)`, connected. */
export interface NodeRedisCluster {
  readonly masters: readonly unknown[];
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: string[],
  ): Promise<unknown>;
  getNodeClientForKey(key: string, isReadonly: boolean): Promise<NodeRedisClient>;
}

/** A further connection by node-redis. */
export interface NodeRedisConnection {
  sendCommand(args: readonly string[]): Promise<unknown>;
  connect(): Promise<unknown>;
  destroy(): void;
  on(event: "error" | "end", listener: (error?: unknown) => void): unknown;
}

export type RedisClient = IoRedisClient | IoRedisCluster | NodeRedisClient | NodeRedisCluster;

/** A command and the key that says which node of a Cluster it is for. */
export interface RedisCommand {
  readonly name: string;
  readonly key?: string;
  readonly args: readonly string[];
}

export type Reply = { readonly value: unknown } | { readonly error: unknown };

export interface Connection {
  /** Commands go to several nodes: no order among them, and no script over keys of more than one slot. */
  readonly isCluster: boolean;
  /** Sends all at once; one reply each, in order. A failure of one is its reply. */
  send(commands: readonly RedisCommand[]): Promise<Reply[]>;
  /** The node that has `key` now, as far as the client knows; the server where there is one alone. */
  nodeOf(key: string): Promise<RedisNode>;
}

export interface RedisNode {
  /** The same for the same node of one client. */
  readonly identity: object;
  /** Opens a further connection to it, with the client's settings and credentials. */
  open(): Promise<Link>;
}

/**
 * @throws INVALID_ARGUMENT for what is neither client.
 */
export function connectionOf(client: RedisClient): Connection {
  if (isIoRedisCluster(client)) return ioRedisCluster(client);
  if (isIoRedis(client)) return ioRedis(client);
  if (isNodeRedisCluster(client)) {
    return {
      isCluster: true,
      send: (commands) =>
        settle(commands, ({ key, name, args }) => client.sendCommand(key, false, [name, ...args])),
      async nodeOf(key) {
        checkMethod(client, "getNodeClientForKey");
        return nodeRedisNode(await client.getNodeClientForKey(key, false));
      },
    };
  }
  if (isNodeRedis(client)) {
    const node = nodeRedisNode(client);
    return {
      isCluster: false,
      send: (commands) => settle(commands, ({ name, args }) => client.sendCommand([name, ...args])),
      nodeOf: async () => node,
    };
  }
  throw invalidArgument("redisStore needs a client of ioredis or node-redis (the package redis), or a url");
}

function ioRedis(client: IoRedisClient): Connection {
  const node = ioRedisNode(client);
  return {
    isCluster: false,
    async send(commands) {
      if (commands.length < 2) return settle(commands, ({ name, args }) => client.call(name, [...args]));
      const lines = commands.map(({ name, args }) => ["call", name, [...args]]);
      const replies = await client.pipeline(lines).exec();
      return (replies ?? []).map(([error, value]) => (error ? { error } : { value }));
    },
    nodeOf: async () => node,
  };
}

function ioRedisCluster(client: IoRedisCluster): Connection {
  const { keyPrefix } = client.options;
  return {
    isCluster: true,
    // A pipeline of a Cluster must be of one node.
    send: (commands) => settle(commands, ({ name, args }) => client.call(name, [...args])),
    async nodeOf(key) {
      const address = client.slots[slotOf(`${keyPrefix ?? ""}${key}`)]?.[0];
      const node = client
        .nodes("master")
        .find(({ options }) => `${options.host}:${options.port}` === address);
      if (node) return ioRedisNode(node, keyPrefix);
      throw new Error("CLUSTERDOWN the client knows of no node that serves the slot");
    },
  };
}

/** Sends each command; one reply each. A failure of one is its reply. */
export function settle(
  commands: readonly RedisCommand[],
  send: (command: RedisCommand) => Promise<unknown>,
): Promise<Reply[]> {
  return Promise.all(
    commands.map(async (command): Promise<Reply> => {
      try {
        return { value: await send(command) };
      } catch (error) {
        return { error };
      }
    }),
  );
}

/** The value of a reply. Throws its failure as a HoldfastError. */
export function replyValue(reply: Reply | undefined, sessionId?: string): unknown {
  if (reply && "value" in reply) return reply.value;
  throw toHoldfastError(reply?.error ?? new Error("Connection closed without a reply"), sessionId);
}

/** Whether the server does not know the script that was named by its digest. */
export function isUnknownScript(reply: Reply | undefined): boolean {
  return reply !== undefined && "error" in reply && replyCode(reply.error) === "NOSCRIPT";
}

export interface OpenedClient {
  readonly client: RedisClient;
  close(): Promise<void>;
}

/**
 * An ioredis client of the store's own. What a lost connection left unanswered it sends again, which changes nothing: a
 * script knows its commit again. It gives up after a while.
 *
 * @throws STORE_UNAVAILABLE where ioredis is not installed. INVALID_ARGUMENT for a URL that is none.
 */
export async function openClient(url: string, timeoutMs: number): Promise<OpenedClient> {
  const { Redis } = await import("ioredis").catch((error: unknown) => {
    throw new HoldfastError(
      "STORE_UNAVAILABLE",
      `redisStore({ url }) needs the package ioredis: npm install ioredis, or pass a client of your own (${messageOf(error)})`,
      { store: NAME, retryable: false },
    );
  });
  const client = new Redis(url, {
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 2,
  });
  // Each command that fails says why; without a listener ioredis would print the same to the console.
  client.on("error", () => undefined);
  return {
    client,
    async close() {
      client.disconnect();
    },
  };
}

function isIoRedis(client: RedisClient): client is IoRedisClient {
  return "call" in client && typeof client.call === "function" && "pipeline" in client;
}

function isIoRedisCluster(client: RedisClient): client is IoRedisCluster {
  return "call" in client && client.isCluster && "nodes" in client;
}

function isNodeRedisCluster(client: RedisClient): client is NodeRedisCluster {
  return "masters" in client && "sendCommand" in client;
}

function isNodeRedis(client: RedisClient): client is NodeRedisClient {
  return "sendCommand" in client && typeof client.sendCommand === "function";
}

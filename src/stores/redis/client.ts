/**
 * @module
 * The two clients that people have, ioredis and node-redis, as one function that sends commands.
 */
import { HoldfastError, invalidArgument, messageOf } from "../../log/errors.ts";
import { replyCode, toHoldfastError } from "./errors.ts";
import { NAME } from "./replies.ts";

/** What is used of an ioredis `Redis` or `Cluster`. */
export interface IoRedisClient {
  readonly isCluster: boolean;
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  pipeline(commands?: unknown[][]): { exec(): Promise<[error: Error | null, result: unknown][] | null> };
}

/** What is used of a node-redis client: `createClient(…)`, connected. */
export interface NodeRedisClient {
  sendCommand(args: readonly string[]): Promise<unknown>;
}

/** What is used of a node-redis Cluster: `createCluster(…)`, connected. */
export interface NodeRedisCluster {
  readonly masters: readonly unknown[];
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: string[],
  ): Promise<unknown>;
}

export type RedisClient = IoRedisClient | NodeRedisClient | NodeRedisCluster;

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
}

/**
 * @throws INVALID_ARGUMENT for what is neither client.
 */
export function connectionOf(client: RedisClient): Connection {
  if (isIoRedis(client)) return ioRedisConnection(client);
  if (isNodeRedisCluster(client)) {
    return {
      isCluster: true,
      send: (commands) =>
        settle(commands, ({ key, name, args }) => client.sendCommand(key, false, [name, ...args])),
    };
  }
  if (isNodeRedis(client)) {
    return {
      isCluster: false,
      send: (commands) => settle(commands, ({ name, args }) => client.sendCommand([name, ...args])),
    };
  }
  throw invalidArgument("redisStore needs a client of ioredis or node-redis (the package redis), or a url");
}

function ioRedisConnection(client: IoRedisClient): Connection {
  const { isCluster } = client;
  const one = ({ name, args }: RedisCommand): Promise<unknown> => client.call(name, [...args]);
  return {
    isCluster,
    async send(commands) {
      // A pipeline of a Cluster must be of one node.
      if (isCluster || commands.length < 2) return settle(commands, one);
      const lines = commands.map(({ name, args }) => ["call", name, [...args]]);
      const replies = await client.pipeline(lines).exec();
      return (replies ?? []).map(([error, value]) => (error ? { error } : { value }));
    },
  };
}

function settle(
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
 * An ioredis client of the store's own. It never sends a command a second time by itself, and gives up after a while.
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
    autoResendUnfulfilledCommands: false,
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

function isNodeRedisCluster(client: RedisClient): client is NodeRedisCluster {
  return "masters" in client && "sendCommand" in client;
}

function isNodeRedis(client: RedisClient): client is NodeRedisClient {
  return "sendCommand" in client && typeof client.sendCommand === "function";
}

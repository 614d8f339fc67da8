/**
 * @module
 * A connection of the store's own, beside the user's client: for commands that wait, so that they hold up nothing else.
 * It is never reopened by itself and sends nothing twice: once it is lost, all that it was asked fails.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { IoRedisConnection, NodeRedisConnection, RedisCommand, RedisNode, Reply } from "./client.ts";
import { settle } from "./client.ts";
import { NAME } from "./replies.ts";

export interface Link {
  readonly isOpen: boolean;
  /** Sends all at once, in order; one reply each. */
  send(commands: readonly RedisCommand[]): Promise<Reply[]>;
  /** Whatever is still waited for fails. Safe to repeat. */
  close(): void;
}

/** How long it may take to connect, whatever the client's own settings say. */
const CONNECT_MS = 10_000;

/** Settings under which an ioredis client does not reconnect, and lets a command wait as long as it likes. */
const IO_REDIS = {
  autoResendUnfulfilledCommands: false,
  blockingTimeout: undefined,
  commandTimeout: undefined,
  enableAutoPipelining: false,
  lazyConnect: true,
  maxRetriesPerRequest: 0,
  readOnly: false,
  reconnectOnError: null,
  retryStrategy: () => null,
  socketTimeout: undefined,
} as const;

export type IoRedisSettings = typeof IO_REDIS & { readonly keyPrefix?: string };

/** @param keyPrefix what a Cluster client puts before each key, which its nodes know nothing of. */
export function ioRedisNode(
  client: { duplicate(o: IoRedisSettings): IoRedisConnection },
  keyPrefix?: string,
): RedisNode {
  return {
    identity: client,
    async open() {
      checkMethod(client, "duplicate");
      const made = client.duplicate(keyPrefix === undefined ? IO_REDIS : { ...IO_REDIS, keyPrefix });
      const send = ({ name, args }: RedisCommand): Promise<unknown> => made.call(name, [...args]);
      return linkOf(made, send, () => made.disconnect());
    },
  };
}

export function nodeRedisNode(client: {
  duplicate(o: { disableOfflineQueue: true }): NodeRedisConnection;
}): RedisNode {
  return {
    identity: client,
    async open() {
      checkMethod(client, "duplicate");
      const made = client.duplicate({ disableOfflineQueue: true });
      const send = ({ name, args }: RedisCommand): Promise<unknown> => made.sendCommand([name, ...args]);
      return linkOf(made, send, () => made.destroy());
    },
  };
}

/**
 * @throws UNSUPPORTED where a client, an old one or one that is wrapped, can't give a further connection.
 */
export function checkMethod(client: object, method: string): void {
  if (typeof Reflect.get(client, method) === "function") return;
  throw new HoldfastError(
    "UNSUPPORTED",
    `the Redis client has no ${method}(), which the store needs to watch and to wait for replicas; give it a client of ioredis, or of node-redis 6`,
    { store: NAME },
  );
}

interface Connecting {
  connect(): Promise<unknown>;
  on(event: "error" | "end", listener: (error?: unknown) => void): unknown;
}

async function linkOf(
  client: Connecting,
  send: (command: RedisCommand) => Promise<unknown>,
  end: () => void,
): Promise<Link> {
  let isOpen = true;
  let failure: unknown;
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    end();
  };
  const lose = (error: unknown = new Error("Connection closed")): void => {
    failure ??= error;
    fail(failure);
    close();
  };
  // Also keeps a client from printing the error, and from reconnecting.
  client.on("error", lose);
  client.on("end", lose);
  const timer = setTimeout(() => lose(new Error("connect ETIMEDOUT")), CONNECT_MS);
  try {
    await Promise.race([client.connect(), failed]);
  } catch (error) {
    close();
    throw failure ?? error;
  } finally {
    clearTimeout(timer);
    failed.catch(() => undefined);
  }
  return {
    get isOpen() {
      return isOpen;
    },
    async send(commands) {
      if (!isOpen) return commands.map(() => ({ error: failure ?? new Error("Connection closed") }));
      return settle(commands, send);
    },
    close,
  };
}

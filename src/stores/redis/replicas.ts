/**
 * @module
 * Waiting for replicas: what was written is told only once they have it.
 *
 * WAIT counts the replicas that have all that was written on its own connection. So the store writes something of no
 * meaning on a link of its own, after what is to be confirmed: whoever has that has what came before it. A link is never
 * reopened, so that WAIT never speaks of another connection, on which nothing was written.
 *
 * @see https://redis.io/docs/latest/commands/wait/
 */
import { setTimeout as pause } from "node:timers/promises";
import { HoldfastError } from "../../log/errors.ts";
import type { Connection, RedisCommand, RedisNode } from "./client.ts";
import { replyValue } from "./client.ts";
import { closedError, toHoldfastError } from "./errors.ts";
import type { Link } from "./link.ts";
import { NAME, toText } from "./replies.ts";

export interface RedisWait {
  /** How many replicas must have a commit before it is acknowledged. 1 or more. */
  readonly replicas: number;
  /** How long to wait for them, in milliseconds. Default 2000. */
  readonly timeoutMs?: number;
}

/** What was written of one session: the key of its record, then others. */
export interface Written {
  readonly sessionId: string;
  readonly keys: readonly [recordKey: string, ...others: string[]];
}

export interface Replicas {
  /**
   * Runs `write`, and then waits until enough replicas have what it wrote. Where they don't in time, or where that can't
   * be known, the sessions are in doubt.
   *
   * @throws STORE_UNAVAILABLE, retryable; before `write` where the nodes can't be reached.
   */
  confirm<T>(written: readonly Written[], write: () => Promise<T>): Promise<T>;
  /**
   * Runs `read` on sessions. Where some are in doubt, what it found is told only once replicas have it too: else a
   * commit that was not confirmed would be found, and so acknowledged, and could be lost with its server after that.
   *
   * @throws STORE_UNAVAILABLE, retryable.
   */
  settle<T>(recordKeys: readonly string[], read: () => Promise<T>): Promise<T>;
  close(): void;
}

const DEFAULT_MS = 2000;
const RETRY_MS = 20;
/** How much later than it should a server may answer before the link counts as lost. */
const LATE_MS = 1000;

/** A node that was written to, and under which keys. */
interface Target {
  readonly link: Link;
  readonly keys: string[];
}

export function createReplicas(connection: Connection, wait: RedisWait): Replicas {
  const { replicas, timeoutMs = DEFAULT_MS } = wait;
  const links = new Map<object, Promise<Link>>();
  const doubts = new Map<string, Written>();
  let isClosed = false;

  const linkTo = async (node: RedisNode): Promise<Link> => {
    const { identity } = node;
    const known = links.get(identity);
    const link = await known?.catch(() => undefined);
    if (link?.isOpen) return link;
    if (links.get(identity) === known) links.set(identity, node.open());
    return links.get(identity) ?? node.open();
  };

  /** How many replicas have all that is written on one node. */
  const countAt = async ({ link, keys }: Target, waitMs: number): Promise<number> => {
    const timer = setTimeout(() => link.close(), waitMs + LATE_MS);
    try {
      const waiting = { name: "WAIT", args: [String(replicas), String(waitMs)] };
      // One server has one order for all that is written; of a Cluster's node each slot might have moved.
      const touched = connection.isCluster ? keys : keys.slice(0, 1);
      const replies = await link.send([...touched.map(touch), waiting]);
      for (const reply of replies) if ("error" in reply) throw reply.error;
      return Number(toText(replyValue(replies.at(-1))));
    } finally {
      clearTimeout(timer);
    }
  };

  const targetsOf = async (keys: readonly string[]): Promise<Target[]> => {
    if (isClosed) throw closedError();
    const targets = new Map<object, Target>();
    for (const key of new Set(keys)) {
      const node = await connection.nodeOf(key);
      const known = targets.get(node.identity);
      if (known) known.keys.push(key);
      else targets.set(node.identity, { link: await linkTo(node), keys: [key] });
    }
    return [...targets.values()];
  };

  /**
   * The links are there before `work`, and are the ones that are asked after it: a link that was made after it might lead
   * to another server, which has taken the place of the one that `work` spoke to, and knows nothing of it.
   */
  const confirmed = async <T>(written: readonly Written[], work: () => Promise<T>): Promise<T> => {
    const [{ sessionId } = { sessionId: "" }] = written;
    const doubted = written.map(({ keys }) => doubts.get(keys[0]));
    const targets = await targetsOf([...written, ...doubted].flatMap((one) => one?.keys ?? []));
    try {
      const result = await work();
      const counts = await Promise.all(targets.map((target) => countAt(target, timeoutMs)));
      const lowest = Math.min(...counts);
      if (lowest < replicas) throw unconfirmed(sessionId, wait, `${lowest} of ${replicas} replicas have it`);
      for (const [index, { keys }] of written.entries())
        if (doubts.get(keys[0]) === doubted[index]) doubts.delete(keys[0]);
      return result;
    } catch (error) {
      for (const one of written) doubt(one);
      if (isClosed || HoldfastError.is(error)) throw error;
      throw unconfirmed(sessionId, wait, toHoldfastError(error).message, error);
    }
  };

  const doubt = ({ sessionId, keys }: Written): void => {
    const [recordKey, ...others] = keys;
    const before = doubts.get(recordKey)?.keys ?? [];
    doubts.set(recordKey, { sessionId, keys: [recordKey, ...new Set([...others, ...before])] });
  };

  return {
    confirm: confirmed,
    async settle(recordKeys, read) {
      const until = performance.now() + timeoutMs;
      for (;;) {
        const written = recordKeys.flatMap((key) => doubts.get(key) ?? []);
        if (written.length === 0) return read();
        try {
          return await confirmed(written, read);
        } catch (error) {
          // While a slot or a master moves, each try reads anew.
          if (isClosed || !connection.isCluster || performance.now() + RETRY_MS > until) throw error;
        }
        await pause(RETRY_MS);
      }
    },
    close() {
      isClosed = true;
      for (const opening of links.values())
        opening.then(
          (link) => link.close(),
          () => undefined,
        );
    },
  };
}

/** A write of no meaning in the slot of `key`, which goes by itself. */
function touch(key: string): RedisCommand {
  const touched = `${key}touch`;
  return { name: "SET", key: touched, args: [touched, "", "PX", "1"] };
}

function unconfirmed(
  sessionId: string,
  { replicas, timeoutMs = DEFAULT_MS }: RedisWait,
  why: string,
  cause?: unknown,
): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `the last write to session ${JSON.stringify(sessionId)} may have taken place, but was not confirmed by ${replicas} replica${replicas === 1 ? "" : "s"} within ${timeoutMs} ms (${why}), so a failover may lose it; see that the replicas are connected (INFO replication) and try again`,
    { sessionId, store: NAME, retryable: true, cause },
  );
}

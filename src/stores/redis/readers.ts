/**
 * @module
 * What tells watches that a stream has grown: connections that wait in XREAD BLOCK, each for many streams; in a Cluster,
 * where one command is of one slot, each for one.
 *
 * Whoever waits names the position up to which it has read, so nothing that came meanwhile is missed. All that a
 * connection says is "look again"; what is read, and whether the session is still there, is up to the watch.
 */
import { messageOf } from "../../log/errors.ts";
import type { Connection, Reply } from "./client.ts";
import { replyValue } from "./client.ts";
import { closedError, replyCode } from "./errors.ts";
import type { Link } from "./link.ts";
import { toList, toText } from "./replies.ts";

/** Each change to one of them makes Redis register all again. */
const STREAMS_A_CONNECTION = 128;
/** A removed session wakes nobody, so each watch looks again after this long. */
const LOOK_AGAIN_MS = 2000;
/** How much later than it should a command may answer before its connection counts as lost. */
const LATE_MS = 5000;
const INTERRUPT_AGAIN_MS = 10;

export interface Readers {
  /** Takes part until `leave`, so that a connection is kept from one wait to the next. */
  join(stream: string): Reader;
  /** Whatever waits fails, and all connections are closed. */
  close(): void;
}

export interface Reader {
  /** Resolves soon after the stream holds an entry past `position`, and after a while in any case. */
  grown(position: number): Promise<void>;
  leave(): void;
}

interface Waiter {
  readonly stream: string;
  readonly position: number;
  readonly until: number;
  resolve(): void;
  reject(error: unknown): void;
}

export function createReaders(connection: Connection): Readers {
  const groups = new Set<Group>();
  let isClosed = false;
  const groupFor = (stream: string): Group => {
    for (const group of groups) if (group.takes(stream)) return group;
    const made = createGroup(connection, () => groups.delete(made));
    if (isClosed) made.close();
    else groups.add(made);
    return made;
  };
  return {
    join: (stream) => groupFor(stream).join(stream),
    close() {
      isClosed = true;
      for (const group of groups) group.close();
    },
  };
}

interface Group {
  takes(stream: string): boolean;
  join(stream: string): Reader;
  close(): void;
}

function createGroup(connection: Connection, onEnd: () => void): Group {
  const { isCluster } = connection;
  const members = new Map<object, string>();
  const waiting = new Set<Waiter>();
  let link: Link | undefined;
  /** Of the link's connection, to interrupt it by. */
  let clientId = "";
  /** The streams that the command in flight is about, each from a position on. */
  let asked: ReadonlyMap<string, number> | undefined;
  let interrupted: ReadonlyMap<string, number> | undefined;
  let isRunning = false;
  let isClosed = false;

  const close = (error: unknown): void => {
    link?.close();
    link = undefined;
    for (const waiter of waiting) waiter.reject(error);
    waiting.clear();
  };

  const open = async (stream: string): Promise<Link> => {
    const opened = await (await connection.nodeOf(stream)).open();
    const [id] = isCluster ? [] : await opened.send([{ name: "CLIENT", args: ["ID"] }]);
    clientId = id && "value" in id ? toText(id.value) : "";
    if (!isClosed && members.size > 0) return opened;
    opened.close();
    throw new Error("Connection closed");
  };

  const run = async (): Promise<void> => {
    isRunning = true;
    try {
      for (let [first] = waiting; first; [first] = waiting) {
        link = link?.isOpen ? link : await open(first.stream);
        asked = lowestPositions(waiting);
        const blockMs = Math.max(1, Math.min(...[...waiting].map(({ until }) => until)) - Date.now());
        const streams = [...asked.keys()];
        const from = [...asked.values()].map((position) => `${position}-0`);
        const args = ["BLOCK", String(Math.ceil(blockMs)), "COUNT", "1", "STREAMS", ...streams, ...from];
        const reply = await onTime(link, blockMs, () => link?.send([{ name: "XREAD", args }]));
        asked = undefined;
        const grown = namesIn(replyValue(isCluster ? stillMoving(reply?.[0]) : reply?.[0]));
        const now = Date.now();
        for (const waiter of waiting) {
          // What the client itself puts before keys is in the answer.
          if (waiter.until > now && !grown.some((name) => name.endsWith(waiter.stream))) continue;
          waiting.delete(waiter);
          waiter.resolve();
        }
      }
    } catch (error) {
      close(error);
    } finally {
      asked = undefined;
      isRunning = false;
    }
  };

  /** Makes the command in flight answer, so that another one, about more streams, can take its place. */
  const interrupt = async (): Promise<void> => {
    if (asked === interrupted) return;
    interrupted = asked;
    const current = link;
    while (asked !== undefined && asked === interrupted) {
      const command = { name: "CLIENT", args: ["UNBLOCK", clientId] };
      const [reply] = await connection.send([command]);
      // Not allowed to: whoever waits looks again, and the next connection is about all of them.
      if (!reply || "error" in reply) return current?.close();
      // It may not have reached the server yet.
      await new Promise((resolve) => setTimeout(resolve, INTERRUPT_AGAIN_MS));
    }
  };

  const wait = (stream: string, position: number): Promise<void> =>
    new Promise((resolve, reject) => {
      if (isClosed) return reject(closedError());
      const from = asked?.get(stream);
      // It is about entries that are past this one's.
      if (from !== undefined && from > position) return resolve();
      waiting.add({ stream, position, until: Date.now() + LOOK_AGAIN_MS, resolve, reject });
      if (!isRunning) void run();
      else if (asked && from === undefined) void interrupt();
    });

  return {
    takes: (stream) =>
      isCluster ? [...members.values()].includes(stream) : members.size < STREAMS_A_CONNECTION,
    join(stream) {
      const member = {};
      members.set(member, stream);
      return {
        grown: (position) => wait(stream, position),
        leave() {
          members.delete(member);
          if (members.size > 0) return;
          onEnd();
          close(closedError());
        },
      };
    },
    close() {
      isClosed = true;
      close(closedError());
    },
  };
}

function lowestPositions(waiting: Iterable<Waiter>): Map<string, number> {
  const lowest = new Map<string, number>();
  for (const { stream, position } of waiting)
    lowest.set(stream, Math.min(position, lowest.get(stream) ?? position));
  return lowest;
}

/** The reply; a connection that gives none in time is closed, so that it fails. */
async function onTime(
  link: Link,
  ms: number,
  send: () => Promise<Reply[]> | undefined,
): Promise<Reply[] | undefined> {
  const timer = setTimeout(() => link.close(), ms + LATE_MS);
  try {
    return await send();
  } finally {
    clearTimeout(timer);
  }
}

/** A link knows one node, and is told of another one while a slot moves: that passes. */
function stillMoving(reply: Reply | undefined): Reply | undefined {
  const isMoved = reply && "error" in reply && /^(MOVED|ASK)$/.test(replyCode(reply.error) ?? "");
  return isMoved ? { error: new Error(`TRYAGAIN ${messageOf(reply.error)}`) } : reply;
}

/** The streams that XREAD answered with: pairs of name and entries, side by side or as a map where the client speaks RESP3. */
function namesIn(reply: unknown): string[] {
  if (reply instanceof Map) return [...reply.keys()].map(toText);
  if (typeof reply === "object" && reply !== null && !Array.isArray(reply)) return Object.keys(reply);
  const items = toList(reply);
  if (Array.isArray(items[0])) return items.map((pair) => toText(toList(pair)[0]));
  return items.filter((_, index) => index % 2 === 0).map(toText);
}

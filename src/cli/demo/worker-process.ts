/**
 * @module
 * A worker as the demo sees it from outside: a process that can be told things, listened to, and killed.
 */

import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Message } from "../../index.ts";
import { isPlainObject } from "../../log/values.ts";
import { CliError } from "../failure.ts";
import { spawnSelf } from "../self.ts";

export interface WorkerEvent {
  readonly event: string;
  readonly [key: string]: unknown;
}

export interface Worker {
  readonly name: string;
  readonly pid: number;
  /** What it has told so far. */
  readonly events: readonly WorkerEvent[];
  /**
   * Lets it take a turn: with what the user says, or, without, the one that a dead worker left.
   *
   * @param toolMs how long its tool takes.
   */
  order(say?: string, toolMs?: number): void;
  /** Resolves with the next event of this kind that was not waited for before. */
  next(kind: string): Promise<WorkerEvent>;
  /** Kills it at once; resolves with the signal that ended it. */
  kill(): Promise<NodeJS.Signals | null>;
  /** Lets it finish. */
  end(): Promise<void>;
}

/** No single step of the demo takes as long. */
const PATIENCE_MS = 15_000;

export type Listener = (worker: Worker, event: WorkerEvent) => void;

/** Starts a worker on a session and waits until it has opened it. */
export async function startWorker(
  store: string,
  session: string,
  name: string,
  listen: Listener,
): Promise<Worker> {
  const child = spawnSelf(["demo-worker", "--store", store, "--session", session, "--owner", name]);
  const { stdin, stdout, pid } = child;
  if (!stdin || !stdout || pid === undefined)
    throw new CliError("CHECK_FAILED", `${name} could not be started`);
  const exited = once(child, "exit");
  // A worker that is killed reads no more; that is seen by its exit.
  stdin.on("error", () => undefined);
  const events: WorkerEvent[] = [];
  const taken = new Set<WorkerEvent>();
  let wake: () => void = () => undefined;
  let ended = false;
  createInterface({ input: stdout })
    .on("line", (line) => {
      const event = eventOf(line);
      if (event === undefined) return;
      events.push(event);
      listen(worker, event);
      wake();
    })
    .on("close", () => {
      ended = true;
      wake();
    });

  const worker: Worker = {
    name,
    pid,
    events,
    order: (say, toolMs) => void stdin.write(`${JSON.stringify({ say, toolMs })}\n`),
    async next(kind) {
      const until = Date.now() + PATIENCE_MS;
      for (;;) {
        const found = events.find((event) => event.event === kind && !taken.has(event));
        if (found) {
          taken.add(found);
          return found;
        }
        const left = until - Date.now();
        if (ended || left <= 0) {
          throw new CliError(
            "CHECK_FAILED",
            `${name} ${ended ? "ended" : "did not get"} before it told "${kind}"`,
          );
        }
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
      return child.signalCode;
    },
    async end() {
      stdin.end();
      await exited;
    },
  };
  await worker.next("ready");
  return worker;
}

function eventOf(line: string): WorkerEvent | undefined {
  const value: unknown = JSON.parse(line);
  return isPlainObject(value) && typeof value.event === "string"
    ? { ...value, event: value.event }
    : undefined;
}

/** The message that a `committed` event tells of. */
export function messageOf({ message }: WorkerEvent): Message | undefined {
  return isMessage(message) ? message : undefined;
}

function isMessage(value: unknown): value is Message {
  return isPlainObject(value) && typeof value.role === "string" && Object.hasOwn(value, "content");
}

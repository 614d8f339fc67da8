/**
 * @module
 * Servers for tests that end with the process that started them, however that ends, and what they need: a free port,
 * and a user without privileges where the tests run as root.
 */
import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { createServer } from "node:net";

/**
 * The shell reads until its input ends, which it does when the process that started it does; then it ends the server,
 * and removes the folder unless it was told a word.
 */
const KEEPER =
  'signal=$1; shift; "$@" </dev/null & server=$!; word=$(cat); kill -$signal $server; wait $server; [ -n "$word" ] || rm -rf "$0"';

export interface KeptProcess {
  /** Whether the server has ended, by itself or not. */
  isOver(): boolean;
  /** Ends it by `signal`, waits until it is gone, and keeps its folder. */
  end(): Promise<void>;
}

export interface KeptProcessOptions {
  /** Removed when the process that started the server ends. */
  readonly folder: string;
  /** What ends the server, for example `"TERM"`. */
  readonly signal: string;
  readonly as: { readonly uid?: number; readonly gid?: number; readonly env?: NodeJS.ProcessEnv };
}

/** Starts a server that ends when this process does. Neither keeps this process from ending. */
export function keepProcess(
  command: string,
  args: readonly string[],
  { folder, signal, as }: KeptProcessOptions,
): KeptProcess {
  const keeper = spawn("/bin/sh", ["-c", KEEPER, folder, signal, command, ...args], {
    ...as,
    cwd: folder,
    stdio: ["pipe", "ignore", "ignore"],
  });
  keeper.unref();
  if (keeper.stdin && "unref" in keeper.stdin && typeof keeper.stdin.unref === "function")
    keeper.stdin.unref();
  return {
    isOver: () => keeper.exitCode !== null || keeper.signalCode !== null,
    end: () => endKeeper(keeper),
  };
}

async function endKeeper(keeper: ChildProcess): Promise<void> {
  if (keeper.exitCode !== null || keeper.signalCode !== null) return;
  const ended = new Promise((resolve) => keeper.once("exit", resolve));
  keeper.ref();
  keeper.stdin?.end("keep");
  await ended;
}

/** The first of `users` that there is, where the tests run as root; servers of databases refuse to. */
export function unprivileged(users: readonly string[]): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const user of users) {
    try {
      const id = (flag: string): number => Number(execFileSync("id", [flag, user], { encoding: "utf8" }));
      return { uid: id("-u"), gid: id("-g") };
    } catch (error) {
      if (user === users.at(-1)) throw error;
    }
  }
  return undefined;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port is free");
  return address.port;
}

/**
 * Runs the command line as its users do: another process, a real store.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { SessionStore, Sessions } from "../../src/index.ts";
import { createSessions, createStore } from "../../src/index.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const NODE = ["--disable-warning=ExperimentalWarning", MAIN];

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Given to stdin, which is empty otherwise. */
  readonly input?: string;
}

export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<RunResult>;
  /** Resolves once `holds` does, and rejects where the process ends before. */
  until(holds: () => boolean): Promise<void>;
}

/** What the process sees of the environment: nothing that says whether colours are wanted. */
function environment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "",
    HOME: process.env.HOME ?? "",
    TERM: "xterm-256color",
    ...extra,
  };
}

export function start(args: readonly string[], { cwd, env }: RunOptions = {}): Running {
  const child = spawn(process.execPath, [...NODE, ...args], { cwd, env: environment(env), stdio: "pipe" });
  return follow(child);
}

/** The same on a terminal of 100 columns, by `script` of util-linux. */
export function startOnTerminal(args: readonly string[], { cwd, env }: RunOptions = {}): Running {
  const command = [process.execPath, ...NODE, ...args]
    .map((arg) => `'${arg.replaceAll("'", "'\\''")}'`)
    .join(" ");
  const child = spawn("script", ["-qefc", `stty cols 100; exec ${command}`, "/dev/null"], {
    cwd,
    env: environment(env),
    stdio: "pipe",
  });
  return follow(child);
}

function follow(child: ChildProcess): Running {
  let stdout = "";
  let stderr = "";
  let over = false;
  const watchers = new Set<() => void>();
  const wake = (): void => {
    for (const watcher of watchers) watcher();
  };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    wake();
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    wake();
  });
  const ended = new Promise<RunResult>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      over = true;
      wake();
      resolve({ code, stdout, stderr });
    });
  });
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    until: (holds) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (!holds() && !over) return;
          watchers.delete(check);
          if (holds()) resolve();
          else reject(new Error(`the process ended first\n${stdout}\n${stderr}`));
        };
        watchers.add(check);
        check();
      }),
  };
}

export async function holdfast(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const running = start(args, options);
  running.child.stdin?.end(options.input ?? "");
  return running.ended;
}

/** The values of a result's lines of JSON. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Record<string, unknown> => JSON.parse(line));
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A store in a folder of its own, with sessions to write to it from here. */
export async function temporaryStore(
  kind: "sqlite" | "file" = "sqlite",
): Promise<{ folder: string; url: string; store: SessionStore; sessions: Sessions }> {
  const folder = await temporaryFolder();
  const url =
    kind === "sqlite" ? `sqlite:${join(folder, "sessions.db")}` : `file:${join(folder, "sessions")}`;
  const store = await createStore(url);
  const sessions = createSessions({ store });
  onTestFinished(() => sessions.close());
  return { folder, url, store, sessions };
}

/**
 * @module
 * Starting this program again, for work that must be in another process.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";

/** Runs `holdfast` with `args`: the same program, the same Node.js, stdin and stdout piped. */
export function spawnSelf(args: readonly string[]): ChildProcess {
  const [, program = ""] = process.argv;
  return spawn(process.execPath, [...process.execArgv, program, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
}

/** What a person types to run this program: from a clone it is not installed. */
export function howToRun(): string {
  return import.meta.url.endsWith(".ts") ? "npm run -s holdfast --" : "npx holdfast";
}

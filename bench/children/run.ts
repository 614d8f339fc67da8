/**
 * @module
 * Processes of their own for what must not share one: their memory, their start, their lock on a store.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { join } from "node:path";

/** Starts a script of this folder on the Node that runs this one. */
export function startChild(
  script: string,
  values: readonly string[],
  stdin: "ignore" | "pipe" = "ignore",
  more: readonly string[] = [],
): ChildProcess {
  const flags = ["--disable-warning=ExperimentalWarning", "--expose-gc", ...more];
  return spawn(process.execPath, [...flags, join(import.meta.dirname, script), ...values], {
    stdio: [stdin, "pipe", "inherit"],
  });
}

/** Runs a script of this folder to its end. Answers with the list of numbers that it printed as JSON on its last line. */
export async function runChild(
  script: string,
  values: readonly string[],
  flags: readonly string[] = [],
): Promise<number[]> {
  return resultOf(startChild(script, values, "ignore", flags), script);
}

export function resultOf(child: ChildProcess, script: string): Promise<number[]> {
  let printed = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const numbers: unknown = code === 0 ? JSON.parse(printed.trim().split("\n").at(-1) ?? "") : undefined;
      if (Array.isArray(numbers)) resolve(numbers.map(Number));
      else reject(new Error(`${script} ended with ${code}: ${printed}`));
    });
  });
}

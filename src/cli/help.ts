/**
 * @module
 * The parts that every command's help has.
 */
import type { Command } from "commander";

/** Adds examples to a command's help: each a command line and what it does. */
export function examples(command: Command, lines: readonly (readonly [string, string])[]): Command {
  const width = Math.max(...lines.map(([line]) => line.length));
  const text = lines.map(([line, what]) => `  $ ${line.padEnd(width)}  # ${what}`).join("\n");
  return command.addHelpText("after", `\nExamples:\n${text}`);
}

export const EXIT_CODES = `
Exit codes:
  0    it worked
  1    it failed, or a check found something wrong
  2    wrong usage: nothing was done
  3    no such session, or no such store
  130  interrupted by Ctrl-C or SIGTERM`;

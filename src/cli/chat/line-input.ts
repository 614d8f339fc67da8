/**
 * @module
 * What is typed, or piped, line by line; and Ctrl-C, which stops an answer or leaves.
 */
import { createInterface } from "node:readline";
import { EXIT } from "../failure.ts";

export interface LineInput {
  /** Whether somebody types. */
  readonly isTerminal: boolean;
  /** The next line; `undefined` at the end: of the input, or because whoever types wants to leave. */
  next(prompt: string): Promise<string | undefined>;
  /** Runs `work`, which Ctrl-C stops. Lines that come meanwhile wait. */
  during<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  close(): void;
}

/** Whether the process was told to end, and not by whoever types. */
type Ending = "open" | "over";

const LEAVE_HINT = "(Ctrl-C again, or Ctrl-D, leaves)";
/** Whoever presses Ctrl-C twice in a hurry does not mean to lose what is being saved. */
const IMPATIENCE_MS = 2000;
const KEPT_LINES = 500;

/** Reads stdin. Prompts are written to stderr, so that stdout has the answers only. */
export function lineInput(): LineInput {
  const { stdin, stderr } = process;
  const isTerminal = stdin.isTTY === true && stderr.isTTY === true;
  const reader = createInterface({
    input: stdin,
    terminal: isTerminal,
    ...(isTerminal && { output: stderr, historySize: KEPT_LINES, removeHistoryDuplicates: true }),
  });
  const lines: string[] = [];
  let ending: Ending = "open";
  let wake: () => void = () => undefined;
  let working: AbortController | undefined;
  let stoppedAt = 0;
  let isAsking = false;
  let isWarned = false;

  const finish = (): void => {
    // The prompt stands there, without a line end.
    if (isTerminal && isAsking && ending === "open") stderr.write("\n");
    ending = "over";
    wake();
  };
  const leave = (): void => {
    reader.close();
    finish();
  };
  const interrupt = (): void => {
    if (working) {
      if (working.signal.aborted && Date.now() - stoppedAt > IMPATIENCE_MS) process.exit(EXIT.interrupted);
      stoppedAt = Date.now();
      working.abort();
      // From a pipe there is nobody to say what to do instead.
      if (!isTerminal) terminate();
    } else if (!isTerminal) terminate();
    else if (!isAsking || (isWarned && reader.line === "")) leave();
    else {
      isWarned = true;
      stderr.write(`\n${LEAVE_HINT}\n`);
      // To the end of the line, then away with all before it.
      reader.write(null, { ctrl: true, name: "e" });
      reader.write(null, { ctrl: true, name: "u" });
      reader.prompt();
    }
  };
  const terminate = (): void => {
    process.exitCode = EXIT.interrupted;
    lines.length = 0;
    working?.abort();
    leave();
  };

  reader.on("line", (line) => {
    isWarned = false;
    lines.push(line);
    wake();
  });
  reader.on("close", finish);
  reader.on("SIGINT", interrupt);
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", terminate);
  process.on("SIGHUP", terminate);

  /** Between prompts the terminal handles keys by itself, so that Ctrl-C is a signal while an answer comes. */
  const listen = (prompt: string): void => {
    reader.setPrompt(prompt);
    if (!isTerminal) return void reader.resume();
    stdin.setRawMode(true);
    isAsking = true;
    reader.prompt();
  };
  const rest = (): void => {
    isAsking = false;
    if (ending === "over") return;
    reader.pause();
    if (isTerminal) stdin.setRawMode(false);
  };
  rest();

  return {
    isTerminal,
    async next(prompt) {
      isWarned = false;
      if (lines.length === 0 && ending === "open") {
        listen(prompt);
        while (lines.length === 0 && ending === "open") {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        rest();
      }
      return lines.shift();
    },
    async during(work) {
      const controller = new AbortController();
      working = controller;
      try {
        return await work(controller.signal);
      } finally {
        working = undefined;
      }
    },
    close() {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", terminate);
      process.off("SIGHUP", terminate);
      reader.close();
      stdin.destroy();
    },
  };
}

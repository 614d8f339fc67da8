/**
 * @module
 * What a turn looks like as it happens: for people, or as lines of JSON.
 */
import type { AgentEvent } from "../../agent/index.ts";
import { encodeValue } from "../../log/values.ts";
import { clean, cleanLine } from "../clean.ts";
import type { Failure } from "../failure.ts";
import type { Output } from "../output.ts";
import { paintError } from "../style.ts";
import { truncate } from "../table.ts";

export interface ChatView {
  /** One after the other, as they happen. */
  event(event: AgentEvent): void;
  /** The turn was stopped before its end. */
  stopped(hasText: boolean): void;
  /** The turn, or a command, failed; the chat goes on. */
  failed(failure: ChatFailure): void;
  /** Ends a line that was begun. */
  endLine(): void;
}

/** `code` is the store's or the command line's, or `MODEL_FAILED`. */
export type ChatFailure = Pick<Failure, "code" | "message" | "details">;

/** The other half of a surrogate pair or line end may be in the next piece of text. */
const HALF = /[\ud800-\udbff\r]$/;
const DEFAULT_WIDTH = 100;

/** @param isTerminal whether somebody watches: then reasoning is shown, too. */
export function chatView(output: Output, isTerminal: boolean): ChatView {
  return output.json ? jsonView(output) : textView(output, isTerminal);
}

function textView(output: Output, isTerminal: boolean): ChatView {
  /** What the unfinished line is part of. */
  let open: "text" | "reasoning" | undefined;
  let held = "";

  const endLine = (): void => {
    if (open !== undefined) stream(open).write(`${held === "" ? "" : clean(held)}\n`);
    open = undefined;
    held = "";
  };
  const stream = (kind: "text" | "reasoning"): NodeJS.WriteStream =>
    kind === "text" ? process.stdout : process.stderr;
  const write = (kind: "text" | "reasoning", piece: string): void => {
    if (open !== kind) endLine();
    const whole = held + piece;
    held = HALF.exec(whole)?.[0] ?? "";
    const text = clean(whole.slice(0, whole.length - held.length));
    if (text === "") return;
    stream(kind).write(kind === "text" ? text : paintError(["dim", "italic"], text));
    open = text.endsWith("\n") && held === "" ? undefined : kind;
  };
  const note = (text: string): void => {
    endLine();
    const width = process.stderr.isTTY ? process.stderr.columns : DEFAULT_WIDTH;
    output.note(paintError("dim", truncate(cleanLine(text), width)));
  };

  return {
    endLine,
    event(event) {
      switch (event.type) {
        case "text":
          write("text", event.text);
          break;
        case "reasoning":
          if (isTerminal) write("reasoning", event.text);
          break;
        case "tool-call":
          note(`→ ${event.toolName} ${encodeValue(event.input)}`);
          break;
        case "tool-result":
          note(`← ${event.toolName} ${event.isError ? "failed: " : ""}${resultText(event.output)}`);
          break;
        case "done":
          endLine();
          if (event.result.finishReason === "length")
            note("(cut off: the model's limit of tokens is reached)");
          if (event.result.finishReason === "content-filter")
            note("(cut off: the provider's filter ended the answer)");
          if (event.result.finishReason === "max-steps")
            note("(stopped: it used tools as often as is allowed in one turn)");
          break;
        default:
      }
    },
    stopped(hasText) {
      endLine();
      output.note(paintError("yellow", hasText ? "stopped; what had come is kept" : "stopped"));
    },
    failed({ code, message, details }) {
      endLine();
      output.note(`${paintError("red", `error ${code}:`)} ${cleanLine(message)}`);
      for (const detail of details) output.note(`  ${clean(detail)}`);
    },
  };
}

/** What a tool answered, without the wrapping that providers are sent. */
function resultText(output: unknown): string {
  if (typeof output !== "object" || output === null) return String(output);
  if ("value" in output) return typeof output.value === "string" ? output.value : encodeValue(output.value);
  return "reason" in output ? `denied: ${String(output.reason)}` : "denied";
}

function jsonView(output: Output): ChatView {
  return {
    endLine: () => undefined,
    event(event) {
      if (event.type !== "done") return output.value(event);
      const { sessionId, text, finishReason, usage, approvals } = event.result;
      output.value({ type: "done", sessionId, text, finishReason, usage, approvals });
    },
    stopped: (isPartKept) => output.value({ type: "stopped", isPartKept }),
    failed: ({ code, message, details }) =>
      output.value({ type: "failed", code, message, ...(details.length > 0 && { details }) }),
  };
}

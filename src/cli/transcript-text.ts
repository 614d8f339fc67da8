/**
 * @module
 * Messages as lines for a terminal.
 */
import type { StoredObject } from "../log/entry.ts";
import { clean, cleanLine } from "./clean.ts";
import { count, dateTime } from "./format.ts";
import type { Block } from "./message-blocks.ts";
import { blocksOf, roleOf } from "./message-blocks.ts";
import { paint, paintRole } from "./style.ts";

/** Longer tool results are cut, unless everything is asked for. */
const RESULT_LINES = 12;

export interface ShownMessage {
  readonly message: StoredObject;
  readonly id?: string;
  readonly seq?: number;
  readonly at?: number;
}

export interface TranscriptPrinter {
  lines(shown: ShownMessage): string[];
}

/** Knows the tools that were called, so that a result that does not say whose it is can be named. */
export function transcriptPrinter(options: { full?: boolean } = {}): TranscriptPrinter {
  const tools = new Map<string, string>();

  function blockLines(block: Block): string[] {
    switch (block.kind) {
      case "text":
        return textLines(block.text);
      case "reasoning":
        return textLines(block.text).map((line) => paint(["dim", "italic"], line));
      case "call": {
        if (block.id !== undefined) tools.set(block.id, block.name);
        const input = cleanLine(block.input);
        return [`${paint("yellow", `→ ${cleanLine(block.name)}`)}${input === "" ? "" : ` ${input}`}`];
      }
      case "result": {
        const name = block.name ?? (block.id === undefined ? undefined : tools.get(block.id)) ?? "result";
        const [first = "", ...rest] = cut(textLines(block.output), options.full === true);
        const head = paint(block.failed ? "red" : "yellow", `← ${cleanLine(name)}`);
        return [`${head}${first === "" ? "" : ` ${first}`}`, ...rest.map((line) => `  ${line}`)];
      }
      case "other":
        return textLines(block.text).map((line) => paint("dim", line));
    }
  }

  return {
    lines({ message, id, seq, at }) {
      const role = cleanLine(roleOf(message));
      const about = [
        ...(seq === undefined ? [] : [`#${seq}`]),
        ...(id === undefined || id === `#${seq}` ? [] : [cleanLine(id)]),
        ...(at === undefined ? [] : [dateTime(at)]),
      ].join("  ");
      const head = `${paintRole(role, role)}${about === "" ? "" : `  ${paint("dim", about)}`}`;
      return [
        head,
        ...blocksOf(message)
          .flatMap(blockLines)
          .map((line) => `  ${line}`),
      ];
    },
  };
}

/** A message on one line, for lists and trees. */
export function messageLine(message: StoredObject): string {
  const parts = blocksOf(message).map((block) => {
    switch (block.kind) {
      case "call":
        return `→ ${block.name} ${block.input}`;
      case "result":
        return `← ${block.output}`;
      default:
        return block.text;
    }
  });
  return cleanLine(parts.join(" "));
}

function textLines(text: string): string[] {
  return clean(text).replace(/\n+$/, "").split("\n");
}

function cut(lines: readonly string[], full: boolean): readonly string[] {
  if (full || lines.length <= RESULT_LINES) return lines;
  const left = lines.length - (RESULT_LINES - 1);
  return [
    ...lines.slice(0, RESULT_LINES - 1),
    paint("dim", `… ${count(left, "more line")} (--full shows them)`),
  ];
}

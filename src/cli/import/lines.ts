/**
 * @module
 * A JSONL file, line by line, in memory that does not grow with the file.
 */
import { isUtf8 } from "node:buffer";
import { open } from "node:fs/promises";
import { messageOf } from "../../log/errors.ts";

const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** A line that is not blank; `line` counts from 1. */
export type TextLine =
  | { readonly line: number; readonly text: string; readonly bytes: number }
  | { readonly line: number; readonly problem: string };

/** A line of JSON, or why it is none. */
export type JsonLine =
  | { readonly line: number; readonly value: unknown; readonly bytes: number }
  | { readonly line: number; readonly problem: string };

/**
 * The lines of a file of UTF-8 text. Blank lines, a byte order mark and carriage returns are passed over; a line that is
 * longer than `lineBytes` or not UTF-8 is named as a problem, and the next ones still come.
 *
 * @throws what the file system throws.
 */
export async function* readLines(
  path: string,
  lineBytes: number,
  onBytes: (count: number) => void = () => undefined,
): AsyncGenerator<TextLine, void, undefined> {
  const handle = await open(path, "r");
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    let pieces: Buffer[] = [];
    let held = 0;
    let line = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) break;
      onBytes(bytesRead);
      let start = 0;
      while (start < bytesRead) {
        const newline = buffer.subarray(0, bytesRead).indexOf(NEWLINE, start);
        const end = newline < 0 ? bytesRead : newline;
        const part = buffer.subarray(start, end);
        held += part.length;
        start = end + 1;
        if (newline >= 0) {
          line += 1;
          const found = held > lineBytes ? tooLong(line, lineBytes) : textLine(line, pieces, part);
          pieces = [];
          held = 0;
          if (found) yield found;
        } else if (held > lineBytes) {
          pieces = [];
        } else {
          // The buffer is read into again, so what is kept of it is copied.
          pieces.push(Buffer.from(part));
        }
      }
    }
    if (held > 0) {
      const last =
        held > lineBytes ? tooLong(line + 1, lineBytes) : textLine(line + 1, pieces, Buffer.alloc(0));
      if (last) yield last;
    }
  } finally {
    await handle.close();
  }
}

/** The lines of {@link readLines} parsed; one that does not parse is named as a problem. */
export async function* readJsonLines(
  path: string,
  lineBytes: number,
  onBytes?: (count: number) => void,
): AsyncGenerator<JsonLine, void, undefined> {
  for await (const found of readLines(path, lineBytes, onBytes)) {
    if ("problem" in found) {
      yield found;
      continue;
    }
    const { line, text, bytes } = found;
    const parsed = parseJson(text);
    yield "problem" in parsed
      ? { line, problem: `the line is ${parsed.problem}; it was left out` }
      : { line, value: parsed.value, bytes };
  }
}

/** The value of a JSON text, or what is wrong with it, to be put behind "is". */
export function parseJson(text: string): { readonly value: unknown } | { readonly problem: string } {
  try {
    const value: unknown = JSON.parse(text);
    return { value };
  } catch (error) {
    return { problem: `not complete JSON (${messageOf(error)})` };
  }
}

/** The text without a byte order mark. */
export function withoutMark(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

function textLine(line: number, pieces: readonly Buffer[], last: Buffer): TextLine | undefined {
  const whole = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
  if (!isUtf8(whole)) return { line, problem: "the line is not UTF-8 text; it was left out" };
  const text = line === 1 ? withoutMark(whole.toString("utf8")) : whole.toString("utf8");
  return text.trim() === "" ? undefined : { line, text, bytes: whole.length };
}

function tooLong(line: number, limitBytes: number): TextLine {
  return { line, problem: `the line is longer than ${inMebibytes(limitBytes)}; it was left out` };
}

/** "64 MiB" for a number of bytes. */
export function inMebibytes(bytes: number): string {
  return bytes < 1024 * 1024 ? `${bytes} bytes` : `${Math.round(bytes / 1024 / 1024)} MiB`;
}

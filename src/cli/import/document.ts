/**
 * @module
 * A file that is one JSON document, and telling such a file from one of JSON lines.
 */
import { isUtf8 } from "node:buffer";
import { open } from "node:fs/promises";
import { inMebibytes, parseJson, readLines, withoutMark } from "./lines.ts";
import type { ReadLimits } from "./types.ts";

const HEAD_BYTES = 64 * 1024;
const READ_BYTES = 1024 * 1024;

/** What a file is made of. A problem is a whole sentence about the file. */
export type Layout =
  | { readonly kind: "lines" }
  | { readonly kind: "document"; readonly value: unknown }
  | { readonly kind: "problem"; readonly problem: string };

/**
 * Whether the file is one JSON document, which then is read, or a file of JSON lines. The content decides; the name only
 * where the first line is broken. One document on one line counts as lines.
 *
 * @throws what the file system throws.
 */
export async function layoutOf(
  path: string,
  limits: ReadLimits,
  onBytes: (count: number) => void,
): Promise<Layout> {
  const head = await readHead(path);
  const refused = refusal(head);
  if (refused !== undefined) return { kind: "problem", problem: refused };

  const { first, second } = await firstTwoLines(path, limits.lineBytes);
  if (first === undefined) return { kind: "problem", problem: "the file holds nothing but blank lines" };
  if ("text" in first && "value" in parseJson(first.text)) return { kind: "lines" };
  if (head.includes(0)) return { kind: "problem", problem: "the file is binary, not a transcript" };

  const named = /\.(jsonl|ndjson)$/i.test(path);
  const followed = second !== undefined && "text" in second && isObjectText(second.text);
  if ("problem" in first && (named || followed)) return { kind: "lines" };
  const start = "text" in first ? first.text.trimStart() : "";
  if ("text" in first && !/^[[{]/.test(start)) {
    if (followed) return { kind: "lines" };
    return {
      kind: "problem",
      problem: "the file does not begin like JSON, so it is no transcript that can be read",
    };
  }
  const document = await readDocument(path, limits.documentBytes, onBytes);
  // A broken document may be JSON lines of which the first is broken. One that was written over several lines is not.
  const mayBeLines = followed && (named || /^\{\s*\S/.test(start));
  return document.kind === "problem" && mayBeLines ? { kind: "lines" } : document;
}

async function readDocument(
  path: string,
  limitBytes: number,
  onBytes: (count: number) => void,
): Promise<Layout> {
  const bytes = await readUpTo(path, limitBytes, onBytes);
  if (bytes === undefined) {
    return {
      kind: "problem",
      problem: `the file is one JSON document of more than ${inMebibytes(limitBytes)}, too large to be read at once; make it JSON lines, one conversation a line`,
    };
  }
  if (!isUtf8(bytes)) return { kind: "problem", problem: "the file is not UTF-8 text" };
  const parsed = parseJson(withoutMark(bytes.toString("utf8")));
  if ("value" in parsed) return { kind: "document", value: parsed.value };
  return { kind: "problem", problem: `the file is ${parsed.problem}; was it cut off?` };
}

/** All bytes of the file; `undefined` where there are more than `limitBytes`. */
async function readUpTo(
  path: string,
  limitBytes: number,
  onBytes: (count: number) => void,
): Promise<Buffer | undefined> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    if (size > limitBytes) return undefined;
    const pieces: Buffer[] = [];
    let length = 0;
    for (;;) {
      const piece = Buffer.allocUnsafe(Math.min(READ_BYTES, Math.max(size, 1)));
      const { bytesRead } = await handle.read(piece, 0, piece.length, null);
      if (bytesRead === 0) return Buffer.concat(pieces, length);
      onBytes(bytesRead);
      length += bytesRead;
      // The file may be growing while it is read.
      if (length > limitBytes) return undefined;
      pieces.push(piece.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

async function readHead(path: string): Promise<Buffer> {
  const handle = await open(path, "r");
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function refusal(head: Buffer): string | undefined {
  if (head.length === 0) return "the file is empty";
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)) {
    return "the file is UTF-16 text; save it as UTF-8";
  }
  return undefined;
}

async function firstTwoLines(path: string, lineBytes: number) {
  const lines = readLines(path, lineBytes);
  const first = await lines.next();
  const second = await lines.next();
  await lines.return();
  return { first: first.done ? undefined : first.value, second: second.done ? undefined : second.value };
}

function isObjectText(text: string): boolean {
  return text.startsWith("{") && "value" in parseJson(text);
}

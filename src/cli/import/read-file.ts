/**
 * @module
 * One file: what it is, and what it holds.
 */
import { readClaudeCode } from "./claude-code.ts";
import { readCodex } from "./codex.ts";
import { documentsIn, kindOfLine, type LinesKind, readerFor } from "./detect.ts";
import { layoutOf } from "./document.ts";
import { type JsonLine, readJsonLines } from "./lines.ts";
import { readMessageLines } from "./openai.ts";
import { readSidecar } from "./sidecar.ts";
import { isSimulacraMetadata, readSimulacraLines } from "./simulacra.ts";
import type { Found, ImportFormat, Origin, ReadLimits } from "./types.ts";
import type { SourceFile } from "./walk.ts";

/** How many lines may pass before one says what the file is, and how many problems of one list are told one by one. */
const PATIENCE = 100;

export interface ReadFileOptions {
  readonly format: ImportFormat | undefined;
  readonly limits: ReadLimits;
  readonly onBytes: (count: number) => void;
}

/**
 * What a file holds; `"native"` for a Holdfast export. Never throws for what the file holds.
 *
 * @throws what the file system throws.
 */
export async function* readFile(
  { path, size }: SourceFile,
  { format, limits, onBytes }: ReadFileOptions,
): AsyncGenerator<Found | "native"> {
  if (size === 0) return yield { problem: "the file is empty" };
  const origin: Origin = { path, stem: stemOf(path), alone: true, limits };
  const layout = await layoutOf(path, limits, onBytes);
  if (layout.kind === "problem") return yield { problem: layout.problem };
  if (layout.kind === "document") return yield* readDocuments(layout.value, origin, format);

  const lines = readJsonLines(path, limits.lineBytes, onBytes);
  try {
    const { kind, ahead } = await lookAhead(lines, format);
    const all = joined(ahead, lines);
    switch (kind) {
      case "holdfast":
        return yield "native";
      case "claude-code":
        return yield* readClaudeCode(all, origin);
      case "codex":
        return yield* readCodex(all, origin);
      case "documents":
        return yield* readDocumentLines(all, origin, format);
      case "messages": {
        const { fields, problem } = await readSidecar(origin);
        if (problem !== undefined) yield { problem };
        return yield* isSimulacraMetadata(fields)
          ? readSimulacraLines(all, fields, origin)
          : readMessageLines(all, origin);
      }
      case undefined:
        return yield* unknownLines(ahead, format);
    }
  } finally {
    await lines.return();
  }
}

async function* readDocuments(
  value: unknown,
  origin: Origin,
  format: ImportFormat | undefined,
): AsyncGenerator<Found> {
  const documents = documentsIn(value);
  if (documents.length === 0) return yield { problem: "the list is empty" };
  let unknown = 0;
  let first = 0;
  for (const [index, document] of documents.entries()) {
    const reader = readerFor(document, format);
    if (!reader) {
      unknown += 1;
      first ||= index + 1;
      continue;
    }
    const alone = origin.alone && documents.length === 1;
    for await (const found of reader.read(document, { ...origin, alone })) {
      const inList = "problem" in found && documents.length > 1;
      yield inList ? { problem: `item ${index + 1} of the list: ${found.problem}` } : found;
    }
  }
  if (unknown === 0) return;
  const where =
    documents.length === 1
      ? "it"
      : `${unknown} of the ${documents.length} items of the list, item ${first} first,`;
  yield { problem: `${where} ${notKnown(format, unknown > 1)}` };
}

async function* readDocumentLines(
  lines: AsyncIterable<JsonLine>,
  origin: Origin,
  format: ImportFormat | undefined,
): AsyncGenerator<Found> {
  // Whether a line is alone in its file shows only when there is no other.
  let held: JsonLine | undefined;
  let count = 0;
  for await (const found of lines) {
    if (held) yield* readDocumentLine(held, { ...origin, alone: false }, format);
    held = found;
    count += 1;
  }
  if (held) yield* readDocumentLine(held, { ...origin, alone: count === 1 }, format);
}

async function* readDocumentLine(
  found: JsonLine,
  origin: Origin,
  format: ImportFormat | undefined,
): AsyncGenerator<Found> {
  if ("problem" in found) return yield found;
  for await (const one of readDocuments(found.value, origin, format)) {
    yield "problem" in one ? { ...one, line: found.line } : one;
  }
}

async function lookAhead(lines: AsyncIterator<JsonLine>, format: ImportFormat | undefined) {
  const ahead: JsonLine[] = [];
  let kind: LinesKind | undefined;
  while (kind === undefined && ahead.length < PATIENCE) {
    const next = await lines.next();
    if (next.done) break;
    ahead.push(next.value);
    if ("value" in next.value) kind = kindOfLine(next.value.value, format);
  }
  return { kind, ahead };
}

async function* joined(ahead: readonly JsonLine[], rest: AsyncIterable<JsonLine>): AsyncGenerator<JsonLine> {
  yield* ahead;
  yield* rest;
}

function* unknownLines(ahead: readonly JsonLine[], format: ImportFormat | undefined): Generator<Found> {
  for (const found of ahead) if ("problem" in found) yield found;
  if (ahead.some((found) => "value" in found)) yield { problem: `it ${notKnown(format, false)}` };
}

function notKnown(format: ImportFormat | undefined, many: boolean): string {
  if (format !== undefined) return `${many ? "are" : "is"} not in the format ${format}`;
  return `${many ? "hold" : "holds"} no transcript of a format that is known`;
}

/** The file's name without what says how it is written: `run-1` for `run-1.traj.json`. */
function stemOf(path: string): string {
  const name = path.replace(/^.*[\\/]/, "");
  return name.replace(/(\.traj)?\.(json|jsonl|ndjson)$|\.traj$/i, "") || name;
}

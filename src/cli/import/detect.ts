/**
 * @module
 * Which format a value is written in. The content decides, never the name.
 */
import { isPlainObject } from "../../log/values.ts";
import { isClaudeLine } from "./claude-code.ts";
import { codexDocument, isCodexLine } from "./codex.ts";
import { confusedAi } from "./confused-ai.ts";
import { falai } from "./falai.ts";
import { formagent } from "./formagent.ts";
import { isMessage } from "./messages.ts";
import { isMessageList, openai } from "./openai.ts";
import { simulacra } from "./simulacra.ts";
import { sweAgent } from "./swe-agent.ts";
import { tauBench } from "./tau-bench.ts";
import type { DocumentReader, ImportFormat } from "./types.ts";

/** The loosest comes last: what it takes, most of the others would be taken for. */
const DOCUMENT_READERS: readonly DocumentReader[] = [
  tauBench,
  sweAgent,
  codexDocument,
  simulacra,
  formagent,
  falai,
  confusedAi,
  openai,
];

/** How a file of JSON lines is to be read: as one session, or as one document a line. */
export type LinesKind = "holdfast" | "claude-code" | "codex" | "messages" | "documents";

/** The reader of a document; `undefined` where it is of no format that is known, or not of `format`. */
export function readerFor(document: unknown, format: ImportFormat | undefined): DocumentReader | undefined {
  return DOCUMENT_READERS.find(
    (reader) => (format === undefined || reader.format === format) && reader.matches(document),
  );
}

/** The documents that a JSON value holds: the value itself, or each item of a list of conversations. */
export function documentsIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) && !isMessageList(value) ? value : [value];
}

/** What a line says of the file it stands in; `undefined` where it says nothing. */
export function kindOfLine(value: unknown, format: ImportFormat | undefined): LinesKind | undefined {
  if (isPlainObject(value) && typeof value.holdfast === "number") return "holdfast";
  if (format === "claude-code" || format === "codex") {
    return documentsIn(value).some((document) => readerFor(document, format)) ? "documents" : format;
  }
  if (format === undefined && isCodexLine(value)) return "codex";
  if (format === undefined && isClaudeLine(value)) return "claude-code";
  if (documentsIn(value).some((document) => readerFor(document, format))) return "documents";
  if (isMessage(value) && (format === undefined || format === "openai" || format === "simulacra"))
    return "messages";
  return undefined;
}

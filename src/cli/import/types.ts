/**
 * @module
 * What a foreign transcript is read into. Knows nothing of stores: how it gets into one is the `import` command's.
 */
import type { StoredObject } from "../../log/entry.ts";
import type { Usage } from "../../log/record.ts";

export type ImportFormat =
  | "holdfast"
  | "openai"
  | "tau-bench"
  | "swe-agent"
  | "claude-code"
  | "codex"
  | "formagent"
  | "simulacra"
  | "falai"
  | "confused-ai";

/** Every format that can be read, in the order in which help lists them. */
export const IMPORT_FORMATS: readonly ImportFormat[] = [
  "holdfast",
  "openai",
  "tau-bench",
  "swe-agent",
  "claude-code",
  "codex",
  "formagent",
  "simulacra",
  "falai",
  "confused-ai",
];

/** One message. `id` is given only where the format has one that is unique within the session; `at`: epoch milliseconds. */
export interface ImportedMessage {
  id?: string;
  message: StoredObject;
  at?: number;
}

/**
 * One conversation.
 *
 * - `sourceId`: at most 200 bytes and always the same for the same input, so that a second import finds the first.
 * - `parentSourceId`: the `sourceId` of the session that it came from, which may lie outside of what is read.
 * - `metadata`: small; what the format says beside the messages.
 * - `messages`: may be empty, where a session was opened and nothing was said.
 */
export interface ImportedSession {
  sourceId: string;
  source: ImportFormat;
  parentSourceId?: string;
  label?: string;
  agent?: string;
  userId?: string;
  createdAt?: number;
  metadata: Record<string, unknown>;
  data?: Record<string, unknown>;
  status?: "active" | "completed";
  usage?: Partial<Usage>;
  messages: ImportedMessage[];
}

/**
 * - `session`: a conversation that was read whole.
 * - `problem`: something could not be read; all the rest still comes. `line` counts from 1.
 * - `native`: the file is a Holdfast export, which `sessions.import` reads.
 */
export type ImportEvent =
  | { type: "session"; session: ImportedSession }
  | { type: "problem"; file: string; line?: number; message: string }
  | { type: "native"; file: string };

/** What may be held in memory at once. All in bytes. */
export interface ReadLimits {
  /** A JSON file that is one document. */
  readonly documentBytes: number;
  /** One line of a JSONL file. */
  readonly lineBytes: number;
  /** The lines of one session, where a session is a whole JSONL file. */
  readonly sessionBytes: number;
}

const MIB = 1024 * 1024;
export const DEFAULT_LIMITS: ReadLimits = {
  documentBytes: 256 * MIB,
  lineBytes: 64 * MIB,
  sessionBytes: 256 * MIB,
};

/** What a reader found. `parentFiles`: where the parent may lie, so that it can be read first. */
export type Found =
  | { readonly session: ImportedSession; readonly parentFiles?: readonly string[] }
  | { readonly problem: string; readonly line?: number };

/** Where a conversation was found. `alone`: it is all that its file holds, so the file's name names it. */
export interface Origin {
  readonly path: string;
  readonly stem: string;
  readonly alone: boolean;
  readonly limits: ReadLimits;
}

/** Reads one format whose conversations are each one JSON value. */
export interface DocumentReader {
  readonly format: ImportFormat;
  matches(document: unknown): boolean;
  read(document: unknown, origin: Origin): Iterable<Found> | AsyncIterable<Found>;
}

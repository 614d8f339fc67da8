/**
 * @module
 * Transcripts that other tools wrote, read into sessions. Knows files and formats, not stores.
 */
import { messageOf } from "../../log/errors.ts";
import { readFile } from "./read-file.ts";
import type { Found, ImportEvent, ImportFormat, ReadLimits } from "./types.ts";
import { DEFAULT_LIMITS } from "./types.ts";
import { listFiles, type SourceFile } from "./walk.ts";

export type { ImportEvent, ImportedMessage, ImportedSession, ImportFormat, ReadLimits } from "./types.ts";
export { DEFAULT_LIMITS, IMPORT_FORMATS } from "./types.ts";

export interface ReadTranscriptsOptions {
  /** Reads every file as this. Default: what each file's content says. */
  format?: ImportFormat | undefined;
  /** Called while files are read; at the end with the same number twice. */
  onProgress?: ((bytesRead: number, totalBytes: number) => void) | undefined;
  /** Default: {@link DEFAULT_LIMITS}. */
  limits?: Partial<ReadLimits>;
}

/**
 * The sessions of a file, or of all transcripts in a folder and the folders in it.
 *
 * - Never throws for what it reads: whatever cannot be read becomes a `problem`, and all the rest still comes.
 * - A parent that is among the files comes before its children.
 * - Memory holds one session at a time, or one JSON document; a JSONL file of many conversations is streamed.
 * - The order of files, and every `sourceId`, is the same each time.
 *
 * In a folder only files named `.json`, `.jsonl`, `.ndjson` or `.traj` are read; a file that is named itself is read
 * whatever its name.
 *
 * @example
 * ```ts
 * for await (const event of readTranscripts("./runs")) {
 *   if (event.type === "session") console.log(event.session.sourceId, event.session.messages.length);
 * }
 * ```
 */
export async function* readTranscripts(
  path: string,
  options: ReadTranscriptsOptions = {},
): AsyncGenerator<ImportEvent, void, undefined> {
  const { format, onProgress } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { files, problems } = await listFiles(path);
  for (const problem of problems) yield { type: "problem", ...problem };

  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  let doneBytes = 0;
  const start = (file: SourceFile): OpenFile => {
    let fileBytes = 0;
    const advance = (count: number): void => {
      // A file may grow, and may not be read to its end; what is told never passes its size when it was listed.
      const step = Math.min(count, file.size - fileBytes);
      fileBytes += step;
      doneBytes += step;
      if (step > 0) onProgress?.(doneBytes, totalBytes);
    };
    return {
      file,
      found: readFile(file, { format, limits, onBytes: advance }),
      finish: () => advance(file.size),
    };
  };

  const waiting = new Map(files.map((file) => [file.path, file]));
  /** The file that is read, on top of those that wait for it because it holds the parent of what they hold. */
  const open: OpenFile[] = [];
  try {
    for (const file of files) {
      if (waiting.delete(file.path)) open.push(start(file));
      for (let top = open.at(-1); top; top = open.at(-1)) {
        const held = top.held ?? (await next(top));
        const parent = parentOf(held, waiting);
        if (parent) {
          waiting.delete(parent.path);
          top.held = held;
          open.push(start(parent));
          continue;
        }
        delete top.held;
        if (held === undefined) {
          top.finish();
          open.pop();
        } else {
          yield eventOf(held, top.file);
        }
      }
    }
  } finally {
    for (const { found } of open) await found.return(undefined);
  }
}

interface OpenFile {
  readonly file: SourceFile;
  readonly found: AsyncGenerator<Found | "native", void, undefined>;
  /** What was found and waits for its parent. */
  held?: Found | "native" | undefined;
  finish(): void;
}

async function next({ found }: OpenFile): Promise<Found | "native" | undefined> {
  try {
    const { value, done } = await found.next();
    return done ? undefined : (value ?? undefined);
  } catch (error) {
    return { problem: `it could not be read: ${messageOf(error)}` };
  }
}

function parentOf(
  found: Found | "native" | undefined,
  waiting: ReadonlyMap<string, SourceFile>,
): SourceFile | undefined {
  if (found === undefined || found === "native" || "problem" in found) return undefined;
  for (const path of found.parentFiles ?? []) {
    const file = waiting.get(path);
    if (file) return file;
  }
  return undefined;
}

function eventOf(found: Found | "native", { name }: SourceFile): ImportEvent {
  if (found === "native") return { type: "native", file: name };
  if ("session" in found) return { type: "session", session: found.session };
  return {
    type: "problem",
    file: name,
    ...(found.line !== undefined && { line: found.line }),
    message: found.problem,
  };
}

/**
 * @module
 * Small files that every write uses, kept open from one use to the next. How many is bounded: there is one in each
 * namespace, and a process may use thousands.
 */
import type { FileIo, FileState } from "./io.ts";
import { APPEND_OR_CREATE } from "./io.ts";

/** A file that is open to append; good until the next one is asked for. */
export interface KeptFile {
  readonly file: number;
  readonly state: FileState;
}

export interface KeptFiles {
  /**
   * The file that now has this path, made where there is none. Whoever replaces it holds every lock, and who uses it
   * holds one; so it keeps its name while it is used.
   */
  open(path: string): KeptFile;
  close(): void;
}

const LIMIT = 32;

export function keptFiles(io: FileIo): KeptFiles {
  const files = new Map<string, number>();

  const close = (path: string, file: number): void => {
    files.delete(path);
    io.close(file);
  };

  return {
    open(path) {
      const known = files.get(path);
      if (known !== undefined) {
        const state = io.statOpen(known);
        if (state.nlink > 0) return { file: known, state };
        close(path, known);
      }
      for (const [oldest, file] of files) {
        if (files.size < LIMIT) break;
        close(oldest, file);
      }
      const file = io.open(path, APPEND_OR_CREATE);
      files.set(path, file);
      return { file, state: io.statOpen(file) };
    },
    close() {
      for (const [path, file] of files) close(path, file);
    },
  };
}

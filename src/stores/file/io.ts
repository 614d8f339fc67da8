/**
 * @module
 * Every file operation of the file store, in one object, so that a test can make any one of them fail; and what a
 * failure of one means to the caller.
 *
 * Reads and writes are synchronous: on a local file they take a few microseconds, a trip through the thread pool takes
 * fifty. What waits for the disk, syncing, is not.
 */
import * as fs from "node:fs";
import { HoldfastError, messageOf } from "../../log/errors.ts";

export interface FileIo {
  open(path: string, flags: number): number;
  close(file: number): void;
  /** How many bytes were read into `bytes`: all, but at the end of the file. */
  read(file: number, bytes: Uint8Array, position: number): number;
  /** How many bytes of `bytes` were written, from `offset` on; at the end of a file that was opened to append. */
  write(file: number, bytes: Uint8Array, offset: number, position?: number): number;
  truncate(file: number, bytes: number): void;
  /** Resolves once the file's data is on the disk. */
  syncData(file: number): Promise<void>;
  /** Resolves once the names in the folder are on the disk. */
  syncFolder(path: string): Promise<void>;
  /** `undefined` where there is none. */
  stat(path: string): FileState | undefined;
  statOpen(file: number): FileState;
  list(path: string): Promise<string[]>;
  makeFolder(path: string): void;
  /** The path without symbolic links. */
  realPath(path: string): string;
  rename(from: string, to: string): void;
  /** Whether there was anything to remove. */
  remove(path: string): boolean;
}

export interface FileState {
  /** Tells one file from another that has its name. */
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
  /** How many names it has: 0 once it was removed, or another took its name. */
  readonly nlink: number;
  isDirectory(): boolean;
}

const { O_RDONLY, O_RDWR, O_APPEND, O_CREAT, O_TRUNC } = fs.constants;
export const READ = O_RDONLY;
export const UPDATE = O_RDWR;
export const UPDATE_OR_CREATE = UPDATE | O_CREAT;
export const APPEND = O_RDWR | O_APPEND;
export const APPEND_OR_CREATE = APPEND | O_CREAT;
export const CREATE = APPEND_OR_CREATE | O_TRUNC;

export const nodeIo: FileIo = {
  open: (path, flags) => fs.openSync(path, flags),
  close: (file) => fs.closeSync(file),
  read: (file, bytes, position) => fs.readSync(file, bytes, 0, bytes.length, position),
  write: (file, bytes, offset, position) =>
    fs.writeSync(file, bytes, offset, bytes.length - offset, position ?? null),
  truncate: (file, bytes) => fs.ftruncateSync(file, bytes),
  syncData: (file) => settled((done) => fs.fdatasync(file, done)),
  async syncFolder(path) {
    // Windows has no such thing: there, names are on the disk once the call that changed them returns.
    if (process.platform === "win32") return;
    const folder = fs.openSync(path, READ);
    try {
      await settled((done) => fs.fsync(folder, done));
    } finally {
      fs.closeSync(folder);
    }
  },
  stat: (path) => fs.statSync(path, { throwIfNoEntry: false }),
  statOpen: (file) => fs.fstatSync(file),
  list: (path) => fs.promises.readdir(path),
  makeFolder: (path) => {
    fs.mkdirSync(path, { recursive: true });
  },
  realPath: (path) => fs.realpathSync(path),
  rename: (from, to) => fs.renameSync(from, to),
  remove(path) {
    try {
      fs.unlinkSync(path);
      return true;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    }
  },
};

function settled(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())));
}

/** Writes all of `bytes`: a single call may write less. */
export function writeAll(io: FileIo, file: number, bytes: Uint8Array, position?: number): void {
  for (let offset = 0; offset < bytes.length; ) {
    offset += io.write(file, bytes, offset, position === undefined ? undefined : position + offset);
  }
}

/** The bytes from `position` on: `length` of them, or fewer at the end of the file. In `block`, which holds as many. */
export function readAt(
  io: FileIo,
  file: number,
  position: number,
  length: number,
  block: Buffer = Buffer.allocUnsafe(length),
): Buffer {
  const bytes = block.subarray(0, length);
  let filled = 0;
  while (filled < length) {
    const read = io.read(file, filled === 0 ? bytes : bytes.subarray(filled), position + filled);
    if (read === 0) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

/** Runs `work` and closes `file` after it. */
export function closing<T>(io: FileIo, file: number, work: () => T): T {
  try {
    return work();
  } finally {
    io.close(file);
  }
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Whether a file operation failed, rather than the program. */
export function isFileError(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && !HoldfastError.is(error) && !code.startsWith("ERR_");
}

export function isDiskFull(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; free some space and try again",
  EDQUOT: "the disk quota is used up; free some space and try again",
  EACCES: "this process may not; give it read and write permission on the folder and all in it",
  EPERM: "this process may not; give it read and write permission on the folder and all in it",
  EROFS: "the file system is read-only; sessions there can be read and not written",
  ENOTDIR: "a file is in the place of a folder; name another directory",
  EEXIST: "a file is in the place of a folder; name another directory",
  EISDIR: "a folder is in the place of a file; move it away",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
  ENFILE: "too many files are open; raise the limit of the system",
  EIO: "the disk failed; check its health before trying again",
};
const PASSING: ReadonlySet<string> = new Set([
  "ENOSPC",
  "EDQUOT",
  "EMFILE",
  "ENFILE",
  "EIO",
  "EBUSY",
  "EAGAIN",
  "EINTR",
]);

/**
 * `error` as the caller gets it: a failed file operation as STORE_UNAVAILABLE with its path and what to do; any other
 * as it is.
 *
 * @param more what else the caller must know.
 */
export function unavailable(error: unknown, path: string, sessionId?: string, more = ""): unknown {
  const code = codeOf(error);
  if (code === undefined || !isFileError(error)) return error;
  const about = sessionId === undefined ? "" : ` for session ${JSON.stringify(sessionId)}`;
  const remedy = Object.hasOwn(REMEDIES, code) ? REMEDIES[code] : messageOf(error);
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `the file store can't use ${path}${about} (${code}): ${remedy}${more}`,
    {
      sessionId,
      store: "file",
      retryable: PASSING.has(code),
      cause: error,
    },
  );
}

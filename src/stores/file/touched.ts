/**
 * @module
 * `.touched`: which logs of a folder were written to, in order, by any process, so that a list need not look at every
 * file. It tells readers where to look and nothing more: whoever starts anew looks at every file once.
 *
 * A line is `name size`: the log of that name is about to grow to that size. It is written before the log is, so a
 * reader may come too early; it looks again until the log has that size. `!hash` says that a log is about to be
 * removed; a name that was removed is blanked out, so that it leaves no trace. When the file has grown it is replaced
 * by an empty one, and readers look at every file again.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { FileIo } from "./io.ts";
import { APPEND_OR_CREATE, CREATE, closing, READ, readAt, UPDATE, writeAll } from "./io.ts";

/** What happened to a log. */
export type Touch =
  | { readonly name: string; readonly size: number }
  /** The log whose name has this hash was removed. */
  | { readonly hash: string };

export interface TouchedFile {
  /** Says that the log `name` is about to grow to `size` bytes. Called under the log's lock. */
  grow(name: string, size: number): void;
  /** Says that the log `name` is about to be removed. Called under its lock. */
  remove(name: string): void;
  /** Blanks out a log that was removed. Called under its lock. Whether there was anything. */
  erase(name: string): boolean;
  /** Resolves once what was blanked out is on the disk. */
  sync(): Promise<void>;
  /** What was said since the last call; `isNew`: the file is another one, so it may have missed something. */
  news(): { readonly touches: readonly Touch[]; readonly isNew: boolean };
  /** Whether the file is long enough to be replaced. */
  isLong(): boolean;
  /** Replaces it. Called under every lock, once all the news were read. */
  replace(): void;
  close(): void;
}

const LIMIT_BYTES = 1024 * 1024;
const NAME = ".touched";

export function hashOf(name: string): string {
  return crc32(name).toString(36);
}

export function touchedFile(io: FileIo, folder: string): TouchedFile {
  const path = join(folder, NAME);
  let open: { readonly file: number; readonly ino: number; readonly isWritable: boolean } | undefined;
  let size = 0;
  let readFrom = 0;
  let isNew = true;

  const close = (): void => {
    if (open) io.close(open.file);
    open = undefined;
  };

  /** The file of this moment, opened. */
  const current = (isWritable: boolean): number | undefined => {
    const state = io.stat(path);
    size = state?.size ?? 0;
    const isSame = open !== undefined && open.ino === state?.ino;
    if (open && isSame && (open.isWritable || !isWritable)) return open.file;
    const file = state || isWritable ? io.open(path, isWritable ? APPEND_OR_CREATE : READ) : undefined;
    close();
    if (!isSame) readFrom = 0;
    if (!isSame) isNew = true;
    if (file !== undefined) open = { file, ino: io.statOpen(file).ino, isWritable };
    return file;
  };

  const append = (line: string): void => {
    const file = current(true);
    if (file === undefined) return;
    // A line begins with a newline too: one that could not be finished must not be glued to the next.
    const bytes = Buffer.from(`\n${line}\n`);
    const end = size + bytes.length;
    const isRead = readFrom === size;
    writeAll(io, file, bytes);
    // What this store says is no news to it, where nobody else said anything in between.
    if (isRead && io.statOpen(file).size === end) readFrom = end;
  };

  return {
    grow: (name, bytes) => append(`${name} ${bytes}`),
    remove: (name) => append(`!${hashOf(name)}`),

    erase(name) {
      const file = current(false);
      if (file === undefined) return false;
      const bytes = readAt(io, file, 0, size);
      const blank = Buffer.from("#".repeat(name.length));
      let found = false;
      for (let at = bytes.indexOf(`\n${name} `); at >= 0; at = bytes.indexOf(`\n${name} `, at + 1)) {
        found = true;
        const position = at + 1;
        const writable = io.open(path, UPDATE);
        closing(io, writable, () => writeAll(io, writable, blank, position));
      }
      return found;
    },

    async sync() {
      const file = current(false);
      if (file !== undefined) await io.syncData(file);
    },

    news() {
      const file = current(false);
      if (file === undefined) return { touches: [], isNew: false };
      const bytes = readAt(io, file, readFrom, Math.max(0, size - readFrom));
      const end = bytes.lastIndexOf("\n") + 1;
      readFrom += end;
      const wasNew = isNew;
      isNew = false;
      return { touches: bytes.toString("latin1", 0, end).split("\n").flatMap(toTouch), isNew: wasNew };
    },

    isLong: () => size > LIMIT_BYTES,

    replace() {
      const fresh = `${path}.new`;
      const file = io.open(fresh, CREATE);
      close();
      open = { file, ino: io.statOpen(file).ino, isWritable: true };
      io.rename(fresh, path);
      readFrom = 0;
      isNew = false;
    },

    close,
  };
}

function toTouch(line: string): Touch[] {
  const [, hash, name, size] = /^(?:!([0-9a-z]+)|([a-z0-9_%~-]+) (\d+))$/.exec(line) ?? [];
  if (hash !== undefined) return [{ hash }];
  return name === undefined ? [] : [{ name, size: Number(size) }];
}

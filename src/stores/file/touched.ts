/**
 * @module
 * `.touched`: which logs of a folder were written to, in order, by any process, so that a list need not look at every
 * file. It tells readers where to look and nothing more: whoever starts anew looks at every file once.
 *
 * A line is `name size`: the log of that name is about to grow to that size. It is written before the log is, so a
 * reader may come too early; it looks again until the log has that size. `!hash` says that a log is about to be
 * removed; a name that was removed is blanked out, so that it leaves no trace. When the file has grown long it is
 * replaced by an empty one, and readers look at every log again.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { FileIo, FileState } from "./io.ts";
import { CREATE, closing, READ, readAt, UPDATE, writeAll } from "./io.ts";
import type { KeptFiles } from "./kept.ts";

/** The size that the log `name` is about to have. */
export interface Growth {
  readonly name: string;
  readonly size: number;
}

/** What happened to a log. */
export type Touch =
  | Growth
  /** The log whose name has this hash was removed. */
  | { readonly hash: string };

export interface News {
  readonly touches: readonly Touch[];
  /** Whether the file is another one than before, so that something may have been missed. */
  readonly isNew: boolean;
}

export interface TouchedFile {
  /** Says that logs are about to grow to these sizes. Called under their locks. */
  grow(logs: readonly Growth[]): void;
  /** Says that the log `name` is about to be removed. Called under its lock. */
  remove(name: string): void;
  /** Blanks out a log that was removed; with `isDurable` on the disk, too. Called under its lock. */
  erase(name: string, isDurable: boolean): Promise<void>;
  /** What others said since the last call. */
  news(): News;
  /** Whether the file is long enough to be replaced. */
  isLong(): boolean;
  /** Replaces it. Called under every lock, once all the news were read. */
  replace(): void;
}

/** The state of the file up to which it was read. */
interface Seen {
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
  /** Its last bytes, since a new file may get the number of an old one. */
  readonly last: Buffer;
}

const NAME = ".touched";
const LIMIT_BYTES = 1024 * 1024;
const LAST_BYTES = 64;
const BLANK = "#";

export function hashOf(name: string): string {
  return crc32(name).toString(36);
}

export function touchedFile(io: FileIo, kept: KeptFiles, folder: string): TouchedFile {
  const path = join(folder, NAME);
  let seen: Seen | undefined;
  let size = 0;

  const seenUpTo = (file: number, { ino, mtimeMs }: FileState, end: number): Seen => {
    const from = Math.max(0, end - LAST_BYTES);
    return { ino, mtimeMs, size: end, last: readAt(io, file, from, end - from) };
  };

  const append = (lines: string): void => {
    const { file, state: before } = kept.open(path);
    // They begin with a newline too: a line that could not be finished must not be glued to the next.
    const bytes = Buffer.from(`\n${lines}\n`);
    writeAll(io, file, bytes);
    const after = io.statOpen(file);
    size = after.size;
    // What this store says is no news to it, where nobody else said anything before it or in between.
    const isAlone =
      seen?.ino === before.ino && seen.size === before.size && size === before.size + bytes.length;
    if (isAlone) seen = { ino: after.ino, mtimeMs: after.mtimeMs, size, last: bytes.subarray(-LAST_BYTES) };
  };

  const isContinued = (file: number, state: FileState): boolean => {
    if (!seen || seen.ino !== state.ino || seen.size > state.size) return false;
    const now = readAt(io, file, seen.size - seen.last.length, seen.last.length);
    return seen.last.every((byte, index) => byte === now[index] || now[index] === BLANK.charCodeAt(0));
  };

  return {
    grow: (logs) => append(logs.map((log) => `${log.name} ${log.size}`).join("\n")),
    remove: (name) => append(`!${hashOf(name)}`),

    async erase(name, isDurable) {
      const state = io.stat(path);
      if (!state) return;
      const file = io.open(path, UPDATE);
      try {
        const bytes = readAt(io, file, 0, state.size);
        const blank = Buffer.from(BLANK.repeat(name.length));
        const line = `\n${name} `;
        let isFound = false;
        for (let at = bytes.indexOf(line); at >= 0; at = bytes.indexOf(line, at + 1)) {
          writeAll(io, file, blank, at + 1);
          isFound = true;
        }
        if (isFound && isDurable) await io.syncData(file);
      } finally {
        io.close(file);
      }
    },

    news() {
      const state = io.stat(path);
      size = state?.size ?? 0;
      if (!state) {
        const isNew = seen !== undefined;
        seen = undefined;
        return { touches: [], isNew };
      }
      if (seen?.ino === state.ino && seen.size === state.size && seen.mtimeMs === state.mtimeMs)
        return NO_NEWS;
      const file = io.open(path, READ);
      return closing(io, file, () => {
        const now = io.statOpen(file);
        const isNew = !isContinued(file, now);
        const from = isNew ? 0 : (seen?.size ?? 0);
        const bytes = readAt(io, file, from, now.size - from);
        const end = bytes.lastIndexOf("\n") + 1;
        seen = seenUpTo(file, now, from + end);
        return { touches: bytes.toString("latin1", 0, end).split("\n").flatMap(toTouch), isNew };
      });
    },

    isLong: () => size > LIMIT_BYTES,

    replace() {
      const fresh = `${path}.new`;
      const file = io.open(fresh, CREATE);
      seen = closing(io, file, () => seenUpTo(file, io.statOpen(file), 0));
      size = 0;
      io.rename(fresh, path);
    },
  };
}

const NO_NEWS: News = { touches: [], isNew: false };

function toTouch(line: string): Touch[] {
  const [, hash, name, size] = /^(?:!([0-9a-z]+)|([a-z0-9_%~-]+) (\d+))$/.exec(line) ?? [];
  if (hash !== undefined) return [{ hash }];
  return name === undefined ? [] : [{ name, size: Number(size) }];
}

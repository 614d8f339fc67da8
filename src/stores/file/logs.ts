/**
 * @module
 * The logs that are open: their ends are known, so that an answer costs a look at the file's size and an append does
 * not read. Which of them stay open is bounded.
 */
import { basename } from "node:path";
import { HoldfastError } from "../../log/errors.ts";
import type { FileIo } from "./io.ts";
import { APPEND, closing, codeOf, READ, readAt } from "./io.ts";
import { LOG_SUFFIX, nameOf } from "./names.ts";
import type { Source, Tail } from "./tail.ts";
import { corrupt, extendTail, idsOf, loadTail } from "./tail.ts";

/** A log that is open. */
export interface OpenLog extends Source {
  readonly file: number;
  /** Tells the file from another that took its name. */
  readonly ino: number;
  readonly isWritable: boolean;
  /** Whether its name is known to be on the disk. */
  isNamed: boolean;
  tail: Tail;
  /** Where the ids that callers gave are; absent until they are needed. */
  ids?: Map<string, number>;
  /** A line that was read last: the next read is likely to go on there. */
  mark?: { readonly seq: number; readonly offset: number };
}

export interface OpenLogs {
  /**
   * The log at `path` as it is now; `undefined` where there is none. It stays open while it is held.
   *
   * @throws STORE_CORRUPT
   */
  get(path: string, sessionId?: string): OpenLog | undefined;
  /** The end of the log at `path` as it is now, without keeping it open; `undefined` where there is none. */
  peek(path: string): Tail | undefined;
  /** Runs `work` and keeps `log` open until it is over. */
  hold<T>(log: OpenLog, work: () => Promise<T>): Promise<T>;
  /** Takes over a log that was just made, with the callers' ids in it. */
  add(path: string, log: OpenLog, ids: ReadonlyMap<string, number>): void;
  /** Forgets what is known of a log. */
  drop(path: string): void;
  close(): void;
}

/** Files that stay open; a process may have 1024 on most systems. */
const OPEN_LIMIT = 256;
/** Callers' ids that are kept, over all logs: about 100 bytes each. */
const IDS_LIMIT = 500_000;
/** Past this, a log's tail is read anew instead of all that was written since. */
const EXTEND_LIMIT_BYTES = 1024 * 1024;

interface Held extends OpenLog {
  holders: number;
  isDropped: boolean;
}

export function openLogs(io: FileIo): OpenLogs {
  const logs = new Map<string, Held>();

  const release = (log: Held): void => {
    if (log.isDropped && log.holders === 0) io.close(log.file);
  };

  const drop = (path: string): void => {
    const log = logs.get(path);
    if (!log) return;
    logs.delete(path);
    log.isDropped = true;
    release(log);
  };

  const makeRoom = (): void => {
    let ids = 0;
    for (const log of logs.values()) ids += log.ids?.size ?? 0;
    for (const [path, log] of logs) {
      if (logs.size <= OPEN_LIMIT && ids <= IDS_LIMIT) return;
      if (log.holders > 0) continue;
      ids -= log.ids?.size ?? 0;
      drop(path);
    }
  };

  const put = (path: string, log: Held): void => {
    makeRoom();
    logs.set(path, log);
  };

  const isFresh = (log: Held, size: number): boolean => {
    const { end, isTorn } = log.tail;
    if (size === end && !isTorn) return true;
    if (size < end || size - end > EXTEND_LIMIT_BYTES) return false;
    try {
      log.tail = extendTail(log, log.tail, size, (line) => {
        for (const [id, seq] of log.ids ? idsOf(line) : []) log.ids?.set(id, seq);
      });
      return true;
    } catch (error) {
      // What was known is of a write that was taken back since. Reading the log anew shows whether it is damaged.
      if (HoldfastError.is(error, "STORE_CORRUPT")) return false;
      throw error;
    }
  };

  return {
    get(path, sessionId) {
      const state = io.stat(path);
      const known = logs.get(path);
      if (known && state && known.ino === state.ino && isFresh(known, state.size)) {
        logs.delete(path);
        logs.set(path, known);
        return known;
      }
      drop(path);
      const opened = state && openLog(io, path, APPEND, sessionId);
      if (!opened) return undefined;
      const log = { ...opened, holders: 0, isDropped: false };
      put(path, log);
      return log;
    },
    peek(path) {
      const state = io.stat(path);
      const known = logs.get(path);
      if (known && state && known.ino === state.ino && isFresh(known, state.size)) return known.tail;
      const opened = state && openLog(io, path, READ);
      return opened && closing(io, opened.file, () => opened.tail);
    },
    async hold(log, work) {
      const held = logs.get(log.path);
      if (held) held.holders += 1;
      try {
        return await work();
      } finally {
        if (held) {
          held.holders -= 1;
          release(held);
        }
      }
    },
    add(path, log, ids) {
      drop(path);
      put(path, { ...log, ids: new Map(ids), holders: 0, isDropped: false });
    },
    drop,
    close() {
      let failure: unknown;
      for (const path of logs.keys()) {
        try {
          drop(path);
        } catch (error) {
          failure ??= error;
        }
      }
      if (failure !== undefined) throw failure;
    },
  };
}

/**
 * Opens the log at `path`; `undefined` where there is none.
 *
 * @throws STORE_CORRUPT
 */
export function openLog(io: FileIo, path: string, flags: number, sessionId?: string): OpenLog | undefined {
  const opened = openFile(io, path, flags);
  if (!opened) return undefined;
  const { file } = opened;
  try {
    const source: Source = {
      path,
      sessionId,
      read: (position, length, block) => readAt(io, file, position, length, block),
    };
    const { ino, size } = io.statOpen(file);
    const tail = loadTail(source, size);
    const { id } = tail.record();
    if (basename(path) !== `${nameOf(id)}${LOG_SUFFIX}` || id !== (sessionId ?? id)) {
      throw corrupt(source, 0, `it is of session ${JSON.stringify(id)}, so it was renamed or copied`);
    }
    return { ...source, ...opened, ino, isNamed: false, tail };
  } catch (error) {
    io.close(file);
    throw error;
  }
}

/** Opened as `flags` say, or only to read where the file system allows no more. */
function openFile(
  io: FileIo,
  path: string,
  flags: number,
): { readonly file: number; readonly isWritable: boolean } | undefined {
  try {
    return { file: io.open(path, flags), isWritable: flags === APPEND };
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return undefined;
    if (flags === READ || (code !== "EACCES" && code !== "EROFS" && code !== "EPERM")) throw error;
    return openFile(io, path, READ);
  }
}

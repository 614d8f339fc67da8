/**
 * @module
 * Putting commits into a log: whole, on the disk before they are acknowledged, or taken back.
 */
import { dirname } from "node:path";
import type { GroupLog } from "./group.ts";
import type { FileIo } from "./io.ts";
import { CREATE, readAt, unavailable, writeAll } from "./io.ts";
import type { ReadAt } from "./lines.ts";
import type { OpenLog } from "./logs.ts";
import type { Tail } from "./tail.ts";

/** Part of a log that was dropped: a write that its process did not live to finish, and that was never acknowledged. */
export interface FileStoreWarning {
  readonly path: string;
  readonly sessionId: string;
  /** Where in the file it began, and how many bytes it was. */
  readonly offset: number;
  readonly bytes: number;
  readonly message: string;
}

export interface Appender {
  /** Appends `bytes`, after which the log ends in `tail`. Called under its lock. `sync` puts them on the disk. */
  append(log: OpenLog, bytes: Uint8Array, tail: Tail, sync: () => Promise<void>): Promise<void>;
  /**
   * Makes a log of `bytes`, in a folder that is there, and answers with it, open. Called under its lock. `sync` puts
   * it on the disk and gives it its name.
   */
  create(
    path: string,
    sessionId: string,
    bytes: Uint8Array,
    tail: Tail,
    sync: (log: GroupLog) => Promise<void>,
  ): Promise<OpenLog>;
  /** Makes `folder` and those around it where they are not there yet. */
  makeFolder(folder: string): Promise<void>;
  /** Resolves once the names in `folder` are on the disk. One trip there serves all who wait. */
  syncFolder(folder: string): Promise<void>;
}

/** @throws STORE_UNAVAILABLE from all that is made here */
export function appender(
  io: FileIo,
  isDurable: boolean,
  warn: (warning: FileStoreWarning) => void,
): Appender {
  const syncFolder = shareCalls(async (folder) => {
    if (isDurable) await io.syncFolder(folder);
  });

  const makeFolder = async (folder: string): Promise<void> => {
    if (io.stat(folder)) return;
    const parent = dirname(folder);
    await makeFolder(parent);
    io.makeFolder(folder);
    await syncFolder(parent);
  };

  return {
    async append(log, bytes, tail, sync) {
      const { path, sessionId = "" } = log;
      const { end, isTorn } = log.tail;
      try {
        if (isTorn) {
          warn(tornWarning(path, sessionId, end, io.statOpen(log.file).size - end));
          io.truncate(log.file, end);
        }
        writeAll(io, log.file, bytes);
        if (isDurable) await sync();
      } catch (error) {
        throw unavailable(
          error,
          path,
          sessionId,
          takeBack(() => io.truncate(log.file, end)),
        );
      }
      log.tail = tail;
    },

    async create(path, sessionId, bytes, tail, sync) {
      // Under another name until it is whole, so that a crash leaves no log without its beginning.
      const fresh = newName(path);
      let file: number | undefined;
      try {
        file = io.open(fresh, CREATE);
        const opened = file;
        writeAll(io, file, bytes);
        const { ino } = io.statOpen(file);
        const log: GroupLog = { file, fresh, isNamed: false };
        if (isDurable) await sync(log);
        else io.rename(fresh, path);
        const read: ReadAt = (position, length, block) => readAt(io, opened, position, length, block);
        return { path, sessionId, file, ino, isWritable: true, isNamed: log.isNamed, tail, read };
      } catch (error) {
        const opened = file;
        const more = takeBack(() => {
          if (opened !== undefined) io.close(opened);
          io.remove(fresh);
          io.remove(path);
        });
        throw unavailable(error, path, sessionId, more);
      }
    },

    makeFolder,
    syncFolder,
  };
}

/** The name of a log that is being made. */
export function newName(path: string): string {
  return `${path}.new`;
}

/** Undoes a write that failed. Where that fails as well the commit is in doubt, and its caller is told. */
function takeBack(undo: () => void): string {
  try {
    undo();
    return "";
  } catch (error) {
    return `; what was written can't be taken back (${String(error)}), so read the session to find out whether it was committed`;
  }
}

function tornWarning(path: string, sessionId: string, offset: number, bytes: number): FileStoreWarning {
  const message = `${path}: ${bytes} bytes of an unfinished write to session ${JSON.stringify(sessionId)} were dropped at byte ${offset}; it was never acknowledged`;
  return { path, sessionId, offset, bytes, message };
}

/** Calls that come while one is under way wait for the one after it, all for the same. */
function shareCalls(run: (key: string) => Promise<void>): (key: string) => Promise<void> {
  const running = new Map<string, Promise<unknown>>();
  const waiting = new Map<string, Promise<void>>();
  return (key) => {
    const next = waiting.get(key);
    if (next) return next;
    const before = running.get(key) ?? Promise.resolve();
    const mine = before.then(() => {
      waiting.delete(key);
      const call = run(key);
      const over = call.then(
        () => undefined,
        () => undefined,
      );
      running.set(key, over);
      return call;
    });
    waiting.set(key, mine);
    return mine;
  };
}

/**
 * @module
 * A disk with a cache that a power failure empties: what was not synced may be lost, wholly or in part.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FileIo } from "../../src/stores/file/io.ts";
import { nodeIo, readAt } from "../../src/stores/file/io.ts";

export interface CachedDisk {
  readonly io: FileIo;
  /** Operations so far. */
  count(): number;
  /** Copies to `target` what may be left of `folder` after a power failure now. `random` answers with 0 to 1. */
  fail(folder: string, target: string, random: () => number): void;
}

/** A file as it is known to the disk: its content is safe up to what was synced. */
interface Inode {
  content: Buffer;
}

/**
 * The real file system, watched. Follows what is promised and no more: a file's content is safe once it was synced,
 * a name once its folder was, and until then each may have reached the disk or not, in any order.
 *
 * @param lastOperation all operations after this one fail: the power is gone.
 */
export function cachedDisk(lastOperation: number): CachedDisk {
  let count = 0;
  const inodes = new Map<number, Inode>();
  const folders = new Map<string, Map<string, number>>();
  const step = <T>(work: () => T): T => {
    count += 1;
    if (count > lastOperation) throw Object.assign(new Error("the power is gone"), { code: "EIO" });
    return work();
  };
  const io: FileIo = {
    ...nodeIo,
    open(path, flags) {
      return step(() => {
        const isNew = nodeIo.stat(path) === undefined;
        const file = nodeIo.open(path, flags);
        // The number may have been that of a file which is gone.
        if (isNew) inodes.set(nodeIo.statOpen(file).ino, { content: Buffer.alloc(0) });
        return file;
      });
    },
    write: (...args) => step(() => nodeIo.write(...args)),
    truncate: (...args) => step(() => nodeIo.truncate(...args)),
    rename: (...args) => step(() => nodeIo.rename(...args)),
    remove: (path) => step(() => nodeIo.remove(path)),
    makeFolder: (path) => step(() => nodeIo.makeFolder(path)),
    // The sync itself may be what the power fails in: then nothing is promised.
    async syncData(file) {
      step(() => {
        const { ino, size } = nodeIo.statOpen(file);
        inodes.set(ino, { content: Buffer.from(readAt(nodeIo, file, 0, size)) });
      });
    },
    async syncFolder(path) {
      step(() => folders.set(path, namesIn(path)));
    },
  };

  const fail = (folder: string, target: string, random: () => number): void => {
    mkdirSync(target, { recursive: true });
    const safe = folders.get(folder) ?? new Map<string, number>();
    const now = namesIn(folder);
    for (const name of new Set([...safe.keys(), ...now.keys()])) {
      const path = join(folder, name);
      // Which of the two is on the disk is known only where they agree.
      const ino = safe.get(name) === now.get(name) || random() < 0.5 ? now.get(name) : safe.get(name);
      if (ino === undefined) continue;
      const state = now.get(name) === ino ? statSync(path) : undefined;
      if (state?.isDirectory()) fail(path, join(target, name), random);
      else
        writeFileSync(
          join(target, name),
          contentLeft(inodes.get(ino)?.content, state && readFileSync(path), random),
        );
    }
  };
  return { io, count: () => count, fail };
}

function namesIn(folder: string): Map<string, number> {
  return new Map(readdirSync(folder).map((name) => [name, statSync(join(folder, name)).ino]));
}

/** `safe`: what was synced. `now`: what is in the cache; absent where the file has lost its name. */
function contentLeft(safe: Buffer = Buffer.alloc(0), now: Buffer = safe, random: () => number): Buffer {
  const kind = random();
  if (kind < 0.3) return safe;
  if (kind < 0.5) return now;
  if (!now.subarray(0, safe.length).equals(safe)) return kind < 0.75 ? safe : now;
  const added = now.subarray(safe.length);
  const length = Math.floor(random() * (added.length + 1));
  // The size may be on the disk before the data is.
  const isEmpty = kind < 0.75;
  return Buffer.concat([safe, isEmpty ? Buffer.alloc(length) : added.subarray(0, length)]);
}

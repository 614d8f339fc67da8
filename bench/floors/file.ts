/**
 * @module
 * Files driven by hand: one line of JSON appended to an open file, then synced. No lock, no checksum, no version.
 */
import { mkdirSync, writeSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import type { BenchMessage } from "../messages.ts";

export interface FileFloor {
  create(id: string): Promise<void>;
  /** Asynchronous append, then `fdatasync` where `isSynced`. */
  append(id: string, message: BenchMessage): Promise<void>;
  /** The same with a write that blocks: quicker on a local disk. */
  appendBlocking(id: string, message: BenchMessage): Promise<void>;
  /** A new file that is whole or not there after a crash: written, synced, given its name, the folder synced. */
  createSynced(id: string, message: BenchMessage): Promise<void>;
  close(): Promise<void>;
}

export function fileFloor(directory: string, isSynced: boolean): FileFloor {
  mkdirSync(directory, { recursive: true });
  const handles = new Map<string, FileHandle>();
  const handleOf = (id: string): FileHandle => {
    const handle = handles.get(id);
    if (!handle) throw new Error(`${id} was not created`);
    return handle;
  };
  return {
    async create(id) {
      handles.set(id, await open(join(directory, `${id}.jsonl`), "a"));
    },
    async append(id, message) {
      const handle = handleOf(id);
      await handle.write(`${JSON.stringify(message)}\n`);
      if (isSynced) await handle.datasync();
    },
    async appendBlocking(id, message) {
      const handle = handleOf(id);
      writeSync(handle.fd, `${JSON.stringify(message)}\n`);
      if (isSynced) await handle.datasync();
    },
    async createSynced(id, message) {
      const path = join(directory, `${id}.jsonl`);
      const handle = await open(`${path}.new`, "wx");
      await handle.write(`${JSON.stringify(message)}\n`);
      await handle.datasync();
      await rename(`${path}.new`, path);
      await handle.close();
      const folder = await open(directory, "r");
      await folder.sync();
      await folder.close();
    },
    async close() {
      for (const handle of handles.values()) await handle.close();
    },
  };
}

/**
 * @module
 * The way that many agent frameworks keep a conversation: one JSON file a session, read, changed and written whole at
 * each save. As carefully as that can be done: into a temporary file that takes the other's place once it is written
 * (and, with `isSynced`, on the disk). A reference implementation, of nobody's code in particular.
 */
import { mkdirSync } from "node:fs";
import { open, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BenchMessage } from "../messages.ts";

export interface WholeFilePeer {
  create(id: string, messages: readonly BenchMessage[]): Promise<void>;
  append(id: string, message: BenchMessage): Promise<void>;
  /** What has been written since it was made. */
  readonly bytesWritten: number;
}

export function wholeFilePeer(directory: string, isSynced: boolean): WholeFilePeer {
  mkdirSync(directory, { recursive: true });
  let bytesWritten = 0;
  const pathOf = (id: string): string => join(directory, `${id}.json`);

  async function save(id: string, session: object): Promise<void> {
    const text = JSON.stringify(session);
    const temporary = `${pathOf(id)}.tmp`;
    if (isSynced) {
      const handle = await open(temporary, "w");
      await handle.writeFile(text);
      await handle.sync();
      await handle.close();
    } else {
      await writeFile(temporary, text);
    }
    await rename(temporary, pathOf(id));
    if (isSynced) await syncFolder(directory);
    bytesWritten += Buffer.byteLength(text);
  }

  return {
    create: (id, messages) => save(id, { id, createdAt: Date.now(), updatedAt: Date.now(), messages }),
    async append(id, message) {
      const session: unknown = JSON.parse(await readFile(pathOf(id), "utf8"));
      if (!isSession(session)) throw new Error(`${pathOf(id)} holds no session`);
      session.messages.push(message);
      await save(id, { ...session, updatedAt: Date.now() });
    },
    get bytesWritten() {
      return bytesWritten;
    },
  };
}

/** Without it, a power cut can take the rename back. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  await folder.sync();
  await folder.close();
}

function isSession(value: unknown): value is { messages: unknown[] } {
  return typeof value === "object" && value !== null && "messages" in value && Array.isArray(value.messages);
}

/**
 * @module
 * What is wrong with the files of a file store. Reads every byte and writes nothing. The store itself does not need it.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError, messageOf } from "../../log/errors.ts";
import type { StoreFinding } from "../../store/store.ts";
import { breather } from "../breather.ts";
import { newName } from "./append.ts";
import { nodeIo, READ } from "./io.ts";
import { decodeLine } from "./line.ts";
import { forwards } from "./lines.ts";
import { openLog } from "./logs.ts";
import { LOG_SUFFIX } from "./names.ts";
import { STORE } from "./tail.ts";

/** Everything that is wrong in `directory` and the namespaces within. */
export async function* inspectFolder(directory: string): AsyncGenerator<StoreFinding> {
  const entries = await readdir(directory, { withFileTypes: true });
  for (const { name } of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, name);
    if (name.startsWith("@")) yield* inspectFolder(path);
    else if (name.endsWith(LOG_SUFFIX)) yield* inspectLog(path);
    else if (name.endsWith(newName(LOG_SUFFIX))) {
      const message = "a session was being created when its process died; nobody was told that it exists";
      yield {
        kind: "leftover",
        place: path,
        message,
        remedy: `remove it, unless a process is writing: rm '${path}'`,
      };
    }
  }
}

async function* inspectLog(path: string): AsyncGenerator<StoreFinding> {
  const breathe = breather();
  const damaged = (message: string, remedy: string): StoreFinding => ({
    kind: "damaged",
    place: path,
    message,
    remedy,
  });
  try {
    const log = openLog(nodeIo, path, READ);
    if (!log) return;
    try {
      const { end, isTorn } = log.tail;
      let version = 0;
      for (const raw of forwards(log.read, 0, end)) {
        if (breathe.isDue()) await breathe.pause();
        const line = decodeLine(raw.bytes, STORE);
        version += 1;
        if (line?.version === version) continue;
        const message = `commit ${version}, at byte ${raw.offset}, does not fit its checksum or its place`;
        yield damaged(
          message,
          `restore it from a backup; the commits before it are whole: head -c ${raw.offset} '${path}'`,
        );
        return;
      }
      if (!isTorn) return;
      const bytes = nodeIo.statOpen(log.file).size - end;
      const message = `${bytes} bytes of an unfinished write at byte ${end}, never acknowledged`;
      yield { kind: "leftover", place: path, message, remedy: "none is needed: the next append drops it" };
    } finally {
      nodeIo.close(log.file);
    }
  } catch (error) {
    if (!HoldfastError.is(error, "STORE_CORRUPT")) throw error;
    yield damaged(messageOf(error), "restore it from a backup, or move it away");
  }
}

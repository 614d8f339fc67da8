/**
 * @module
 * Which files a path names.
 */
import type { BigIntStats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { messageOf } from "../../log/errors.ts";
import { isMissing } from "./sidecar.ts";

export interface SourceFile {
  /** As a person would write it: what was asked for, and the way from there. */
  readonly name: string;
  readonly path: string;
  readonly size: number;
}

export interface Listing {
  readonly files: SourceFile[];
  readonly problems: { readonly file: string; readonly message: string }[];
}

const TRANSCRIPT_NAME = /\.(json|jsonl|ndjson|traj)$/i;
/** Folders that hold no transcripts of their own: `tool-results` are parts of Claude Code's. */
const SKIPPED_FOLDERS = new Set(["node_modules", ".git", "tool-results"]);

/**
 * The file that `path` names, whatever its name; of a folder and all folders in it, the files named `.json`, `.jsonl`,
 * `.ndjson` or `.traj`, each folder's files in the order of their names and before its folders'.
 *
 * Symbolic links are followed. A file or folder that is reached in two ways, by a link or a hard link, is listed once.
 */
export async function listFiles(path: string): Promise<Listing> {
  const listing: Listing = { files: [], problems: [] };
  const seen = new Set<string>();
  /** Folders still to be listed, the next one last. */
  const folders: string[] = [];

  const visit = async (name: string, asked: boolean): Promise<void> => {
    let stats: BigIntStats;
    try {
      stats = await stat(name, { bigint: true });
    } catch (error) {
      const why = isMissing(error)
        ? "there is no such file or folder"
        : `it could not be read: ${messageOf(error)}`;
      listing.problems.push({ file: name, message: why });
      return;
    }
    const identity = `${stats.dev}:${stats.ino}`;
    if (seen.has(identity)) return;
    if (stats.isDirectory()) {
      seen.add(identity);
      folders.push(name);
    } else if (stats.isFile()) {
      seen.add(identity);
      listing.files.push({ name, path: resolve(name), size: Number(stats.size) });
    } else if (asked) {
      listing.problems.push({ file: name, message: "it is neither a file nor a folder" });
    }
  };

  await visit(path, true);
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    let entries: { name: string; mayBeFolder: boolean }[];
    try {
      const found = await readdir(folder, { withFileTypes: true });
      entries = found.map((entry) => ({
        name: entry.name,
        mayBeFolder: entry.isDirectory() || entry.isSymbolicLink(),
      }));
    } catch (error) {
      listing.problems.push({ file: folder, message: `the folder could not be read: ${messageOf(error)}` });
      continue;
    }
    entries.sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0));
    const names = new Set(entries.map(({ name }) => name));
    const before = folders.length;
    for (const { name, mayBeFolder } of entries) {
      if (mayBeFolder ? !SKIPPED_FOLDERS.has(name) : TRANSCRIPT_NAME.test(name) && !isSideFile(name, names)) {
        await visit(join(folder, name), false);
      }
    }
    // The stack gives the last one first.
    folders.push(...folders.splice(before).reverse());
  }
  return listing;
}

/** Whether the file only says something about another one: it is read with that. */
function isSideFile(name: string, names: ReadonlySet<string>): boolean {
  if (name === "sessions-index.json") return true;
  if (!name.endsWith(".meta.json")) return false;
  const stem = name.slice(0, -".meta.json".length);
  return names.has(`${stem}.jsonl`) || names.has(`${stem}.ndjson`);
}

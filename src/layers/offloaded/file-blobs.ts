/**
 * @module
 * Blobs as files, one each. Several processes may share a folder.
 */
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { HoldfastError, invalidArgument, messageOf } from "../../log/errors.ts";
import type { BlobStore } from "./blob-store.ts";

export interface FileBlobsOptions {
  /** Made where it isn't there. */
  readonly folder: string;
  /**
   * - `"disk"`: a blob is on the disk before `put` resolves.
   * - `"os"`: it is with the operating system, and a loss of power can take it.
   *
   * Default `"disk"`.
   */
  readonly durability?: "disk" | "os";
}

/** Unfinished files are here, so that a folder of blobs holds whole ones only. */
const UNFINISHED = ".unfinished";
/** No attempt to go on helps against these. */
const FINAL: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOTDIR", "ENAMETOOLONG", "EISDIR"]);

/**
 * Blobs as files in `folder`, each written to a file of its own and renamed, so that there is never a part of one.
 *
 * @throws INVALID_ARGUMENT for a folder that is no text. STORE_UNAVAILABLE, from its methods, naming the folder and the
 *   system's reason where that refuses: disk full, read-only, no permission.
 * @example
 * ```ts
 * const store = offloadedStore(sqliteStore({ path: "sessions.db" }), { blobs: fileBlobs({ folder: "blobs" }) });
 * ```
 */
export function fileBlobs({ folder, durability = "disk" }: FileBlobsOptions): BlobStore {
  if (typeof folder !== "string" || folder === "") throw invalidArgument("fileBlobs needs a folder");
  if (durability !== "disk" && durability !== "os")
    throw invalidArgument('the durability of fileBlobs is "disk" or "os"');
  const root = resolve(folder);
  const isSynced = durability === "disk";
  const made = new Map<string, Promise<void>>();

  /** One level at a time: Node's recursive mkdir says ENOENT of a disk that is read-only, and hangs under /proc. */
  const makeFolder = (path: string): Promise<void> => {
    const known = made.get(path);
    if (known) return known;
    const making = makeLevel(path).catch(async (error: unknown) => {
      if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error;
      await makeFolder(dirname(path));
      await makeLevel(path);
    });
    made.set(path, making);
    making.catch(() => made.delete(path));
    return making;
  };

  const makeLevel = async (path: string): Promise<void> => {
    try {
      await mkdir(path);
    } catch (error) {
      if (codeOf(error) === "EEXIST") return;
      throw error;
    }
    // Its name is in the folder above.
    if (isSynced) await syncFolder(dirname(path));
  };

  const write = async (key: string, bytes: Uint8Array): Promise<void> => {
    const path = join(root, key);
    const unfinished = join(root, UNFINISHED, randomBytes(12).toString("hex"));
    await makeFolder(dirname(unfinished));
    await makeFolder(dirname(path));
    try {
      const file = await open(unfinished, "wx");
      try {
        await file.writeFile(bytes);
        if (isSynced) await file.sync();
      } finally {
        await file.close();
      }
      await rename(unfinished, path);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
    if (isSynced) await syncFolder(dirname(path));
  };

  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw unavailable(what, root, error);
    }
  };

  return {
    name: "file",
    durability,

    put: (key, bytes) =>
      attempt("write a blob", async () => {
        try {
          await write(key, bytes);
        } catch (error) {
          // Somebody removed the folder, which is known to have been made.
          if (codeOf(error) !== "ENOENT") throw error;
          made.clear();
          await write(key, bytes);
        }
      }),

    get: (key) => attempt("read a blob", () => unlessAbsent(() => readFile(join(root, key)))),

    delete: (key) => attempt("delete a blob", () => rm(join(root, key), { force: true })),

    tidy: (beforeMs) =>
      attempt("list unfinished blobs", async () => {
        const names = (await unlessAbsent(() => readdir(join(root, UNFINISHED)))) ?? [];
        for (const name of names) {
          const path = join(root, UNFINISHED, name);
          const state = await unlessAbsent(() => stat(path));
          if (state && state.mtimeMs < beforeMs) await rm(path, { force: true });
        }
      }),
  };
}

async function unlessAbsent<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows has no such thing: there, names are on the disk once the call that changed them returns.
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function unavailable(what: string, folder: string, error: unknown): HoldfastError {
  const code = codeOf(error);
  const advice = code === "ENOSPC" ? "make room on the disk" : "check the folder and its permissions";
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `could not ${what} in the folder ${JSON.stringify(folder)}: ${messageOf(error)}; ${advice}`,
    { store: "file blobs", retryable: !FINAL.has(code), cause: error },
  );
}

/**
 * @module
 * Where a store keeps its data, as far as its URL tells: so that a command that only reads never creates one.
 */
import { mkdir, readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

export const DEFAULT_STORE = "sqlite:./.holdfast/sessions.db";

export interface StorePlace {
  readonly kind: "sqlite" | "file";
  /** Absolute. */
  readonly path: string;
}

/** The file or folder that the URL names; `undefined` for stores that are no file or folder of their own. */
export function placeOf(url: string): StorePlace | undefined {
  const [, kind = "", rest = ""] = /^([a-z]+):(.+)$/i.exec(url) ?? [];
  const name = kind.toLowerCase();
  if ((name !== "sqlite" && name !== "file") || rest === ":memory:") return undefined;
  const path = rest.startsWith("//") ? rest.slice(2) : rest;
  return { kind: name, path: resolve(path) };
}

/** Whether the store is there. A store of which the URL does not tell counts as there. */
export async function exists(place: StorePlace | undefined): Promise<boolean> {
  return place === undefined || (await statOrUndefined(place.path)) !== undefined;
}

/** Makes the folder that the store's file or folder will stand in. */
export async function makeRoom(place: StorePlace | undefined): Promise<void> {
  if (place) await mkdir(dirname(place.path), { recursive: true });
}

/** Bytes on disk, journals included; `undefined` where the URL does not tell. */
export async function sizeOf(place: StorePlace | undefined): Promise<number | undefined> {
  if (place === undefined) return undefined;
  const paths =
    place.kind === "sqlite" ? ["", "-wal", "-shm", "-journal"].map((end) => place.path + end) : [];
  if (place.kind === "file") {
    for (const entry of await readdir(place.path, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) paths.push(join(entry.parentPath, entry.name));
    }
  }
  let total = 0;
  for (const path of paths) total += (await statOrUndefined(path))?.size ?? 0;
  return total;
}

async function statOrUndefined(path: string): Promise<{ size: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return undefined;
    throw error;
  }
}

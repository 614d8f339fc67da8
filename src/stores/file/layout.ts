/**
 * @module
 * `holdfast.json`: which layout a folder has, so that no version of Holdfast writes to one that it does not know.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { HoldfastError } from "../../log/errors.ts";
import { isPlainObject } from "../../log/values.ts";
import type { FileIo } from "./io.ts";
import { CREATE, closing, READ, readAt, writeAll } from "./io.ts";
import { STORE } from "./tail.ts";

export const LAYOUT = 1;
const NAME = "holdfast.json";

/**
 * The layout of `folder`; 0 where it holds none yet.
 *
 * @throws MIGRATION_REQUIRED for one of a later version, STORE_CORRUPT where it can't be told.
 */
export function readLayout(io: FileIo, folder: string): number {
  const path = join(folder, NAME);
  const state = io.stat(path);
  if (!state) return 0;
  const file = io.open(path, READ);
  const text = closing(io, file, () => readAt(io, file, 0, Math.min(state.size, 4096)).toString());
  const layout = layoutIn(text);
  if (layout === undefined) {
    throw new HoldfastError(
      "STORE_CORRUPT",
      `${path} does not say which layout its folder has; nothing was changed. Restore it, or write {"layout":${LAYOUT}} to it`,
      { store: STORE },
    );
  }
  if (layout > LAYOUT) {
    throw new HoldfastError(
      "MIGRATION_REQUIRED",
      `${folder} has layout ${layout}, of a later version of Holdfast, and this one knows layouts up to ${LAYOUT}; nothing was changed. Update the package "holdfast"`,
      { store: STORE },
    );
  }
  return layout;
}

/** Writes the layout of this version, wholly or not at all. */
export async function writeLayout(io: FileIo, folder: string, isDurable: boolean): Promise<void> {
  const path = join(folder, NAME);
  const fresh = `${path}.${randomUUID()}.new`;
  const file = io.open(fresh, CREATE);
  try {
    writeAll(io, file, Buffer.from(`{"layout":${LAYOUT}}\n`));
    if (isDurable) await io.syncData(file);
  } finally {
    io.close(file);
  }
  io.rename(fresh, path);
  if (isDurable) await io.syncFolder(folder);
}

function layoutIn(text: string): number | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const { layout } = isPlainObject(value) ? value : {};
    return typeof layout === "number" ? layout : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * @module
 * A folder of its own for a run, on the disk of the system's temporary folder; gone when the run ends.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface BenchFolder {
  readonly path: string;
  /** A path within it that nothing has yet. */
  fresh(name: string): string;
  remove(path?: string): void;
}

export function benchFolder(): BenchFolder {
  const path = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  let count = 0;
  return {
    path,
    fresh(name) {
      count += 1;
      return join(path, `${name}-${count}`);
    },
    remove(part = path) {
      for (const suffix of ["", "-wal", "-shm"]) rmSync(`${part}${suffix}`, { recursive: true, force: true });
    },
  };
}

/** Bytes of all files at or under `path`, as their lengths say. */
export function bytesUnder(path: string): number {
  const state = statSync(path);
  if (!state.isDirectory()) return state.size;
  return readdirSync(path).reduce((sum, name) => sum + bytesUnder(join(path, name)), 0);
}

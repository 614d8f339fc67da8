/**
 * @module
 * Small files that stand beside a transcript: `<name>.meta.json` for `<name>.jsonl`.
 */
import { readFile, stat } from "node:fs/promises";
import { messageOf } from "../../log/errors.ts";
import { type Fields, fieldsOf } from "./fields.ts";
import { parseJson } from "./lines.ts";
import type { Origin } from "./types.ts";

const MAX_BYTES = 1024 * 1024;

/** The fields of the transcript's sidecar, none where it has none; `problem` where it could not be read. */
export async function readSidecar({ path }: Origin): Promise<{ fields: Fields; problem?: string }> {
  const sidecar = path.replace(/\.[^.\\/]*$/, ".meta.json");
  try {
    const { size } = await stat(sidecar);
    if (size > MAX_BYTES)
      return { fields: {}, problem: `${sidecar} beside it is too large; it was left out` };
    const parsed = parseJson(await readFile(sidecar, "utf8"));
    if ("value" in parsed) return { fields: fieldsOf(parsed.value) };
    return { fields: {}, problem: `${sidecar} beside it is ${parsed.problem}; it was left out` };
  } catch (error) {
    if (isMissing(error)) return { fields: {} };
    return { fields: {}, problem: `${sidecar} beside it could not be read: ${messageOf(error)}` };
  }
}

/** Whether the file system says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

/** Whether a name that was found in a file may be joined to a folder: it names something in it and nothing else. */
export function isPlainName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[\\/\0]/.test(name) && name.isWellFormed();
}

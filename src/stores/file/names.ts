/**
 * @module
 * Names of files and folders for ids and namespaces. Any id becomes a name that every file system takes, and two ids
 * never become one name: not where upper and lower case are the same (macOS, Windows), nor where Unicode is normalised.
 */
import { createHash } from "node:crypto";

export const LOG_SUFFIX = ".jsonl";

/** File systems take 255 bytes; what is left is for suffixes. */
const MAX_NAME_BYTES = 200;
/** Names that Windows keeps for devices, with any suffix. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)$/;

/** The name for `id`: a-z, 0-9, `-` and `_` stand for themselves, each other byte of UTF-8 is `%` and two digits. */
export function nameOf(id: string): string {
  const name = /^[a-z0-9_-]*$/.test(id) ? id : Array.from(Buffer.from(id), nameOfByte).join("");
  if (name.length > MAX_NAME_BYTES) return `~${createHash("sha256").update(id).digest("hex")}`;
  return DEVICE.test(name) ? `${escaped(name.charCodeAt(0))}${name.slice(1)}` : name;
}

/** The folder of a namespace, within the folder of the one around it. `@` begins no file of a session. */
export function folderOf(namespace: string): string {
  return `@${nameOf(namespace)}`;
}

function nameOfByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[a-z0-9_-]/.test(character) ? character : escaped(byte);
}

function escaped(byte: number): string {
  return `%${byte.toString(16).padStart(2, "0")}`;
}

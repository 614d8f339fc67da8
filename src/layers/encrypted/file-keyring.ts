/**
 * @module
 * Master keys in a file.
 */
import { readFile, stat } from "node:fs/promises";
import { invalidArgument } from "../../log/errors.ts";
import type { Keyring, MasterKeys } from "./keyring.ts";
import { localKeyring, masterKeys, parseKeys } from "./keyring.ts";

export interface FileKeyringOptions {
  /** The file: a line `ID=KEY` each, the newest key first. Empty lines and those that begin with `#` don't count. */
  readonly path: string;
  /** Takes a file that other users of the machine can read. Default false. */
  readonly allowReadableByOthers?: boolean;
}

/** Reading, writing or running by the group or by others. */
const OTHERS = 0o077;

/**
 * Master keys from a file, which is read again once it changed: a key that is added is known without a restart.
 *
 * @throws INVALID_ARGUMENT, at the first use, where the file can't be read, holds anything else, or others can read it.
 * @example
 * ```ts
 * const keyring = fileKeyring({ path: "/etc/my-app/master-keys" });
 * ```
 */
export function fileKeyring({ path, allowReadableByOthers = false }: FileKeyringOptions): Keyring {
  let known: { readonly version: string; readonly keys: MasterKeys } | undefined;

  const load = async (): Promise<MasterKeys> => {
    const { mode, mtimeMs, ino, size } = await stat(path).catch(refused);
    const version = `${mtimeMs} ${ino} ${size}`;
    if (known?.version === version) return known.keys;
    if (process.platform !== "win32" && !allowReadableByOthers && (mode & OTHERS) !== 0) {
      throw invalidArgument(
        `other users of this machine can get at the master keys in ${path}: run "chmod 600 ${path}", or pass allowReadableByOthers`,
      );
    }
    const text = await readFile(path, "utf8").catch(refused);
    const keys = masterKeys(parseKeys(text.split(/\r?\n/), path), path);
    known = { version, keys };
    return keys;
  };

  const refused = (error: unknown): never => {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    throw invalidArgument(`the master keys can't be read from ${path}: ${code}`);
  };

  return localKeyring(load, path);
}

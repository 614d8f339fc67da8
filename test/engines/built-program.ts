/**
 * @module
 * Servers that no package has and that `scripts/install-engines.sh` builds.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

export interface BuiltProgram {
  /** The program's path: what its variable says, on the PATH, or where it is built to. */
  path(): string | undefined;
  /** What is to be done where it is not there, or does not run; `undefined` where it does. */
  missing(): string | undefined;
}

/** @param variable of the environment, which names another place. */
export function builtProgram(title: string, name: string, variable: string): BuiltProgram {
  const path = (): string | undefined => {
    const onPath = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
    const places = [process.env[variable], ...onPath, join(homedir(), ".cache/holdfast", name)];
    return places.find((place) => place !== undefined && existsSync(place));
  };
  return {
    path,
    missing() {
      const program = path();
      const isThere = program !== undefined && spawnSync(program, ["--version"]).status === 0;
      return isThere
        ? undefined
        : `${title} is not installed (scripts/install-engines.sh, or set ${variable})`;
    },
  };
}

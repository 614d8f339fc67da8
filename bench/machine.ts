/**
 * @module
 * What the numbers were measured on.
 */
import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";

/** Lines of `name: value` for the report. */
export function machine(folder: string): [name: string, value: string][] {
  const processors = cpus();
  return [
    ["CPU", `${processors[0]?.model.trim() ?? "unknown"}, ${processors.length} cores`],
    ["Memory", `${(totalmem() / 1024 ** 3).toFixed(0)} GB`],
    ["File system", `${fileSystem(folder)}, of the system's temporary folder`],
    ["System", `${process.platform} ${process.arch}`],
    ["Node.js", process.version],
    ["SQLite", process.versions.sqlite ?? "unknown"],
  ];
}

function fileSystem(folder: string): string {
  if (process.platform !== "linux") return "unknown";
  return (
    execFileSync("df", ["--output=fstype", folder], { encoding: "utf8" }).split("\n")[1] ?? "unknown"
  ).trim();
}

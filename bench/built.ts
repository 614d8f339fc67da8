/**
 * @module
 * The package as it is installed, for what must be measured on that.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..");
export const ENTRY = join(ROOT, "dist/index.js");

/** Builds the package unless it is newer than all its sources. */
export function buildPackage(): void {
  const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" });
  const newest = Math.max(...sources.map((name) => statSync(join(ROOT, "src", name)).mtimeMs));
  if (existsSync(ENTRY) && statSync(ENTRY).mtimeMs > newest) return;
  execFileSync("npm", ["run", "build", "--silent"], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
}

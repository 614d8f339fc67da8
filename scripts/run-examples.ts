/** Runs every example; fails when one does. A folder that has an example's name holds its parts, which it runs itself. */
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const folder = join(import.meta.dirname, "../examples");
const found = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".ts")).sort();
const names = found.filter((name) => !found.includes(`${dirname(name)}.ts`));
let failed = 0;
for (const name of names) {
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", join(folder, name)],
      {
        timeout: 60_000,
      },
    );
    console.log(`ok ${name}\n${stdout.replaceAll(/^/gm, "   ").trimEnd()}`);
  } catch (error) {
    failed += 1;
    console.error(`FAILED ${name}`, error);
  }
}
console.log(`${names.length - failed} examples passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/**
 * Compiles and runs every code block of the README and the docs.
 *
 * `ts` blocks are type-checked together and run each in a folder of its own. `sh` blocks run in one folder a page, so
 * that a later block finds what an earlier one made. A block whose first line is `# not run: REASON` says why it isn't.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");
// Inside the package, so that `import "holdfast"` means what users will import: the build.
const blocksFolder = join(root, ".docs-check");

interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly code: string;
}

async function pages(): Promise<string[]> {
  const found = await readdir(join(root, "docs"), { recursive: true });
  return ["README.md", "CONTRIBUTING.md", ...found.map((name) => join("docs", name))].filter((name) =>
    name.endsWith(".md"),
  );
}

async function blocksOf(page: string): Promise<Block[]> {
  const blocks: Block[] = [];
  const lines = (await readFile(join(root, page), "utf8")).split("\n");
  let open: { line: number; language: string; code: string[] } | undefined;
  lines.forEach((text, index) => {
    const fence = /^```(\w*)/.exec(text);
    if (!fence) open?.code.push(text);
    else if (open) {
      blocks.push({ page, line: open.line, language: open.language, code: `${open.code.join("\n")}\n` });
      open = undefined;
    } else open = { line: index + 1, language: fence[1] ?? "", code: [] };
  });
  return blocks;
}

const blocks = (await Promise.all((await pages()).map(blocksOf))).flat();
const scratch = await mkdtemp(join(tmpdir(), "holdfast-docs-"));
let failed = 0;
let passed = 0;

async function attempt(block: Block, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
    passed += 1;
  } catch (error) {
    failed += 1;
    const output =
      error instanceof Error && "stderr" in error && "stdout" in error
        ? `${error.stdout}${error.stderr}`
        : String(error);
    console.error(`${block.page}:${block.line} failed\n${output}`);
  }
}

await rm(blocksFolder, { recursive: true, force: true });
await mkdir(blocksFolder);
try {
  const typescript = blocks.filter((block) => block.language === "ts" && !/^\/\/ not run: /.test(block.code));
  const files = await Promise.all(
    typescript.map(async (block) => {
      const name = `${block.page.replaceAll(/[^a-z0-9]+/gi, "-")}-${block.line}.ts`;
      await writeFile(join(blocksFolder, name), `${block.code}\nexport {};\n`);
      return { block, file: join(blocksFolder, name) };
    }),
  );
  await writeFile(
    join(blocksFolder, "tsconfig.json"),
    JSON.stringify({
      extends: "../tsconfig.json",
      // No paths: the blocks see the types that were built, as users will.
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, paths: {} },
      include: ["*.ts"],
    }),
  );
  await run(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), "--noEmit", "-p", blocksFolder],
    {
      cwd: root,
    },
  ).catch((error: unknown) => {
    failed += 1;
    console.error(error instanceof Error && "stdout" in error ? error.stdout : error);
  });
  for (const { block, file } of files) {
    await attempt(block, async () => {
      const cwd = await mkdtemp(join(scratch, "ts-"));
      await run(process.execPath, ["--disable-warning=ExperimentalWarning", file], { cwd, timeout: 60_000 });
    });
  }

  const bin = join(scratch, "bin");
  await mkdir(bin);
  const launcher = `#!/bin/sh\nexec "${process.execPath}" --disable-warning=ExperimentalWarning "${join(root, "dist/cli/main.js")}" "$@"\n`;
  await writeFile(join(bin, "holdfast"), launcher, { mode: 0o755 });
  await writeFile(join(bin, "npx"), `#!/bin/sh\nexec "$@"\n`, { mode: 0o755 });
  for (const page of new Set(blocks.map((block) => block.page))) {
    const shell = blocks.filter((block) => block.page === page && ["sh", "bash"].includes(block.language));
    const cwd = await mkdtemp(join(scratch, "sh-"));
    await cp(join(root, "docs/fixtures"), cwd, { recursive: true, force: true }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      },
    );
    for (const block of shell) {
      const reason = /^# not run: (.*)/.exec(block.code)?.[1];
      if (reason) {
        console.log(`${block.page}:${block.line} not run: ${reason}`);
        continue;
      }
      await attempt(block, () =>
        run("bash", ["-euo", "pipefail", "-c", block.code], {
          cwd,
          timeout: 60_000,
          env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
        }),
      );
    }
  }
} finally {
  await rm(blocksFolder, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
}
console.log(`${relative(process.cwd(), root) || "."}: ${passed} code blocks passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

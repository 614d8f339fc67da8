/**
 * @module
 * `holdfast export`: sessions as lines of JSON, lossless.
 */
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { nameOf } from "../../stores/file/names.ts";
import { cleanJson } from "../clean.ts";
import type { AnySessions } from "../context.ts";
import { withStore } from "../context.ts";
import { usageError } from "../failure.ts";
import { count } from "../format.ts";
import { examples } from "../help.ts";
import { resolveId } from "../ids.ts";
import { interruptible, stopPoint } from "../interrupt.ts";
import type { Output } from "../output.ts";
import { createProgress } from "../progress.ts";

interface ExportOptions {
  readonly all?: boolean;
  readonly output?: string;
}

export function registerExport(program: Command): void {
  const command = program
    .command("export")
    .argument("[id...]", "the sessions' ids, or their beginnings")
    .summary("write sessions as lines of JSON")
    .description(
      "Writes sessions as lines of JSON, with all that they inherit, so that each stands for itself. `holdfast import` reads them.",
    )
    .option("--all", "every session")
    .option(
      "-o, --output <path>",
      "a file ending in .jsonl, or a folder that gets a file a session (default: stdout)",
    );
  examples(command, [
    ["holdfast export 019a3f -o flight.jsonl", "one session, one file"],
    ["holdfast export --all -o backup/", "a file a session"],
    ["holdfast export --all | gzip > all.jsonl.gz", "everything, in a pipe"],
  ]).action(async (ids: string[], options: ExportOptions, self: Command) => {
    if (ids.length > 0 === (options.all === true))
      throw usageError("name the sessions to export, or pass --all");
    await withStore(self, "existing", async ({ output, sessions }) => {
      const wanted: string[] = [];
      for (const id of ids) wanted.push(await resolveId(sessions, id));
      if (options.all) for await (const { id } of sessions.all({ limit: 1000 })) wanted.push(id);
      await interruptible((signal) => exportTo(output, sessions, wanted, options.output, signal));
    });
  });
}

async function exportTo(
  output: Output,
  sessions: AnySessions,
  ids: readonly string[],
  path: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const progress = createProgress(output, "export");
  let done = 0;
  async function* all(): AsyncGenerator<string> {
    for (const id of ids) {
      for await (const line of sessions.export(id)) yield `${line}\n`;
      await stopPoint(signal, () => "the export was stopped");
      done += 1;
      if (path !== undefined) progress.update(done, ids.length);
    }
  }
  try {
    if (path === undefined) {
      const raw = !process.stdout.isTTY;
      for await (const line of all()) {
        process.stdout.write(raw ? line : `${cleanJson(line.trimEnd())}\n`);
        await output.drained();
      }
      return;
    }
    if (path.endsWith(".jsonl") && !(await isFolder(path))) {
      await writeWhole(path, all());
    } else {
      await mkdir(path, { recursive: true });
      for (const id of ids) {
        await writeWhole(join(path, `${nameOf(id)}.jsonl`), withLineEnds(sessions.export(id)));
        await stopPoint(
          signal,
          () => `the export was stopped after ${count(done, "session")}; run the same command again`,
        );
        done += 1;
        progress.update(done, ids.length);
      }
    }
  } finally {
    progress.stop();
  }
  if (output.json) output.value({ sessions: ids.length, output: path });
  else output.note(`${count(ids.length, "session")} written to ${path}`);
}

async function* withLineEnds(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}

/** Writes beside the file and renames, so that a file of that name is always whole. */
async function writeWhole(path: string, lines: AsyncIterable<string>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}.part`;
  try {
    await pipeline(Readable.from(lines), createWriteStream(part, { flush: true }));
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}

/**
 * @module
 * `holdfast import`: brings sessions in, from Holdfast's own exports and from the files of other tools.
 */
import type { Command } from "commander";
import { Option } from "commander";
import type { SessionRecord } from "../../index.ts";
import { clean, cleanLine } from "../clean.ts";
import type { AnySessions } from "../context.ts";
import { outputOf, storeUrl, withStore } from "../context.ts";
import { CliError, failureOf } from "../failure.ts";
import type { ForeignResult } from "../foreign.ts";
import { foreignImporter } from "../foreign.ts";
import { count } from "../format.ts";
import { examples } from "../help.ts";
import type { ImportFormat } from "../import/index.ts";
import { IMPORT_FORMATS, readTranscripts } from "../import/index.ts";
import { interruptible, stopPoint } from "../interrupt.ts";
import type { NativeSession } from "../native.ts";
import { importNative, linesOf, nativeSessions } from "../native.ts";
import type { Output } from "../output.ts";
import { createProgress } from "../progress.ts";
import { exists, placeOf } from "../store-place.ts";
import { paint, paintError } from "../style.ts";

interface ImportOptions {
  readonly format?: ImportFormat;
  readonly dryRun?: boolean;
}

interface Tally {
  imported: number;
  updated: number;
  unchanged: number;
  messages: number;
  problems: number;
}

export function registerImport(program: Command): void {
  const command = program
    .command("import")
    .argument("<path...>", "files and folders; `-` reads Holdfast's own lines from stdin")
    .summary("bring in sessions, also those of other tools")
    .description(
      `Brings in the sessions of files, and of folders of them. The content says what a file is: ${IMPORT_FORMATS.join(", ")}. ` +
        "What is in the store already is not brought in again; what it got since is added. What cannot be read is told with file and line, and the rest still comes in.",
    )
    .addOption(new Option("--format <format>", "read every file as this").choices(IMPORT_FORMATS))
    .option("--dry-run", "say what would come in, and write nothing");
  examples(command, [
    ["holdfast import ~/.claude/projects", "every transcript of Claude Code"],
    ["holdfast import runs/ --dry-run", "what is in a folder"],
    ["holdfast export 019a3f | holdfast --store file:./copy import -", "one session into another store"],
  ]).action(async (paths: string[], options: ImportOptions, self: Command) => {
    const dryRun = options.dryRun === true;
    if (dryRun && !(await exists(placeOf(storeUrl(self))))) {
      await importAll(outputOf(self), undefined, paths, options);
      return;
    }
    await withStore(self, dryRun ? "existing" : "create", ({ output, sessions }) =>
      importAll(output, sessions, paths, options),
    );
  });
}

async function importAll(
  output: Output,
  sessions: AnySessions | undefined,
  paths: readonly string[],
  { format, dryRun = false }: ImportOptions,
): Promise<void> {
  const tally: Tally = { imported: 0, updated: 0, unchanged: 0, messages: 0, problems: 0 };
  const importer = foreignImporter(sessions, dryRun);
  const progress = createProgress(output, "import");

  const problem = (file: string, message: string, line?: number): void => {
    tally.problems += 1;
    const place = `${cleanLine(file)}${line === undefined ? "" : `:${line}`}`;
    progress.above(() =>
      output.warn(`${paintError("yellow", "problem")} ${place}: ${clean(message)}`, {
        problem: { file, ...(line !== undefined && { line }), message },
      }),
    );
  };
  const done = (result: ForeignResult, record?: SessionRecord): void => {
    tally[result.status] += 1;
    tally.messages += result.added;
    if (output.json) output.value({ ...result, ...(dryRun && { dryRun }) });
    else if (dryRun && result.status !== "unchanged") {
      const label = record?.label === undefined ? "" : `  ${cleanLine(record.label)}`;
      output.line(
        `${paint("yellow", cleanLine(result.id))}${label}  ${paint("dim", `would add ${count(result.added, "message")}`)}`,
      );
    }
  };
  const native = async (file: string, one: NativeSession): Promise<void> => {
    try {
      const { record, ...result } = await importNative(sessions, one, dryRun);
      done(result, record);
    } catch (error) {
      problem(file, failureOf(error).message, one.line);
    }
  };

  await interruptible(async (signal) => {
    const check = (): Promise<void> =>
      stopPoint(signal, () => `${summary(tally, dryRun)}; run the same command again to go on`);
    try {
      for (const path of paths) {
        if (path === "-") {
          for await (const one of nativeSessions(linesOf(path))) {
            await native("stdin", one);
            await check();
          }
          continue;
        }
        const onProgress = (read: number, total: number): void => progress.update(read, total);
        for await (const event of readTranscripts(path, {
          ...(format !== undefined && { format }),
          onProgress,
        })) {
          if (event.type === "problem") problem(event.file, event.message, event.line);
          else if (event.type === "native") {
            for await (const one of nativeSessions(linesOf(event.file))) {
              await native(event.file, one);
              await check();
            }
          } else {
            try {
              done(await importer.add(event.session));
            } catch (error) {
              problem(path, `${event.session.sourceId}: ${failureOf(error).message}`);
            }
          }
          await check();
        }
      }
    } finally {
      progress.stop();
    }
  });
  if (output.json) output.value({ summary: { ...tally, dryRun } });
  else output.line(summary(tally, dryRun));
  if (tally.problems > 0) {
    throw new CliError(
      "CHECK_FAILED",
      `${count(tally.problems, "problem")} ${tally.problems === 1 ? "was" : "were"} met; all the rest came in`,
    );
  }
}

function summary({ imported, updated, unchanged, messages }: Tally, dryRun: boolean): string {
  const parts = [
    `${count(imported, "session")} ${dryRun ? "would come in" : "imported"}`,
    ...(updated > 0 ? [`${updated} ${dryRun ? "would be updated" : "updated"}`] : []),
    ...(unchanged > 0 ? [`${unchanged} there already`] : []),
  ];
  return `${parts.join(", ")} (${count(messages, "message")})`;
}

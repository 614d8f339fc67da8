/**
 * @module
 * `holdfast conformance`: runs the suite that every store must pass.
 */
import { json } from "node:stream/consumers";
import type { Command } from "commander";
import { Option } from "commander";
import { createStore } from "../../index.ts";
import { isPlainObject } from "../../log/values.ts";
import type { ConformanceReport, WriterTask } from "../../store/conformance/index.ts";
import { cleanLine } from "../clean.ts";
import { outputOf, storeUrl } from "../context.ts";
import { CliError, usageError } from "../failure.ts";
import { count, wholeNumber } from "../format.ts";
import { examples } from "../help.ts";
import type { Output } from "../output.ts";
import { createProgress } from "../progress.ts";
import { scratchHarness } from "../scratch-harness.ts";
import { paint } from "../style.ts";
import { table } from "../table.ts";

interface ConformanceCommandOptions {
  readonly only?: string;
  readonly seed?: number;
}

export function registerConformance(program: Command): void {
  const command = program
    .command("conformance")
    .summary("run the suite that every store must pass")
    .description(
      "Runs the conformance suite on the engine that --store names, in a temporary place of its own: what the store holds is neither read nor touched.",
    )
    .option("--only <prefix>", "only the cases whose key begins so, for example commit/")
    .addOption(new Option("--seed <n>", "what random choices are drawn from").argParser(wholeNumber(0)));
  examples(command, [
    ["holdfast --store sqlite:any.db conformance", "all of it, on SQLite"],
    ["holdfast --store memory: conformance --only fork/", "one part"],
  ]).action(async ({ only, seed }: ConformanceCommandOptions, self: Command) => {
    const { conformanceReport, conformanceCases } = await import("../../store/conformance/index.ts");
    if (only !== undefined && !conformanceCases.some(({ key }) => key.startsWith(only))) {
      const groups = new Set(conformanceCases.map(({ key }) => key.slice(0, key.indexOf("/") + 1)));
      throw usageError(
        `no case has a key that begins with ${JSON.stringify(only)}; the parts are ${[...groups].join(" ")}`,
      );
    }
    const output = outputOf(self);
    const progress = createProgress(output, "conformance");
    let done = 0;
    const report = await conformanceReport(scratchHarness(storeUrl(self)), {
      ...(only !== undefined && { only }),
      ...(seed !== undefined && { seed }),
      onCase: (result, of) => {
        done += 1;
        progress.update(done, of);
        if (output.json) output.value(result);
      },
    }).finally(() => progress.stop());
    const { store, passed, failed, unsupported } = report;
    if (output.json)
      output.value({ summary: { store, passed, failed, unsupported, capabilities: report.capabilities } });
    else print(output, report);
    if (failed > 0)
      throw new CliError("CHECK_FAILED", `${count(failed, "case")} failed on the ${store} store`);
  });

  // The other process of the cases that need one.
  program.command("conformance-writer", { hidden: true }).action(async (_options: object, self: Command) => {
    const task: unknown = await json(process.stdin);
    if (!isTask(task)) throw usageError("this command is for `holdfast conformance` only");
    const { runWriterTask } = await import("../../store/conformance/index.ts");
    const store = await createStore(storeUrl(self));
    try {
      process.stdout.write(JSON.stringify(await runWriterTask(store, task)));
    } finally {
      await store.close();
    }
  });
}

function isTask(value: unknown): value is WriterTask {
  return (
    isPlainObject(value) &&
    typeof value.sessionId === "string" &&
    typeof value.name === "string" &&
    typeof value.appends === "number"
  );
}

const MARKS = {
  passed: ["green", "✓ passed"],
  failed: ["red", "✗ failed"],
  unsupported: ["yellow", "– lacking"],
} as const;

function print(
  output: Output,
  { store, cases, passed, failed, unsupported, capabilities }: ConformanceReport,
): void {
  const rows = cases.map(({ key, clause, status, ms, title, lacks }) => [
    MARKS[status][1],
    clause,
    key,
    `${ms} ms`,
    cleanLine(lacks === undefined ? title : `needs ${lacks}`),
  ]);
  const columns = [
    { title: "RESULT" },
    { title: "CLAUSE" },
    { title: "CASE" },
    { title: "TIME", align: "right" },
    { title: "WHAT", shrinks: true },
  ] as const;
  const lines = table(columns, rows, (text, column, row) => {
    const status = cases[row]?.status ?? "failed";
    return column === 0 ? paint(MARKS[status][0], text) : column === 3 ? paint("dim", text) : text;
  });
  for (const line of lines) output.line(line);
  for (const { key, error } of cases)
    if (error !== undefined) output.line(`\n${paint("red", key)}\n  ${cleanLine(error)}`);
  const said = Object.entries(capabilities).map(([name, value]) => `${name} ${String(value)}`);
  output.line(
    `\n${paint("bold", store)}: ${passed} passed, ${failed} failed, ${unsupported} not run for what is lacking`,
  );
  output.line(paint("dim", said.join(" · ")));
}

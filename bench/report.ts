/**
 * @module
 * The rows as people read them: a table on the terminal, and `bench/results.md`.
 */
import type { Row } from "./rows.ts";
import { isMet } from "./rows.ts";

const HEADINGS: Readonly<Record<string, string>> = {
  append: "Appending one message, on the disk before the next",
  history: "Long histories",
  bytes: "Bytes",
  "at-once": "Many sessions at once",
  list: "Lists and search",
  walk: "Memory",
  processes: "Two processes, one session",
  package: "The package",
  agent: "Agents",
  postgres: "PostgreSQL",
  mysql: "MySQL and MariaDB",
  redis: "Redis",
  mongodb: "MongoDB",
  opensearch: "OpenSearch",
  peers: "Beside rewriting the whole file",
};

const COLUMNS = ["measure", "value", "spread", "bar", "", "note"] as const;

/** Rows as text, in columns. */
export function table(rows: readonly Row[]): string {
  const lines = [COLUMNS, ...rows.map((one) => [...cellsOf(one), one.note ?? ""])];
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export interface Report {
  readonly rows: readonly Row[];
  readonly machine: readonly (readonly [name: string, value: string])[];
  readonly command: string;
  readonly transcripts: string;
  readonly date: string;
}

/** The report as Markdown. */
export function markdown({ rows, machine, command, transcripts, date }: Report): string {
  const suites = [...new Set(rows.map(({ suite }) => suite))];
  const bars = rows.filter((one) => one.bar);
  const missed = bars.filter((one) => !isMet(one));
  return `# Benchmark results

Made by \`${command}\` on ${date}; to be made again, not to be edited.

${machine.map(([name, value]) => `- ${name}: ${value}`).join("\n")}
- Messages: ${transcripts}

Each ratio is of two things measured in turns in one process, so that a busy machine slows both: the value is the median
of the rounds, the spread their 10th to 90th percentile. A floor is the same engine driven by hand (\`bench/floors\`).
Rows without a bar are for information.

${bars.length - missed.length} of ${bars.length} bars are met${missed.length === 0 ? "." : `; missed: ${missed.map(({ measure }) => measure).join("; ")}.`}

${suites
  .map((suite) =>
    section(
      suite,
      rows.filter((one) => one.suite === suite),
    ),
  )
  .join("\n\n")}
`;
}

function section(suite: string, rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    `## ${HEADINGS[suite] ?? suite}`,
    "",
    line(["measure", "value", "spread", "bar", "", "note"]),
    "|---|--:|--:|--:|---|---|",
    ...rows.map((one) => line([...cellsOf(one), one.note ?? ""])),
  ].join("\n");
}

function cellsOf(one: Row): string[] {
  const { measure, value, unit, spread, bar } = one;
  const met = isMet(one);
  return [
    measure,
    withUnit(value, unit),
    spread ? `${digits(spread.low)}–${digits(spread.high)}` : "",
    bar ? ("atMost" in bar ? `≤ ${withUnit(bar.atMost, unit)}` : `≥ ${withUnit(bar.atLeast, unit)}`) : "",
    met === undefined ? "" : met ? "ok" : "MISSED",
  ];
}

function withUnit(value: number, unit: Row["unit"]): string {
  return unit === "" || unit === "×" ? `${digits(value)}${unit}` : `${digits(value)} ${unit}`;
}

/** Three significant digits, and no more than are there. */
function digits(value: number): string {
  if (Number.isInteger(value)) return String(value);
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

/**
 * @module
 * `npm run bench`: every measure beside its floor, in one run. Ends with exit code 1 where a bar is missed.
 *
 * - `--quick`: a short run that proves that everything works. Its times are rough: they are not written down, and only
 *   bars on what is counted (bytes, stored messages, errors) decide its exit code.
 * - `--only NAME`: one suite (repeat for more); not written down either.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { charts } from "./charts.ts";
import { longFixtures } from "./fixtures.ts";
import { benchFolder } from "./folder.ts";
import { machine } from "./machine.ts";
import { loadTranscripts } from "./messages.ts";
import { markdown, table } from "./report.ts";
import type { Bench, Row, Suite } from "./rows.ts";
import { isMet } from "./rows.ts";
import { agents } from "./suites/agent.ts";
import { append } from "./suites/append.ts";
import { atOnce } from "./suites/at-once.ts";
import { bytes } from "./suites/bytes.ts";
import { encrypted } from "./suites/encrypted.ts";
import { history } from "./suites/history.ts";
import { list } from "./suites/list.ts";
import { offloaded } from "./suites/offloaded.ts";
import { packaged } from "./suites/package.ts";
import { peers } from "./suites/peers.ts";
import { processes } from "./suites/processes.ts";
import { redacted } from "./suites/redacted.ts";
import { servers } from "./suites/servers.ts";
import { traced } from "./suites/traced.ts";
import { walk } from "./suites/walk.ts";

const SUITES: readonly Suite[] = [
  append,
  traced,
  atOnce,
  bytes,
  processes,
  peers,
  packaged,
  agents,
  history,
  walk,
  list,
  encrypted,
  offloaded,
  redacted,
  ...servers,
];

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
  },
});
const unknown = values.only.filter((name) => !SUITES.some((suite) => suite.name === name));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(", ")}; there is ${SUITES.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const suites = SUITES.filter(({ name }) => values.only.length === 0 || values.only.includes(name));
const rows = await runAll(suites, values.quick);
const missed = rows.filter((one) => isMet(one) === false);
console.log(`\n${missed.length === 0 ? "every bar is met" : `MISSED:\n${table(missed)}`}`);
// In a short run only what is counted is sure; what is timed is not.
const failing = values.quick ? missed.filter((one) => !one.spread) : missed;
process.exitCode = failing.length === 0 ? 0 : 1;

async function runAll(chosen: readonly Suite[], isQuick: boolean): Promise<Row[]> {
  const folder = benchFolder();
  const transcripts = loadTranscripts();
  const long = longFixtures(folder, transcripts, isQuick ? 10_000 : 100_000);
  const bench: Bench = { isQuick, folder, transcripts, long };
  const all: Row[] = [];
  const about = machine(folder.path);
  for (const [name, value] of about) console.log(`${name}: ${value}`);
  console.log(`Messages: ${transcripts.source}`);
  try {
    for (const suite of chosen) {
      const startedAt = performance.now();
      const found = await suite.run(bench).catch((error: unknown) => [failed(suite, error)]);
      all.push(...found);
      console.log(
        `\n${suite.name} (${((performance.now() - startedAt) / 1000).toFixed(0)} s)\n${table(found)}`,
      );
    }
  } finally {
    folder.remove();
  }
  if (!isQuick && chosen.length === SUITES.length) {
    const date = new Date().toISOString().slice(0, 10);
    const report = {
      rows: all,
      machine: about,
      command: "npm run bench",
      transcripts: transcripts.source,
      date,
    };
    writeFileSync(join(import.meta.dirname, "results.md"), markdown(report));
    writeCharts(all);
  }
  return all;
}

/** A suite that can't be run is a bar that is missed, and no reason to leave out the others. */
function failed({ name }: Suite, error: unknown): Row {
  console.error(error);
  return {
    suite: name,
    measure: `${name}: could not be measured`,
    value: Number.NaN,
    unit: "",
    bar: { atMost: 0 },
  };
}

function writeCharts(all: readonly Row[]): void {
  const folder = join(import.meta.dirname, "../docs/charts");
  mkdirSync(folder, { recursive: true });
  for (const [name, svg] of charts(all)) writeFileSync(join(folder, name), svg);
}

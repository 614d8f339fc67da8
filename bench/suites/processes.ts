/**
 * @module
 * Two processes that append to one session at the same time.
 */
import { once } from "node:events";
import { resultOf, startChild } from "../children/run.ts";
import { summary } from "../measure.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { openStore, sessionsOver } from "../stores.ts";

const NAME = "processes";
const APPENDS = 50;

type Manner = "at once" | "one after another";

export const processes: Suite = {
  name: NAME,
  async run(bench) {
    const rows: Row[] = [];
    for (const engine of ["file", "sqlite"] as const) {
      for (const manner of ["at once", "one after another"] as const)
        rows.push(...(await contended(bench, engine, manner)));
    }
    return rows;
  },
};

async function contended(bench: Bench, engine: "file" | "sqlite", manner: Manner): Promise<Row[]> {
  let [least, failed] = [Number.POSITIVE_INFINITY, 0];
  const times: number[] = [];
  const rounds = bench.isQuick ? 1 : 5;
  for (let round = 0; round < rounds; round += 1) {
    const { stored, failures, ms } = await oneRound(bench, engine, manner);
    least = Math.min(least, stored);
    failed += failures;
    times.push(ms);
  }
  const title = `${engine}: ${APPENDS} appends to one session, 25 from each of two processes, ${manner}`;
  const { value, low, high } = summary(times);
  const note = `${value.toFixed(0)} ms (${low.toFixed(0)}–${high.toFixed(0)}); the fewest of ${rounds} rounds`;
  return [
    { suite: NAME, measure: `${title}: stored`, value: least, unit: "", bar: { atLeast: APPENDS }, note },
    { suite: NAME, measure: `${title}: errors`, value: failed, unit: "", bar: { atMost: 0 } },
  ];
}

async function oneRound(bench: Bench, engine: "file" | "sqlite", manner: Manner) {
  const folder = bench.folder.fresh("processes");
  const id = "shared";
  const creator = sessionsOver(openStore(engine, folder));
  await creator.create({ id });
  await creator.close();

  const children = ["a", "b"].map((name) =>
    startChild("writer.ts", [engine, folder, name, id, String(APPENDS / 2), manner], "pipe"),
  );
  const results = children.map((child) => resultOf(child, "writer.ts"));
  await Promise.all(children.map((child) => child.stdout && once(child.stdout, "data")));
  for (const child of children) child.stdin?.end("go\n");
  const answers = await Promise.all(results);

  const reader = sessionsOver(openStore(engine, folder));
  const messages = await (await reader.open(id)).messages();
  await reader.close();
  bench.folder.remove(folder);
  return {
    stored:
      new Set(messages.map((message) => message.content)).size === messages.length
        ? messages.length
        : Number.NaN,
    failures: answers.reduce((sum, [failures = Number.NaN]) => sum + failures, 0),
    ms: Math.max(...answers.map(([, ms = Number.NaN]) => ms)),
  };
}

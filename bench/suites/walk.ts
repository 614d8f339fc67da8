/**
 * @module
 * Memory while a long session is read from end to end, in a process of its own.
 */
import { runChild } from "../children/run.ts";
import { summary } from "../measure.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { row } from "../rows.ts";
import type { Engine } from "../stores.ts";
import { ENGINES } from "../stores.ts";

const NAME = "walk";

export const walk: Suite = {
  name: NAME,
  async run(bench) {
    const rows: Row[] = [];
    for (const engine of ENGINES) rows.push(await walked(bench, engine));
    return rows;
  },
};

async function walked(bench: Bench, engine: Engine): Promise<Row> {
  const { folder, messages } = await bench.long(engine);
  const growths: number[] = [];
  const times: number[] = [];
  for (let round = 0; round < (bench.isQuick ? 1 : 3); round += 1) {
    const [growthBytes, ms] = await runChild("walk.ts", [engine, folder, String(messages)]);
    growths.push((growthBytes ?? Number.NaN) / 1024 / 1024);
    times.push(ms ?? Number.NaN);
  }
  const title = `${engine}: growth of resident memory, walking ${messages.toLocaleString("en-US")} messages`;
  return row(NAME, title, summary(growths), "MB", {
    bar: { atMost: 64 },
    note: `${summary(times).value.toFixed(0)} ms`,
  });
}

/**
 * @module
 * What looking for secrets and personal data adds to a commit of one message, over a store that does the least.
 */

import type { Commit, SessionStore } from "../../src/index.ts";
import { memoryStore } from "../../src/index.ts";
import type { RedactionRule } from "../../src/layers/redacted.ts";
import { personalData, redactedStore, secrets } from "../../src/layers/redacted.ts";
import { appendOf, creation } from "../build.ts";
import type { Part } from "../measure.ts";
import { each, interleave, part, ratio, timed } from "../measure.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { budgetOf, microseconds, row, scaled } from "../rows.ts";

const NAME = "redacted";
/** Appends in one turn. */
const COUNT = 50;
const TURNS = 4;
const LONG_BYTES = 1_000_000;

export const redacted: Suite = {
  name: NAME,
  async run(bench) {
    const plain = appending(bench, memoryStore());
    const kinds: readonly (readonly [string, Part])[] = [
      ["secrets", appending(bench, around([secrets()]))],
      ["secretlint's rules alone", appending(bench, around([secrets({ patterns: false, assigned: false })]))],
      ["personal data", appending(bench, around([personalData()]))],
      ["both", appending(bench, around([secrets(), personalData()]))],
    ];
    const rounds = { most: 40, budgetMs: budgetOf(bench, 10_000), turns: TURNS, warmUps: 2 };
    await interleave([plain, ...kinds.map(([, one]) => one)], rounds);
    const perCommit = COUNT * TURNS;
    const rows: Row[] = kinds.map(([title, one]) =>
      row(NAME, `memory: one store.commit, ${title}`, scaled(each(one, perCommit), 1000), "µs", {
        note: `${ratio(one, plain).value.toFixed(1)} × one without, ${microseconds(each(plain, perCommit))} µs`,
      }),
    );
    return [...rows, await longText(bench)];
  },
};

function around(redact: readonly RedactionRule[]): SessionStore {
  return redactedStore(memoryStore(), { redact });
}

/** Commits of one message each, made before. */
function appending(bench: Bench, store: SessionStore): Part {
  let commits: Commit[] = [];
  return part(
    async (_round, turn) => {
      for (const commit of commits.slice(turn * COUNT, (turn + 1) * COUNT)) await store.commit([commit]);
    },
    async (round) => {
      const created = creation({ id: `s${round}` });
      await store.commit([created.commit]);
      let { record } = created;
      commits = Array.from({ length: COUNT * TURNS }, (_, index) => {
        const step = appendOf(record, bench.transcripts.at(round * COUNT * TURNS + index));
        record = step.record;
        return step.commit;
      });
    },
  );
}

/** One text of a megabyte, such as a file that a tool read. */
async function longText(bench: Bench): Promise<Row> {
  const store = around([secrets(), personalData()]);
  const words = bench.transcripts.messages.map((message) => JSON.stringify(message)).join("\n");
  const content = words.repeat(Math.ceil(LONG_BYTES / words.length)).slice(0, LONG_BYTES);
  const times: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    const created = creation({ id: `long${round}` });
    await store.commit([created.commit]);
    const { commit } = appendOf(created.record, { role: "tool", content });
    const ms = await timed(() => store.commit([commit]));
    if (round > 0) times.push(ms);
  }
  times.sort((a, b) => a - b);
  const [low = Number.NaN, , value = Number.NaN, , high = Number.NaN] = times;
  return row(NAME, "memory: one store.commit of a text of 1 MB, both", { value, low, high }, "ms");
}

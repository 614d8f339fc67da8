/**
 * @module
 * One message after another, each on the disk before the next: how much more than the engine alone.
 */
import type { Commit } from "../../src/index.ts";
import { appendOf, creation } from "../build.ts";
import { fileFloor } from "../floors/file.ts";
import { memoryFloor } from "../floors/memory.ts";
import { sqliteFloor } from "../floors/sqlite.ts";
import type { Measured, Part } from "../measure.ts";
import { each, interleave, part, ratio } from "../measure.ts";
import type { BenchMessage } from "../messages.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { microseconds, row, scaled } from "../rows.ts";
import type { Durability, Engine } from "../stores.ts";
import { openStore, sessionsOver } from "../stores.ts";

const NAME = "append";
const BAR = { atMost: 1.5 };
/** Appends in one turn: some milliseconds. */
const COUNT = 20;

export const append: Suite = {
  name: NAME,
  async run(bench) {
    const rows: Row[] = [];
    for (const durability of ["full", "normal"] as const) rows.push(...(await onSqlite(bench, durability)));
    for (const durability of ["full", "normal"] as const) rows.push(...(await onFile(bench, durability)));
    return [...rows, ...(await inMemory(bench))];
  },
};

async function onSqlite(bench: Bench, durability: Durability): Promise<Row[]> {
  const synchronous = durability === "full" ? "FULL" : "NORMAL";
  const floorPath = bench.folder.fresh("floor");
  const smallPath = bench.folder.fresh("floor");
  const floor = sqliteFloor(floorPath, { synchronous, pageBytes: 4096 });
  const small = sqliteFloor(smallPath, { synchronous, pageBytes: 2048 });
  const byHand = (driven: typeof floor): Part =>
    part(
      (round, turn) => {
        for (const message of messagesOf(bench, round, turn)) driven.append(`s${round}`, message);
      },
      (round) => driven.create(`s${round}`),
    );
  const [floorPart, smallPart] = [byHand(floor), byHand(small)];
  const ours = await holdfastParts(bench, "sqlite", durability);
  await interleave([ours.session, floorPart, ours.commit, smallPart], roundsOf(bench));
  floor.close();
  small.close();
  await ours.close();
  for (const path of [floorPath, smallPath]) bench.folder.remove(path);
  const title = `sqlite ${durability}`;
  return [
    barRow(bench, title, ours.session, floorPart),
    row(NAME, `${title}: store.commit alone ÷ floor`, ratio(ours.commit, floorPart), "×"),
    row(
      NAME,
      `${title}: ÷ a floor with pages of 2 KiB, as the store has them`,
      ratio(ours.session, smallPart),
      "×",
    ),
  ];
}

async function onFile(bench: Bench, durability: Durability): Promise<Row[]> {
  const path = bench.folder.fresh("floor");
  const floor = fileFloor(path, durability === "full");
  const byHand = (name: string, write: typeof floor.append): Part =>
    part(
      async (round, turn) => {
        for (const message of messagesOf(bench, round, turn)) await write(`${name}${round}`, message);
      },
      (round) => floor.create(`${name}${round}`),
    );
  const floorPart = byHand("a", floor.append);
  const blocking = byHand("b", floor.appendBlocking);
  const ours = await holdfastParts(bench, "file", durability);
  await interleave([ours.session, floorPart, ours.commit, blocking], roundsOf(bench));
  await floor.close();
  await ours.close();
  bench.folder.remove(path);
  const title = `file ${durability}`;
  return [
    barRow(bench, title, ours.session, floorPart),
    row(NAME, `${title}: store.commit alone ÷ floor`, ratio(ours.commit, floorPart), "×"),
    row(NAME, `${title}: ÷ a floor whose write blocks`, ratio(ours.session, blocking), "×"),
  ];
}

async function inMemory(bench: Bench): Promise<Row[]> {
  const floor = memoryFloor();
  const texts = bench.transcripts.messages.map((message) => JSON.stringify(message));
  const floorPart = part(
    (round, turn) => {
      const from = turn * COUNT;
      for (const text of texts.slice(from, from + COUNT)) floor.append(`s${round}`, text);
    },
    (round) => floor.create(`s${round}`),
  );
  const ours = await holdfastParts(bench, "memory", "full");
  await interleave([ours.session, ours.commit, floorPart], roundsOf(bench));
  await ours.close();
  return [
    row(NAME, "memory: one append", scaled(perAppend(bench, ours.session), 1000), "µs", {
      note: `floor ${microseconds(perAppend(bench, floorPart))} µs`,
    }),
    row(NAME, "memory: one store.commit", scaled(perAppend(bench, ours.commit), 1000), "µs"),
  ];
}

interface HoldfastParts {
  /** Through `session.append`. */
  readonly session: Part;
  /** Through `store.commit`, with commits that were made before. */
  readonly commit: Part;
  close(): Promise<void>;
}

async function holdfastParts(bench: Bench, engine: Engine, durability: Durability): Promise<HoldfastParts> {
  const folder = bench.folder.fresh("holdfast");
  const sessions = sessionsOver(openStore(engine, folder, durability));
  const commitFolder = bench.folder.fresh("holdfast");
  const commitStore = openStore(engine, commitFolder, durability);
  let session = await sessions.create();
  let commits: Commit[] = [];
  return {
    session: part(
      async (round, turn) => {
        for (const message of messagesOf(bench, round, turn)) await session.append(message);
      },
      async (round) => {
        session = await sessions.create({ id: `s${round}` });
      },
    ),
    commit: part(
      async (_round, turn) => {
        for (const commit of commits.slice(turn * COUNT, (turn + 1) * COUNT))
          await commitStore.commit([commit]);
      },
      async (round) => {
        const created = creation({ id: `s${round}` });
        await commitStore.commit([created.commit]);
        let { record } = created;
        commits = Array.from({ length: roundsOf(bench).turns }).flatMap((_, turn) =>
          messagesOf(bench, round, turn).map((message) => {
            const step = appendOf(record, message);
            record = step.record;
            return step.commit;
          }),
        );
      },
    ),
    async close() {
      await sessions.close();
      await commitStore.close();
      for (const path of [folder, commitFolder]) bench.folder.remove(path);
    },
  };
}

function messagesOf(bench: Bench, round: number, turn: number): BenchMessage[] {
  const from = (round * roundsOf(bench).turns + turn) * COUNT;
  return Array.from({ length: COUNT }, (_, index) => bench.transcripts.at(from + index));
}

/** Rounds are long enough for SQLite to copy its log into the database about once in each. */
function roundsOf({ isQuick }: Bench) {
  return isQuick
    ? { most: 5, budgetMs: 3000, turns: 10, warmUps: 2 }
    : { most: 15, budgetMs: 15_000, turns: 20 };
}

function perAppend(bench: Bench, one: Part): Measured {
  return each(one, roundsOf(bench).turns * COUNT);
}

function barRow(bench: Bench, title: string, ours: Part, floor: Part): Row {
  const note = `${microseconds(perAppend(bench, ours))} µs; floor ${microseconds(perAppend(bench, floor))} µs`;
  return row(NAME, `${title}: append ÷ floor`, ratio(ours, floor), "×", { bar: BAR, note });
}

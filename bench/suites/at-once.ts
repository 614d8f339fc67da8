/**
 * @module
 * Many sessions that append at the same time: group commit.
 */
import type { Session } from "../../src/index.ts";
import { fileFloor } from "../floors/file.ts";
import { sqliteFloor } from "../floors/sqlite.ts";
import type { Part } from "../measure.ts";
import { each, interleave, part, ratio } from "../measure.ts";
import type { BenchMessage } from "../messages.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { budgetOf, microseconds, row } from "../rows.ts";
import type { Durability, Engine } from "../stores.ts";
import { openStore, sessionsOver } from "../stores.ts";

const NAME = "at-once";
const SESSIONS = 64;

export const atOnce: Suite = {
  name: NAME,
  async run(bench) {
    return [
      ...(await measure(bench, "sqlite", "full")),
      ...(await measure(bench, "file", "full")),
      ...(await measure(bench, "sqlite", "normal")),
      ...(await measure(bench, "file", "normal")),
    ];
  },
};

async function measure(bench: Bench, engine: "sqlite" | "file", durability: Durability): Promise<Row[]> {
  // As in `append`: rounds in which SQLite copies its log into the database, and code that is warm.
  const turns = bench.isQuick ? 2 : 40;
  const { sessions, open, folder } = await openSessions(bench, engine, durability);
  const messageOf = (round: number, turn: number): BenchMessage => bench.transcripts.at(round * turns + turn);
  const together = part((round, turn) => {
    const message = messageOf(round, turn);
    return Promise.all(open.map((session) => session.append(message)));
  });
  const inTurn = part(async (round, turn) => {
    const message = messageOf(round, turn);
    for (const session of open) await session.append(message);
  });
  const floor =
    engine === "sqlite"
      ? sqliteBatches(bench, durability, messageOf)
      : await fileBatches(bench, durability, messageOf);
  await interleave([together, inTurn, floor.part], {
    most: 15,
    turns,
    warmUps: 3,
    budgetMs: budgetOf(bench, 15_000),
  });
  await floor.close();
  await sessions.close();
  bench.folder.remove(folder);

  const hasBar = durability === "full";
  const title = `${engine} ${durability}: ${SESSIONS} sessions at once`;
  const perAppend = (one: Part): string => microseconds(each(one, turns * SESSIONS));
  return [
    row(NAME, `${title}, times as fast as one after another`, ratio(inTurn, together), "×", {
      ...(hasBar && { bar: { atLeast: 4 } }),
      note: `${perAppend(together)} and ${perAppend(inTurn)} µs an append`,
    }),
    row(NAME, `${title}, as fast as a floor that batches by hand`, ratio(floor.part, together), "×", {
      ...(hasBar && { bar: { atLeast: 0.6 } }),
      note: `floor ${perAppend(floor.part)} µs an append`,
    }),
  ];
}

async function openSessions(bench: Bench, engine: Engine, durability: Durability) {
  const folder = bench.folder.fresh("at-once");
  const sessions = sessionsOver(openStore(engine, folder, durability));
  const open: Session<BenchMessage>[] = [];
  for (const id of ids()) open.push(await sessions.create({ id, label: "bench" }));
  return { sessions, open, folder };
}

interface Floor {
  readonly part: Part;
  close(): Promise<void>;
}

type MessageOf = (round: number, turn: number) => BenchMessage;

/** One transaction with a guarded update and an insert for each session. */
function sqliteBatches(bench: Bench, durability: Durability, messageOf: MessageOf): Floor {
  const path = bench.folder.fresh("floor");
  const floor = sqliteFloor(path, {
    synchronous: durability === "full" ? "FULL" : "NORMAL",
    pageBytes: 4096,
  });
  for (const id of ids()) floor.create(id);
  return {
    part: part((round, turn) => floor.appendToAll(ids(), messageOf(round, turn))),
    async close() {
      floor.close();
      bench.folder.remove(path);
    },
  };
}

/** All appends under way at the same time, each with a sync of its own. */
async function fileBatches(bench: Bench, durability: Durability, messageOf: MessageOf): Promise<Floor> {
  const path = bench.folder.fresh("floor");
  const floor = fileFloor(path, durability === "full");
  for (const id of ids()) await floor.create(id);
  return {
    part: part((round, turn) => {
      const message = messageOf(round, turn);
      return Promise.all(ids().map((id) => floor.append(id, message)));
    }),
    async close() {
      await floor.close();
      bench.folder.remove(path);
    },
  };
}

function ids(): string[] {
  return Array.from({ length: SESSIONS }, (_, index) => `session-${index}`);
}

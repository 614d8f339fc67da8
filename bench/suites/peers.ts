/**
 * @module
 * Holdfast beside the way that many frameworks save a conversation: the whole of it, each time.
 */
import { statSync } from "node:fs";
import { buildSession } from "../build.ts";
import { bytesUnder } from "../folder.ts";
import type { Part } from "../measure.ts";
import { each, interleave, part, ratio } from "../measure.ts";
import type { BenchMessage } from "../messages.ts";
import { wholeFilePeer } from "../peers/whole-file.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { budgetOf, row } from "../rows.ts";
import { databasePath, openStore, sessionsOver } from "../stores.ts";

const NAME = "peers";
/** Appends in a round; few, so that a session of ten messages stays a short one. */
const COUNT = 5;
/** Each round appends to a session of its own. */
const ROUNDS = 12;

/** One way of keeping sessions. */
interface Contender {
  readonly name: string;
  readonly part: Part;
  /** Bytes that appends have written so far. */
  bytes(): number;
  close(): Promise<void>;
}

export const peers: Suite = {
  name: NAME,
  async run(bench) {
    const rows: Row[] = [];
    for (const length of bench.isQuick ? [10, 500] : [10, 1000, 5000])
      rows.push(...(await atLength(bench, length)));
    return rows;
  },
};

async function atLength(bench: Bench, length: number): Promise<Row[]> {
  const ours = [await holdfast(bench, "file", length), await holdfast(bench, "sqlite", length)];
  const synced = await wholeFile(bench, length, true);
  const contenders = [...ours, synced, await wholeFile(bench, length, false)];
  const before = contenders.map((one) => one.bytes());
  await interleave(
    contenders.map((one) => one.part),
    { most: ROUNDS - 1, budgetMs: budgetOf(bench, 10_000) },
  );
  const appends = COUNT * (1 + synced.part.ms.length);
  const title = `${length.toLocaleString("en-US")} messages`;
  const rows = [
    ...contenders.flatMap((one, index): Row[] => [
      row(NAME, `${title}: one append, ${one.name}`, each(one.part, COUNT), "ms"),
      {
        suite: NAME,
        measure: `${title}: written per append, ${one.name}`,
        value: (one.bytes() - (before[index] ?? 0)) / appends / 1000,
        unit: "kB",
      },
    ]),
    ...ours.map((one) =>
      row(NAME, `${title}: whole file with fsync ÷ ${one.name}`, ratio(synced.part, one.part), "×"),
    ),
  ];
  for (const one of contenders) await one.close();
  return rows;
}

async function holdfast(bench: Bench, engine: "file" | "sqlite", length: number): Promise<Contender> {
  const folder = bench.folder.fresh("holdfast");
  const builder = openStore(engine, folder, "normal");
  for (let round = 0; round < ROUNDS; round += 1)
    await buildSession(builder, { id: `s${round}` }, length, bench.transcripts);
  await builder.close();
  const sessions = sessionsOver(openStore(engine, folder));
  let session = await sessions.open("s0");
  return {
    name: `Holdfast ${engine}`,
    part: part(
      async (round) => {
        for (const message of messagesOf(bench, round)) await session.append(message);
      },
      async (round) => {
        session = await sessions.open(`s${round}`);
      },
    ),
    bytes: () => (engine === "file" ? bytesUnder(folder) : walBytes(databasePath(folder))),
    async close() {
      await sessions.close();
      bench.folder.remove(folder);
    },
  };
}

async function wholeFile(bench: Bench, length: number, isSynced: boolean): Promise<Contender> {
  const folder = bench.folder.fresh("peer");
  const peer = wholeFilePeer(folder, isSynced);
  const messages = Array.from({ length }, (_, index) => bench.transcripts.at(index));
  for (let round = 0; round < ROUNDS; round += 1) await peer.create(`s${round}`, messages);
  return {
    name: isSynced ? "whole file with fsync" : "whole file without fsync",
    part: part(async (round) => {
      for (const message of messagesOf(bench, round)) await peer.append(`s${round}`, message);
    }),
    bytes: () => peer.bytesWritten,
    async close() {
      bench.folder.remove(folder);
    },
  };
}

function messagesOf(bench: Bench, round: number): BenchMessage[] {
  return Array.from({ length: COUNT }, (_, index) => bench.transcripts.at(round * COUNT + index));
}

/** All that was written to the log since the store was opened: far fewer appends than it takes to begin it anew. */
function walBytes(path: string): number {
  const state = statSync(`${path}-wal`, { throwIfNoEntry: false });
  return state?.size ?? 0;
}

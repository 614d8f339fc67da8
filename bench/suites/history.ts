/**
 * @module
 * What a long history costs: appending to it, reading its end, forking it, opening it.
 */
import type { Session } from "../../src/index.ts";
import { buildSession } from "../build.ts";
import { LONG, SHORT } from "../fixtures.ts";
import { fileFloor } from "../floors/file.ts";
import type { Part } from "../measure.ts";
import { each, interleave, part, ratio } from "../measure.ts";
import type { BenchMessage } from "../messages.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { budgetOf, microseconds, row } from "../rows.ts";
import type { Engine } from "../stores.ts";
import { ENGINES, openStore, sessionsOver } from "../stores.ts";

const NAME = "history";

export const history: Suite = {
  name: NAME,
  async run(bench) {
    const rows: Row[] = [];
    for (const engine of ENGINES) rows.push(await appendToLong(bench, engine));
    for (const engine of ENGINES) rows.push(...(await endOfLong(bench, engine)));
    for (const engine of ENGINES) rows.push(...(await forkOfLong(bench, engine)));
    for (const engine of ENGINES) rows.push(await openLong(bench, engine));
    return rows;
  },
};

/** Sessions of both lengths, a few of each, so that a round's appends leave each about as long as it was. */
async function appendToLong(bench: Bench, engine: Engine): Promise<Row> {
  const [short, long, copies, count] = [10, bench.isQuick ? 2000 : 10_000, bench.isQuick ? 2 : 4, 5];
  const folder = bench.folder.fresh("lengths");
  const builder = openStore(engine, folder, "normal");
  for (let copy = 0; copy < copies; copy += 1) {
    await buildSession(builder, { id: `long-${copy}` }, long, bench.transcripts);
  }
  const rounds = bench.isQuick ? 6 : 24;
  const turns = 5;
  for (let round = 0; round < rounds; round += 1) {
    await buildSession(builder, { id: `short-${round}` }, short, bench.transcripts);
  }
  if (engine !== "memory") await builder.close();
  const sessions = sessionsOver(engine === "memory" ? builder : openStore(engine, folder));

  const appending = (id: (round: number) => string) => {
    let session: Session<BenchMessage> | undefined;
    return part(
      async (round, turn) => {
        for (let index = 0; index < count; index += 1) {
          await session?.append(bench.transcripts.at((round * turns + turn) * count + index));
        }
      },
      async (round) => {
        session = await sessions.open(id(round));
      },
    );
  };
  const toShort = appending((round) => `short-${round}`);
  const toLong = appending((round) => `long-${round % copies}`);
  // Each short session is appended to in one round only.
  await interleave([toShort, toLong], {
    most: rounds - 2,
    warmUps: 2,
    turns,
    budgetMs: budgetOf(bench, 8000),
  });
  await sessions.close();
  bench.folder.remove(folder);
  const perAppend = `${microseconds(each(toLong, count * turns))} and ${microseconds(each(toShort, count * turns))} µs`;
  return row(
    NAME,
    `${engine}: append at ${thousands(long)} messages ÷ append at ${short}`,
    ratio(toLong, toShort),
    "×",
    {
      bar: { atMost: 1.2 },
      note: perAppend,
    },
  );
}

async function endOfLong(bench: Bench, engine: Engine): Promise<Row[]> {
  const fixture = await bench.long(engine);
  return fixture.use(async (sessions) => {
    const [short, long] = [await sessions.open(SHORT), await sessions.open(LONG)];
    const count = bench.isQuick ? 20 : 100;
    const reading = (session: Session<BenchMessage>) =>
      part(async () => {
        for (let index = 0; index < count; index += 1) {
          const found = await session.messages({ last: 20 });
          if (found.length !== 20) throw new Error(`read ${found.length} messages in place of 20`);
        }
      });
    const [ofLong, ofShort] = [reading(long), reading(short)];
    await interleave([ofLong, ofShort], { most: 15, budgetMs: budgetOf(bench, 5000) });
    const contextOf = (session: Session<BenchMessage>) => part(() => session.context({ lastMessages: 50 }));
    const [longContext, shortContext] = [contextOf(long), contextOf(short)];
    await interleave([longContext, shortContext], { most: 20, budgetMs: budgetOf(bench, 3000) });
    const messages = thousands(fixture.messages);
    return [
      row(NAME, `${engine}: last 20 of ${messages} messages ÷ last 20 of 100`, ratio(ofLong, ofShort), "×", {
        bar: { atMost: 1.5 },
        note: `${microseconds(each(ofLong, count))} and ${microseconds(each(ofShort, count))} µs`,
      }),
      row(
        NAME,
        `${engine}: context of 50 out of ${messages} messages ÷ out of 100`,
        ratio(longContext, shortContext),
        "×",
        { note: `${microseconds(each(longContext, 1))} and ${microseconds(each(shortContext, 1))} µs` },
      ),
    ];
  });
}

async function forkOfLong(bench: Bench, engine: Engine): Promise<Row[]> {
  const fixture = await bench.long(engine);
  const floorFolder = bench.folder.fresh("floor");
  const floor = fileFloor(floorFolder, true);
  return fixture.use(async (sessions) => {
    const long = await sessions.open(LONG);
    const count = bench.isQuick ? 5 : 10;
    const turns = bench.isQuick ? 2 : 5;
    const messageOf = (round: number, turn: number, index: number): BenchMessage =>
      bench.transcripts.at((round * turns + turn) * count + index);
    const forking = part(async () => {
      for (let index = 0; index < count; index += 1) await long.fork();
    });
    const appending = part(async (round, turn) => {
      for (let index = 0; index < count; index += 1) await long.append(messageOf(round, turn, index));
    });
    const creating = part(async (round, turn) => {
      for (let index = 0; index < count; index += 1) {
        await floor.createSynced(`f${round}-${turn}-${index}`, messageOf(round, turn, index));
      }
    });
    const parts = engine === "file" ? [forking, appending, creating] : [forking, appending];
    await interleave(parts, { most: 15, budgetMs: budgetOf(bench, 6000), turns });
    bench.folder.remove(floorFolder);
    const perCall = (one: Part): string => microseconds(each(one, count * turns));
    const rows = [
      row(
        NAME,
        `${engine}: fork of ${thousands(fixture.messages)} messages ÷ append`,
        ratio(forking, appending),
        "×",
        {
          bar: { atMost: 3 },
          note: `${perCall(forking)} and ${perCall(appending)} µs`,
        },
      ),
    ];
    if (engine !== "file") return rows;
    const title = "file: a new file made and synced by hand";
    return [
      ...rows,
      row(NAME, `${title} ÷ append`, ratio(creating, appending), "×", { note: `${perCall(creating)} µs` }),
    ];
  });
}

/** A session of 10,000 entries as a user of it meets it: opened in a new store, and what a model is sent read. */
async function openLong(bench: Bench, engine: Engine): Promise<Row> {
  const messages = bench.isQuick ? 2000 : 10_000;
  const folder = bench.folder.fresh("open");
  const builder = openStore(engine, folder, "normal");
  await buildSession(builder, { id: LONG }, messages, bench.transcripts);
  if (engine !== "memory") await builder.close();
  const opening = part(async () => {
    const store = engine === "memory" ? builder : openStore(engine, folder);
    const sessions = sessionsOver(store);
    const session = await sessions.open(LONG);
    await session.context({ lastMessages: 50 });
    if (engine !== "memory") await sessions.close();
  });
  await interleave([opening], { most: 20, budgetMs: budgetOf(bench, 3000) });
  bench.folder.remove(folder);
  const title = `${engine}: open a store and a session of ${thousands(messages)} messages, read a context of 50`;
  return row(NAME, title, each(opening, 1), "ms");
}

function thousands(count: number): string {
  return count.toLocaleString("en-US");
}

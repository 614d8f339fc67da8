/**
 * @module
 * Stores on servers: each beside the same server driven by hand, by the same client, in the same run.
 */
import type { Session, Sessions } from "../../src/index.ts";
import { buildSessions } from "../build.ts";
import type { Part } from "../measure.ts";
import { each, interleave, part, ratio } from "../measure.ts";
import type { BenchMessage } from "../messages.ts";
import { bytesOf } from "../messages.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { budgetOf, microseconds, row, scaled } from "../rows.ts";
import { mongodbBench } from "../servers/mongodb.ts";
import { mysqlBench } from "../servers/mysql.ts";
import { opensearchBench } from "../servers/opensearch.ts";
import { postgresBench } from "../servers/postgres.ts";
import { redisBench } from "../servers/redis.ts";
import type { BenchServer } from "../servers/server.ts";
import { sessionsOver } from "../stores.ts";

const SESSIONS = 64;

/** A suite for each engine, so that one can be run by itself. */
export const servers: readonly Suite[] = [
  suite("postgres", postgresBench),
  suite("mysql", mysqlBench),
  suite("redis", redisBench),
  suite("mongodb", mongodbBench),
  suite("opensearch", opensearchBench),
];

type Measure = (bench: Bench, server: BenchServer) => Promise<Row[]>;

function suite(name: string, start: () => Promise<BenchServer | undefined>): Suite {
  const measures: readonly Measure[] = [append, atOnce, bytes, history, list];
  return {
    name,
    async run(bench) {
      const server = await start();
      if (!server) return [];
      const rows: Row[] = [];
      try {
        await server.store.migrate();
        for (const measure of measures) rows.push(...(await measure(bench, server)));
        return rows;
      } finally {
        await server.stop();
      }
    },
  };
}

/** Sessions in a namespace of their own, so that no measure meets the data of another one. */
function sessionsOf({ store }: BenchServer, measure: string): Sessions<BenchMessage> {
  return sessionsOver(store.namespace(measure));
}

async function append(bench: Bench, server: BenchServer): Promise<Row[]> {
  const [count, turns] = [10, bench.isQuick ? 5 : 20];
  const messageOf = (round: number, turn: number, index: number): BenchMessage =>
    bench.transcripts.at((round * turns + turn) * count + index);
  const sessions = sessionsOf(server, "append");
  let session: Session<BenchMessage> | undefined;
  const ours = part(
    async (round, turn) => {
      for (let index = 0; index < count; index += 1) await session?.append(messageOf(round, turn, index));
    },
    async (round) => {
      session = await sessions.create({ id: `s${round}` });
    },
  );
  const floors = [server.floor, ...(server.others ?? [])];
  const byHand = floors.map((floor, place) =>
    part(
      async (round, turn) => {
        for (let index = 0; index < count; index += 1)
          await floor.append(`a${place}-${round}`, messageOf(round, turn, index));
      },
      (round) => floor.create(`a${place}-${round}`),
    ),
  );
  await interleave([ours, ...byHand], {
    most: 15,
    turns,
    warmUps: 2,
    budgetMs: budgetOf(bench, 10_000),
  });
  const time = (one: Part): string => `${microseconds(each(one, turns * count))} µs`;
  return byHand.map((floor, place) =>
    row(
      server.store.name,
      `${server.name}: append ÷ floor (${floors[place]?.what ?? ""})`,
      ratio(ours, floor),
      "×",
      {
        ...(place === 0 && { bar: { atMost: 1.5 } }),
        note: `${time(ours)}; floor ${time(floor)}`,
      },
    ),
  );
}

async function atOnce(bench: Bench, server: BenchServer): Promise<Row[]> {
  const turns = bench.isQuick ? 2 : 10;
  const ids = Array.from({ length: SESSIONS }, (_, index) => `o${index}`);
  const sessions = sessionsOf(server, "at-once");
  const open: Session<BenchMessage>[] = [];
  for (const id of ids) open.push(await sessions.create({ id, label: "bench" }));
  const { floor } = server;
  for (const id of ids) await floor.create(id);
  const messageOf = (round: number, turn: number): BenchMessage => bench.transcripts.at(round * turns + turn);
  const together = part((round, turn) => {
    const message = messageOf(round, turn);
    return Promise.all(open.map((session) => session.append(message)));
  });
  const inTurn = part(async (round, turn) => {
    const message = messageOf(round, turn);
    for (const session of open) await session.append(message);
  });
  const batched = part((round, turn) => floor.appendToAll(ids, messageOf(round, turn)));
  await interleave([together, inTurn, batched], {
    most: 15,
    turns,
    warmUps: 3,
    budgetMs: budgetOf(bench, 12_000),
  });
  const time = (one: Part): string => microseconds(each(one, turns * SESSIONS));
  const title = `${server.name}: ${SESSIONS} sessions at once`;
  const { atLeastAtOnce } = server;
  return [
    row(server.store.name, `${title}, times as fast as one after another`, ratio(inTurn, together), "×", {
      ...(atLeastAtOnce !== undefined && { bar: { atLeast: atLeastAtOnce } }),
      note: `${time(together)} and ${time(inTurn)} µs an append`,
    }),
    row(
      server.store.name,
      `${title}, as fast as a floor that batches by hand`,
      ratio(batched, together),
      "×",
      {
        bar: { atLeast: 0.6 },
        note: `floor ${time(batched)} µs an append`,
      },
    ),
  ];
}

/** What the store grows by, its index for search left out. */
async function bytes(bench: Bench, server: BenchServer): Promise<Row[]> {
  if (!server.sizes || server.hasRoughSizes) return [];
  const size = async (): Promise<number> => {
    const { search = 0, ...parts } = (await server.sizes?.()) ?? {};
    return Object.values(parts).reduce((sum, part) => sum + part, 0);
  };
  const before = await size();
  const sessions = sessionsOf(server, "bytes");
  let [left, total] = [2000, 0];
  for (const [index, conversation] of bench.transcripts.conversations.entries()) {
    if (left <= 0) break;
    const session = await sessions.create({ id: `c${index}` });
    for (const message of conversation.slice(0, left)) {
      await session.append(message);
      total += bytesOf(message);
      left -= 1;
    }
  }
  const grown = (await size()) - before;
  return [
    {
      suite: server.store.name,
      measure: `${server.name}: at rest ÷ messages, ${2000 - left} messages one by one`,
      value: grown / total,
      unit: "×",
      ...(server.atMostAtRest !== undefined && { bar: { atMost: server.atMostAtRest } }),
      note: `${(total / 1000).toFixed(0)} kB of messages`,
    },
  ];
}

async function history(bench: Bench, server: BenchServer): Promise<Row[]> {
  const sessions = sessionsOf(server, "history");
  const usual = bench.isQuick ? { longest: 5000, long: 2000 } : { longest: 100_000, long: 10_000 };
  const { longest, long } = server.counts ?? usual;
  const build = async (id: string, count: number): Promise<Session<BenchMessage>> => {
    const session = await sessions.create({ id, label: "bench" });
    // Many at a time, but for the last ones, which are read: they came one by one, as they do.
    const single = Math.max(0, count - 30);
    for (let from = 0; from < single; from += 500) {
      const size = Math.min(500, single - from);
      await session.append(Array.from({ length: size }, (_, index) => bench.transcripts.at(from + index)));
    }
    for (let index = single; index < count; index += 1) await session.append(bench.transcripts.at(index));
    return session;
  };
  const [tall, grown, hundred] = [
    await build("longest", longest),
    await build("long", long),
    await build("hundred", 100),
  ];
  const count = 10;

  const rounds = 24;
  const short: Session<BenchMessage>[] = [];
  for (let round = 0; round < rounds; round += 1) short.push(await build(`short-${round}`, 10));
  const appending = (sessionAt: (round: number) => Session<BenchMessage> | undefined): Part =>
    part(async (round, turn) => {
      for (let index = 0; index < count; index += 1)
        await sessionAt(round)?.append(bench.transcripts.at(turn * count + index));
    });
  const toShort = appending((round) => short[round]);
  const toLong = appending(() => grown);
  await interleave([toShort, toLong], {
    most: rounds - 2,
    warmUps: 2,
    turns: 5,
    budgetMs: budgetOf(bench, 8000),
  });

  const reading = (session: Session<BenchMessage>): Part =>
    part(async () => {
      for (let index = 0; index < 20; index += 1) {
        const found = await session.messages({ last: 20 });
        if (found.length !== 20) throw new Error(`read ${found.length} messages in place of 20`);
      }
    });
  const [endOfLong, endOfShort] = [reading(tall), reading(hundred)];
  await interleave([endOfLong, endOfShort], {
    most: 15,
    warmUps: 2,
    turns: 3,
    budgetMs: budgetOf(bench, 5000),
  });

  const forking = part(async () => {
    for (let index = 0; index < count; index += 1) await tall.fork();
  });
  const appended = part(async (_round, turn) => {
    for (let index = 0; index < count; index += 1)
      await tall.append(bench.transcripts.at(turn * count + index));
  });
  await interleave([forking, appended], { most: 15, warmUps: 2, turns: 5, budgetMs: budgetOf(bench, 6000) });

  const { name } = server;
  const both = (one: Part, other: Part, times: number): string =>
    `${microseconds(each(one, times))} and ${microseconds(each(other, times))} µs`;
  return [
    row(
      server.store.name,
      `${name}: append at ${thousands(long)} messages ÷ append at 10`,
      ratio(toLong, toShort),
      "×",
      {
        bar: { atMost: 1.2 },
        note: both(toLong, toShort, count * 5),
      },
    ),
    row(
      server.store.name,
      `${name}: last 20 of ${thousands(longest)} messages ÷ last 20 of 100`,
      ratio(endOfLong, endOfShort),
      "×",
      { bar: { atMost: 1.5 }, note: both(endOfLong, endOfShort, 60) },
    ),
    row(
      server.store.name,
      `${name}: fork of ${thousands(longest)} messages ÷ append`,
      ratio(forking, appended),
      "×",
      {
        bar: { atMost: 3 },
        note: both(forking, appended, count * 5),
      },
    ),
  ];
}

async function list(bench: Bench, server: BenchServer): Promise<Row[]> {
  const total = server.counts?.sessions ?? (bench.isQuick ? 5000 : 100_000);
  const view = server.store.namespace("list");
  const { ids, users } = await buildSessions(view, total);
  await server.settle?.();
  const sessions = sessionsOver(view);
  const count = 20;
  let [listed, found] = [0, 0];
  const listing = part(async () => {
    for (let index = 0; index < count; index += 1) {
      const userId = users[(listed * 7) % users.length] ?? "";
      listed += 1;
      const page = await sessions.list({ userId, status: "active", limit: 50 });
      if (page.items.length !== 50) throw new Error(`a list has ${page.items.length} sessions, not 50`);
    }
  });
  // Ten look-ups are timed for each list.
  const finding = part(async () => {
    for (let index = 0; index < count * 10; index += 1) {
      const id = ids[(found * 7919) % ids.length] ?? "";
      found += 1;
      if ((await sessions.find(id))?.id !== id) throw new Error(`session ${id} was not found`);
    }
  });
  await interleave([listing, finding], { most: 20, warmUps: 2, budgetMs: budgetOf(bench, 8000) });
  const times = `${microseconds(each(listing, count))} and ${microseconds(each(finding, count * 10))} µs`;
  return [
    row(
      server.store.name,
      `${server.name}: list 50 of ${thousands(total)} sessions by user and status ÷ find by id`,
      scaled(ratio(listing, finding), 10),
      "×",
      { bar: { atMost: 5 }, note: times },
    ),
  ];
}

function thousands(count: number): string {
  return count.toLocaleString("en-US");
}

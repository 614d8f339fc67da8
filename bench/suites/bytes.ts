/**
 * @module
 * Bytes: what messages take at rest, and what an append writes.
 */
import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { SqliteFloorOptions } from "../floors/sqlite.ts";
import { sqliteFloor } from "../floors/sqlite.ts";
import { bytesUnder } from "../folder.ts";
import type { BenchMessage } from "../messages.ts";
import { bytesOf } from "../messages.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { databasePath, openStore, sessionsOver } from "../stores.ts";

const NAME = "bytes";

export const bytes: Suite = {
  name: NAME,
  async run(bench) {
    const conversations = firstMessages(bench, bench.isQuick ? 500 : 2000);
    const messages = conversations.flat();
    const total = messages.reduce((sum, message) => sum + bytesOf(message), 0);
    return [
      ...(await onSqlite(bench, conversations, total)),
      await onFile(bench, conversations, total),
      ...onFloor(bench, conversations, total, { synchronous: "NORMAL", pageBytes: 4096 }),
      ...onFloor(bench, conversations, total, { synchronous: "NORMAL", pageBytes: 2048 }),
    ];
  },
};

async function onSqlite(bench: Bench, conversations: Conversations, total: number): Promise<Row[]> {
  const folder = bench.folder.fresh("bytes");
  const path = databasePath(folder);
  const sessions = sessionsOver(openStore("sqlite", folder, "normal"));
  await sessions.list();
  const reader = pinnedReader(path);
  let [written, count] = [0, 0];
  for (const [index, conversation] of conversations.entries()) {
    const session = await sessions.create({ id: `conversation-${index}`, userId: "mia_li_3668" });
    const before = walBytes(path);
    for (const message of conversation) await session.append(message);
    written += walBytes(path) - before;
    count += conversation.length;
  }
  reader.close();
  await sessions.close();
  const atRest = bytesUnder(folder);
  const searching = sessionsOver(openStore("sqlite", folder, "normal"));
  await searching.search("reservation");
  await searching.close();
  const withIndex = bytesUnder(folder);
  bench.folder.remove(folder);
  return [
    {
      suite: NAME,
      measure: `sqlite: at rest ÷ messages, ${count} messages one by one`,
      value: atRest / total,
      unit: "×",
      bar: { atMost: 1.8 },
      note: `${(total / 1000).toFixed(0)} kB of messages; with the search index ${(withIndex / total).toFixed(2)}×`,
    },
    {
      suite: NAME,
      measure: "sqlite: written to the log per append",
      value: written / count / 1000,
      unit: "kB",
      bar: { atMost: 18 },
      note: `a message is ${(total / count / 1000).toFixed(2)} kB`,
    },
  ];
}

async function onFile(bench: Bench, conversations: Conversations, total: number): Promise<Row> {
  const folder = bench.folder.fresh("bytes");
  const sessions = sessionsOver(openStore("file", folder, "normal"));
  for (const [index, conversation] of conversations.entries()) {
    const session = await sessions.create({ id: `conversation-${index}`, userId: "mia_li_3668" });
    for (const message of conversation) await session.append(message);
  }
  await sessions.close();
  const atRest = bytesUnder(folder);
  bench.folder.remove(folder);
  return {
    suite: NAME,
    measure: `file: at rest ÷ messages, ${conversations.flat().length} messages one by one`,
    value: atRest / total,
    unit: "×",
    bar: { atMost: 1.4 },
  };
}

function onFloor(
  bench: Bench,
  conversations: Conversations,
  total: number,
  options: SqliteFloorOptions,
): Row[] {
  const path = bench.folder.fresh("floor");
  const floor = sqliteFloor(path, options);
  const reader = pinnedReader(path);
  let [written, count] = [0, 0];
  for (const [index, conversation] of conversations.entries()) {
    const id = `conversation-${index}`;
    floor.create(id);
    const before = walBytes(path);
    for (const message of conversation) floor.append(id, message);
    written += walBytes(path) - before;
    count += conversation.length;
  }
  reader.close();
  floor.close();
  const atRest = bytesUnder(path);
  bench.folder.remove(path);
  const title = `sqlite floor, pages of ${options.pageBytes} bytes`;
  return [
    { suite: NAME, measure: `${title}: at rest ÷ messages`, value: atRest / total, unit: "×" },
    {
      suite: NAME,
      measure: `${title}: written to the log per append`,
      value: written / count / 1000,
      unit: "kB",
    },
  ];
}

type Conversations = readonly (readonly BenchMessage[])[];

/** Whole conversations, the last one cut, with `count` messages in all. */
function firstMessages({ transcripts }: Bench, count: number): Conversations {
  let left = count;
  const found: (readonly BenchMessage[])[] = [];
  for (const conversation of transcripts.conversations) {
    if (left <= 0) break;
    found.push(conversation.slice(0, left));
    left -= conversation.length;
  }
  return found;
}

/**
 * A reader that stays at the database as it is now. While it is open SQLite can't begin its log anew, so the log grows
 * by just what is written to it.
 */
function pinnedReader(path: string): DatabaseSync {
  const reader = new DatabaseSync(path);
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM sqlite_schema").get();
  return reader;
}

function walBytes(path: string): number {
  return statSync(`${path}-wal`).size;
}

/**
 * @module
 * What encryption costs: an append beside the same append in clear, and a rotation of many keys while others write.
 */
import { randomBytes } from "node:crypto";
import type { SessionStore } from "../../src/index.ts";
import { encryptedStore, memoryKeyring, rotateKeys } from "../../src/layers/encrypted.ts";
import { commitAll, creation } from "../build.ts";
import type { Part } from "../measure.ts";
import { each, interleave, part, ratio, timed } from "../measure.ts";
import type { BenchMessage } from "../messages.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { microseconds, row } from "../rows.ts";
import type { Durability } from "../stores.ts";
import { openStore, sessionsOver } from "../stores.ts";

const NAME = "encrypted";
const BAR = { atMost: 1.4 };
/** Appends in one turn: some milliseconds. */
const COUNT = 20;
const OLD = { id: "old", key: randomBytes(32) };
const NEW = { id: "new", key: randomBytes(32) };

export const encrypted: Suite = {
  name: NAME,
  async run(bench) {
    const rows: Row[] = [];
    for (const durability of ["full", "normal"] as const) rows.push(...(await appends(bench, durability)));
    return [...rows, ...(await rotation(bench))];
  },
};

async function appends(bench: Bench, durability: Durability): Promise<Row[]> {
  const plain = appendPart(bench, durability, (store) => store);
  const sealed = appendPart(bench, durability, (store) =>
    encryptedStore(store, { keyring: memoryKeyring(OLD) }),
  );
  const rounds = bench.isQuick
    ? { most: 5, budgetMs: 3000, turns: 10, warmUps: 2 }
    : { most: 15, budgetMs: 15_000, turns: 20 };
  await interleave([sealed.append, plain.append], rounds);
  await sealed.close();
  await plain.close();
  const us = (one: Part): string => microseconds(each(one, rounds.turns * COUNT));
  return [
    row(NAME, `sqlite ${durability}: append ÷ the same in clear`, ratio(sealed.append, plain.append), "×", {
      // Normal waits for no disk, so that what is left to compare is little more than the encryption.
      ...(durability === "full" && { bar: BAR }),
      note: `${us(sealed.append)} and ${us(plain.append)} µs`,
    }),
  ];
}

function appendPart(
  bench: Bench,
  durability: Durability,
  wrap: (store: SessionStore) => SessionStore,
): { readonly append: Part; close(): Promise<void> } {
  const folder = bench.folder.fresh("encrypted");
  const sessions = sessionsOver(wrap(openStore("sqlite", folder, durability)));
  let session: Awaited<ReturnType<typeof sessions.create>> | undefined;
  let at = 0;
  return {
    append: part(
      async () => {
        for (let count = 0; count < COUNT; count += 1) {
          await session?.append(bench.transcripts.at(at));
          at += 1;
        }
      },
      async () => {
        session = await sessions.create();
      },
    ),
    async close() {
      await sessions.close();
      bench.folder.remove(folder);
    },
  };
}

/** 10,000 sessions, with four of them being written to and new ones being created. */
async function rotation(bench: Bench): Promise<Row[]> {
  const count = bench.isQuick ? 1000 : 10_000;
  const folder = bench.folder.fresh("rotation");
  const inner = openStore("sqlite", folder);
  const store = encryptedStore(inner, { keyring: memoryKeyring(OLD) });
  for (let from = 0; from < count; from += 1000) {
    const batch = Array.from({ length: Math.min(1000, count - from) }, (_, index) =>
      creation({ id: `s${from + index}`, label: "A label" }),
    );
    await commitAll(
      store,
      batch.map(({ commit }) => commit),
    );
  }
  // As a process that was deployed with the new key first.
  const keyring = memoryKeyring(NEW, OLD);
  const sessions = sessionsOver(encryptedStore(openStore("sqlite", folder), { keyring }));
  let isOver = false;
  let written = 0;
  const write = async (id: string, message: BenchMessage): Promise<void> => {
    const session = await sessions.open(id);
    while (!isOver) {
      await session.append(message);
      written += 1;
      if (written % 20 === 0) await sessions.create();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const writers = Array.from({ length: 4 }, (_, index) => write(`s${index}`, bench.transcripts.at(index)));
  let left = Number.NaN;
  const ms = await timed(async () => {
    const report = await rotateKeys(inner, { keyring });
    left = report.left + report.failed.length;
  });
  isOver = true;
  await Promise.all(writers);
  await sessions.close();
  await inner.close();
  bench.folder.remove(folder);
  const title = `sqlite full: rotation of ${count.toLocaleString("en")} sessions`;
  return [
    {
      suite: NAME,
      measure: title,
      value: ms,
      unit: "ms",
      bar: { atMost: 3 * count },
      note: `${written} appends of 4 writers meanwhile`,
    },
    {
      suite: NAME,
      measure: `${title}: under the old key afterwards`,
      value: left,
      unit: "",
      bar: { atMost: 0 },
    },
  ];
}

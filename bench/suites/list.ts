/**
 * @module
 * Lists and look-ups among many sessions, and search in a long one.
 */
import { buildSessions } from "../build.ts";
import type { Measured, Part } from "../measure.ts";
import { each, interleave, part, ratio, summary, timed } from "../measure.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { budgetOf, microseconds, row, scaled } from "../rows.ts";
import type { Engine } from "../stores.ts";
import { ENGINES, openStore, sessionsOver } from "../stores.ts";

const NAME = "list";
/** Building more takes too long for one run: then the measure is taken on fewer, and says so. */
const BUILD_BUDGET_MS = 90_000;

export const list: Suite = {
  name: NAME,
  async run(bench) {
    const rows: Row[] = [];
    for (const engine of ENGINES) rows.push(...(await filtered(bench, engine)));
    for (const engine of ENGINES) rows.push(await walkAll(bench, engine));
    for (const engine of ENGINES) rows.push(...(await searched(bench, engine)));
    return rows;
  },
};

async function filtered(bench: Bench, engine: Engine): Promise<Row[]> {
  const folder = bench.folder.fresh("list");
  const builder = openStore(engine, folder, "normal");
  const wanted = bench.isQuick ? 5000 : 100_000;
  const trial = Math.min(wanted, 2000);
  const trialMs = await timed(() => buildSessions(builder.namespace("trial"), trial));
  const total = (trialMs / trial) * wanted > BUILD_BUDGET_MS ? Math.min(wanted, 20_000) : wanted;
  const { ids, users } = await buildSessions(builder, total);
  if (engine !== "memory") await builder.close();
  const sessions = sessionsOver(engine === "memory" ? builder : openStore(engine, folder));

  // The same few users again and again, as people who look at their lists; and every user for the first time.
  const count = 20;
  const warmCount = 200;
  const listing = (count: number, userAt: (index: number) => number) => {
    let listed = 0;
    return part(async () => {
      for (let index = 0; index < count; index += 1) {
        const userId = users[userAt(listed) % users.length] ?? "";
        listed += 1;
        const page = await sessions.list({ userId, status: "active", limit: 50 });
        if (page.items.length !== 50)
          throw new Error(`a list has ${page.items.length} sessions in place of 50`);
      }
    });
  };
  const finding = (count: number, idAt: (index: number) => number) => {
    let found = 0;
    return part(async () => {
      for (let index = 0; index < count * 10; index += 1) {
        const id = ids[idAt(found) % ids.length] ?? "";
        found += 1;
        if ((await sessions.find(id))?.id !== id) throw new Error(`session ${id} was not found`);
      }
    });
  };
  // Opening the store is not part of it.
  await sessions.list({ limit: 1 });
  const cold = listing(count, (index) => index * 7 + 40);
  const coldFind = finding(count, (index) => index * 7919 + 13);
  await interleave([cold, coldFind], {
    most: Math.floor(users.length / count / 2),
    budgetMs: budgetOf(bench, 4000),
    warmUps: 0,
    least: 1,
  });
  const warm = listing(warmCount, (index) => index % 20);
  const warmFind = finding(warmCount, (index) => (index % 20) * users.length);
  await interleave([warm, warmFind], { most: 40, budgetMs: budgetOf(bench, 4000), warmUps: 3 });
  await sessions.close();
  bench.folder.remove(folder);

  const title = `${engine}: list 50 of ${total.toLocaleString("en-US")} sessions by user and status ÷ find by id`;
  const times = (one: Part, other: Part, lists: number): string =>
    `${microseconds(each(one, lists))} and ${microseconds(each(other, lists * 10))} µs`;
  // Ten look-ups are timed for each list.
  const perList = (one: Part, other: Part): Measured => scaled(ratio(one, other), 10);
  return [
    row(NAME, title, perList(warm, warmFind), "×", {
      bar: { atMost: 5 },
      note: times(warm, warmFind, warmCount),
    }),
    row(NAME, `${title}, each user's for the first time`, perList(cold, coldFind), "×", {
      note: times(cold, coldFind, count),
    }),
  ];
}

/** 5,000 sessions: the first page, and all of them page by page. */
async function walkAll(bench: Bench, engine: Engine): Promise<Row> {
  const total = bench.isQuick ? 1000 : 5000;
  const folder = bench.folder.fresh("all");
  const builder = openStore(engine, folder, "normal");
  await buildSessions(builder, total);
  if (engine !== "memory") await builder.close();
  const sessions = sessionsOver(engine === "memory" ? builder : openStore(engine, folder));
  const firstMs = await timed(() => sessions.list());
  const walking = part(async () => {
    let count = 0;
    for await (const _record of sessions.all({ limit: 500 })) count += 1;
    if (count !== total) throw new Error(`walked ${count} sessions of ${total}`);
  });
  await interleave([walking], { most: 10, budgetMs: budgetOf(bench, 3000) });
  await sessions.close();
  bench.folder.remove(folder);
  return row(
    NAME,
    `${engine}: walk ${total.toLocaleString("en-US")} sessions, 500 a page`,
    each(walking, 1),
    "ms",
    {
      note: `the first list after opening, of 50: ${firstMs.toFixed(1)} ms`,
    },
  );
}

async function searched(bench: Bench, engine: Engine): Promise<Row[]> {
  const fixture = await bench.long(engine);
  return fixture.use(async (sessions) => {
    const firstMs = await timed(() => sessions.search("certificate insurance"));
    const again = part(() => sessions.search("certificate insurance"));
    const rare = part(() => sessions.search("hat136 nonexistent"));
    await interleave([again, rare], { most: 10, least: 2, budgetMs: budgetOf(bench, 4000) });
    const title = `${engine}: search ${fixture.messages.toLocaleString("en-US")} messages`;
    return [
      row(NAME, `${title}, words that many hold`, summary(again.ms), "ms", {
        note: `the first search: ${firstMs.toFixed(0)} ms`,
      }),
      row(NAME, `${title}, words that none holds`, summary(rare.ms), "ms"),
    ];
  });
}

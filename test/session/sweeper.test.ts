/**
 * The sweeper: bounded, resumable, and one of many.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createSessions, memoryStore } from "../../src/index.ts";
import { startSweeper } from "../../src/session/sweeper.ts";
import type { PruneReport, Sessions } from "../../src/session/types.ts";
import { onEngines } from "./engines.ts";
import { collect, fakeClock, onStores, range, refusal, sleep, textsOf, until, user } from "./support.ts";

const DAY = 86_400_000;
const run = promisify(execFile);

async function fill(all: Sessions, count: number, expiresInMs?: number): Promise<void> {
  for (const index of range(count))
    await all.create({ id: `s-${index}`, ...(expiresInMs && { expiresInMs }), messages: [user("x")] });
}

onStores("a prune does as much as it is told, and the next one goes on", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  await fill(all, 7, DAY);
  await all.create({ id: "kept" });
  clock.advance(DAY);
  const sizes: [number, number, true | undefined][] = [];
  for (;;) {
    const { removed, expired, more } = await all.prune({ limit: 3 });
    sizes.push([removed.length, expired, more]);
    if (!more) break;
  }
  expect(sizes).toEqual([
    [3, 3, true],
    [3, 3, true],
    [1, 1, undefined],
  ]);
  expect((await collect(all.all())).map(({ id }) => id)).toEqual(["kept"]);
  clock.advance(DAY);
  const abort = new AbortController();
  abort.abort();
  for (const bound of [{ signal: abort.signal }, { budgetMs: Number.MIN_VALUE }]) {
    expect(await all.prune({ olderThanMs: 1, ...bound })).toEqual({
      removed: [],
      expired: 0,
      dryRun: false,
      more: true,
    });
  }
  for (const wrong of [{ limit: 0 }, { limit: 1.5 }, { budgetMs: 0 }, { budgetMs: -1 }])
    await refusal(all.prune({ olderThanMs: 1, ...wrong }), "INVALID_ARGUMENT");
  expect((await all.prune({ olderThanMs: 1 })).removed).toEqual(["kept"]);
});

onStores("children don't count in the limit", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  for (const id of ["a", "b"]) {
    const root = await all.create({ id });
    for (const child of range(3)) await root.spawn({ id: `${id}-${child}` });
  }
  clock.advance(DAY);
  expect(await all.prune({ olderThanMs: 1, limit: 1 })).toMatchObject({ more: true });
  expect((await collect(all.all())).length).toBe(4);
  expect((await all.prune({ olderThanMs: 1, limit: 1 })).more).toBeUndefined();
  expect(await collect(all.all())).toEqual([]);
});

onStores("agent and metadata narrow a rule down, and what has expired", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  await all.create({ id: "1", agent: "helper", metadata: { plan: "free" } });
  await all.create({ id: "2", agent: "helper", metadata: { plan: "paid" } });
  await all.create({ id: "3", agent: "other", metadata: { plan: "free" }, expiresInMs: DAY });
  await all.create({ id: "4", agent: "helper", expiresInMs: DAY });
  clock.advance(DAY);
  expect((await all.prune({ agent: "helper", dryRun: true })).removed).toEqual(["4"]);
  expect((await all.prune({ metadata: { plan: "free" }, dryRun: true })).removed).toEqual(["3"]);
  const rule = { olderThanMs: 1, agent: "helper", metadata: { plan: "free" } };
  expect((await all.prune(rule)).removed).toEqual(["1"]);
  await refusal(all.prune({ agent: "" }), "INVALID_ARGUMENT");
});

test("it runs by itself until it is stopped, and says what it did", async () => {
  const clock = fakeClock();
  await using all = createSessions({ store: memoryStore(), clock });
  await fill(all, 10, DAY);
  clock.advance(DAY);
  const seen: PruneReport[] = [];
  const sweeper = startSweeper(all, { everyMs: 20, limit: 4, onSwept: (report) => seen.push(report) });
  await until(() => seen.flatMap(({ removed }) => removed).length === 10);
  expect(Math.max(...seen.map(({ removed }) => removed.length))).toBe(4);
  await sweeper.stop();
  await sweeper.stop();
  const count = seen.length;
  await sleep(100);
  expect(seen.length).toBe(count);
});

test("rules go in order within one limit, and a run that is asked for joins the one under way", async () => {
  const clock = fakeClock();
  await using all = createSessions({ store: memoryStore(), clock });
  await fill(all, 6);
  await all.setStatus("s-0", "completed");
  clock.advance(DAY);
  await using sweeper = startSweeper(all, {
    rules: [{ status: "completed" }, { olderThanMs: 1 }],
    limit: 3,
  });
  const [one, same] = [sweeper.sweep(), sweeper.sweep()];
  expect(await one).toBe(await same);
  expect((await one).map(({ removed }) => removed.length)).toEqual([1, 2]);
  expect((await sweeper.sweep()).map(({ removed }) => removed.length)).toEqual([0, 3]);
});

test("it ends with its signal, with its block, and with the sessions", async () => {
  for (const end of ["signal", "dispose", "close"] as const) {
    const store = memoryStore();
    const abort = new AbortController();
    let runs = 0;
    const sessions = createSessions({ store });
    const counted = {
      prune: (rule: Parameters<Sessions["prune"]>[0]) => {
        runs += 1;
        return sessions.prune(rule);
      },
    };
    const errors: unknown[] = [];
    const options = { everyMs: 5, signal: abort.signal, onError: (error: unknown) => errors.push(error) };
    {
      await using sweeper = startSweeper(counted, options);
      await until(() => runs > 1);
      if (end === "signal") abort.abort();
      if (end === "close") await sessions.close();
      if (end !== "dispose") await sleep(30);
      expect(sweeper).toBeDefined();
    }
    const before = runs;
    await sleep(40);
    expect([end, runs]).toEqual([end, before]);
    expect(errors).toEqual([]);
    await sessions.close();
  }
});

test("a failure is told, and the next run comes all the same", async () => {
  let calls = 0;
  const errors: unknown[] = [];
  const failing = {
    async prune() {
      calls += 1;
      if (calls < 3) throw new Error(`no. ${calls}`);
      return { removed: [], expired: 0, dryRun: false };
    },
  };
  await using sweeper = startSweeper(failing, { everyMs: 5, onError: (error) => errors.push(error) });
  await until(() => calls > 4);
  expect(errors.map(String)).toEqual(["Error: no. 1", "Error: no. 2"]);
  for (const wrong of [{ everyMs: 0 }, { limit: 0 }, { budgetMs: -1 }])
    expect(() => startSweeper(failing, wrong)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  await sweeper.stop();
});

test("its timer keeps no process running, and its default is to warn", async () => {
  const url = new URL("../../src/session/sweeper.ts", import.meta.url).href;
  const script = `import { startSweeper } from ${JSON.stringify(url)};
    startSweeper({ prune: async () => { throw new Error("no store") } }, { everyMs: 5 });
    startSweeper({ prune: async () => ({ removed: [], expired: 0, dryRun: false }) }, { everyMs: 3_600_000 });
    setTimeout(() => {}, 300);`;
  const began = performance.now();
  const { stderr } = await run(process.execPath, ["--input-type=module", "-e", script], { timeout: 20_000 });
  expect(performance.now() - began).toBeLessThan(15_000);
  expect(stderr).toContain("a sweep failed and is tried again later: no store");
});

await onEngines((on) => {
  on(
    "many sweepers remove each session once, and nothing that is renewed or held meanwhile",
    async ({ store, connect, engine }) => {
      // Redis drops what has expired by its own clock; there what is old is removed, by rule.
      const isNative = engine === "redis";
      const clock = fakeClock(isNative ? Date.now() : undefined);
      const options = { clock, store };
      const all = createSessions(options);
      const count = 60;
      await fill(all, count, isNative ? undefined : DAY);
      for (const index of [5, 15, 25]) await (await all.open(`s-${index}`)).spawn({ id: `child-${index}` });
      await all.fork("s-7", { id: "heir" });
      await (await all.open("heir")).touch({ expiresInMs: 900 * DAY });
      clock.advance(DAY - 1);
      // The renewed and the held, while the workers are under way: the last moment before they expire.
      const workers = await Promise.all(
        range(4).map(async () => createSessions({ ...options, store: await connect() })),
      );
      const kept = ["s-3", "s-20", "s-41", "heir"];
      for (const id of kept) await (await all.open(id)).touch({ expiresInMs: 900 * DAY });
      await all.hold("s-10", { reason: "matter 17" });
      clock.advance(DAY);
      for (const id of isNative ? kept : []) await (await all.open(id)).append(user("back"));
      if (isNative) await (await all.open("s-10")).append(user("back"));
      clock.advance(1000);
      const rule = isNative ? { olderThanMs: 2000 } : {};
      const removed: string[] = [];
      const sweeping = workers.map(async (worker) => {
        for (;;) {
          const report = await worker.prune({ ...rule, limit: 7 });
          removed.push(...report.removed);
          if (!report.more) return;
        }
      });
      await Promise.all(sweeping);
      const left = (await collect(all.all())).map(({ id }) => id).sort();
      expect(left).toEqual([...kept, "s-10"].sort());
      expect(new Set(removed).size).toBe(removed.length);
      expect(removed.length).toBe(count + 3 - 4);
      expect(await textsOf(await all.open("heir"))).toContain("x");
      expect((await store.find(["s-7"]))[0]?.status).toBe("deleted");
    },
  );

  on("what is gone on with while it is swept stays, whoever is first", async ({ store, connect }) => {
    const all = createSessions({ store });
    const count = 40;
    await fill(all, count);
    await sleep(5);
    const there = createSessions({ store: await connect() });
    const kept: string[] = [];
    const writing = range(count).map(async (index) => {
      const id = `s-${count - 1 - index}`;
      const session = await there.open(id).catch(() => undefined);
      const result = await session?.append(user("I am back")).catch(() => undefined);
      if (result) kept.push(id);
    });
    const [{ removed }] = await Promise.all([all.prune({ olderThanMs: 4 }), ...writing]);
    // Each was either swept or gone on with, and never both.
    expect([...removed, ...kept].sort()).toEqual(
      range(count)
        .map((index) => `s-${index}`)
        .sort(),
    );
    for (const id of kept) expect(await textsOf(await all.open(id))).toEqual(["x", "I am back"]);
    for (const id of removed) expect(await store.find([id])).toEqual([undefined]);
  });
});

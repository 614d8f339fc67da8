/**
 * Writers, removals and collections step by step: each operation on the store or the blobs is one step, and the order of the
 * steps of all is chosen. With two of them every order is tried; with more, thousands at random.
 */
import { expect, test } from "vitest";
import { memoryStore } from "../../src/index.ts";
import { collectBlobs, memoryBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { begin, commitOf, creation, note, outcomeOf } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { copiesIn, gatedBlobs, gatedStore, ledgerOf, referredTo } from "./offloaded-support.ts";

const GRACE_MS = 60_000;
const CONTENT = "the same for all of them ".repeat(10);
const write =
  (id: string) =>
  async (store: SessionStore): Promise<unknown> =>
    begin(store, { id }, note(CONTENT));
const remove =
  (id: string) =>
  (store: SessionStore): Promise<unknown> =>
    store.remove(id);
const collect = (store: SessionStore): Promise<unknown> => collectBlobs(store);

interface Scenario {
  /** What is there before; one process has done it. */
  readonly before: (store: SessionStore, wait: (ms: number) => void) => Promise<unknown>;
  /** Each is a process of its own. */
  readonly actors: readonly ((store: SessionStore) => Promise<unknown>)[];
  /** The sessions that there are at the end. */
  readonly left: readonly string[];
}

/** Runs all actors, one step at a time, each time of the actor that `choose` says. */
async function run({ before, actors, left }: Scenario, choose: (ready: number) => number): Promise<number> {
  const raw = memoryStore();
  const blobs = memoryBlobs();
  let later = 0;
  const clock = (): number => Date.now() + later;
  const options = { thresholdBytes: 64, graceMs: GRACE_MS, clock };
  await before(offloadedStore(raw, { ...options, blobs }), (ms) => {
    later += ms;
  });

  const waiting: { readonly actor: number; readonly go: () => void }[] = [];
  const failures: unknown[] = [];
  let running = actors.length;
  actors.forEach((act, actor) => {
    const gate = {
      before: () => new Promise<void>((go) => waiting.push({ actor, go })),
      after: () => undefined,
    };
    act(offloadedStore(gatedStore(raw, gate), { ...options, blobs: gatedBlobs(blobs, gate) }))
      .catch((error: unknown) => failures.push(error))
      .finally(() => {
        running -= 1;
      });
  });
  let steps = 0;
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    if (running === 0) break;
    waiting.sort((a, b) => a.actor - b.actor);
    const [next] = waiting.splice(waiting.length === 1 ? 0 : choose(waiting.length), 1);
    next?.go();
    steps += 1;
  }
  expect(failures).toEqual([]);

  const reader = offloadedStore(raw, { ...options, blobs });
  for (let round = 0; round < 2; round += 1) {
    for (const id of left)
      expect((await reader.read(id, { after: 1, limit: 10 })).map(({ data }) => data)).toEqual([CONTENT]);
    later += 2 * GRACE_MS;
    await collectBlobs(reader);
  }
  const copies = await referredTo(raw);
  expect(copiesIn(blobs.keys())).toEqual(copies);
  const { pointers, references } = await ledgerOf(raw);
  expect([...new Set(references.map(({ parentId }) => parentId))].sort()).toEqual(copies);
  expect(pointers.filter(({ status }) => status !== "active")).toEqual([]);
  return steps;
}

/** Every order of the steps. How many there are. */
async function runAll(scenario: Scenario): Promise<number> {
  let path: number[] = [];
  for (let runs = 1; ; runs += 1) {
    const widths: number[] = [];
    await run(scenario, (ready) => {
      const chosen = path[widths.length] ?? 0;
      widths.push(ready);
      return chosen;
    }).catch((error: unknown) => {
      throw new Error(`with the order ${JSON.stringify(path)}`, { cause: error });
    });
    let last = widths.length - 1;
    while (last >= 0 && (path[last] ?? 0) + 1 >= (widths[last] ?? 0)) last -= 1;
    if (last < 0) return runs;
    path = [...Array.from({ length: last }, (_, index) => path[index] ?? 0), (path[last] ?? 0) + 1];
  }
}

async function runSome(scenario: Scenario, count: number): Promise<void> {
  for (let seed = 1; seed <= count; seed += 1) {
    let state = seed * 7919;
    const random = (): number => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return state / 2 ** 31;
    };
    // Some go on for long while the others wait.
    let [favourite, left] = [0, 0];
    await run(scenario, (ready) => {
      if (left === 0) [favourite, left] = [Math.floor(random() * 4), Math.floor(random() * 8)];
      else left -= 1;
      return Math.min(favourite, ready - 1);
    }).catch((error: unknown) => {
      throw new Error(`with the seed ${seed}`, { cause: error });
    });
  }
}

test("a session begins to share what another one is removed with, in every order", async () => {
  const scenario = { before: write("a"), actors: [write("b"), remove("a")], left: ["b"] };
  expect(await runAll(scenario)).toBeGreaterThan(2000);
}, 300_000);

test("a session begins to share what a commit left that never took place, while it is collected, in every order", async () => {
  const before: Scenario["before"] = async (store, wait) => {
    await begin(store, { id: "a" });
    await outcomeOf(store, commitOf(undefined, [creation({ id: "a" }), note(CONTENT)]));
    wait(2 * GRACE_MS);
  };
  expect(await runAll({ before, actors: [write("b"), collect], left: ["b"] })).toBeGreaterThan(2000);
}, 300_000);

test("two removals, a collection and a writer, in some orders", async () => {
  const before: Scenario["before"] = async (store) => {
    await write("a")(store);
    await write("b")(store);
  };
  await runSome({ before, actors: [write("c"), remove("a"), remove("b"), collect], left: ["c"] }, 1500);
}, 300_000);

test("two that write it anew, the removal of a third, and two collections, in some orders", async () => {
  const actors = [write("b"), write("c"), remove("a"), collect];
  await runSome({ before: write("a"), actors, left: ["b", "c"] }, 1000);
  await runSome(
    { before: async () => undefined, actors: [write("b"), write("c"), collect], left: ["b", "c"] },
    500,
  );
}, 300_000);

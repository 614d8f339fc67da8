/**
 * The power fails at every file operation that changes something. With `durability: "full"` whatever was acknowledged
 * is there, and what was not is there wholly or not at all, whatever part of the cache reached the disk.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import { fileStore } from "../../src/stores/file.ts";
import { newFolder } from "../stores/file-fixture.ts";
import { cachedDisk } from "./file-power.ts";
import type { Log, Logs } from "./file-scenario.ts";
import { GROUP_SCENARIO, logsIn, SCENARIO, sameLog } from "./file-scenario.ts";

/** What each log may be after the power failed. */
type Allowed = ReadonlyMap<string, readonly (Log | undefined)[]>;

/** A round is a power failure after each of some 60 operations, so a tenth of the rounds of other tests is plenty. */
const ROUNDS = Math.ceil(Number(process.env.FAULT_ROUNDS ?? 40) / 10);

function randomFrom(seed: number): () => number {
  let state = seed;
  // Mulberry32, by Tommy Ettinger: small, and good enough to choose with.
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Runs the scenario until the power fails; answers with how many operations there were. */
async function run(
  scenario: typeof SCENARIO,
  lastOperation: number,
  seeds: readonly number[],
): Promise<number> {
  const folder = newFolder();
  const disk = cachedDisk(lastOperation);
  const store = fileStore({ directory: join(folder, "sessions"), io: disk.io, onWarning: () => undefined });
  let logs: Logs = new Map();
  let allowed: Allowed = new Map();
  for (const makeStep of scenario) {
    const step = makeStep(logs);
    const before = logs;
    allowed = new Map(
      [...before.keys(), ...step.after.keys()].map((id) => [id, step.stages.get(id) ?? [before.get(id)]]),
    );
    try {
      await step.run(store);
    } catch (error) {
      if (!HoldfastError.is(error, "STORE_UNAVAILABLE")) throw error;
      break;
    }
    logs = step.after;
    allowed = new Map([...before.keys(), ...logs.keys()].map((id) => [id, [logs.get(id)]]));
  }
  for (const seed of seeds) {
    const left = join(newFolder(), "left");
    disk.fail(folder, left, randomFrom(seed));
    const found = existsSync(left) ? await logsIn(join(left, "sessions")) : new Map<string, Log>();
    for (const id of new Set([...found.keys(), ...allowed.keys()])) {
      const isAllowed = (allowed.get(id) ?? [undefined]).some((log) => sameLog(log, found.get(id)));
      expect(
        isAllowed,
        `the log of "${id}" (seed ${seed}): ${JSON.stringify(found.get(id))?.slice(0, 300)}`,
      ).toBe(true);
    }
    rmSync(left, { recursive: true, force: true });
  }
  await store.close();
  return disk.count();
}

test.for([
  ["one session at a time", SCENARIO],
  ["groups of sessions", GROUP_SCENARIO],
] as const)(
  "a power failure at any moment loses nothing that was acknowledged: %s",
  { timeout: 30_000 + ROUNDS * 3_000 },
  async ([what, scenario]) => {
    const start = Date.now() % 1_000_000;
    const total = await run(scenario, Number.POSITIVE_INFINITY, [start]);
    expect(total).toBeGreaterThan(50);
    for (let last = 0; last <= total; last += 1) {
      const seeds = Array.from({ length: ROUNDS }, (_, index) => start + last * 1000 + index);
      try {
        await run(scenario, last, seeds);
      } catch (error) {
        throw new Error(`after operation ${last} of ${total}`, { cause: error });
      }
    }
    console.info(
      `${what}: the power failed after each of ${total} operations, ${ROUNDS} times each, seeds from ${start}`,
    );
  },
);

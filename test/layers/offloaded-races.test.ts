/** Writers, removals and collections at once: nothing that is referred to is deleted, and in the end nothing else is left. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { memoryStore } from "../../src/index.ts";
import { collectBlobs, fileBlobs, memoryBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import type { RaceReport } from "./offloaded-race.ts";
import { contentOf, race } from "./offloaded-race.ts";
import { copiesIn, gatedBlobs, gatedStore, ledgerOf, referredTo } from "./offloaded-support.ts";

/** Far longer than any step takes, also where the machine is busy. */
const GRACE_MS = 3000;
const PROCESS = fileURLToPath(new URL("offloaded-race-process.ts", import.meta.url));

/** Each report is right, and so is what is there at the end, before and after a last collection. */
async function isWhole(
  reports: readonly RaceReport[],
  raw: SessionStore,
  late: SessionStore,
  kept: () => Promise<readonly string[]>,
): Promise<void> {
  expect(reports.flatMap(({ wrong }) => wrong)).toEqual([]);
  for (const { commits, removed } of reports) {
    expect(commits).toBeGreaterThan(10);
    expect(removed).toBeGreaterThan(3);
  }
  for (let round = 0; round < 2; round += 1) {
    for (const [id, held] of reports.flatMap(({ told }) => Object.entries(told))) {
      const entries = await late.read(id, { after: 1, limit: 1000 });
      expect(entries.map(({ data }) => data)).toEqual(held.map(contentOf));
    }
    await collectBlobs(late);
  }
  const copies = await referredTo(raw);
  expect(copies.length).toBeGreaterThan(0);
  expect(copiesIn(await kept())).toEqual(copies);
  const { pointers, references } = await ledgerOf(raw);
  expect([...new Set(references.map(({ parentId }) => parentId))].sort()).toEqual(copies);
  expect(pointers.filter(({ status }) => status !== "active")).toEqual([]);
}

for (const failures of [0, 30]) {
  test(`eight processes' worth of writers in one, every step slow${failures ? ", some commits failing" : ""}`, async () => {
    const raw = memoryStore();
    const blobs = memoryBlobs();
    const gate = {
      before: () => sleep(Math.random() < 0.3 ? Math.random() * 6 : 0),
      async after(what: string) {
        if (Math.random() < 0.3) await sleep(Math.random() * 6);
        if (what === "log commit" && failures && Math.random() * failures < 1)
          throw new HoldfastError("STORE_UNAVAILABLE", "the answer was lost");
      },
    };
    const opened = (clock = Date.now): SessionStore =>
      offloadedStore(gatedStore(raw, gate), {
        blobs: gatedBlobs(blobs, gate),
        thresholdBytes: 64,
        graceMs: GRACE_MS,
        cacheBytes: 0,
        clock,
      });
    const reports = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        race(opened(), { name: `writer ${index}`, seed: 7 + index * 101, durationMs: 7000, contents: 4 }),
      ),
    );
    const late = offloadedStore(raw, {
      blobs,
      thresholdBytes: 64,
      graceMs: GRACE_MS,
      clock: () => Date.now() + 10 * GRACE_MS,
    });
    await isWhole(reports, raw, late, async () => blobs.keys());
  }, 120_000);
}

test("three processes on one SQLite database and one folder of blobs", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-race-"));
  const raw = sqliteStore({ path: join(folder, "sessions.db"), durability: "normal" });
  await raw.migrate();
  const reports = await Promise.all(
    Array.from({ length: 3 }, async (_, index): Promise<RaceReport> => {
      const task = {
        folder,
        name: `process ${index}`,
        seed: 11 + index * 977,
        durationMs: 8000,
        contents: 3,
      };
      const { stdout } = await promisify(execFile)(process.execPath, [PROCESS, JSON.stringify(task)]);
      return JSON.parse(stdout);
    }),
  );
  const late = offloadedStore(raw, {
    blobs: fileBlobs({ folder: join(folder, "blobs") }),
    thresholdBytes: 64,
    graceMs: GRACE_MS,
    clock: () => Date.now() + 10 * GRACE_MS,
  });
  await isWhole(reports, raw, late, async () => {
    const found = await readdir(join(folder, "blobs"), { recursive: true, withFileTypes: true });
    return found.filter((entry) => entry.isFile()).map(({ name }) => name);
  });
  await raw.close();
  await rm(folder, { recursive: true });
}, 120_000);

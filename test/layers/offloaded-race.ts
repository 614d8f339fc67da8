/** Writers that share contents, remove sessions and collect, all at once; each checks what it was told. */
import { collectBlobs } from "../../src/layers/offloaded.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import type { TestSession } from "../../src/store/conformance/build.ts";
import { begin, note } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";

export interface RaceTask {
  readonly name: string;
  readonly seed: number;
  readonly durationMs: number;
  /** Few, so that they are removed and wanted anew all the time. */
  readonly contents: number;
}

export interface RaceReport {
  readonly commits: number;
  readonly removed: number;
  readonly collected: number;
  /** What each session that is left was told to hold, as numbers of contents. */
  readonly told: Readonly<Record<string, readonly number[]>>;
  readonly wrong: readonly string[];
}

export function contentOf(number: number): string {
  return `${number} `.repeat(200);
}

/** Runs for `durationMs`. Sessions are its own; contents are everybody's. */
export async function race(
  store: SessionStore,
  { name, seed, durationMs, contents }: RaceTask,
): Promise<RaceReport> {
  let state = seed;
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
  const sessions = new Map<string, { readonly session: TestSession; readonly held: number[] }>();
  const wrong: string[] = [];
  const untilMs = Date.now() + durationMs;
  let [commits, removed, collected, created] = [0, 0, 0, 0];

  const check = async (id: string, held: readonly number[]): Promise<void> => {
    const entries = await store.read(id, { after: 1, limit: 1000 });
    const found = entries.map(({ data }) => data);
    if (JSON.stringify(found) !== JSON.stringify(held.map(contentOf)))
      wrong.push(`${id} holds ${found.length} entries that are not the ${held.length} it was told`);
  };

  while (Date.now() < untilMs) {
    const ids = [...sessions.keys()];
    const id = ids[random(ids.length)];
    const known = id === undefined ? undefined : sessions.get(id);
    const choice = random(10);
    const number = random(contents);
    let target = id;
    try {
      if (!known || id === undefined || (choice < 3 && ids.length < 8)) {
        // Some have the id of one that was removed.
        const next = `${name} ${random(2) === 0 ? created++ : random(Math.max(1, created))}`;
        if (sessions.has(next)) continue;
        target = next;
        const session = await begin(store, { id: next }, note(contentOf(number)));
        sessions.set(next, { session, held: [number] });
        commits += 1;
      } else if (choice < 6) {
        await known.session.write(note(contentOf(number)));
        known.held.push(number);
        commits += 1;
      } else if (choice < 9) {
        await check(id, known.held);
        sessions.delete(id);
        await store.remove(id);
        removed += 1;
      } else {
        collected += (await collectBlobs(store)).blobs;
      }
    } catch (error) {
      // A commit that was made to fail leaves references behind; whether it took place is not known.
      if (!HoldfastError.is(error, "STORE_UNAVAILABLE")) {
        wrong.push(String(error instanceof Error ? error.stack : error));
        break;
      }
      if (target === undefined) continue;
      sessions.delete(target);
      await store.remove(target);
    }
  }
  for (const [id, { held }] of sessions) await check(id, held);
  const told = Object.fromEntries([...sessions].map(([id, { held }]) => [id, held]));
  return { commits, removed, collected, told, wrong };
}

/**
 * @module
 * What the fault tests of the file store write, and how they look at what is left of it.
 */
import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import type { Entry, EntryDraft } from "../../src/log/entry.ts";
import { evolveAll } from "../../src/log/evolve.ts";
import { commitOf, creation, note, say } from "../../src/store/conformance/build.ts";
import type { Commit, SessionStore } from "../../src/store/store.ts";
import { fileStore } from "../../src/stores/file.ts";

export type Log = readonly Entry[];
export type Logs = ReadonlyMap<string, Log>;

/** One step of the scenario: what it asks of the store, and the logs as they are where it took place. */
export interface Step {
  readonly run: (store: SessionStore) => Promise<unknown>;
  readonly after: Logs;
  /** The sessions that it changes. A batch is not atomic: each of its commits is. */
  readonly parts: readonly string[];
  /** Whether a failure leaves nothing of it where the disk still obeys: one commit is taken back. */
  readonly isUndone?: boolean;
  /** The fault that does not stop it: removing is what helps against a full disk. */
  readonly defies?: "short";
}

function commits(logs: Logs, ...changes: readonly (readonly [id: string, ...drafts: EntryDraft[]])[]): Step {
  const after = new Map(logs);
  const batch: Commit[] = changes.map(([id, ...drafts]) => {
    const log = after.get(id);
    const record = evolveAll(undefined, log ?? []);
    const commit = commitOf(record, record ? drafts : [creation({ id }), ...drafts]);
    after.set(id, [...(log ?? []), ...commit.entries]);
    return commit;
  });
  const run = async (store: SessionStore): Promise<void> => {
    const outcomes = await store.commit(batch);
    expect(outcomes.map(({ status }) => status)).toEqual(batch.map(() => "committed"));
  };
  return { run, after, parts: changes.map(([id]) => id), isUndone: changes.length === 1 };
}

function removal(logs: Logs, id: string): Step {
  const after = new Map(logs);
  after.delete(id);
  return { run: (store) => store.remove(id), after, parts: [id], defies: "short" };
}

function listing(logs: Logs): Step {
  const run = async (store: SessionStore): Promise<void> => {
    const { items } = await store.list({ order: "created", limit: 100 });
    expect(items.map(({ id }) => id).sort()).toEqual([...logs.keys()].sort());
  };
  return { run, after: logs, parts: [] };
}

/** The scenario: each step is made from the logs as the one before it left them. */
export const SCENARIO: readonly ((logs: Logs) => Step)[] = [
  (logs) => commits(logs, ["a", say("first", "m1")]),
  (logs) => commits(logs, ["a", say("second"), note({ large: "x".repeat(20_000) })]),
  (logs) => listing(logs),
  (logs) => commits(logs, ["a", say("third", "m2")], ["b", say("new")], ["c", say("new too", "m1")]),
  (logs) => removal(logs, "c"),
  (logs) => commits(logs, ["b", say("more")], ["c", say("again")]),
  (logs) => listing(logs),
  (logs) => commits(logs, ["a", say("last"), say("of all")]),
];

export const sameLog = (one: Log | undefined, other: Log | undefined): boolean =>
  isDeepStrictEqual(one, other);

/** The logs of a folder as a store finds them that was just opened. Also checks that each record is that of its log. */
export async function logsIn(folder: string): Promise<Map<string, Log>> {
  const store = fileStore({ directory: folder, durability: "normal" });
  const logs = new Map<string, Log>();
  for (const id of ["a", "b", "c"]) {
    const [record] = await store.find([id]);
    const log = await store.read(id, { after: 0, limit: 1000 });
    expect(record).toEqual(evolveAll(undefined, log));
    if (record) logs.set(id, log);
  }
  const { items } = await store.list({ order: "created", limit: 100 });
  expect(items.map(({ id }) => id).sort()).toEqual([...logs.keys()].sort());
  await store.close();
  return logs;
}

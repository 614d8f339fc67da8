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
  /** The logs that it changes, as they may be where it fails. A batch is not atomic: each of its commits is. */
  readonly stages: ReadonlyMap<string, readonly (Log | undefined)[]>;
  /** Whether a failure leaves nothing of it where the disk still obeys: one commit is taken back. */
  readonly isUndone?: boolean;
  /** The fault that does not stop it: removing is what helps against a full disk. */
  readonly defies?: "short";
}

function commits(logs: Logs, ...changes: readonly (readonly [id: string, ...drafts: EntryDraft[]])[]): Step {
  const after = new Map(logs);
  const stages = new Map<string, (Log | undefined)[]>(changes.map(([id]) => [id, [logs.get(id)]]));
  const batch: Commit[] = changes.map(([id, ...drafts]) => {
    const log = after.get(id);
    const record = evolveAll(undefined, log ?? []);
    const commit = commitOf(record, record ? drafts : [creation({ id }), ...drafts]);
    const grown = [...(log ?? []), ...commit.entries];
    after.set(id, grown);
    stages.get(id)?.push(grown);
    return commit;
  });
  const run = async (store: SessionStore): Promise<void> => {
    const outcomes = await store.commit(batch);
    expect(outcomes.map(({ status }) => status)).toEqual(batch.map(() => "committed"));
  };
  return { run, after, stages, isUndone: changes.length === 1 };
}

function removal(logs: Logs, id: string): Step {
  const after = new Map(logs);
  after.delete(id);
  return {
    run: (store) => store.remove(id),
    after,
    stages: new Map([[id, [logs.get(id), undefined]]]),
    defies: "short",
  };
}

function listing(logs: Logs): Step {
  const run = async (store: SessionStore): Promise<void> => {
    const { items } = await store.list({ order: "created", limit: 100 });
    expect(items.map(({ id }) => id).sort()).toEqual([...logs.keys()].sort());
  };
  return { run, after: logs, stages: new Map() };
}

const GROUP = Array.from({ length: 9 }, (_, index) => `g${index}`);

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

/** Batches large enough to be put on the disk as a group. */
export const GROUP_SCENARIO: typeof SCENARIO = [
  (logs) => commits(logs, ...GROUP.map((id): [string, EntryDraft] => [id, say("first")])),
  (logs) => commits(logs, ...GROUP.map((id): [string, EntryDraft] => [id, say(`second of ${id}`, "m")])),
  (logs) => commits(logs, ["g1", say("alone")]),
  (logs) =>
    commits(
      logs,
      ["g2", say("twice")],
      ...GROUP.map((id): [string, EntryDraft] => [id, say(`third of ${id}`)]),
    ),
  (logs) => removal(logs, "g3"),
  (logs) => commits(logs, ...GROUP.map((id): [string, EntryDraft] => [id, say(`last of ${id}`)])),
];

export const sameLog = (one: Log | undefined, other: Log | undefined): boolean =>
  isDeepStrictEqual(one, other);

/** The logs of a folder as a store finds them that was just opened. Also checks that each record is that of its log. */
export async function logsIn(folder: string): Promise<Map<string, Log>> {
  const store = fileStore({ directory: folder, durability: "normal" });
  const logs = new Map<string, Log>();
  for (const id of ["a", "b", "c", ...GROUP]) {
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

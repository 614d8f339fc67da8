/**
 * @module
 * Random commands, on a store and on a plain model of it: both must answer alike at every step.
 */
import type { EntryDraft } from "../../../log/entry.ts";
import { messageOf } from "../../../log/errors.ts";
import type { SessionRecord } from "../../../log/record.ts";
import type { Commit, CommitOutcome, ReadRange, SessionStore, StoreQuery } from "../../store.ts";
import { check, equal, sameEntries, sameRecord, show } from "../assert.ts";
import type { SessionSeed } from "../build.ts";
import { commitOf, creation, note, say, tick } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";
import type { Model } from "../model.ts";
import { createModel } from "../model.ts";
import type { Random } from "../random.ts";
import { randomFrom } from "../random.ts";

const STEPS = 300;
const IDS = ["a", "b", "c", "A", "a:b"] as const;
const USERS = ["u", "v"] as const;
const HOUR_MS = 3_600_000;

/**
 * One namespace through two connections, with its model, the commits that were sent to it, and those of them that took
 * place: no writer builds on a record that never was.
 */
interface World {
  readonly views: readonly [SessionStore, SessionStore];
  readonly model: Model;
  readonly sent: Commit[];
  readonly done: Commit[];
}

type Step = (world: World, random: Random) => Promise<void>;

function optional<T>(random: Random, percent: number, value: () => T): T | undefined {
  return random.chance(percent) ? value() : undefined;
}

/** The fields of `fields` that have a value. */
function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> };
function defined(fields: object): unknown {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function draft(random: Random, count: number): EntryDraft {
  const id = optional(random, 30, () => `id ${random.integer(30)}`);
  const text = `text ${count}`;
  return random.pick<() => EntryDraft>([
    () => say(text, id),
    () => say(text, id),
    () => note({ count, z: 1, a: [text] }, id),
    () => ({ type: "metadata.patched", data: { patch: { k: random.integer(3) } } }),
    () => ({ type: "label.set", data: { label: random.pick(["x", "y"]), automatic: false } }),
    () => ({ type: "status.set", data: { status: random.pick(["active", "completed", "abandoned"]) } }),
    () => ({ type: "data.patched", data: { patch: { [`key ${random.integer(5)}`]: count } } }),
    () => ({
      type: "expiry.set",
      data: random.chance(30) ? {} : { expiresAt: Date.now() + HOUR_MS * (1 + random.integer(3)) },
    }),
    () => ({ type: "session.deleted", data: {} }),
  ])();
}

function drafts(random: Random): EntryDraft[] {
  const made = Array.from({ length: 1 + random.integer(4) }, (_, index) => draft(random, index));
  return made.filter(
    ({ id }, index) => id === undefined || made.findIndex((other) => other.id === id) === index,
  );
}

function newCommit({ model, sent, done }: World, random: Random): Commit {
  const id = random.pick(IDS);
  const record = model.find(id);
  const at = random.chance(20) && record ? record.updatedAt : tick();
  const again = sent[random.integer(Math.max(1, sent.length))];
  // A creation is sent again only while its session lives: each life has a creation time of its own.
  if (again && random.chance(10) && (again.expectedVersion > 0 || model.find(again.sessionId))) return again;
  const base = done[random.integer(Math.max(1, done.length))];
  if (base && random.chance(10)) return commitOf(base.record, drafts(random), at);
  if (record && !random.chance(5)) return commitOf(record, drafts(random), at);
  const seed: SessionSeed = {
    userId: random.pick(USERS),
    kind: random.pick(["session", "child", "fork"]),
    metadata: { k: random.integer(3) },
    ...defined({
      agent: optional(random, 50, () => "x"),
      parentId: optional(random, 50, () => random.pick(IDS)),
    }),
    ...(random.chance(30) && { lineage: [{ id: "z", upTo: 1 + random.integer(9) }] }),
  };
  return commitOf(undefined, [creation({ ...seed, id }), ...drafts(random)]);
}

const STEPS_OF_A_RUN: Readonly<Record<string, Step>> = {
  async commit(world, random) {
    const batch = Array.from({ length: random.chance(30) ? 1 + random.integer(4) : 1 }, () =>
      newCommit(world, random),
    );
    const outcomes = await random.pick(world.views).commit(batch);
    equal(outcomes.length, batch.length, "how many outcomes there are");
    for (const [index, commit] of batch.entries()) {
      const expected = world.model.commit(commit);
      sameOutcome(outcomes[index], expected, commit);
      if (expected.status === "committed") world.done.push(commit);
    }
    world.sent.push(...batch);
  },
  async find(world, random) {
    const ids = Array.from({ length: 1 + random.integer(6) }, () => random.pick(IDS));
    const records = await random.pick(world.views).find(ids);
    for (const [index, id] of ids.entries()) sameRecord(records[index], world.model.find(id), `find: ${id}`);
  },
  async read(world, random) {
    const id = random.pick(IDS);
    const range: ReadRange = {
      after: random.integer(20),
      limit: 1 + random.integer(20),
      ...defined({
        upTo: optional(random, 50, () => random.integer(40)),
        reverse: optional(random, 50, () => random.chance(50)),
        types: optional(random, 30, () => [random.pick(["message", "x.note"]), "label.set"]),
      }),
    };
    sameEntries(
      await random.pick(world.views).read(id, range),
      world.model.read(id, range),
      `read ${id} ${JSON.stringify(range)}`,
    );
  },
  async list(world, random) {
    const conditions: Omit<StoreQuery, "limit"> = {
      order: random.pick(["updated", "created"]),
      ...defined({
        userId: optional(random, 30, () => random.pick(USERS)),
        agent: optional(random, 10, () => "x"),
        label: optional(random, 10, () => "x"),
        status: optional(random, 30, () => random.pick(["active", "completed", "deleted"])),
        kind: optional(random, 20, () => random.pick(["session", "child"])),
        parentId: optional(random, 10, () => random.pick(IDS)),
        metadata: optional(random, 20, () => ({ k: random.integer(3) })),
        liveAt: optional(random, 20, () => Date.now() + HOUR_MS * 2),
        expiredAt: optional(random, 10, () => Date.now() + HOUR_MS * 2),
      }),
    };
    const view = random.pick(world.views);
    if (view.capabilities.listConsistency !== "strong") return;
    const listed: SessionRecord[] = [];
    let cursor: string | undefined;
    do {
      const page = await view.list({
        ...conditions,
        limit: 1 + random.integer(4),
        ...(cursor !== undefined && { cursor }),
      });
      listed.push(...page.items);
      cursor = page.cursor;
    } while (cursor !== undefined);
    const expected = world.model.list(conditions);
    equal(
      listed.map(({ id }) => id),
      expected.map(({ id }) => id),
      `list ${JSON.stringify(conditions)}`,
    );
    for (const [index, record] of expected.entries()) sameRecord(listed[index], record, `list: ${record.id}`);
  },
  async remove(world, random) {
    const id = random.pick(IDS);
    equal(await random.pick(world.views).remove(id), world.model.remove(id), `remove ${id}`);
  },
};

function sameOutcome(actual: CommitOutcome | undefined, expected: CommitOutcome, commit: Commit): void {
  const what = `commit to ${commit.sessionId} at version ${commit.expectedVersion}`;
  check(actual?.status === expected.status, `${what}: expected ${expected.status}, got ${show(actual)}`);
  if (actual.status === "conflict" && expected.status === "conflict")
    sameRecord(actual.current, expected.current, what);
  if (actual.status === "duplicate" && expected.status === "duplicate") {
    check(
      commit.entries.some(({ id }) => id === actual.entryId),
      `${what}: ${show(actual.entryId)} is no id of that commit`,
    );
    if (actual.entryId === expected.entryId)
      equal(actual.seq, expected.seq, `${what}: the position of the duplicate`);
  }
}

async function run(worlds: readonly [World, ...World[]], random: Random): Promise<void> {
  const { commit, find, read, list, remove } = STEPS_OF_A_RUN;
  for (let index = 0; index < STEPS; index += 1) {
    const world = random.pick(worlds);
    const step = random.pick([commit, commit, commit, commit, find, read, read, list, list, remove]);
    try {
      await step?.(world, random);
    } catch (error) {
      throw Object.assign(new Error(`step ${index}: ${messageOf(error)}`, { cause: error }), {
        name: "ConformanceError",
      });
    }
  }
  for (const { views, model } of worlds) {
    for (const id of IDS) {
      for (const view of views) {
        sameRecord((await view.find([id]))[0], model.find(id), `at the end: ${id}`);
        const range = { after: 0, limit: 10_000 };
        sameEntries(await view.read(id, range), model.read(id, range), `at the end: the log of ${id}`);
      }
    }
  }
}

export const randomCases: readonly ConformanceCase[] = [
  {
    key: "random/model",
    clause: "C1",
    title: `${STEPS} random commands through two connections and two namespaces answer as a plain model does`,
    async run({ store, second, seed }) {
      const other = await second();
      const world = (one: SessionStore, two: SessionStore): World => ({
        views: [one, two],
        model: createModel(),
        sent: [],
        done: [],
      });
      const worlds: readonly [World, World] = [
        world(store, other),
        world(store.namespace("n"), other.namespace("n")),
      ];
      try {
        await run(worlds, randomFrom(seed));
      } catch (error) {
        throw Object.assign(
          new Error(`${messageOf(error)} (run again with seed ${seed})`, { cause: error }),
          { name: "ConformanceError" },
        );
      }
    },
  },
];

/**
 * Random commands, done to a log by `decide` and `evolve` and to a plain model, which must agree after each; through
 * forks of forks, each of which may be forked and rewound to any place of its history.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Entry } from "../../src/log/entry.ts";
import { isKnown } from "../../src/log/entry.ts";
import { evolveAll } from "../../src/log/evolve.ts";
import { forkPoint, lineageAt, partsOf } from "../../src/log/lineage.ts";
import { reconcile } from "../../src/log/reconcile.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import { CONTROL_TYPES, transcriptOf, visibility } from "../../src/log/transcript.ts";
import type { Log } from "../support/build-log.ts";
import { commit, logOf, present } from "../support/build-log.ts";
import { refusalOf } from "../support/errors.ts";
import { frozen } from "../support/frozen.ts";
import { referenceView } from "../support/reference-transcript.ts";
import type { Model, Point, Step } from "../support/session-model.ts";
import {
  actualRecord,
  expectedRecord,
  messagesOf,
  newModel,
  plan,
  restoredFrom,
  STEP_KINDS,
} from "../support/session-model.ts";

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...STEP_KINDS) },
    { weight: 1, arbitrary: fc.constantFrom("append", "revise", "remove", "set", "rewind", "fork") },
  ),
  n: fc.nat({ max: 60 }),
  texts: fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 4 }),
  word: fc.constantFrom("one", "two", "__proto__"),
  flag: fc.boolean(),
  waitMs: fc.nat({ max: 40 }),
});

/** A session, its history, and what it was like at each place of it that can be gone back to. */
interface Subject {
  log: Log;
  readonly inherited: readonly Entry[];
  model: Model;
  readonly past: Map<number, { point: Point; record: SessionRecord }>;
}

/** Places each new message of the model where the log put it, and notes what each place was like. */
function note(subject: Subject, entries: readonly Entry[], before: SessionRecord): void {
  const { log, model, past } = subject;
  const fresh = model.point.messages.filter((one) => one.seq === 0);
  let record: SessionRecord | undefined = before;
  for (const entry of entries) {
    record = present(evolveAll(record, [entry]));
    if (entry.type !== "message") continue;
    const placed = present(fresh.shift());
    placed.seq = entry.seq;
    const messages = model.point.messages.filter((one) => one.seq !== 0);
    // Between messages of one commit, which changes nothing else that a rewind takes back.
    past.set(entry.seq, { point: structuredClone({ ...model.point, messages }), record });
  }
  expect(fresh).toEqual([]);
  past.set(log.record.seq, { point: structuredClone(model.point), record: log.record });
}

function history({ log, inherited }: Subject): readonly Entry[] {
  return [...inherited, ...log.entries];
}

/** One step. A fork is gone on with in place of its parent, which is left as it is. */
function take(subject: Subject, one: Step, nowMs: number, logs: Map<string, Log>): Subject {
  const { model, past } = subject;
  const before = subject.log;
  if (one.kind === "fork") return fork(subject, one, logs);
  const run = (command: Parameters<typeof commit>[1], apply: () => void): Subject => {
    subject.log = frozen(commit(before, command, { nowMs }));
    logs.set(before.record.id, subject.log);
    apply();
    const grown = subject.log.entries.slice(before.entries.length);
    note(subject, grown, before.record);
    expect(subject.log.record.version).toBe(before.record.version + (grown.length > 0 ? 1 : 0));
    return subject;
  };
  if (one.kind === "rewind") {
    const places = [...past.keys()];
    const to = present(places[one.n % places.length]);
    const { point, record } = present(past.get(to));
    return run({ type: "rewind", to, restored: restoredFrom(record) }, () => {
      model.point = structuredClone(point);
    });
  }
  if (one.kind === "set") {
    const wanted = messagesOf(one.texts);
    const changes = reconcile(transcriptOf(history(subject)), wanted);
    const labelIfNone = one.flag ? { labelIfNone: one.word } : {};
    return run({ type: "set-messages", ...changes, ...labelIfNone }, () => {
      if (one.flag) model.label ??= one.word;
      const removed = new Set(changes.removed);
      const revised = new Map(changes.revised.map(({ seq, message }) => [seq, message]));
      const kept = model.point.messages.filter(({ seq }) => !removed.has(seq));
      model.point.messages = [
        ...kept.map(({ seq, message }) => ({ seq, message: revised.get(seq) ?? message })),
        ...changes.added.map(({ message }) => ({ seq: 0, message })),
      ];
      expect(model.point.messages.map(({ message }) => message)).toEqual(
        wanted.map(({ message }) => message),
      );
    });
  }
  const planned = plan(model, one, nowMs);
  if (planned === undefined) return subject;
  const { command, refused, apply } = planned;
  if (refused === undefined) return run(command, apply);
  expect(refusalOf(() => commit(before, command, { nowMs })).code).toBe(refused);
  return subject;
}

function fork(subject: Subject, { n, word }: Step, logs: Map<string, Log>): Subject {
  const { log, past, model } = subject;
  const places = [...past.keys()].filter((place) => place > 0);
  const at = present(places[n % places.length]);
  const { point, record } = present(past.get(at));
  const id = `fork-${logs.size}`;
  const forked = frozen(
    logOf({
      id,
      kind: "fork",
      parentId: log.record.id,
      lineage: lineageAt(log.record, at),
      dataVersion: model.point.dataVersion,
      label: word,
      base: restoredFrom(record),
    }),
  );
  logs.set(id, forked);
  expect(forkPoint(forked.record)).toBe(at);
  const child: Subject = {
    log: forked,
    inherited: history(subject).filter((entry) => entry.seq <= at),
    model: { ...newModel(), label: word, point: structuredClone(point) },
    past: new Map([...past].filter(([place]) => place <= at)),
  };
  note(child, [], forked.record);
  return child;
}

function check(subject: Subject, logs: ReadonlyMap<string, Log>): void {
  const { log, model } = subject;
  const entries = history(subject);
  const seen = transcriptOf(entries);
  expect(seen.map(({ seq, message }) => ({ seq, message }))).toEqual(model.point.messages);
  expect(log.record.messageCount).toBe(seen.length);
  expect(actualRecord(log.record)).toEqual(expectedRecord(model));
  expect(referenceView(entries).messages).toEqual(seen);
  expect(evolveAll(undefined, log.entries)).toEqual(log.record);

  // Readers rely on it: past this place nothing hides or changes a message.
  const controls: readonly string[] = CONTROL_TYPES;
  expect(log.record.revisedUpTo).toBe(entries.findLast(({ type }) => controls.includes(type))?.seq);

  const view = visibility();
  for (const entry of entries.toReversed()) view.take(entry);
  expect(view.compaction?.upTo).toBe(model.point.compactedUpTo);

  // The history as its stretches of logs give it.
  const read = partsOf(log.record).flatMap((part) =>
    present(logs.get(part.id)).entries.filter(({ seq }) => seq > part.after && seq <= part.upTo),
  );
  expect(read).toEqual(entries);
  expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_entry, index) => index + 1));
}

test("commands done to a log and to a plain model agree", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30, size: "max" }), (steps) => {
      const root = frozen(logOf());
      const logs = new Map([["s", root]]);
      let subject: Subject = { log: root, inherited: [], model: newModel(), past: new Map() };
      subject.past.set(0, { point: structuredClone(subject.model.point), record: root.record });
      note(subject, [], root.record);
      let nowMs = 10_000;
      for (const one of steps) {
        nowMs += one.waitMs;
        subject = take(subject, one, nowMs, logs);
        check(subject, logs);
      }
    }),
    { numRuns: 500 },
  );
});

test("what a fork's parent does later is no part of the fork", () => {
  const parent = logOf({}, { type: "append", messages: messagesOf(["a", "b"]) });
  const child = logOf({
    id: "child",
    kind: "fork",
    lineage: lineageAt(parent.record, 2),
    base: restoredFrom(evolveAll(undefined, parent.entries.slice(0, 2))),
  });
  const later = commit(parent, { type: "clear" });
  const [first, own] = partsOf(child.record);
  expect(first).toEqual({ id: "s", after: 0, upTo: 2, erased: false });
  expect(own).toEqual({ id: "child", after: 2, upTo: 3, erased: false });
  const entries = [...later.entries.filter(({ seq }) => seq <= 2), ...child.entries];
  expect(transcriptOf(entries).map(({ message }) => message)).toEqual([{ role: "user", content: "a" }]);
  expect(child.record.messageCount).toBe(1);
  expect(child.entries.every((entry) => isKnown(entry))).toBe(true);
});

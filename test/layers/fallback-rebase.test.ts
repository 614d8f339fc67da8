/** Which commits can stand behind what another node wrote, and where their entries go. */
import { describe, expect, test } from "vitest";
import { rebase } from "../../src/layers/fallback/rebase.ts";
import type { Entry, EntryDraft } from "../../src/log/entry.ts";
import { positionalId } from "../../src/log/entry.ts";
import { evolveAll } from "../../src/log/evolve.ts";
import { commitOf, creation, note, say } from "../../src/store/conformance/build.ts";

const base = commitOf(undefined, [creation({ id: "s" }), say("one"), say("two")]);
const BASE_SEQ = base.record.seq;

function entriesFrom(seq: number, commit: string, drafts: readonly EntryDraft[]): Entry[] {
  return drafts.map((draft, index) => ({
    seq: seq + index,
    ...draft,
    id: draft.id ?? positionalId(seq + index),
    at: seq + index,
    ...(index === 0 && { commit }),
  }));
}

/** `ours`, each draft a commit, behind `theirs`, which is one commit. */
function put(ours: readonly EntryDraft[], theirs: readonly EntryDraft[], nowMs = 0) {
  const others = entriesFrom(BASE_SEQ + 1, "theirs", theirs);
  const head = evolveAll(base.record, others) ?? base.record;
  const commits = ours.map((draft, index) => ({
    id: `c${index}`,
    entries: entriesFrom(BASE_SEQ + 1 + index, `c${index}`, [draft]),
  }));
  const rebased = rebase(commits, {
    baseSeq: BASE_SEQ,
    head,
    others,
    landed: [],
    taken: new Set(),
    nowMs,
  });
  return "blocked" in rebased ? rebased.blocked : rebased.commits.flatMap(({ entries }) => entries);
}

const draft = <T extends EntryDraft>(one: T): T => one;
const removed = (seq: number) => draft({ type: "message.removed", data: { seq } });
const compacted = (upTo: number) => draft({ type: "history.compacted", data: { upTo, messages: [] } });
const started = (turnId: string, until: number) =>
  draft({ type: "turn.started", data: { turnId, owner: turnId, until } });
const data = draft({ type: "data.replaced", data: { data: { a: 1 } } });
const route = draft({ type: "route.entered", data: { route: { id: "r" } } });
const cleared = draft({ type: "messages.cleared", data: { count: 2 } });
const label = (automatic: boolean) =>
  draft({ type: "label.set", data: { label: `l${automatic}`, automatic } });

describe("what goes behind", () => {
  for (const [title, ours, theirs] of [
    ["messages behind messages", [say("a"), say("b")], [say("x")]],
    ["messages behind a clear", [say("a")], [cleared]],
    ["notes, data, usage", [note(1), { type: "data.patched", data: { patch: {} } }], [data, route]],
    ["a removal behind messages", [removed(2)], [say("x")]],
    ["a removal of our own behind a clear", [say("a"), removed(BASE_SEQ + 1)], [cleared]],
    ["a summary of what both have", [compacted(BASE_SEQ)], [say("x")]],
    ["replaced data behind messages", [data, route], [say("x")]],
    [
      "a turn behind one that is over",
      [started("t", 100)],
      [started("u", 100), { type: "turn.ended", data: { turnId: "u", outcome: "completed" } }],
    ],
    ["a turn behind one whose lease ran out", [started("t", 100)], [started("u", 0)]],
  ] as const) {
    test(title, () => {
      const seqs = put(ours, theirs).map((entry) => (typeof entry === "string" ? entry : entry.seq));
      const first = BASE_SEQ + theirs.length + 1;
      expect(seqs).toEqual(ours.map((_, index) => first + index));
    });
  }

  test("positions that are named move along, and commits keep their ids", () => {
    const [a, gone] = put([say("a"), removed(BASE_SEQ + 1)], [say("x"), say("y")]);
    expect(a).toMatchObject({ seq: BASE_SEQ + 3, id: `#${BASE_SEQ + 3}`, commit: "c0" });
    expect(gone).toMatchObject({ data: { seq: BASE_SEQ + 3 }, commit: "c1" });
  });

  test("an automatic label gives way to one that is there, a chosen one doesn't", () => {
    expect(put([label(true)], [label(false)])).toEqual([]);
    expect(put([label(true)], [say("x")]).length).toBe(1);
    expect(put([label(false)], [label(true)]).length).toBe(1);
  });

  test("an entry that is there is not repeated; another one of its id is kept under its position", () => {
    expect(put([say("same", "m")], [say("same", "m")])).toEqual([]);
    expect(put([say("other", "m")], [say("same", "m")])).toMatchObject([{ id: `#${BASE_SEQ + 2}` }]);
    expect(put([say("mine", "n")], [say("same", "m")])).toMatchObject([{ id: "n" }]);
  });
});

describe("what can't", () => {
  for (const [title, ours, theirs] of [
    ["a clear", [cleared], [say("x")]],
    [
      "a rewind",
      [draft({ type: "history.rewound", data: { to: 2, count: 1, restored: base.record } })],
      [say("x")],
    ],
    ["a summary of what was written here", [say("a"), compacted(BASE_SEQ + 1)], [say("x")]],
    ["a summary where theirs is another", [compacted(2)], [compacted(3)]],
    ["a removal where they removed", [removed(2)], [removed(3)]],
    ["replaced data where they changed it", [data], [{ type: "data.patched", data: { patch: {} } }]],
    ["a route where they moved", [route], [route]],
    ["a turn while they are in one", [started("t", 100)], [started("u", 100)]],
    ["a type that is not known here", [draft({ type: "session.deleted", data: {} })], [say("x")]],
  ] as const) {
    test(title, () => {
      expect(put(ours, theirs)).toEqual([ours.at(-1)?.type]);
    });
  }
});

/**
 * @module
 * Clauses L: what an entry is, and that log and record agree.
 */
import type { EntryDraft } from "../../../log/entry.ts";
import { evolveAll } from "../../../log/evolve.ts";
import { EMPTY_CONVERSATION } from "../../../log/record.ts";
import { equal, sameEntries, sameRecord } from "../assert.ts";
import { begin, commitOf, commitOne, note, say, tick } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";

const EVERYTHING: readonly EntryDraft[] = [
  say("the first"),
  { type: "message.revised", data: { seq: 2, message: { role: "user", content: "the first, better" } } },
  {
    type: "data.patched",
    data: { patch: { zebra: 1, apple: { "456": "x", b: [true, null] } }, route: "booking" },
  },
  { type: "route.entered", data: { route: { id: "booking", title: "Book" }, step: { id: "where" } } },
  { type: "metadata.patched", data: { patch: { tier: "gold", "a.b": 1, $set: false } } },
  { type: "label.set", data: { label: "Flüge 🛫", automatic: true } },
  { type: "state.set", data: { slot: "__proto__", value: { run: new Uint8Array([0, 255]) } } },
  {
    type: "usage.added",
    data: { usage: { inputTokens: 3, outputTokens: 4, cachedInputTokens: 2, costUsd: 0.000123 } },
  },
  { type: "turn.started", data: { turnId: "t-1", owner: "worker 1", until: 4_102_444_800_000 } },
  { type: "expiry.set", data: { expiresAt: 4_102_444_800_000 } },
  { type: "checkpoint.created", data: { name: "before", metadata: { why: "test" } } },
  { type: "history.compacted", data: { upTo: 2, messages: [{ role: "system", content: "summary" }] } },
  { type: "status.set", data: { status: "completed" } },
  { type: "x.custom:ünïcode/🙂", data: [1, "two"], text: "searchable text\nof two lines" },
  { type: "x.custom", data: null, text: "a\u0000b \ud800 \ufeff'\"" },
];

export const logCases: readonly ConformanceCase[] = [
  {
    key: "log/entry-fidelity",
    clause: "L1",
    title: "an entry comes back with every field that it was committed with, and no other",
    async run({ store, second }) {
      const session = await begin(store, { id: "all" }, ...EVERYTHING);
      await session.write(say("with an id", "message 1"));
      for (const reader of [store, await second()]) {
        sameEntries(await reader.read("all", { after: 0, limit: 100 }), session.entries, "the log");
      }
    },
  },
  {
    key: "log/never-changes",
    clause: "L1",
    title: "what was committed reads the same after later commits",
    async run({ store }) {
      const session = await begin(store, {}, say("one", "m1"));
      const before = await store.read(session.id, { after: 0, limit: 10 });
      await session.write({
        type: "message.revised",
        data: { seq: 2, message: { role: "user", content: "ONE" } },
      });
      await session.write({ type: "message.removed", data: { seq: 2 } });
      await session.write({
        type: "history.rewound",
        data: { to: 1, count: 0, restored: EMPTY_CONVERSATION },
      });
      sameEntries(
        await store.read(session.id, { after: 0, upTo: 2, limit: 10 }),
        before,
        "the first two entries",
      );
    },
  },
  {
    key: "log/order-is-seq",
    clause: "L2",
    title: "order is seq, where times are equal and where they run backwards",
    async run({ store }) {
      const now = tick();
      const session = await begin(store, {}, note(0), note(1));
      for (const at of [now, now, now - 5000, now + 5000, now - 86_400_000, now])
        await session.writeAt(at, note(at), note(at));
      const entries = await store.read(session.id, { after: 0, limit: 100 });
      equal(
        entries.map(({ seq }) => seq),
        Array.from({ length: 15 }, (_, index) => index + 1),
        "the positions",
      );
      sameEntries(entries, session.entries, "the log");
      const newest = await store.read(session.id, { after: 0, limit: 100, reverse: true });
      sameEntries(newest, session.entries.toReversed(), "the log, backwards");
    },
  },
  {
    key: "log/positional-ids",
    clause: "L3",
    title:
      "an entry without a caller's id is known by its position, and its caller's id comes back where it has one",
    async run({ store }) {
      const session = await begin(store, {}, say("a"), say("b", "mine"), say("c"));
      const entries = await store.read(session.id, { after: 0, limit: 10 });
      equal(
        entries.map(({ id }) => id),
        ["#1", "#2", "mine", "#4"],
        "the ids",
      );
    },
  },
  {
    key: "log/exact-ids",
    clause: "L3",
    title: "entry ids that differ by case, spaces, accents, form or digits only are different ids",
    async run({ store, second }) {
      const ids = [
        "a",
        "A",
        "a ",
        " a",
        "\u00e9",
        "e\u0301",
        "e",
        "ss",
        "ß",
        "1",
        "01",
        "1.0",
        "1e0",
        "null",
        "%",
        "_",
        "__proto__",
        "nul\0",
        "nul",
        "🙂",
        "x".repeat(512),
        `${"x".repeat(511)}y`,
      ];
      const session = await begin(store);
      for (const id of ids) await session.write(say(id.slice(0, 10), id));
      const entries = await (await second()).read(session.id, { after: 1, limit: 100 });
      equal(
        entries.map(({ id }) => id),
        ids,
        "the ids",
      );
    },
  },
  {
    key: "log/commit-id",
    clause: "L4",
    title: "the first entry of each commit carries the commit's id, and no other does",
    async run({ store }) {
      const session = await begin(store, {}, say("a"), say("b"));
      const commit = await session.write(say("c"), say("d"));
      const entries = await store.read(session.id, { after: 0, limit: 10 });
      equal(
        entries.map((entry) => "commit" in entry),
        [true, false, false, true, false],
        "which entries carry a commit id",
      );
      equal(entries[3]?.commit, commit.entries[0]?.commit, "the id of the second commit");
    },
  },
  {
    key: "log/unknown-types",
    clause: "L5",
    title: "entries are not interpreted: one that no record field depends on is kept like any other",
    async run({ store }) {
      const session = await begin(
        store,
        {},
        { type: "x.a", data: null },
        { type: "x.session.created", data: { id: 1 } },
      );
      await session.write({ type: "x.b", data: "text" }, { type: "x.c", data: [] });
      sameEntries(await store.read(session.id, { after: 0, limit: 10 }), session.entries, "the log");
    },
  },
  {
    key: "log/record-fidelity",
    clause: "L6",
    title: "find answers with the record of the last commit, every field as it was",
    async run({ store, second }) {
      const session = await begin(
        store,
        { id: "full", userId: "u", agent: "a", label: "l", parentId: "p", metadata: { b: 1, a: 2 } },
        ...EVERYTHING,
      );
      for (const reader of [store, await second()])
        sameRecord((await reader.find(["full"]))[0], session.record, "the record");
      const bare = await begin(store);
      for (const reader of [store, await second()])
        sameRecord((await reader.find([bare.id]))[0], bare.record, "a bare record");
    },
  },
  {
    key: "log/record-is-fold",
    clause: "L6",
    title: "folding the log that is read back gives the record that find answers with",
    async run({ store, second }) {
      const session = await begin(store, { userId: "u" }, ...EVERYTHING);
      for (const draft of EVERYTHING) await session.write(draft, say("and"));
      const reader = await second();
      const folded = evolveAll(undefined, await reader.read(session.id, { after: 0, limit: 1000 }));
      sameRecord((await reader.find([session.id]))[0], folded, "the record");
    },
  },
  {
    key: "log/long",
    clause: "L2",
    title: "a commit of 10,000 entries is whole and in order",
    async run({ store, second }) {
      const drafts = Array.from({ length: 10_000 }, (_, index) =>
        index % 100 === 0 ? say(`text ${index}`, `id ${index}`) : note(index),
      );
      const session = await begin(store);
      const commit = commitOf(session.record, drafts);
      await commitOne(store, commit);
      const reader = await second();
      sameRecord((await reader.find([session.id]))[0], commit.record, "the record");
      sameEntries(await reader.read(session.id, { after: 1, limit: 20_000 }), commit.entries, "the log");
      const tail = await reader.read(session.id, { after: 0, limit: 3, reverse: true });
      equal(
        tail.map(({ seq }) => seq),
        [10_001, 10_000, 9999],
        "the last three",
      );
    },
  },
];

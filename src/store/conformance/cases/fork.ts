/**
 * @module
 * Clauses F: forks and children, as far as a store has a part in them: lineage is data, own logs begin past the fork.
 */
import type { Entry } from "../../../log/entry.ts";
import { lineageAt, partsOf } from "../../../log/lineage.ts";
import type { SessionRecord } from "../../../log/record.ts";
import type { SessionStore } from "../../store.ts";
import { check, equal, sameEntries, sameRecord } from "../assert.ts";
import type { TestSession } from "../build.ts";
import { begin, note, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";
import { idsOf } from "./list.ts";
import { rangeOf } from "./read.ts";

function forkOf(
  store: SessionStore,
  parent: SessionRecord,
  id: string,
  at = parent.seq,
): Promise<TestSession> {
  return begin(store, { id, kind: "fork", parentId: parent.id, lineage: lineageAt(parent, at) });
}

/** The whole history of `record`, part by part, as the session layer reads it. */
async function historyOf(store: SessionStore, record: SessionRecord): Promise<Entry[]> {
  const parts: Entry[] = [];
  for (const { id, after, upTo } of partsOf(record))
    parts.push(...(await store.read(id, { after, upTo, limit: 1000 })));
  return parts;
}

export const forkCases: readonly ConformanceCase[] = [
  {
    key: "fork/positions",
    clause: "F1",
    title: "a fork's log goes on from the fork point, and its lineage comes back as it was",
    async run({ store, second }) {
      const parent = await begin(store, { id: "parent" }, say("2"), say("3"), say("4"));
      const fork = await forkOf(store, parent.record, "fork", 3);
      await fork.write(say("5 in the fork"));
      equal(
        fork.entries.map(({ seq }) => seq),
        [4, 5],
        "the fork's own positions",
      );
      const reader = await second();
      sameRecord((await reader.find(["fork"]))[0], fork.record, "the fork's record");
      equal((await reader.find(["fork"]))[0]?.lineage, [{ id: "parent", upTo: 3 }], "the lineage");
    },
  },
  {
    key: "fork/own-log-only",
    clause: "F2",
    title: "reading a fork gives its own entries only, in every range",
    async run({ store }) {
      const parent = await begin(
        store,
        { id: "parent" },
        ...Array.from({ length: 9 }, (_, index) => say(`${index}`)),
      );
      const fork = await forkOf(store, parent.record, "fork", 7);
      await fork.write(note(9), say("10"));
      for (const after of [0, 5, 7, 8, 9, 20]) {
        for (const reverse of [false, true]) {
          for (const limit of [1, 2, 100]) {
            const range = { after, limit, reverse };
            sameEntries(
              await store.read("fork", range),
              rangeOf(fork.entries, range),
              `read(${JSON.stringify(range)})`,
            );
          }
        }
      }
      sameEntries(
        await store.read("fork", { after: 0, upTo: 7, limit: 10 }),
        [],
        "the fork's log up to the fork point",
      );
    },
  },
  {
    key: "fork/history",
    clause: "F2",
    title:
      "the parts of a fork's lineage, read one by one, are its history; later writes to the parent are not",
    async run({ store, second }) {
      const parent = await begin(store, { id: "parent" }, say("2"), say("3"));
      const fork = await forkOf(store, parent.record, "fork", 2);
      await parent.write(say("parent goes on"));
      await fork.write(say("fork goes on"));
      const expected = [...parent.entries.slice(0, 2), ...fork.entries];
      sameEntries(await historyOf(await second(), fork.record), expected, "the fork's history");
      sameEntries(await store.read("parent", { after: 0, limit: 10 }), parent.entries, "the parent's log");
    },
  },
  {
    key: "fork/nested-50",
    clause: "F2",
    title: "a fork of a fork, 50 deep, has a history in order without a gap",
    async run({ store, second }) {
      let last = await begin(store, { id: "fork 0" }, say("from 0"));
      const expected = [...last.entries];
      for (let depth = 1; depth <= 50; depth += 1) {
        last = await forkOf(store, last.record, `fork ${depth}`);
        await last.write(say(`from ${depth}`));
        expected.push(...last.entries);
      }
      const reader = await second();
      const [record] = await reader.find(["fork 50"]);
      check(record !== undefined, "the innermost fork is missing");
      sameRecord(record, last.record, "the innermost fork's record");
      equal(record.lineage.length, 50, "the length of its lineage");
      const history = await historyOf(reader, record);
      sameEntries(history, expected, "its history");
      equal(
        history.map(({ seq }) => seq),
        history.map((_, index) => index + 1),
        "the positions of its history",
      );
    },
  },
  {
    key: "fork/hidden-parent",
    clause: "F3",
    title: "a parent that is marked as deleted keeps its entries for its forks",
    async run({ store, second }) {
      const parent = await begin(store, { id: "parent" }, say("kept"));
      const fork = await forkOf(store, parent.record, "fork");
      await parent.write({ type: "session.deleted", data: {} });
      const reader = await second();
      sameEntries(
        await historyOf(reader, fork.record),
        [...parent.entries.slice(0, 2), ...fork.entries],
        "the fork's history",
      );
      equal((await reader.find(["parent"]))[0]?.status, "deleted", "the parent's status");
    },
  },
  {
    key: "fork/removed-parent",
    clause: "F4",
    title: "a parent that is removed leaves its forks' own logs and records untouched",
    async run({ store, second, settled }) {
      const parent = await begin(store, { id: "parent" }, say("gone"));
      const fork = await forkOf(store, parent.record, "fork");
      await fork.write(say("mine"));
      equal(await store.remove("parent"), true, "whether the parent was removed");
      const reader = await second();
      sameRecord((await reader.find(["fork"]))[0], fork.record, "the fork's record");
      sameEntries(await historyOf(reader, fork.record), fork.entries, "what is left of the fork's history");
      await fork.write(say("goes on"));
      sameEntries(await reader.read("fork", { after: 0, limit: 10 }), fork.entries, "the fork's log");
      await settled(async () =>
        equal(await idsOf(reader, { parentId: "parent" }), ["fork"], "the heirs of the removed one"),
      );
    },
  },
  {
    key: "fork/children",
    clause: "F5",
    title: "a child has a log of its own from 1 and is found by its parent",
    async run({ store, settled }) {
      const parent = await begin(store, { id: "parent" }, say("2"));
      const child = await begin(store, { id: "child", kind: "child", parentId: "parent" }, say("own 2"));
      equal(
        child.entries.map(({ seq }) => seq),
        [1, 2],
        "the child's positions",
      );
      sameEntries(await store.read("child", { after: 0, limit: 10 }), child.entries, "the child's log");
      await forkOf(store, parent.record, "fork");
      await settled(async () => {
        equal(await idsOf(store, { parentId: "parent", kind: "child" }), ["child"], "the children");
        equal(await idsOf(store, { parentId: "parent" }), ["fork", "child"], "forks and children");
      });
    },
  },
];

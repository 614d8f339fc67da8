/**
 * @module
 * Clauses D: what is removed is gone.
 */
import { check, equal, sameEntries, sameRecord } from "../assert.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";
import { need, residue, search } from "../requirements.ts";
import { isConflict } from "./commit.ts";
import { idsOf, queryOf } from "./list.ts";

export const deleteCases: readonly ConformanceCase[] = [
  {
    key: "delete/gone",
    clause: "D1",
    title: "remove takes record and entries, says whether there was anything, and touches no other session",
    async run({ store, second, settled }) {
      const kept = await begin(store, { id: "kept", userId: "u" }, say("kept", "m1"));
      const session = await begin(store, { id: "a", userId: "u" }, say("one", "m1"));
      await session.write(note(1), note(2));
      const other = await second();
      equal(await store.remove("never"), false, "removing what never was");
      equal(await store.remove("a"), true, "removing what is there");
      for (const reader of [store, other]) {
        equal(await reader.find(["a"]), [undefined], "the record");
        equal(await reader.read("a", { after: 0, limit: 10 }), [], "the log");
        equal(await reader.remove("a"), false, "removing it again");
        sameRecord((await reader.find(["kept"]))[0], kept.record, "the other session");
        sameEntries(
          await reader.read("kept", { after: 0, limit: 10 }),
          kept.entries,
          "the other session's log",
        );
      }
      await settled(async () => equal(await idsOf(other), ["kept"], "the list"));
    },
  },
  {
    key: "delete/search",
    clause: "D2",
    title: "what was removed is not found by search",
    requires: search,
    async run({ store, settled }) {
      const find = need(store.search, "search()").bind(store);
      await begin(store, { id: "a" }, say("pelican harbour"));
      await begin(store, { id: "b" }, say("pelican island"));
      await settled(async () => equal((await find("pelican", queryOf())).items.length, 2, "the hits before"));
      await store.remove("a");
      await settled(async () =>
        equal(
          (await find("pelican", queryOf())).items.map((hit) => hit.sessionId),
          ["b"],
          "the hits after",
        ),
      );
    },
  },
  {
    key: "delete/no-residue",
    clause: "D2",
    title: "no trace of a removed session is left in raw storage",
    requires: residue,
    async run({ store, harness }) {
      const placesOf = need(harness.residue, "residue()").bind(harness);
      const needles = ["Zyqid", "Zyqtext", "Zyquser", "Zyqlabel", "Zyqmeta", "Zyqdata", "Zyqentry"].map(
        (word) => `${word}${"7f3a9c51".repeat(2)}`,
      );
      const [id = "", text = "", userId = "", label = "", meta = "", data = "", entryId = ""] = needles;
      await begin(store, { id: "kept" }, say("kept"));
      const session = await begin(
        store,
        { id, userId, label, metadata: { [meta]: meta } },
        say(text, entryId),
      );
      for (let index = 0; index < 10; index += 1) {
        await session.write(say(`${text} ${index}`), {
          type: "data.patched",
          data: { patch: { [data]: `${data} ${index}` } },
        });
      }
      check(
        (await placesOf(id)).length > 0,
        "residue() does not find a session that is there, so it proves nothing",
      );
      equal(await store.remove(id), true, "whether the session was removed");
      for (const needle of needles) equal(await placesOf(needle), [], `where ${needle} still occurs`);
    },
  },
  {
    key: "delete/late-write",
    clause: "D3",
    title: "a late write to a removed session conflicts without a current record, and brings nothing back",
    async run({ store, second, settled }) {
      const session = await begin(store, { id: "a" }, say("one", "m1"));
      const late = [
        session.next(say("late")),
        session.next(say("late", "m2")),
        session.next(say("one", "m1")),
      ];
      await (await second()).remove("a");
      for (const commit of late) isConflict(await outcomeOf(store, commit), undefined, "the late write");
      equal(await store.find(["a"]), [undefined], "the record");
      equal(await store.read("a", { after: 0, limit: 10 }), [], "the log");
      await settled(async () => equal(await idsOf(store), [], "the list"));
    },
  },
  {
    key: "delete/racing-writer",
    clause: "D3",
    title: "a session removed while it is written to is gone, whole, or never was written to again",
    async run({ store, second }) {
      const other = await second();
      for (let round = 0; round < 5; round += 1) {
        const session = await begin(store, { id: `race ${round}` }, note(1));
        const [outcome, removed] = await Promise.all([
          outcomeOf(store, session.next(say("racing"), note(2))),
          other.remove(session.id),
        ]);
        equal(removed, true, "whether the session was removed");
        check(outcome.status !== "duplicate", "the racing commit is a duplicate");
        equal(await other.find([session.id]), [undefined], "the record");
        equal(await other.read(session.id, { after: 0, limit: 10 }), [], "the log");
      }
    },
  },
  {
    key: "delete/new-life",
    clause: "D4",
    title: "the id of a removed session can be used again, and nothing of the old one comes with it",
    async run({ store, second, settled }) {
      const old = await begin(
        store,
        { id: "a", userId: "old", label: "old" },
        say("old", "m1"),
        say("old too", "m2"),
      );
      await old.write(note("old"));
      await store.remove("a");
      const fresh = await begin(await second(), { id: "a", userId: "new" }, say("new", "m1"));
      await fresh.write(say("goes on", "m2"));
      for (const reader of [store, await second()]) {
        sameRecord((await reader.find(["a"]))[0], fresh.record, "the new record");
        sameEntries(await reader.read("a", { after: 0, limit: 100 }), fresh.entries, "the new log");
      }
      await settled(async () => {
        equal(await idsOf(store, { userId: "old" }), [], "the sessions of the old user");
        equal(await idsOf(store, { userId: "new" }), ["a"], "the sessions of the new user");
      });
    },
  },
  {
    key: "delete/ten-lives",
    clause: "D4",
    title: "ten lives of one id, one after another, leave the last one only",
    async run({ store, second }) {
      const other = await second();
      for (let life = 0; life < 10; life += 1) {
        const [writer, remover] = life % 2 ? [store, other] : [other, store];
        const session = await begin(
          writer,
          { id: "a" },
          ...Array.from({ length: life + 1 }, (_, index) => say(`${life}/${index}`, `m${index}`)),
        );
        sameEntries(
          await remover.read("a", { after: 0, limit: 100 }),
          session.entries,
          `the log of life ${life}`,
        );
        if (life < 9) equal(await remover.remove("a"), true, `whether life ${life} was removed`);
      }
      const again = await outcomeOf(store, commitOf(undefined, [creation({ id: "a" })]));
      equal(again.status, "conflict", "a creation while the last one lives");
    },
  },
];

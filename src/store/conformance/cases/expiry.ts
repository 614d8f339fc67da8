/**
 * @module
 * Clauses X: what has expired can be left out of a list, listed and swept.
 */
import { check, equal, sameRecord } from "../assert.ts";
import { begin, note, outcomeOf, say, tick } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";
import { nativeTtl, need, residue, sweep } from "../requirements.ts";
import { idsOf } from "./list.ts";

const HOUR_MS = 3_600_000;

export const expiryCases: readonly ConformanceCase[] = [
  {
    key: "expiry/listed",
    clause: "X1",
    title:
      "liveAt leaves out what has expired by then, expiredAt lists only that; the moment itself counts as expired",
    async run({ store, settled }) {
      const at = tick() + HOUR_MS;
      await begin(store, { id: "never" });
      await begin(store, { id: "soon", expiresAt: at });
      await begin(store, { id: "later", expiresAt: at + HOUR_MS });
      const moved = await begin(store, { id: "moved", expiresAt: at });
      await moved.write({ type: "expiry.set", data: { expiresAt: at + 2 * HOUR_MS } });
      const freed = await begin(store, { id: "freed", expiresAt: at });
      await freed.write({ type: "expiry.set", data: {} });
      await settled(async () => {
        const expected: [number, string[], string[]][] = [
          [at - 1, ["freed", "moved", "later", "soon", "never"], []],
          [at, ["freed", "moved", "later", "never"], ["soon"]],
          [at + HOUR_MS, ["freed", "moved", "never"], ["later", "soon"]],
          [at + 2 * HOUR_MS, ["freed", "never"], ["moved", "later", "soon"]],
        ];
        for (const [time, live, expired] of expected) {
          equal(await idsOf(store, { liveAt: time }), live, "what is live");
          equal(await idsOf(store, { expiredAt: time }), expired, "what has expired");
          equal(await idsOf(store, { expiredAt: time, limit: 1 }), expired, "what has expired, one a page");
        }
        equal(await idsOf(store, { liveAt: at, userId: "nobody" }), [], "with another condition");
      });
    },
  },
  {
    key: "expiry/readable",
    clause: "X2",
    title: "before its time a session that expires is like any other",
    async run({ store, second }) {
      const session = await begin(store, { id: "a", expiresAt: tick() + HOUR_MS }, say("one"));
      await session.write(say("two"));
      const reader = await second();
      sameRecord((await reader.find(["a"]))[0], session.record, "the record");
      equal((await reader.read("a", { after: 0, limit: 10 })).length, 3, "how long the log is");
    },
  },
  {
    key: "expiry/sweep",
    clause: "X3",
    title: "sweep removes what has expired, at most as many as it is told, and answers with their ids",
    requires: sweep,
    async run({ store, second, settled }) {
      const run = need(store.sweep, "sweep()").bind(store);
      const at = tick() + HOUR_MS;
      for (const id of ["a", "b", "c", "d", "e"]) await begin(store, { id, expiresAt: at }, say(id));
      await begin(store, { id: "never" });
      await begin(store, { id: "later", expiresAt: at + 1 });
      const moved = await begin(store, { id: "moved", expiresAt: at });
      await moved.write({ type: "expiry.set", data: { expiresAt: at + HOUR_MS } });
      const other = await second();
      await settled(async () => equal((await idsOf(store)).length, 8, "how many are listed"));
      equal(await run(at - 1, 100), [], "what is swept before its time");
      const swept = [...(await run(at, 2)), ...(await run(at, 2))];
      equal(swept.length, 4, "how many were swept two by two");
      await settled(async () => {
        swept.push(...(await run(at, 100)));
        equal([...swept].sort(), ["a", "b", "c", "d", "e"], "all that was swept");
      });
      equal(await run(at, 100), [], "what is left to sweep");
      equal(await other.find(["a", "e"]), [undefined, undefined], "swept sessions");
      equal(await other.read("a", { after: 0, limit: 10 }), [], "a swept log");
      await settled(async () => equal(await idsOf(other), ["moved", "later", "never"], "what stays"));
    },
  },
  {
    key: "expiry/sweep-namespace",
    clause: "X3",
    title: "sweep stays within its namespace",
    requires: sweep,
    async run({ store, settled }) {
      const at = tick() + HOUR_MS;
      const inner = store.namespace("inner");
      await begin(store, { id: "outside", expiresAt: at });
      await begin(inner, { id: "inside", expiresAt: at });
      await settled(async () => equal((await idsOf(inner)).length, 1, "how many are listed"));
      equal(await need(inner.sweep, "sweep()").call(inner, at, 10), ["inside"], "what the namespace sweeps");
      equal(await idsOf(store, { expiredAt: at }), ["outside"], "what is left outside");
      equal(await need(store.sweep, "sweep()").call(store, at, 10), ["outside"], "what the store sweeps");
    },
  },
  {
    key: "expiry/sweep-residue",
    clause: "X3",
    title: "no trace of a swept session is left in raw storage",
    requires: residue,
    async run({ store, harness }) {
      const placesOf = need(harness.residue, "residue()").bind(harness);
      const id = "Zyqswept7f3a9c51";
      const at = tick() + HOUR_MS;
      await begin(store, { id, expiresAt: at }, say(`text of ${id}`));
      check(
        (await placesOf(id)).length > 0,
        "residue() does not find a session that is there, so it proves nothing",
      );
      if (store.sweep) equal(await store.sweep(at, 10), [id], "what was swept");
      else equal(await store.remove(id), true, "whether it was removed");
      equal(await placesOf(id), [], `where ${id} still occurs`);
    },
  },
  {
    key: "expiry/native",
    clause: "X4",
    title:
      "an engine that expires by itself removes record, log and index entries when the time comes, and not before",
    requires: nativeTtl,
    async run({ store, settled }) {
      const at = Date.now() + 2000;
      const session = await begin(store, { id: "a", userId: "u", expiresAt: at }, say("one"));
      await begin(store, { id: "kept", userId: "u" });
      const stale = session.next(note("late"));
      equal((await store.find(["a"]))[0]?.version, 1, "the version before its time");
      for (const until = at + 8000; Date.now() < until && (await store.find(["a"]))[0]; ) {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      equal(await store.find(["a"]), [undefined], "the record after its time");
      equal(await store.read("a", { after: 0, limit: 10 }), [], "the log after its time");
      await settled(async () =>
        equal(await idsOf(store, { userId: "u" }), ["kept"], "the list after its time"),
      );
      equal((await outcomeOf(store, stale)).status, "conflict", "a write after its time");
    },
  },
];

/**
 * @module
 * Clauses W: following a log as it is written.
 */
import type { Entry } from "../../../log/entry.ts";
import type { SessionStore } from "../../store.ts";
import { check, equal, sameEntries } from "../assert.ts";
import { begin, commitOf, commitOne, note, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";
import { need, push } from "../requirements.ts";

const PATIENCE_MS = 10_000;

/** Collects what a watch yields until there are `count` entries, then aborts it. */
async function follow(store: SessionStore, id: string, after: number, count: number): Promise<Entry[]> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PATIENCE_MS);
  const seen: Entry[] = [];
  try {
    for await (const entry of need(store.watch, "watch()").call(store, id, after, abort.signal)) {
      seen.push(entry);
      if (seen.length >= count) abort.abort();
    }
  } finally {
    clearTimeout(timer);
  }
  return seen;
}

export const watchCases: readonly ConformanceCase[] = [
  {
    key: "watch/live",
    clause: "W1",
    title:
      "a watch yields what is past its position, then what is committed through any connection, in order, once each",
    requires: push,
    async run({ store, second }) {
      const other = await second();
      const session = await begin(store, {}, say("2"), say("3"));
      const watching = follow(store, session.id, 2, 9);
      const expected = session.entries.slice(2);
      let { record } = session;
      for (let index = 0; index < 4; index += 1) {
        const commit = commitOf(record, [say(`${index}`), note(index)]);
        await commitOne(index % 2 ? other : store, commit);
        expected.push(...commit.entries);
        record = commit.record;
      }
      sameEntries(await watching, expected, "what the watch yielded");
    },
  },
  {
    key: "watch/abort",
    clause: "W2",
    title: "aborting ends a watch, before the first entry and while it waits",
    requires: push,
    async run({ store }) {
      const session = await begin(store);
      const watch = need(store.watch, "watch()").bind(store);
      const abort = new AbortController();
      const iterator = watch(session.id, 1, abort.signal)[Symbol.asyncIterator]();
      const waiting = iterator.next();
      setTimeout(() => abort.abort(), 20);
      const late = new Promise<"late">((resolve) => setTimeout(() => resolve("late"), PATIENCE_MS));
      const ended = await Promise.race([waiting, late]);
      check(ended !== "late" && ended.done === true, "a watch goes on after its signal aborted");
      const over = watch(session.id, 0, AbortSignal.abort())[Symbol.asyncIterator]();
      equal((await over.next()).done, true, "whether a watch that is aborted from the start is over");
    },
  },
  {
    key: "watch/apart",
    clause: "W3",
    title: "a watch yields nothing of another session or of another namespace",
    requires: push,
    async run({ store }) {
      const [a, b, inner] = [
        await begin(store, { id: "a" }),
        await begin(store, { id: "b" }),
        await begin(store.namespace("n"), { id: "a" }),
      ];
      const watching = follow(store, "a", 1, 2);
      for (const session of [b, inner, a, b, inner, a]) await session.write(say(`to ${session.id}`));
      sameEntries(await watching, a.entries.slice(1), "what the watch yielded");
    },
  },
];

/**
 * @module
 * Clauses W: following a log as it is written.
 */
import type { Entry } from "../../../log/entry.ts";
import { HoldfastError } from "../../../log/errors.ts";
import type { SessionStore } from "../../store.ts";
import { check, equal, sameEntries } from "../assert.ts";
import { begin, commitOf, commitOne, note, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";
import { need, push } from "../requirements.ts";

const PATIENCE_MS = 10_000;

/**
 * Collects what is watched until there are `count` entries, as one who watches does: where a watch ends by itself, it
 * watches again from the last entry.
 */
async function follow(store: SessionStore, id: string, after: number, count: number): Promise<Entry[]> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PATIENCE_MS);
  const seen: Entry[] = [];
  try {
    while (!abort.signal.aborted) {
      for await (const entry of watchOf(store)(id, seen.at(-1)?.seq ?? after, abort.signal)) {
        seen.push(entry);
        if (seen.length >= count) abort.abort();
      }
      await pause(20);
    }
  } finally {
    clearTimeout(timer);
  }
  return seen;
}

/** Resolves once the watch has ended, with what it yielded; fails where it goes on. */
async function ended(watched: AsyncIterable<Entry>, what: string): Promise<Entry[]> {
  const seen: Entry[] = [];
  const end = (async () => {
    for await (const entry of watched) seen.push(entry);
    return "ended" as const;
  })();
  check((await Promise.race([end, pause(PATIENCE_MS)])) === "ended", `${what} goes on`);
  return seen;
}

function watchOf(store: SessionStore): Watch {
  return need(store.watch, "watch()").bind(store);
}

type Watch = (id: string, after: number, signal: AbortSignal) => AsyncIterable<Entry>;

function pause(ms: number): Promise<"over"> {
  return new Promise((resolve) => setTimeout(() => resolve("over"), ms));
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
  {
    key: "watch/begin",
    clause: "W1",
    title: "what is committed while watches begin is neither lost nor seen twice, however many watch",
    requires: push,
    async run({ store, second }) {
      const other = await second();
      const session = await begin(store);
      const watching: Promise<Entry[]>[] = [];
      const count = 30;
      for (let index = 0; index < count; index += 1) {
        if (index % 5 === 0) watching.push(follow(index % 2 ? other : store, session.id, 0, count + 1));
        await session.write(say(`${index}`));
      }
      for (const [index, seen] of (await Promise.all(watching)).entries())
        sameEntries(seen, session.entries, `what watch ${index} of ${watching.length} yielded`);
    },
  },
  {
    key: "watch/long",
    clause: "W1",
    title: "a watch that begins far back yields the whole log in order, and goes on",
    requires: push,
    async run({ store }) {
      const session = await begin(store);
      const notes = Array.from({ length: 1500 }, (_, index) => note(index));
      await session.write(...notes);
      const watching = follow(store, session.id, 0, 1502);
      await session.write(say("newest"));
      sameEntries(await watching, session.entries, "what the watch yielded");
    },
  },
  {
    key: "watch/removed",
    clause: "W4",
    title:
      "a watch ends once its session is removed through any connection, and yields nothing of the next one",
    requires: push,
    async run({ store, second }) {
      const other = await second();
      const session = await begin(store, { id: "again" }, say("old"));
      const watched = watchOf(store)(session.id, 0, new AbortController().signal);
      const watching = ended(watched, "a watch of a session that was removed");
      await pause(50);
      await other.remove(session.id);
      await begin(other, { id: "again" }, say("new"), say("newer"), say("newest"));
      const seen = await watching;
      sameEntries(seen, session.entries.slice(0, seen.length), "what the watch yielded");
    },
  },
  {
    key: "watch/absent",
    clause: "W4",
    title: "a watch of a session that does not exist ends at once, with nothing",
    requires: push,
    async run({ store }) {
      const session = await begin(store, { id: "gone" });
      await store.remove(session.id);
      for (const id of ["gone", "never"]) {
        const watched = watchOf(store)(id, 0, new AbortController().signal);
        equal(await ended(watched, "a watch of no session"), [], "what a watch of no session yielded");
      }
    },
  },
  {
    key: "watch/again",
    clause: "W5",
    title: "watching again from each entry that came goes on with the next one",
    requires: push,
    async run({ store, second }) {
      const session = await begin(store);
      const other = await second();
      const seen: Entry[] = [];
      const watching = (async () => {
        while (seen.length < 11) {
          const abort = new AbortController();
          const timer = setTimeout(() => abort.abort(), PATIENCE_MS);
          for await (const entry of watchOf(other)(session.id, seen.at(-1)?.seq ?? 0, abort.signal)) {
            seen.push(entry);
            break;
          }
          clearTimeout(timer);
          if (abort.signal.aborted) return;
        }
      })();
      for (let index = 0; index < 10; index += 1) await session.write(say(`${index}`));
      await watching;
      sameEntries(seen, session.entries, "what the watches yielded");
    },
  },
  {
    key: "watch/closed",
    clause: "W6",
    title: "closing the store ends its watches, or rejects them with STORE_UNAVAILABLE",
    requires: push,
    async run({ store }) {
      const session = await begin(store);
      const watches = [1, 0].map(async (after) => {
        const watched = watchOf(store)(session.id, after, new AbortController().signal);
        try {
          await ended(watched, "a watch on a store that is closed");
        } catch (error) {
          if (!HoldfastError.is(error, "STORE_UNAVAILABLE")) throw error;
        }
      });
      await pause(50);
      await store.close();
      await Promise.all(watches);
    },
  },
];

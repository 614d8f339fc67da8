/**
 * @module
 * Clauses E: refusals, a closed store, migration, and honest capabilities.
 */
import { check, equal, rejects, sameEntries, sameRecord, show } from "../assert.ts";
import { begin, commitOf, creation, note, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";
import { reachableLimit, restart } from "../requirements.ts";
import { queryOf } from "./list.ts";

export const errorCases: readonly ConformanceCase[] = [
  {
    key: "errors/capabilities",
    clause: "E1",
    title:
      "the capabilities are data of the declared kinds, and methods are there just where they are declared",
    async run({ store, second }) {
      const { name, capabilities } = store;
      check(name !== "", "the store has no name");
      const allowed: readonly (readonly [unknown, readonly unknown[]])[] = [
        [capabilities.durability, ["process", "os", "disk", "replicated"]],
        [capabilities.search, ["none", "substring", "fulltext"]],
        [capabilities.watch, ["poll", "push"]],
        [capabilities.idempotency, ["full", "window"]],
        [capabilities.listConsistency, ["strong", "eventual"]],
        [capabilities.nativeTtl, [true, false]],
        [capabilities.writers, ["one-process", "many"]],
      ];
      for (const [value, values] of allowed)
        check(values.includes(value), `a capability: expected one of ${show(values)}, got ${show(value)}`);
      check(
        capabilities.maxEntryBytes >= 2 ** 21,
        `maxEntryBytes is ${capabilities.maxEntryBytes}: every store takes entries of 2 MiB`,
      );
      if (capabilities.search !== "none") equal(typeof store.search, "function", "search()");
      if (capabilities.watch === "push") equal(typeof store.watch, "function", "watch()");
      equal((await second()).capabilities, capabilities, "the capabilities of a second connection");
      const inner = store.namespace("inner");
      equal([inner.name, inner.capabilities], [name, capabilities], "name and capabilities of a namespace");
      equal(
        [typeof inner.search, typeof inner.watch, typeof inner.sweep],
        [typeof store.search, typeof store.watch, typeof store.sweep],
        "the methods of a namespace",
      );
    },
  },
  {
    key: "errors/too-large",
    clause: "E2",
    title:
      "an entry past maxEntryBytes is ENTRY_TOO_LARGE, names its session, and nothing of its batch is written",
    requires: reachableLimit,
    async run({ store, second }) {
      const { maxEntryBytes } = store.capabilities;
      const good = await begin(store, { id: "good" });
      const full = await begin(store, { id: "full" });
      const large = [note("x".repeat(maxEntryBytes + 1)), note("é".repeat(maxEntryBytes / 2 + 1))];
      for (const draft of large) {
        const batch = [
          good.next(say("good")),
          full.next(say("first"), draft),
          commitOf(undefined, [creation({ id: "new" })]),
        ];
        const error = await rejects(
          () => store.commit(batch),
          "ENTRY_TOO_LARGE",
          "a batch with an entry that is too large",
        );
        equal(error.sessionId, "full", "the session that the error names");
        equal(error.retryable, false, "whether trying again would help");
      }
      const reader = await second();
      equal(await reader.find(["new"]), [undefined], "a session that the batch would have created");
      for (const session of [good, full]) {
        sameRecord((await reader.find([session.id]))[0], session.record, `the record of "${session.id}"`);
        sameEntries(
          await reader.read(session.id, { after: 0, limit: 10 }),
          session.entries,
          `the log of "${session.id}"`,
        );
      }
    },
  },
  {
    key: "errors/largest",
    clause: "E2",
    title: "an entry just within maxEntryBytes is taken",
    requires: reachableLimit,
    async run({ store, second }) {
      const session = await begin(store);
      await session.write(note("x".repeat(store.capabilities.maxEntryBytes - 4096)));
      sameEntries(
        await (await second()).read(session.id, { after: 1, limit: 1 }),
        session.entries.slice(1),
        "the entry",
      );
    },
  },
  {
    key: "errors/closed",
    clause: "E3",
    title: "a closed store rejects every call with STORE_UNAVAILABLE; closing twice is no error",
    async run({ store }) {
      const session = await begin(store, {}, say("one"));
      const inner = store.namespace("inner");
      await begin(inner, {});
      await store.close();
      await store.close();
      const calls: Readonly<Record<string, () => Promise<unknown>>> = {
        commit: () => store.commit([session.next(say("late"))]),
        find: () => store.find([session.id]),
        read: () => store.read(session.id, { after: 0, limit: 1 }),
        list: () => store.list(queryOf()),
        remove: () => store.remove(session.id),
        migrate: () => store.migrate(),
        ping: () => store.ping(),
        ...(store.search && { search: async () => store.search?.("one", queryOf()) }),
        ...(store.sweep && { sweep: async () => store.sweep?.(1, 1) }),
        "a namespace's find": () => inner.find([session.id]),
        "a namespace's commit": () => inner.commit([session.next(say("late"))]),
      };
      for (const [name, call] of Object.entries(calls))
        await rejects(call, "STORE_UNAVAILABLE", `${name} on a closed store`);
    },
  },
  {
    key: "errors/closed-view",
    clause: "E3",
    title: "a namespace and the store around it are one connection: closing one closes both",
    async run({ store }) {
      const session = await begin(store, {}, say("one"));
      const inner = store.namespace("inner");
      await inner.close();
      await rejects(() => store.find([session.id]), "STORE_UNAVAILABLE", "find after a namespace was closed");
      await rejects(() => inner.find(["a"]), "STORE_UNAVAILABLE", "find in the namespace that was closed");
      await store.close();
    },
  },
  {
    key: "errors/closed-keeps",
    clause: "E3",
    title: "a refused call on a closed store changed nothing",
    requires: restart,
    async run({ store, harness }) {
      const session = await begin(store, {}, say("one"));
      await store.close();
      await rejects(
        () => store.commit([session.next(say("late"))]),
        "STORE_UNAVAILABLE",
        "a commit on a closed store",
      );
      await rejects(() => store.remove(session.id), "STORE_UNAVAILABLE", "remove on a closed store");
      const again = await harness.restart?.();
      sameRecord((await again?.find([session.id]))?.[0], session.record, "the record");
    },
  },
  {
    key: "errors/rejections",
    clause: "E6",
    title:
      "a call that is refused answers with a promise that rejects, with a message, and the store goes on",
    async run({ store, second }) {
      const session = await begin(store, { id: "a" });
      await begin(store, { id: "b" });
      const cyclic: unknown[] = [];
      cyclic.push(cyclic);
      const refused: Readonly<Record<string, () => Promise<unknown>>> = {
        "a list with a cursor that is made up": () => store.list(queryOf({ cursor: "made up" })),
        "a commit of a cycle": () => store.commit([session.next(note(cyclic))]),
        "a commit of NaN in a record": () =>
          store.commit([
            { ...session.next(say("x")), record: { ...session.record, state: { bad: Number.NaN } } },
          ]),
        ...(store.search && { "a search for no word": async () => store.search?.("?", queryOf()) }),
      };
      for (const [what, call] of Object.entries(refused)) {
        const error = await rejects(call, "INVALID_ARGUMENT", what);
        check(
          error.message !== "" && !error.retryable,
          `${what}: expected a message and no advice to try again, got ${show(error)}`,
        );
      }
      await session.write(say("goes on"));
      sameRecord((await (await second()).find(["a"]))[0], session.record, "the record");
    },
  },
  {
    key: "errors/ping",
    clause: "E4",
    title: "ping resolves while the store answers",
    async run({ store, second }) {
      equal(await store.ping(), undefined, "ping()");
      equal(await (await second()).ping(), undefined, "ping() of a second connection");
      equal(await store.namespace("inner").ping(), undefined, "ping() of a namespace");
    },
  },
  {
    key: "errors/migrate-again",
    clause: "E5",
    title: "migrate can be repeated: the second time there is nothing to do, and no data changes",
    async run({ store, second }) {
      const first = await store.migrate();
      equal(first.store, store.name, "the store that the report names");
      const session = await begin(store, {}, say("one"));
      for (const connection of [store, await second(), store.namespace("inner")]) {
        const report = await connection.migrate();
        equal(
          { ...report, steps: [...report.steps] },
          { store: store.name, from: first.to, to: first.to, steps: [] },
          "the report",
        );
      }
      sameRecord((await store.find([session.id]))[0], session.record, "the record");
      sameEntries(await store.read(session.id, { after: 0, limit: 10 }), session.entries, "the log");
    },
  },
  {
    key: "errors/migrate-at-once",
    clause: "E5",
    title: "migrate can run through two connections at once, with the first commits beside it",
    async run({ store, second }) {
      const other = await second();
      const create = (id: string) => commitOf(undefined, [creation({ id })]);
      const [, , first, last, one, two] = await Promise.all([
        store.migrate(),
        other.migrate(),
        store.migrate(),
        other.migrate(),
        store.commit([create("a")]),
        other.commit([create("b")]),
      ]);
      equal([one, two], [[{ status: "committed" }], [{ status: "committed" }]], "the first commits");
      equal(first.to, last.to, "the versions that both are at");
      equal(
        (await other.find(["a", "b"])).map((record) => record?.version),
        [1, 1],
        "what was written",
      );
    },
  },
];

/**
 * The suite itself: it passes a store that keeps the spec, and names the case that a broken one fails. Each store here
 * breaks in a way that a real engine, or a system before this one, was seen to break.
 */
import { describe, expect, test } from "vitest";
import type { Entry } from "../../src/log/entry.ts";
import { positionalId } from "../../src/log/entry.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { conformanceReport } from "../../src/store/conformance/index.ts";
import type { Commit, SessionStore } from "../../src/store/store.ts";
import { inProcess } from "./harnesses.ts";
import { referenceStore } from "./reference-store.ts";

type Change = (store: SessionStore) => Partial<SessionStore>;

/** `store` with some methods replaced, in every namespace. */
function broken(store: SessionStore, change: Change): SessionStore {
  return { ...store, namespace: (name) => broken(store.namespace(name), change), ...change(store) };
}

function throughJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, item) => (typeof item === "bigint" ? Number(item) : item)));
}

const withoutCallersIds = (commit: Commit): Commit => ({
  ...commit,
  entries: commit.entries.map((entry) => ({ ...entry, id: positionalId(entry.seq) })),
});

type Look = (read: SessionStore["read"], id: string, after: number) => Promise<Entry[]>;

/** Watches by reading again and again what `look` says, until another session is there, of which `tail` says what comes. */
function pushing(look: Look, tail: (entries: Entry[]) => Entry[] = () => []): Change {
  return (store) => ({
    capabilities: { ...store.capabilities, watch: "push" },
    async *watch(id, after, signal) {
      let position = after;
      const [first] = await store.find([id]);
      while (!signal.aborted) {
        const entries = await look(store.read, id, position);
        const [record] = await store.find([id]);
        const isOver = !record || record.createdAt !== first?.createdAt;
        for (const entry of isOver ? tail(entries) : entries) {
          if (signal.aborted) return;
          position = entry.seq;
          yield entry;
        }
        if (isOver) return;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
  });
}

const readOn: Look = (read, id, after) => read(id, { after, limit: 5000 });

const BROKEN: Readonly<Record<string, readonly [failsAt: string, Change]>> = {
  "both of two writers win": [
    "commit/stale",
    (store) => ({
      async commit(commits) {
        const records = await store.find(commits.map(({ sessionId }) => sessionId));
        return store.commit(
          commits.map((commit, index) => ({ ...commit, expectedVersion: records[index]?.version ?? 0 })),
        );
      },
    }),
  ],
  "a conflict does not say with what": [
    "commit/create",
    (store) => ({
      commit: async (commits) =>
        (await store.commit(commits)).map((outcome) =>
          outcome.status === "conflict" ? { status: "conflict" } : outcome,
        ),
    }),
  ],
  "a retried commit is written twice": [
    "commit/duplicate",
    (store) => ({ commit: (commits) => store.commit(commits.map(withoutCallersIds)) }),
  ],
  "one conflict fails the whole batch": [
    "commit/batch-conflict",
    (store) => ({
      async commit(commits) {
        const outcomes = await store.commit(commits);
        if (commits.length > 1 && outcomes.some(({ status }) => status === "conflict"))
          throw new HoldfastError("VERSION_CONFLICT", "conflict");
        return outcomes;
      },
    }),
  ],
  "a late write reaches a session created again": [
    "commit/recreated",
    (store) => ({
      async commit(commits) {
        const records = await store.find(commits.map(({ sessionId }) => sessionId));
        const moved = commits.map((commit, index) => ({
          ...commit,
          record: {
            ...commit.record,
            createdAt:
              commit.expectedVersion === 0 ? commit.record.createdAt : (records[index]?.createdAt ?? 0),
          },
        }));
        return store.commit(moved);
      },
    }),
  ],
  "values pass through plain JSON": [
    "values/bytes",
    (store) => ({
      read: async (id, range) =>
        (await store.read(id, range)).map((entry) => ({ ...entry, data: throughJson(entry.data) })),
    }),
  ],
  "minus zero loses its sign": [
    "values/minus-zero",
    (store) => ({
      read: async (id, range) =>
        (await store.read(id, range)).map((entry) => ({ ...entry, data: throughJson(entry.data) })),
    }),
  ],
  "keys come back sorted": [
    "values/key-order",
    (store) => ({
      read: async (id, range) =>
        (await store.read(id, range)).map((entry) => ({
          ...entry,
          data: JSON.parse(JSON.stringify(entry.data), sortKeys),
        })),
    }),
  ],
  "order is by time": [
    "log/order-is-seq",
    (store) => ({ read: async (id, range) => (await store.read(id, range)).sort((a, b) => a.at - b.at) }),
  ],
  "the end of a range is not inclusive": [
    "read/ranges",
    (store) => ({
      read: async (id, range) => (await store.read(id, range)).filter(({ seq }) => seq !== range.upTo),
    }),
  ],
  "find leaves missing ones out": [
    "read/find-many",
    (store) => ({ find: async (ids) => (await store.find(ids)).filter((record) => record !== undefined) }),
  ],
  "a watch yields an entry again": [
    "watch/begin",
    pushing((read, id, after) => read(id, { after: after > 1 ? after - 1 : after, limit: 10 })),
  ],
  "a watch yields what is of another session under the same id": [
    "watch/removed",
    pushing(readOn, (entries) => entries),
  ],
  "any cursor is taken": [
    "paging/foreign-cursor",
    (store) => ({
      async list(query) {
        const { cursor, ...rest } = query;
        const offset = Number(cursor ?? 0);
        const { items } = await store.list({ ...rest, limit: 1000 });
        const page = items.slice(offset, offset + query.limit);
        return offset + query.limit < items.length
          ? { items: page, cursor: String(offset + query.limit) }
          : { items: page };
      },
    }),
  ],
  "a full last page promises another one": [
    "paging/every-limit",
    (store) => ({
      async list(query) {
        const page = await store.list(query);
        if (page.cursor || page.items.length < query.limit) return page;
        const one = await store.list({ ...query, limit: 1 });
        return one.cursor ? { ...page, cursor: one.cursor } : page;
      },
    }),
  ],
  "metadata is compared as text": [
    "list/metadata",
    (store) => ({
      async list({ metadata, ...query }) {
        const { items } = await store.list(query);
        return {
          items: items.filter((record) =>
            Object.entries(metadata ?? {}).every(
              ([key, value]) => String(record.metadata[key]) === String(value),
            ),
          ),
        };
      },
    }),
  ],
  "remove only hides": [
    "delete/new-life",
    (store) => ({ remove: async (id) => (await store.find([id]))[0] !== undefined }),
  ],
  "namespaces are a prefix of the key": [
    "namespaces/nested",
    (store) => ({ namespace: (name) => prefixed(store, `${name}:`) }),
  ],
  "ids are trimmed": [
    "namespaces/hostile-ids",
    (store) => ({ find: (ids) => store.find(ids.map((id) => id.trim())) }),
  ],
  "a failed call answers with nothing": [
    "errors/closed",
    (store) => ({
      find: async (ids) => {
        try {
          return await store.find(ids);
        } catch {
          return ids.map(() => undefined);
        }
      },
    }),
  ],
  "answers share what the store holds": [
    "values/not-shared-out",
    (store) => {
      const kept = new Map<string, Awaited<ReturnType<SessionStore["read"]>>>();
      return {
        async read(id, range) {
          const key = JSON.stringify([id, range]);
          const entries = kept.get(key) ?? (await store.read(id, range));
          kept.set(key, entries);
          return entries;
        },
      };
    },
  ],
  "it declares what it has not": [
    "errors/capabilities",
    (store) => ({ capabilities: { ...store.capabilities, search: "fulltext" } }),
  ],
};

function sortKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function prefixed(store: SessionStore, prefix: string): SessionStore {
  const own = (id: string): string => `${prefix}${id}`;
  return {
    ...store,
    commit: (commits) =>
      store.commit(commits.map((commit) => ({ ...commit, sessionId: own(commit.sessionId) }))),
    find: (ids) => store.find(ids.map(own)),
    read: (id, range) => store.read(own(id), range),
    remove: (id) => store.remove(own(id)),
    namespace: (name) => prefixed(store, `${prefix}${name}:`),
  };
}

test("a store that pushes as it should passes", async () => {
  const { cases } = await conformanceReport(
    inProcess(() => broken(referenceStore(), pushing(readOn))),
    { only: "watch/" },
  );
  expect(cases.filter(({ status }) => status !== "passed")).toEqual([]);
});

describe("the suite names what is broken", () => {
  for (const [name, [key, change]] of Object.entries(BROKEN)) {
    test(name, async () => {
      const { cases } = await conformanceReport(
        inProcess(() => broken(referenceStore(), change)),
        { only: key, seed: 1 },
      );
      const failed = cases.filter(({ status }) => status === "failed");
      expect(failed.map((item) => item.key)).toContain(key);
      for (const { error } of failed) expect(error).not.toBe("");
    });
  }
});

describe("the report", () => {
  test("counts what passed and what the store declares that it lacks", async () => {
    const report = await conformanceReport(inProcess(() => referenceStore()));
    expect(report.cases.filter(({ status }) => status === "failed")).toEqual([]);
    expect(report).toMatchObject({ store: "reference", failed: 0 });
    expect(report.passed + report.unsupported).toBe(report.cases.length);
    expect(report.cases.find(({ key }) => key === "search/prefix")).toMatchObject({
      status: "unsupported",
      lacks: "search",
    });
  });

  test("tells each result as it comes, of the cases that were asked for", async () => {
    const told: string[] = [];
    const { cases } = await conformanceReport(
      inProcess(() => referenceStore()),
      { only: "turns/", onCase: ({ key }, of) => told.push(`${key} of ${of}`) },
    );
    expect(told).toEqual(cases.map(({ key }) => `${key} of 3`));
  });

  test("names the seed of a random run that failed, and the same seed fails at the same step", async () => {
    const change: Change = (store) => ({ remove: async (id) => !(await store.remove(id)) });
    const run = async () =>
      (
        await conformanceReport(
          inProcess(() => broken(referenceStore(), change)),
          { only: "random/", seed: 42 },
        )
      ).cases[0];
    const [first, again] = [await run(), await run()];
    expect(first?.error).toMatch(/^step \d+: remove .*\(run again with seed 42\)$/);
    expect(again?.error).toBe(first?.error);
  });

  test("rejects where the store can't be opened", async () => {
    const unavailable = async (): Promise<never> => {
      throw new HoldfastError("STORE_UNAVAILABLE", "no");
    };
    await expect(
      conformanceReport({ open: unavailable, openSecond: unavailable, destroy: async () => undefined }),
    ).rejects.toThrow("no");
  });
});

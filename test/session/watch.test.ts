/**
 * Following a session as it grows.
 */
import { expect } from "vitest";
import type { Entry } from "../../src/log/entry.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { collect, onStores, range, refusal, sleep, until, user } from "./support.ts";

/** Collects what a watch yields in the background. */
function follow(watched: AsyncIterable<Entry>): { entries: Entry[]; done: Promise<unknown> } {
  const entries: Entry[] = [];
  const done = (async () => {
    for await (const entry of watched) entries.push(entry);
  })().catch((error: unknown) => error);
  return { entries, done };
}

const seqsOf = (entries: readonly Entry[]): number[] => entries.map(({ seq }) => seq);

onStores("a watch sees what is committed here at once, in order, none twice", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", label: "l", messages: [user("before")] });
  const abort = new AbortController();
  const watched = session.watch({ signal: abort.signal });
  // What comes between the call and the first look is not missed.
  await session.append(user("first"));
  const { entries, done } = follow(watched);
  for (const index of range(20)) await session.append(user(`${index}`));
  await Promise.all(range(20).map((index) => session.append(user(`${index}`))));
  await until(() => entries.length >= 41);
  expect(seqsOf(entries)).toEqual(range(41).map((index) => index + 3));
  abort.abort();
  expect(await done).toBeUndefined();
  await session.append(user("unseen"));
  expect(entries).toHaveLength(41);
});

onStores("a watch sees what others commit", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s", label: "l" });
  const there = await elsewhere().open("s");
  const abort = new AbortController();
  const { entries, done } = follow(there.watch({ signal: abort.signal }));
  for (const index of range(5)) {
    await session.append(user(`${index}`));
    await sleep(20);
  }
  await until(() => entries.length >= 5);
  expect(seqsOf(entries)).toEqual([2, 3, 4, 5, 6]);
  abort.abort();
  await done;
});

onStores("a watch can begin anywhere, also in what is inherited, and end at will", async ({ sessions }) => {
  const session = await sessions().create({
    id: "s",
    label: "l",
    messages: range(3).map((index) => user(`${index}`)),
  });
  expect(seqsOf(await collect(session.watch({ after: 0 }), 4))).toEqual([1, 2, 3, 4]);
  const fork = await session.fork();
  await fork.append(user("on"));
  expect(seqsOf(await collect(fork.watch({ after: 2 }), 4))).toEqual([3, 4, 5, 6]);
  const abort = new AbortController();
  abort.abort();
  expect(await collect(session.watch({ after: 0, signal: abort.signal }))).toEqual([]);
  const seen: number[] = [];
  const later = new AbortController();
  for await (const { seq } of session.watch({ after: 0, signal: later.signal })) {
    seen.push(seq);
    later.abort();
  }
  expect(seen).toEqual([1]);
});

onStores("what waits to be saved is not seen before it is", async ({ sessions, elsewhere }) => {
  const session = await sessions({ autoSave: false }).create({ id: "s", label: "l" });
  await session.append(user("waits"));
  const abort = new AbortController();
  const { entries, done } = follow(session.watch({ signal: abort.signal }));
  await (await elsewhere().open("s")).append(user("there"));
  await until(() => entries.length === 1);
  await session.save();
  await until(() => entries.length === 2);
  expect(entries.map(({ data }) => Object(data).message.content)).toEqual(["there", "waits"]);
  abort.abort();
  await done;
});

onStores(
  "a watch ends with an error where the session is deleted, also where another has its id",
  async ({ sessions, elsewhere }) => {
    const session = await sessions().create({ id: "s", label: "l" });
    const first = follow(session.watch());
    const there = elsewhere();
    await there.delete("s");
    expect(await first.done).toMatchObject({ code: "SESSION_DELETED", sessionId: "s" });
    const second = await there.create({ id: "t", label: "l" });
    const watched = follow(second.watch());
    await sleep(5);
    await there.delete("t");
    await there.create({ id: "t", messages: [user("of another")] });
    expect(await watched.done).toMatchObject({ code: "SESSION_DELETED" });
    expect(watched.entries.filter(({ type }) => type === "message")).toEqual([]);
  },
);

onStores(
  "a store that pushes is not polled",
  async ({ sessions, store }) => {
    let finds = 0;
    const pushing: SessionStore = Object.assign(Object.create(store), {
      async find(ids: readonly string[]) {
        finds += 1;
        return store.find(ids);
      },
      async *watch(id: string, after: number, signal: AbortSignal) {
        let position = after;
        while (!signal.aborted) {
          for (const entry of await store.read(id, { after: position, limit: 100 })) {
            position = entry.seq;
            yield entry;
          }
          await sleep(5);
        }
      },
    });
    const session = await sessions({ store: pushing }).create({ id: "s", label: "l" });
    const abort = new AbortController();
    const { entries, done } = follow(session.watch({ signal: abort.signal }));
    await session.append([user("a"), user("b")]);
    await until(() => entries.length === 2);
    await sleep(450);
    await session.append(user("c"));
    await until(() => entries.length === 3);
    expect(finds).toBeLessThanOrEqual(3);
    abort.abort();
    await done;
  },
  ["memory"],
);

onStores("a closed handle can't be watched", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  await session.close();
  await refusal((async () => session.watch())(), "SESSION_CLOSED");
});

/** `store`, pushing through watches that end by themselves after each page. */
function pushing(store: SessionStore): SessionStore {
  return Object.assign(Object.create(store), {
    async *watch(id: string, after: number, signal: AbortSignal) {
      const [first] = await store.find([id]);
      for (let tries = 0; tries < 20 && !signal.aborted; tries += 1) {
        const entries = await store.read(id, { after, limit: 2 });
        const [record] = await store.find([id]);
        if (!record || record.createdAt !== first?.createdAt) return;
        yield* entries;
        if (entries.length > 0) return;
        await sleep(5);
      }
    },
  });
}

onStores(
  "a store's watch may end at any time: nothing is lost, and nothing comes twice",
  async ({ sessions, store }) => {
    const session = await sessions({ store: pushing(store) }).create({ id: "s", label: "l" });
    const abort = new AbortController();
    const { entries, done } = follow(session.watch({ signal: abort.signal }));
    for (const index of range(5)) {
      await session.append(range(3).map(() => user(`${index}`)));
      await sleep(30);
    }
    await until(() => entries.length >= 15);
    expect(seqsOf(entries)).toEqual(range(15).map((index) => index + 2));
    abort.abort();
    await done;
  },
  ["memory"],
);

onStores(
  "a store that pushes does not hide that the session was deleted, hidden for its forks, or created anew",
  async ({ sessions, elsewhere, store }) => {
    const here = sessions({ store: pushing(store) });
    const there = elsewhere();
    for (const end of [
      (id: string) => there.delete(id),
      (id: string) => there.erase(id),
      async (id: string) => {
        await (await there.open(id)).fork();
        await there.delete(id);
      },
      async (id: string) => {
        await there.delete(id);
        await there.create({ id, messages: [user("of another"), user("of another too")] });
      },
    ]) {
      const session = await here.create({ label: "l", messages: [user("before")] });
      const { entries, done } = follow(session.watch({ after: 0 }));
      await until(() => entries.length === 2);
      await end(session.id);
      expect(await done).toMatchObject({ code: "SESSION_DELETED", sessionId: session.id });
      expect(entries).toHaveLength(2);
    }
  },
  ["memory"],
);

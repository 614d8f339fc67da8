/**
 * Many conversations over one store: creating, finding, listing.
 */
import { expect, test } from "vitest";
import {
  createSessionId,
  createSessions,
  createStore,
  memoryStore,
  setDefaultStore,
} from "../../src/index.ts";
import { collect, fakeClock, onStores, range, refusal, textsOf, user } from "./support.ts";

const ODD_IDS = [
  "../../etc/x",
  "a\0b",
  "👩‍👩‍👧 family",
  "a:b",
  "a/b",
  "100%",
  "*",
  "{x}",
  "..",
  "CON",
  "'; DROP TABLE x; --",
  " ",
  "x".repeat(512),
];

onStores(
  "a session is created with what it is given, and opened with all of it",
  async ({ sessions, elsewhere }) => {
    const clock = fakeClock();
    const init = {
      id: "s-1",
      userId: "alice",
      agent: "helper",
      label: "Trip",
      data: { from: "Bern" },
      metadata: { channel: "web" },
      messages: [user("hello")],
    };
    const session = await sessions({ clock }).create(init);
    const opened = await elsewhere({ clock }).open("s-1");
    for (const one of [session, opened]) {
      expect(one.record).toMatchObject({
        id: "s-1",
        kind: "session",
        version: 1,
        userId: "alice",
        agent: "helper",
        label: "Trip",
        status: "active",
        data: { from: "Bern" },
        metadata: { channel: "web" },
        messageCount: 1,
        lineage: [],
        createdAt: clock(),
        updatedAt: clock(),
        lastMessageAt: clock(),
      });
      expect(await one.messages()).toEqual([user("hello")]);
      expect([one.id, one.label, one.status, one.data]).toEqual(["s-1", "Trip", "active", { from: "Bern" }]);
    }
    expect(opened.record).toEqual(session.record);
  },
);

onStores("an id that is taken is refused, and what is there is untouched", async ({ sessions }) => {
  const all = sessions();
  const first = await all.create({ id: "s", messages: [user("mine")] });
  const error = await refusal(all.create({ id: "s", messages: [user("other")] }), "SESSION_EXISTS");
  expect(error.sessionId).toBe("s");
  expect(await textsOf(first)).toEqual(["mine"]);
});

onStores("an unknown session is not found, unless it is to be created", async ({ sessions }) => {
  const all = sessions();
  await refusal(all.open("s"), "SESSION_NOT_FOUND");
  await refusal(all.open("s", { create: false }), "SESSION_NOT_FOUND");
  await refusal(all.rename("s", "x"), "SESSION_NOT_FOUND");
  await refusal(all.setStatus("s", "completed"), "SESSION_NOT_FOUND");
  await refusal(all.fork("s"), "SESSION_NOT_FOUND");
  await refusal(all.erase("s"), "SESSION_NOT_FOUND");
  await refusal(collect(all.export("s")), "SESSION_NOT_FOUND");
  expect(await all.find("s")).toBeUndefined();
  expect(await all.delete("s")).toBe(false);
  expect((await all.open("s", { create: true })).record.version).toBe(1);
  expect((await all.open("t", { create: { label: "T" } })).label).toBe("T");
  expect((await all.open("t", { create: { label: "other" } })).label).toBe("T");
});

onStores(
  "getOrCreate opens what is there and creates what is not, whoever is first",
  async ({ sessions, elsewhere }) => {
    const here = sessions();
    const there = elsewhere();
    const both = await Promise.all(
      range(20).map((index) => (index % 2 ? here : there).getOrCreate("s", { metadata: { index } })),
    );
    expect(new Set(both.map(({ record }) => record.metadata["index"])).size).toBe(1);
    const fresh = await Promise.all([here.getOrCreate(), here.getOrCreate(undefined, { label: "x" })]);
    expect(new Set(fresh.map(({ id }) => id)).size).toBe(2);
  },
);

onStores("latest is the most recently updated session, and never a child", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  expect(await all.latest()).toBeUndefined();
  const a = await all.create({ id: "a", userId: "u" });
  clock.advance(10);
  const b = await all.create({ id: "b", userId: "v" });
  expect((await all.latest())?.id).toBe("b");
  clock.advance(10);
  await a.append(user("later"));
  expect((await all.latest())?.id).toBe("a");
  clock.advance(10);
  const children = await Promise.all(range(25).map((index) => b.spawn({ id: `child-${index}` })));
  clock.advance(10);
  await children[0]?.append(user("busy child"));
  expect((await all.latest())?.id).toBe("a");
  expect((await all.latest({ userId: "v" }))?.id).toBe("b");
  expect(await all.latest({ userId: "nobody" })).toBeUndefined();
  expect(await all.latest({ kind: "child" })).toBeUndefined();
  clock.advance(10);
  const fork = await b.fork();
  expect((await all.latest())?.id).toBe(fork.id);
});

onStores("findActive is the user's most recently updated active session", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const a = await all.create({ id: "a", userId: "u" });
  clock.advance(1);
  const b = await all.create({ id: "b", userId: "u" });
  clock.advance(1);
  await all.create({ id: "c", userId: "v" });
  expect((await all.findActive("u"))?.id).toBe("b");
  await b.complete();
  expect((await all.findActive("u"))?.id).toBe("a");
  await a.abandon();
  expect(await all.findActive("u")).toBeUndefined();
});

onStores("a list holds what matches, newest first, a page at a time", async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  for (const index of range(25)) {
    clock.advance(1000);
    await all.create({
      id: `s-${index}`,
      userId: index % 2 ? "odd" : "even",
      agent: index < 5 ? "early" : "late",
      label: `label ${index}`,
      metadata: { third: index % 3, flag: true },
    });
  }
  const newest = range(25)
    .reverse()
    .map((index) => `s-${index}`);
  const pages: string[][] = [];
  let cursor: string | undefined;
  do {
    const page = await all.list({ limit: 10, ...(cursor !== undefined && { cursor }) });
    pages.push(page.items.map(({ id }) => id));
    cursor = page.cursor;
  } while (cursor !== undefined);
  expect(pages.map(({ length }) => length)).toEqual([10, 10, 5]);
  expect(pages.flat()).toEqual(newest);
  expect((await collect(all.all())).map(({ id }) => id)).toEqual(newest);
  expect((await collect(all.all({ userId: "odd", limit: 3 }))).map(({ id }) => id)).toEqual(
    newest.filter((_id, index) => index % 2),
  );
  expect((await all.list({ agent: "early" })).items).toHaveLength(5);
  expect((await all.list({ label: "label 7" })).items.map(({ id }) => id)).toEqual(["s-7"]);
  expect((await all.list({ metadata: { third: 1, flag: true } })).items).toHaveLength(8);
  const { updatedAt = 0 } = (await all.find("s-20")) ?? {};
  expect((await all.list({ updatedAfter: updatedAt })).items).toHaveLength(4);
  expect((await all.list({ updatedBefore: updatedAt })).items).toHaveLength(20);
  await all.rename("s-0", "touched");
  expect((await all.list({ limit: 1 })).items[0]?.id).toBe("s-24");
  clock.advance(1);
  await all.rename("s-0", "touched again");
  expect((await all.list({ limit: 1 })).items[0]?.id).toBe("s-0");
  expect((await all.list({ limit: 1, order: "created" })).items[0]?.id).toBe("s-24");
  for (const query of [
    { limit: 0 },
    { limit: 1001 },
    { cursor: "made up" },
    { userId: "" },
    { order: "random" },
    { status: "gone" },
  ]) {
    await refusal(all.list(JSON.parse(JSON.stringify(query))), "INVALID_ARGUMENT");
  }
});

onStores("search finds messages in their sessions", async ({ sessions, store }) => {
  const all = sessions();
  const a = await all.create({ id: "a", userId: "u", messages: [user("the quick brown fox")] });
  await all.create({ id: "b", userId: "v", messages: [user("quick thinking")] });
  await a.append(user("a second quick fox"), { ids: ["second"] });
  const hits = await all.search("quick fox");
  expect(hits.items.map(({ sessionId, messageId }) => [sessionId, messageId])).toEqual(
    expect.arrayContaining([
      ["a", "second"],
      ["a", "#2"],
    ]),
  );
  expect(hits.items).toHaveLength(2);
  expect(hits.items[0]?.snippet).toContain("fox");
  expect((await all.search("quick", { userId: "v" })).items).toHaveLength(1);
  await refusal(all.search(""), "INVALID_ARGUMENT");
  const { search: _search, ...plain } = store;
  await refusal(sessions({ store: plain }).search("quick"), "UNSUPPORTED");
});

onStores("rename and setStatus reach the handles of this process", async ({ sessions }) => {
  const all = sessions();
  const session = await all.create({ id: "s" });
  await all.rename("s", "renamed");
  await all.setStatus("s", "completed");
  expect([session.label, session.status]).toEqual(["renamed", "completed"]);
  await session.append(user("and on"));
  expect(session.record).toMatchObject({ label: "renamed", status: "completed", messageCount: 1 });
  for (const status of ["deleted", "paused", undefined]) {
    await refusal(all.setStatus("s", JSON.parse(JSON.stringify(status ?? null))), "INVALID_ARGUMENT");
  }
  for (const label of ["", "  ", "x".repeat(513), "\ud800"])
    await refusal(all.rename("s", label), "INVALID_ARGUMENT");
});

onStores("ids of any kind name sessions of their own", async ({ sessions, elsewhere }) => {
  const all = sessions();
  for (const id of ODD_IDS) await all.create({ id, messages: [user(id)] });
  const there = elsewhere();
  for (const id of ODD_IDS) expect(await textsOf(await there.open(id))).toEqual([id]);
  expect((await collect(there.all())).map(({ id }) => id).sort()).toEqual([...ODD_IDS].sort());
  for (const id of ODD_IDS) expect(await there.delete(id)).toBe(true);
  expect(await collect(all.all())).toEqual([]);
});

test("session ids are UUIDv7, in the order of their time", () => {
  const ids = range(50).map((index) => createSessionId(1_700_000_000_000 + index));
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(range(1000).map(() => createSessionId(0))).size).toBe(1000);
});

test("sessions without a store use the default one, else one in memory of their own", async () => {
  const store = memoryStore();
  setDefaultStore(store);
  try {
    await createSessions().create({ id: "s" });
    expect(store.size).toBe(1);
  } finally {
    setDefaultStore(undefined);
  }
  expect(await createSessions().find("s")).toBeUndefined();
});

test("a store that is still being opened can be given", async () => {
  const sessions = createSessions({ store: createStore("memory") });
  expect((await sessions.create({ id: "s" })).id).toBe("s");
  const failing = createSessions({ store: createStore("nonsense:") });
  await refusal(failing.create(), "INVALID_ARGUMENT");
});

test("a store is opened by its name or URL", async () => {
  for (const url of [
    "",
    "x",
    "cassandra://localhost",
    "sqlite://host/a.db",
    "sqlite",
    "file",
    "file://host/x",
  ]) {
    await refusal(createStore(url), "INVALID_ARGUMENT");
  }
  await refusal(createStore(JSON.parse("1")), "INVALID_ARGUMENT");
  const memory = await createStore("memory:");
  expect(memory.name).toBe("memory");
});

onStores(
  "a store is opened by a path",
  async ({ store, kind }) => {
    const { mkdtemp, rm } = await import("node:fs/promises");
    const { join } = await import("node:path");
    const { tmpdir } = await import("node:os");
    const folder = await mkdtemp(join(tmpdir(), "holdfast-url-"));
    try {
      const path = join(folder, "here");
      const option = kind === "file" ? { directory: path } : { path };
      for (const opening of [
        createStore(`${kind}:${path}`),
        createStore(`${kind}://${path}`),
        createStore(kind, option),
      ]) {
        const sessions = createSessions({ store: opening });
        expect((await sessions.getOrCreate("s")).id).toBe("s");
        await sessions.close();
        expect((await opening).name).toBe(store.name);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  ["file", "sqlite"],
);

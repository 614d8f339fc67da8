/**
 * Failures that were seen in the systems before this one, each by its name, so that none comes back.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import { createSessions } from "../../src/session/sessions.ts";
import type { Commit, SessionStore } from "../../src/store/store.ts";
import { fileStore } from "../../src/stores/file.ts";
import {
  assistant,
  collect,
  fakeClock,
  onStores,
  openIn,
  ownLog,
  range,
  refusal,
  textsOf,
  user,
} from "./support.ts";

onStores(
  "the whole history rewritten at every save: an append sends only what is new",
  async ({ sessions, store }) => {
    const commits: Commit[] = [];
    const watched: SessionStore = Object.assign(Object.create(store), {
      commit(batch: readonly Commit[]) {
        commits.push(...batch);
        return store.commit(batch);
      },
    });
    const session = await sessions({ store: watched }).create({ id: "s", label: "l" });
    const sizes: number[] = [];
    for (const index of range(300)) {
      await session.append(user(`message ${String(index).padStart(4, "0")} of a long conversation`));
      const last = commits.at(-1);
      expect(last?.entries).toHaveLength(1);
      sizes.push(JSON.stringify(last).length);
    }
    // Only the digits of positions, counts and times grow.
    expect((sizes.at(-1) ?? 0) - (sizes[0] ?? 0)).toBeLessThan(40);
  },
);

test("the whole history rewritten at every save: the file of a session only grows by what is new", async () => {
  await inFolder(async (folder) => {
    const session = await createSessions({ store: openIn("file", folder) }).create({ id: "s", label: "l" });
    const sizeOf = (): number => filesOf(folder).reduce((sum, path) => sum + statSync(path).size, 0);
    const growth: number[] = [];
    let before = sizeOf();
    for (const _index of range(400)) {
      await session.append(user("x".repeat(200)));
      growth.push(sizeOf() - before);
      before = sizeOf();
    }
    const first = growth.slice(0, 100).reduce((sum, bytes) => sum + bytes, 0);
    const last = growth.slice(-100).reduce((sum, bytes) => sum + bytes, 0);
    expect(last).toBeLessThan(first * 1.25);
  });
});

onStores(
  "a load error answered with a blank session that is then saved over the real one",
  async ({ sessions, store }) => {
    await sessions().create({ id: "s", messages: [user("precious")] });
    let isDown = true;
    const flaky: SessionStore = Object.assign(Object.create(store), {
      async find(ids: readonly string[]) {
        if (!isDown) return store.find(ids);
        isDown = false;
        throw new HoldfastError("STORE_UNAVAILABLE", "the connection was lost; try again");
      },
    });
    const all = sessions({ store: flaky });
    await refusal(all.getOrCreate("s"), "STORE_UNAVAILABLE");
    const session = await all.getOrCreate("s");
    await session.append(user("and more"));
    expect(await textsOf(session)).toEqual(["precious", "and more"]);
  },
);

onStores("concurrent appends lost: 50 go in, 50 are stored", async ({ sessions, elsewhere }) => {
  await sessions().create({ id: "s" });
  const handles = await Promise.all(
    range(50).map((index) => (index % 2 ? sessions() : elsewhere()).open("s")),
  );
  await Promise.all(handles.map((session, index) => session.append(user(`${index}`))));
  const texts = await textsOf(await sessions().open("s"));
  expect(texts.map(Number).sort((a, b) => a - b)).toEqual(range(50));
});

onStores("a compare-and-set that lets both writers win", async ({ sessions, elsewhere }) => {
  for (const round of range(20)) {
    const here = await sessions().create({ id: `s-${round}` });
    const there = await elsewhere().open(`s-${round}`);
    const expectedVersion = here.record.version;
    const outcomes = await Promise.allSettled(
      [here, there].map((session) => session.append(user("x"), { expectedVersion })),
    );
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  }
});

onStores(
  "reads around concurrent saves that are torn: each shows whole commits",
  async ({ sessions, elsewhere }) => {
    const writer = await sessions().create({ id: "s", label: "l" });
    const reader = await elsewhere().open("s");
    let isDone = false;
    const writing = (async () => {
      for (const index of range(40)) await writer.append([user(`${index} a`), assistant(`${index} b`)]);
      isDone = true;
    })();
    let reads = 0;
    while (!isDone) {
      const texts = await textsOf(reader);
      expect(texts.length % 2).toBe(0);
      expect(texts).toEqual(range(texts.length / 2).flatMap((index) => [`${index} a`, `${index} b`]));
      reads += 1;
      // A turn of the event loop, so that the writer gets on.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writing;
    expect(reads).toBeGreaterThan(0);
    expect(await textsOf(reader)).toHaveLength(80);
  },
);

test("a corrupt file read as empty, and then overwritten", async () => {
  await inFolder(async (folder) => {
    const directory = join(folder, "sessions");
    const first = createSessions({ store: fileStore({ directory }) });
    const session = await first.create({ id: "s", label: "l" });
    for (const index of range(5)) await session.append(user(`precious ${index}`));
    await first.close();
    const path = filesOf(directory).find((name) => name.endsWith(".jsonl")) ?? "";
    const text = readFileSync(path, "utf8");
    const damaged = text.replace("precious 2", "precious X");
    expect(damaged).not.toBe(text);
    writeFileSync(path, damaged);
    const all = createSessions({ store: fileStore({ directory }) });
    for (const read of [
      async () => textsOf(await all.open("s")),
      async () => textsOf(await all.getOrCreate("s")),
      async () => textsOf(await all.open("s", { create: true })),
    ]) {
      const error = await refusal(read(), "STORE_CORRUPT");
      expect(error.message).toContain('"s"');
    }
    expect(readFileSync(path, "utf8")).toBe(damaged);
    await all.close();
  });
});

for (const kind of ["file", "sqlite"] as const) {
  test(`path traversal by id: nothing is written outside the folder [${kind}]`, async () => {
    await inFolder(async (folder) => {
      const inside = join(folder, "inside");
      await import("node:fs/promises").then(({ mkdir }) => mkdir(inside));
      const all = createSessions({ store: openIn(kind, inside) });
      const ids = [
        "../escaped",
        "../../etc/x",
        "/tmp/x",
        "..",
        ".",
        "a/../../b",
        "..\\..\\c",
        "%2e%2e%2fd",
        "\0",
        "CON",
        "nul.jsonl",
        "~",
        "-rf",
      ];
      for (const id of ids) {
        const session = await all.create({ id, userId: id, messages: [user(id)] });
        await session.fork({ id: `${id}/fork` });
      }
      for (const id of ids) expect(await textsOf(await all.open(`${id}/fork`))).toEqual([id]);
      await all.close();
      expect(readdirSync(folder)).toEqual(["inside"]);
      for (const path of filesOf(folder)) expect(dirname(path).startsWith(inside)).toBe(true);
    });
  });
}

onStores("a time to live that is ignored, or that misses the index", async ({ sessions, store }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  await all.create({ id: "s", userId: "u", label: "L", expiresInMs: 1000, messages: [user("findable")] });
  clock.advance(1000);
  expect(await all.find("s")).toBeUndefined();
  for (const query of [
    {},
    { userId: "u" },
    { label: "L" },
    { status: "active" as const },
    { order: "created" as const },
  ]) {
    expect((await all.list(query)).items).toEqual([]);
  }
  expect((await all.search("findable")).items).toEqual([]);
  await all.prune();
  expect([await store.find(["s"]), await ownLog(store, "s")]).toEqual([[undefined], []]);
});

onStores('an auto-label that drops the last word: "Hello world" is "Hello world"', async ({ sessions }) => {
  const all = sessions();
  for (const text of ["Hello world", "Hello", "one two three", "x".repeat(50)]) {
    expect((await all.create({ messages: [user(text)] })).label).toBe(text);
  }
});

onStores("a fork of a missing parent that is created empty", async ({ sessions }) => {
  const all = sessions();
  await refusal(all.fork("missing", { id: "f" }), "SESSION_NOT_FOUND");
  expect(await collect(all.all())).toEqual([]);
});

onStores("parents in a circle: a session can't become its own ancestor", async ({ sessions }) => {
  const all = sessions();
  const a = await all.create({ id: "a", messages: [user("1")] });
  const b = await a.fork({ id: "b" });
  await refusal(b.fork({ id: "a" }), "SESSION_EXISTS");
  await all.delete("a");
  // Its id is not free while its fork lives, so nothing can take its place below its own fork.
  await refusal(b.fork({ id: "a" }), "SESSION_EXISTS");
  await refusal(b.spawn({ id: "a" }), "SESSION_EXISTS");
  const lines = await collect(all.export("b"));
  await refusal(all.import(lines, { id: "a" }), "SESSION_EXISTS");
  expect(await textsOf(b)).toEqual(["1"]);
});

onStores("a closed session resumed as closed", async ({ sessions }) => {
  const all = sessions();
  const session = await all.create({ id: "s" });
  await session.append(user("before"));
  await session.close();
  const resumed = await all.open("s");
  await resumed.append(user("after"));
  expect([resumed.status, await textsOf(resumed)]).toEqual(["active", ["before", "after"]]);
});

onStores("a deleted parent that cuts its fork's history", async ({ sessions, elsewhere }) => {
  const all = sessions();
  const parent = await all.create({ id: "p", messages: [user("1"), user("2")] });
  const fork = await parent.fork({ id: "f" });
  await all.delete("p");
  await fork.append(user("3"));
  expect(await textsOf(await elsewhere().open("f"))).toEqual(["1", "2", "3"]);
});

onStores("a fork of a live session that has nothing in it", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", messages: [user("1")] });
  const appends = range(5).map((index) => session.append(user(`${index + 2}`)));
  const fork = await session.fork();
  await Promise.all(appends);
  // All that was asked for before the fork is in it.
  expect(await textsOf(fork)).toEqual(["1", "2", "3", "4", "5", "6"]);
});

onStores("the quick start that remembers nothing", async ({ sessions, elsewhere }) => {
  const session = await sessions().getOrCreate("s");
  await session.append(user("My name is Alice."));
  await session.append(assistant("Hello Alice."));
  const resumed = await elsewhere().getOrCreate("s");
  expect((await resumed.context()).map(({ content }) => content)).toEqual([
    "My name is Alice.",
    "Hello Alice.",
  ]);
});

onStores("an update of an id that was never created, taken for a success", async ({ sessions }) => {
  const all = sessions();
  await refusal(all.rename("never", "x"), "SESSION_NOT_FOUND");
  await refusal(all.setStatus("never", "completed"), "SESSION_NOT_FOUND");
  expect(await all.delete("never")).toBe(false);
});

onStores("a finished flow that comes back to life", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s" });
  await session.enterRoute({ id: "booking" }, { id: "where" });
  await session.setData({ from: "Bern" }, { route: "booking" });
  await session.completeRoute("booking");
  await session.complete();
  const opened = await elsewhere().open("s");
  await opened.append(user("thanks"));
  expect(opened.record).toMatchObject({
    status: "completed",
    routeHistory: [{ route: "booking", completedAt: expect.any(Number) }],
  });
  expect(opened.record).not.toHaveProperty("route");
});

onStores('"latest" that is a checkpoint or a sub-agent', async ({ sessions }) => {
  const clock = fakeClock();
  const all = sessions({ clock });
  const session = await all.create({ id: "s" });
  clock.advance(1);
  await session.checkpoint("here");
  await (await session.spawn()).append(user("of a sub-agent"));
  expect((await all.latest())?.id).toBe("s");
});

onStores("tenants that collide", async ({ store, sessions }) => {
  const names = ["a", "a:b", "a/b", "a%2Fb", "*"];
  for (const name of names)
    await sessions({ store: store.namespace(name) }).create({ id: "s", messages: [user(name)] });
  for (const name of names) {
    const tenant = sessions({ store: store.namespace(name) });
    expect(await textsOf(await tenant.open("s"))).toEqual([name]);
    expect(await collect(tenant.all())).toHaveLength(1);
  }
});

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-regression-"));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/**
 * What is of the MongoDB store alone: what a crash between two documents leaves, races of removal and writing, a server
 * that is killed, and its errors. The races are brought about one call at a time, on the real server.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MongoClient } from "mongodb";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createSessions } from "../../src/index.ts";
import { HoldfastError, messageOf } from "../../src/log/errors.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { sessionKey } from "../../src/stores/documents/space.ts";
import { ANY_WORD, wordsOf } from "../../src/stores/documents/words.ts";
import { storedText, textOf } from "../../src/stores/mongodb/documents.ts";
import { toHoldfastError } from "../../src/stores/mongodb/errors.ts";
import { mongodbStore } from "../../src/stores/mongodb.ts";
import type { FerretServer } from "../engines/ferretdb-server.ts";
import { missingFerret, startFerret } from "../engines/ferretdb-server.ts";
import { placesOf } from "./mongodb-harness.ts";
import type { Hook } from "./mongodb-hooks.ts";
import { hookedDatabase } from "./mongodb-hooks.ts";
import { openMongodb } from "./mongodb-open.ts";

const APPENDS_PROCESS = fileURLToPath(new URL("mongodb-appends-process.ts", import.meta.url));
const DYING_PROCESS = fileURLToPath(new URL("mongodb-dying-process.ts", import.meta.url));
const run = promisify(execFile);
const HOUR_MS = 3_600_000;
const LIST = { order: "updated", limit: 50 } as const;
const ALL = { after: 0, limit: 1000 } as const;

const missing = missingFerret();
if (missing) console.log(`left out: tests of the mongodb store: ${missing}`);

test("a text without NUL comes back as it was, and texts keep their order", () => {
  const texts = [
    "",
    "\0",
    "\0\0",
    "\0\x01",
    "\x01",
    "\x01\0",
    "\x01\x01",
    "\x01\x02",
    "\x02",
    "a",
    "a\0b",
    "b",
    "é",
    "🙂",
  ];
  expect(texts.map((text) => textOf(storedText(text)))).toEqual(texts);
  expect(texts.some((text) => storedText(text).includes("\0"))).toBe(false);
  const sorted = texts.toSorted();
  expect(sorted.map(storedText).toSorted()).toEqual(sorted.map(storedText));
});

test("words are folded and cut; more of them than a document should hold stand for any word", () => {
  expect(wordsOf(["The fox, the FOX.", "東京"])).toEqual(["the", "fox", "東", "京"]);
  expect(wordsOf(["a".repeat(1000)])).toEqual(["a".repeat(64)]);
  const many = Array.from({ length: 50_000 }, (_, index) => `word${index}`).join(" ");
  expect(wordsOf([many])).toEqual([ANY_WORD]);
});

test("what is no client, no url or no name is INVALID_ARGUMENT, and no password is in the message", () => {
  const url = "mongodb://user:secret@host/app";
  const wrong: object[] = [
    {},
    { client: {} },
    { database: {} },
    { url: "http://user:secret@host" },
    { url, client: { db: () => undefined } },
    { url, timeoutMs: 0 },
    { url, durability: "paper" },
    { url, migrate: "never" },
    { url, watch: "never" },
    { url, database: "a/b" },
    { url, database: "" },
    { url, collections: { sessions: 'a"; drop' } },
    { url, collections: { sessions: "system.users" } },
    { url, collections: { sessions: "$cmd" } },
    { url, collections: { sessions: "" } },
    { url, collections: { sessions: "same", commits: "same" } },
    { url, collections: { other: "x" } },
  ];
  for (const options of wrong) {
    // @ts-expect-error what types refuse
    const make = (): SessionStore => mongodbStore(options);
    expect(make, JSON.stringify(options)).toThrow(HoldfastError);
    expect(make).not.toThrow("secret");
  }
});

test("what the store can't see of its server is what it was told", () => {
  const url = "mongodb://localhost/app";
  const { capabilities, watch } = mongodbStore({ url });
  expect(capabilities).toMatchObject({ durability: "disk", watch: "push", nativeTtl: false });
  expect(watch).toBeTypeOf("function");
  const other = mongodbStore({ url, durability: "replicated", watch: "poll" });
  expect(other.capabilities).toMatchObject({ durability: "replicated", watch: "poll" });
  expect(other.watch).toBeUndefined();
});

test("each failure of a server says what to do, whether to try again, and no secret", () => {
  const failed = (message: string, code?: number, name = "MongoServerError"): Error =>
    Object.assign(new Error(message), { name, ...(code !== undefined && { code }) });
  const expected: readonly [error: Error, says: string, retryable: boolean][] = [
    [failed("Authentication failed.", 18), "user name or password", false],
    [failed("not authorized on app to execute command", 13), "readWrite", false],
    [failed("not primary", 10107), "failover", true],
    [failed("node is recovering", 13436), "failover", true],
    [failed("waiting for replication timed out", 64), "majority", true],
    [failed("Not enough data-bearing nodes", 100), "majority", true],
    [failed("no space", 14031), "disk space", true],
    [failed("connect ECONNREFUSED mongodb://user:secret@host:1"), "could not be reached", true],
    [failed("timed out", undefined, "MongoServerSelectionError"), "could not be reached", true],
    [failed("Topology is closed", undefined, "MongoTopologyClosedError"), "is closed", false],
    [failed("no such command", 59), "refused a command", false],
  ];
  for (const [failure, says, retryable] of expected) {
    const error = toHoldfastError(failure, "a");
    expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", retryable, sessionId: "a", store: "mongodb" });
    expect(error.message).toContain(says);
    expect(error.message).not.toContain("secret");
  }
});

describe.skipIf(missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all")("on FerretDB", () => {
  let server: FerretServer;
  let client: MongoClient;
  let databases = 0;
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    server = await startFerret();
    client = new MongoClient(server.url);
  }, 30_000);
  afterAll(async () => {
    await client?.close();
    await server?.stop();
  });

  const newName = (): string => {
    databases += 1;
    return `test${databases}`;
  };
  const storeOn = (name: string): SessionStore => mongodbStore({ client, database: name });
  const hooked = (name: string, hook: Hook): SessionStore =>
    mongodbStore({ database: hookedDatabase(client.db(name), hook) });
  const idsOf = async (store: SessionStore, userId?: string): Promise<string[]> =>
    (await store.list({ ...LIST, ...(userId !== undefined && { userId }) })).items.map(({ id }) => id);
  const raw = (name: string, collection: string) =>
    client.db(name).collection<{ _id: string } & Record<string, unknown>>(`holdfast_${collection}`);

  /** Runs `work` at the moment of the first such call. */
  function onceAt(moment: string, work: () => Promise<unknown>): Hook {
    let isDone = false;
    return async (call) => {
      if (isDone || call !== moment) return;
      isDone = true;
      await work();
    };
  }

  describe("a writer that is killed", () => {
    const dies = async (name: string, id: string, call: string): Promise<void> => {
      const args = [DYING_PROCESS, server.url, name, id, call];
      await expect(run(process.execPath, args)).rejects.toMatchObject({ signal: "SIGKILL", stdout: "" });
    };

    test("between commit and projection: the commit is there, whole, and found, listed and searched", async () => {
      const name = newName();
      const store = storeOn(name);
      const session = await begin(store, { id: "a", userId: "u" });
      await dies(name, "a", "holdfast_sessions.updateOne");
      expect(await raw(name, "sessions").findOne({ id: "a" })).toMatchObject({ ordinal: 1, version: 1 });
      // Nobody was told of it. Who finds it first brings the projection up to date.
      const other = storeOn(name);
      expect((await other.list(LIST)).items).toMatchObject([{ id: "a", version: 1, seq: 1 }]);
      expect((await other.find(["a"]))[0]).toMatchObject({ version: 2, messageCount: 1 });
      expect(await raw(name, "sessions").findOne({ id: "a" })).toMatchObject({ ordinal: 2, version: 2 });
      expect((await other.list(LIST)).items).toMatchObject([{ id: "a", version: 2, seq: 2 }]);
      expect((await other.search?.("words", LIST))?.items).toMatchObject([{ messageId: "last" }]);
      // Who knew the session from before is told.
      expect(await outcomeOf(store, session.next(say("again", "last")))).toEqual({
        status: "duplicate",
        entryId: "last",
        seq: 2,
      });
      const outcome = await outcomeOf(store, session.next(say("late")));
      expect(outcome).toMatchObject({ status: "conflict", current: { version: 2 } });
    });

    test("between commit and projection: find, and the next commit, bring it up to date", async () => {
      const name = newName();
      for (const id of ["found", "written"]) {
        await begin(storeOn(name), { id });
        await dies(name, id, "holdfast_sessions.updateOne");
      }
      const store = storeOn(name);
      const [found] = await store.find(["found"]);
      expect(await raw(name, "sessions").findOne({ id: "found" })).toMatchObject({ ordinal: 2 });
      expect(await outcomeOf(store, commitOf(found, [say("next")]))).toEqual({ status: "committed" });
      const stale = commitOf(undefined, [creation({ id: "written" })]);
      const outcome = await outcomeOf(store, stale);
      expect(outcome).toMatchObject({ status: "conflict", current: { version: 2 } });
      expect(await raw(name, "sessions").findOne({ id: "written" })).toMatchObject({ ordinal: 2 });
    });

    test("before its commit: nothing of it is there, also where it was to create the session", async () => {
      const name = newName();
      const store = storeOn(name);
      const session = await begin(store, { id: "a" });
      await dies(name, "a", "holdfast_commits.insert");
      await dies(name, "new", "holdfast_commits.insert");
      expect(await store.find(["a", "new"])).toEqual([session.record, undefined]);
      expect(await store.read("new", ALL)).toEqual([]);
      expect(await idsOf(store)).toEqual(["a"]);
      expect(await store.remove("new")).toBe(false);
      expect(await placesOf(client.db(name), "new")).toEqual([]);
      await session.write(say("goes on"));
      await begin(store, { id: "new" }, say("another"));
    });

    test("after it reserved a session: who creates it next does so in its place", async () => {
      const name = newName();
      const store = storeOn(name);
      await store.migrate();
      await dies(name, "new", "holdfast_commits.insert");
      const session = await begin(store, { id: "new", userId: "other" }, say("hello"));
      expect((await store.find(["new"]))[0]).toEqual(session.record);
      expect(await idsOf(store, "u")).toEqual([]);
      expect(await idsOf(store, "other")).toEqual(["new"]);
    });

    test("between the first commit and its projection: the session is there, listed too", async () => {
      const name = newName();
      const store = storeOn(name);
      await store.migrate();
      await dies(name, "new", "holdfast_sessions.updateOne");
      expect(await raw(name, "sessions").findOne({ id: "new" })).toMatchObject({ ordinal: 0 });
      expect(await idsOf(store, "u")).toEqual(["new"]);
      expect((await store.find(["new"]))[0]).toMatchObject({ version: 1, seq: 2, userId: "u" });
      expect((await store.read("new", ALL)).map(({ seq }) => seq)).toEqual([1, 2]);
      expect(await raw(name, "sessions").findOne({ id: "new" })).toMatchObject({ ordinal: 1 });
    });

    test("while it removed a session: a sweep an hour later takes the rest", async () => {
      const name = newName();
      const store = storeOn(name);
      await begin(store, { id: "a" }, say("Zyqgone"));
      const dying = hooked(name, (call) => {
        if (call === "holdfast_commits.updateMany") throw new Error("connection lost ECONNRESET");
      });
      await expect(dying.remove("a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });
      expect(await store.find(["a"])).toEqual([undefined]);
      expect(await placesOf(client.db(name), "Zyqgone")).not.toEqual([]);
      await store.sweep?.(Date.now(), 10);
      expect(await placesOf(client.db(name), "Zyqgone")).not.toEqual([]);
      await raw(name, "ended").updateMany({}, { $set: { at: Date.now() - 2 * HOUR_MS } });
      await store.sweep?.(Date.now(), 10);
      expect(await placesOf(client.db(name), "Zyqgone")).toEqual([]);
      expect(await raw(name, "ended").countDocuments()).toBe(0);
    });
  });

  describe("races", () => {
    test("removed between a commit and its projection: it came before the removal, and nothing is left", async () => {
      const name = newName();
      const store = storeOn(name);
      const session = await begin(store, { id: "a" }, say("Zyqold"));
      const [commit] = [session.next(say("Zyqlate"))];
      const slow = hooked(
        name,
        onceAt("holdfast_sessions.updateOne", () => store.remove("a")),
      );
      expect(await outcomeOf(slow, commit)).toEqual({ status: "committed" });
      expect(await store.find(["a"])).toEqual([undefined]);
      expect(await placesOf(client.db(name), "Zyq")).toEqual([]);
    });

    test("removed before a commit that was under way: a conflict, and its document is taken away again", async () => {
      const name = newName();
      const store = storeOn(name);
      const session = await begin(store, { id: "a" }, say("Zyqold"));
      const late = session.next(say("Zyqlate", "Zyqid"));
      const slow = hooked(
        name,
        onceAt("holdfast_commits.insert", () => store.remove("a")),
      );
      expect(await outcomeOf(slow, late)).toEqual({ status: "conflict" });
      expect(await placesOf(client.db(name), "Zyq")).toEqual([]);
    });

    test("removed and created again before a commit that was under way: the new session is not reached", async () => {
      const name = newName();
      const store = storeOn(name);
      const session = await begin(store, { id: "a" }, say("old"));
      const slow = hooked(
        name,
        onceAt("holdfast_commits.insert", async () => {
          await store.remove("a");
          // At the same version, and of the same millisecond.
          await store.commit([commitOf(undefined, [creation({ id: "a" })], session.record.createdAt)]);
        }),
      );
      const outcome = await outcomeOf(slow, session.next(note(1), note(2)));
      const [current] = await store.find(["a"]);
      expect(current).toMatchObject({ version: 1, seq: 1, createdAt: session.record.createdAt });
      expect(outcome).toEqual({ status: "conflict", current });
      expect((await store.read("a", ALL)).map(({ seq }) => seq)).toEqual([1]);
      // Beside the ends of the old life, which hold nothing.
      expect(await raw(name, "commits").countDocuments({ entries: { $ne: "" } })).toBe(1);
    });

    test("removed while somebody knew of its beginning only: that one does not get into the log that is gone", async () => {
      const name = newName();
      const store = storeOn(name);
      const [session, stale] = [await begin(store, { id: "a" }, say("Zyqold")), storeOn(name)];
      const known = session.next(say("Zyqknown"));
      expect(await outcomeOf(stale, known)).toEqual({ status: "committed" });
      for (const text of ["three", "four"])
        await store.commit([commitOf((await store.find(["a"]))[0], [say(`Zyq${text}`)])]);
      expect(await store.remove("a")).toBe(true);
      expect(await outcomeOf(stale, commitOf(known.record, [say("Zyqlate")]))).toEqual({
        status: "conflict",
      });
      expect(await store.find(["a"])).toEqual([undefined]);
      expect(await placesOf(client.db(name), "Zyq")).toEqual([]);
    });

    test("a remover that died once the log was ended: whoever finds or writes goes on with it", async () => {
      for (const call of ["find", "commit", "remove"] as const) {
        const name = newName();
        const store = storeOn(name);
        const session = await begin(store, { id: "a" }, say("old"));
        const dying = hooked(name, (step) => {
          if (step === "holdfast_sessions.deleteOne") throw new Error("connection lost ECONNRESET");
        });
        await expect(dying.remove("a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
        const other = storeOn(name);
        if (call === "find") expect(await other.find(["a"])).toEqual([undefined]);
        if (call === "commit")
          expect(await outcomeOf(store, session.next(say("late")))).toEqual({ status: "conflict" });
        if (call === "remove") await other.remove("a");
        expect(await raw(name, "sessions").countDocuments({ id: "a" })).toBe(0);
        expect(await outcomeOf(other, commitOf(undefined, [creation({ id: "a" })]))).toEqual({
          status: "committed",
        });
      }
    });

    test("removed while a session is created in the life that another reserved: it is created in a new one", async () => {
      const name = newName();
      const store = storeOn(name);
      await store.migrate();
      const slow = hooked(
        name,
        onceAt("holdfast_commits.insert", async () => {
          await begin(store, { id: "a" }, say("Zyqfirst"));
          await store.remove("a");
        }),
      );
      const create = commitOf(undefined, [creation({ id: "a" }), say("second")]);
      expect(await outcomeOf(slow, create)).toEqual({ status: "committed" });
      expect(await store.find(["a"])).toEqual([create.record]);
      expect(await placesOf(client.db(name), "Zyqfirst")).toEqual([]);
      // Beside the ends of the old life, which hold nothing.
      expect(await raw(name, "commits").countDocuments({ entries: { $ne: "" } })).toBe(1);
    });

    test("created by another between reservation and commit: a conflict with that one", async () => {
      const name = newName();
      const store = storeOn(name);
      await store.migrate();
      let won: unknown;
      const slow = hooked(
        name,
        onceAt("holdfast_commits.insert", async () => {
          won = (await begin(store, { id: "a", userId: "winner" })).record;
        }),
      );
      const outcome = await outcomeOf(slow, commitOf(undefined, [creation({ id: "a", userId: "loser" })]));
      expect(outcome).toEqual({ status: "conflict", current: won });
      expect(await idsOf(store, "winner")).toEqual(["a"]);
      expect(await idsOf(store, "loser")).toEqual([]);
    });

    test("removed while another is told that it exists: the creation takes place after all", async () => {
      const name = newName();
      const store = storeOn(name);
      await begin(store, { id: "a" }, say("old"));
      const slow = hooked(
        name,
        onceAt("holdfast_sessions.find", () => store.remove("a")),
      );
      const create = commitOf(undefined, [creation({ id: "a" }), say("new")]);
      expect(await outcomeOf(slow, create)).toEqual({ status: "committed" });
      expect(await store.find(["a"])).toEqual([create.record]);
    });

    test("an older projection that comes late does not take the place of a newer one", async () => {
      const name = newName();
      const store = storeOn(name);
      const session = await begin(store, { id: "a" });
      const commit = session.next(say("one"));
      let last: unknown;
      const slow = hooked(
        name,
        onceAt("holdfast_sessions.updateOne", async () => {
          const [record] = await store.find(["a"]);
          const next = commitOf(record, [say("two")]);
          expect(await outcomeOf(store, next)).toEqual({ status: "committed" });
          last = next.record;
        }),
      );
      expect(await outcomeOf(slow, commit)).toEqual({ status: "committed" });
      expect(await raw(name, "sessions").findOne({ id: "a" })).toMatchObject({ ordinal: 3, version: 3 });
      expect(await store.find(["a"])).toEqual([last]);
    });

    test("a projection that is several commits behind is brought up to date by whoever reads", async () => {
      const name = newName();
      const store = storeOn(name);
      const session = await begin(store, { id: "a", userId: "u" });
      const old = await raw(name, "sessions").findOne({ id: "a" });
      for (let index = 0; index < 5; index += 1) await session.write(say(`text ${index}`, `m${index}`));
      if (old) await raw(name, "sessions").replaceOne({ _id: old._id }, old);
      const other = storeOn(name);
      expect((await other.read("a", ALL)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(await other.find(["a"])).toEqual([session.record]);
      expect((await other.list(LIST)).items).toEqual([session.record]);
      expect(await raw(name, "sessions").findOne({ id: "a" })).toMatchObject({ ordinal: 6, version: 6 });
      if (old) await raw(name, "sessions").replaceOne({ _id: old._id }, old);
      expect(await outcomeOf(storeOn(name), session.next(say("m", "m3")))).toMatchObject({
        status: "duplicate",
        seq: 5,
      });
      expect(await outcomeOf(storeOn(name), session.next(say("next")))).toEqual({ status: "committed" });
    });

    test("a log read while its session is removed comes whole or not at all", async () => {
      const name = newName();
      const store = storeOn(name);
      const session = await begin(store, { id: "a" });
      for (let index = 0; index < 5; index += 1) await session.write(note(index));
      for (const types of [undefined, ["x.note"]]) {
        const torn = hooked(
          name,
          onceAt("holdfast_commits.find", async () => {
            const key = sessionKey("", "a");
            const document = await raw(name, "sessions").findOne({ _id: key });
            await raw(name, "sessions").deleteOne({ _id: key });
            await raw(name, "commits").deleteMany({ life: document?.life, ordinal: { $gt: 3 } });
          }),
        );
        expect(await torn.read("a", { ...ALL, ...(types && { types }) })).toEqual([]);
        await begin(store, { id: "a" }, note(1), note(2));
      }
    });

    test("entries that another program deleted are STORE_CORRUPT, and nothing is written over them", async () => {
      const name = newName();
      const store = storeOn(name);
      const session = await begin(store, { id: "a" });
      for (let index = 0; index < 3; index += 1) await session.write(note(index));
      await raw(name, "commits").deleteOne({ ordinal: 3 });
      for (const range of [ALL, { ...ALL, reverse: true }, { after: 2, upTo: 3, limit: 1 }])
        await expect(store.read("a", range)).rejects.toMatchObject({ code: "STORE_CORRUPT", sessionId: "a" });
      expect((await store.read("a", { after: 3, limit: 5 })).map(({ seq }) => seq)).toEqual([4]);
      for (const text of [
        "",
        "{}",
        "[]\n{}",
        '["x.note",1,null,null]\n{}',
        '["x.note",1,null,null,null]\n{',
      ]) {
        await raw(name, "commits").updateOne({ ordinal: 4 }, { $set: { entries: text } });
        await expect(store.read("a", { after: 3, limit: 5 })).rejects.toMatchObject({
          code: "STORE_CORRUPT",
        });
      }
      await raw(name, "commits").updateOne({ ordinal: 4 }, { $unset: { entries: "" } });
      await expect(store.read("a", { after: 3, limit: 5 })).rejects.toMatchObject({ code: "STORE_CORRUPT" });
      await raw(name, "sessions").updateOne({ id: "a" }, { $set: { id: 7 } });
      await expect(store.find(["a"])).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    });
  });

  test("each call is as few round trips as the documentation says, however long the log is", async () => {
    const name = newName();
    const calls: string[] = [];
    let [trips, inFlight] = [0, 0];
    /** Calls that are sent before another has answered are one round trip. */
    const counting = (): SessionStore =>
      hooked(name, (call) => {
        if (call.endsWith(" done")) {
          inFlight -= 1;
          return;
        }
        calls.push(call);
        if (inFlight === 0) trips += 1;
        inFlight += 1;
      });
    const tripsOf = async (call: () => Promise<unknown>): Promise<number> => {
      [trips, inFlight] = [0, 0];
      calls.length = 0;
      await call();
      return trips;
    };
    await storeOn(name).migrate();
    const [store, fresh] = [counting(), counting()];
    await store.find(["none"]);
    await store.commit([]);
    expect(await tripsOf(() => store.commit([commitOf(undefined, [creation({ id: "new" })])]))).toBe(3);
    const session = await begin(store, { id: "a" });
    for (let index = 0; index < 60; index += 1) await session.write(say(`text ${index}`));
    expect(await tripsOf(() => session.write(say("plain")))).toBe(2);
    expect(calls).toEqual(["holdfast_commits.insert", "holdfast_sessions.updateOne"]);
    expect(await tripsOf(() => session.write(say("named", "m1")))).toBe(3);
    expect(await tripsOf(() => store.find(["a"]))).toBe(1);
    await fresh.find(["none"]);
    expect(await tripsOf(() => fresh.find(["a"]))).toBe(2);
    expect(await tripsOf(() => fresh.find(["a"]))).toBe(1);
    const last = await tripsOf(() => fresh.read("a", { after: 0, limit: 20, reverse: true }));
    expect([last, calls.length]).toEqual([2, 4]);
    expect(await fresh.read("a", { after: 0, limit: 20, reverse: true })).toEqual(
      session.entries.slice(-20).reverse(),
    );
    expect(await tripsOf(() => fresh.list(LIST))).toBe(1);
  });

  test("the end of a log is read whole, wherever its commits begin and end", async () => {
    const store = storeOn(newName());
    for (const [id, count] of [15, 16, 17, 70].entries()) {
      const session = await begin(store, { id: `s${id}` });
      for (let index = 1; index < count; index += 1) await session.write(note(index));
      for (const limit of [1, 2, 16, 17, 33, 100]) {
        const page = await store.read(`s${id}`, { after: 0, limit, reverse: true });
        expect(page, `${limit} of ${count}`).toEqual(session.entries.slice(-limit).reverse());
      }
    }
  });

  test("no index is made on a server that looks nothing up by one", async () => {
    const name = newName();
    expect((await storeOn(name).migrate()).steps).toEqual(
      ["sessions", "commits", "ended"].map((kind) => `made collection holdfast_${kind}`),
    );
    for (const kind of ["sessions", "commits", "ended"])
      expect((await raw(name, kind).indexes()).map((index) => index.name)).toEqual(["_id_"]);
  });

  test("a commit that is too large for a document is refused, and nothing of its batch is written", async () => {
    const store = storeOn(newName());
    const session = await begin(store, { id: "a" });
    const other = commitOf(undefined, [creation({ id: "b" })]);
    const large = "x".repeat(1024 * 1024);
    const commit = session.next(...Array.from({ length: 15 }, () => note(large)));
    await expect(store.commit([other, commit])).rejects.toMatchObject({
      code: "ENTRY_TOO_LARGE",
      sessionId: "a",
      message: expect.stringContaining("fewer entries at once"),
    });
    const patch = session.next(
      ...[1, 2, 3, 4, 5].map((key) => ({ type: "data.patched" as const, data: { patch: { [key]: large } } })),
    );
    await expect(store.commit([other, patch])).rejects.toMatchObject({
      code: "ENTRY_TOO_LARGE",
      message: expect.stringContaining("the record of session"),
    });
    expect(await store.find(["a", "b"])).toEqual([session.record, undefined]);
  });

  test("two processes append 50 messages each to one session at once: 100 stored, in order, no error", async () => {
    const name = newName();
    const store = storeOn(name);
    const sessions = createSessions({ store });
    const session = await sessions.create({ id: "shared" });
    const location = JSON.stringify({ by: "client", url: server.url, database: name, namespaces: [] });
    const results = await Promise.all(
      ["left", "right"].map((who) =>
        run(process.execPath, [APPENDS_PROCESS, location, session.id, who, "50"]),
      ),
    );
    expect(results.map(({ stdout }) => stdout)).toEqual(["0", "0"]);
    const entries = await store.read("shared", ALL);
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
    const messages = entries.filter(({ type }) => type === "message");
    expect(messages.length).toBe(100);
    expect(new Set(messages.map(({ data }) => JSON.stringify(data))).size).toBe(100);
    await sessions.close();
  }, 30_000);

  test("killed and restarted under load: what was acknowledged is there, once", async () => {
    const other = await startFerret();
    onTestFinished(() => other.stop());
    const location = { by: "client", url: other.url, database: "load", namespaces: [] } as const;
    const opened = openMongodb(location);
    onTestFinished(opened.close);
    const { store } = opened;
    await store.migrate();
    const acknowledged: string[][] = [];
    let isOver = false;
    let unknown = 0;
    const find = async (id: string) => {
      for (;;) {
        try {
          return (await store.find([id]))[0];
        } catch (error) {
          expect(HoldfastError.is(error, "STORE_UNAVAILABLE") && error.retryable, messageOf(error)).toBe(
            true,
          );
        }
      }
    };
    const write = async (id: string, mine: string[]): Promise<void> => {
      await store.commit([commitOf(undefined, [creation({ id })])]);
      let record = await find(id);
      for (let index = 0; !isOver; index += 1) {
        const next = commitOf(record, [say(`text ${index}`, `m${index}`)]);
        try {
          const { status } = await outcomeOf(store, next);
          if (status === "committed") mine.push(`m${index}`);
          record = status === "committed" ? next.record : await find(id);
        } catch (error) {
          expect(HoldfastError.is(error, "STORE_UNAVAILABLE") && error.retryable, messageOf(error)).toBe(
            true,
          );
          unknown += 1;
          record = await find(id);
        }
      }
    };
    const writers = Array.from({ length: 8 }, (_, index) => {
      const mine: string[] = [];
      acknowledged.push(mine);
      return write(`s${index}`, mine);
    });
    for (const what of [undefined, "all"] as const) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      await other.kill(what);
      await other.start();
    }
    const before = acknowledged.map((mine) => mine.length);
    for (const until = Date.now() + 20_000; Date.now() < until; ) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (acknowledged.every((mine, index) => mine.length > (before[index] ?? 0) + 2)) break;
    }
    isOver = true;
    await Promise.all(writers);
    const reader = openMongodb(location);
    onTestFinished(reader.close);
    const listed = await reader.store.list(LIST);
    expect(unknown).toBeGreaterThan(0);
    for (const [index, mine] of acknowledged.entries()) {
      const id = `s${index}`;
      const entries = await reader.store.read(id, { after: 1, limit: 100_000 });
      const found = entries.map((entry) => entry.id);
      expect(mine.length).toBeGreaterThan(before[index] ?? 0);
      expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, at) => at + 2));
      expect(new Set(found).size).toBe(found.length);
      expect(mine.filter((item) => !found.includes(item))).toEqual([]);
      expect(listed.items.find((record) => record.id === id)).toEqual((await reader.store.find([id]))[0]);
    }
  }, 60_000);

  describe("bad input", () => {
    const refuses = async (
      store: SessionStore,
      code: string,
      says: string,
      retryable: boolean,
    ): Promise<void> => {
      const commit = commitOf(undefined, [creation({ id: "a" })]);
      for (const call of [() => store.find(["a"]), () => store.commit([commit]), () => store.list(LIST)]) {
        const error: unknown = await call().catch((reason: unknown) => reason);
        expect(error).toMatchObject({ code, retryable, store: "mongodb" });
        expect(messageOf(error)).toContain(says);
        for (const secret of ["wrong-secret", server.password]) {
          expect(messageOf(error)).not.toContain(secret);
          expect(JSON.stringify(error)).not.toContain(secret);
        }
      }
      await store.close();
    };

    test("a wrong password", async () => {
      const url = `mongodb://holdfast:wrong-secret@127.0.0.1:${server.port}/?authMechanism=PLAIN`;
      await refuses(
        mongodbStore({ url, timeoutMs: 2000 }),
        "STORE_UNAVAILABLE",
        "user name or password",
        false,
      );
    });

    test("an unreachable host, and a url that is none", async () => {
      const url = "mongodb://holdfast:wrong-secret@127.0.0.1:1/app";
      await refuses(mongodbStore({ url, timeoutMs: 100 }), "STORE_UNAVAILABLE", "could not be reached", true);
      const broken = "mongodb://holdfast:wrong-secret@host:port:1/app";
      await refuses(mongodbStore({ url: broken }), "INVALID_ARGUMENT", "connection-string", false);
    });

    test("a client that is closed already", async () => {
      const closed = new MongoClient(server.url);
      await closed.connect();
      await closed.close();
      await refuses(mongodbStore({ client: closed, database: "x" }), "STORE_UNAVAILABLE", "closed", false);
    });

    for (const [user, settings, says, retryable] of [
      ["reader", "", "grant it readWrite", false],
      ["standby", "alter role standby set default_transaction_read_only = on", "does not take writes", true],
    ] as const) {
      test(`a ${user} that may not write: it reads, and a write changes nothing`, async () => {
        const name = newName();
        const session = await begin(storeOn(name), { id: "a" });
        const admin = new pg.Client(server.postgresUrl);
        await admin.connect();
        onTestFinished(() => admin.end());
        await admin.query(
          `create role ${user} login password 'wrong-secret' in role pg_read_all_data; ${settings}`,
        );
        if (user === "standby") await admin.query(`grant pg_write_all_data to ${user}`);
        const url = `mongodb://${user}:wrong-secret@127.0.0.1:${server.port}/?authMechanism=PLAIN`;
        const store = mongodbStore({ url, database: name, timeoutMs: 5000 });
        onTestFinished(() => store.close());
        expect(await store.find(["a"])).toEqual([session.record]);
        expect((await store.list(LIST)).items).toEqual([session.record]);
        for (const call of [() => store.commit([session.next(say("no"))]), () => store.remove("a")]) {
          const error: unknown = await call().catch((reason: unknown) => reason);
          expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", retryable, store: "mongodb" });
          expect(messageOf(error)).toContain(says);
          expect(messageOf(error)).not.toContain("wrong-secret");
        }
        expect(await storeOn(name).read("a", ALL)).toEqual(session.entries);
        // A projection that is behind does not keep it from being read.
        await raw(name, "sessions").updateOne({ id: "a" }, { $set: { ordinal: 0 }, $unset: { record: "" } });
        expect(await store.find(["a"])).toEqual([session.record]);
        expect(await raw(name, "sessions").findOne({ id: "a" })).toMatchObject({ ordinal: 0 });
      });
    }

    test("a schema of a newer release", async () => {
      const name = newName();
      await storeOn(name).migrate();
      await raw(name, "meta").updateOne({ _id: "schema" }, { $set: { version: 99 } });
      await refuses(storeOn(name), "MIGRATION_REQUIRED", "99", false);
      await expect(storeOn(name).migrate()).rejects.toMatchObject({ code: "MIGRATION_REQUIRED" });
      expect(await raw(name, "sessions").countDocuments()).toBe(0);
    });

    test("an index of the same name and other fields", async () => {
      const name = newName();
      await raw(name, "commits").createIndex({ other: 1 }, { name: "holdfast_log" });
      await expect(storeOn(name).migrate()).rejects.toMatchObject({
        code: "MIGRATION_REQUIRED",
        message: expect.stringContaining("holdfast_log"),
      });
      expect(await raw(name, "meta").countDocuments()).toBe(0);
    });

    test("nothing is made where migration is manual, until migrate()", async () => {
      const name = newName();
      const store = mongodbStore({ client, database: name, migrate: "manual" });
      const commit = commitOf(undefined, [creation({ id: "a" })]);
      await expect(store.commit([commit])).rejects.toMatchObject({ code: "MIGRATION_REQUIRED" });
      expect(await client.db(name).collections()).toEqual([]);
      expect(await store.migrate()).toMatchObject({ store: "mongodb", from: 0, to: 1 });
      expect(await store.migrate()).toMatchObject({ from: 1, to: 1, steps: [] });
      expect(await outcomeOf(store, commit)).toEqual({ status: "committed" });
    });

    test("stores with other collections never meet", async () => {
      const name = newName();
      const collections = { sessions: "a.sessions", commits: "a.commits", ended: "a.ended", meta: "a.meta" };
      const store = mongodbStore({ client, database: name, collections });
      await begin(store, { id: "a" });
      expect(await storeOn(name).find(["a"])).toEqual([undefined]);
      expect(
        (await client.db(name).collections()).map(({ collectionName }) => collectionName).sort(),
      ).toEqual(
        Object.values(collections)
          .filter((item) => item !== "a.ended" || true)
          .sort(),
      );
    });
  });
});

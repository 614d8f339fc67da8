/**
 * The SQLite store within a transaction of its owner's, and beside one, with each driver.
 */
import { dirname } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createSessions } from "../../src/index.ts";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { DRIVERS, newPath, openDatabase, openStore, rawBytes, singleValue } from "./sqlite-support.ts";

const QUERY = { order: "updated", limit: 5 } as const;

test("the owner's transaction needs a database, and a name that is known", () => {
  for (const options of [
    { path: "a.db", transaction: "yours" },
    { database: openDatabase(":memory:"), transaction: "mine" },
  ]) {
    expect(() => Reflect.apply(sqliteStore, undefined, [options])).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  }
});

describe.each(Object.entries(DRIVERS))("a database of %s", (_name, open) => {
  const setUp = async () => {
    const path = await newPath();
    const database = open(path);
    onTestFinished(() => void database.close());
    const root = openStore({ database });
    const session = await begin(root, { id: "s" }, say("first words"));
    const joined = () => sqliteStore({ database, transaction: "yours" });
    return { path, database, root, session, joined };
  };

  test("what is written within it is kept with it or undone with it, lists and search too", async () => {
    const { path, database, root, session, joined } = await setUp();
    for (const end of ["ROLLBACK", "COMMIT"]) {
      database.exec("BEGIN IMMEDIATE");
      const sessions = createSessions({ store: joined() });
      await sessions.create({ id: end, messages: [{ role: "user", content: `more words ${end}` }] });
      expect((await sessions.list()).items.map(({ id }) => id)).toEqual([end, "s"]);
      expect((await sessions.search("words")).items.map(({ sessionId }) => sessionId)).toEqual([end, "s"]);
      expect(singleValue(openDatabase(path), "SELECT count(*) FROM holdfast_sessions")).toBe(1);
      database.exec(end);
    }
    expect((await root.list(QUERY)).items.map(({ id }) => id)).toEqual(["COMMIT", "s"]);
    expect((await root.search?.("words", QUERY))?.items.map(({ sessionId }) => sessionId)).toEqual([
      "COMMIT",
      "s",
    ]);
    await session.write(say("on"));
  });

  test("a store beside it reads nothing that may be undone, and remembers nothing of it", async () => {
    const { database, root, session, joined } = await setUp();
    database.exec("BEGIN IMMEDIATE");
    const undone = commitOf(session.record, [note("undone")]);
    expect(await outcomeOf(joined(), undone)).toEqual({ status: "committed" });
    const impatient = openStore({ database, busyTimeoutMs: 20 });
    const error = await rejects(() => impatient.find(["s"]), "STORE_UNAVAILABLE", "a read beside it");
    expect(error.message).toContain("had a transaction of its owner open");
    const [waiting, listing] = [root.find(["s"]), root.list(QUERY)];
    database.exec("ROLLBACK");
    expect(await waiting).toEqual([session.record]);
    expect((await listing).items).toEqual([session.record]);
    await session.write(note("kept"));
    expect(await root.find(["s"])).toEqual([session.record]);
  });

  test("a removal within it leaves the rest of its traces to one outside", async () => {
    const { path, database, root, joined } = await setUp();
    await begin(root, { id: "secret" }, say("ZyqSecretZyq"));
    database.exec("BEGIN IMMEDIATE");
    expect(await joined().remove("secret")).toBe(true);
    database.exec("COMMIT");
    expect(await root.remove("s")).toBe(true);
    expect(rawBytes(dirname(path))).not.toContain("Zyq");
  });

  test("without one, or after its end, the store refuses", async () => {
    const { database, root, session, joined } = await setUp();
    database.exec("BEGIN IMMEDIATE");
    const store = joined();
    expect(store.capabilities.durability).toBe("os");
    expect(await store.find(["s"])).toEqual([session.record]);
    database.exec("COMMIT");
    const error = await rejects(() => store.find(["s"]), "INVALID_ARGUMENT", "a read after the end");
    expect(error.message).toContain("none is open");
    expect(await root.find(["s"])).toEqual([session.record]);
  });
});

/**
 * The search index of the MySQL store, which catches up when somebody searches: whoever else does so, writes or removes
 * at the same time.
 */
import type { Connection, Pool } from "mysql2/promise";
import { expect, test } from "vitest";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, creation, note, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { mysqlStore } from "../../src/stores/mysql.ts";
import { mysqlTools, QUERY } from "./mysql-support.ts";

const tools = await mysqlTools();
if (tools) {
  const { newUrl, newPool, newStore, openTransaction, areWaiting } = tools;

  const found = async (store: SessionStore, words: string): Promise<string[] | undefined> =>
    (await store.search?.(words, { ...QUERY, limit: 1000 }))?.items.map(({ messageId }) => messageId).sort();
  /** How many entries wait to be indexed, and how many are. */
  const counts = async (pool: Pool): Promise<unknown[]> => {
    const [rows] = await pool.query({
      sql: "SELECT (SELECT count(*) FROM holdfast_entries WHERE unindexed = 1), (SELECT count(*) FROM holdfast_search)",
      rowsAsArray: true,
    });
    return Array.isArray(rows) ? rows.flat() : [];
  };
  /** Takes every entry that waits, as another process does that indexes them. */
  const takeAll = async (connection: Connection): Promise<void> => {
    await connection.query("COMMIT");
    await connection.query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
    await connection.query("START TRANSACTION");
    await connection.query(
      "SELECT * FROM holdfast_entries FORCE INDEX (PRIMARY) WHERE unindexed = 1 FOR UPDATE",
    );
  };

  test("appends leave the index alone; the next search of any process adds what has a text", async () => {
    const uri = await newUrl();
    const pool = newPool(uri);
    const store = mysqlStore({ pool });
    const session = await begin(store, { id: "a" }, say("first word", "m1"), note("no word"));
    await session.write(say("second word", "m2"));
    await session.write(say("— …", "m3"));
    expect(await counts(pool)).toEqual([3, 0]);
    const other = newStore(uri);
    expect(await found(other, "word")).toEqual(["m1", "m2"]);
    expect(await counts(pool)).toEqual([0, 2]);
    await session.write(say("third word", "m4"));
    expect(await found(other, "word")).toEqual(["m1", "m2", "m4"]);
    expect(await counts(pool)).toEqual([0, 3]);
  });

  test("more than is looked up at a time is found by searches at once, each message once", async () => {
    const uri = await newUrl();
    const pool = newPool(uri);
    const store = mysqlStore({ pool });
    const commits = Array.from({ length: 60 }, (_, session) =>
      commitOf(undefined, [
        creation({ id: `s${session}` }),
        ...Array.from({ length: 20 }, (_, index) => say(`word ${index}`, `${session}/${index}`)),
        ...(session % 20 === 0 ? [say(`word ${"x".repeat(300_000)}`, `${session}/large`)] : []),
      ]),
    );
    await store.commit(commits);
    expect(await counts(pool)).toEqual([1203, 0]);
    const stores = [store, store, newStore(uri), newStore(uri)];
    const pages = await Promise.all(stores.map((one) => found(one, "word 7")));
    for (const page of pages) expect(page).toHaveLength(60);
    expect(await counts(pool)).toEqual([0, 1203]);
  });

  test("what another process is indexing just now is waited for, however that ends", async () => {
    for (const end of ["COMMIT", "ROLLBACK"]) {
      const uri = await newUrl();
      const pool = newPool(uri);
      const store = mysqlStore({ pool });
      const session = await begin(store, { id: "a" }, say("one word", "m1"), say("two words", "m2"));
      const connection = await openTransaction(uri);
      await takeAll(connection);
      await connection.query(
        "INSERT INTO holdfast_search SELECT session_key, seq, at, 'zzone zztwo zzword zzwords' FROM holdfast_entries WHERE seq > 1",
      );
      await connection.query(
        "UPDATE holdfast_entries SET unindexed = 0 WHERE session_key = 1 AND seq IN (2, 3)",
      );
      const searching = found(store, "word");
      await areWaiting(1);
      // Nor does an append wait for it.
      await session.write(say("three words", "m3"));
      await connection.query(end);
      expect(await searching, end).toEqual(expect.arrayContaining(["m1", "m2"]));
      expect(await found(store, "word"), end).toEqual(["m1", "m2", "m3"]);
      expect(await counts(pool), end).toEqual([0, 3]);
    }
  });

  test("a search waits for no append, and finds none that is not committed", async () => {
    const uri = await newUrl();
    const store = newStore(uri);
    await begin(store, { id: "a" }, say("one word", "m1"));
    const connection = await openTransaction(uri);
    const data = JSON.stringify({ message: { role: "user", content: "two words" } });
    await connection.query(
      "INSERT INTO holdfast_entries (session_key, seq, at, type, id, unindexed, data) VALUES (1, 3, 1, 'message', 'm2', 1, ?)",
      [data],
    );
    expect(await found(store, "word")).toEqual(["m1"]);
    await connection.query("COMMIT");
    expect(await found(store, "word")).toEqual(["m1", "m2"]);
  });

  test("a removal takes what waits to be indexed, and what is being indexed, with it", async () => {
    const uri = await newUrl();
    const pool = newPool(uri);
    const store = mysqlStore({ pool });
    await begin(store, { id: "a" }, say("one word", "m1"));
    await begin(store, { id: "b" }, say("one word", "m2"));
    expect(await store.remove("a")).toBe(true);
    expect(await counts(pool)).toEqual([1, 0]);

    const connection = await openTransaction(uri);
    await takeAll(connection);
    const removing = store.remove("b");
    await areWaiting(1);
    await connection.query(
      "INSERT INTO holdfast_search SELECT session_key, seq, at, 'zzone zzword' FROM holdfast_entries WHERE id = 'm2'",
    );
    await connection.query("UPDATE holdfast_entries SET unindexed = 0 WHERE session_key = 2 AND seq = 2");
    await connection.query("COMMIT");
    expect(await removing).toBe(true);
    expect(await counts(pool)).toEqual([0, 0]);
    expect(await found(store, "word")).toEqual([]);
  });

  test("searches, appends and removals at once: what stays is found, and nothing else is left", async () => {
    const uri = await newUrl();
    const pool = newPool(uri);
    const stores = [mysqlStore({ pool }), newStore(uri)] as const;
    await stores[0].migrate();
    const write = async (writer: number): Promise<void> => {
      for (let round = 0; round < 8; round += 1) {
        const id = `${writer}/${round}`;
        const session = await begin(stores[0], { id }, say("a word", `${id}/1`));
        await session.write(say("a word", `${id}/2`));
        expect(await found(stores[1], "word")).toEqual(expect.arrayContaining([`${id}/1`, `${id}/2`]));
        await session.write(say("a word", `${id}/3`));
        if (round % 2 === 0) await stores[1].remove(id);
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, writer) => write(writer)));
    expect(await found(stores[0], "word")).toHaveLength(6 * 4 * 3);
    expect(await counts(pool)).toEqual([0, 6 * 4 * 3]);
  });

  test("an entry that can't be read is reported by searches where it is, and by no other", async () => {
    const uri = await newUrl();
    const pool = newPool(uri);
    const store = mysqlStore({ pool });
    await begin(store, { id: "a" }, say("one word", "m1"));
    await begin(store.namespace("other"), { id: "b" }, say("one word", "m2"));
    await pool.query("UPDATE holdfast_entries SET data = 'x' WHERE id = 'm1'");
    expect(await found(store.namespace("other"), "word")).toEqual(["m2"]);
    expect((await rejects(() => found(store, "word"), "STORE_CORRUPT", "a search")).sessionId).toBe("a");
  });

  test("an append leaves in the indexes of lists what stays as it is, and changes what another one changed", async () => {
    const uri = await newUrl();
    const [one, two] = [newStore(uri), newStore(uri)];
    const metadata = { plan: "pro" };
    const session = await begin(one, { id: "a", userId: "ann", label: "first", agent: "guide", metadata });
    for (let index = 0; index < 3; index += 1) await session.write(say(`word ${index}`));
    const query = { ...QUERY, userId: "ann", agent: "guide", metadata, status: "active" } as const;
    const labelled = async (label: string): Promise<number | undefined> =>
      (await one.list({ ...query, label })).items[0]?.version;
    expect(await labelled("first")).toBe(4);

    const stale = session.next(say("too late"));
    const renamed = commitOf(session.record, [
      { type: "label.set", data: { label: "second", automatic: false } },
    ]);
    expect(await two.commit([renamed])).toEqual([{ status: "committed" }]);
    expect(await one.commit([stale])).toMatchObject([{ status: "conflict", current: { label: "second" } }]);
    expect(await one.commit([commitOf(renamed.record, [say("again")])])).toEqual([{ status: "committed" }]);
    expect([await labelled("first"), await labelled("second")]).toEqual([undefined, 6]);

    // Removed by another one, and created again with all that an append compares but its key.
    const [record] = await one.find(["a"]);
    await two.remove("a");
    const again = commitOf(undefined, [creation({ id: "a", userId: "bob" })], record?.createdAt);
    expect(await two.commit([again])).toEqual([{ status: "committed" }]);
    expect(await one.commit([commitOf(record, [say("late")])])).toMatchObject([{ status: "conflict" }]);
    expect(await one.find(["a"])).toEqual([again.record]);
  });
}

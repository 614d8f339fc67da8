/**
 * The search index of the PostgreSQL store, which catches up when somebody searches: what is not in it yet is found all the
 * same, and each entry gets into it once.
 */
import pg from "pg";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, say } from "../../src/store/conformance/build.ts";
import { queryOf } from "../../src/store/conformance/cases/list.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { newSchema } from "./postgres-support.ts";

const server = await startPostgres();
if (server) {
  const { url } = server;
  const pool = poolOf({ connectionString: url, max: 8 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  /** How many entries wait, and how many are in the index. */
  const counts = async (schema: string): Promise<[number, number]> => {
    const count = (table: string): string => `(SELECT count(*)::int FROM "${schema}".holdfast_${table})`;
    const { rows } = await pool.query<{ pending: number; indexed: number }>(
      `SELECT ${count("search_pending")} AS pending, ${count("search")} AS indexed`,
    );
    return [rows[0]?.pending ?? 0, rows[0]?.indexed ?? 0];
  };
  const found = async (store: SessionStore, words: string): Promise<number[] | undefined> =>
    (await store.search?.(words, queryOf()))?.items.map(({ seq }) => seq);

  test("an append leaves the index as it is, a search brings it up to date", async () => {
    const schema = newSchema();
    const store = postgresStore({ pool, schema });
    const session = await begin(store, { id: "a" }, say("a word"), say("..."), say("another"));
    expect(await counts(schema)).toEqual([3, 0]);
    expect(await found(store, "word")).toEqual([2]);
    expect(await counts(schema)).toEqual([0, 2]);
    await session.write(say("a later word"));
    expect(await counts(schema)).toEqual([1, 2]);
    expect(await found(store, "word")).toEqual([5, 2]);
    expect(await counts(schema)).toEqual([0, 3]);
  });

  test("who can't write finds what is not in the index, page by page, and leaves it as it is", async () => {
    const schema = newSchema();
    const store = postgresStore({ pool, schema });
    const session = await begin(store, { id: "a" }, say("word 1"), say("none"));
    await found(store, "word");
    for (let count = 2; count < 30; count += 1)
      await session.write(say(count % 2 ? "none" : `word ${count}`));
    await pool.query(
      `DO $$ BEGIN IF to_regrole('reader') IS NULL THEN CREATE ROLE reader LOGIN PASSWORD 'r'; END IF; END $$`,
    );
    await pool.query(
      `GRANT USAGE ON SCHEMA "${schema}" TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA "${schema}" TO reader`,
    );
    const target = new URL(url);
    target.username = "reader";
    target.password = "r";
    const readers = [
      { connectionString: url, options: "-c default_transaction_read_only=on" },
      { connectionString: target.href },
    ];
    for (const reader of readers) {
      const own = poolOf(reader);
      onTestFinished(() => own.end());
      const other = postgresStore({ pool: own, schema, migrate: "manual", watch: "poll" });
      const seqs: number[] = [];
      let cursor: string | undefined;
      do {
        const page = await other.search?.("word", { ...queryOf(), limit: 4, ...(cursor && { cursor }) });
        seqs.push(...(page?.items ?? []).map(({ seq }) => seq));
        cursor = page?.cursor;
      } while (cursor !== undefined);
      expect(seqs).toEqual([...Array.from({ length: 14 }, (_, index) => 30 - 2 * index), 2]);
      expect(await counts(schema)).toEqual([28, 2]);
    }
  });

  test("searches at once, beside appends, add each entry once", async () => {
    const schema = newSchema();
    const stores = Array.from({ length: 4 }, () => postgresStore({ pool, schema }));
    const [first] = stores;
    if (!first) return;
    await first.migrate();
    const texts = Array.from({ length: 700 }, (_, index) => say(`word n${index}`));
    const session = await begin(first, { id: "a" }, ...texts);
    await Promise.all([
      ...stores.map((store) => found(store, "n699")),
      session.write(say("word more")),
      ...stores.map((store) => found(store, "n5")),
    ]);
    for (const store of stores) expect(await found(store, "n699")).toEqual([701]);
    expect(await found(first, "more")).toEqual([702]);
    expect(await counts(schema)).toEqual([0, 701]);
  });

  test("what was removed before, or is removed meanwhile, is not added", async () => {
    const schema = newSchema();
    const store = postgresStore({ pool, schema });
    await begin(store, { id: "a" }, say("word"));
    await begin(store, { id: "b" }, say("word"));
    await begin(store, { id: "c" }, say("word"));
    await store.remove("a");
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query(`BEGIN; DELETE FROM "${schema}".holdfast_sessions WHERE id = 'b'`);
    const ids = async (): Promise<string[] | undefined> =>
      (await store.search?.("word", queryOf()))?.items.map(({ sessionId }) => sessionId);
    expect((await ids())?.toSorted()).toEqual(["b", "c"]);
    expect(await counts(schema)).toEqual([1, 1]);
    await client.query("COMMIT");
    expect(await ids()).toEqual(["c"]);
    expect(await counts(schema)).toEqual([0, 1]);
  });

  test("nobody waits for a search in a transaction that is open, and finds what that has taken", async () => {
    const schema = newSchema();
    const store = postgresStore({ pool, schema });
    await begin(store, { id: "a" }, say("word"));
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query("BEGIN");
    expect(await found(postgresStore({ client, schema }), "word")).toEqual([2]);
    expect(await found(store, "word")).toEqual([2]);
    expect(await counts(schema)).toEqual([1, 0]);
    await client.query("ROLLBACK");
    expect(await found(store, "word")).toEqual([2]);
    expect(await counts(schema)).toEqual([0, 1]);
  });

  test("an entry that can't be read is told of in its own namespace, and stops no other search", async () => {
    const schema = newSchema();
    const store = postgresStore({ pool, schema });
    await begin(store.namespace("one"), { id: "a" }, say("word"));
    await begin(store.namespace("two"), { id: "b" }, say("word"));
    await pool.query(
      `UPDATE "${schema}".holdfast_entries SET data = '{' WHERE seq = 2 AND session_key = (SELECT min(key) FROM "${schema}".holdfast_sessions)`,
    );
    expect(await found(store.namespace("two"), "word")).toEqual([2]);
    await rejects(() => found(store.namespace("one"), "word"), "STORE_CORRUPT", "a search");
    expect(await counts(schema)).toEqual([0, 2]);
  });
}

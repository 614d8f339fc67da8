/**
 * What is particular to the PostgreSQL store: races that are held open, crashes, processes, options, errors.
 */
import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { PGlite } from "@electric-sql/pglite";
import fc from "fast-check";
import pg from "pg";
import postgres from "postgres";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { Commit, SessionStore } from "../../src/store/store.ts";
import { storedText, textOf } from "../../src/stores/postgres/values.ts";
import type { PostgresStoreOptions } from "../../src/stores/postgres.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import type { Task } from "./postgres-process.ts";
import { newSchema } from "./postgres-support.ts";

const SCRIPT = fileURLToPath(new URL("postgres-process.ts", import.meta.url));
const QUERY = { order: "updated", limit: 10 } as const;

test("texts come back as they went in, no two are stored alike, and ASCII keeps its order", () => {
  const text = fc.string({
    unit: fc.constantFrom("\0", "\u0001", "\u0002", "\u0003", "\ud800", "\ufeff", "a", "0", "é", "🙂"),
  });
  fc.assert(
    fc.property(text, text, (one, two) => {
      expect(textOf(storedText(one))).toBe(one);
      expect(storedText(one)).not.toMatch(/\0|\p{Surrogate}/u);
      expect(storedText(one) === storedText(two)).toBe(one === two);
    }),
  );
  const ascii = fc.string({ unit: fc.constantFrom("\0", "\u0001", "\u0002", "\u0003", "a", "b") });
  fc.assert(
    fc.property(ascii, ascii, (one, two) => {
      expect(storedText(one) < storedText(two)).toBe(one < two);
    }),
  );
});

test("names of tables and schemas that are no plain names are refused, and nothing is sent", () => {
  const refused: PgQuery = { query: () => Promise.reject(new Error("a statement was sent")) };
  for (const name of [
    'a"; DROP TABLE x; --',
    "a.b",
    "",
    "1a",
    "a b",
    "ä",
    "x".repeat(49),
    "pg_x",
    "a$holdfast$",
  ]) {
    const names: Pick<PostgresStoreOptions, "schema" | "tables">[] = [
      { schema: name },
      { tables: { sessions: name } },
    ];
    for (const options of names) {
      expect(() => postgresStore({ client: refused, ...options })).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
    }
  }
});

interface PgQuery {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

test("options that make no sense are refused", () => {
  const url = "postgres://localhost/x";
  const wrong: unknown[] = [
    {},
    { url, client: {} },
    { url: "mysql://localhost" },
    { url: 1 },
    { pool: {} },
    { client: null },
    { url, migrate: "never" },
  ];
  for (const options of wrong) {
    expect(() => Reflect.apply(postgresStore, undefined, [options]), inspect(options)).toThrow(HoldfastError);
  }
});

test("PGlite in a folder keeps what was committed; in memory it says that it doesn't", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-pglite-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const first = await PGlite.create(folder);
  const store = postgresStore({ client: first });
  expect(store.capabilities).toMatchObject({ durability: "os", writers: "one-process" });
  const session = await begin(store, { id: "kept" }, say("hello"));
  await first.close();
  const second = await PGlite.create(folder);
  onTestFinished(() => second.close());
  expect(await postgresStore({ client: second }).find(["kept"])).toEqual([session.record]);
});

const server = await startPostgres({ settings: { deadlock_timeout: "100ms" } });
if (server) {
  const { url, password } = server;
  const pool = poolOf({ connectionString: url, max: 8 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  const newStore = (options: { schema?: string; max?: number } = {}): SessionStore => {
    const { schema = newSchema() } = options;
    return postgresStore({ pool, schema });
  };
  /** A connection of its own, with a transaction open that the test ends. */
  const openTransaction = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query("BEGIN");
    return client;
  };
  /** Waits until `count` statements wait for a lock. */
  const areWaiting = async (count: number): Promise<void> => {
    const sql = "SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    await expect.poll(async () => (await pool.query(sql)).rows[0]?.count, { timeout: 5000 }).toBe(count);
  };
  const start = (task: Task): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const child = fork(SCRIPT, { execPath: process.execPath, execArgv: [] });
      child.once("message", resolve);
      child.once("exit", (code) => reject(new Error(`the process ended with ${code}`)));
      child.send(task);
    });

  describe("races", () => {
    test("a commit that waited for the same one is a duplicate, alone and in a batch, though its statement began before", async () => {
      for (const isAlone of [true, false]) {
        const schema = newSchema();
        const store = newStore({ schema });
        const session = await begin(store, { id: "a" });
        const other = await begin(store, { id: "b" });
        const client = await openTransaction();
        const commit = session.next(say("once", "m1"));
        expect(await postgresStore({ client, schema }).commit([commit])).toEqual([{ status: "committed" }]);
        const waiting = store.commit(isAlone ? [commit] : [other.next(note(1)), commit]);
        await areWaiting(1);
        await client.query("COMMIT");
        const duplicate = { status: "duplicate", entryId: "m1", seq: 2 };
        expect(await waiting).toEqual(isAlone ? [duplicate] : [{ status: "committed" }, duplicate]);
      }
    });

    test("a commit on what it waited for, with an id of it, is a duplicate, and fails no other of its batch", async () => {
      for (const isAlone of [true, false]) {
        const schema = newSchema();
        const store = newStore({ schema });
        const session = await begin(store, { id: "a" });
        const other = await begin(store, { id: "b" });
        const client = await openTransaction();
        const first = session.next(say("once", "m1"));
        await postgresStore({ client, schema }).commit([first]);
        const second = commitOf(first.record, [say("twice", "m1")]);
        const waiting = store.commit(isAlone ? [second] : [second, other.next(say("fine"))]);
        await areWaiting(1);
        await client.query("COMMIT");
        const duplicate = { status: "duplicate", entryId: "m1", seq: 2 };
        expect(await waiting).toEqual(isAlone ? [duplicate] : [duplicate, { status: "committed" }]);
      }
    });

    test("a creation that waited for another one conflicts with it, or takes place where that was rolled back", async () => {
      const schema = newSchema();
      const store = newStore({ schema });
      await store.migrate();
      for (const end of ["COMMIT", "ROLLBACK"]) {
        const client = await openTransaction();
        const theirs = commitOf(undefined, [creation({ id: end }), say("theirs", "m1")]);
        await postgresStore({ client, schema }).commit([theirs]);
        const ours = [
          commitOf(undefined, [creation({ id: end }), say("ours")]),
          commitOf(undefined, [creation({ id: `${end} too` })]),
        ];
        const waiting = store.commit(ours);
        await areWaiting(1);
        await client.query(end);
        expect(await waiting).toEqual([
          end === "COMMIT" ? { status: "conflict", current: theirs.record } : { status: "committed" },
          { status: "committed" },
        ]);
      }
    });

    test("a removal that waited for a commit takes what that wrote with it", async () => {
      const schema = newSchema();
      const store = newStore({ schema });
      const session = await begin(store, { id: "a" });
      const client = await openTransaction();
      await postgresStore({ client, schema }).commit([session.next(say("late"), note(1))]);
      const waiting = store.remove("a");
      await areWaiting(1);
      await client.query("COMMIT");
      expect(await waiting).toBe(true);
      for (const table of ["sessions", "entries", "search"]) {
        const { rows } = await pool.query(`SELECT * FROM "${schema}".holdfast_${table}`);
        expect(rows, table).toEqual([]);
      }
    });

    test("a sweep leaves a session whose time is moved meanwhile", async () => {
      const schema = newSchema();
      const store = newStore({ schema });
      const session = await begin(store, { id: "a", expiresAt: 1000 });
      const client = await openTransaction();
      await postgresStore({ client, schema }).commit([session.next({ type: "expiry.set", data: {} })]);
      expect(await store.sweep?.(2000, 10)).toEqual([]);
      await client.query("COMMIT");
      expect(await store.sweep?.(2000, 10)).toEqual([]);
      expect((await store.find(["a"]))[0]?.version).toBe(2);
    });

    test("batches that share and create sessions in any order never deadlock", async () => {
      const schema = newSchema();
      const stores = [newStore({ schema }), newStore({ schema })];
      await stores[0]?.migrate();
      const ids = Array.from({ length: 12 }, (_, index) => `s${index}`);
      const records = new Map<string, SessionRecord>();
      let committed = 0;
      const deadlocks = async (): Promise<unknown> => {
        const sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        return (await pool.query(sql)).rows[0]?.deadlocks;
      };
      const before = await deadlocks();
      const write = async (writer: number): Promise<void> => {
        for (let round = 0; round < 15; round += 1) {
          const chosen = ids.toSorted(() => Math.random() - 0.5).slice(0, 8);
          const batch = chosen.map((id) => {
            const record = records.get(id);
            return record ? commitOf(record, [note(writer)]) : commitOf(undefined, [creation({ id })]);
          });
          const outcomes = await stores[writer % 2]?.commit(batch);
          outcomes?.forEach((outcome, index) => {
            const record = outcome.status === "conflict" ? outcome.current : batch[index]?.record;
            if (outcome.status === "committed") committed += 1;
            if (record && record.version > (records.get(record.id)?.version ?? 0))
              records.set(record.id, record);
          });
          if (Math.random() < 0.3)
            await stores[0]?.remove(ids[writer] ?? "").then(() => records.delete(ids[writer] ?? ""));
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)));
      expect(committed).toBeGreaterThan(50);
      await delay(300);
      expect(await deadlocks()).toBe(before);
    });

    test("under serializable isolation still one of many writers wins, and none fails", async () => {
      const setting = "-c default_transaction_isolation=serializable";
      const strictPool = poolOf({ connectionString: url, options: setting });
      onTestFinished(() => strictPool.end());
      expect((await strictPool.query("SHOW transaction_isolation")).rows).toEqual([
        { transaction_isolation: "serializable" },
      ]);
      const strict = postgresStore({ pool: strictPool, schema: newSchema() });
      const session = await begin(strict, { id: "a" });
      const commits = Array.from({ length: 8 }, (_, index) => session.next(say(`${index}`)));
      const outcomes = await Promise.all(commits.map((commit) => outcomeOf(strict, commit)));
      expect(outcomes.map(({ status }) => status).sort()).toEqual([
        "committed",
        ...Array(7).fill("conflict"),
      ]);
    });
  });

  describe("processes", () => {
    test("50 appends at once from two processes are all there, once each", async () => {
      const schema = newSchema();
      const store = newStore({ schema });
      await begin(store, { id: "shared" });
      const task: Task = { url, schema, do: "append", id: "shared", count: 25 };
      expect(await Promise.all([start(task), start(task)])).toEqual(["appended", "appended"]);
      const entries = await store.read("shared", { after: 1, limit: 100 });
      expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, index) => index + 2));
      expect(new Set(entries.map(({ id }) => id)).size).toBe(50);
      expect((await store.find(["shared"]))[0]?.messageCount).toBe(50);
    });

    test("processes that are the first to use a database make its tables once", async () => {
      const schema = newSchema();
      const ids = ["a", "b", "c"];
      const reports = await Promise.all(ids.map((id) => start({ url, schema, do: "migrate", id, count: 0 })));
      expect(reports.filter((report) => JSON.stringify(report).includes('"from":0'))).toHaveLength(1);
      expect((await newStore({ schema }).find(ids)).map((record) => record?.version)).toEqual([1, 1, 1]);
    });
  });

  describe("connections", () => {
    test("a pool of one connection, and one client, are enough for calls at once", async () => {
      const single = poolOf({ connectionString: url, max: 1 });
      onTestFinished(() => single.end());
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      onTestFinished(() => client.end());
      for (const options of [{ pool: single }, { client }]) {
        const store = postgresStore({ ...options, schema: newSchema() });
        const sessions = await Promise.all(
          ["a", "b", "c", "d"].map((id) => begin(store, { id }, say("word"))),
        );
        await Promise.all([
          ...sessions.map((session) => session.write(say("more"))),
          store.list(QUERY),
          store.ping(),
        ]);
        expect((await store.search?.("word", QUERY))?.items).toHaveLength(4);
        await store.close();
      }
      expect((await single.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    });

    test("postgres.js may rename columns", async () => {
      const sql = postgres(url, { max: 2, transform: postgres.camel });
      onTestFinished(() => sql.end());
      const store = postgresStore({ pool: sql, schema: newSchema() });
      const session = await begin(store, { id: "a", userId: "u" }, say("word", "m1"));
      expect(await store.find(["a"])).toEqual([session.record]);
      expect(await store.read("a", { after: 0, limit: 9 })).toEqual(session.entries);
      expect((await store.list(QUERY)).items).toEqual([session.record]);
      expect((await store.search?.("word", QUERY))?.items[0]?.messageId).toBe("m1");
    });

    test("no statement is prepared under a name, and no lock or setting outlives its statement", async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      onTestFinished(() => client.end());
      const settings = async (): Promise<unknown> =>
        (
          await client.query(
            "SELECT name, setting FROM pg_settings WHERE name NOT LIKE 'plpgsql.%' ORDER BY name",
          )
        ).rows;
      const before = await settings();
      const store = postgresStore({ client, schema: newSchema() });
      const session = await begin(store, { id: "a" }, say("word", "m1"));
      await session.write(say("more"));
      await store.search?.("word", QUERY);
      await store.remove("a");
      for (const sql of [
        "SELECT name FROM pg_prepared_statements",
        "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        "SELECT channel FROM pg_listening_channels() AS channel",
        "SELECT relname FROM pg_class WHERE relpersistence = 't'",
      ]) {
        expect((await client.query(sql)).rows, sql).toEqual([]);
      }
      expect(await settings()).toEqual(before);
    });
  });

  describe("schema", () => {
    test("other names in a schema that is made: tables, index names and the view, also for text with NUL", async () => {
      const schema = newSchema();
      const tables = { sessions: "chat", entries: `e${"n".repeat(47)}`, messages: "chat_messages" };
      const store = postgresStore({ pool, schema, tables });
      await begin(
        store,
        { id: "a" },
        say("plain"),
        {
          type: "message",
          data: { message: { role: "assistant", content: [{ type: "text", text: "one" }, "two"] } },
        },
        say("nul \0, half \ud800, whole 🙂, written \\u0000"),
      );
      const { rows } = await pool.query(
        `SELECT session, seq::int, role, text FROM "${schema}".chat_messages ORDER BY seq`,
      );
      expect(rows).toEqual([
        { session: "a", seq: 2, role: "user", text: "plain" },
        { session: "a", seq: 3, role: "assistant", text: "one\ntwo" },
        { session: "a", seq: 4, role: "user", text: "nul \ufffd, half \ufffd, whole 🙂, written \\u0000" },
      ]);
    });

    test("migrate: manual refuses until it is called, a newer schema and others' tables are refused and kept", async () => {
      const schema = newSchema();
      const store = postgresStore({ pool, schema, migrate: "manual" });
      const refused = await rejects(() => store.find(["a"]), "MIGRATION_REQUIRED", "find");
      expect(refused.message).toContain("no Holdfast tables");
      expect((await store.migrate()).from).toBe(0);
      expect(await store.find(["a"])).toEqual([undefined]);
      await pool.query(`DROP TABLE "${schema}".holdfast_search, "${schema}".holdfast_search_pending`);
      await rejects(
        () => begin(store, { id: "a" }, say("x")),
        "MIGRATION_REQUIRED",
        "a commit without a table",
      );
      await pool.query(`UPDATE "${schema}".holdfast_meta SET value = '99'`);
      for (const call of [
        (other: SessionStore) => other.find(["a"]),
        (other: SessionStore) => other.migrate(),
      ])
        await rejects(() => call(newStore({ schema })), "MIGRATION_REQUIRED", "a newer schema");
      const foreign = newSchema();
      await pool.query(`CREATE SCHEMA "${foreign}"; CREATE TABLE "${foreign}".holdfast_sessions (mine int)`);
      await rejects(() => newStore({ schema: foreign }).find(["a"]), "INVALID_ARGUMENT", "another's table");
      const damaged = newSchema();
      await newStore({ schema: damaged }).migrate();
      await pool.query(`ALTER TABLE "${damaged}".holdfast_entries DROP COLUMN data CASCADE`);
      await rejects(
        () => newStore({ schema: damaged }).find(["a"]),
        "STORE_CORRUPT",
        "a column that is gone",
      );
    });
  });

  test("long words, more words than can be indexed, and long metadata are found", async () => {
    const store = newStore();
    const word = `${"🙂".length}${"long".repeat(100)}`;
    await begin(store, { id: "long" }, say(`a ${word}end`));
    await begin(
      store,
      { id: "many" },
      say(Array.from({ length: 60_000 }, (_, index) => `w${index}`).join(" ")),
    );
    const value = "v".repeat(100_000);
    await begin(store, { id: "meta", metadata: { value } });
    const found = async (text: string): Promise<string[] | undefined> =>
      (await store.search?.(text, QUERY))?.items.map(({ sessionId }) => sessionId);
    expect(await found(word)).toEqual(["long"]);
    expect(await found(`${word}x`)).toEqual([]);
    expect(await found("w59999 w12345")).toEqual(["many"]);
    expect((await store.list({ ...QUERY, metadata: { value } })).items.map(({ id }) => id)).toEqual(["meta"]);
    expect((await store.list({ ...QUERY, metadata: { value: `${value}v` } })).items).toEqual([]);
  });

  describe("errors", () => {
    test("say what to do, and never hold the password or the url", async () => {
      const wrongPassword = "wr0ng%2Fpass!word";
      const port = new URL(url).port;
      const cases: readonly (readonly [string, string, RegExp])[] = [
        [
          `postgres://holdfast:${wrongPassword}@127.0.0.1:${port}/postgres`,
          "STORE_UNAVAILABLE",
          /refused.*check user/,
        ],
        [`postgres://holdfast:${password}@127.0.0.1:${port}/nowhere`, "STORE_UNAVAILABLE", /nowhere/],
        [
          `postgres://holdfast:${password}@127.0.0.1:1/postgres`,
          "STORE_UNAVAILABLE",
          /see that the server runs/,
        ],
        [
          `postgres://holdfast:${password}@host.invalid/postgres`,
          "STORE_UNAVAILABLE",
          /see that the server runs/,
        ],
        [`postgres://holdfast:${password}@127.0.0.1:99999999/postgres`, "INVALID_ARGUMENT", /no URL/],
        [
          `postgres://127.0.0.1:${port}/postgres?user=holdfast&password=${wrongPassword}`,
          "STORE_UNAVAILABLE",
          /refused/,
        ],
      ];
      for (const [target, code, message] of cases) {
        const store = postgresStore({ url: target });
        for (const call of [() => store.ping(), () => store.find(["a"])]) {
          const error = await call().then(
            () => undefined,
            (reason: unknown) => reason,
          );
          expect(error, target).toMatchObject({ code, store: "postgres" });
          expect(String(error)).toMatch(message);
          const shown = inspect(error, { depth: 20, showHidden: true });
          for (const secret of [password, wrongPassword, decodeURIComponent(wrongPassword)])
            expect(shown).not.toContain(secret);
        }
        await store.close();
      }
    });

    test("a lost connection is retryable, and the store goes on", async () => {
      const schema = newSchema();
      const store = postgresStore({ url, schema });
      onTestFinished(() => store.close());
      const session = await begin(store, { id: "a" });
      const end =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast'";
      await pool.query(end);
      await delay(50);
      await session.write(say("after"));
      const client = await openTransaction();
      await client.query(`SELECT 1 FROM "${schema}".holdfast_sessions FOR UPDATE`);
      const cut = rejects(
        () => store.commit([session.next(say("cut off"))]),
        "STORE_UNAVAILABLE",
        "a commit",
      );
      await areWaiting(1);
      await pool.query(end);
      const error = await cut;
      expect(error.retryable).toBe(true);
      expect((await store.find(["a"]))[0]?.version).toBe(2);
    });
  });

  test("every acknowledged entry is there once after the server was killed under load", async () => {
    const schema = newSchema();
    const store = newStore({ schema });
    await store.migrate();
    const acknowledged = new Map<string, string[]>();
    let isRunning = true;
    let failures = 0;
    const settle = async <T>(work: () => Promise<T>): Promise<T> => {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          if (!HoldfastError.is(error, "STORE_UNAVAILABLE") || !error.retryable) throw error;
          failures += 1;
          await delay(20);
        }
      }
    };
    const write = async (id: string): Promise<void> => {
      const texts: string[] = [];
      acknowledged.set(id, texts);
      let { record } = await begin(store, { id });
      for (let index = 0; isRunning; index += 1) {
        const commit: Commit = commitOf(record, [say(`${id} ${index}`)]);
        // After a failure the log says whether the commit took place.
        const isThere = async (): Promise<boolean> =>
          (await store.read(id, { after: record.seq, limit: 1 }))[0]?.commit === commit.entries[0]?.commit;
        let isSent = false;
        await settle(async () => {
          if (isSent && (await isThere())) return;
          isSent = true;
          expect(await store.commit([commit])).toEqual([{ status: "committed" }]);
        });
        texts.push(`${id} ${index}`);
        record = commit.record;
      }
    };
    const writers = ["a", "b", "c", "d"].map(write);
    for (let crash = 0; crash < 2; crash += 1) {
      await delay(250);
      await server.crash();
      await delay(100);
      await server.start();
    }
    await delay(250);
    isRunning = false;
    await Promise.all(writers);
    expect(failures).toBeGreaterThan(0);
    for (const [id, texts] of acknowledged) {
      expect(texts.length).toBeGreaterThan(10);
      const log = await store.read(id, { after: 1, limit: 100_000 });
      expect(log.map(({ data }) => data)).toEqual(
        texts.map((text) => ({ message: { role: "user", content: text } })),
      );
    }
  }, 30_000);
}

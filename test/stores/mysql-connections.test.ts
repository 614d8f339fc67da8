/**
 * Connections of the MySQL store: of every kind and setting, lost, refused, without privileges, too small.
 */
import { inspect } from "node:util";
import { createConnection, createPool } from "mysql2/promise";
import { describe, expect, onTestFinished, test } from "vitest";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import { mysqlStore } from "../../src/stores/mysql.ts";
import { startMariadb } from "../engines/mariadb-server.ts";
import { openMysql } from "./mysql-open.ts";
import { mysqlTools, QUERY } from "./mysql-support.ts";

const tools = await mysqlTools();
if (tools) {
  const { server, pool, newUrl, newStore, openTransaction, areWaiting } = tools;

  describe("connections", () => {
    test("are taken as Pools and Connections, with promises or callbacks, and as URLs", async () => {
      for (const driver of ["pool", "connection", "callback-pool", "callback-connection", "url"] as const) {
        const { store, close } = await openMysql({ driver, url: await newUrl(), namespaces: ["n"] });
        const session = await begin(store, { id: "a" }, say("word", "m1"));
        await Promise.all([session.write(say("more")), begin(store, { id: "b" })]);
        expect(await store.find(["a"]), driver).toEqual([session.record]);
        expect((await store.search?.("word", QUERY))?.items).toHaveLength(1);
        await close();
        await rejects(() => store.find(["a"]), "STORE_UNAVAILABLE", driver);
      }
    });

    test("a pool of one connection is enough for calls at once, and none stays taken", async () => {
      const single = createPool({ uri: await newUrl(), connectionLimit: 1 });
      onTestFinished(() => single.end());
      const store = mysqlStore({ pool: single });
      const sessions = await Promise.all(["a", "b", "c", "d"].map((id) => begin(store, { id }, say("word"))));
      await Promise.all([...sessions.map((session) => session.write(say("more"))), store.list(QUERY)]);
      expect((await store.search?.("word", QUERY))?.items).toHaveLength(4);
      const [first] = sessions;
      expect((await store.commit(first ? [commitOf(first.record, [note(1)])] : []))[0]?.status).toBe(
        "committed",
      );
      expect((await store.commit(first ? [first.next(note(2))] : []))[0]?.status).toBe("conflict");
      await store.close();
      expect((await single.query("SELECT 1 AS one"))[0]).toEqual([{ one: 1 }]);
    });

    test("a Connection with a transaction of its owner's open is not written through, and that transaction stays", async () => {
      const client = await createConnection({ uri: await newUrl() });
      onTestFinished(() => client.end());
      const store = mysqlStore({ client });
      const session = await begin(store, { id: "a" });
      await client.query("CREATE TABLE mine (a INT) ENGINE=InnoDB");
      await client.query("START TRANSACTION");
      await client.query("INSERT INTO mine VALUES (1)");
      const error = await rejects(
        () => store.commit([session.next(note(1))]),
        "STORE_UNAVAILABLE",
        "a commit",
      );
      expect([error.message, error.retryable]).toEqual([expect.stringContaining("end it"), false]);
      expect(await store.find(["a"])).toEqual([session.record]);
      await client.query("ROLLBACK");
      expect((await client.query("SELECT * FROM mine"))[0]).toEqual([]);
      await session.write(note(1));
    });

    test("no setting of a connection changes what comes back", async () => {
      const text = 'it\'s "q" \\ \0 ä 🙂 `b` ? :name %';
      const seed = { id: `id ${text}`, userId: text, label: text, metadata: { [text]: text, n: 1 } };
      for (const statement of [
        "SET SESSION sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH'",
        "SET SESSION sql_mode = '', time_zone = '+05:30'",
        "SET NAMES latin1",
        "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
      ]) {
        const odd = createPool({
          uri: await newUrl(),
          rowsAsArray: true,
          nestTables: true,
          namedPlaceholders: true,
          typeCast: false,
          supportBigNumbers: true,
          bigNumberStrings: true,
          dateStrings: true,
          charset: "latin1_swedish_ci",
          connectionLimit: 2,
        });
        onTestFinished(() => odd.end());
        odd.pool.on("connection", (connection) => connection.query(statement));
        const store = mysqlStore({ pool: odd });
        const at = 1_763_600_000_000.123;
        const first = commitOf(undefined, [creation(seed), say(text, `m ${text}`)], at);
        expect(await store.commit([first]), statement).toEqual([{ status: "committed" }]);
        expect(await outcomeOf(store, first)).toMatchObject({ status: "duplicate", seq: 2 });
        const next = commitOf(first.record, [note({ [text]: text })], at + 0.1);
        const other = commitOf(undefined, [creation({ id: "other" })]);
        expect((await store.commit([next, other])).map(({ status }) => status)).toEqual([
          "committed",
          "committed",
        ]);
        expect(await store.find([seed.id])).toEqual([next.record]);
        expect(await store.read(seed.id, { after: 0, limit: 9 })).toEqual([
          ...first.entries,
          ...next.entries,
        ]);
        const query = { ...QUERY, userId: text, label: text, metadata: { [text]: text } };
        expect((await store.list(query)).items).toEqual([next.record]);
        expect((await store.search?.("Q ä name", query))?.items.map(({ messageId }) => messageId)).toEqual([
          `m ${text}`,
        ]);
        expect(await store.remove(seed.id)).toBe(true);
      }
    });

    test("connections that don't commit by themselves, or read what isn't committed, are refused", async () => {
      for (const [statement, message] of [
        ["SET SESSION autocommit = 0", /autocommit is off/],
        ["SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", /READ UNCOMMITTED/],
      ] as const) {
        const odd = createPool({ uri: await newUrl() });
        onTestFinished(() => odd.end());
        odd.pool.on("connection", (connection) => connection.query(statement));
        const store = mysqlStore({ pool: odd });
        for (const call of [
          () => store.find(["a"]),
          () => begin(store, { id: "a" }),
          () => store.migrate(),
        ]) {
          const error = await rejects(call, "STORE_UNAVAILABLE", statement);
          expect([error.message, error.retryable]).toEqual([expect.stringMatching(message), false]);
        }
        expect((await odd.query("SHOW TABLES"))[0]).toEqual([]);
      }
    });

    test("a lost connection is retryable, and the store goes on", async () => {
      const uri = await newUrl();
      const store = mysqlStore({ url: uri.replace("mysql:", "mariadb:") });
      onTestFinished(() => store.close());
      const session = await begin(store, { id: "a" });
      const name = uri.split("/").at(-1);
      const killAll = async (): Promise<void> => {
        const [rows] = await pool.query(
          `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = '${name}' AND INFO IS NOT NULL`,
        );
        for (const row of Array.isArray(rows) ? rows : [])
          if ("id" in row) await pool.query(`KILL ${row.id}`);
      };
      const connection = await openTransaction(uri);
      await connection.query("SELECT 1 FROM holdfast_sessions FOR UPDATE");
      const cut = rejects(
        () => store.commit([session.next(say("cut off"))]),
        "STORE_UNAVAILABLE",
        "a commit",
      );
      await areWaiting(1);
      await killAll();
      const error = await cut;
      expect([error.message, error.retryable]).toEqual([expect.stringContaining("try again"), true]);
      await connection.query("ROLLBACK");
      expect((await store.find(["a"]))[0]?.version).toBe(1);
      await session.write(say("after"));
    });
  });

  describe("errors", () => {
    test("say what to do, and never hold the password or the url", async () => {
      const { password, port } = server;
      const wrong = "wr0ng%2Fpass!word";
      const cases: readonly (readonly [string, RegExp])[] = [
        [`mysql://holdfast:${wrong}@127.0.0.1:${port}/holdfast`, /refused.*check user/],
        [`mysql://nobody:${wrong}@127.0.0.1:${port}/holdfast`, /refused.*check user/],
        [`mysql://holdfast:${password}@127.0.0.1:${port}/nowhere`, /nowhere.*check user/],
        [`mysql://holdfast:${password}@127.0.0.1:1/holdfast`, /see that the server runs/],
        [`mysql://holdfast:${password}@host.invalid/holdfast`, /see that the server runs/],
      ];
      for (const [target, message] of cases) {
        const store = mysqlStore({ url: target });
        for (const call of [() => store.ping(), () => store.find(["a"])]) {
          const error = await rejects(call, "STORE_UNAVAILABLE", target);
          expect([error.store, error.message]).toEqual(["mysql", expect.stringMatching(message)]);
          const shown = inspect(error, { depth: 20, showHidden: true });
          for (const secret of [password, wrong, decodeURIComponent(wrong)])
            expect(shown).not.toContain(secret);
        }
        await store.close();
      }
      const unnamed = mysqlStore({ url: `mysql://holdfast:${password}@127.0.0.1:${port}` });
      onTestFinished(() => unnamed.close());
      expect((await rejects(() => unnamed.find(["a"]), "INVALID_ARGUMENT", "no database")).message).toMatch(
        /no database/,
      );
    });

    test("of a user without privileges, on a read-only server, and of clients that are closed", async () => {
      const uri = await newUrl();
      const name = uri.split("/").at(-1);
      const session = await begin(newStore(uri), { id: "a" });
      await pool.query("CREATE USER weak@127.0.0.1 IDENTIFIED BY 'weak-password'");
      await pool.query(`GRANT SELECT ON ${name}.* TO weak@127.0.0.1`);
      const weakUri = uri.replace(/holdfast:[^@]*@/, "weak:weak-password@");
      const weak = mysqlStore({ url: weakUri });
      onTestFinished(() => weak.close());
      expect(await weak.find(["a"])).toEqual([session.record]);
      const denied = await rejects(() => weak.commit([session.next(note(1))]), "STORE_UNAVAILABLE", "denied");
      expect([denied.message, denied.retryable]).toEqual([
        expect.stringMatching(/lacks a privilege.*grant/),
        false,
      ]);
      await pool.query(`GRANT ALL ON ${name}.* TO weak@127.0.0.1`);
      const reader = mysqlStore({ url: weakUri });
      onTestFinished(() => reader.close());
      await pool.query("SET GLOBAL read_only = 1");
      const readOnly = await rejects(
        () => reader.commit([session.next(note(1))]),
        "STORE_UNAVAILABLE",
        "read-only",
      );
      await pool.query("SET GLOBAL read_only = 0");
      expect([readOnly.message, readOnly.retryable]).toEqual([
        expect.stringMatching(/read-only.*primary/),
        true,
      ]);
      await session.write(note(1));
      for (const client of [createPool(uri), await createConnection(uri)]) {
        const store = mysqlStore({ client });
        await store.ping();
        await client.end();
        const closed = await rejects(() => store.find(["a"]), "STORE_UNAVAILABLE", "a closed client");
        expect([closed.message, closed.retryable]).toEqual([expect.stringContaining("was closed"), false]);
      }
    });

    test("of users that have just the privileges that they need, none is refused", async () => {
      const uri = await newUrl();
      const name = uri.split("/").at(-1);
      for (const [user, privileges] of [
        ["maker", "CREATE, CREATE VIEW, DROP, SELECT, INSERT, UPDATE, DELETE"],
        ["user", "SELECT, INSERT, UPDATE, DELETE"],
      ] as const) {
        await pool.query(`CREATE USER ${user}@127.0.0.1 IDENTIFIED BY 'its-password'`);
        await pool.query(`GRANT ${privileges} ON ${name}.* TO ${user}@127.0.0.1`);
        const store = mysqlStore({
          url: uri.replace(/holdfast:[^@]*@/, `${user}:its-password@`),
          migrate: user === "maker" ? "auto" : "manual",
        });
        onTestFinished(() => store.close());
        const session = await begin(store, { id: user, expiresAt: 1000 }, say("word", "m1"));
        await session.write(say("more"));
        expect((await store.search?.("word", QUERY))?.items).toHaveLength(1);
        expect(await store.sweep?.(2000, 10)).toEqual([user]);
      }
    });

    test("what a server takes no more of at once is ENTRY_TOO_LARGE, before anything is written", async () => {
      const uri = await newUrl();
      const store = newStore(uri);
      const session = await begin(store, { id: "a" });
      await pool.query("SET GLOBAL max_allowed_packet = 1048576");
      const small = newStore(uri);
      onTestFinished(() => pool.query("SET GLOBAL max_allowed_packet = 16777216").then(() => undefined));
      const other = commitOf(undefined, [creation({ id: "b" })]);
      const large = session.next(say("x".repeat(1_100_000)));
      const error = await rejects(() => small.commit([other, large]), "ENTRY_TOO_LARGE", "a large entry");
      expect([error.sessionId, error.message]).toEqual(["a", expect.stringContaining("max_allowed_packet")]);
      expect(await small.find(["a", "b"])).toEqual([session.record, undefined]);
      const many = Array.from({ length: 300 }, (_, index) =>
        commitOf(undefined, [creation({ id: `many ${index}` }), say("x".repeat(4000), `m${index}`)]),
      );
      const outcomes = await small.commit(many);
      expect(outcomes.filter(({ status }) => status === "committed")).toHaveLength(300);
      const next = many.map(({ record }) => commitOf(record, [say("y".repeat(4000))]));
      expect((await small.commit(next)).filter(({ status }) => status === "committed")).toHaveLength(300);
      expect(await small.commit([session.next(say("x".repeat(1_000_000)))])).toEqual([
        { status: "committed" },
      ]);
    });

    test("a server whose full-text index leaves words out is told so by search, and by nothing else", async () => {
      const other = await startMariadb({ "innodb-ft-min-token-size": "4" });
      if (!other) return;
      onTestFinished(() => other.stop());
      const store = mysqlStore({ url: other.url });
      onTestFinished(() => store.close());
      const session = await begin(store, { id: "a" }, say("a word"));
      expect(await store.find(["a"])).toEqual([session.record]);
      const error = await rejects(async () => store.search?.("word", QUERY), "STORE_UNAVAILABLE", "a search");
      expect([error.message, error.retryable]).toEqual([
        expect.stringContaining("innodb_ft_min_token_size is 4"),
        false,
      ]);
    });
  });
}

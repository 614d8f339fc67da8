/**
 * What is particular to the MySQL store: values, options, processes, crashes.
 */
import { fork } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import { foldText } from "../../src/log/text.ts";
import { begin, commitOf, say } from "../../src/store/conformance/build.ts";
import type { Commit } from "../../src/store/store.ts";
import { indexWords, wordsQuery } from "../../src/stores/mysql/search-words.ts";
import { bytesOf, textOf } from "../../src/stores/mysql/values.ts";
import { mysqlStore } from "../../src/stores/mysql.ts";
import type { Task } from "./mysql-process.ts";
import { mysqlTools, QUERY } from "./mysql-support.ts";

const SCRIPT = fileURLToPath(new URL("mysql-process.ts", import.meta.url));

test("texts come back as they went in, and no two are stored alike", () => {
  const text = fc.string({
    unit: fc.constantFrom("\0", "\ud800", "\udc00", "\ufeff", "\xff", "a", "é", "🙂"),
  });
  fc.assert(
    fc.property(text, text, (one, two) => {
      expect(textOf(bytesOf(one))).toBe(one);
      expect(bytesOf(one).equals(bytesOf(two))).toBe(one === two);
    }),
  );
});

test("tokens begin alike just where words do, and are letters and digits of ASCII, three or more", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "q", "z", "0", "é", "ß", "漢", "я", "𝒳", "𞤀") });
  const tokensOf = (text: string): string[] =>
    (indexWords({ ...ENTRY, text }) ?? "").split(" ").filter(Boolean);
  fc.assert(
    fc.property(word, word, (one, two) => {
      for (const folded of foldText(one).split(" ").filter(Boolean)) {
        const [token = ""] = tokensOf(folded);
        expect(token).toMatch(/^zz[a-z0-9]{1,62}$/);
        expect(wordsQuery([folded])).toBe(`(+${token}*) anyword`);
        for (const other of foldText(two).split(" ").filter(Boolean)) {
          expect(tokensOf(other)[0]?.startsWith(token)).toBe(other.startsWith(folded));
        }
      }
    }),
  );
});

const ENTRY = { seq: 1, id: "#1", type: "x.note", data: null, at: 0 } as const;

test("names of tables that are no plain names are refused, and nothing is sent", () => {
  const refused = {
    query: () => Promise.reject(new Error("a statement was sent")),
    execute: () => Promise.reject(new Error("a statement was sent")),
  };
  for (const name of ["a`; DROP TABLE x; -- ", "a.b", "", "1a", "a b", "ä", "x".repeat(49), "a'b"]) {
    expect(() => mysqlStore({ client: refused, tables: { sessions: name } })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  }
});

test("options that make no sense are refused, without the password in what is said", () => {
  const url = "mysql://user:s3cret@localhost/x";
  const wrong: unknown[] = [
    {},
    { url, client: {} },
    { url: "postgres://user:s3cret@localhost" },
    { url: "mysql://user:s3cret@localhost:99999999/x" },
    { url: "mysql://user:s3cret%zz@localhost/x" },
    { url: 1 },
    { pool: {} },
    { client: null },
    { url, migrate: "never" },
  ];
  for (const options of wrong) {
    expect(() => Reflect.apply(mysqlStore, undefined, [options]), inspect(options)).toThrow(HoldfastError);
    expect(() => Reflect.apply(mysqlStore, undefined, [options])).not.toThrow(/s3cret/);
  }
});

const tools = await mysqlTools();
if (tools) {
  const { server, newUrl, newStore, lastValue } = tools;

  const start = (task: Task): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const child = fork(SCRIPT, { execPath: process.execPath, execArgv: [] });
      child.once("message", resolve);
      child.once("exit", (code) => reject(new Error(`the process ended with ${code}`)));
      child.send(task);
    });

  describe("processes", () => {
    test("50 appends at once to one session from two processes are all there, once each", async () => {
      const uri = await newUrl();
      const store = newStore(uri);
      await begin(store, { id: "shared" });
      const task: Task = { url: uri, do: "append", id: "shared", count: 25 };
      expect(await Promise.all([start(task), start(task)])).toEqual(["appended", "appended"]);
      const entries = await store.read("shared", { after: 1, limit: 100 });
      expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, index) => index + 2));
      expect(new Set(entries.map(({ id }) => id)).size).toBe(50);
      expect((await store.find(["shared"]))[0]?.messageCount).toBe(50);
    });

    test("64 sessions at once from each of two processes, with no error and no deadlock", async () => {
      const uri = await newUrl();
      await newStore(uri).migrate();
      const deadlocks = (): Promise<unknown> => lastValue("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'");
      const before = await deadlocks();
      const tasks = ["one", "two"].map((id): Task => ({ url: uri, do: "sessions", id, count: 64 }));
      expect(await Promise.all(tasks.map(start))).toEqual(["written", "written"]);
      const { items } = await newStore(uri).list({ ...QUERY, limit: 1000 });
      expect(items.map(({ messageCount }) => messageCount)).toEqual(Array(128).fill(5));
      expect(await deadlocks()).toBe(before);
    });

    test("processes that are the first to use a database make its tables once", async () => {
      const uri = await newUrl();
      const ids = ["a", "b", "c"];
      const reports = await Promise.all(ids.map((id) => start({ url: uri, do: "migrate", id, count: 0 })));
      expect(reports.filter((report) => JSON.stringify(report).includes('"from":0'))).toHaveLength(1);
      expect((await newStore(uri).find(ids)).map((record) => record?.version)).toEqual([1, 1, 1]);
    });
  });

  test("long words, more words than are indexed, and long metadata are found", async () => {
    const store = newStore(await newUrl());
    const word = "long".repeat(100);
    await begin(store, { id: "long" }, say(`a ${word}end`));
    await begin(
      store,
      { id: "many" },
      say(Array.from({ length: 60_000 }, (_, index) => `w${index}`).join(" ")),
    );
    const value = "v".repeat(100_000);
    await begin(store, { id: "meta", metadata: { value, other: 1 }, label: value });
    const found = async (text: string): Promise<string[] | undefined> =>
      (await store.search?.(text, QUERY))?.items.map(({ sessionId }) => sessionId);
    expect(await found(word)).toEqual(["long"]);
    expect(await found(`${word}x`)).toEqual([]);
    expect(await found("w59999 w12345")).toEqual(["many"]);
    expect((await store.list({ ...QUERY, metadata: { value }, label: value })).items).toHaveLength(1);
    expect((await store.list({ ...QUERY, metadata: { value: `${value}v` } })).items).toEqual([]);
    expect((await store.list({ ...QUERY, label: `${value}v` })).items).toEqual([]);
  });

  test("every acknowledged entry is there once, and found, after the server was killed under load", async () => {
    const uri = await newUrl();
    const store = newStore(uri);
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
        const commit: Commit = commitOf(record, [say(`${id}${index} word`)]);
        // After a failure the log says whether the commit took place.
        const isThere = async (): Promise<boolean> =>
          (await store.read(id, { after: record.seq, limit: 1 }))[0]?.commit === commit.entries[0]?.commit;
        let isSent = false;
        await settle(async () => {
          if (isSent && (await isThere())) return;
          isSent = true;
          expect(await store.commit([commit])).toEqual([{ status: "committed" }]);
        });
        texts.push(`${id}${index} word`);
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
      for (const text of [texts[0], texts[Math.floor(texts.length / 2)], texts.at(-1)]) {
        const found = await store.search?.(text ?? "", { ...QUERY, limit: 1000 });
        expect(
          found?.items.some((hit) => hit.sessionId === id && hit.snippet === text),
          text,
        ).toBe(true);
      }
    }
  }, 30_000);
}

/**
 * The search index of the SQLite store: what it costs whom, and that it follows the log.
 */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { foldText, searchText } from "../../src/log/text.ts";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, creation, note, say } from "../../src/store/conformance/build.ts";
import { queryOf } from "../../src/store/conformance/cases/list.ts";
import type { SessionStore, StoreQuery } from "../../src/store/store.ts";
import type { SqliteDatabase } from "../../src/stores/sqlite.ts";
import { newPath, openDatabase, openStore, singleValue } from "./sqlite-support.ts";

/** `session/seq` of each hit. */
async function found(
  store: SessionStore,
  words: string,
  conditions: Partial<StoreQuery> = {},
): Promise<string[]> {
  const page = await store.search?.(words, queryOf(conditions));
  return (page?.items ?? []).map(({ sessionId, seq }) => `${sessionId}/${seq}`);
}

/** Whether the index holds `word` in any of its tables. */
function isInIndex(database: SqliteDatabase, word: string): boolean {
  const blocks = database
    .prepare("SELECT block FROM holdfast_search_data UNION ALL SELECT term FROM holdfast_search_idx")
    .all();
  return blocks.some((row) =>
    Object.values(Object(row)).some((value) =>
      Buffer.from(value instanceof Uint8Array ? value : String(value)).includes(word),
    ),
  );
}

const INDEXED = "SELECT count(*) FROM holdfast_search_docsize";
const MADE = "SELECT count(*) FROM sqlite_schema WHERE name = 'holdfast_search'";

test("an append does not touch the index: it is made by the first search and catches up with the next", async () => {
  const path = await newPath();
  const store = openStore({ path });
  const database = openDatabase(path);
  const session = await begin(store, { id: "a" }, say("wombat"), note("no text"));
  expect(singleValue(database, MADE)).toBe(0);
  expect(await found(store, "wombat")).toEqual(["a/2"]);
  expect(singleValue(database, INDEXED)).toBe(1);
  await session.write(say("another wombat"));
  expect(singleValue(database, INDEXED)).toBe(1);
  expect(await found(store, "wombat")).toEqual(["a/4", "a/2"]);
  expect(singleValue(database, INDEXED)).toBe(2);
});

test("several that search at once index each message once", async () => {
  const path = await newPath();
  const stores = [openStore({ path }), openStore({ path }), openStore({ path })];
  const [store = openStore({ path })] = stores;
  await begin(store, { id: "a" }, ...Array.from({ length: 2500 }, (_, index) => say(`word ${index}`)));
  await Promise.all(stores.map(async (one) => expect((await found(one, "word")).length).toBe(1000)));
  expect(singleValue(openDatabase(path), INDEXED)).toBe(2500);
});

test("while the index catches up, another connection writes", async () => {
  const path = await newPath();
  const [searching, writing] = [openStore({ path }), openStore({ path, busyTimeoutMs: 1000 })];
  await begin(
    searching,
    { id: "a" },
    ...Array.from({ length: 6000 }, (_, index) => say(`word ${index} ${"x".repeat(500)}`)),
  );
  const done: string[] = [];
  const search = found(searching, "word 5999").then(() => done.push("search"));
  const session = await begin(writing, { id: "b" });
  await session.write(say("meanwhile"));
  done.push("write");
  await search;
  expect(done).toEqual(["write", "search"]);
});

test("entries of many megabytes are indexed a few at a time", async () => {
  const store = openStore({ path: await newPath(), durability: "normal" });
  const session = await begin(store, { id: "a" });
  for (let index = 0; index < 5; index += 1)
    await session.write(say(`start${index} ${"lorem ipsum ".repeat(250_000)} end${index}`));
  for (let index = 0; index < 5; index += 1)
    expect(await found(store, `start${index} end${index}`)).toEqual([`a/${index + 2}`]);
});

test("positions that a removal made free are used again, and what takes them is found", async () => {
  const path = await newPath();
  const store = openStore({ path });
  await begin(store, { id: "kept" }, say("wombat"));
  await begin(store, { id: "gone" }, say("wombat of old"), say("koala"), say("emu"));
  expect(await found(store, "wombat")).toEqual(["gone/2", "kept/2"]);
  const top = singleValue(openDatabase(path), "SELECT max(position) FROM holdfast_entries");
  await store.remove("gone");
  await begin(store, { id: "new" }, say("quokka"), say("wombat again"), say("emu too"));
  expect(singleValue(openDatabase(path), "SELECT max(position) FROM holdfast_entries")).toBe(top);
  expect(await found(store, "wombat")).toEqual(["new/3", "kept/2"]);
  expect(await found(store, "koala")).toEqual([]);
  expect(await found(store, "quokka")).toEqual(["new/2"]);
  expect(await found(store, "emu")).toEqual(["new/4"]);
});

test("what was swept is not found, and its positions neither", async () => {
  const store = openStore({ path: await newPath() });
  for (const id of ["a", "b", "c"])
    await begin(store, { id, ...(id !== "a" && { expiresAt: 5 }) }, say(`wombat ${id}`));
  expect(await found(store, "wombat")).toEqual(["c/2", "b/2", "a/2"]);
  expect((await store.sweep?.(5, 10))?.toSorted()).toEqual(["b", "c"]);
  await begin(store, { id: "d" }, say("wombat d"));
  expect(await found(store, "wombat")).toEqual(["d/2", "a/2"]);
});

describe("after a removal no word of it is in the index", () => {
  const word = (session: number, index: number): string =>
    `zy${(session * 7919 + index * 104_729).toString(36)}q${session}x${index}`;

  test("of 120 sessions, indexed in parts, removed one by one and together", async () => {
    const path = await newPath();
    const database = openDatabase(path);
    const store = openStore({ path, durability: "normal", busyTimeoutMs: 1000 });
    const sessions = [];
    for (let index = 0; index < 120; index += 1) {
      sessions.push(
        await begin(
          store,
          { id: `s${index}`, ...(index % 3 === 0 && { expiresAt: 5 }) },
          ...Array.from({ length: 20 }, (_, entry) => say(`common words ${word(index, entry)}`)),
        ),
      );
      if (index % 25 === 24) await found(store, "common");
    }
    await found(store, "common");
    expect(isInIndex(database, word(1, 3).slice(-4))).toBe(true);
    for (const index of [1, 2, 50, 119]) {
      await store.remove(`s${index}`);
      for (const entry of [0, 7, 19]) expect(isInIndex(database, word(index, entry).slice(-6))).toBe(false);
    }
    expect((await store.sweep?.(5, 100))?.length).toBe(40);
    for (let index = 0; index < 120; index += 3) expect(isInIndex(database, `q${index}x1`)).toBe(false);
    expect(singleValue(database, "SELECT count(*) FROM holdfast_meta WHERE key = 'search_scrub'")).toBe(0);
    expect((await found(store, "common")).length).toBe(1000);
    expect(await found(store, word(4, 4))).toEqual(["s4/6"]);
    database.exec("INSERT INTO holdfast_search (holdfast_search) VALUES ('integrity-check')");
  });

  test("of two removed at once through two connections", async () => {
    const path = await newPath();
    const database = openDatabase(path);
    const [one, two] = [openStore({ path, durability: "normal" }), openStore({ path, durability: "normal" })];
    for (let round = 0; round < 5; round += 1) {
      for (let index = 0; index < 10; index += 1)
        await begin(
          one,
          { id: `${round} ${index}` },
          ...Array.from({ length: 50 }, (_, entry) => say(`common ${word(round * 100 + index, entry)}`)),
        );
      await found(one, "common");
      await Promise.all([one.remove(`${round} 3`), two.remove(`${round} 7`)]);
      for (const index of [3, 7]) expect(isInIndex(database, `q${round * 100 + index}x1`)).toBe(false);
    }
  });

  test("where the words were separated by other Unicode tables, because the index is made anew", async () => {
    const path = await newPath();
    const database = openDatabase(path);
    const store = openStore({ path });
    for (const id of ["a", "b"]) await begin(store, { id }, say(`wombat zyq${id}`));
    expect(await found(store, "wombat")).toEqual(["b/2", "a/2"]);
    database.exec("UPDATE holdfast_meta SET value = 'other' WHERE key = 'search_fold'");
    expect(await found(store, "wombat")).toEqual(["b/2", "a/2"]);
    expect(singleValue(database, "SELECT value FROM holdfast_meta WHERE key = 'search_fold'")).not.toBe(
      "other",
    );
    database.exec("UPDATE holdfast_meta SET value = 'other' WHERE key = 'search_fold'");
    await store.remove("a");
    expect(singleValue(database, MADE)).toBe(0);
    expect(await found(store, "wombat")).toEqual(["b/2"]);
    expect(isInIndex(database, "zyqa")).toBe(false);
  });
});

test("the words of an entry are those that FOLD_VERSION stands for: raise it in search-index.ts when they change", () => {
  const message = (value: object) =>
    searchText({ seq: 1, id: "#1", at: 0, type: "message", data: { message: value } }) ?? "";
  const samples = [
    "Hello, World! It's 3.5 °C",
    "Ünïcödé ÀÉ ß ﬁ ＦＵＬＬ",
    "東京タワーへ行きたい",
    "Привет, мир",
    "สวัสดี",
    "a_b-c/d@e.f",
    "e\u0301 \0 \uD800 🙂",
    message({ content: "text" }),
    message({ content: [{ type: "text", text: "one" }, "two", { type: "image" }] }),
    message({ parts: [{ text: "parts" }] }),
    message({ text: "bare" }),
    message({ content: [{ type: "tool-result", output: { type: "text", value: "result" } }] }),
    message({ content: [{ type: "tool_result", content: [{ type: "text", text: "nested" }] }] }),
    message({}),
  ];
  const folded = samples.map(foldText).join("\n");
  expect(createHash("sha256").update(folded).digest("hex").slice(0, 16)).toBe("2252a92ea40395fa");
});

describe("a query", () => {
  test("of thousands of words is answered, and all of them must occur", async () => {
    const store = openStore({ path: ":memory:" });
    const words = Array.from({ length: 5000 }, (_, index) => `w${index}`);
    await begin(store, { id: "all" }, say(words.join(" ")));
    await begin(store, { id: "most" }, say(words.slice(1).join(" ")));
    expect(await found(store, words.join(" "))).toEqual(["all/2"]);
    expect(await found(store, words.slice(1).join(" "))).toEqual(["most/2", "all/2"]);
    expect(await found(store, `${words.join(" ")} other`)).toEqual([]);
    expect(await found(store, "x".repeat(1_000_000))).toEqual([]);
  });

  test("finds by pages where only few of many candidates hold all words", async () => {
    const store = openStore({ path: ":memory:" });
    const long = Array.from({ length: 32 }, (_, index) => `longword${index}`).join(" ");
    await begin(
      store,
      { id: "a" },
      ...Array.from({ length: 60 }, (_, index) => say(`${long} ${index % 20 === 0 ? "odd" : "even"}`)),
    );
    expect(await found(store, `${long} odd`, { limit: 2 })).toEqual(["a/42", "a/22"]);
    const first = await store.search?.(`${long} odd`, queryOf({ limit: 2 }));
    const rest = await store.search?.(
      `${long} odd`,
      queryOf({ limit: 2, ...(first?.cursor !== undefined && { cursor: first.cursor }) }),
    );
    expect(rest?.items.map(({ seq }) => seq)).toEqual([2]);
    expect(rest?.cursor).toBeUndefined();
  });
});

describe("a SQLite without FTS5", () => {
  /** `database` as if it were built without FTS5. */
  function withoutFullText(database: SqliteDatabase): SqliteDatabase {
    return {
      exec: (sql) => database.exec(refuse(sql)),
      prepare: (sql) =>
        database.prepare(sql.includes("PRAGMA module_list") ? "SELECT 1 WHERE false" : refuse(sql)),
    };
  }

  function refuse(sql: string): string {
    if (/fts5|MATCH|INTO "holdfast_search"/i.test(sql)) throw new Error("no such module: fts5");
    return sql;
  }

  test("says so, and searches the logs with the same hits", async () => {
    const path = await newPath();
    const [plain, full] = [openStore({ database: withoutFullText(openDatabase(path)) }), openStore({ path })];
    expect([plain.capabilities.search, full.capabilities.search]).toEqual(["substring", "fulltext"]);
    for (let index = 0; index < 30; index += 1) {
      await plain.commit([
        commitOf(undefined, [
          creation({ id: `s${index}`, userId: `u${index % 3}` }),
          ...Array.from({ length: 20 }, (_, entry) =>
            entry % 2 ? note(entry) : say(`word ${entry} of ${index}`, entry === 4 ? "mine" : undefined),
          ),
        ]),
      ]);
    }
    for (const [words, conditions] of [
      ["word", {}],
      ["word 4", { userId: "u1" }],
      ["of 7", {}],
      ["nothing", {}],
      ["word", { limit: 7 }],
    ] as const) {
      const expected = await found(full, words, conditions);
      expect(await found(plain, words, conditions)).toEqual(expected);
    }
    expect((await found(plain, "word")).length).toBe(300);
  });

  test("refuses to remove what another SQLite indexed, and removes the rest", async () => {
    const path = await newPath();
    const [plain, full] = [openStore({ database: withoutFullText(openDatabase(path)) }), openStore({ path })];
    await begin(plain, { id: "a" }, say("wombat"));
    expect(await plain.remove("a")).toBe(true);
    await begin(plain, { id: "b" }, say("wombat"));
    await found(full, "wombat");
    expect((await rejects(() => plain.remove("b"), "UNSUPPORTED", "the removal")).message).toContain(
      "Node 22.16",
    );
    expect((await plain.find(["b"]))[0]?.id).toBe("b");
    expect(await full.remove("b")).toBe(true);
  });
});

/**
 * What the SQLite store costs, where that can be told without a clock: bytes, and the plans of its statements.
 */
import { statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { begin, commitOf, creation, say } from "../../src/store/conformance/build.ts";
import { queryOf } from "../../src/store/conformance/cases/list.ts";
import type { StoreQuery } from "../../src/store/store.ts";
import type { SqliteDatabase } from "../../src/stores/sqlite.ts";
import { newPath, openDatabase, openStore } from "./sqlite-support.ts";

/** Lengths with the median and mean of real conversations with tools: 213 and 600 bytes. */
const LENGTHS = [60, 90, 120, 180, 213, 213, 250, 400, 900, 3500];

function texts(count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    "lorem ipsum dolor ".repeat(200).slice(0, LENGTHS[(index * 7) % LENGTHS.length]),
  );
}

describe("bytes", () => {
  test("a database holds at most 1.4 bytes for each byte of its messages", async () => {
    const path = await newPath();
    const store = openStore({ path, durability: "normal" });
    let bytes = 0;
    const session = await begin(store, { id: "a", userId: "u" });
    for (const text of texts(2000)) {
      await session.write(say(text));
      bytes += JSON.stringify({ role: "user", content: text }).length;
    }
    await store.close();
    expect(statSync(path).size / bytes).toBeLessThan(1.4);
  });

  test("an append writes at most 12 kB to the log, at the first message as at the 3,000th", async () => {
    const path = await newPath();
    const store = openStore({ path, durability: "normal" });
    const database = openDatabase(path);
    const session = await begin(store, { id: "a", userId: "u" });
    const bytesAnAppend = async (): Promise<number> => {
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      for (const text of texts(100)) await session.write(say(text));
      return statSync(`${path}-wal`).size / 100;
    };
    const first = await bytesAnAppend();
    await session.write(...texts(3000).map((text) => say(text)));
    const last = await bytesAnAppend();
    expect(first).toBeLessThan(12_000);
    expect(last / first).toBeLessThan(1.1);
  });

  test("an append with its caller's id writes the index of ids beside that, and nothing else", async () => {
    const path = await newPath();
    const store = openStore({ path, durability: "normal" });
    const session = await begin(store, { id: "a", userId: "u", expiresAt: 4_102_444_800_000 });
    openDatabase(path).exec("PRAGMA wal_checkpoint(TRUNCATE)");
    for (const [index, text] of texts(100).entries()) await session.write(say(text, `message ${index}`));
    expect(statSync(`${path}-wal`).size / 100).toBeLessThan(14_000);
  });
});

describe("plans", () => {
  /** Runs `work` on a store with two sessions and answers with the plan of each statement that it read with. */
  async function plansOf(work: (store: ReturnType<typeof openStore>) => Promise<unknown>): Promise<string> {
    const database = openDatabase(":memory:");
    const seen = new Set<string>();
    const watched: SqliteDatabase = {
      exec: (sql) => database.exec(sql),
      prepare(sql) {
        seen.add(sql);
        return database.prepare(sql);
      },
    };
    const store = openStore({ database: watched });
    await store.commit(
      ["a", "b"].map((id) =>
        commitOf(undefined, [creation({ id, userId: "u", parentId: "p" }), say("x", "m")]),
      ),
    );
    await store.list(queryOf({ userId: "u" }));
    seen.clear();
    await work(store);
    return [...seen]
      .filter((sql) => /^(SELECT|UPDATE|DELETE)/.test(sql))
      .flatMap((sql) =>
        database
          .prepare(`EXPLAIN QUERY PLAN ${sql}`)
          .all()
          .map((row) => String(row.detail)),
      )
      .join("\n");
  }
  const list = (conditions: Partial<StoreQuery>) =>
    plansOf((store) => store.list(queryOf({ limit: 50, liveAt: 1, ...conditions })));

  test.each([
    ["of a user", { userId: "u" }, "user"],
    ["of a user and status", { userId: "u", status: "active" }, "user"],
    ["of a status", { status: "completed" }, "updated"],
    ["of all", {}, "updated"],
    ["of those changed lately", { updatedAfter: 5 }, "updated"],
  ] as const)("a list %s reads one index, in its order, and no row", async (_title, conditions, index) => {
    const plan = await list(conditions);
    expect(plan).toContain(`USING COVERING INDEX holdfast_sessions_${index}`);
    expect(plan).not.toMatch(/TEMP B-TREE|SCAN holdfast|USING INDEX|AUTOMATIC/);
  });

  test.each([
    ["by creation", { order: "created" }, "created"],
    ["of a parent", { parentId: "p" }, "parent"],
    ["with metadata", { metadata: { k: 1 }, userId: "u" }, "user"],
  ] as const)("a list %s goes by its index", async (_title, conditions, index) => {
    const plan = await list(conditions);
    expect(plan).toContain(`USING INDEX holdfast_sessions_${index}`);
    expect(plan).not.toContain("SCAN holdfast");
  });

  test("reading a stretch of a log, either way, is a search of one index", async () => {
    const plan = await plansOf(async (store) => {
      await store.read("a", { after: 0, limit: 20, reverse: true });
      await store.read("a", { after: 0, upTo: 9, limit: 20, types: ["message"] });
    });
    expect(plan).toContain("USING INDEX holdfast_entries_seq");
    expect(plan).not.toMatch(/TEMP B-TREE|SCAN/);
  });

  test("a search is led by the index and stops at the limit", async () => {
    const plan = await plansOf(
      (store) => store.search?.("x", queryOf({ userId: "u", limit: 5 })) ?? Promise.reject(),
    );
    expect(plan).toMatch(
      /SCAN f VIRTUAL TABLE[\s\S]*SEARCH e USING INTEGER PRIMARY KEY[\s\S]*SEARCH s USING INTEGER PRIMARY KEY/,
    );
    expect(plan).not.toMatch(/ORDER BY/);
  });

  test("commit, find, remove and sweep look up what they need", async () => {
    const plan = await plansOf(async (store) => {
      const session = await begin(store, { id: "c", userId: "u" }, say("one", "m1"));
      await session.write(say("two", "m2"));
      await session.write(say("three"));
      await session.write({ type: "status.set", data: { status: "completed" } });
      await store.find(["a", "b"]);
      await store.remove("a");
      await store.sweep?.(1, 1);
    });
    expect(plan).not.toMatch(/TEMP B-TREE|SCAN holdfast/);
  });
});

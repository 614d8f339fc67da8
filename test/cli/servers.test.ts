/** The program on every engine that is a server. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { everyRecord } from "../../src/cli/every-record.ts";
import type { SessionRecord, SessionStore } from "../../src/index.ts";
import { createStore } from "../../src/index.ts";
import { ENGINES } from "../engines/urls.ts";
import { holdfast, jsonLines, start, temporaryFolder, temporaryStore } from "./run.ts";

const user = (content: string) => ({ role: "user" as const, content });
const assistant = (content: string) => ({ role: "assistant" as const, content });

async function recordsOf(store: SessionStore): Promise<SessionRecord[]> {
  const records: SessionRecord[] = [];
  for await (const record of everyRecord(store)) records.push(record);
  return records.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** A SQLite store with forks, a child, one that is kept for its heir, and `count` more. */
async function source(count: number) {
  const made = await temporaryStore();
  const { sessions } = made;
  const root = await sessions.create({
    id: "root",
    userId: "alice",
    messages: Array.from({ length: 400 }, (_, i) => user(`message ${i}`)),
  });
  await root.append([user("Where is my parcel?"), assistant("In Lisbon, since this morning.")]);
  await sessions.fork("root", { id: "fork", at: 300 });
  await root.spawn({ id: "child" });
  await sessions.create({ id: "hidden", messages: [user("kept for its fork")] });
  await sessions.fork("hidden", { id: "heir" });
  await sessions.delete("hidden");
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      sessions.create({ id: `s-${i}`, messages: [user(`hello ${i}`)] }),
    ),
  );
  return made;
}

const HAS_TABLES = ["postgres", "mysql"];

for (const [name, startEngine] of Object.entries(ENGINES)) {
  const engine = await startEngine();
  if (!engine) continue;
  afterAll(() => engine.stop());
  describe(name, () => {
    test.runIf(HAS_TABLES.includes(name))("what only reads makes no tables", async () => {
      const { code, stderr } = await holdfast(["--store", engine.url, "ls"]);
      expect(stderr).toMatch(/MIGRATION_REQUIRED.*holdfast migrate/);
      expect(code).not.toBe(0);
    });

    test("a copy that is interrupted goes on, and what comes back is the same", async () => {
      const { url: from, store } = await source(300);
      const running = start(["copy", "--from", from, "--to", engine.url]);
      const target = await createStore(engine.url);
      await target.migrate();
      while ((await target.list({ order: "created", limit: 10 })).items.length < 5) await delay(5);
      running.child.kill("SIGINT");
      expect((await running.ended).code).toBe(130);
      expect((await recordsOf(target)).length).toBeLessThan(305);

      const rest = await holdfast(["copy", "--from", from, "--to", engine.url, "--json"]);
      expect(rest.stderr).toBe("");
      expect(jsonLines(rest.stdout)[0]).toMatchObject({ sessions: 305, changed: [] });
      const records = await recordsOf(store);
      // Lists of OpenSearch follow within a second or two, and a copy from it begins with one.
      for (const until = Date.now() + 20_000; Date.now() < until; await delay(100))
        if (isDeepStrictEqual(await recordsOf(target), records)) break;
      expect(await recordsOf(target)).toEqual(records);
      await target.close();

      const back = `file:${join(await temporaryFolder(), "back")}`;
      expect((await holdfast(["copy", "--from", engine.url, "--to", back])).code).toBe(0);
      const returned = await createStore(back);
      expect(await recordsOf(returned)).toEqual(records);
      await returned.close();
    }, 120_000);

    test("lists, shows, searches, changes and removes", async () => {
      const on = (...args: string[]) => holdfast(["--store", engine.url, ...args]);
      const listed = jsonLines((await on("ls", "--user", "alice", "--json")).stdout);
      expect(listed.map((line) => line.id)).toContain("root");
      expect((await on("show", "root", "--last", "2")).stdout).toContain("In Lisbon, since this morning.");
      expect((await on("search", "parcel")).stdout).toContain("Where is my parcel?");
      expect((await on("tree", "root")).stdout).toContain("fork");
      expect((await on("rename", "root", "Parcels")).code).toBe(0);
      expect((await on("fork", "root", "--id", "another")).code).toBe(0);
      // Lists of OpenSearch follow within a second or two.
      let counted = "";
      for (const until = Date.now() + 20_000; !/306/.test(counted) && Date.now() < until; )
        counted = (await on("stats")).stdout;
      expect(counted).toMatch(/306/);
      expect((await on("doctor")).code).toBe(0);
      expect((await on("rm", "s-1", "--yes")).code).toBe(0);
      const erased = await on("erase", "another", "--yes");
      expect(erased).toMatchObject({ code: 0 });
      expect((await on("show", "another")).code).not.toBe(0);
    }, 60_000);

    test("says what is wrong where nobody answers, without a password", async () => {
      const away = new URL(engine.url);
      away.port = "1";
      away.username = "somebody";
      away.password = "hunter2";
      const { code, stderr, stdout } = await holdfast(["--store", away.href, "ls"]);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(new RegExp(`STORE_UNAVAILABLE.*${name}`, "i"));
      expect(`${stdout}${stderr}`).not.toContain("hunter2");
    }, 60_000);
  });
}

import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { holdfast, jsonLines, temporaryFolder, temporaryStore } from "./run.ts";

const user = (content: string) => ({ role: "user" as const, content });

/** Changes a SQLite store behind its back. */
function tamper(folder: string, sql: string): void {
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  const database = new DatabaseSync(join(folder, "sessions.db"));
  database.exec(sql);
  database.close();
}

async function contentOf(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  for (const { parentPath, name } of files.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    hash.update(name).update(await readFile(join(parentPath, name)));
  }
  return hash.digest("hex");
}

describe("migrate", () => {
  test("says what it did, then that there is nothing to do", async () => {
    const folder = await temporaryFolder();
    const store = `sqlite:${join(folder, "new", "s.db")}`;
    const first = await holdfast(["--store", store, "migrate"]);
    expect(first.code).toBe(0);
    expect(first.stdout).toMatch(/sqlite: from version 0 to \d/);
    const second = await holdfast(["--store", store, "migrate", "--json"]);
    expect(jsonLines(second.stdout)[0]).toMatchObject({ store: "sqlite", steps: [] });
  });
});

describe("doctor", () => {
  async function store(kind: "sqlite" | "file" = "sqlite") {
    const made = await temporaryStore(kind);
    const root = await made.sessions.create({
      id: "root",
      messages: [user("one"), user("two"), user("three")],
    });
    await made.sessions.fork("root", { id: "fork", at: 3 });
    await root.compact({ summarize: async () => user("summary") });
    return made;
  }

  test.each(["sqlite", "file"] as const)("finds a sound store sound and writes nothing: %s", async (kind) => {
    const { folder, url, sessions } = await store(kind);
    await sessions.close();
    const before = await contentOf(folder);
    const { code, stdout } = await holdfast(["--store", url, "doctor"]);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^sound: 2 sessions, \d+ entries checked\n$/),
    });
    expect(await contentOf(folder)).toBe(before);
  });

  test.each([
    [
      "a gap in the log",
      "DELETE FROM holdfast_entries WHERE seq = 2",
      /root: entry 2 is missing: 3 follows 1/,
    ],
    [
      "a record that is not what the log leads to",
      `UPDATE holdfast_sessions SET record = replace(record, '"messageCount":3', '"messageCount":7') WHERE id = 'root'`,
      /root: its record is not what its log leads to \(messageCount\)/,
    ],
    [
      "a parent that is gone",
      "DELETE FROM holdfast_sessions WHERE id = 'root'; DELETE FROM holdfast_entries WHERE session_key NOT IN (SELECT key FROM holdfast_sessions)",
      /fork: it inherits entries up to 3 from "root", which is missing from the store/,
    ],
    [
      "an entry that is no JSON",
      "UPDATE holdfast_entries SET data = '{torn' WHERE seq = 3",
      /root: entry 3 of session "root" can't be read/,
    ],
    ["a newer schema", "UPDATE holdfast_meta SET value = 99 WHERE key = 'schema_version'", /99/],
  ])("finds %s, says what to do, and exits with 1", async (_what, sql, message) => {
    const { folder, url, sessions } = await store();
    await sessions.close();
    tamper(folder, sql);
    const { code, stdout, stderr } = await holdfast(["--store", url, "doctor"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(message);
    expect(stdout).toMatch(/^error .*\n {6}\S.*/);
    expect(stdout).toContain("not sound");
    expect(stderr).toMatch(/^error CHECK_FAILED: 1 thing found wrong/);
    const json = await holdfast(["--store", url, "doctor", "--json"]);
    expect(jsonLines(json.stdout)[0]).toMatchObject({ level: "error", repairable: false });
  });

  test("finds a damaged file", async () => {
    const { folder, url, sessions } = await store("file");
    await sessions.close();
    const name = (await readdir(join(folder, "sessions"), { recursive: true })).find((path) =>
      path.endsWith("root.jsonl"),
    );
    const path = join(folder, "sessions", name ?? "");
    await writeFile(path, (await readFile(path, "utf8")).replace("two", "tww"));
    const { code, stdout } = await holdfast(["--store", url, "doctor"]);
    expect(code).toBe(1);
    expect(stdout).toContain("root");
  });

  test("is told that a file is no store", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "sessions.db"), "This is no database, it only looks like one.".repeat(50));
    const { code, stdout } = await holdfast(["--store", `sqlite:${join(folder, "sessions.db")}`, "doctor"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^error /);
  });

  test("notes interrupted turns and what has expired; --repair removes only the latter", async () => {
    const { url, sessions, store: opened } = await store();
    const session = await sessions.create({ id: "crashed" });
    await new Promise<void>((resolve) => {
      // Never ends: as a worker that was killed.
      void session.turn(() => new Promise<never>(() => resolve()), { leaseMs: 60 });
    });
    await sessions.create({ id: "expired", expiresInMs: 1 });
    await delay(100);
    await sessions.close();
    await delay(100);
    const { code, stdout } = await holdfast(["--store", url, "doctor"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/note {2}crashed: a turn of .* was interrupted/);
    expect(stdout).toMatch(/note {2}expired: it expired at/);
    const repaired = await holdfast(["--store", url, "doctor", "--repair", "--json"]);
    expect(jsonLines(repaired.stdout)).toContainEqual({ repaired: { removed: ["expired"] } });
    const after = await holdfast(["--store", url, "doctor"]);
    expect(after.stdout).not.toContain("expired");
    expect(opened.name).toBe("sqlite");
  });
});

describe("conformance", () => {
  test.each(["memory:", "sqlite:any.db", "file:any"])(
    "runs on %s in a place of its own and prints a table",
    async (url) => {
      const folder = await temporaryFolder();
      const { code, stdout } = await holdfast(["--store", url, "conformance", "--only", "delete/"], {
        cwd: folder,
      });
      expect(stdout).toMatch(/^RESULT +CLAUSE +CASE +TIME +WHAT\n/);
      expect(stdout).toMatch(/✓ passed +D1 +delete\//);
      expect(stdout).toMatch(/\d+ passed, 0 failed, \d+ not run/);
      expect(code).toBe(0);
      expect(await readdir(folder)).toEqual([]);
    },
  );

  test("writers in other processes, as JSON", async () => {
    const { code, stdout } = await holdfast([
      "--store",
      "sqlite:any.db",
      "--json",
      "conformance",
      "--only",
      "commit/",
      "--seed",
      "7",
    ]);
    const cases = jsonLines(stdout);
    expect(code).toBe(0);
    expect(cases.at(-1)).toMatchObject({ summary: { store: "sqlite", failed: 0 } });
    expect(cases.filter(({ status }) => status === "unsupported")).toEqual([]);
  });

  test("a part that does not exist is wrong usage", async () => {
    const { code, stderr } = await holdfast(["--store", "memory:", "conformance", "--only", "nothing/"]);
    expect(code).toBe(2);
    expect(stderr).toContain("commit/");
  });
});

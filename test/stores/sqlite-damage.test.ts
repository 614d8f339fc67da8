/**
 * What can go wrong with the file of a SQLite store: each gives an error that says what to do, and nothing is
 * overwritten.
 */
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, creation, note, say } from "../../src/store/conformance/build.ts";
import { idsOf } from "../../src/store/conformance/cases/list.ts";
import { newPath, openDatabase, openStore, temporaryFolder } from "./sqlite-support.ts";

const SCRIPT = fileURLToPath(new URL("sqlite-process.ts", import.meta.url));
/** The user "nobody": the superuser may write anywhere. */
const NOBODY = 65_534;

describe("a file that is no database", () => {
  test.each([
    ["text", "This is not a database. ".repeat(100)],
    ["one page of another format", `SQLite format 4\0${"x".repeat(5000)}`],
  ])("%s is STORE_CORRUPT with its path", async (_title, content) => {
    const path = await newPath();
    writeFileSync(path, content);
    const store = openStore({ path });
    for (const call of [() => begin(store), () => store.migrate(), () => store.ping()]) {
      const error = await rejects(call, "STORE_CORRUPT", "a use");
      expect(error.message).toContain(path);
      expect(error.message).toContain("nothing was changed");
    }
    expect(readFileSync(path, "utf8")).toBe(content);
  });

  test("an empty one is a new database", async () => {
    const path = await newPath();
    writeFileSync(path, "");
    await begin(openStore({ path }), { id: "a" });
    expect(statSync(path).size).toBeGreaterThan(0);
  });

  test("a folder is STORE_UNAVAILABLE", async () => {
    const path = await temporaryFolder();
    expect((await rejects(() => openStore({ path }).ping(), "STORE_UNAVAILABLE", "a use")).message).toContain(
      "can't be opened",
    );
  });

  test("a path through a file is STORE_UNAVAILABLE", async () => {
    const path = await newPath();
    writeFileSync(path, "file");
    const error = await rejects(
      () => openStore({ path: join(path, "sessions.db") }).ping(),
      "STORE_UNAVAILABLE",
      "a use",
    );
    expect(error.message).toContain("can't be made");
    expect(error.retryable).toBe(false);
  });
});

test("a damaged page is STORE_CORRUPT where it is read, and what can be read goes on", async () => {
  const path = await newPath();
  const store = openStore({ path });
  const ids = Array.from({ length: 50 }, (_, index) => `s${index}`);
  for (const id of ids) await begin(store, { id }, say(`${id} `.repeat(400)));
  await store.close();
  const bytes = readFileSync(path);
  const at = bytes.indexOf("s25 s25 s25 s25");
  const page = at - (at % 2048);
  bytes.fill(0xff, page, page + 2048);
  writeFileSync(path, bytes);
  const damaged = openStore({ path });
  const readAll = async () => {
    for (const id of ids) await damaged.read(id, { after: 0, limit: 10 });
  };
  const error = await rejects(readAll, "STORE_CORRUPT", "reading all");
  expect(error.message).toContain(path);
  expect(error.message).toContain("restore a backup");
  expect((await damaged.find(["s0"]))[0]?.id).toBe("s0");
  await damaged.close();
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

describe("what another program changed", () => {
  test("a record that is no JSON is STORE_CORRUPT that names the session, for this session only", async () => {
    const path = await newPath();
    const store = openStore({ path });
    const session = await begin(store, { id: "a" });
    await begin(store, { id: "b" });
    openDatabase(path).exec("UPDATE holdfast_sessions SET record = '{\"id\":', version = 9 WHERE id = 'a'");
    for (const call of [
      () => store.find(["a"]),
      () => idsOf(store),
      () => store.commit([session.next(note(1))]),
    ]) {
      expect((await rejects(call, "STORE_CORRUPT", "a use")).message).toContain('"a"');
    }
    expect((await store.find(["b"]))[0]?.id).toBe("b");
    const filtered = () => idsOf(store, { metadata: { k: 1 } });
    expect((await rejects(filtered, "STORE_CORRUPT", "a filtered list")).message).toContain(
      "holdfast doctor",
    );
    expect(await store.remove("a")).toBe(true);
    expect(await idsOf(store)).toEqual(["b"]);
  });

  test.each([
    "UPDATE holdfast_entries SET data = '{' WHERE seq = 2",
    "UPDATE holdfast_entries SET text = '{' WHERE seq = 2",
    "UPDATE holdfast_entries SET data = x'7b' WHERE seq = 2",
    "UPDATE holdfast_entries SET type = '' WHERE seq = 2",
  ])("%s is STORE_CORRUPT, and the session can be removed, from a search index too", async (sql) => {
    const path = await newPath();
    const store = openStore({ path });
    await begin(store, { id: "a" }, say("Zyqwombat"));
    await store.search?.("Zyqwombat", { order: "updated", limit: 1 });
    openDatabase(path).exec(sql);
    await rejects(() => store.read("a", { after: 0, limit: 10 }), "STORE_CORRUPT", "reading");
    expect(await store.remove("a")).toBe(true);
    await begin(store, { id: "b" }, say("koala"));
    expect((await store.search?.("koala", { order: "updated", limit: 1 }))?.items.length).toBe(1);
    expect((await store.search?.("Zyqwombat", { order: "updated", limit: 1 }))?.items.length).toBe(0);
  });
});

describe.skipIf(process.getuid?.() !== 0)(
  "without permission to write (needs root, to become another user)",
  () => {
    const writeAsNobody = async (path: string): Promise<unknown> => {
      const child = fork(SCRIPT, {
        execPath: process.execPath,
        execArgv: [],
        uid: NOBODY,
        gid: NOBODY,
        stdio: ["ignore", "ignore", "ignore", "ipc"],
      });
      child.send({ do: "write", path });
      const [answer] = await once(child, "message");
      return answer;
    };

    test("a file is STORE_UNAVAILABLE that says so, and stays as it is", async () => {
      const path = await newPath();
      chmodSync(dirname(path), 0o755);
      const store = openStore({ path });
      await begin(store, { id: "a" });
      await store.close();
      const before = readFileSync(path);
      chmodSync(path, 0o444);
      expect(await writeAsNobody(path)).toMatchObject({
        code: "STORE_UNAVAILABLE",
        message: expect.stringMatching(/can't be (written|opened).*folder/),
        retryable: false,
      });
      expect(readFileSync(path).equals(before)).toBe(true);
    });

    test("a folder is STORE_UNAVAILABLE that says so", async () => {
      const folder = await temporaryFolder();
      chmodSync(folder, 0o755);
      expect(await writeAsNobody(join(folder, "sessions.db"))).toMatchObject({
        code: "STORE_UNAVAILABLE",
        message: expect.stringContaining("can't be opened"),
        retryable: false,
      });
      expect(await writeAsNobody(join(folder, "deeper", "sessions.db"))).toMatchObject({
        code: "STORE_UNAVAILABLE",
        message: expect.stringContaining("can't be made"),
      });
    });

    test("and with it, it is written", async () => {
      const folder = await temporaryFolder();
      chownSync(folder, NOBODY, NOBODY);
      expect(await writeAsNobody(join(folder, "sessions.db"))).toBe("committed");
    });
  },
);

describe("a full disk", () => {
  test("is STORE_UNAVAILABLE that says so; the commit is not there, and the next one is once there is room", async () => {
    const database = openDatabase(await newPath());
    const store = openStore({ database });
    const session = await begin(store, { id: "a" });
    database.exec("PRAGMA max_page_count = 40");
    const large = session.next(say("x".repeat(400_000)));
    const error = await rejects(
      () => store.commit([commitOf(undefined, [creation({ id: "b" })]), large]),
      "STORE_UNAVAILABLE",
      "a commit without room",
    );
    expect(error.message).toMatch(/is full and nothing was written; free some space/);
    expect(error.retryable).toBe(true);
    expect(await store.find(["b"])).toEqual([undefined]);
    database.exec("PRAGMA max_page_count = 1000000");
    expect(await store.commit([large])).toEqual([{ status: "committed" }]);
  });

  const canMount = process.getuid?.() === 0 && process.platform === "linux" && mounts();
  test.skipIf(!canMount)("of a real file system too (needs the right to mount one)", async () => {
    const folder = await temporaryFolder();
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", folder]);
    onTestFinished(() => void execFileSync("umount", ["-l", folder]));
    const path = join(folder, "sessions.db");
    const store = openStore({ path });
    const session = await begin(store, { id: "a" });
    let stored = 0;
    const fill = async (): Promise<void> => {
      for (;;) {
        await session.write(say("x".repeat(20_000)));
        stored += 1;
      }
    };
    const error = await rejects(fill, "STORE_UNAVAILABLE", "writing on");
    expect(error.message).toContain("full");
    expect(stored).toBeGreaterThan(2);
    await store.close();
    const again = openStore({ path });
    expect((await again.find(["a"]))[0]?.messageCount).toBe(stored);
    expect((await again.read("a", { after: 1, limit: 1000 })).length).toBe(stored);
  });
});

function mounts(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], { stdio: "ignore" });
    execFileSync("umount", [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(folder);
  }
}

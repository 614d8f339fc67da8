import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { everyRecord } from "../../src/cli/every-record.ts";
import type { SessionRecord, SessionStore } from "../../src/index.ts";
import { createSessions, createStore } from "../../src/index.ts";
import { holdfast, jsonLines, start, startOnTerminal, temporaryFolder, temporaryStore } from "./run.ts";

const user = (content: string) => ({ role: "user" as const, content });
const assistant = (content: string) => ({ role: "assistant" as const, content });

async function recordsOf(store: SessionStore): Promise<SessionRecord[]> {
  const records: SessionRecord[] = [];
  for await (const record of everyRecord(store)) records.push(record);
  return records;
}

/** One conversation a line. */
function chats(count: number): string {
  return Array.from(
    { length: count },
    (_, index) =>
      `${JSON.stringify({ messages: [user(`Question ${index}`), assistant(`Answer ${index}`)] })}\n`,
  ).join("");
}

describe("export and import of Holdfast's own lines", () => {
  test("through a file, a folder and a pipe it comes back the same", async () => {
    const { folder, url, sessions } = await temporaryStore();
    const value = {
      role: "user" as const,
      content: "\u0000 \ud800 naïve 日本",
      when: new Date(5),
      bytes: new Uint8Array([1, 255]),
      big: 12n,
    };
    const root = await sessions.create({
      id: "root/../x",
      userId: "alice",
      messages: [value, assistant("b")],
    });
    await root.setData({ seats: 2 });
    await sessions.fork(root.id, { id: "fork", at: 2 });
    await root.spawn({ id: "child" });
    const whole = await (await sessions.open("root/../x")).messages();

    const file = join(folder, "one.jsonl");
    expect((await holdfast(["--store", url, "export", "root/../x", "-o", file])).code).toBe(0);
    const backup = join(folder, "backup");
    expect((await holdfast(["--store", url, "export", "--all", "--output", backup])).code).toBe(0);
    expect((await readdir(backup)).length).toBe(3);
    const piped = await holdfast(["--store", url, "export", "--all"]);
    expect(piped.stdout).toContain(await readFile(file, "utf8"));

    for (const [index, args] of [
      ["import", file],
      ["import", backup],
      ["import", "-"],
    ].entries()) {
      const target = `sqlite:${join(folder, `copy-${index}.db`)}`;
      const first = await holdfast(["--store", target, ...args], { input: piped.stdout });
      expect(first).toMatchObject({ code: 0, stderr: "" });
      expect(first.stdout).toMatch(/^\d sessions? imported/);
      const again = await holdfast(["--store", target, ...args], { input: piped.stdout });
      expect(again.stdout).toMatch(/^0 sessions imported, \d there already \(0 messages\)/);
      await using copy = createSessions({ store: createStore(target) });
      const session = await copy.open("root/../x");
      expect(await session.messages()).toEqual(whole);
      expect(session.record).toMatchObject({
        userId: "alice",
        data: { seats: 2 },
        createdAt: root.record.createdAt,
      });
      if (index > 0) expect(await (await copy.open("fork")).messages()).toEqual([value]);
      if (index > 0) expect((await copy.find("child"))?.parentId).toBe("root/../x");
    }
  });

  test("an export that is cut short, or wrong in a line, is told with file and line; the rest comes in", async () => {
    const { folder, url, sessions } = await temporaryStore();
    for (const id of ["a", "b", "c"]) await sessions.create({ id, messages: [user(id), assistant(id)] });
    const { stdout } = await holdfast(["--store", url, "export", "a", "b", "c"]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(12);
    lines[6] = "{torn";
    const file = join(folder, "all.jsonl");
    await writeFile(file, lines.slice(0, -1).join("\n"));
    const target = `sqlite:${join(folder, "copy.db")}`;
    const { code, stdout: said, stderr } = await holdfast(["--store", target, "import", file]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/problem .*all\.jsonl:5: line 7 can't be read/);
    expect(stderr).toMatch(/problem .*all\.jsonl:9: the export is cut short: 2 of 3 entries/);
    expect(stderr).toMatch(/error CHECK_FAILED: 2 problems were met/);
    expect(said).toContain("1 session imported");
    const left = await holdfast(["--store", target, "ls", "--json"]);
    expect(jsonLines(left.stdout).map(({ id }) => id)).toEqual(["a"]);
  });

  test("a session of that id with other entries is left as it is", async () => {
    const { folder, url, sessions } = await temporaryStore();
    await sessions.create({ id: "a", messages: [user("one")] });
    const { stdout } = await holdfast(["--store", url, "export", "a"]);
    const file = join(folder, "a.jsonl");
    await writeFile(file, stdout.replaceAll("one", "two"));
    const { code, stderr } = await holdfast(["--store", url, "import", file]);
    expect(code).toBe(1);
    expect(stderr).toContain("is in the store with other entries");
    expect(await (await sessions.open("a")).messages()).toEqual([user("one")]);
  });

  test("a file that can't be written is told, and no part of it is left", async () => {
    const { folder, url, sessions } = await temporaryStore();
    await sessions.create({ id: "a" });
    const blocked = join(folder, "file");
    await writeFile(blocked, "");
    const { code, stderr } = await holdfast(["--store", url, "export", "a", "-o", join(blocked, "a.jsonl")]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error (ENOTDIR|EEXIST): /);
    expect(await readdir(folder)).not.toContain("a.jsonl");
  });
});

describe("import of other tools' files", () => {
  test("twice brings nothing in twice, and what was added since is added", async () => {
    const { folder, url, sessions } = await temporaryStore();
    const file = join(folder, "chat.json");
    await writeFile(file, JSON.stringify([user("My name is Alice."), assistant("Hello Alice!")]));
    const run = () => holdfast(["--store", url, "--json", "import", file]);
    const [first] = jsonLines((await run()).stdout);
    expect(first).toMatchObject({ status: "imported", added: 2 });
    expect(jsonLines((await run()).stdout)[0]).toMatchObject({
      id: first?.id,
      status: "unchanged",
      added: 0,
    });
    const id = String(first?.id);
    const session = await sessions.open(id);
    expect(session.label).toBe("My name is Alice.");
    // It went on in Holdfast: the file holds nothing more.
    await session.append(user("And on we go."));
    expect(jsonLines((await run()).stdout)[0]).toMatchObject({ status: "unchanged" });
  });

  test("a transcript that grew is brought up to date; children keep their parent and their times", async () => {
    const { folder, url, sessions } = await temporaryStore();
    const project = join(folder, "project");
    await mkdir(project);
    const line = (uuid: string, role: "user" | "assistant", text: string, extra = {}) =>
      `${JSON.stringify({ type: role, uuid, sessionId: "s-1", timestamp: "2025-03-01T09:30:00.000Z", message: { role, content: text }, ...extra })}\n`;
    const file = join(project, "s-1.jsonl");
    const side = line("a1", "user", "Look into it.", { isSidechain: true, agentId: "abc" });
    await writeFile(file, line("u1", "user", "Fix the test.") + line("u2", "assistant", "Done."));
    await writeFile(join(project, "agent-abc.jsonl"), side);
    const run = async (...args: string[]) =>
      jsonLines((await holdfast(["--store", url, "--json", "import", project, ...args])).stdout);
    expect((await run()).at(-1)).toMatchObject({ summary: { imported: 2, problems: 0 } });
    const [record] = (await sessions.list({ kind: "session" })).items;
    expect(new Date(record?.createdAt ?? 0).toISOString()).toBe("2025-03-01T09:30:00.000Z");
    const [child] = (await sessions.list({ kind: "child" })).items;
    expect(child?.parentId).toBe(record?.id);
    await writeFile(
      file,
      line("u1", "user", "Fix the test.") + line("u2", "assistant", "Done.") + line("u3", "user", "Thanks."),
    );
    expect((await run("--dry-run")).at(-1)).toMatchObject({
      summary: { updated: 1, messages: 1, dryRun: true },
    });
    expect((await run()).at(-1)).toMatchObject({
      summary: { imported: 0, updated: 1, unchanged: 1, messages: 1 },
    });
    expect((await run()).at(-1)).toMatchObject({ summary: { updated: 0, messages: 0 } });
    expect((await sessions.find(record?.id ?? ""))?.messageCount).toBe(3);
  });

  test("a bad line is told with file and line on stderr; the rest comes in; exit code 1", async () => {
    const { folder, url } = await temporaryStore();
    const file = join(folder, "many.jsonl");
    const lines = chats(4).trimEnd().split("\n");
    await writeFile(file, [lines[0], "not json", lines[1], '{"foo":1}', lines[2], lines[3]].join("\n"));
    await writeFile(join(folder, "empty.json"), "");
    await writeFile(join(folder, "binary.json"), Buffer.from([0x89, 0x50, 0, 0xff, 0xfe]));
    const { code, stdout, stderr } = await holdfast([
      "--store",
      url,
      "import",
      file,
      join(folder, "empty.json"),
      join(folder, "binary.json"),
    ]);
    expect(code).toBe(1);
    expect(stdout).toContain("4 sessions imported (8 messages)");
    expect(stderr).toMatch(/problem .*many\.jsonl:2: /);
    expect(stderr).toMatch(/problem .*many\.jsonl:4: /);
    expect(stderr).toMatch(/problem .*empty\.json: the file is empty/);
    expect(stderr).toMatch(/problem .*binary\.json/);
  });

  test("what is not there is a problem; --dry-run makes no store; --format is checked", async () => {
    const folder = await temporaryFolder();
    const none = await holdfast(["import", "nowhere.json"], { cwd: folder });
    expect(none.code).toBe(1);
    expect(none.stderr).toContain("problem nowhere.json: there is no such file or folder");
    const other = await temporaryFolder();
    await writeFile(join(other, "chats.jsonl"), chats(3));
    const dry = await holdfast(["import", "chats.jsonl", "--dry-run"], { cwd: other });
    expect(dry.code).toBe(0);
    expect(dry.stdout).toContain("3 sessions would come in (6 messages)");
    expect(existsSync(join(other, ".holdfast"))).toBe(false);
    expect((await holdfast(["import", "chats.jsonl", "--format", "word"], { cwd: other })).code).toBe(2);
  });

  test("Ctrl-C stops it between two sessions, and running it again goes on", async () => {
    const { folder, url, sessions } = await temporaryStore();
    const total = 1500;
    await writeFile(join(folder, "many.jsonl"), chats(total));
    const args = ["--store", url, "--json", "import", join(folder, "many.jsonl")];
    const running = start(args);
    await running.until(() => running.stdout().split("\n").length > 5);
    running.child.kill("SIGINT");
    const stopped = await running.ended;
    expect(stopped.code).toBe(130);
    expect(jsonLines(stopped.stderr)).toMatchObject([{ error: { code: "INTERRUPTED" } }]);
    const before = jsonLines(stopped.stdout).length;
    expect(before).toBeLessThan(total);
    let stored = 0;
    for await (const record of sessions.all()) stored += record.messageCount === 2 ? 1 : 0;
    expect(stored).toBe(before);
    const rest = await holdfast(args);
    expect(rest.code).toBe(0);
    expect(jsonLines(rest.stdout).at(-1)).toMatchObject({
      summary: { imported: total - before, unchanged: before },
    });
  });

  test("a progress bar on a terminal, none elsewhere", async () => {
    const { folder, url } = await temporaryStore();
    await writeFile(join(folder, "many.jsonl"), chats(400));
    const args = ["--store", url, "import", join(folder, "many.jsonl")];
    const shown = await startOnTerminal(args).ended;
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/import \[.*\] +\d+%/);
    expect(shown.stdout).toContain("400 sessions imported");
    const quiet = await holdfast(args);
    expect(quiet).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("copy", () => {
  async function source(count: number) {
    const made = await temporaryStore();
    const { sessions } = made;
    const root = await sessions.create({
      id: "root",
      messages: Array.from({ length: 1200 }, (_, i) => user(`message ${i}`)),
    });
    await sessions.fork("root", { id: "fork", at: 700 });
    await root.spawn({ id: "child" });
    await sessions.create({ id: "hidden", messages: [user("kept for its fork")] });
    await sessions.fork("hidden", { id: "heir" });
    await sessions.delete("hidden");
    await sessions.create({ id: "expired", expiresInMs: 1 });
    await Promise.all(
      Array.from({ length: count }, (_, i) =>
        sessions.create({ id: `s-${i}`, messages: [user(`hello ${i}`)] }),
      ),
    );
    return made;
  }

  test.each(["file", "sqlite"])("brings over everything as it is, to %s", async (kind) => {
    const { folder, url, store, sessions } = await source(20);
    const to = `${kind}:${join(folder, "copy")}`;
    const { code, stdout } = await holdfast(["copy", "--from", url, "--to", to]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^26 sessions, 1,\d+ entries are the same in both \(1,\d+ were new\)\nsha256 [0-9a-f]{64}\n$/,
    );
    const target = await createStore(to);
    expect(await recordsOf(target)).toEqual(await recordsOf(store));
    await target.close();
    // Again: only what is new goes over.
    await (await sessions.open("root")).append(user("one more"));
    const again = await holdfast(["copy", "--from", url, "--to", to, "--json"]);
    expect(jsonLines(again.stdout)[0]).toMatchObject({ sessions: 26, copied: 1, changed: [] });
  });

  test.each(["SIGINT", "SIGKILL"] as const)("goes on after %s", async (signal) => {
    const { folder, url, store } = await source(600);
    const to = `file:${join(folder, "copy")}`;
    const running = start(["copy", "--from", url, "--to", to]);
    const target = await createStore(to);
    while ((await target.list({ order: "created", limit: 1000 })).items.length < 5) await delay(5);
    running.child.kill(signal);
    const { code } = await running.ended;
    expect(code).toBe(signal === "SIGINT" ? 130 : null);
    const between = (await recordsOf(target)).length;
    expect(between).toBeLessThan(600);
    const rest = await holdfast(["copy", "--from", url, "--to", to]);
    expect(rest.code).toBe(0);
    expect(await recordsOf(target)).toEqual(await recordsOf(store));
    await target.close();
  });

  test("tells a session that is another one in the other store, and changes nothing of it", async () => {
    const { folder, url } = await source(0);
    const to = `sqlite:${join(folder, "copy.db")}`;
    await using other = createSessions({ store: createStore(to) });
    await other.create({ id: "fork", messages: [user("not a fork at all")] });
    const { code, stderr } = await holdfast(["copy", "--from", url, "--to", to]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/error SESSION_EXISTS: session "fork"/);
    expect(await (await other.open("fork")).messages()).toEqual([user("not a fork at all")]);
  });

  test("needs two stores, the first of them there", async () => {
    const { folder, url } = await temporaryStore();
    expect((await holdfast(["copy", "--from", url, "--to", url])).code).toBe(2);
    expect((await holdfast(["copy", "--from", url])).code).toBe(2);
    const none = await holdfast(["copy", "--from", `file:${folder}/none`, "--to", `file:${folder}/copy`]);
    expect(none.code).toBe(3);
    expect(existsSync(join(folder, "copy"))).toBe(false);
  });
});

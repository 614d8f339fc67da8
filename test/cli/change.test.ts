import { describe, expect, test } from "vitest";
import { holdfast, jsonLines, startOnTerminal, temporaryStore } from "./run.ts";

const user = (content: string) => ({ role: "user" as const, content });

describe("fork and rename", () => {
  test("fork prints the new id, at the head, a position or a message", async () => {
    const { url, sessions } = await temporaryStore();
    await sessions.create({ id: "root", messages: [user("one"), user("two"), user("three")] });
    const head = await holdfast(["--store", url, "fork", "root", "--label", "Head"]);
    expect(head.code).toBe(0);
    expect((await sessions.find(head.stdout.trim()))?.messageCount).toBe(3);
    const at = await holdfast(["--store", url, "fork", "root", "--at", "#3", "--id", "at", "--json"]);
    expect(jsonLines(at.stdout)[0]).toMatchObject({ id: "at", kind: "fork", messageCount: 2, label: "one" });
    await holdfast(["--store", url, "fork", "root", "--at-message", "#2", "--id", "message"]);
    expect((await sessions.find("message"))?.messageCount).toBe(1);
    const beyond = await holdfast(["--store", url, "fork", "root", "--at", "99"]);
    expect(beyond.code).toBe(2);
    expect(beyond.stderr).toContain("has no position 99");
    const taken = await holdfast(["--store", url, "fork", "root", "--id", "at"]);
    expect(taken).toMatchObject({ code: 1, stdout: "" });
    expect(taken.stderr).toContain("error SESSION_EXISTS");
  });

  test("rename", async () => {
    const { url, sessions } = await temporaryStore();
    await sessions.create({ id: "root" });
    expect((await holdfast(["--store", url, "rename", "ro", "A new name"])).code).toBe(0);
    expect((await sessions.find("root"))?.label).toBe("A new name");
    expect((await holdfast(["--store", url, "rename", "root", " "])).code).toBe(2);
  });
});

describe("rm", () => {
  async function withForks() {
    const made = await temporaryStore();
    await made.sessions.create({ id: "root", messages: [user("one")] });
    await made.sessions.fork("root", { id: "fork" });
    await made.sessions.fork("fork", { id: "deep" });
    return made;
  }

  test("asks nobody where there is no terminal: exit code 2, nothing removed", async () => {
    const { url, sessions } = await withForks();
    const { code, stderr } = await holdfast(["--store", url, "rm", "root"]);
    expect(code).toBe(2);
    expect(stderr).toContain("--yes");
    expect(await sessions.find("root")).toBeDefined();
  });

  test("asks on a terminal", async () => {
    const { url, sessions } = await withForks();
    const no = startOnTerminal(["--store", url, "rm", "deep"]);
    await no.until(() => no.stdout().includes("[y/N]"));
    no.child.stdin?.write("n\n");
    expect(await no.ended).toMatchObject({ code: 1 });
    expect(no.stdout()).toContain("CANCELLED");
    expect(await sessions.find("deep")).toBeDefined();
    const yes = startOnTerminal(["--store", url, "rm", "deep"]);
    await yes.until(() => yes.stdout().includes("[y/N]"));
    yes.child.stdin?.write("y\n");
    expect(await yes.ended).toMatchObject({ code: 0 });
    expect(await sessions.find("deep")).toBeUndefined();
  });

  test("--dry-run says what would go, --heirs decides on forks", async () => {
    const { url, sessions, store } = await withForks();
    const dry = await holdfast(["--store", url, "rm", "root", "--heirs", "cascade", "--dry-run", "--json"]);
    expect(jsonLines(dry.stdout).map(({ id }) => id)).toEqual(["root", "fork", "deep"]);
    expect(await sessions.find("root")).toBeDefined();
    const kept = await holdfast(["--store", url, "rm", "root", "--yes", "--json"]);
    expect(jsonLines(kept.stdout)).toEqual([{ id: "root", deleted: true }]);
    expect((await store.find(["root"]))[0]?.status).toBe("deleted");
    expect(await (await sessions.open("deep")).messages()).toEqual([user("one")]);
    expect((await holdfast(["--store", url, "rm", "fork", "--heirs", "cascade", "-y"])).code).toBe(0);
    expect(await store.find(["root", "fork", "deep"])).toEqual([undefined, undefined, undefined]);
    expect((await holdfast(["--store", url, "rm", "root", "-y"])).code).toBe(3);
  });
});

describe("erase", () => {
  test("removes for good, children and what heirs inherit included", async () => {
    const { url, sessions, store } = await temporaryStore();
    const root = await sessions.create({ id: "root", messages: [user("secret")] });
    await root.spawn({ id: "child" });
    await sessions.fork("root", { id: "heir" });
    expect((await holdfast(["--store", url, "erase", "root"])).code).toBe(2);
    const dry = await holdfast(["--store", url, "erase", "root", "--dry-run", "--json"]);
    expect(jsonLines(dry.stdout)).toEqual([
      { dryRun: true, id: "root", sessions: ["root", "child"], entries: expect.any(Number), heirs: ["heir"] },
    ]);
    const done = await holdfast(["--store", url, "erase", "root", "--yes", "--json"]);
    expect(done.code).toBe(0);
    expect(jsonLines(done.stdout)[0]).toMatchObject({ id: "root", heirs: ["heir"] });
    expect(await store.find(["root", "child"])).toEqual([undefined, undefined]);
    expect(await (await sessions.open("heir")).messages()).toEqual([]);
  });
});

describe("hold and release", () => {
  test("a held session stays until it is released", async () => {
    const { url, sessions } = await temporaryStore();
    await (await sessions.create({ id: "held", messages: [user("evidence")] })).spawn({ id: "child" });
    await sessions.fork("held", { id: "fork" });
    const to = ["--store", url];
    expect((await holdfast([...to, "hold", "held"])).code).toBe(2);
    expect((await holdfast([...to, "hold", "held", "--reason", "x", "--until", "soon"])).code).toBe(2);
    const held = await holdfast([...to, "hold", "held", "--reason", "matter 17", "--json"]);
    expect(jsonLines(held.stdout)).toEqual([{ id: "held", held: ["held", "child"] }]);
    expect((await holdfast([...to, "show", "held"])).stdout).toContain("matter 17, since");
    for (const command of [
      ["rm", "held"],
      ["erase", "held"],
      ["erase", "held", "--heirs", "cascade"],
    ]) {
      const refused = await holdfast([...to, ...command, "--yes"]);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("error SESSION_HELD: ")]);
    }
    const pruned = await holdfast([...to, "prune", "--keep-last", "0", "--yes"]);
    expect(pruned.stderr).toContain("1 session kept by a legal hold");
    expect(await sessions.find("held")).toBeDefined();
    expect((await holdfast([...to, "release", "held"])).stdout).toContain("held  released");
    const again = await holdfast([...to, "release", "held"]);
    expect(again.stderr).toContain("it was released before");
    await sessions.fork("held", { id: "fork" });
    const dry = await holdfast([...to, "erase", "held", "--heirs", "cascade", "--dry-run", "--json"]);
    expect(jsonLines(dry.stdout)[0]).toMatchObject({
      sessions: expect.arrayContaining(["held", "child", "fork"]),
      heirs: [],
    });
    const erased = await holdfast([...to, "erase", "held", "--heirs", "cascade", "--yes"]);
    expect(erased.stderr).toMatch(/\d+ entries in sqlite\n.*3 records in sqlite/);
    expect(await sessions.find("fork")).toBeUndefined();
  });
});

describe("prune", () => {
  test("dry run and real run name the same sessions", async () => {
    const { url, sessions } = await temporaryStore();
    for (const id of ["a", "b", "c"]) await (await sessions.create({ id, userId: "alice" })).complete();
    await sessions.create({ id: "open" });
    await sessions.create({ id: "brief", expiresInMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const rule = [
      "prune",
      "--status",
      "completed",
      "--user",
      "alice",
      "--keep-last",
      "1",
      "--older-than",
      "0.001s",
    ];
    const dry = await holdfast(["--store", url, "--json", ...rule, "--dry-run"]);
    expect(jsonLines(dry.stdout)[0]).toMatchObject({ removed: ["b", "a"], dryRun: true });
    expect((await holdfast(["--store", url, ...rule])).code).toBe(2);
    const real = await holdfast(["--store", url, "--json", ...rule, "--yes"]);
    expect(jsonLines(real.stdout)[0]).toMatchObject({ removed: ["b", "a"], dryRun: false });
    // Without a condition: what has expired.
    const rest = await holdfast(["--store", url, "prune", "--yes"]);
    expect(rest.stderr).toContain("1 session deleted");
    const left = await holdfast(["--store", url, "ls", "--json"]);
    expect(
      jsonLines(left.stdout)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(["c", "open"]);
    expect((await holdfast(["--store", url, "prune"])).stderr).toContain("nothing to delete");
  });
});

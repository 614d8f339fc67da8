import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { holdfast, jsonLines, startOnTerminal, temporaryFolder, temporaryStore } from "./run.ts";

const COMMANDS = [
  "demo",
  "chat",
  "ls",
  "show",
  "tail",
  "tree",
  "diff",
  "search",
  "stats",
  "fork",
  "rename",
  "rm",
  "erase",
  "prune",
  "export",
  "import",
  "copy",
  "migrate",
  "doctor",
  "conformance",
];

describe("help", () => {
  test("lists every command and the exit codes", async () => {
    const { code, stdout } = await holdfast(["--help"]);
    expect(code).toBe(0);
    for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^ +${name}\\b`, "m"));
    expect(stdout).toContain("Exit codes:");
    expect(stdout).not.toMatch(/worker|writer/);
  });

  test("of every command has an example and the global options", async () => {
    const pages = await Promise.all(COMMANDS.map((name) => holdfast([name, "--help"])));
    for (const { code, stdout } of pages) {
      expect(code).toBe(0);
      expect(stdout).toMatch(/Examples:\n {2}\$ holdfast /);
      expect(stdout).toContain("--store <url>");
    }
  });

  test("the guide has an example of every command", async () => {
    const guide = await readFile(join(import.meta.dirname, "../../docs/guide/cli.md"), "utf8");
    for (const name of COMMANDS) expect(guide).toMatch(new RegExp(`npx holdfast (--store \\S+ )?${name}\\b`));
  });
});

describe("wrong usage", () => {
  test("no command shows help and exits with 2", async () => {
    const { code, stdout, stderr } = await holdfast([]);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("Usage: holdfast");
  });

  test.each([
    [["lss"], /unknown command 'lss'.*Did you mean ls/],
    [["ls", "--bogus"], /unknown option '--bogus'/],
    [["ls", "--limit", "many"], /whole number/],
    [["ls", "--status", "open"], /Allowed choices are active/],
    [["ls", "--all", "--limit", "3"], /cannot be used with/],
    [["show"], /missing required argument 'id'/],
    [["prune", "--older-than", "soon"], /duration such as/],
    [["export"], /name the sessions to export, or pass --all/],
    [["--store", "cassandra://x", "ls"], /there is no store "cassandra"/],
  ])("%j is told in one line and exits with 2", async (args, message) => {
    const folder = await temporaryFolder();
    const { code, stdout, stderr } = await holdfast(args, { cwd: folder });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^error INVALID_ARGUMENT: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });

  test("--json makes errors JSON", async () => {
    const { url, sessions } = await temporaryStore();
    await sessions.create();
    const usage = await holdfast(["ls", "--bogus", "--json"]);
    expect(jsonLines(usage.stderr)).toEqual([
      { error: { code: "INVALID_ARGUMENT", message: "unknown option '--bogus'" } },
    ]);
    const missing = await holdfast(["--store", url, "--json", "show", "nobody"]);
    expect(missing.code).toBe(3);
    expect(jsonLines(missing.stderr)).toMatchObject([{ error: { code: "SESSION_NOT_FOUND" } }]);
  });

  test("the stack is shown only with HOLDFAST_DEBUG", async () => {
    const folder = await temporaryFolder();
    const quiet = await holdfast(["ls"], { cwd: folder });
    const debug = await holdfast(["ls"], { cwd: folder, env: { HOLDFAST_DEBUG: "1" } });
    expect(quiet.stderr).not.toContain("    at ");
    expect(debug.stderr).toContain("    at ");
  });
});

describe("a store that is not there", () => {
  const reading = [
    ["ls"],
    ["show", "a"],
    ["tail", "a"],
    ["tree"],
    ["diff", "a", "b"],
    ["search", "a"],
    ["stats"],
    ["fork", "a"],
    ["rename", "a", "b"],
    ["rm", "a"],
    ["erase", "a"],
    ["prune"],
    ["export", "--all"],
    ["doctor"],
  ];
  test("is told of and not made", async () => {
    const folder = await temporaryFolder();
    const results = await Promise.all(
      reading.map((args, index) =>
        holdfast(["--store", `${index % 2 ? "sqlite" : "file"}:${folder}/none`, ...args], { cwd: folder }),
      ),
    );
    for (const { code, stderr } of results) {
      expect(code).toBe(3);
      expect(stderr).toMatch(/^error STORE_NOT_FOUND: there is no store at .*none; .*holdfast (demo|import)/);
    }
    expect(existsSync(join(folder, "none"))).toBe(false);
  });

  test("the default is ./.holdfast/sessions.db, or $HOLDFAST_STORE", async () => {
    const { folder, url, sessions } = await temporaryStore();
    await sessions.create({ label: "from the environment" });
    expect((await holdfast(["ls"], { cwd: folder })).stderr).toContain(".holdfast/sessions.db");
    const { stdout } = await holdfast(["ls"], { cwd: folder, env: { HOLDFAST_STORE: url } });
    expect(stdout).toContain("from the environment");
  });

  test("a database of another program is left as it is", async () => {
    const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
    const folder = await temporaryFolder();
    const path = join(folder, "other.db");
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE mine (a); INSERT INTO mine VALUES (1)");
    database.close();
    const before = await readFile(path);
    const results = await Promise.all(
      [["ls"], ["stats"], ["doctor"]].map((args) => holdfast(["--store", `sqlite:${path}`, ...args])),
    );
    for (const { code, stdout, stderr } of results) {
      expect(code).toBe(1);
      expect(stdout + stderr).toContain("migrate");
    }
    const after = new DatabaseSync(path, { readOnly: true });
    const tables = after.prepare("SELECT name FROM sqlite_master").all();
    after.close();
    expect(tables).toEqual([{ name: "mine" }]);
    expect(await readFile(path)).toEqual(before);
  });
});

describe("terminals and pipes", () => {
  test("colours on a terminal, none in a pipe; NO_COLOR and FORCE_COLOR decide", async () => {
    const { url, sessions } = await temporaryStore();
    await sessions.create({ id: "s", label: "coloured" });
    const ls = ["--store", url, "ls"];
    const colourCode = "\u001b[";
    expect((await holdfast(ls)).stdout).not.toContain(colourCode);
    expect((await holdfast(ls, { env: { FORCE_COLOR: "1" } })).stdout).toContain(colourCode);
    expect((await startOnTerminal(ls).ended).stdout).toContain(colourCode);
    const plain = await startOnTerminal(ls, { env: { NO_COLOR: "1" } }).ended;
    expect(plain.stdout).toContain("coloured");
    expect(plain.stdout).not.toContain(colourCode);
  });

  test("a reader that stops early ends the command quietly", async () => {
    const { url, sessions } = await temporaryStore();
    const text = "x".repeat(2000);
    await sessions.create({
      id: "long",
      messages: Array.from({ length: 500 }, () => ({ role: "user", content: text })),
    });
    const main = join(import.meta.dirname, "../../src/cli/main.ts");
    const script = `set -o pipefail; "$0" --disable-warning=ExperimentalWarning ${main} --store ${url} show long | head -n 1`;
    const shell = spawn("bash", ["-c", script, process.execPath], { stdio: "pipe" });
    let stderr = "";
    shell.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
    shell.stdout.resume();
    const code = await new Promise((resolve) => shell.on("close", resolve));
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
});

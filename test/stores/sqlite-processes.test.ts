/**
 * Several processes on one SQLite database.
 */
import type { ForkOptions } from "node:child_process";
import { fork } from "node:child_process";
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, say } from "../../src/store/conformance/build.ts";
import type { Task } from "./sqlite-process.ts";
import { newPath, openDatabase, openStore, rawBytes, singleValue } from "./sqlite-support.ts";

const SCRIPT = fileURLToPath(new URL("sqlite-process.ts", import.meta.url));

/** Starts another process with `task`; `next` resolves with each message that it sends. */
function start(task: Task, options: ForkOptions = {}) {
  const child = fork(SCRIPT, {
    execPath: process.execPath,
    execArgv: [],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    ...options,
  });
  onTestFinished(() => void child.kill());
  const next = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      child.once("message", resolve);
      child.once("exit", (code) => reject(new Error(`the process ended with ${code}`)));
    });
  child.send(task);
  return { next };
}

test("50 appends to one session from two processes are all there, once each, in one order", async () => {
  const path = await newPath();
  const store = openStore({ path });
  await begin(store, { id: "shared" });
  const task = { do: "append", path, id: "shared", count: 25 } as const;
  await Promise.all([start({ ...task, text: "one" }).next(), start({ ...task, text: "two" }).next()]);
  const entries = await store.read("shared", { after: 1, limit: 100 });
  expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, index) => index + 2));
  for (const word of ["one", "two"]) {
    const texts = entries.map(({ data }) => JSON.stringify(data)).filter((text) => text.includes(word));
    expect(texts.map((text) => Number(/(\d+)"/.exec(text)?.[1]))).toEqual(
      Array.from({ length: 25 }, (_, index) => index),
    );
  }
  expect((await store.find(["shared"]))[0]?.messageCount).toBe(50);
});

test("two processes that are the first to use a database make its tables once", async () => {
  const path = await newPath();
  const reports = await Promise.all(["a", "b", "c"].map((id) => start({ do: "migrate", path, id }).next()));
  expect(reports.filter((report) => JSON.stringify(report).includes('"from":0')).length).toBe(1);
  const found = await openStore({ path }).find(["a", "b", "c"]);
  expect(found.map((record) => record?.version)).toEqual([1, 1, 1]);
});

test("while another process has it locked, a commit waits, and this process goes on", async () => {
  const path = await newPath();
  const store = openStore({ path });
  const session = await begin(store, { id: "a" });
  const locking = start({ do: "lock", path, ms: 400 });
  await locking.next();
  let turns = 0;
  const clock = setInterval(() => {
    turns += 1;
  }, 10);
  const started = performance.now();
  await session.write(say("patient"));
  clearInterval(clock);
  expect(performance.now() - started).toBeGreaterThan(200);
  expect(turns).toBeGreaterThan(10);
  expect((await store.find(["a"]))[0]?.version).toBe(2);
});

test("locked for longer than busyTimeoutMs is STORE_UNAVAILABLE that says so, reads go on, and nothing was written", async () => {
  const path = await newPath();
  const store = openStore({ path, busyTimeoutMs: 150 });
  const session = await begin(store, { id: "a" });
  const locking = start({ do: "lock", path, ms: 3000 });
  await locking.next();
  const commit = session.next(say("late"));
  const error = await rejects(() => store.commit([commit]), "STORE_UNAVAILABLE", "a commit while locked");
  expect(error.message).toMatch(
    /locked by another process for 1\d\d ms and nothing was written; try again, raise busyTimeoutMs/,
  );
  expect(error.retryable).toBe(true);
  expect((await store.find(["a"]))[0]?.version).toBe(1);
  expect(await store.read("a", { after: 1, limit: 1 })).toEqual([]);
});

test("a store that is closed while a commit waits refuses the commit", async () => {
  const path = await newPath();
  const store = openStore({ path });
  const session = await begin(store, { id: "a" });
  openDatabase(path).exec("BEGIN IMMEDIATE");
  const waiting = rejects(() => store.commit([session.next(say("late"))]), "STORE_UNAVAILABLE", "the commit");
  await store.close();
  expect((await waiting).message).toContain("closed");
});

test("a reader elsewhere only delays that the log is emptied: the next removal does it", async () => {
  const path = await newPath();
  const store = openStore({ path, busyTimeoutMs: 100 });
  for (const id of ["first", "second"]) await begin(store, { id }, say(`Zyq${id}Zyq`));
  const reading = start({ do: "read", path, ms: 1500 });
  await reading.next();
  expect(await store.remove("first")).toBe(true);
  expect(await store.find(["first"])).toEqual([undefined]);
  expect(rawBytes(dirname(path))).toContain("ZyqfirstZyq");
  await reading.next();
  expect(await store.remove("second")).toBe(true);
  expect(rawBytes(dirname(path))).not.toMatch(/Zyq(first|second)Zyq/);
  expect(statSync(`${path}-wal`).size).toBe(0);
});

test("and where there is no other removal, close does it", async () => {
  const path = await newPath();
  const store = openStore({ path, busyTimeoutMs: 0 });
  await begin(store, { id: "kept" });
  await begin(store, { id: "first" }, say("ZyqfirstZyq"));
  const other = openDatabase(path);
  other.exec("BEGIN");
  expect(singleValue(other, "SELECT count(*) FROM holdfast_sessions")).toBe(2);
  await store.remove("first");
  other.exec("COMMIT");
  expect(rawBytes(dirname(path))).toContain("ZyqfirstZyq");
  await store.close();
  expect(rawBytes(dirname(path))).not.toContain("ZyqfirstZyq");
});

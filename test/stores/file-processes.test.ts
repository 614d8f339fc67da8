import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import { commitOf, creation, say, tick } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { nodeIo } from "../../src/stores/file/io.ts";
import { keptFiles } from "../../src/stores/file/kept.ts";
import { touchedFile } from "../../src/stores/file/touched.ts";
import { commit, fill, newFolder, open, textsOf } from "./file-fixture.ts";

const CHILD = fileURLToPath(new URL("file-child.ts", import.meta.url));
const query = { order: "updated", limit: 100 } as const;

function child(...args: string[]): ChildProcess {
  const process_ = spawn(process.execPath, [CHILD, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => {
    process_.kill("SIGKILL");
  });
  return process_;
}

async function holder(folder: string, id: string): Promise<ChildProcess> {
  const process_ = child("hold", folder, id);
  if (process_.stdout) await once(process_.stdout, "data");
  return process_;
}

test("two processes and this one append to one session, 50 each: 150 are stored, each once, in its writer's order", async () => {
  const folder = newFolder();
  const store = open(folder);
  let { record } = await fill(store, "a", 0);
  const others = ["left", "right"].map((name) => once(child("append", folder, "a", name, "50"), "exit"));
  for (let index = 0; index < 50; ) {
    const next = commitOf(record, [say(`here ${index}`)]);
    const outcome = await commit(store, next);
    if (outcome.status === "committed") index += 1;
    record = outcome.status === "conflict" && outcome.current ? outcome.current : next.record;
  }
  expect(await Promise.all(others)).toEqual([
    [0, null],
    [0, null],
  ]);
  const texts = await textsOf(store, "a");
  for (const name of ["left", "right", "here"]) {
    expect(texts.filter((text) => text.startsWith(name))).toEqual(
      Array.from({ length: 50 }, (_, index) => `${name} ${index}`),
    );
  }
  expect(texts).toHaveLength(150);
  expect((await store.list(query)).items[0]?.messageCount).toBe(150);
});

test("a lock that another process holds is waited for, then STORE_UNAVAILABLE; its holder's death by SIGKILL frees it", async () => {
  const folder = newFolder();
  const store = open(folder, { lockTimeoutMs: 200 });
  const last = await fill(store, "a", 1);
  const other = await holder(folder, "a");
  const next = commitOf(last.record, [say("next")]);
  const started = performance.now();
  const error: unknown = await store.commit([next]).catch((thrown: unknown) => thrown);
  expect(performance.now() - started).toBeGreaterThan(150);
  expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true, sessionId: "a" });
  expect(await store.find(["a"])).toEqual([last.record]);
  const waiting = open(folder, { lockTimeoutMs: 10_000 }).commit([next]);
  other.kill("SIGKILL");
  expect(await waiting).toEqual([{ status: "committed" }]);
  expect(await textsOf(store, "a")).toEqual(["text 0", "next"]);
});

test("a store that opens while another process holds a lock waits as well", async () => {
  const folder = newFolder();
  const last = await fill(open(folder), "a", 1);
  const other = await holder(folder, "a");
  const waiting = open(folder).commit([commitOf(last.record, [say("next")])]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  other.kill("SIGKILL");
  expect(await waiting).toEqual([{ status: "committed" }]);
});

test("with lock: false the store says that one process may write, and locks within it all the same", async () => {
  const folder = newFolder();
  const stores = [open(folder, { lock: false }), open(folder, { lock: false })];
  expect(stores[0]?.capabilities.writers).toBe("one-process");
  const last = await fill(open(folder, { lock: false }), "a", 0);
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      (stores[index % 2] ?? open(folder)).commit([commitOf(last.record, [say(`${index}`)])]),
    ),
  );
  expect(outcomes.flat().filter(({ status }) => status === "committed")).toHaveLength(1);
});

test("batches over many locks, in opposite orders and at once, all end", async () => {
  const folder = newFolder();
  const stores = [open(folder), open(folder), open(folder)];
  let records = await Promise.all(
    Array.from(
      { length: 40 },
      async (_, index) => (await fill(stores[0] ?? open(folder), `s${index}`, 0)).record,
    ),
  );
  for (let round = 0; round < 5; round += 1) {
    const batches = stores.map((_, writer) => {
      const batch = records.map((record) => commitOf(record, [say(`writer ${writer}`)]));
      return writer === 1 ? batch.reverse() : batch;
    });
    const outcomes = await Promise.all(
      batches.map(async (batch, writer) => (await stores[writer]?.commit(batch)) ?? []),
    );
    const committed = outcomes.flat().filter(({ status }) => status === "committed");
    expect(committed).toHaveLength(40);
    records =
      (await stores[0]?.find(records.map(({ id }) => id)))?.filter((record) => record !== undefined) ?? [];
  }
});

test("lists of several stores agree with all that was written through any of them", {
  timeout: 60_000,
}, async () => {
  const step = fc.record({
    writer: fc.nat({ max: 2 }),
    reader: fc.nat({ max: 2 }),
    id: fc.constantFrom("a", "b", "c", "D"),
    action: fc.constantFrom("append", "append", "finish", "remove", "recreate", "list"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const folder = newFolder();
      const stores = [0, 1, 2].map(() => open(folder, { durability: "normal" }));
      const model = new Map<string, SessionRecord>();
      for (const { writer, reader, id, action } of steps) {
        const store = stores[writer];
        if (!store) continue;
        if (action === "list") await isListed(stores[reader], model);
        else await act(store, model, id, action);
      }
      for (const store of stores) await isListed(store, model);
      for (const store of stores) await store.close();
    }),
    { numRuns: 40 },
  );
});

async function act(
  store: SessionStore,
  model: Map<string, SessionRecord>,
  id: string,
  action: string,
): Promise<void> {
  const known = model.get(id);
  if (action === "remove" || action === "recreate") {
    expect(await store.remove(id)).toBe(known !== undefined);
    model.delete(id);
    if (action === "remove") return;
  }
  const at = tick();
  const current = model.get(id);
  const next = current
    ? commitOf(
        current,
        [action === "finish" ? { type: "status.set", data: { status: "completed" } } : say("more")],
        at,
      )
    : commitOf(undefined, [creation({ id, userId: "u" })], at);
  expect(await commit(store, next)).toEqual({ status: "committed" });
  model.set(id, next.record);
}

async function isListed(
  store: SessionStore | undefined,
  model: ReadonlyMap<string, SessionRecord>,
): Promise<void> {
  const expected = [...model.values()].sort((a, b) => b.updatedAt - a.updatedAt);
  expect((await store?.list(query))?.items).toEqual(expected);
  const completed = expected.filter(({ status }) => status === "completed");
  expect((await store?.list({ ...query, userId: "u", status: "completed" }))?.items).toEqual(completed);
}

test("a list that looks between the word of a commit and the commit looks again", async () => {
  const folder = newFolder();
  const [writer, reader] = [open(folder), open(folder)];
  const last = await fill(writer, "a", 1);
  expect((await reader.list(query)).items).toEqual([last.record]);
  const next = commitOf(last.record, [say("next")]);
  const create = commitOf(undefined, [creation({ id: "b" })]);
  // As a process does that stops after the word: the sizes are those that the logs will have.
  const [path, made] = [join(folder, "a.jsonl"), join(folder, "b.jsonl")];
  const elsewhere = newFolder();
  await open(elsewhere).commit([create]);
  const touched = touchedFile(nodeIo, keptFiles(nodeIo), folder);
  touched.grow([{ name: "a", size: statSync(path).size + 1 }]);
  touched.grow([{ name: "b", size: statSync(join(elsewhere, "b.jsonl")).size }]);
  expect((await reader.list(query)).items).toEqual([last.record]);
  const silent = open(folder, { lock: false });
  await silent.commit([next, create]);
  expect(statSync(made).size).toBeGreaterThan(0);
  expect((await reader.list(query)).items).toEqual([create.record, next.record]);
});

test("the file of touched logs is replaced when it has grown long, and no list misses anything", async () => {
  const folder = newFolder();
  const [writer, reader] = [open(folder, { durability: "normal" }), open(folder, { durability: "normal" })];
  const first = await fill(writer, "a", 1);
  await reader.list(query);
  await writer.list(query);
  const path = join(folder, ".touched");
  appendFileSync(path, "\n#".repeat(600_000));
  const next = commitOf(first.record, [say("next")]);
  await commit(writer, next);
  expect(statSync(path).size).toBeLessThan(100);
  const create = commitOf(undefined, [creation({ id: "b" })]);
  await commit(writer, create);
  for (const store of [reader, writer, open(folder)]) {
    expect((await store.list(query)).items).toEqual([create.record, next.record]);
  }
  await reader.remove("a");
  for (const store of [reader, writer]) expect((await store.list(query)).items).toEqual([create.record]);
});

test("a word that could not be finished is not glued to the next", async () => {
  const folder = newFolder();
  const [writer, reader] = [open(folder), open(folder)];
  const last = await fill(writer, "a", 1);
  await reader.list(query);
  appendFileSync(join(folder, ".touched"), "\na 1");
  const next = commitOf(last.record, [say("next")]);
  await commit(writer, next);
  expect((await reader.list(query)).items).toEqual([next.record]);
});

test("closing is safe to repeat and leaves other stores on the folder at work", async () => {
  const folder = newFolder();
  const [one, other] = [open(folder), open(folder)];
  const last = await fill(one, "a", 1);
  await commit(other, commitOf(last.record, [say("next")]));
  await one.close();
  await one.close();
  const error: unknown = await one.find(["a"]).catch((thrown: unknown) => thrown);
  expect(HoldfastError.is(error, "STORE_UNAVAILABLE")).toBe(true);
  const [record] = await other.find(["a"]);
  expect(await commit(other, commitOf(record, [say("on")]))).toEqual({ status: "committed" });
});

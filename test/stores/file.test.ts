import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import { commitOf, creation, note, say } from "../../src/store/conformance/build.ts";
import type { Commit, SessionStore, StoreFinding } from "../../src/store/store.ts";

import { inspectFolder } from "../../src/stores/file/inspect.ts";
import type { FileIo } from "../../src/stores/file/io.ts";
import { nodeIo } from "../../src/stores/file/io.ts";
import { fileStore } from "../../src/stores/file.ts";
import { commit, filesIn, fill, newFolder, open, textsOf } from "./file-fixture.ts";

const query = { order: "updated", limit: 100 } as const;

async function failureOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    return error;
  }
}

async function codeOf(call: () => Promise<unknown>): Promise<string> {
  const error = await failureOf(call);
  return HoldfastError.is(error) ? error.code : `no error: ${String(error)}`;
}

test("a log is a file of JSON lines with the names that the documents say", async () => {
  const folder = newFolder();
  const store = open(folder);
  await fill(store, "s-1", 2);
  await fill(store.namespace("Team").namespace("a/b"), "s-1", 1);
  expect(existsSync(join(folder, "@%54eam", "@a%2fb", "s-1.jsonl"))).toBe(true);
  expect(JSON.parse(readFileSync(join(folder, "holdfast.json"), "utf8"))).toEqual({ layout: 1 });
  const lines = readFileSync(join(folder, "s-1.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.map(({ version, seq }) => [version, seq])).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
  expect(lines[2].entries[0].data.message.content).toBe("text 1");
});

test("reading makes no folder; what is missing is absent", async () => {
  const folder = join(newFolder(), "deep", "down");
  const store = open(folder);
  expect(await store.find(["a"])).toEqual([undefined]);
  expect(await store.read("a", { after: 0, limit: 5 })).toEqual([]);
  expect(await store.list(query)).toEqual({ items: [] });
  expect(await store.remove("a")).toBe(false);
  await store.ping();
  expect(existsSync(folder)).toBe(false);
  await fill(store, "a", 1);
  expect(await textsOf(store, "a")).toEqual(["text 0"]);
});

test("cut off at any byte, the last line is dropped, reported once and never glued to the next", async () => {
  const folder = newFolder();
  const first = open(folder, { durability: "normal" });
  const before = await fill(first, "a", 1);
  const path = join(folder, "a.jsonl");
  const whole = statSync(path).size;
  const last = commitOf(before.record, [say("last"), note({ large: "x".repeat(300) })]);
  await commit(first, last);
  await first.close();
  const bytes = readFileSync(path);
  const lengths = [
    whole,
    whole + 1,
    whole + 64,
    whole + 65,
    bytes.length - 20,
    bytes.length - 2,
    ...Array.from({ length: 20 }, (_, index) => whole + 13 + index * 20),
  ];
  for (const length of lengths.filter((at) => at < bytes.length - 1)) {
    writeFileSync(path, bytes.subarray(0, length));
    const warnings: unknown[] = [];
    const store = fileStore({
      directory: folder,
      durability: "normal",
      onWarning: (warning) => warnings.push(warning),
    });
    expect((await store.find(["a"]))[0], `cut at ${length}`).toEqual(before.record);
    expect(await textsOf(store, "a")).toEqual(["text 0"]);
    expect((await store.list(query)).items).toEqual([before.record]);
    expect(warnings).toEqual([]);
    for (const text of ["next", "and on"]) {
      const [record] = await store.find(["a"]);
      expect((await commit(store, commitOf(record, [say(text)]))).status).toBe("committed");
    }
    expect(warnings, `cut at ${length}`).toEqual(
      length === whole
        ? []
        : [
            {
              path,
              sessionId: "a",
              offset: whole,
              bytes: length - whole,
              message: expect.stringContaining("never acknowledged"),
            },
          ],
    );
    await store.close();
    const again = fileStore({ directory: folder, durability: "normal" });
    expect(await textsOf(again, "a")).toEqual(["text 0", "next", "and on"]);
    await again.close();
  }
});

test("a last line that lacks only its newline is whole, and the next one begins on a line of its own", async () => {
  const folder = newFolder();
  const store = open(folder);
  const last = await fill(store, "a", 2);
  await store.close();
  const path = join(folder, "a.jsonl");
  writeFileSync(path, readFileSync(path).subarray(0, -1));
  const again = open(folder, { onWarning: () => expect.unreachable() });
  expect(await again.find(["a"])).toEqual([last.record]);
  expect(await textsOf(again, "a")).toEqual(["text 0", "text 1"]);
  await commit(again, commitOf(last.record, [say("next")]));
  expect(await textsOf(open(folder), "a")).toEqual(["text 0", "text 1", "next"]);
  expect(readFileSync(path, "utf8").split("\n")).toHaveLength(5);
});

test("the default warning is the process's own", async () => {
  const folder = newFolder();
  const last = await fill(open(folder), "a", 1);
  writeFileSync(join(folder, "a.jsonl"), '{"version":3,"se', { flag: "a" });
  const emit = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  await commit(open(folder), commitOf(last.record, [say("next")]));
  expect(emit).toHaveBeenCalledOnce();
  expect(emit).toHaveBeenCalledWith(expect.stringContaining('"a"'), "HoldfastWarning");
  emit.mockRestore();
});

async function findingsIn(folder: string): Promise<StoreFinding[]> {
  const findings: StoreFinding[] = [];
  for await (const finding of inspectFolder(folder)) findings.push(finding);
  return findings;
}

/** Every call on a damaged session says so, and the file stays as it is. */
async function isCorrupt(
  folder: string,
  path: string,
  offset: number | undefined,
  calls: (store: SessionStore) => (() => Promise<unknown>)[],
): Promise<void> {
  const before = readFileSync(path);
  const store = open(folder);
  for (const call of calls(store)) {
    const error = await failureOf(call);
    expect(HoldfastError.is(error, "STORE_CORRUPT"), String(error)).toBe(true);
    expect(String(error)).toContain(path);
    if (offset !== undefined) expect(String(error)).toContain(`byte ${offset}`);
  }
  expect(readFileSync(path).equals(before)).toBe(true);
}

test("a damaged last line that has its newline is damage, wherever the bit", async () => {
  const folder = newFolder();
  const store = open(folder);
  const last = await fill(store, "a", 3);
  await store.close();
  const path = join(folder, "a.jsonl");
  const bytes = readFileSync(path);
  const start = bytes.lastIndexOf("\n", bytes.length - 2) + 1;
  const next = commitOf(last.record, [say("next")]);
  for (let at = start; at < bytes.length - 1; at += 17) {
    const damaged = Buffer.from(bytes);
    damaged[at] = damaged[at] === 0x58 ? 0x59 : 0x58;
    writeFileSync(path, damaged);
    await isCorrupt(folder, path, start, (store) => [
      () => store.find(["a"]),
      () => store.read("a", { after: 0, limit: 10 }),
      () => store.commit([next]),
      () => store.list(query),
    ]);
  }
});

test("a damaged line in the middle is found by reading past it, with its offset", async () => {
  const folder = newFolder();
  const store = open(folder);
  await fill(store, "a", 200);
  await store.close();
  const path = join(folder, "a.jsonl");
  const bytes = readFileSync(path);
  const at = bytes.indexOf('"text 50"');
  bytes.write("TEXT", at + 1);
  writeFileSync(path, bytes);
  const start = bytes.lastIndexOf("\n", at) + 1;
  await isCorrupt(folder, path, start, (store) => [
    () => store.read("a", { after: 0, limit: 1000 }),
    () => store.read("a", { after: 0, limit: 1000, reverse: true }),
  ]);
  const [finding, ...others] = await findingsIn(folder);
  expect(finding).toMatchObject({
    kind: "damaged",
    place: path,
    message: expect.stringContaining(`byte ${start}`),
  });
  expect(others).toEqual([]);
  expect(await open(folder).read("a", { after: 100, limit: 5 })).toHaveLength(5);
});

test.each([
  ["empty", Buffer.from("")],
  ["binary", Buffer.from([0, 1, 2, 254, 255, 0, 10, 3])],
  ["another JSON", Buffer.from('{"messages":[]}\n')],
  ["the beginning of a line", Buffer.from('{"version":1,"seq":1,"entries":[{"type":"session.cre')],
  ["zeros", Buffer.alloc(5000)],
  ["500 kB without a newline", Buffer.from(`{"version":1,"seq":1,"entries":[${"x".repeat(500_000)}`)],
])("a file that is %s where a log should be is damage, never an empty session", async (_what, content) => {
  const folder = newFolder();
  await fill(open(folder), "b", 1);
  const path = join(folder, "a.jsonl");
  writeFileSync(path, content);
  const create = commitOf(undefined, [creation({ id: "a" })]);
  await isCorrupt(folder, path, 0, (store) => [
    () => store.find(["a"]),
    () => store.read("a", { after: 0, limit: 1 }),
    () => store.commit([create]),
    () => store.list(query),
  ]);
  expect(await findingsIn(folder)).toMatchObject([{ kind: "damaged", place: path }]);
  const store = open(folder);
  expect(await store.remove("a")).toBe(true);
  expect((await store.list(query)).items).toHaveLength(1);
});

test("a log that was renamed or copied to another id is damage", async () => {
  const folder = newFolder();
  await fill(open(folder), "a", 1);
  renameSync(join(folder, "a.jsonl"), join(folder, "b.jsonl"));
  await isCorrupt(folder, join(folder, "b.jsonl"), 0, (store) => [
    () => store.find(["b"]),
    () => store.list(query),
  ]);
});

test("a folder of a later layout is left as it is; one that can't be told is damage", async () => {
  const folder = newFolder();
  const last = await fill(open(folder), "a", 1);
  const next = commitOf(last.record, [say("next")]);
  const log = readFileSync(join(folder, "a.jsonl"));
  for (const [content, code] of [
    ['{"layout":2}', "MIGRATION_REQUIRED"],
    ["{", "STORE_CORRUPT"],
    ["[]", "STORE_CORRUPT"],
  ] as const) {
    writeFileSync(join(folder, "holdfast.json"), content);
    const store = open(folder);
    const calls: (() => Promise<unknown>)[] = [
      () => store.find(["a"]),
      () => store.read("a", { after: 0, limit: 1 }),
      () => store.commit([next]),
      () => store.list(query),
      () => store.remove("a"),
      () => store.migrate(),
      () => store.ping(),
      async () => store.search?.("text", query),
    ];
    for (const call of calls) expect(await codeOf(call)).toBe(code);
    expect(readFileSync(join(folder, "a.jsonl")).equals(log)).toBe(true);
    expect(readFileSync(join(folder, "holdfast.json"), "utf8")).toBe(content);
  }
});

test("a file in the place of the folder is told, with its path", async () => {
  const path = join(newFolder(), "plain");
  writeFileSync(path, "mine");
  for (const directory of [path, join(path, "within")]) {
    const store = open(directory);
    const calls: (() => Promise<unknown>)[] = [
      () => store.commit([commitOf(undefined, [creation({ id: "a" })])]),
      () => store.migrate(),
    ];
    if (directory === path)
      calls.push(
        () => store.find(["a"]),
        () => store.read("a", { after: 0, limit: 1 }),
        () => store.list(query),
        () => store.ping(),
      );
    for (const call of calls) {
      const error = await failureOf(call);
      expect(HoldfastError.is(error, "STORE_UNAVAILABLE"), String(error)).toBe(true);
      expect(String(error)).toContain(path);
    }
  }
  expect(readFileSync(path, "utf8")).toBe("mine");
});

test("the newest record is read from the end: the log before it is not looked at", async () => {
  const folder = newFolder();
  const large = await fill(
    open(folder, { durability: "normal" }),
    "a",
    5000,
    "some words of a message that goes on for a while",
  );
  let bytes = 0;
  const io: FileIo = {
    ...nodeIo,
    read: (...args) => {
      const read = nodeIo.read(...args);
      bytes += read;
      return read;
    },
  };
  const store = open(folder, { io });
  expect(await store.find(["a"])).toEqual([large.record]);
  expect(bytes).toBeLessThan(64 * 1024);
  bytes = 0;
  expect((await commit(store, commitOf(large.record, [say("next")]))).status).toBe("committed");
  expect(bytes).toBeLessThan(4 * 1024);
  expect(await store.read("a", { after: 0, limit: 20, reverse: true })).toHaveLength(20);
  expect(bytes).toBeLessThan(256 * 1024);
  bytes = 0;
  expect((await store.read("a", { after: 2500, limit: 1 }))[0]?.seq).toBe(2501);
  expect((await store.read("a", { after: 0, upTo: 1234, limit: 1, reverse: true }))[0]?.seq).toBe(1234);
  expect(bytes).toBeLessThan(1024 * 1024);
});

test("pages walk a log forwards and back, over lines of every size", async () => {
  const folder = newFolder();
  const store = open(folder, { durability: "normal" });
  let last = commitOf(undefined, [creation({ id: "a" })]);
  await commit(store, last);
  for (let index = 0; index < 400; index += 1) {
    const drafts = Array.from({ length: 1 + (index % 7) }, (_, part) =>
      note({ index, part, text: "x".repeat(index % 50 === 0 ? 100_000 : index) }),
    );
    last = commitOf(last.record, drafts);
    await commit(store, last);
  }
  const total = last.record.seq;
  const expected = Array.from({ length: total }, (_, index) => index + 1);
  for (const limit of [3, 10, 97, 5000]) {
    const ahead: number[] = [];
    for (let after = 0; ; after = ahead.at(-1) ?? total) {
      const page = await store.read("a", { after, limit });
      ahead.push(...page.map(({ seq }) => seq));
      if (page.length < limit) break;
    }
    expect(ahead).toEqual(expected);
    const back: number[] = [];
    for (let upTo = total; upTo > 0; upTo = (back.at(-1) ?? 1) - 1) {
      const page = await store.read("a", { after: 0, upTo, limit, reverse: true });
      back.push(...page.map(({ seq }) => seq));
      if (page.length < limit) break;
    }
    expect(back).toEqual(expected.toReversed());
  }
  for (let after = 0; after < total; after += 53) {
    expect((await store.read("a", { after, upTo: after + 3, limit: 10 })).map(({ seq }) => seq)).toEqual(
      expected.slice(after, after + 3),
    );
  }
});

test("more sessions than can stay open, and batches larger than that", async () => {
  const store = open(newFolder(), { durability: "normal" });
  const commits = Array.from({ length: 700 }, (_, index) =>
    commitOf(undefined, [creation({ id: `s${index}` }), say("one", "m")]),
  );
  await store.commit(commits);
  const next = commits.map(({ record }) => commitOf(record, [say("two")]));
  expect(new Set((await store.commit(next)).map(({ status }) => status))).toEqual(new Set(["committed"]));
  const again = commits.map(({ record }) => commitOf(record, [say("one", "m")]));
  expect(new Set((await store.commit(again)).map(({ status }) => status))).toEqual(new Set(["duplicate"]));
  expect((await store.find(next.map(({ sessionId }) => sessionId))).map((record) => record?.version)).toEqual(
    next.map(() => 2),
  );
});

test("large records are listed too, though they are not kept in memory", async () => {
  const folder = newFolder();
  const store = open(folder);
  const create = commitOf(undefined, [
    creation({ id: "a", userId: "u", metadata: { large: "x".repeat(50_000) } }),
  ]);
  await commit(store, create);
  expect((await store.list(query)).items).toEqual([create.record]);
  const next = commitOf(create.record, [say("next")]);
  await commit(store, next);
  for (const reader of [store, open(folder)]) {
    expect((await reader.list({ ...query, userId: "u", status: "active" })).items).toEqual([next.record]);
  }
});

test("removing a session leaves its name and words nowhere, also not after a crash while it was made", async () => {
  const folder = newFolder();
  const store = open(folder);
  await fill(store, "kept", 1);
  await fill(store, "zyqid", 3, "zyqtext");
  writeFileSync(join(folder, "zyqid.jsonl.new"), "zyqtext");
  expect(await findingsIn(folder)).toMatchObject([{ kind: "leftover" }]);
  await store.list(query);
  expect(await store.remove("zyqid")).toBe(true);
  for (const path of filesIn(folder)) {
    expect(`${path}${readFileSync(path, "latin1")}`, path).not.toMatch(/zyqid|zyqtext/);
  }
  expect((await store.list(query)).items.map(({ id }) => id)).toEqual(["kept"]);
});

test("what was put on the disk as a group is in the logs, leaves nothing of what is removed, and nothing when closed", async () => {
  const folder = newFolder();
  const store = fileStore(folder);
  const group = join(folder, ".group");
  let last = Array.from({ length: 20 }, (_, index) => commitOf(undefined, [creation({ id: `zyq${index}` })]));
  await store.commit(last);
  const synced: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    last = last.map(({ record }) => commitOf(record, [say(`zyqtext ${round}`)]));
    expect(new Set((await store.commit(last)).map(({ status }) => status))).toEqual(new Set(["committed"]));
    synced.push(`zyqtext ${round}`);
  }
  expect(readFileSync(group, "utf8")).toContain("zyqtext 2");
  expect(await textsOf(store, "zyq7")).toEqual(synced);
  expect(await store.remove("zyq7")).toBe(true);
  expect(statSync(group).size).toBe(0);
  const others = last
    .filter(({ sessionId }) => sessionId !== "zyq7")
    .map(({ record }) => commitOf(record, [note(1)]));
  await store.commit(others);
  expect(statSync(group).size).toBeGreaterThan(0);
  await store.close();
  expect(statSync(group).size).toBe(0);
});

test("a group that a log lost in a power failure is given back to it, and to no log that has gone another way", async () => {
  const folder = newFolder();
  const creates = Array.from({ length: 10 }, (_, index) =>
    commitOf(undefined, [creation({ id: `s${index}` })]),
  );
  const maker = fileStore(folder);
  await maker.commit(creates);
  await maker.close();
  const store = fileStore(folder);
  const before = creates.map(({ sessionId }) => readFileSync(join(folder, `${sessionId}.jsonl`)));
  const next = creates.map(({ record }) => commitOf(record, [say("in the group")]));
  await store.commit(next);
  const group = readFileSync(join(folder, ".group"));
  await store.close();
  const path = (index: number): string => join(folder, `s${index}.jsonl`);
  // s0 lost all of it, s1 has zeros in its place, s2 half of it.
  const [zero, one, two] = [before[0], before[1], before[2]];
  if (!zero || !one || !two) throw new Error("no logs");
  writeFileSync(path(0), zero);
  writeFileSync(path(1), Buffer.concat([one, Buffer.alloc(100)]));
  writeFileSync(path(2), readFileSync(path(2)).subarray(0, two.length + 70));
  // s3 was removed, s4 made anew with a log just as long as it was, s5 taken back and written by another commit.
  rmSync(path(3));
  const again = open(folder);
  let anew = commitOf(undefined, [creation({ id: "s4" })]);
  do {
    await again.remove("s4");
    anew = commitOf(undefined, [creation({ id: "s4" })]);
    await again.commit([anew]);
  } while (statSync(path(4)).size !== before[4]?.length);
  writeFileSync(path(5), before[5] ?? "");
  const record = creates[5]?.record;
  const other = commitOf(record, [say("another one")]);
  await again.commit([other]);
  await again.close();
  writeFileSync(join(folder, ".group"), Buffer.concat([group, Buffer.from('{"log":"../x.jsonl"')]));

  const reader = open(folder);
  for (const index of [0, 1, 2, 6]) expect(await reader.find([`s${index}`])).toEqual([next[index]?.record]);
  expect(await reader.find(["s3", "s4", "s5"])).toEqual([undefined, anew.record, other.record]);
  expect(statSync(join(folder, ".group")).size).toBe(0);
  expect((await reader.list(query)).items).toHaveLength(9);
});

test("a log that lost its beginning or its name in a power failure gets it back, with all that is whole behind it", async () => {
  const folder = newFolder();
  const store = fileStore(folder);
  const last: Commit[] = [];
  for (const id of ["s0", "s1", "s2"]) last.push(await fill(store, id, 2));
  const group = readFileSync(join(folder, ".group"));
  await store.close();
  const path = (id: string): string => join(folder, `${id}.jsonl`);
  const bytes = readFileSync(path("s2"));
  rmSync(path("s0"));
  writeFileSync(path("s1"), Buffer.alloc(300));
  const first = bytes.indexOf("\n") + 1;
  writeFileSync(path("s2"), Buffer.concat([Buffer.alloc(first), bytes.subarray(first)]));
  writeFileSync(join(folder, ".group"), group);

  const reader = open(folder);
  expect(await reader.find(["s0", "s1", "s2"])).toEqual(last.map(({ record }) => record));
  expect(readFileSync(path("s2")).equals(bytes)).toBe(true);
  expect(statSync(join(folder, ".group")).size).toBe(0);
});

test("where the disk is too full for a word about it, a session can be removed all the same", async () => {
  const folder = newFolder();
  let isFull = false;
  const write: FileIo["write"] = (...args) => {
    if (isFull) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    return nodeIo.write(...args);
  };
  const remove: FileIo["remove"] = (path) => {
    isFull = false;
    return nodeIo.remove(path);
  };
  const [store, other] = [open(folder, { io: { ...nodeIo, write, remove } }), open(folder)];
  const kept = await fill(store, "kept", 1);
  await fill(store, "large", 1);
  expect((await other.list(query)).items).toHaveLength(2);
  isFull = true;
  const error = await failureOf(() => store.commit([commitOf(kept.record, [say("next")])]));
  expect(String(error)).toContain("the disk is full");
  expect(await store.remove("large")).toBe(true);
  for (const reader of [store, other]) expect((await reader.list(query)).items).toEqual([kept.record]);
});

test("what a caller does to a commit after handing it over does not reach the log", async () => {
  const store = open(newFolder());
  await store.ping();
  const message = { role: "user", content: "as it was" };
  const create = commitOf(undefined, [creation({ id: "a" }), { type: "message", data: { message } }]);
  const done = store.commit([create]);
  message.content = "changed";
  await done;
  expect(await textsOf(store, "a")).toEqual(["as it was"]);
});

test("a reader that loops without a pause does not keep a writer of its process from writing", async () => {
  const store = open(newFolder());
  const last = await fill(store, "a", 1);
  let isWriting = true;
  const reading = (async () => {
    while (isWriting) await store.find(["a"]);
  })();
  await commit(store, commitOf(last.record, [say("next")]));
  isWriting = false;
  await reading;
});

test("entries out of their place are refused before anything is written", async () => {
  const store = open(newFolder());
  const last = await fill(store, "a", 1);
  const next = commitOf(last.record, [say("one"), say("two")]);
  const wrong = [
    { ...next, entries: [] },
    { ...next, entries: next.entries.toReversed() },
    { ...next, record: { ...next.record, seq: 9 } },
  ];
  for (const each of wrong) expect(await codeOf(() => store.commit([each]))).toBe("INVALID_ARGUMENT");
  const gap = {
    ...next,
    entries: next.entries.map((entry) => ({ ...entry, seq: entry.seq + 5 })),
    record: { ...next.record, seq: next.record.seq + 5 },
  };
  expect(await codeOf(() => store.commit([gap]))).toBe("INVALID_ARGUMENT");
  expect(await store.find(["a"])).toEqual([last.record]);
});

test.each([[""], [{}], [{ directory: "x", durability: "some" }]])(
  "options that make no sense are refused: %j",
  (options) => {
    const call = (given: unknown): unknown => Reflect.apply(fileStore, undefined, [given]);
    expect(() => call(options)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  },
);

test("a folder that can be read and not written: reading works, writing says why, nothing changes", async (context) => {
  const folder = newFolder();
  const maker = open(folder);
  const last = await fill(maker, "a", 2);
  // SQLite closes no lock of a path while the process holds it by another.
  await maker.close();
  const { execFileSync } = await import("node:child_process");
  const mounted = join(newFolder(), "mounted");
  mkdirSync(mounted);
  try {
    execFileSync("mount", ["--bind", folder, mounted], { stdio: "pipe" });
    execFileSync("mount", ["-o", "remount,ro,bind", mounted], { stdio: "pipe" });
  } catch (error) {
    context.skip(
      `a read-only folder needs a mount, which is not permitted here: ${String(error).split("\n")[0]}`,
    );
  }
  try {
    const store = fileStore(mounted);
    expect(await store.find(["a"])).toEqual([last.record]);
    expect(await textsOf(store, "a")).toEqual(["text 0", "text 1"]);
    expect((await store.list(query)).items).toEqual([last.record]);
    await store.migrate();
    for (const writable of [store, fileStore({ directory: mounted, lock: false })]) {
      for (const call of [
        () => writable.commit([commitOf(last.record, [say("next")])]),
        () => writable.commit([commitOf(undefined, [creation({ id: "b" })])]),
        () => writable.remove("a"),
      ]) {
        const error = await failureOf(call);
        expect(HoldfastError.is(error, "STORE_UNAVAILABLE"), String(error)).toBe(true);
        expect(String(error)).toContain(mounted);
      }
      await writable.close();
    }
    expect(await textsOf(open(folder), "a")).toEqual(["text 0", "text 1"]);
  } finally {
    execFileSync("umount", [mounted]);
  }
});

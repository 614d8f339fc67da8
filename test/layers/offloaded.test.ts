import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fileStore, memoryStore } from "../../src/index.ts";
import { changeEntry, changeRecord } from "../../src/layers/offloaded/fields.ts";
import { createScan, putBack, takeOut } from "../../src/layers/offloaded/references.ts";
import type { BlobStore } from "../../src/layers/offloaded.ts";
import { fileBlobs, memoryBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { evolveAll } from "../../src/log/evolve.ts";
import { encodeValue } from "../../src/log/values.ts";
import { begin, commitOf, creation, note, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { bytes, over, text } from "./offloaded-support.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-offloaded-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** All that the store below holds of a session, as text. */
async function below(raw: SessionStore, id: string): Promise<string> {
  return JSON.stringify([await raw.find([id]), await raw.read(id, { after: 0, limit: 1000 })]);
}

const HARD: Readonly<Record<string, unknown>> = {
  "a text": text("a"),
  "a text of characters of several bytes": "é漢🙂".repeat(40),
  "a text with a byte order mark, NUL and line ends": `\ufeff\u0000\r\n${text("a")}`,
  "lone surrogates": "\ud800".repeat(100),
  "half a pair at the end": `${text("a")}\ud83d`,
  bytes: bytes(1000),
  "a view into bytes": bytes(1000).subarray(3, 500),
  "text and bytes that are the same": [
    text("a"),
    Buffer.from(text("a")),
    new Uint8Array(Buffer.from(text("a"))),
  ],
  "deep within": { a: [{ b: [[{ c: text("a"), d: bytes(70) }]] }] },
  "a key named __proto__": JSON.parse(
    `{"__proto__":{"admin":"${text("a")}"},"a":{"__proto__":"${text("b")}"}}`,
  ),
  "beside other values": [
    text("a"),
    new Date(5),
    5n,
    -0,
    null,
    bytes(10),
    { at: new Date(6), big: text("b") },
  ],
  "what looks like a reference": [
    { "$holdfast.blob": ["text", "0".repeat(64), "0".repeat(16), 100] },
    { "$holdfast.blob": ["text", "0".repeat(64), "0".repeat(16), 100, "found"] },
    { "$holdfast.blob": ["object", { "$holdfast.blob": text("a") }] },
    { "$holdfast.blob": text("a") },
    { "$holdfast.blob": { "$holdfast.blob": { "$holdfast.blob": [] } } },
    { "$holdfast.blob": ["object", { a: 1 }], other: undefined },
    { "$holdfast.blob": ["bytes", 1], other: 1 },
    { $holdfast: ["object", { "$holdfast.blob": ["object", {}] }] },
  ],
  "what looks like a reference, as the whole": { "$holdfast.blob": ["object", { "$holdfast.blob": 1 }] },
};

describe("values come back as they went in", () => {
  for (const [name, value] of Object.entries(HARD)) {
    test(name, async () => {
      const { raw, blobs } = over(memoryStore());
      const [writer, reader] = [0, 1].map(() => offloadedStore(raw, { blobs, thresholdBytes: 64 }));
      if (!writer || !reader) throw new Error("no stores");
      const kept = { map: value, "$holdfast.blob": value };
      const session = await begin(writer, { id: "a", metadata: { held: value } }, note(value));
      await session.write(
        { type: "message", data: { message: { role: "user", content: [value], "$holdfast.blob": value } } },
        { type: "data.patched", data: { patch: kept, route: "__proto__" } },
        { type: "data.patched", data: { patch: { "$holdfast.blob": value } } },
        { type: "state.set", data: { slot: "slot", value } },
        { type: "state.set", data: { slot: "$holdfast.blob", value } },
        { type: "metadata.patched", data: { patch: { "$holdfast.blob": value } } },
        { type: "checkpoint.created", data: { name: "c", metadata: { held: value } } },
        { type: "history.compacted", data: { upTo: 2, messages: [{ role: "user", content: value }] } },
      );
      await session.write({ type: "data.replaced", data: { data: { "$holdfast.blob": value } } });
      const expected = memoryStore();
      const same = await begin(expected, { id: "b" });
      for (const data of session.entries) await same.write(note(data.data));
      const entries = await reader.read("a", { after: 0, limit: 100 });
      const plain = await expected.read("b", { after: 1, limit: 100 });
      expect(entries.map(({ data }) => data)).toEqual(plain.map(({ data }) => data));
      expect(entries.map(({ text: words }) => words)).toEqual(entries.map(() => undefined));
      const record = (await reader.find(["a"]))[0];
      expect(record).toEqual((await reader.list({ order: "updated", limit: 1 })).items[0]);
      for (const key of ["data", "state", "metadata", "dataByRoute"] as const)
        expect(encodeValue(record?.[key])).toBe(encodeValue(session.record[key]));
    });
  }

  test("the fold of what is stored is what is stored of the fold, so that a log heals", () => {
    const leaf = fc.oneof(
      fc.constantFrom(
        text("a"),
        text("b"),
        "small",
        { "$holdfast.blob": text("a") },
        { "$holdfast.blob": 1 },
        bytes(80),
      ),
      fc.integer(),
    );
    const map = fc.dictionary(fc.constantFrom("a", "b", "$holdfast.blob", "c"), leaf, { maxKeys: 3 });
    const draft = fc.oneof(
      map.map((patch) => ({ type: "data.patched" as const, data: { patch } })),
      map.map((patch) => ({ type: "data.patched" as const, data: { patch, route: "r" } })),
      map.map((data) => ({ type: "data.replaced" as const, data: { data } })),
      map.map((patch) => ({ type: "metadata.patched" as const, data: { patch } })),
      fc.tuple(fc.constantFrom("s", "$holdfast.blob"), leaf).map(([slot, value]) => ({
        type: "state.set" as const,
        data: { slot, value },
      })),
      leaf.map((value) => note(value)),
      leaf.map((value) => ({
        type: "message" as const,
        data: { message: { role: "user", content: value } },
      })),
      map.map((data) => ({
        type: "history.rewound" as const,
        data: {
          to: 1,
          count: 0,
          restored: { messageCount: 0, data, dataByRoute: { r: data }, routeHistory: [], state: data },
        },
      })),
    );
    const out = (value: unknown): unknown =>
      takeOut(value, { thresholdBytes: 64, isFound: false, taken: ({ fill }) => fill("copy") });
    const contents = new Map<string, unknown>();
    const back = (value: unknown): unknown => putBack(value, ({ hash }) => contents.get(hash));
    takeOut([text("a"), text("b"), bytes(80)], {
      thresholdBytes: 64,
      isFound: false,
      taken: ({ hash, content }) =>
        void contents.set(hash, content.length === 80 ? bytes(80) : Buffer.from(content).toString()),
    });
    fc.assert(
      fc.property(fc.array(draft, { maxLength: 12 }), map, (drafts, metadata) => {
        const { entries, record } = commitOf(undefined, [creation({ id: "s", metadata }), ...drafts]);
        const folded = evolveAll(
          undefined,
          entries.map((entry) => changeEntry(entry, out)),
        );
        expect(folded).toEqual(changeRecord(record, out));
        expect(folded && changeRecord(folded, back)).toEqual(record);
        entries.forEach((entry) => {
          expect(changeEntry(changeEntry(entry, out), back)).toEqual(entry);
        });
      }),
      { numRuns: 500 },
    );
  });

  test("what is small and deeply frozen is looked through once, and what may still change each time", () => {
    const scan = createScan(64);
    let reads = 0;
    const item = (): unknown =>
      Object.freeze({
        get a() {
          reads += 1;
          return 1;
        },
      });
    const frozen = Object.freeze([item()]);
    expect([scan.isSettled(frozen), scan.isSettled(frozen), reads]).toEqual([true, true, 1]);
    const open: { list: unknown[] } = Object.freeze({ list: [1] });
    expect(scan.isSettled(open)).toBe(true);
    open.list.push(text("a"));
    expect(scan.isSettled(open)).toBe(false);
  });
});

describe("what stays in the store", () => {
  test("nothing that is larger than the threshold, and small values as they are", async () => {
    const { raw, store, blobs } = over(memoryStore(), { searchableBytes: 0 });
    const session = await begin(
      store,
      { id: "a", metadata: { list: [text("m")] } },
      say(text("s", 65)),
      note(text("n")),
    );
    await session.write(
      { type: "data.patched", data: { patch: { a: text("d"), b: "small one" } } },
      say(text("e", 64)),
    );
    const kept = await below(raw, "a");
    for (const letter of "msnd") expect(kept).not.toContain(text(letter, 65));
    expect(kept).toContain(text("e", 64));
    expect(kept).toContain("small one");
    expect(blobs.count).toBe(4);
  });

  test("ids, labels, turns and texts of metadata stay, for lists look for them", async () => {
    const { raw, store } = over(memoryStore());
    const id = text("i", 300);
    const session = await begin(store, {
      id,
      label: text("l"),
      metadata: { m: text("m") },
      userId: text("u"),
    });
    await session.write(
      { type: "turn.started", data: { turnId: text("t"), owner: text("o"), until: 5 } },
      { type: "metadata.patched", data: { patch: { p: text("p") } } },
      { type: "route.entered", data: { route: { id: text("r"), title: text("z") } } },
    );
    expect(await raw.find([id])).toEqual([session.record]);
    for (const query of [
      { label: text("l") },
      { metadata: { m: text("m") } },
      { metadata: { p: text("p") } },
    ]) {
      const { items } = await store.list({ order: "updated", limit: 5, ...query });
      expect(items.map((record) => record.id)).toEqual([id]);
    }
  });

  test("so much of a text as search may find it by, and a hit is whole", async () => {
    const raw = sqliteStore({ path: join(folder, "search.db") });
    const { store } = over(raw, { searchableBytes: 200 });
    const words = `needle é ${text("x ", 50)}far away ${text("y ", 100)}beyond`;
    const session = await begin(store, { id: "a" }, say(words, "m1"), {
      type: "x.file",
      data: { content: text("f") },
      text: "a custom text",
    });
    await session.write({ type: "state.set", data: { slot: "s", value: text("s") } });
    const found = async (query: string) =>
      (await store.search?.(query, { order: "updated", limit: 5 }))?.items ?? [];
    const [hit] = await found("needle far");
    expect([hit?.messageId, hit?.record.state]).toEqual(["m1", { s: text("s") }]);
    expect(await found("beyond")).toEqual([]);
    expect((await found("custom"))[0]?.seq).toBe(3);
    const entries = await store.read("a", { after: 0, limit: 10 });
    expect(entries.map((entry) => entry.text)).toEqual([undefined, undefined, "a custom text", undefined]);
    expect(entries[1]?.data).toEqual({ message: { role: "user", content: words } });
    await raw.close();
  });

  test("a record of the file store that a crash left behind is healed from references", async () => {
    const directory = join(folder, "healed");
    const { store, blobs } = over(fileStore({ directory }));
    const session = await begin(store, { id: "a" });
    for (let index = 0; index < 20; index += 1)
      await session.write({
        type: "data.patched",
        data: { patch: { [`k${index}`]: text(String(index % 10)) } },
      });
    await store.close();
    const again = offloadedStore(fileStore({ directory }), { blobs, thresholdBytes: 64 });
    expect((await again.find(["a"]))[0]).toEqual(session.record);
    await again.close();
  });

  test("only what is asked for is fetched, each content once, and what was read last not again", async () => {
    const fetched: string[] = [];
    const blobs = memoryBlobs();
    const watched: BlobStore = {
      ...blobs,
      get: (key) => {
        fetched.push(key);
        return blobs.get(key);
      },
    };
    const raw = memoryStore();
    const session = await begin(offloadedStore(raw, { blobs: watched, thresholdBytes: 64 }), { id: "a" });
    await session.write(
      ...Array.from({ length: 10 }, (_, index) => say(text(String(index)))),
      say(text("1")),
    );
    const store = offloadedStore(raw, { blobs: watched, thresholdBytes: 64 });
    await store.find(["a"]);
    await store.list({ order: "updated", limit: 5 });
    expect(fetched).toHaveLength(0);
    await store.read("a", { after: 0, limit: 2, reverse: true });
    expect(fetched).toHaveLength(2);
    await store.read("a", { after: 0, limit: 100 });
    expect(fetched).toHaveLength(10);
    const cold = offloadedStore(raw, { blobs: watched, thresholdBytes: 64, cacheBytes: 0 });
    for (let round = 0; round < 2; round += 1) await cold.read("a", { after: 0, limit: 100 });
    expect(fetched).toHaveLength(30);
  });

  test("what a caller does to bytes that it was given reaches nobody else", async () => {
    const { store } = over(memoryStore());
    const given = bytes(100);
    await begin(store, { id: "a" }, note(given));
    given.fill(0);
    for (let round = 0; round < 2; round += 1) {
      const [entry] = await store.read("a", { after: 1, limit: 1 });
      expect(entry?.data).toEqual(bytes(100));
      if (entry?.data instanceof Uint8Array) entry.data.fill(1);
    }
  });
});

describe("what it promises", () => {
  test("survives no more than store and blobs both do, and takes entries that the store alone would not", async () => {
    const raw = sqliteStore({ path: join(folder, "promises.db") });
    expect(over(raw).store.capabilities).toMatchObject({ durability: "process", writers: "one-process" });
    const durable = offloadedStore(raw, { blobs: fileBlobs({ folder: join(folder, "promises") }) });
    expect(durable.capabilities).toEqual({ ...raw.capabilities, maxEntryBytes: 64 * 1024 * 1024 });
    await raw.close();
    const { store } = over(memoryStore(), { thresholdBytes: 16_384 });
    const large = bytes(20_000_000);
    await begin(store, { id: "a" }, note(large));
    const [entry] = await store.read("a", { after: 1, limit: 1 });
    expect(
      Buffer.compare(Buffer.from(large), Buffer.from(entry?.data instanceof Uint8Array ? entry.data : [])),
    ).toBe(0);
  });

  test("options that are none are refused", () => {
    const blobs = memoryBlobs();
    for (const wrong of [
      { thresholdBytes: 63 },
      { searchableBytes: -1 },
      { graceMs: 999 },
      { cacheBytes: 0.5 },
    ])
      expect(() => offloadedStore(memoryStore(), { blobs, ...wrong })).toThrow(Object.keys(wrong)[0]);
    const { put: _put, ...noPut } = blobs;
    // @ts-expect-error: without put it is no blob store
    expect(() => offloadedStore(memoryStore(), { blobs: noPut })).toThrow("needs blobs");
    expect(() => fileBlobs({ folder: "" })).toThrow("folder");
    // @ts-expect-error: there is no such durability
    expect(() => fileBlobs({ folder: "a", durability: "none" })).toThrow("durability");
  });

  test("unfinished files of writes that were cut off are removed by a collection, once they are old", async () => {
    const place = await mkdtemp(join(folder, "tidy-"));
    const blobs = fileBlobs({ folder: place });
    await mkdir(join(place, ".unfinished"));
    await writeFile(join(place, ".unfinished", "half"), "half");
    await blobs.tidy?.(Date.now() - 60_000);
    expect(await readdir(join(place, ".unfinished"))).toEqual(["half"]);
    await blobs.tidy?.(Date.now() + 60_000);
    expect(await readdir(join(place, ".unfinished"))).toEqual([]);
  });
});

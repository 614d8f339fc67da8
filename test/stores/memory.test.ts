import { expect, test } from "vitest";
import { commitOf, creation, note, say } from "../../src/store/conformance/build.ts";
import { memoryStore } from "../../src/stores/memory.ts";

const query = { order: "updated", limit: 100 } as const;

test("nothing that a caller does to what it wrote or read reaches the store", async () => {
  const store = memoryStore();
  const data = { list: [1], bytes: new Uint8Array([1, 2]), at: new Date(5) };
  const create = commitOf(undefined, [creation({ id: "a", metadata: { tags: ["one"] } }), note(data)]);
  const expected = structuredClone(create);
  await store.commit([create]);
  data.list.push(2);
  data.bytes[0] = 9;
  data.at.setTime(9);
  Object.assign(create.record, { label: "changed" });
  const [entry] = await store.read("a", { after: 1, limit: 1 });
  expect(entry).toEqual(expected.entries[1]);
  Object.assign(entry ?? {}, { data: "changed" });
  expect(await store.read("a", { after: 1, limit: 1 })).toEqual([expected.entries[1]]);
  const [record] = await store.find(["a"]);
  expect(record).toEqual(expected.record);
  expect(() => Object.assign(record?.metadata ?? {}, { tags: [] })).toThrow(TypeError);
  expect(() => Object.assign(record ?? {}, { label: "changed" })).toThrow(TypeError);
});

test("records are shared, not copied", async () => {
  const store = memoryStore();
  await store.commit([commitOf(undefined, [creation({ id: "a" })])]);
  const [one] = await store.find(["a"]);
  expect((await store.list(query)).items[0]).toBe(one);
});

test("what was not written to for the retention is gone, for every call, and makes room for the same id", async () => {
  let now = 1_000_000;
  const store = memoryStore({ retentionMs: 1000, clock: () => now });
  const old = commitOf(undefined, [creation({ id: "old" }), say("words", "m1")], now);
  await store.commit([old]);
  now += 500;
  const young = commitOf(undefined, [creation({ id: "young" }), say("words")], now);
  await store.commit([young]);
  now += 499;
  expect(await store.find(["old", "young"])).toEqual([old.record, young.record]);
  now += 1;
  expect(await store.find(["old", "young"])).toEqual([undefined, young.record]);
  expect(await store.read("old", { after: 0, limit: 5 })).toEqual([]);
  expect((await store.list(query)).items).toEqual([young.record]);
  expect((await store.search?.("words", query))?.items.map(({ sessionId }) => sessionId)).toEqual(["young"]);
  expect(await store.commit([commitOf(old.record, [say("late")], now)])).toEqual([{ status: "conflict" }]);
  const again = commitOf(undefined, [creation({ id: "old" }), say("new life", "m1")], now);
  expect(await store.commit([again])).toEqual([{ status: "committed" }]);
  expect(await store.read("old", { after: 0, limit: 5 })).toHaveLength(2);
});

test("writing to a session keeps it; a call drops a bounded number, and all are dropped in the end", async () => {
  let now = 1_000_000;
  const store = memoryStore({ retentionMs: 1000, clock: () => now });
  const creates = Array.from({ length: 1000 }, (_, index) =>
    commitOf(undefined, [creation({ id: `s${index}` })], now),
  );
  await store.commit(creates);
  now += 900;
  const [first] = creates;
  if (first) await store.commit([commitOf(first.record, [say("still here")], now)]);
  now += 900;
  await store.ping();
  expect(store.size).toBe(900);
  for (let call = 0; call < 10; call += 1) await store.ping();
  expect(store.snapshot().map(({ record }) => record.id)).toEqual(["s0"]);
});

test.each([0, -1, Number.NaN])("a retention of %d ms is refused", (retentionMs) => {
  expect(() => memoryStore({ retentionMs })).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

test("size, snapshot and clear are about a namespace and those within it", async () => {
  const store = memoryStore();
  const [outer, other] = [store.namespace("outer"), store.namespace("out")];
  const inner = outer.namespace("inner");
  for (const view of [store, outer, other, inner]) {
    await view.commit([commitOf(undefined, [creation({ id: "a" }), say("text")])]);
  }
  expect([store.size, outer.size, other.size, inner.size]).toEqual([4, 2, 1, 1]);
  expect(store.namespace("outer")).toBe(outer);
  const [copy] = inner.snapshot();
  expect(copy?.entries.map(({ type }) => type)).toEqual(["session.created", "message"]);
  expect(copy?.record).toEqual((await inner.find(["a"]))[0]);
  outer.clear();
  expect([store.size, outer.size, other.size, inner.size]).toEqual([2, 0, 1, 0]);
  store.clear();
  expect(store.size).toBe(0);
  expect(await other.list(query)).toEqual({ items: [] });
});

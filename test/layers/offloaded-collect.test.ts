/** Which blobs are deleted, and when: after a removal, by a collection, and wherever a process ends in between. */
import { describe, expect, test } from "vitest";
import { createSessions } from "../../src/index.ts";
import { collectBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { Removal, SessionStore, StoreHealth } from "../../src/store/store.ts";
import { GRACE_MS, isExact, place, text } from "./offloaded-place.ts";
import { gatedStore, ledgerOf } from "./offloaded-support.ts";

describe("one content", () => {
  test("is kept once for many entries, forks and sessions, and goes with the last of them", async () => {
    const at = place();
    const sessions = createSessions({ store: at.store });
    const one = await sessions.create({ id: "one" });
    await one.append({ role: "user", content: text("a") });
    await one.append({ role: "user", content: text("a") });
    await one.setData({ form: text("a") });
    const fork = await sessions.fork("one", { id: "fork" });
    await fork.append({ role: "user", content: text("a") });
    await (await sessions.create({ id: "two" })).append({ role: "user", content: text("a") });
    expect(at.blobs.count).toBe(1);
    expect(at.blobs.bytes).toBe(1000);

    // The fork inherits what the parent's log holds, so that is kept with its blobs.
    await sessions.delete("one");
    await sessions.delete("two");
    expect(at.blobs.count).toBe(1);
    const again = createSessions({ store: at.other() });
    expect((await (await again.open("fork")).messages()).map(({ content }) => content)).toEqual([
      text("a"),
      text("a"),
      text("a"),
    ]);
    expect((await again.open("fork")).record.data).toEqual({ form: text("a") });
    await again.delete("fork");
    expect(at.blobs.count).toBe(0);
    expect(await ledgerOf(at.raw)).toEqual({ pointers: [], references: [] });
  });

  test("costs a session that has it no more calls the second time", async () => {
    const calls: string[] = [];
    const at = place();
    const store = at.other({ before: (what) => void calls.push(what), after: () => undefined });
    const session = await begin(store, { id: "a" }, say(text("a")));
    expect(calls).toEqual(["ledger find", "ledger commit", "blob put", "ledger commit", "log commit"]);
    calls.length = 0;
    await session.write(say(text("a")), { type: "data.patched", data: { patch: { a: text("a") } } });
    await session.write(say("small"));
    expect(calls).toEqual(["log commit", "log commit"]);
  });

  test("is kept apart in each namespace, and a removal there touches no other", async () => {
    const at = place();
    const tenants = [
      at.store,
      at.store.namespace("a"),
      at.store.namespace("A"),
      at.store.namespace("a").namespace("a"),
    ];
    for (const tenant of tenants) await begin(tenant, { id: "s" }, say(text("a")));
    expect(at.blobs.count).toBe(4);
    expect(new Set(at.blobs.keys().map((key) => key.split("/")[0])).size).toBe(4);
    await at.store.namespace("a").remove("s");
    expect(at.blobs.count).toBe(3);
    at.wait(2 * GRACE_MS);
    for (const tenant of tenants) await collectBlobs(tenant);
    expect(at.blobs.count).toBe(3);
    for (const tenant of [tenants[0], tenants[2], tenants[3]])
      expect((await tenant?.read("s", { after: 1, limit: 1 }))?.[0]?.data).toEqual(say(text("a")).data);
  });
});

describe("remove", () => {
  test("tells how many blobs went, and leaves those of others", async () => {
    const at = place();
    await begin(at.store, { id: "a" }, say(text("a")), say(text("b")), note({ c: text("c") }));
    await begin(at.store, { id: "b" }, say(text("b")));
    const removals: Removal[] = [];
    expect(await at.store.remove("a", (removal) => removals.push(removal))).toBe(true);
    expect(removals).toEqual([{ what: "blobs", count: 2, place: "memory blobs" }]);
    expect(await at.store.remove("a", (removal) => removals.push(removal))).toBe(false);
    expect(removals).toHaveLength(1);
    await isExact(at);
    expect(at.blobs.count).toBe(1);
  });

  test("a new session under the id of the old one keeps what it has", async () => {
    const at = place();
    const [one, two] = [at.store, at.other()];
    for (let life = 0; life < 5; life += 1) {
      const [writer, remover] = life % 2 ? [one, two] : [two, one];
      await begin(writer, { id: "a" }, say(text("a")), say(text(String(life))));
      expect((await remover.read("a", { after: 1, limit: 1 }))[0]?.data).toEqual(say(text("a")).data);
      if (life < 4) await remover.remove("a");
      await isExact(at);
    }
    at.wait(2 * GRACE_MS);
    await collectBlobs(at.store);
    await isExact(at);
    expect(at.blobs.count).toBe(2);
  });

  test("where the blob store is down it says so, and is finished by a second call", async () => {
    const at = place();
    let isDown = false;
    const store = at.other({
      before(what) {
        if (isDown && what === "blob delete") throw new Error("out of order");
      },
      after: () => undefined,
    });
    await begin(store, { id: "a" }, say(text("a")));
    isDown = true;
    await expect(store.remove("a")).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("could not delete a blob: out of order"),
    });
    expect(await store.find(["a"])).toEqual([undefined]);
    isDown = false;
    expect(await store.remove("a")).toBe(false);
    await isExact(at);
    expect(at.blobs.count).toBe(0);
  });

  test("sweep takes the blobs of what has expired", async () => {
    const at = place();
    const expiresAt = Date.now() + 1000;
    await begin(at.store, { id: "a", expiresAt }, say(text("a")), say(text("b")));
    await begin(at.store, { id: "b" }, say(text("b")));
    expect(await at.store.sweep?.(expiresAt, 10)).toEqual(["a"]);
    expect(at.blobs.count).toBe(1);
    await isExact(at);
  });
});

describe("a collection", () => {
  test("takes what commits left that never took place, once the grace time is over", async () => {
    const at = place();
    const session = await begin(at.store, { id: "a" }, say(text("a")));
    const late = session.next(say(text("b")));
    await session.write(say("somebody was faster"));
    expect((await outcomeOf(at.store, late)).status).toBe("conflict");
    expect(
      (await outcomeOf(at.store, commitOf(undefined, [creation({ id: "a" }), say(text("c"))]))).status,
    ).toBe("conflict");
    expect(at.blobs.count).toBe(3);
    expect(await collectBlobs(at.store)).toMatchObject({ blobs: 0 });
    at.wait(2 * GRACE_MS);
    expect(await collectBlobs(at.store, { dryRun: true })).toEqual({
      blobs: 2,
      bytes: 2000,
      references: 2,
      dryRun: true,
    });
    expect(at.blobs.count).toBe(3);
    expect(await collectBlobs(at.store, { limit: 1 })).toMatchObject({ blobs: 1 });
    expect(at.blobs.count).toBe(2);
    expect(await collectBlobs(at.store)).toMatchObject({ blobs: 1, dryRun: false });
    await isExact(at);
    expect(await collectBlobs(at.store)).toMatchObject({ blobs: 0, references: 0 });
    // What nobody refers to is not remembered either.
    await session.write(say(text("b")), say(text("c")));
    await isExact(at);
    expect((await at.other().read("a", { after: 3, limit: 2 })).map(({ data }) => data)).toEqual(
      [text("b"), text("c")].map((content) => say(content).data),
    );
  });

  test("takes what a session had that was removed without the layer", async () => {
    const at = place();
    await begin(at.store, { id: "a" }, say(text("a")), say(text("b")));
    await begin(at.store, { id: "b" }, say(text("b")));
    await at.raw.remove("a");
    at.wait(2 * GRACE_MS);
    expect(await collectBlobs(at.store)).toMatchObject({ blobs: 1, references: 2 });
    await isExact(at);
  });

  test("keeps what only the record refers to, or an old entry among thousands", async () => {
    const at = place();
    const session = await begin(at.store, { id: "a" }, say(text("a")));
    for (let index = 0; index < 3; index += 1)
      await session.write(...Array.from({ length: 700 }, () => say("small")));
    await session.write({ type: "state.set", data: { slot: "s", value: { deep: [text("b")] } } });
    at.wait(2 * GRACE_MS);
    for (let round = 0; round < 2; round += 1) {
      expect(await collectBlobs(at.store)).toMatchObject({ blobs: 0, references: 0 });
      expect(at.blobs.count).toBe(2);
    }
    expect((await ledgerOf(at.raw)).references.map(({ status }) => status)).toEqual([
      "completed",
      "completed",
    ]);
  });

  test("takes what only an earlier record referred to, as a layer that seals records leaves it", async () => {
    const at = place();
    const session = await begin(at.store, { id: "a" });
    let { record } = session;
    const write = async (content: string): Promise<void> => {
      const { record: next, ...rest } = commitOf(record, [note("sealed")]);
      expect(await at.store.commit([{ ...rest, record: { ...next, state: { sealed: content } } }])).toEqual([
        { status: "committed" },
      ]);
      record = next;
    };
    for (const content of [text("a"), text("b"), text("c")]) await write(content);
    expect(at.blobs.count).toBe(3);
    at.wait(2 * GRACE_MS);
    expect(await collectBlobs(at.store)).toMatchObject({ blobs: 2 });
    await isExact(at);
    // This process knew of it once.
    await write(text("a"));
    expect(await collectBlobs(at.store)).toMatchObject({ blobs: 1 });
    expect((await at.other().find(["a"]))[0]?.state).toEqual({ sealed: text("a") });
    at.wait(2 * GRACE_MS);
    expect(await collectBlobs(at.store)).toMatchObject({ blobs: 0 });
    expect((await at.other().find(["a"]))[0]?.state).toEqual({ sealed: text("a") });
    await isExact(at);
  });

  test("is refused for another store, a layer around it, and a limit that is none", async () => {
    const at = place();
    await expect(collectBlobs(at.raw)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(collectBlobs(at.store, { limit: 0 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("over a store that bridges an outage", () => {
  test("contents that it doesn't know are kept once more, and nothing is deleted until it is over", async () => {
    const at = place();
    await begin(at.store, { id: "other node" }, say(text("a")));
    let isDown = false;
    let tell: (health: StoreHealth) => void = () => undefined;
    const bridging: SessionStore = {
      ...gatedStore(at.raw, {
        before(what) {
          if (isDown && what === "ledger find")
            throw new HoldfastError("STORE_UNAVAILABLE", "not seen before");
        },
        after: () => undefined,
      }),
      onHealth(listener) {
        tell = listener;
        return () => undefined;
      },
    };
    const store = offloadedStore(bridging, { blobs: at.blobs, thresholdBytes: 64, graceMs: GRACE_MS });
    isDown = true;
    tell({ state: "degraded" });
    await begin(store, { id: "a" }, say(text("a")));
    expect(at.blobs.count).toBe(2);
    isDown = false;
    expect(await store.remove("a")).toBe(true);
    expect(at.blobs.count).toBe(2);
    await expect(collectBlobs(store)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });
    tell({ state: "recovered" });
    expect(await collectBlobs(store)).toMatchObject({ blobs: 1 });
    await isExact(at);
    expect(at.blobs.count).toBe(1);
  });
});

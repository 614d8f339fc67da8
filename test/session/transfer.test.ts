/**
 * Export and import, and copying from store to store.
 */
import { expect } from "vitest";
import type { SessionRecord } from "../../src/log/record.ts";
import { copySession } from "../../src/session/transfer.ts";
import type { Session } from "../../src/session/types.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { assistant, collect, onStores, ownLog, range, refusal, sleep, textsOf, user } from "./support.ts";

const VALUES = {
  text: "\0 \ud800 \u2028 é",
  bytes: new Uint8Array([0, 255]),
  at: new Date(5),
  big: 10n,
  zero: -0,
  $holdfast: ["date", 1],
  ["__proto__"]: null,
  b: 1,
  a: 2,
};

/** A session with an entry of nearly every type. */
async function busy(session: Session): Promise<void> {
  await session.append([user("a"), { role: "user", content: [{ type: "odd", values: VALUES }] }], {
    ids: ["a", "odd"],
    operationId: "op",
    usage: { inputTokens: 3, costUsd: 0.25 },
  });
  await session.append(
    range(5).map((index) => assistant(`${index}`)),
    { ids: range(5).map((index) => `n-${index}`) },
  );
  await session.revise("a", user("A"));
  await session.setData({ x: 1 }, { route: "r" });
  await session.enterRoute({ id: "r", title: "R" }, { id: "st" });
  await session.setState("slot", VALUES);
  await session.checkpoint("here", { metadata: { m: 1 } });
  await session.compact({ keepLast: 2, summarize: async () => user("sum") });
  await session.append(user("gone"));
  await session.rewind("here");
  await session.removeMessage("n-1");
  await session.turn(async (turn) => void (await turn.append(user("in a turn"))));
  await session.setMetadata({ deep: { list: [1, null] } });
  await session.addUsage({ outputTokens: 4 }, { operationId: "usage" });
  await session.touch({ expiresInMs: 1e9 });
  await session.complete();
}

const withoutId = ({ id: _id, ...rest }: SessionRecord): Omit<SessionRecord, "id"> => rest;

onStores(
  "what is exported comes back deep-equal, under its own id or another",
  async ({ sessions, elsewhere, store }) => {
    const all = sessions();
    const session = await all.create({ id: "s", userId: "u", agent: "a", metadata: { z: 1, a: 1 } });
    await busy(session);
    const lines = await collect(all.export("s"));
    expect(lines).toHaveLength(session.record.seq + 1);
    const there = elsewhere();
    const copy = await there.import(lines, { id: "copy" });
    expect(withoutId(copy.record)).toEqual(withoutId(session.record));
    expect(await copy.messages()).toEqual(await session.messages());
    expect(await copy.context()).toEqual(await session.context());
    expect(await collect(copy.stream())).toEqual(await collect(session.stream()));
    expect(await copy.checkpoints()).toEqual(await session.checkpoints());
    const strip = (entries: unknown[]): unknown[] => entries.slice(1);
    expect(strip(await ownLog(store, "copy"))).toEqual(strip(await ownLog(store, "s")));
    expect((await collect(there.export("copy"))).slice(2)).toEqual(lines.slice(2));
    await refusal(all.import(lines), "SESSION_EXISTS");
    await all.delete("s");
    // Text, lines with a last newline, and lines one by one are all the same.
    const again = await all.import(`${lines.join("\n")}\n`);
    expect(withoutId(again.record)).toEqual(withoutId(copy.record));
    for (const one of [copy, again]) {
      await one.append(user("on"));
      await one.rewind("here");
      expect(await textsOf(one)).toContain("A");
      const fork = await one.fork();
      expect(await fork.messages()).toEqual(await one.messages());
    }
  },
);

onStores(
  "a fork is exported with what it inherits, as a session of its own",
  async ({ sessions, elsewhere }) => {
    const all = sessions();
    const root = await all.create({ id: "a", userId: "u", label: "root" });
    await busy(root);
    await root.append(user("m"), { ids: ["same"] });
    const middle = await root.fork({ id: "b", label: "middle" });
    await middle.append(user("b"), { ids: ["b"] });
    const { seq } = await middle.append(user("same, but not the same"), { ids: ["same"] });
    const tip = await middle.fork({ id: "c", at: seq, userId: "v" });
    await middle.append(user("not inherited"));
    await tip.append(user("c"), { usage: { inputTokens: 1 } });
    await tip.setData({ own: true });
    const copy = await elsewhere().import(all.export("c"), { id: "copy" });
    // What a session of its own can't share with a fork: its name, where it comes from, and when it began.
    const skip = { id: "", kind: "", lineage: [], parentId: "", version: 0, createdAt: 0 };
    expect({ ...copy.record, ...skip }).toEqual({ ...tip.record, ...skip });
    expect(copy.record).toMatchObject({
      kind: "session",
      lineage: [],
      userId: "v",
      usage: { inputTokens: 1 },
      status: "active",
    });
    expect(copy.record).not.toHaveProperty("parentId");
    expect(await copy.messages()).toEqual(await tip.messages());
    expect(await copy.context()).toEqual(await tip.context());
    await copy.append(user("on"));
    for (const to of ["here", seq]) {
      const [one, other] = [await copy.fork(), await tip.fork()];
      await one.rewind(to);
      await other.rewind(to);
      expect(await one.messages()).toEqual(await other.messages());
      expect(one.data).toEqual(other.data);
    }
  },
);

onStores("a child, and a fork of a child, come back as what they are", async ({ sessions }) => {
  const all = sessions();
  const child = await (await all.create({ id: "p" })).spawn({ id: "c" });
  await child.append(user("x"));
  const fork = await child.fork({ id: "f" });
  expect((await all.import(all.export("c"), { id: "c2" })).record).toMatchObject({
    kind: "child",
    parentId: "p",
  });
  const copied = await all.import(all.export(fork.id), { id: "f2" });
  expect(copied.record.kind).toBe("session");
  expect(copied.record).not.toHaveProperty("parentId");
});

onStores("what was erased keeps its place in an export", async ({ sessions }) => {
  const all = sessions();
  const root = await all.create({ id: "a", label: "l", messages: [user("erased"), user("too")] });
  const middle = await root.fork({ id: "b" });
  await middle.append(user("b"));
  const tip = await middle.fork({ id: "c" });
  await tip.append(user("c"), { ids: ["c"] });
  await all.erase("a");
  const handle = await all.open("c");
  const copy = await all.import(all.export("c"), { id: "copy" });
  expect(await textsOf(copy)).toEqual(["b", "c"]);
  expect(copy.record).toMatchObject({ messageCount: 2, seq: handle.record.seq });
  expect((await collect(copy.stream())).map(({ id, seq }) => [id, seq])).toEqual(
    (await collect(handle.stream())).map(({ id, seq }) => [id, seq]),
  );
});

onStores("what is no whole export is refused, and nothing is left", async ({ sessions, store }) => {
  const all = sessions();
  const session = await all.create({ id: "s", messages: [user("a"), user("b")] });
  await session.setData({ x: 1 });
  const lines = await collect(all.export("s"));
  const [header = "", first = "", ...rest] = lines;
  const change = (line: string, changes: object): string =>
    JSON.stringify({ ...JSON.parse(line), ...changes });
  const inputs: Record<string, unknown> = {
    empty: [],
    "an empty file": [""],
    "only a header": [header],
    "cut at a line": lines.slice(0, -1),
    "cut within a line": [...lines.slice(0, -1), lines.at(-1)?.slice(0, 20)],
    "with no header": lines.slice(1),
    "with more than it says": [...lines, change(lines.at(-1) ?? "", { seq: 5, id: "#5" })],
    "with a gap": [header, first, ...rest.slice(1)],
    "with a line twice": [header, first, first, ...rest],
    "of another format": [change(header, { holdfast: 2 }), first, ...rest],
    "with a bad id": [change(header, { session: "" }), first, ...rest],
    "with no count": [change(header, { entries: "4" }), first, ...rest],
    "with a count that is not its own": [change(header, { entries: 400 }), first, ...rest],
    binary: [Buffer.from([0, 255, 128, 7]).toString("latin1"), "\0\0\0"],
    "not text": [Buffer.from(header)],
    numbers: [1, 2],
    JSON: ['{"messages":[]}'],
    "a list": ["[]", "[]"],
    "not an entry": [header, "{}", ...rest],
    "of no first entry": [header, change(first, { type: "message", data: { message: {} } }), ...rest],
    "of an unknown type": [
      header,
      first,
      change(rest[0] ?? "", { type: "message.exploded" }),
      ...rest.slice(1),
    ],
    "with a message that is none": [
      header,
      first,
      change(rest[0] ?? "", { data: { message: 5 } }),
      ...rest.slice(1),
    ],
    "with no data": [header, first, change(rest[0] ?? "", { data: null }), ...rest.slice(1)],
    "with a creation that is none": [header, change(first, { data: null }), ...rest],
    "with a base that is none": [
      header,
      change(first, { data: { ...JSON.parse(first).data, base: { messageCount: "many" } } }),
      ...rest,
    ],
    "with a lineage that is none": [
      header,
      change(first, { data: { ...JSON.parse(first).data, kind: 5 } }),
      ...rest,
    ],
    "with another's position as id": [header, first, change(rest[0] ?? "", { id: "#7" }), ...rest.slice(1)],
    "with an empty id": [header, first, change(rest[0] ?? "", { id: "" }), ...rest.slice(1)],
    "deleted in the middle": [
      header,
      first,
      change(rest[0] ?? "", { type: "session.deleted", data: {} }),
      ...rest.slice(1),
    ],
  };
  for (const [what, input] of Object.entries(inputs)) {
    const lines: string[] = JSON.parse("[]");
    Object.assign(lines, input);
    const error = await refusal(all.import(lines, { id: "copy" }), "INVALID_ARGUMENT").catch(
      (thrown: unknown) => {
        throw new Error(`${what}: ${String(thrown)}`);
      },
    );
    expect(error.message, what).toMatch(/line \d+|cut short|empty|format|more|id/);
    expect(await store.find(["copy"]), what).toEqual([undefined]);
  }
  expect(await ownLog(store, "copy")).toEqual([]);
  const failing = async function* (): AsyncGenerator<string> {
    yield* lines.slice(0, 3);
    throw new Error("the disk is gone");
  };
  await expect(all.import(failing(), { id: "copy" })).rejects.toThrow("the disk is gone");
  expect(await store.find(["copy"])).toEqual([undefined]);
});

onStores(
  "a large import is stored in parts, and undone where a later one fails",
  async ({ sessions, store }) => {
    const all = sessions();
    const session = await all.create({ id: "s", label: "l" });
    const text = "x".repeat(1024 * 1024);
    for (const index of range(36)) await session.append([user(`${index} ${text.slice(8)}`)]);
    let commits = 0;
    let failAt = Infinity;
    const counted: SessionStore = Object.assign(Object.create(store), {
      async commit(batch: Parameters<SessionStore["commit"]>[0]) {
        commits += 1;
        if (commits === failAt) throw new Error("the disk is full");
        return store.commit(batch);
      },
    });
    const over = sessions({ store: counted });
    const copy = await over.import(all.export("s"), { id: "copy" });
    expect(commits).toBe(3);
    expect(withoutId(copy.record)).toEqual(withoutId(session.record));
    expect(await copy.messages({ last: 2 })).toEqual(await session.messages({ last: 2 }));
    await copy.append(user("on"));
    commits = 0;
    failAt = 2;
    await expect(over.import(all.export("s"), { id: "other" })).rejects.toThrow("the disk is full");
    expect(await store.find(["other"])).toEqual([undefined]);
    expect(await ownLog(store, "other")).toEqual([]);
  },
  ["memory", "sqlite"],
);

onStores("what is put back under a live handle is another session to it", async ({ sessions, elsewhere }) => {
  const all = sessions();
  const old = await all.create({ id: "s", label: "l", messages: [user("a")] });
  const lines = await collect(all.export("s"));
  await old.append([user("b"), user("c")]);
  const there = elsewhere();
  await there.delete("s");
  await there.import(lines);
  await refusal(old.messages(), "SESSION_DELETED");
  await refusal(old.refresh(), "SESSION_DELETED");
  const fresh = await all.open("s");
  expect(await textsOf(fresh)).toEqual(["a"]);
  await fresh.append(user("on"));
  expect(await textsOf(await there.open("s"))).toEqual(["a", "on"]);
});

onStores("an import that is refused leaves what has the id alone", async ({ sessions }) => {
  const all = sessions();
  await all.create({ id: "s", messages: [user("a")] });
  const lines = await collect(all.export("s"));
  const taken = await all.create({ id: "taken", messages: [user("mine")] });
  await refusal(all.import(lines, { id: "taken" }), "SESSION_EXISTS");
  expect(await textsOf(taken)).toEqual(["mine"]);
});

onStores("an export of a session that is deleted meanwhile fails, and is not short", async ({ sessions }) => {
  const all = sessions();
  const session = await all.create({ id: "s", label: "l" });
  await session.append(range(1200).map((index) => user(`${index}`)));
  const lines = all.export("s")[Symbol.asyncIterator]();
  for (const _index of range(3)) await lines.next();
  await all.delete("s");
  await refusal(
    (async () => {
      while (!(await lines.next()).done);
    })(),
    "STORE_CORRUPT",
  );
});

onStores(
  "a session is copied to another store as it is, and only what is new the next time",
  async ({ sessions, store }) => {
    const all = sessions();
    const session = await all.create({ id: "s" });
    await busy(session);
    await session.append(range(1300).map((index) => user(`${index}`)));
    const fork = await session.fork({ id: "f" });
    await fork.append(user("on"));
    const to = memoryStore();
    const copy = async (id: string): Promise<number> => {
      const [record] = await store.find([id]);
      return record ? copySession(store, to, record) : -1;
    };
    expect(await copy("s")).toBe(session.record.seq);
    expect(await copy("f")).toBe(2);
    expect(await copy("s")).toBe(0);
    await session.append(user("more"));
    expect(await copy("s")).toBe(1);
    const there = sessions({ store: to });
    for (const id of ["s", "f"]) {
      const [here, copied] = [await all.open(id), await there.open(id)];
      expect(copied.record).toEqual(here.record);
      expect(await ownLog(to, id)).toEqual(await ownLog(store, id));
      expect(await copied.messages()).toEqual(await here.messages());
    }
    await (await there.open("s")).append(user("there"));
    await refusal(copy("s"), "SESSION_EXISTS");
    await session.append([user("here"), user("and here")]);
    await refusal(copy("s"), "SESSION_EXISTS");
    expect(await textsOf(await there.open("s"))).toContain("there");
    await sleep(2);
    await all.delete("f");
    await all.create({ id: "f" });
    await refusal(copy("f"), "SESSION_EXISTS");
  },
);

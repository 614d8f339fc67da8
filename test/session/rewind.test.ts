/**
 * Checkpoints and going back.
 */
import { expect } from "vitest";
import { collect, onStores, ownLog, range, refusal, textsOf, user } from "./support.ts";

onStores(
  "a rewind goes back to a checkpoint, position or message; the log keeps what was rewound",
  async ({ sessions, elsewhere, store }) => {
    const session = await sessions().create({ id: "s", label: "l" });
    await session.append(user("a"), { ids: ["a"] });
    await session.setData({ x: 1 });
    const saved = await session.checkpoint("before", { metadata: { why: "test" } });
    expect(saved).toEqual({
      name: "before",
      seq: session.record.seq,
      at: expect.any(Number),
      metadata: { why: "test" },
    });
    expect(await session.checkpoints()).toEqual([saved]);
    const lengths: number[] = [];
    for (const to of ["before", saved.seq, { messageId: "a" }] as const) {
      await session.append([user("b"), user("c")]);
      await session.setData({ x: 2, y: 2 });
      await session.setState("s", 1);
      await session.enterRoute({ id: "r" }, { id: "st" });
      const { seq } = await session.rewind(to);
      expect(seq).toBe(session.record.seq);
      expect(await textsOf(session)).toEqual(["a"]);
      expect(session.record).toMatchObject({
        messageCount: 1,
        data: typeof to === "object" ? {} : { x: 1 },
        state: {},
      });
      expect(session.record).not.toHaveProperty("route");
      expect(session.record).not.toHaveProperty("step");
      lengths.push((await ownLog(store, "s")).length);
      if (typeof to !== "object") expect(await session.checkpoints()).toEqual([saved]);
    }
    // A rewind to a message goes behind the checkpoint, so that is gone.
    expect(await session.checkpoints()).toEqual([]);
    await refusal(session.rewind("before"), "INVALID_ARGUMENT");
    expect(lengths).toEqual([...lengths].sort((a, b) => a - b));
    expect((await ownLog(store, "s")).filter(({ type }) => type === "message")).toHaveLength(7);
    expect(await textsOf(await elsewhere().open("s"))).toEqual(["a"]);
  },
);

onStores("what is not of the conversation is not taken back", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  const { seq } = await session.append(user("a"));
  await session.append(user("b"), { usage: { inputTokens: 5 } });
  await session.rename("named");
  await session.setMetadata({ m: 1 });
  await session.complete();
  await session.rewind(seq);
  expect(session.record).toMatchObject({
    label: "named",
    metadata: { m: 1 },
    status: "completed",
    usage: { inputTokens: 5 },
    messageCount: 1,
  });
});

onStores("rewinds may nest, and meet removals, revisions and clears", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s", label: "l" });
  const at: number[] = [];
  const add = async (text: string): Promise<number> => {
    const { seq } = await session.append(user(text), { ids: [`${text}-${at.length}`] });
    at.push(seq);
    return seq;
  };
  const a = await add("a");
  const b = await add("b");
  await add("c");
  await session.rewind(b);
  const d = await add("d");
  await session.revise("a-0", user("A"));
  await add("e");
  await session.removeMessage("b-1");
  expect(await textsOf(session)).toEqual(["A", "d", "e"]);
  await session.rewind(d);
  expect(await textsOf(session)).toEqual(["a", "b", "d"]);
  await session.clearMessages();
  await add("f");
  expect(await textsOf(session)).toEqual(["f"]);
  await session.rewind(d);
  expect(await textsOf(session)).toEqual(["a", "b", "d"]);
  await session.rewind(a);
  await add("g");
  expect(await textsOf(session)).toEqual(["a", "g"]);
  // Into what was itself rewound: that is how it read then.
  await session.rewind(d);
  expect(await textsOf(session)).toEqual(["a", "b", "d"]);
  expect(session.record.messageCount).toBe(3);
  await session.rewind(0);
  expect([await textsOf(session), session.record.messageCount]).toEqual([[], 0]);
  await session.rewind(d);
  expect(await textsOf(await elsewhere().open("s"))).toEqual(["a", "b", "d"]);
  const { version } = session.record;
  await session.rewind(session.record.seq);
  expect(session.record.version).toBe(version);
});

onStores(
  "checkpoints of one name: the newest is meant; those that were rewound are gone, also behind a clear",
  async ({ sessions }) => {
    const session = await sessions().create({ id: "s", label: "l" });
    await session.append(user("a"));
    const first = await session.checkpoint("x");
    await session.append(user("b"));
    const second = await session.checkpoint("x");
    const third = await session.checkpoint("y");
    expect(await session.checkpoints()).toEqual([first, second, third]);
    await session.append(user("c"));
    await session.rewind("x");
    expect(await textsOf(session)).toEqual(["a", "b"]);
    expect(await session.checkpoints()).toEqual([first, second]);
    await session.clearMessages();
    expect(await session.checkpoints()).toEqual([first, second]);
    await refusal(session.rewind("y"), "INVALID_ARGUMENT");
    await session.rewind("x");
    expect(await textsOf(session)).toEqual(["a", "b"]);
  },
);

onStores("a fork can go back into what it inherits, and leaves its parent alone", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", label: "l", data: { x: 0 } });
  const { seq } = await session.append(user("a"));
  await session.checkpoint("of the parent");
  await session.setData({ x: 1 });
  await session.append([user("b"), user("c")]);
  const fork = await session.fork({ id: "f" });
  await fork.append(user("d"));
  await fork.rewind(seq);
  expect([await textsOf(fork), fork.data, fork.record.messageCount]).toEqual([["a"], { x: 0 }, 1]);
  await fork.append(user("e"));
  expect(await textsOf(fork)).toEqual(["a", "e"]);
  expect([await textsOf(session), session.data]).toEqual([["a", "b", "c"], { x: 1 }]);
  const second = await session.fork();
  await second.rewind("of the parent");
  expect(await textsOf(second)).toEqual(["a"]);
  const third = await fork.fork();
  expect([await textsOf(third), third.record.messageCount]).toEqual([["a", "e"], 2]);
  await third.rewind(seq + 3);
  expect(await textsOf(third)).toEqual(["a", "b"]);
});

onStores("a long history that was rewound is read without what was", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", label: "l" });
  const { seq } = await session.append(range(600).map((index) => user(`${index}`)));
  await session.append(range(1200).map((index) => user(`gone ${index}`)));
  await session.rewind(seq);
  await session.append(user("on"));
  const expected = [...range(600).map(String), "on"];
  expect(await textsOf(session)).toEqual(expected);
  expect((await session.messages({ last: 3 })).map(({ content }) => content)).toEqual(["598", "599", "on"]);
  expect((await collect(session.stream({ after: 590 }))).map(({ message }) => message.content)).toEqual(
    expected.slice(589),
  );
});

onStores("a rewind that meets an append goes behind it", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s", label: "l" });
  const { seq } = await session.append(user("a"));
  await (await elsewhere().open("s")).append(user("meanwhile"));
  await session.rewind(seq);
  expect(await textsOf(session)).toEqual(["a"]);
  expect(session.record.messageCount).toBe(1);
});

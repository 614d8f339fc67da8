/**
 * Forks, children and successors.
 */
import { expect } from "vitest";
import type { Session } from "../../src/session/types.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { assistant, collect, onStores, ownLog, range, refusal, sleep, textsOf, user } from "./support.ts";

onStores(
  "a fork inherits the history, and each goes on without the other",
  async ({ sessions, elsewhere, store }) => {
    const all = sessions();
    const session = await all.create({
      id: "s",
      userId: "u",
      agent: "a",
      label: "L",
      data: { x: 1 },
      metadata: { m: 1 },
    });
    await session.append([user("1"), assistant("2")], { ids: ["one", "two"] });
    await session.setState("slot", [1]);
    await session.enterRoute({ id: "r" }, { id: "st" });
    await session.addUsage({ inputTokens: 5 });
    const fork = await all.fork("s", { id: "f" });
    expect(fork.record).toMatchObject({
      id: "f",
      kind: "fork",
      parentId: "s",
      lineage: [{ id: "s", upTo: session.record.seq }],
      seq: session.record.seq + 1,
      version: 1,
      userId: "u",
      agent: "a",
      label: "L",
      status: "active",
      messageCount: 2,
      data: { x: 1 },
      metadata: { m: 1 },
      state: { slot: [1] },
      route: { id: "r" },
      step: { id: "st" },
      usage: { inputTokens: 0, outputTokens: 0, totalTokens: 0 },
    });
    // Nothing is copied: its own log begins with one entry.
    expect(await ownLog(store, "f")).toHaveLength(1);
    await fork.append(user("left"));
    await session.append(user("right"));
    await fork.setData({ x: 2 });
    await fork.revise("one", user("ONE"));
    await session.removeMessage("two");
    const there = elsewhere();
    for (const [id, expected] of [
      ["s", ["1", "right"]],
      ["f", ["ONE", "2", "left"]],
    ] as const) {
      expect(await textsOf(await there.open(id))).toEqual(expected);
    }
    expect([session.data, fork.data, fork.record.messageCount]).toEqual([{ x: 1 }, { x: 2 }, 3]);
    expect((await fork.context()).map(({ content }) => content)).toEqual(["ONE", "2", "left"]);
    expect((await collect(fork.entries())).map(({ seq }) => seq)).toEqual(
      range(fork.record.seq).map((index) => index + 1),
    );
    expect((await collect(fork.entries({ reverse: true }))).at(-1)?.type).toBe("session.created");
  },
);

onStores("a fork can be made at any position or message, with what held then", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", label: "l" });
  const positions: number[] = [];
  for (const index of range(5)) {
    await session.setData({ index });
    const { seq } = await session.append(user(`${index}`), { ids: [`m-${index}`] });
    positions.push(seq);
  }
  await session.complete();
  for (const index of range(5)) {
    for (const at of [positions[index] ?? 0, { messageId: `m-${index}` }]) {
      const fork = await session.fork({ at });
      expect(await textsOf(fork)).toEqual(range(index + 1).map(String));
      expect(fork.record).toMatchObject({
        status: "active",
        data: { index },
        messageCount: index + 1,
        lineage: [{ upTo: positions[index] }],
      });
      await fork.append(user("on"));
      expect(await textsOf(fork)).toEqual([...range(index + 1).map(String), "on"]);
    }
  }
  expect(await textsOf(await session.fork({ at: 1 }))).toEqual([]);
});

onStores("forks of forks, 50 deep, read right everywhere", async ({ sessions, elsewhere }) => {
  const all = sessions();
  let tip: Session = await all.create({ id: "f-0", label: "l", messages: [user("0")] });
  for (const index of range(50)) {
    const fork = await tip.fork({ id: `f-${index + 1}` });
    // Each goes on, so that a part too long would show.
    await tip.append(user(`not inherited ${index}`));
    await fork.append(user(`${index + 1}`));
    tip = fork;
  }
  const expected = range(51).map(String);
  const deepest = await elsewhere().open("f-50");
  expect(await textsOf(deepest)).toEqual(expected);
  expect((await deepest.messages({ last: 7 })).map(({ content }) => content)).toEqual(expected.slice(-7));
  expect((await collect(deepest.stream({ after: 80 }))).length).toBeLessThan(15);
  expect(deepest.record).toMatchObject({ messageCount: 51 });
  expect(deepest.record.lineage).toHaveLength(50);
  const middle = await deepest.fork({ at: deepest.record.lineage[24]?.upTo ?? 0 });
  expect(await textsOf(middle)).toEqual(range(25).map(String));
  expect(middle.record.lineage).toHaveLength(25);
  await middle.append(user("on"));
  const back = await deepest.rewind(deepest.record.lineage[9]?.upTo ?? 0);
  expect(await textsOf(deepest)).toEqual(range(10).map(String));
  expect(back.seq).toBe(deepest.record.seq);
  expect(deepest.record.messageCount).toBe(10);
});

onStores("a fork of a missing session leaves nothing", async ({ sessions, store }) => {
  await refusal(sessions().fork("missing", { id: "f" }), "SESSION_NOT_FOUND");
  expect(await store.find(["missing", "f"])).toEqual([undefined, undefined]);
});

onStores("a fork to an id that is taken is refused", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", messages: [user("a")] });
  await refusal(session.fork({ id: "s" }), "SESSION_EXISTS");
  expect(await textsOf(session)).toEqual(["a"]);
});

onStores(
  "a fork that meets a delete reads all that it inherits, or is not there",
  async ({ sessions, elsewhere, store }) => {
    const here = sessions();
    const there = elsewhere();
    const outcomes = { forked: 0, refused: 0 };
    for (const index of range(25)) {
      const id = `s-${index}`;
      await here.create({ id, label: "l", messages: [user("inherited")] });
      const forking = here.fork(id, { id: `f-${index}` }).then(
        () => true,
        (error: unknown) => {
          expect(error).toMatchObject({ code: expect.stringMatching(/^SESSION_(DELETED|NOT_FOUND)$/) });
          return false;
        },
      );
      await sleep(index % 4);
      const deleted = index % 2 ? there.delete(id) : there.erase(id);
      const [isForked] = await Promise.all([forking, deleted]);
      expect(await here.find(id)).toBeUndefined();
      if (isForked) {
        const fork = await there.open(`f-${index}`);
        expect(await textsOf(fork)).toEqual(index % 2 ? ["inherited"] : []);
        outcomes.forked += 1;
      } else {
        expect(await store.find([id, `f-${index}`])).toEqual([undefined, undefined]);
        outcomes.refused += 1;
      }
    }
    expect(outcomes.forked + outcomes.refused).toBe(25);
  },
);

onStores(
  "a fork of what is deleted or erased while it is forked is undone",
  async ({ sessions, elsewhere, store }) => {
    const there = elsewhere();
    for (const [index, end] of [
      () => there.delete("s"),
      () => there.erase("s"),
      // What is left of the history goes too: a part that the fork would inherit.
      () => there.erase("root"),
    ].entries()) {
      const root = await there.create({ id: "root", messages: [user("1")] });
      await root.fork({ id: "s" });
      let isForking = false;
      const slow: SessionStore = Object.assign(Object.create(store), {
        async commit(commits: Parameters<SessionStore["commit"]>[0]) {
          if (isForking) {
            isForking = false;
            await end();
          }
          return store.commit(commits);
        },
      });
      const session = await sessions({ store: slow }).open("s");
      isForking = true;
      const error = await refusal(
        session.fork({ id: "late" }),
        index < 2 ? "SESSION_DELETED" : "VERSION_CONFLICT",
      );
      expect(error.message).toContain("there is no fork");
      expect(await store.find(["late"])).toEqual([undefined]);
      if (index < 2) await there.delete("root");
      else expect(await textsOf(await session.fork({ id: "again" }))).toEqual([]);
      await there.delete("again");
      await there.delete("s");
      expect(await collect(there.all())).toEqual([]);
    }
  },
);

onStores("a child has a log of its own, and its parent's user", async ({ sessions }) => {
  const all = sessions();
  const session = await all.create({
    id: "s",
    userId: "u",
    agent: "main",
    messages: [user("not inherited")],
  });
  const child = await session.spawn({ agent: "researcher", label: "Look it up", id: "c" });
  expect(child.record).toMatchObject({
    kind: "child",
    parentId: "s",
    userId: "u",
    agent: "researcher",
    label: "Look it up",
    lineage: [],
    messageCount: 0,
  });
  await child.append(user("own"));
  expect(await textsOf(child)).toEqual(["own"]);
  const second = await child.spawn();
  expect([second.record.parentId, second.record.agent]).toEqual(
    ["c", "main"].map((_, index) => (index ? "researcher" : "c")),
  );
  expect((await all.list({ parentId: "s" })).items.map(({ id }) => id)).toEqual(["c"]);
  expect((await all.list({ kind: "child" })).items).toHaveLength(2);
  await all.delete("s");
  await refusal(session.spawn(), "SESSION_DELETED");
});

onStores("reset completes the session and gives a new one", async ({ sessions, store }) => {
  const all = sessions();
  const session = await all.create({
    id: "s",
    userId: "u",
    agent: "a",
    label: "L",
    metadata: { m: 1 },
    data: { x: 1 },
    messages: [user("old")],
  });
  const fresh = await session.reset();
  expect(session.status).toBe("completed");
  expect(fresh.record).toMatchObject({
    kind: "session",
    userId: "u",
    agent: "a",
    metadata: { m: 1 },
    data: {},
    messageCount: 0,
    status: "active",
    lineage: [],
  });
  expect(fresh.label).toBeUndefined();
  expect(await textsOf(fresh)).toEqual([]);
  const kept = await session.reset({ preserveHistory: true });
  expect(kept.record).toMatchObject({ kind: "fork", parentId: "s", label: "L", data: {}, messageCount: 1 });
  expect(await textsOf(kept)).toEqual(["old"]);
  await all.delete("s");
  expect(await textsOf(kept)).toEqual(["old"]);
  await all.delete(kept.id);
  expect(await ownLog(store, "s")).toEqual([]);
  const held = await sessions({ autoSave: false }).create({ id: "h" });
  await held.append(user("waits"));
  expect(await textsOf(await held.reset({ preserveHistory: true }))).toEqual(["waits"]);
  expect([held.pending, held.status]).toEqual([0, "completed"]);
});

onStores("an id that was used in what is inherited can be used again", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", label: "l" });
  await session.append(user("parent's"), { ids: ["m"] });
  const fork = await session.fork();
  await fork.append(user("own"), { ids: ["m"] });
  expect(await textsOf(fork)).toEqual(["parent's", "own"]);
  // The newest is meant.
  await fork.revise("m", user("revised"));
  expect(await textsOf(fork)).toEqual(["parent's", "revised"]);
  await fork.removeMessage("m");
  await fork.removeMessage("m");
  expect(await textsOf(fork)).toEqual([]);
  expect(fork.record.messageCount).toBe(0);
});

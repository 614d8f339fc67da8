/**
 * Appending: one atomic commit, in order, safe to repeat.
 */
import { expect } from "vitest";
import { assistant, onStores, ownLog, range, refusal, textsOf, user } from "./support.ts";

onStores("100 appends in one tick are stored in order in a few commits", async ({ sessions }) => {
  const all = sessions();
  let commits = 0;
  const session = await all.create({ id: "s", label: "l" });
  all.on("saved", () => {
    commits += 1;
  });
  const results = await Promise.all(range(100).map((index) => session.append(user(`${index}`))));
  expect(await textsOf(session)).toEqual(range(100).map(String));
  expect(commits).toBeLessThanOrEqual(3);
  expect(session.record.version).toBeLessThanOrEqual(4);
  expect(results.map(({ ids }) => ids[0])).toEqual(results.map(({ seq }) => `#${seq}`));
  expect(new Set(results.map(({ seq }) => seq)).size).toBe(100);
  expect(session.record.messageCount).toBe(100);
});

onStores(
  "the messages of one call follow each other, whatever is appended at the same time",
  async ({ sessions }) => {
    const session = await sessions().create();
    await Promise.all(
      range(10).map((call) => session.append(range(5).map((index) => user(`${call}.${index}`)))),
    );
    expect(await textsOf(session)).toEqual(
      range(10).flatMap((call) => range(5).map((index) => `${call}.${index}`)),
    );
  },
);

onStores("ids are the caller's, else the message's own, else the position", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  const own = { ...user("own"), id: "own-id" };
  const { ids, version, duplicate } = await session.append([user("a"), own, user("c")]);
  expect({ ids, version, duplicate }).toEqual({ ids: ["#2", "own-id", "#4"], version: 2, duplicate: false });
  const given = await session.append([user("d"), own], { ids: ["d-id", "another"] });
  expect(given.ids).toEqual(["d-id", "another"]);
  const stream = [];
  for await (const { id, message } of session.stream()) stream.push([id, message.content]);
  expect(stream).toEqual([
    [ids[0], "a"],
    ["own-id", "own"],
    [ids[2], "c"],
    ["d-id", "d"],
    ["another", "own"],
  ]);
  // The message is stored as it was given, with its own id in it.
  expect((await session.messages())[1]).toEqual(own);
});

onStores(
  "appending an id again with the same content changes nothing, with other content is refused",
  async ({ sessions, store }) => {
    const session = await sessions().create({ id: "s" });
    const first = await session.append([user("a"), user("b")], { ids: ["a", "b"] });
    const before = await ownLog(store, "s");
    const again = await session.append([user("a"), user("b")], { ids: ["a", "b"] });
    expect(again).toEqual({ ...first, ids: ["a", "b"], duplicate: true, seq: again.seq });
    expect(await ownLog(store, "s")).toEqual(before);
    await refusal(session.append([user("a"), user("other")], { ids: ["a", "b"] }), "DUPLICATE_ENTRY");
    expect(await ownLog(store, "s")).toEqual(before);
  },
);

onStores("of a call that is partly repeated, only what is new is stored", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  await session.append([user("a"), user("b")], { ids: ["a", "b"] });
  const more = await session.append([user("b"), user("c"), user("d")], { ids: ["b", "c", "d"] });
  expect(more).toMatchObject({ ids: ["b", "c", "d"], duplicate: false });
  expect(await textsOf(session)).toEqual(["a", "b", "c", "d"]);
});

onStores(
  "repeating 1,000 messages by id costs a few reads, not one a message",
  async ({ sessions, store }) => {
    const session = await sessions().create({ id: "s", label: "l" });
    const messages = range(1000).map((index) => user(`${index}`));
    const ids = range(1000).map((index) => `m-${index}`);
    await session.append(messages, { ids });
    let reads = 0;
    const counted = Object.assign(Object.create(store), {
      read: (...args: Parameters<typeof store.read>) => {
        reads += 1;
        return store.read(...args);
      },
    });
    const again = await (await sessions({ store: counted }).open("s")).append(messages, { ids });
    expect(again).toMatchObject({ duplicate: true, version: 2 });
    expect(again.ids).toEqual(ids);
    expect(reads).toBeLessThan(10);
    expect(session.record.messageCount).toBe(1000);
  },
);

onStores("an operation that is repeated gives its first result", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s" });
  const known = { ...user("known"), id: "known" };
  await session.append(known);
  const operation = { operationId: "op-1", usage: { inputTokens: 7, outputTokens: 1 } };
  const messages = [user("one"), known, assistant("two")];
  const first = await session.append(messages, operation);
  await session.append(user("later"));
  const results = [
    await session.append(messages, operation),
    await (await elsewhere().open("s")).append(messages, operation),
  ];
  for (const again of results) expect(again).toEqual({ ...first, duplicate: true });
  expect(await textsOf(session)).toEqual(["known", "one", "two", "later"]);
  expect((await session.refresh()).usage).toEqual({ inputTokens: 7, outputTokens: 1, totalTokens: 8 });
});

onStores("an operation that is repeated in the same tick takes place once", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  const results = await Promise.all(
    range(5).map(() =>
      session.append([user("a"), user("b")], { operationId: "op", usage: { inputTokens: 1 } }),
    ),
  );
  expect(results[0]?.ids).toHaveLength(2);
  for (const { ids, seq } of results)
    expect({ ids, seq }).toEqual({ ids: results[0]?.ids, seq: results[0]?.seq });
  expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
  expect(await textsOf(session)).toEqual(["a", "b"]);
  expect(session.usage.inputTokens).toBe(1);
});

onStores("an operation id with other content is refused", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  await session.append(user("a"), { operationId: "op" });
  await refusal(session.append(user("b"), { operationId: "op" }), "DUPLICATE_ENTRY");
  await refusal(
    session.append(user("a"), { operationId: "op", usage: { inputTokens: 1 } }),
    "DUPLICATE_ENTRY",
  );
  await refusal(session.append([user("x"), user("y")], { ids: ["op", "y"] }), "DUPLICATE_ENTRY");
  expect(await textsOf(session)).toEqual(["a"]);
});

onStores("an operation that was rewound and is repeated did take place", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  const { seq } = await session.append(user("kept"));
  const first = await session.append(user("gone"), { operationId: "op" });
  await session.rewind(seq);
  expect(await session.append(user("gone"), { operationId: "op" })).toEqual({ ...first, duplicate: true });
  expect(await textsOf(session)).toEqual(["kept"]);
});

onStores("of two that name the same version, exactly one wins", async ({ sessions, elsewhere }) => {
  const here = await sessions().create({ id: "s" });
  const there = await elsewhere().open("s");
  const { version } = here.record;
  const outcomes = await Promise.allSettled([
    here.append(user("here"), { expectedVersion: version }),
    here.append(user("here too"), { expectedVersion: version }),
    there.append(user("there"), { expectedVersion: version }),
  ]);
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected")
      expect(outcome.reason).toMatchObject({ code: "VERSION_CONFLICT", retryable: false });
  }
  expect(await here.messages()).toHaveLength(1);
});

onStores("a version that was read elsewhere is known here too", async ({ sessions, elsewhere }) => {
  const here = await sessions().create({ id: "s" });
  const there = await elsewhere().open("s");
  const { version } = await there.append(user("there"));
  await here.append(user("here"), { expectedVersion: version });
  await refusal(here.append(user("late"), { expectedVersion: version }), "VERSION_CONFLICT");
  await refusal(here.append(user("never"), { expectedVersion: 99 }), "VERSION_CONFLICT");
  expect(await textsOf(here)).toEqual(["there", "here"]);
});

onStores(
  "a retry after a success is no conflict, though it names the version before",
  async ({ sessions }) => {
    const session = await sessions().create({ id: "s" });
    const { version } = session.record;
    const options = { expectedVersion: version, operationId: "op" };
    const first = await session.append(user("a"), options);
    await session.append(user("b"));
    expect(await session.append(user("a"), options)).toEqual({ ...first, duplicate: true });
    expect(await session.append(user("b"), { ids: ["b"] })).toMatchObject({ duplicate: false });
    expect(await session.append(user("b"), { ids: ["b"], expectedVersion: version })).toMatchObject({
      duplicate: true,
    });
    await refusal(session.append(user("c"), { ids: ["c"], expectedVersion: version }), "VERSION_CONFLICT");
    await refusal(
      session.append([user("b"), user("c")], { ids: ["b", "c"], expectedVersion: version }),
      "VERSION_CONFLICT",
    );
    expect(await textsOf(session)).toEqual(["a", "b", "b"]);
  },
);

onStores("what a caller does to a message afterwards reaches nothing", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s" });
  const message = { role: "user" as const, content: [{ type: "text", text: "before" }] };
  const pending = session.append(message);
  message.content[0] = { type: "text", text: "after" };
  message.content.push({ type: "text", text: "more" });
  await pending;
  const expected = [{ role: "user", content: [{ type: "text", text: "before" }] }];
  const read = await session.messages();
  expect(read).toEqual(expected);
  // What was read is the caller's own.
  Object.assign(read[0] ?? {}, { content: "changed" });
  expect(await session.messages()).toEqual(expected);
  expect(await (await elsewhere().open("s")).messages()).toEqual(expected);
});

onStores("usage is counted once, with the messages that it came with", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  const usage = { inputTokens: 10, outputTokens: 2, cachedInputTokens: 4, costUsd: 0.5 };
  for (let times = 0; times < 3; times += 1) {
    await session.append(assistant("a"), { ids: ["a"], usage });
    await session.addUsage({ inputTokens: 1, reasoningTokens: 3 }, { operationId: "u-1" });
  }
  expect(session.usage).toEqual({
    inputTokens: 11,
    outputTokens: 2,
    totalTokens: 13,
    cachedInputTokens: 4,
    reasoningTokens: 3,
    costUsd: 0.5,
  });
  await refusal(session.addUsage({ inputTokens: 2 }, { operationId: "u-1" }), "DUPLICATE_ENTRY");
  await session.addUsage({ totalTokens: 5 });
  expect(session.usage.totalTokens).toBe(18);
});

onStores("a call with no messages writes nothing", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  expect(await session.append([])).toMatchObject({ version: 1, ids: [], duplicate: false });
  expect(session.record.version).toBe(1);
});

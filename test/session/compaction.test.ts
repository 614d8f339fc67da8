/**
 * Compaction: a summary stands for messages in what a model is sent, and nowhere else.
 */
import { expect } from "vitest";
import { assistant, collect, onStores, range, refusal, textsOf, user } from "./support.ts";

const contentsOf = (messages: readonly { content: unknown }[]): unknown[] =>
  messages.map(({ content }) => content);

onStores(
  "a summary stands for the messages in context; the originals stay",
  async ({ sessions, elsewhere }) => {
    const session = await sessions().create({
      id: "s",
      label: "l",
      messages: [{ role: "system", content: "rules" }, ...range(10).map((index) => user(`${index}`))],
    });
    const seen: unknown[] = [];
    const result = await session.compact({
      keepLast: 3,
      summarize: async (messages) => {
        seen.push(...contentsOf(messages));
        return assistant("summary of 0 to 6");
      },
    });
    expect(seen).toEqual(range(7).map(String));
    expect(result).toMatchObject({ version: 2, duplicate: false });
    expect(contentsOf(await session.context())).toEqual(["rules", "summary of 0 to 6", "7", "8", "9"]);
    expect(contentsOf(await session.context({ lastMessages: 1 }))).toEqual([
      "rules",
      "summary of 0 to 6",
      "9",
    ]);
    expect(await textsOf(session)).toEqual(["rules", ...range(10).map(String)]);
    expect(session.record).toMatchObject({ messageCount: 11, compactedUpTo: 9 });
    expect(contentsOf(await (await elsewhere().open("s")).context())).toEqual([
      "rules",
      "summary of 0 to 6",
      "7",
      "8",
      "9",
    ]);
  },
);

onStores("a second compaction builds on the first", async ({ sessions }) => {
  const session = await sessions().create({
    id: "s",
    label: "l",
    messages: range(4).map((index) => user(`${index}`)),
  });
  await session.compact({ summarize: async () => [user("sum 1"), assistant("ok")] });
  await session.append(range(4).map((index) => user(`${index + 4}`)));
  const seen: unknown[] = [];
  await session.compact({
    keepLast: 1,
    summarize: async (messages) => {
      seen.push(...contentsOf(messages));
      return user("sum 2");
    },
  });
  expect(seen).toEqual(["sum 1", "ok", "4", "5", "6"]);
  expect(contentsOf(await session.context())).toEqual(["sum 2", "7"]);
  const { version } = session.record;
  await session.compact({
    keepLast: 5,
    summarize: async () => {
      throw new Error("there is nothing to summarize");
    },
  });
  expect(session.record.version).toBe(version);
});

onStores("a summarizer that fails loses nothing", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", messages: [user("a"), user("b")] });
  const { version } = session.record;
  const failure = new Error("the model is out");
  await expect(session.compact({ summarize: () => Promise.reject(failure) })).rejects.toBe(failure);
  await refusal(session.compact({ summarize: async () => JSON.parse('"text"') }), "INVALID_ARGUMENT");
  await refusal(session.compact({ summarize: async () => JSON.parse("null") }), "INVALID_ARGUMENT");
  expect(session.record.version).toBe(version);
  expect(contentsOf(await session.context())).toEqual(["a", "b"]);
});

onStores("what is appended while the summary is made stays behind it", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s", messages: [user("a"), user("b")] });
  const there = await elsewhere().open("s");
  await session.compact({
    async summarize() {
      await there.append(user("meanwhile"));
      await there.revise("#2", user("A"));
      return user("sum");
    },
  });
  expect(contentsOf(await session.context())).toEqual(["sum", "meanwhile"]);
  expect(await textsOf(session)).toEqual(["A", "b", "meanwhile"]);
});

onStores(
  "a rewind or clear while the summary is made is a conflict, unless it leaves what is summed up",
  async ({ sessions, elsewhere }) => {
    const session = await sessions().create({
      id: "s",
      label: "l",
      messages: range(4).map((index) => user(`${index}`)),
    });
    const there = await elsewhere().open("s");
    const compactDuring = (change: () => Promise<unknown>, keepLast: number): Promise<unknown> =>
      session.compact({
        keepLast,
        async summarize() {
          await change();
          return user("sum");
        },
      });
    await compactDuring(() => there.rewind(4), 2);
    expect(contentsOf(await session.context())).toEqual(["sum", "2"]);
    const error = await refusal(
      compactDuring(() => there.rewind(3), 0),
      "VERSION_CONFLICT",
    );
    expect(error.sessionId).toBe("s");
    expect(await textsOf(session)).toEqual(["0", "1"]);
    await refusal(
      compactDuring(() => there.clearMessages(), 0),
      "VERSION_CONFLICT",
    );
    expect(await session.context()).toEqual([]);
  },
);

onStores("a compaction is undone with the rewind or clear that goes behind it", async ({ sessions }) => {
  const session = await sessions().create({
    id: "s",
    label: "l",
    messages: range(4).map((index) => user(`${index}`)),
  });
  await session.compact({ summarize: async () => user("sum") });
  await session.append(user("4"));
  expect(contentsOf(await session.context())).toEqual(["sum", "4"]);
  await session.rewind(4);
  expect(session.record.compactedUpTo).toBeUndefined();
  expect(contentsOf(await session.context())).toEqual(["0", "1", "2"]);
  await session.compact({ keepLast: 1, summarize: async () => user("sum again") });
  expect(contentsOf(await session.context())).toEqual(["sum again", "2"]);
  await session.clearMessages();
  await session.append(user("new"));
  expect(contentsOf(await session.context())).toEqual(["new"]);
});

onStores("a summary never parts a call from its results", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", label: "l" });
  const call = {
    role: "assistant" as const,
    content: [{ type: "tool-call", toolCallId: "c", toolName: "t", input: {} }],
  };
  const result = {
    role: "tool" as const,
    content: [{ type: "tool-result", toolCallId: "c", toolName: "t", output: { type: "text", value: "r" } }],
  };
  await session.append([user("q"), call, result, assistant("a")]);
  await session.compact({ keepLast: 2, summarize: async () => user("sum") });
  expect(await session.context()).toEqual([user("sum"), call, result, assistant("a")]);
});

onStores("a fork takes the summary along", async ({ sessions }) => {
  const session = await sessions().create({
    id: "s",
    label: "l",
    messages: range(4).map((index) => user(`${index}`)),
  });
  await session.compact({ keepLast: 1, summarize: async () => user("sum") });
  const fork = await session.fork();
  await fork.append(user("on"));
  expect(contentsOf(await fork.context())).toEqual(["sum", "3", "on"]);
  const earlier = await session.fork({ at: 5 });
  expect(contentsOf(await earlier.context())).toEqual(["0", "1", "2", "3"]);
  expect(await collect(fork.entries({ types: ["history.compacted"] }))).toHaveLength(1);
});

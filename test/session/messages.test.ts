/**
 * Reading and changing messages.
 */
import { expect } from "vitest";
import type { Message } from "../../src/session/types.ts";
import { assistant, collect, onStores, ownLog, range, refusal, textsOf, user } from "./support.ts";

onStores(
  "a revised message stays in its place, and the old one in the log",
  async ({ sessions, elsewhere, store }) => {
    const session = await sessions().create({
      id: "s",
      label: "l",
      messages: [user("a"), user("b"), user("c")],
    });
    const revised = await session.revise("#3", user("B"));
    expect(revised).toEqual({ version: 2, seq: 5, ids: ["#3"], duplicate: false });
    await session.revise("#3", user("BB"));
    expect(await textsOf(session)).toEqual(["a", "BB", "c"]);
    expect(await textsOf(await elsewhere().open("s"))).toEqual(["a", "BB", "c"]);
    expect(session.record.messageCount).toBe(3);
    const log = await ownLog(store, "s");
    expect(log[2]).toMatchObject({ type: "message", data: { message: user("b") } });
    expect((await collect(session.stream())).map(({ id, seq }) => [id, seq])).toEqual([
      ["#2", 2],
      ["#3", 3],
      ["#4", 4],
    ]);
  },
);

onStores(
  "a removed message is gone from the conversation, and can be neither revised nor removed again",
  async ({ sessions, store }) => {
    const session = await sessions().create({ id: "s", label: "l", messages: [user("a"), user("b")] });
    await session.append(user("c"), { ids: ["c"] });
    expect(await session.removeMessage("c")).toMatchObject({ ids: ["c"], seq: 5 });
    await session.removeMessage("#2");
    expect(await textsOf(session)).toEqual(["b"]);
    expect(session.record.messageCount).toBe(1);
    await refusal(session.removeMessage("c"), "INVALID_ARGUMENT");
    await refusal(session.revise("#2", user("x")), "INVALID_ARGUMENT");
    const outcomes = await Promise.allSettled([session.removeMessage("#3"), session.removeMessage("#3")]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(session.record.messageCount).toBe(0);
    expect((await ownLog(store, "s")).filter(({ type }) => type === "message")).toHaveLength(3);
  },
);

onStores("setMessages touches only what differs", async ({ sessions, store }) => {
  const session = await sessions().create({ id: "s", label: "l", messages: ["a", "b", "c", "d"].map(user) });
  const types = async (): Promise<string[]> => {
    const log = await ownLog(store, "s");
    return log.slice(log.findLastIndex(({ commit }) => commit !== undefined)).map(({ type }) => type);
  };
  const same = await session.setMessages(["a", "b", "c", "d"].map(user));
  expect([same.version, session.record.version]).toEqual([1, 1]);
  await session.setMessages(["a", "b", "c", "d", "e"].map(user));
  expect(await types()).toEqual(["message"]);
  await session.setMessages(["a", "b", "C", "d", "e"].map(user));
  expect(await types()).toEqual(["message.revised"]);
  await session.setMessages(["a", "d", "e"].map(user));
  expect(await types()).toEqual(["message.removed", "message.removed"]);
  await session.setMessages(["x", "a", "e"].map(user));
  expect(await textsOf(session)).toEqual(["x", "a", "e"]);
  await session.setMessages([]);
  expect(await textsOf(session)).toEqual([]);
  expect(session.record.messageCount).toBe(0);
});

onStores("setMessages labels a session as append does", async ({ sessions }) => {
  const session = await sessions().create();
  await session.setMessages([assistant("hello"), user("Book a flight to Rome")]);
  expect(session.label).toBe("Book a flight to Rome");
  await session.setMessages([user("something else")]);
  expect(session.label).toBe("Book a flight to Rome");
});

onStores("messages may come back by setMessages after a clear, with their own ids", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  const own = (text: string): Message & { id: string } => ({ ...user(text), id: `id-${text}` });
  await session.setMessages([own("a"), own("b")]);
  await session.clearMessages();
  expect(await textsOf(session)).toEqual([]);
  await session.setMessages([own("a"), own("b"), own("c")]);
  expect(await textsOf(session)).toEqual(["a", "b", "c"]);
  await session.setMessages([own("c")]);
  await session.setMessages([own("c"), own("a")]);
  expect(await textsOf(session)).toEqual(["c", "a"]);
  await Promise.all([session.append(own("z")), session.clearMessages(), session.setMessages([own("z")])]);
  expect(await textsOf(session)).toEqual(["z"]);
  expect(session.record.messageCount).toBe(1);
});

onStores(
  "two setMessages at once end with one of the two, not with a mix",
  async ({ sessions, elsewhere }) => {
    const here = await sessions().create({ id: "s" });
    const there = await elsewhere().open("s");
    await Promise.all([here.setMessages(["a", "b"].map(user)), there.setMessages(["c", "d", "e"].map(user))]);
    expect([
      ["a", "b"],
      ["c", "d", "e"],
    ]).toContainEqual(await textsOf(here));
  },
);

onStores("clearMessages hides them all at once, and nothing else", async ({ sessions, store }) => {
  const session = await sessions().create({ id: "s", data: { kept: 1 }, messages: [user("a"), user("b")] });
  await session.clearMessages();
  expect(session.record).toMatchObject({ messageCount: 0, data: { kept: 1 } });
  const { version } = session.record;
  await session.clearMessages();
  expect(session.record.version).toBe(version);
  await session.append(user("c"));
  expect(await textsOf(session)).toEqual(["c"]);
  expect((await ownLog(store, "s")).filter(({ type }) => type === "message")).toHaveLength(3);
});

onStores("a range of messages is read by position, or from the end", async ({ sessions }) => {
  const session = await sessions().create({
    id: "s",
    label: "l",
    messages: range(20).map((index) => user(`${index}`)),
  });
  const texts = async (asked: Parameters<typeof session.messages>[0]): Promise<unknown[]> =>
    (await session.messages(asked)).map(({ content }) => content);
  expect(await texts({ last: 3 })).toEqual(["17", "18", "19"]);
  expect(await texts({ last: 0 })).toEqual([]);
  expect(await texts({ last: 100 })).toHaveLength(20);
  expect(await texts({ after: 19 })).toEqual(["18", "19"]);
  expect(await texts({ upTo: 3 })).toEqual(["0", "1"]);
  expect(await texts({ after: 3, upTo: 5 })).toEqual(["2", "3"]);
  expect(await texts({ last: 2, upTo: 5 })).toEqual(["2", "3"]);
  expect(await texts({ after: 99 })).toEqual([]);
  expect(
    (await collect(session.stream({ after: 3, upTo: 5 }))).map(({ message }) => message.content),
  ).toEqual(["2", "3"]);
  // A message reads as it does now, whatever the range.
  await session.revise("#4", user("revised"));
  await session.removeMessage("#5");
  expect(await texts({ after: 3, upTo: 6 })).toEqual(["revised", "4"]);
  expect(
    (await collect(session.stream({ after: 3, upTo: 6 }))).map(({ message }) => message.content),
  ).toEqual(["revised", "4"]);
});

onStores("a long conversation is read in pages, forwards and backwards", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", label: "l" });
  await session.append(range(1234).map((index) => user(`${index}`)));
  for (const index of range(5)) await session.revise(`#${2 + index * 300}`, user(`revised ${index}`));
  const expected = range(1234).map((index) => (index % 300 ? `${index}` : `revised ${index / 300}`));
  expect(await textsOf(session)).toEqual(expected);
  expect((await collect(session.stream())).map(({ message }) => message.content)).toEqual(expected);
  expect((await session.messages({ last: 700 })).map(({ content }) => content)).toEqual(expected.slice(-700));
  const forwards = await collect(session.entries());
  expect(forwards.map(({ seq }) => seq)).toEqual(range(1240).map((index) => index + 1));
  expect((await collect(session.entries({ reverse: true }))).map(({ seq }) => seq)).toEqual(
    forwards.map(({ seq }) => seq).reverse(),
  );
  const some = { types: ["message.revised", "session.created"], after: 0, upTo: 1237 };
  expect((await collect(session.entries(some))).map(({ seq }) => seq)).toEqual([1, 1236, 1237]);
  expect((await collect(session.entries({ ...some, reverse: true }))).map(({ seq }) => seq)).toEqual([
    1237, 1236, 1,
  ]);
  expect(await collect(session.entries(), 3)).toHaveLength(3);
  expect(await collect(session.entries({ reverse: true, after: 1238 }))).toHaveLength(2);
});

onStores(
  "context is a window of whole messages, and keeps the system message that opens it",
  async ({ sessions }) => {
    const session = await sessions().create({ id: "s", label: "l" });
    await session.append({ role: "system", content: "be kind" });
    for (const index of range(6))
      await session.append([user(`question ${index}`), assistant(`answer ${index}`)]);
    const texts = async (options?: Parameters<typeof session.context>[0]): Promise<unknown[]> =>
      (await session.context(options)).map(({ content }) => content);
    expect(await texts()).toHaveLength(13);
    expect(await texts({ lastMessages: 4 })).toEqual([
      "be kind",
      "question 4",
      "answer 4",
      "question 5",
      "answer 5",
    ]);
    expect(await texts({ lastTurns: 1 })).toEqual(["be kind", "question 5", "answer 5"]);
    const countTokens = ({ content }: Message): number =>
      typeof content === "string" ? content.split(" ").length : 0;
    expect(await texts({ maxTokens: 6, countTokens })).toEqual(["be kind", "question 5", "answer 5"]);
    expect(await texts({ maxTokens: 6, lastTurns: 5, countTokens })).toEqual([
      "be kind",
      "question 5",
      "answer 5",
    ]);
    expect(await texts({ lastMessages: 100 })).toEqual(await texts());
    // The default count is rough, but it counts.
    expect((await texts({ maxTokens: 60 })).length).toBeLessThan(8);
  },
);

onStores("the system message that opens a conversation after a clear is kept too", async ({ sessions }) => {
  const session = await sessions().create({ id: "s", label: "l" });
  await session.append([{ role: "system", content: "old" }, ...range(30).map((index) => user(`${index}`))]);
  await session.clearMessages();
  await session.append([{ role: "system", content: "new" }, ...range(30).map((index) => user(`${index}`))]);
  const context = await session.context({ lastMessages: 2 });
  expect(context.map(({ content }) => content)).toEqual(["new", "28", "29"]);
});

onStores("context answers calls that a crash left, in the view only", async ({ sessions, store }) => {
  const session = await sessions().create({ id: "s", label: "l" });
  const call: Message = {
    role: "assistant",
    content: [{ type: "tool-call", toolCallId: "c1", toolName: "weather", input: {} }],
  };
  await session.append([user("how is it?"), call]);
  const before = await ownLog(store, "s");
  const [, , answer, ...none] = await session.context();
  expect(none).toEqual([]);
  expect(answer).toMatchObject({ role: "tool", content: [{ type: "tool-result", toolCallId: "c1" }] });
  expect(await session.context({ repair: false })).toHaveLength(2);
  expect(await session.messages()).toHaveLength(2);
  expect(await ownLog(store, "s")).toEqual(before);
  // The real result, though late, takes its place.
  await session.append([
    user("hello?"),
    {
      role: "tool",
      content: [
        {
          type: "tool-result",
          toolCallId: "c1",
          toolName: "weather",
          output: { type: "text", value: "sun" },
        },
      ],
    },
  ]);
  expect((await session.context())[2]).toMatchObject({ content: [{ output: { value: "sun" } }] });
});

/**
 * Labels: explicit ones win, automatic ones come once.
 */
import { expect } from "vitest";
import { assistant, onStores, refusal, user } from "./support.ts";

onStores("a session is labelled once, by the first words of its user", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s" });
  await session.append([assistant("Hi, how can I help?"), { role: "user", content: "" }]);
  expect(session.label).toBeUndefined();
  await session.append({ role: "user", content: [{ type: "text", text: "Book a\nflight to Rome" }] });
  expect(session.label).toBe("Book a flight to Rome");
  await session.append(user("no, a hotel"));
  expect(session.label).toBe("Book a flight to Rome");
  expect((await elsewhere().open("s")).label).toBe("Book a flight to Rome");
});

onStores("a label that is given wins, before and after", async ({ sessions }) => {
  const all = sessions();
  const named = await all.create({ label: "Mine", messages: [user("other words")] });
  await named.append(user("and more"));
  expect(named.label).toBe("Mine");
  const later = await all.create({ messages: [user("first words")] });
  expect(later.label).toBe("first words");
  await later.rename("Renamed");
  await later.append(user("and more"));
  expect(later.label).toBe("Renamed");
});

onStores("labels can be made by a function, or not at all", async ({ sessions }) => {
  const texts: string[] = [];
  const autoLabel = (text: string): string => {
    texts.push(text);
    return `About: ${text}`;
  };
  const session = await sessions({ autoLabel }).create();
  await session.append(user("cats"));
  await session.append(user("dogs"));
  expect([session.label, texts]).toEqual(["About: cats", ["cats"]]);
  const none = await sessions({ autoLabel: false }).create({ messages: [user("cats")] });
  await none.append(user("dogs"));
  await none.setMessages([user("birds")]);
  expect(none.label).toBeUndefined();
  await refusal(sessions({ autoLabel: () => "" }).create({ messages: [user("x")] }), "INVALID_ARGUMENT");
});

onStores("a fork keeps its own label", async ({ sessions }) => {
  const session = await sessions().create({ messages: [user("the original")] });
  const fork = await session.fork();
  const named = await session.fork({ label: "a branch" });
  expect([fork.label, named.label]).toEqual(["the original", "a branch"]);
  await fork.rename("mine");
  await session.rename("changed");
  expect([session.label, fork.label, named.label]).toEqual(["changed", "mine", "a branch"]);
  const unlabelled = await sessions({ autoLabel: false }).create({ id: "u" });
  const [left, right] = [await unlabelled.fork(), await (await sessions().open("u")).fork()];
  await right.append(user("right words"));
  expect([left.label, right.label, unlabelled.label]).toEqual([undefined, "right words", undefined]);
});

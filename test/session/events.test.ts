/**
 * Events: what is told, and that telling changes nothing.
 */
import { expect } from "vitest";
import type { EventName } from "../../src/session/events.ts";
import { collect, onStores, refusal, sleep, textsOf, user } from "./support.ts";

onStores("what happens to sessions is told in order", async ({ sessions }) => {
  const all = sessions();
  const seen: string[] = [];
  const names: EventName[] = ["created", "loaded", "saved", "forked", "deleted"];
  const offs = names.map((name) =>
    all.on(name, (event) => seen.push(`${name} ${"sessionId" in event ? event.sessionId : ""}`)),
  );
  const session = await all.create({ id: "s", messages: [user("a")] });
  await session.append(user("b"));
  await all.open("s");
  await session.fork({ id: "f" });
  const lines = await collect(all.export("f"));
  await all.delete("f");
  await all.import(lines, { id: "i" });
  expect(seen).toEqual([
    "saved s",
    "created s",
    "saved s",
    "loaded s",
    "saved f",
    "created f",
    "forked f",
    "saved f",
    "deleted f",
    "created i",
    "loaded i",
  ]);
  for (const off of offs) off();
  await session.append(user("c"));
  expect(seen).toHaveLength(11);
});

onStores("an event carries the record, and how many entries were saved", async ({ sessions }) => {
  const all = sessions();
  const saved: unknown[] = [];
  const session = await all.create({ id: "s", label: "l" });
  all.on("saved", ({ record, entries }) => saved.push([record.version, record.messageCount, entries]));
  await session.append([user("a"), user("b")]);
  expect(saved).toEqual([[2, 2, 2]]);
  const forked: unknown[] = [];
  all.on("forked", ({ parentId, record }) => forked.push([parentId, record.kind]));
  await session.fork();
  expect(forked).toEqual([["s", "fork"]]);
});

onStores("a listener that throws, at once or later, changes nothing and is told", async ({ sessions }) => {
  const all = sessions();
  const errors: string[] = [];
  let others = 0;
  all.on("error", ({ operation, error }) => errors.push(`${operation}: ${String(error)}`));
  all.on("saved", () => {
    throw new Error("mine");
  });
  all.on("saved", async () => {
    await sleep(1);
    throw new Error("later");
  });
  all.on("saved", () => {
    others += 1;
  });
  const session = await all.create({ id: "s" });
  await session.append(user("a"));
  await sleep(10);
  expect(others).toBe(2);
  expect(errors.sort()).toEqual(
    Array(2)
      .fill('a listener for "saved": Error: later')
      .concat(Array(2).fill('a listener for "saved": Error: mine')),
  );
  expect(await textsOf(session)).toEqual(["a"]);
});

onStores("a listener may call the sessions, and take itself away", async ({ sessions }) => {
  const all = sessions();
  const off = all.on("created", ({ sessionId }) => {
    off();
    void all.open(sessionId).then((opened) => opened.append(user("from the listener")));
  });
  const session = await all.create({ id: "s" });
  await sleep(20);
  expect(await textsOf(session)).toEqual(["from the listener"]);
  await refusal(all.create({ id: "s" }), "SESSION_EXISTS");
});

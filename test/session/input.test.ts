/**
 * Bad input is refused with its code before anything is written.
 */
import { expect } from "vitest";
import type { Session } from "../../src/session/types.ts";
import type { Given } from "./support.ts";
import { onStores, ownLog, refusal, user } from "./support.ts";

/** What a caller without types may give. */
function untyped<T>(value: unknown): T {
  return (<V>(held: { readonly value: unknown }): V => {
    const box: { value: V } = Object.assign(Object.create(null), held);
    return box.value;
  })<T>({ value });
}

class Point {
  readonly x = 1;
}

const CYCLE: Record<string, unknown> = { role: "user", content: "x" };
CYCLE["self"] = CYCLE;

const BAD_IDS: readonly unknown[] = [
  "",
  "é".repeat(257),
  "x".repeat(513),
  { $ne: null },
  1,
  null,
  ["a"],
  "\ud800",
  true,
];
const BAD_MESSAGES: readonly (readonly [string, unknown])[] = [
  ["a string", "text"],
  ["null", null],
  ["undefined", undefined],
  ["a number", 5],
  ["a list in a list", [["x"]]],
  ["a function", { role: "user", content: () => "x" }],
  ["a symbol", { role: "user", content: Symbol("x") }],
  ["NaN", { role: "user", content: Number.NaN }],
  ["Infinity", { role: "user", content: [{ type: "text", score: Number.POSITIVE_INFINITY }] }],
  ["an invalid Date", { role: "user", at: new Date(Number.NaN) }],
  ["an instance of a class", new Point()],
  ["an instance within", { role: "user", content: [new Point()] }],
  ["a Map", { role: "user", content: new Map() }],
  ["a cycle", CYCLE],
  ["a symbol as key", { role: "user", [Symbol("k")]: 1 }],
  ["a bad one among good ones", [user("good"), { role: "user", content: () => 1 }]],
];

/** Runs calls that must be refused, and checks that nothing was written by any of them. */
async function refusesAll(
  { store }: Given,
  session: Session,
  calls: readonly (readonly [string, () => Promise<unknown>])[],
): Promise<void> {
  const before = await ownLog(store, session.id);
  for (const [what, call] of calls) {
    const error = await refusal(
      call().catch((thrown: unknown) => {
        throw Object.assign(Object(thrown), { what });
      }),
      "INVALID_ARGUMENT",
    );
    expect(error.message.length, what).toBeGreaterThan(10);
  }
  expect(await ownLog(store, session.id)).toEqual(before);
  expect((await session.refresh()).version).toBe(before.filter(({ commit }) => commit !== undefined).length);
}

onStores("an id that is no id is refused everywhere", async (given) => {
  const all = given.sessions();
  const session = await all.create({ id: "s" });
  await refusesAll(
    given,
    session,
    BAD_IDS.flatMap((bad) => {
      const id: string = untyped(bad);
      const name = JSON.stringify(bad);
      return [
        [`create ${name}`, () => all.create({ id })],
        [`open ${name}`, () => all.open(id)],
        [`open or create ${name}`, () => all.open(id, { create: true })],
        [`getOrCreate ${name}`, () => all.getOrCreate(id)],
        [`find ${name}`, () => all.find(id)],
        [`fork ${name}`, () => all.fork(id)],
        [`fork to ${name}`, () => all.fork("s", { id })],
        [`delete ${name}`, () => all.delete(id)],
        [`erase ${name}`, () => all.erase(id)],
        [`user ${name}`, () => all.create({ userId: id })],
        [`agent ${name}`, () => all.create({ agent: id })],
        [`findActive ${name}`, () => all.findActive(id)],
        [`forUser ${name}`, async () => all.forUser(id)],
        [`spawn ${name}`, () => session.spawn({ id })],
        [`message id ${name}`, () => session.append(user("x"), { ids: [id] })],
        [`operation ${name}`, () => session.append(user("x"), { operationId: id })],
        [`slot ${name}`, () => session.setState(id, 1)],
        [`checkpoint ${name}`, () => session.checkpoint(id)],
        [`route ${name}`, () => session.enterRoute({ id })],
        [`turn owner ${name}`, () => session.turn(async () => 1, { owner: id })],
      ] as const;
    }).filter(([what]) => !what.startsWith("getOrCreate undefined")),
  );
  expect(await given.sessions().list()).toMatchObject({ items: [{ id: "s" }] });
});

onStores("a message that can't be stored is refused everywhere", async (given) => {
  const all = given.sessions();
  const session = await all.create({ id: "s" });
  await session.append(user("good"), { ids: ["good"] });
  await refusesAll(
    given,
    session,
    BAD_MESSAGES.flatMap(([what, bad]) => {
      const message: ReturnType<typeof user> = untyped(bad);
      return [
        [`append ${what}`, () => session.append(message)],
        [
          `create with ${what}`,
          () => all.create({ id: "other", messages: untyped(Array.isArray(bad) ? bad : [bad]) }),
        ],
        [`setMessages ${what}`, () => session.setMessages(untyped(Array.isArray(bad) ? bad : [bad]))],
        ...(Array.isArray(bad)
          ? []
          : [[`revise to ${what}`, () => session.revise("good", message)] as const]),
      ] as const;
    }),
  );
  expect(await all.find("other")).toBeUndefined();
  const { message } = await refusal(
    session.append(untyped({ role: "user", content: [{ deep: new Point() }] })),
    "INVALID_ARGUMENT",
  );
  expect(message).toContain("content.0.deep");
  expect(message).toContain("Point");
});

onStores("data, state, metadata, usage and options of the wrong kind are refused", async (given) => {
  const all = given.sessions();
  const session = await all.create({ id: "s" });
  const bad = (value: unknown) => untyped<never>(value);
  await refusesAll(given, session, [
    ["data", () => session.setData(bad("x"))],
    ["data", () => session.setData(bad({ f: () => 1 }))],
    ["data", () => session.replaceData(bad(null))],
    ["metadata", () => session.setMetadata(bad([1]))],
    ["state", () => session.setState("slot", () => 1)],
    ["usage", () => session.addUsage({ inputTokens: -1 })],
    ["usage", () => session.addUsage({ inputTokens: 1.5 })],
    ["usage", () => session.addUsage({ costUsd: Number.NaN })],
    ["usage", () => session.append(user("x"), { usage: bad("much") })],
    ["ids", () => session.append([user("a"), user("b")], { ids: ["only one"] })],
    ["ids", () => session.append([user("a"), user("b")], { ids: ["same", "same"] })],
    ["ids", () => session.append(user("a"), { ids: ["#7"] })],
    ["ids", () => session.append(user("a"), { ids: bad("a") })],
    ["operation", () => session.append(user("a"), { operationId: "#1" })],
    ["version", () => session.append(user("a"), { expectedVersion: -1 })],
    ["version", () => session.append(user("a"), { expectedVersion: bad("1") })],
    ["expiry", () => session.touch({ expiresInMs: 0 })],
    ["expiry", () => all.create({ expiresInMs: Number.POSITIVE_INFINITY })],
    ["lease", () => session.turn(async () => 1, { leaseMs: -5 })],
    ["range", () => session.messages({ last: -1 })],
    ["range", () => session.messages({ after: 1.5 })],
    [
      "range",
      async () => {
        for await (const _entry of session.entries({ upTo: bad("x") })) break;
      },
    ],
    [
      "range",
      async () => {
        for await (const _message of session.stream({ after: -1 })) break;
      },
    ],
    ["window", () => session.context({ lastMessages: 0 })],
    ["rewind", () => session.rewind(99)],
    ["rewind", () => session.rewind("no such checkpoint")],
    ["rewind", () => session.rewind({ messageId: "none" })],
    ["rewind", () => session.rewind(-1)],
    ["fork", () => session.fork({ at: 0 })],
    ["fork", () => session.fork({ at: 99 })],
    ["fork", () => session.fork({ at: { messageId: "none" } })],
    ["revise", () => session.revise("none", user("x"))],
    ["remove", () => session.removeMessage("none")],
    ["remove", () => session.removeMessage(bad(7))],
    ["route", () => session.enterStep({ id: "step" })],
    ["route", () => session.completeRoute()],
    ["route", () => session.completeRoute("never")],
    ["compact", () => session.compact({ summarize: async () => user("s"), keepLast: -1 })],
    ["prune", () => all.prune({ olderThanMs: -1 })],
    ["prune", () => all.prune({ keepLast: 0.5 })],
    ["delete", () => all.delete("s", { heirs: bad("destroy") })],
    ["watch", async () => session.watch({ after: -1 })],
  ]);
  for (const options of [{ dataVersion: 0 }, { leaseMs: 0 }, { dataVersion: 1.5 }]) {
    expect(() => given.sessions(options)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
});

onStores(
  "an entry over the store's limit is refused, and the others of its commit are stored",
  async ({ sessions, store }) => {
    const small = { ...store, capabilities: { ...store.capabilities, maxEntryBytes: 2000 } };
    const session = await sessions({ store: small }).create({ id: "s" });
    const outcomes = await Promise.allSettled([
      session.append(user("a")),
      session.append(user("x".repeat(3000))),
      session.append([user("b"), user("y".repeat(3000))]),
      session.append(user("c")),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected")
        expect(outcome.reason).toMatchObject({ code: "ENTRY_TOO_LARGE", sessionId: "s" });
    }
    expect((await session.messages()).map(({ content }) => content)).toEqual(["a", "c"]);
  },
);

/**
 * A store that fails at each commit of a turn: nothing that was acknowledged is lost, what is left makes sense, the error
 * says what is saved, and the conversation goes on from there, here and in another process.
 */
import { jsonSchema } from "ai";
import { describe, expect, test } from "vitest";
import { createAgent } from "../../src/agent/agent.ts";
import { offlineModel } from "../../src/agent/offline-model.ts";
import type { Agent, AgentEvent, AgentTools } from "../../src/agent/types.ts";
import type { Entry } from "../../src/log/entry.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { toolCallsOf } from "../../src/log/tool-calls.ts";
import { createSessions } from "../../src/session/sessions.ts";
import type { Message } from "../../src/session/types.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { CommitFault } from "./support.ts";
import {
  collect,
  expectAccepted,
  failingStore,
  failureOf,
  inWords,
  refusalOf,
  scriptedModel,
} from "./support.ts";

const inputSchema = jsonSchema<{ n: number }>({ type: "object", properties: { n: { type: "number" } } });
const PROMPT = 'use look {"n":1} and use book {"n":2} then use book {"n":3}';
const ANSWER = "look says: seen 1\nbook says: booked 2\nbook says: booked 3";
/** Two calls side by side, then one more, then the answer. */
const MESSAGES = [
  `user: ${PROMPT}`,
  'assistant: look#call-1{"n":1} book#call-2{"n":2}',
  "tool: #call-1=seen 1",
  "tool: #call-2=booked 2",
  'assistant: book#call-3{"n":3}',
  "tool: #call-3=booked 3",
  `assistant: ${ANSWER}`,
];
/** What of these may come in any order. */
const SIDE_BY_SIDE = MESSAGES.slice(2, 4);
/** What the caller of a run that failed is told is saved, for each of these messages. */
const SAVED = new Map([
  [MESSAGES[0], "the prompt"],
  [MESSAGES[1], "step 1 of the model"],
  [MESSAGES[2], "the result of look"],
  [MESSAGES[3], "the result of book"],
  [MESSAGES[4], "step 2 of the model"],
  [MESSAGES[5], "the result of book"],
]);

/** An agent whose tools say which calls they began; `look` may be repeated, `book` may not. */
function agentOn(store: SessionStore, began: string[], clock = Date.now): Agent {
  const tool = (words: string, idempotent: boolean): AgentTools[string] => ({
    inputSchema,
    idempotent,
    async execute({ n }: { n: number }, { toolCallId }: { toolCallId: string }) {
      began.push(toolCallId);
      return `${words} ${n}`;
    },
  });
  return createAgent({
    name: "test",
    model: offlineModel(),
    sessions: createSessions({ store, clock }),
    tools: { look: tool("seen", true), book: tool("booked", false) },
  });
}

const later = (): number => Date.now() + 3_600_000;

async function entriesIn(store: SessionStore): Promise<Entry[]> {
  return store.read("s", { after: 0, limit: 1000 });
}

function messagesIn(entries: readonly Entry[]): string[] {
  return entries.flatMap(({ type, data }) => (type === "message" ? inWords(Object(data).message) : []));
}

/** How many commits a turn takes on a session that is there; one more where it is not. */
async function commitsOfTurn(): Promise<number> {
  const store = failingStore(memoryStore(), "refused", 0);
  const agent = agentOn(store, []);
  await agent.sessions.create({ id: "s", agent: "test" });
  await agent.run(PROMPT, { sessionId: "s" });
  const entries = await entriesIn(store);
  expect(messagesIn(entries)).toEqual(MESSAGES);
  return store.commits - 1;
}

/** Fails unless `found` are the first of the turn's messages, but for what runs side by side. */
function expectSensible(found: readonly string[]): void {
  const all = found.filter((words) => !SIDE_BY_SIDE.includes(words));
  expect(all).toEqual(MESSAGES.filter((words) => !SIDE_BY_SIDE.includes(words)).slice(0, all.length));
  const beside = found.filter((words) => SIDE_BY_SIDE.includes(words));
  expect(new Set(beside).size).toBe(beside.length);
  if (beside.length > 0) expect(found.slice(2, 2 + beside.length).sort()).toEqual(beside.toSorted());
  if (all.length > 2) expect(beside).toHaveLength(2);
}

const commits = await commitsOfTurn();
const FAULTS: readonly CommitFault[] = ["refused", "down", "dark", "ambiguous"];
const CASES = ["new", "known"].flatMap((session) =>
  FAULTS.flatMap((fault) =>
    Array.from({ length: session === "new" ? commits + 1 : commits }, (_, index) => ({
      session,
      fault,
      at: index + 1,
    })),
  ),
);

describe.each(["here", "elsewhere"])("and the conversation goes on %s", (where) => {
  test.each(CASES)("commit $at of a turn on a $session session: $fault", async ({ session, fault, at }) => {
    const disk = memoryStore();
    const earlier = session === "known" ? ["user: My name is Alice.", expect.any(String)] : [];
    if (session === "known") await agentOn(disk, []).run("My name is Alice.", { sessionId: "s" });
    const before = await entriesIn(disk);

    const began: string[] = [];
    const store = failingStore(disk, fault, at);
    const agent = agentOn(store, began);
    const told: AgentEvent[] = [];
    const outcome = await agent.run(PROMPT, { sessionId: "s", onEvent: (event) => told.push(event) }).then(
      ({ text }) => ({ text }),
      (error: unknown) => ({ error }),
    );
    expect(store.failed).toBeDefined();
    const left = await entriesIn(disk);
    expect(left.slice(0, before.length)).toEqual(before);
    const found = messagesIn(left).slice(earlier.length);
    expectSensible(found);
    for (const event of told) {
      if (event.type === "tool-result") expect(found.join()).toContain(`#${event.toolCallId}=`);
    }

    if (fault === "ambiguous") {
      // Reading shows that it was written, so nobody need know.
      expect(outcome).toEqual({ text: ANSWER });
      expect(began).toEqual(["call-1", "call-2", "call-3"]);
      expect(messagesIn(left).slice(earlier.length)).toHaveLength(MESSAGES.length);
      return;
    }
    const error = "error" in outcome ? outcome.error : undefined;
    if (!HoldfastError.is(error, "STORE_UNAVAILABLE"))
      throw new Error("the failure was not told", { cause: error });
    expect(error).toMatchObject({ store: "memory", retryable: true });
    expect(error.message).toContain("failed as it was told to");
    const saved = / of this turn, saved are: (.*)$/.exec(error.message)?.[1]?.split(", ") ?? [];
    const known = found.flatMap((words) => SAVED.get(words) ?? []);
    // What is written in the dark is there, but nobody can know.
    if (fault === "dark") expect(known).toEqual(expect.arrayContaining(saved));
    else expect(saved.toSorted()).toEqual(known.toSorted());

    store.heal();
    const isThere = left.length > 0;
    const again = where === "here" ? agent : agentOn(disk, began, later);
    const beganBefore = [...began];
    const [record] = await disk.find(["s"]);
    if (record?.turn) {
      const { text } = await again.resume("s");
      const isLost = found.includes(MESSAGES[4] ?? "") && !found.includes(MESSAGES[5] ?? "");
      expect(text).toContain(isLost ? "book failed: The call was interrupted" : "book says: booked 3");
    } else if (isThere) {
      await refusalOf(again.resume("s"), "INVALID_ARGUMENT");
    } else {
      await refusalOf(again.resume("s"), "SESSION_NOT_FOUND");
    }
    const { text } = await again.run("What is my name?", { sessionId: "s" });
    expect(text).toMatch(session === "known" ? /Alice/ : /./);

    const after = await entriesIn(disk);
    expect(after.slice(0, left.length)).toEqual(left);
    expect(after.filter(({ type }) => type === "session.created")).toHaveLength(1);
    expect(messagesIn(after).slice(-2)).toEqual(["user: What is my name?", `assistant: ${text}`]);
    const resumed = await again.sessions.open("s");
    expect(resumed.record.turn).toBeUndefined();
    const context = await resumed.context();
    await expectAccepted(context);
    expectOnce(context, began);

    const ran = began.slice(beganBefore.length);
    const committed = found.flatMap((words) => /^tool: #(call-\d)=/.exec(words)?.[1] ?? []);
    expect(ran.filter((id) => committed.includes(id))).toEqual([]);
    const isLookPending = found.includes(MESSAGES[1] ?? "") && !committed.includes("call-1");
    if (record?.turn && isLookPending) expect(ran).toContain("call-1");
  });
});

/** Fails where a call that may not be repeated was begun twice. */
function expectOnce(context: readonly Message[], began: readonly string[]): void {
  const calls = context.flatMap((message) => toolCallsOf({ ...message }));
  for (const { id, name } of calls) {
    if (name !== "book") continue;
    expect([id, began.filter((one) => one === id).length]).toEqual([id, expect.toBeOneOf([0, 1])]);
  }
}

test("a run that finds an open turn, in place of resume, closes it and gives every call a result", async () => {
  for (let at = 2; at <= commits + 1; at += 1) {
    const disk = memoryStore();
    const began: string[] = [];
    const failure = await failureOf(
      agentOn(failingStore(disk, "dark", at), began).run(PROMPT, { sessionId: "s" }),
    );
    expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE" });
    const found = messagesIn(await entriesIn(disk));
    const agent = agentOn(disk, began, later);
    const { session } = await agent.run("What is my name?", { sessionId: "s" });
    const context = (await session?.context()) ?? [];
    await expectAccepted(context);
    expectOnce(context, began);
    // The results are in the log, not only in what is sent.
    const stored = await collect((session ?? (await agent.sessions.open("s"))).stream());
    expect(stored.map(({ message }) => inWords(message)).slice(0, found.length)).toEqual(found);
    const made = stored.flatMap(({ message }) => toolCallsOf({ ...message }).map(({ id }) => id));
    const results = stored.flatMap(({ message }) => /^tool: #(call-\d)/.exec(inWords(message))?.[1] ?? []);
    expect(results.toSorted()).toEqual(made.toSorted());
  }
});

describe("where the model fails and the store, too", () => {
  const broken = new Error("the line broke");

  test("the part that had come can't be kept: the error is the store's, and says so", async () => {
    const disk = memoryStore();
    const model = scriptedModel([[{ text: "one" }, { breaks: broken }]]);
    const store = failingStore(disk, "refused", 3);
    const agent = createAgent({ name: "test", model, store });
    const error = await refusalOf(agent.run("hello", { sessionId: "s" }), "STORE_UNAVAILABLE");
    expect(error.message).toMatch(/saved are: the prompt$/);
    expect(messagesIn(await entriesIn(disk))).toEqual(["user: hello"]);
  });

  test("the turn can't be closed: it is resumed, and the part is not taken for the answer", async () => {
    const disk = memoryStore();
    const model = scriptedModel([[{ text: "one" }, { breaks: broken }], "one two three"]);
    const store = failingStore(disk, "down", 4);
    const sessions = createSessions({ store });
    const agent = createAgent({ name: "test", model, sessions });
    const errors: unknown[] = [];
    sessions.on("error", ({ operation }) => errors.push(operation));
    expect(await failureOf(agent.run("hello", { sessionId: "s" }))).toBe(broken);
    expect(errors).toEqual(["ending a failed turn"]);
    store.heal();
    const { text, finishReason } = await agent.resume("s");
    expect({ text, finishReason }).toEqual({ text: "one two three", finishReason: "stop" });
    expect(model.calls.at(-1)?.prompt.map(({ role }) => role)).toEqual(["user"]);
    const session = await agent.sessions.open("s");
    expect(messagesIn(await entriesIn(disk))).toEqual([
      "user: hello",
      "assistant: (partial) one",
      "assistant: one two three",
    ]);
    await expectAccepted(await session.context());
  });
});

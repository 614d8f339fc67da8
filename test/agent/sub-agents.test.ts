/** An agent as a tool of another: a child session of its own, found again, paid for once. */
import { tool } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";
import type { Agent, AgentTools } from "../../src/agent/index.ts";
import { createAgent } from "../../src/agent/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { StoreKind } from "../session/support.ts";
import { onStores, textsOf, until, user } from "../session/support.ts";
import type { Line, RecordingModel } from "./feature-support.ts";
import {
  call,
  callMessage,
  calls,
  leaveTurnOpen,
  outputsIn,
  recordingModel,
  typesIn,
} from "./feature-support.ts";

const STORES: readonly StoreKind[] = ["memory", "sqlite"];
const ask = (id: string, prompt: string, name = "research") => call(id, name, { prompt });

/** A chief that may ask a researcher, whose own agent has no store. */
function team(
  store: SessionStore,
  chief: readonly Line[],
  researcher: readonly Line[],
  tools: AgentTools = {},
): { agent: Agent; model: RecordingModel; helper: RecordingModel } {
  const model = recordingModel(...chief);
  const helper = recordingModel(...researcher);
  const research = createAgent({ name: "researcher", model: helper, tools, instructions: "Research." });
  const agent = createAgent({
    name: "chief",
    model,
    store,
    tools: { research: research.asTool({ description: "Finds things out." }) },
  });
  return { agent, model, helper };
}

async function childrenOf({ sessions }: Agent, parentId: string) {
  return (await sessions.list({ parentId })).items;
}

onStores(
  "each call has a child session: found from its parent, with a log of its own",
  async ({ store, connect }) => {
    const { agent, model, helper } = team(
      store,
      [calls(ask("c1", "How old is Oslo?")), "About 1000 years.", calls(ask("c2", "And Rome?")), "Older."],
      ["Oslo was founded in 1040.", "Rome in 753 BC."],
    );
    const { session, sessionId } = await agent.run("Cities?", { sessionId: "s", userId: "ada" });
    expect(sessionId).toBe("s");
    expect(await session?.messages()).toHaveLength(4);
    const elsewhere = team(connect(), [], []).agent;
    const [child, ...none] = await childrenOf(elsewhere, "s");
    expect(none).toEqual([]);
    expect(child).toMatchObject({
      kind: "child",
      parentId: "s",
      userId: "ada",
      agent: "researcher",
      messageCount: 2,
    });
    expect(outputsIn(model, 1).c1).toEqual({
      type: "json",
      value: { text: "Oslo was founded in 1040.", sessionId: child?.id },
    });
    const opened = await elsewhere.sessions.open(child?.id ?? "");
    expect((await textsOf(opened))[0]).toBe("How old is Oslo?");
    expect(helper.heard(0)).toEqual(["user: How old is Oslo?"]);
    expect(helper.system(0)).toBe("Research.");

    // The next call is another child; neither shows among the user's conversations.
    await agent.run("And Rome?", { sessionId: "s" });
    expect(helper.heard(1)).toEqual(["user: And Rome?"]);
    expect(await childrenOf(elsewhere, "s")).toHaveLength(2);
    expect(await elsewhere.sessions.findActive("ada")).toMatchObject({ id: "s" });
  },
  STORES,
);

onStores(
  "its usage is added to its parent's once, with its result",
  async ({ store, connect }) => {
    const { agent } = team(
      store,
      [
        { calls: [ask("c1", "A"), ask("c2", "B")], tokens: [100, 1] },
        { text: "Done.", tokens: [200, 2] },
      ],
      [
        { text: "a", tokens: [1000, 10] },
        { text: "b", tokens: [2000, 20] },
      ],
    );
    const { usage, steps } = await agent.run("Both", { sessionId: "s" });
    expect(usage).toMatchObject({ inputTokens: 3300, outputTokens: 33, totalTokens: 3333 });
    expect(steps.map((step) => step.usage.totalTokens)).toEqual([101, 202]);
    const other = team(connect(), [], []).agent;
    expect((await other.sessions.find("s"))?.usage).toEqual(usage);
    const spent = (await childrenOf(other, "s")).map((child) => child.usage.totalTokens);
    expect(spent.toSorted((one, two) => one - two)).toEqual([1010, 2020]);
  },
  STORES,
);

onStores(
  "checkpoints stand before and after it",
  async ({ store }) => {
    const { agent } = team(store, [calls(ask("c1", "A")), "Done."], ["a"]);
    const { session } = await agent.run("Go", { sessionId: "s" });
    const [child] = await childrenOf(agent, "s");
    const checkpoints = (await session?.checkpoints()) ?? [];
    expect(checkpoints.map(({ name }) => name)).toEqual(["before researcher c1", "after researcher c1"]);
    expect(checkpoints[1]?.metadata).toEqual({ childId: child?.id });
    // Going back to the first one leaves the call without its result.
    await session?.rewind("before researcher c1");
    expect((await session?.messages())?.map(({ role }) => role)).toEqual(["user", "assistant"]);
  },
  STORES,
);

onStores(
  "a failure is the call's result, in the child's log, and paid for",
  async ({ store }) => {
    const { agent, model } = team(
      store,
      [calls(ask("c1", "A")), "It failed."],
      [{ calls: [call("d1", "look")], tokens: [1000, 10] }, { fails: new Error("the library is closed") }],
      { look: tool({ inputSchema: z.object({}), execute: async () => "nothing" }) },
    );
    const { text, usage } = await agent.run("Go", { sessionId: "s" });
    expect(text).toBe("It failed.");
    expect(outputsIn(model, 1).c1).toEqual({
      type: "error-text",
      value: expect.stringContaining("library is closed"),
    });
    const [child] = await childrenOf(agent, "s");
    expect((await typesIn(store, child?.id ?? "")).at(-1)).toBe("turn.ended:failed");
    expect(usage.totalTokens).toBe(15 + 15 + 1010);
    expect((await agent.sessions.find("s"))?.usage).toEqual(usage);
  },
  STORES,
);

onStores(
  "an abort of the parent reaches the child, and is in both logs",
  async ({ store }) => {
    const { promise: never } = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const { agent } = team(
      store,
      [calls(ask("c1", "A"))],
      [
        {
          text: "One two",
          between() {
            begun.resolve();
            return never;
          },
        },
      ],
    );
    const stop = new AbortController();
    const running = agent.run("Go", { sessionId: "s", signal: stop.signal });
    const outcome = expect(running).rejects.toThrow("enough");
    await begun.promise;
    stop.abort(new Error("enough"));
    await outcome;
    expect((await typesIn(store, "s")).at(-1)).toBe("turn.ended:aborted");
    const [child] = await childrenOf(agent, "s");
    const ended = async () => (await typesIn(store, child?.id ?? "")).at(-1);
    await until(async () => String(await ended()).startsWith("turn.ended"));
    expect(await ended()).toBe("turn.ended:aborted");
  },
  STORES,
);

test("a parent that is aborted has paid for what its child had spent, and the child has recorded its end", async () => {
  const store = memoryStore();
  const { promise: never } = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const helper = recordingModel(
    { calls: [call("d1", "look")], tokens: [1000, 10] },
    {
      text: "One two",
      between() {
        begun.resolve();
        return never;
      },
    },
  );
  const tools = { look: tool({ inputSchema: z.object({}), execute: async () => "nothing" }) };
  const research = createAgent({ name: "researcher", model: helper, tools }).asTool({
    description: "Looks.",
  });
  const model = recordingModel(calls(ask("c1", "A")));
  const agent = createAgent({ name: "chief", model, store, tools: { research } });
  const stop = new AbortController();
  const running = agent.run("Go", { sessionId: "s", signal: stop.signal });
  const outcome = expect(running).rejects.toThrow("enough");
  await begun.promise;
  stop.abort(new Error("enough"));
  await outcome;
  const [child] = await childrenOf(agent, "s");
  expect((await typesIn(store, child?.id ?? "")).at(-1)).toBe("turn.ended:aborted");
  expect((await agent.sessions.find("s"))?.usage.totalTokens).toBe(15 + 1010);
});

test("one that gives no result in time is aborted, and what it spent is paid for", async () => {
  const store = memoryStore();
  const { promise: never } = Promise.withResolvers<void>();
  const helper = recordingModel(
    { calls: [call("d1", "look")], tokens: [1000, 10] },
    { text: "One two", between: () => never },
  );
  const tools = { look: tool({ inputSchema: z.object({}), execute: async () => "nothing" }) };
  const research = createAgent({ name: "researcher", model: helper, tools }).asTool({
    description: "Finds out.",
  });
  const model = recordingModel(calls(ask("c1", "A")), "Too slow.");
  const agent = createAgent({
    name: "chief",
    model,
    store,
    tools: { research: { ...research, timeoutMs: 60 } },
  });
  const { usage } = await agent.run("Go", { sessionId: "s" });
  expect(outputsIn(model, 1).c1).toMatchObject({ type: "error-text" });
  const [child] = await childrenOf(agent, "s");
  await until(async () => (await typesIn(store, child?.id ?? "")).at(-1) === "turn.ended:aborted");
  expect(child?.usage.totalTokens).toBe(1010);
  expect(usage.totalTokens).toBe(15 + 15 + 1010);
});

onStores(
  "a crash after the child's end and before its result: the same child is found, not run again, and paid for once",
  async ({ store, connect }) => {
    const prompt = [user("Cities?"), callMessage(ask("c1", "How old is Oslo?"))];
    // A first life: the child ends, and its parent's process dies before the result is committed.
    const first = team(
      store,
      [calls(ask("c1", "How old is Oslo?"))],
      [{ text: "1040.", tokens: [1000, 10] }],
    );
    const sessions = first.agent.sessions;
    const parent = await sessions.create({ id: "s" });
    await leaveTurnOpen(store, "s", prompt);
    const dying = team(store, [{ fails: new Error("killed") }], [{ text: "1040.", tokens: [1000, 10] }]);
    await expect(dying.agent.resume("s")).rejects.toThrow("killed");
    const [child] = await childrenOf(first.agent, "s");
    expect(child?.usage.totalTokens).toBe(1010);
    // As if that had not been committed: back to where the call stood alone, in a turn that is open.
    await parent.refresh();
    const stored = await parent.checkpoints();
    await parent.rewind(stored[0]?.name ?? "");
    const version = (await sessions.find("s"))?.usage.totalTokens ?? 0;
    await leaveTurnOpen(store, "s", []);

    const second = team(connect(), ["About 1000 years."], []);
    const { text, usage } = await second.agent.resume("s");
    expect(text).toBe("About 1000 years.");
    expect(second.helper.sent).toHaveLength(0);
    expect(outputsIn(second.model, 0).c1).toEqual({
      type: "json",
      value: { text: "1040.", sessionId: child?.id },
    });
    expect(usage.totalTokens).toBe(15 + 1010);
    expect((await second.agent.sessions.find("s"))?.usage.totalTokens).toBe(version + 15 + 1010);
    expect(await childrenOf(second.agent, "s")).toHaveLength(1);
  },
  STORES,
);

onStores(
  "a crash in the middle of the child: its turn is resumed in the same session",
  async ({ store, connect }) => {
    const first = team(store, [calls(ask("c1", "How old?"))], [], {});
    await first.agent.sessions.create({ id: "s" });
    await leaveTurnOpen(store, "s", [user("Oslo?"), callMessage(ask("c1", "How old?"))]);
    // The child exists, with a turn that was left after its prompt.
    const parent = await first.agent.sessions.open("s");
    const id = await childIdOf("c1");
    await parent.spawn({ id, agent: "researcher" });
    await leaveTurnOpen(store, id, [user("How old?")]);

    const second = team(connect(), ["1000 years."], ["1040."]);
    await second.agent.resume("s");
    expect(second.helper.heard(0)).toEqual(["user: How old?"]);
    expect((await childrenOf(second.agent, "s")).map((child) => child.id)).toEqual([id]);
    expect((await typesIn(store, id)).filter((type) => type.startsWith("turn."))).toEqual([
      "turn.started",
      "turn.extended",
      "turn.ended:completed",
    ]);
  },
  STORES,
);

/** The id that the child of a call in session "s" has: that of a call of the same id in another store. */
async function childIdOf(callId: string): Promise<string> {
  const { agent } = team(memoryStore(), [calls(ask(callId, "x")), "Done."], ["x"]);
  await agent.run("x", { sessionId: "s" });
  const [child] = await childrenOf(agent, "s");
  return child?.id ?? "";
}

/** A chief, a researcher and a reader that the researcher asks. */
function threeDeep(
  store: SessionStore,
  chief: readonly Line[],
  middle: readonly Line[],
  bottom: readonly Line[],
) {
  const models = {
    chief: recordingModel(...chief),
    middle: recordingModel(...middle),
    bottom: recordingModel(...bottom),
  };
  const reader = createAgent({ name: "reader", model: models.bottom });
  const research = createAgent({
    name: "researcher",
    model: models.middle,
    tools: { read: reader.asTool({ description: "Reads." }) },
  });
  const agent = createAgent({
    name: "chief",
    model: models.chief,
    store,
    tools: { research: research.asTool({ description: "Finds out." }) },
  });
  return { agent, models };
}

onStores(
  "two deep: a tree of sessions in one store, and usage rolled up to the top once",
  async ({ store }) => {
    const { agent } = threeDeep(
      store,
      [
        { calls: [ask("c1", "Oslo?")], tokens: [1, 0] },
        { text: "1000.", tokens: [2, 0] },
      ],
      [
        { calls: [ask("d1", "page 1", "read")], tokens: [10, 0] },
        { text: "1040.", tokens: [20, 0] },
      ],
      [{ text: "Founded 1040.", tokens: [100, 0] }],
    );
    const { usage } = await agent.run("Oslo?", { sessionId: "s", userId: "ada" });
    expect(usage.totalTokens).toBe(133);
    const [child] = await childrenOf(agent, "s");
    const [grandchild, ...none] = await childrenOf(agent, child?.id ?? "");
    expect(none).toEqual([]);
    expect([child?.usage.totalTokens, grandchild?.usage.totalTokens]).toEqual([130, 100]);
    expect(grandchild).toMatchObject({ agent: "reader", parentId: child?.id, userId: "ada" });
  },
  STORES,
);

onStores(
  "two deep, a crash at the bottom: all three turns are resumed where they were",
  async ({ store, connect }) => {
    const twin = threeDeep(
      memoryStore(),
      [calls(ask("c1", "x")), "."],
      [calls(ask("d1", "y", "read")), "."],
      ["."],
    );
    await twin.agent.run("x", { sessionId: "s" });
    const childId = (await childrenOf(twin.agent, "s"))[0]?.id ?? "";
    const grandchildId = (await childrenOf(twin.agent, childId))[0]?.id ?? "";

    const { sessions } = threeDeep(store, [], [], []).agent;
    const parent = await sessions.create({ id: "s" });
    await leaveTurnOpen(store, "s", [user("Oslo?"), callMessage(ask("c1", "x"))]);
    const child = await parent.spawn({ id: childId, agent: "researcher" });
    await leaveTurnOpen(store, childId, [user("x"), callMessage(ask("d1", "y", "read"))]);
    await child.spawn({ id: grandchildId, agent: "reader" });
    await leaveTurnOpen(store, grandchildId, [user("y")]);

    const { agent, models } = threeDeep(connect(), ["Top."], ["Middle."], ["Bottom."]);
    const { text } = await agent.resume("s");
    expect(text).toBe("Top.");
    expect(outputsIn(models.middle, 0).d1).toEqual({
      type: "json",
      value: { text: "Bottom.", sessionId: grandchildId },
    });
    expect(outputsIn(models.chief, 0).c1).toEqual({
      type: "json",
      value: { text: "Middle.", sessionId: childId },
    });
    expect(models.bottom.heard(0)).toEqual(["user: y"]);
  },
  STORES,
);

test("a child's tools get the child's session and its sessions, those of its parent's store", async () => {
  const store = memoryStore();
  const seen: unknown[] = [];
  const look: AgentTools[string] = {
    inputSchema: z.object({}),
    execute: async (_input: unknown, run) => {
      seen.push(run);
      return "seen";
    },
  };
  const { agent } = team(store, [calls(ask("c1", "A")), "Done."], [calls(call("d1", "look")), "a"], { look });
  await agent.run("Go", { sessionId: "s", userId: "ada" });
  const [child] = await childrenOf(agent, "s");
  expect(seen[0]).toMatchObject({ sessionId: child?.id, userId: "ada", toolCallId: "d1" });
  const [run] = seen;
  if (typeof run !== "object" || run === null || !("sessions" in run)) throw new Error("no sessions");
  const { sessions } = run;
  if (
    typeof sessions !== "object" ||
    sessions === null ||
    !("find" in sessions) ||
    typeof sessions.find !== "function"
  )
    throw new Error("no sessions");
  expect(await sessions.find("s")).toMatchObject({ id: "s", userId: "ada" });
});

test("a child that waits for approval says so to its parent", async () => {
  const store = memoryStore();
  const tools = {
    pay: tool({ inputSchema: z.object({}), needsApproval: true, execute: async () => "paid" }),
  };
  const { agent, model } = team(
    store,
    [calls(ask("c1", "A")), "It must be approved."],
    [calls(call("d1", "pay"))],
    tools,
  );
  await agent.run("Go", { sessionId: "s" });
  const [child] = await childrenOf(agent, "s");
  expect(outputsIn(model, 1).c1).toEqual({
    type: "error-text",
    value: expect.stringMatching(new RegExp(`approval of pay.*${child?.id}`)),
  });
  expect(await agent.approvals(child?.id ?? "")).toHaveLength(1);
});

test("of a stateless parent, the child is stateless, too, and its usage counts", async () => {
  const helper = recordingModel({ text: "a", tokens: [1000, 10] });
  const research = createAgent({ name: "researcher", model: helper });
  const model = recordingModel(calls(ask("c1", "A")), "Done.");
  const agent = createAgent({
    name: "chief",
    model,
    tools: { research: research.asTool({ description: "?" }) },
  });
  const { usage, sessionId } = await agent.run("Go");
  expect([usage.totalTokens, sessionId]).toEqual([1040, undefined]);
  expect(outputsIn(model, 1).c1).toEqual({ type: "json", value: { text: "a" } });
});

test("a parent is erased together with its children", async () => {
  const store = memoryStore();
  const { agent } = team(store, [calls(ask("c1", "A")), "Done."], ["a"]);
  await agent.run("Go", { sessionId: "s" });
  expect(store.size).toBe(2);
  expect((await agent.sessions.erase("s")).sessions).toHaveLength(2);
  expect(store.size).toBe(0);
});

/** Tools that wait for somebody's word: the turn is parked, the process may end, any other one goes on with it. */
import { tool } from "ai";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { AgentEvent, AgentTools } from "../../src/agent/index.ts";
import { createAgent } from "../../src/agent/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { StoreKind } from "../session/support.ts";
import { collect, onStores, ownLog, refusal, sleep, user } from "../session/support.ts";
import type { Line } from "./feature-support.ts";
import { call, calls, leaveTurnOpen, outputsIn, recordingModel, typesIn } from "./feature-support.ts";

const STORES: readonly StoreKind[] = ["memory", "sqlite"];

/** A shop whose tools say what they did: `pay` always asks, `spend` above 100, `look` never. */
function shop(policy: { approvalExpiresInMs?: number } = {}) {
  const done: string[] = [];
  const inputSchema = z.object({ sum: z.number() });
  const doing =
    (name: string) =>
    async ({ sum }: { sum: number }) => {
      done.push(`${name} ${sum}`);
      return `${name} ${sum} done`;
    };
  const tools: AgentTools = {
    pay: { ...tool({ inputSchema, execute: doing("pay"), needsApproval: true }), ...policy },
    spend: tool({ inputSchema, execute: doing("spend"), needsApproval: ({ sum }) => sum > 100 }),
    look: tool({ inputSchema, execute: doing("look") }),
    hurry: {
      ...tool({ inputSchema, execute: doing("hurry"), needsApproval: true }),
      approvalExpiresInMs: 30,
    },
  };
  return { tools, done };
}

const pay = (id: string, sum: number) => call(id, "pay", { sum });

function agentOn(store: SessionStore, lines: readonly Line[], given = shop()) {
  const model = recordingModel(...lines);
  return { model, done: given.done, agent: createAgent({ name: "shop", model, tools: given.tools, store }) };
}

onStores(
  "the turn is parked, and another agent elsewhere goes on once it is approved",
  async ({ store, connect }) => {
    const here = agentOn(store, [{ text: "I pay.", calls: [pay("c1", 7)] }]);
    const parked = await here.agent.run("Pay 7", { sessionId: "s" });
    expect(parked).toMatchObject({ finishReason: "approval", text: "I pay." });
    const approval = { approvalId: expect.any(String), toolCallId: "c1", toolName: "pay", input: { sum: 7 } };
    expect(parked.approvals).toEqual([approval]);
    expect(here.done).toEqual([]);

    // The turn is open and nobody's: the lease is back.
    const elsewhere = agentOn(connect(), ["Paid.", "Bye."]);
    const record = await elsewhere.agent.sessions.find("s");
    expect(record?.turn).toBeDefined();
    expect(record?.turn?.until).toBeLessThanOrEqual(Date.now());
    expect(await elsewhere.agent.approvals("s")).toEqual([approval]);

    const result = await elsewhere.agent.approve("s", { toolCallId: "c1", approved: true });
    expect(elsewhere.done).toEqual(["pay 7"]);
    expect(here.done).toEqual([]);
    expect(result).toMatchObject({ text: "Paid.", finishReason: "stop", approvals: [] });
    expect(elsewhere.model.heard(0).slice(0, 2)).toEqual(["user: Pay 7", "assistant: I pay. pay#c1"]);
    expect(outputsIn(elsewhere.model, 0)).toEqual({ c1: { type: "text", value: "pay 7 done" } });
    expect(await elsewhere.agent.approvals("s")).toEqual([]);
    expect((await elsewhere.agent.sessions.find("s"))?.turn).toBeUndefined();
    const types = await typesIn(store, "s");
    expect(types.filter((type) => type.startsWith("turn.ended"))).toEqual(["turn.ended:completed"]);
    // Requests and answers are ours: no later call of a model is sent them.
    await elsewhere.agent.run("Bye", { sessionId: "s" });
    expect(JSON.stringify(elsewhere.model.sent[1]?.prompt)).not.toContain("approval");
  },
  STORES,
);

onStores(
  "denied with a reason, the tool never runs and the model is told why",
  async ({ store, connect }) => {
    await agentOn(store, [calls(pay("c1", 7))]).agent.run("Pay 7", { sessionId: "s" });
    const { agent, model, done } = agentOn(connect(), ["I see."]);
    const answer = { toolCallId: "c1", approved: false, reason: "too dear" };
    expect((await agent.approve("s", answer)).text).toBe("I see.");
    expect(done).toEqual([]);
    expect(outputsIn(model, 0)).toEqual({ c1: { type: "execution-denied", reason: "too dear" } });
  },
  STORES,
);

test("denied without a reason", async () => {
  const { agent, model } = agentOn(memoryStore(), [calls(pay("c1", 7)), "I see."]);
  await agent.run("Pay 7", { sessionId: "s" });
  await agent.approve("s", { toolCallId: "c1", approved: false });
  expect(outputsIn(model, 1)).toEqual({ c1: { type: "execution-denied" } });
});

test("a function says for each call whether it asks", async () => {
  const { agent, done } = agentOn(memoryStore(), [
    calls(call("c1", "spend", { sum: 50 })),
    calls(call("c2", "spend", { sum: 500 })),
  ]);
  const { approvals, steps } = await agent.run("Spend", { sessionId: "s" });
  expect(done).toEqual(["spend 50"]);
  expect(approvals.map(({ toolCallId }) => toolCallId)).toEqual(["c2"]);
  expect(steps).toHaveLength(2);
});

onStores(
  "two are answered one by one, each anywhere; the tools run once the last one is",
  async ({ store, connect }) => {
    const here = agentOn(store, [calls(pay("c1", 1), pay("c2", 2), pay("c3", 3))]);
    expect((await here.agent.run("Pay all", { sessionId: "s" })).approvals).toHaveLength(3);
    const first = agentOn(connect(), []);
    const still = await first.agent.approve("s", { toolCallId: "c2", approved: true });
    expect(still.finishReason).toBe("approval");
    expect(still.approvals.map(({ toolCallId }) => toolCallId)).toEqual(["c1", "c3"]);
    expect(first.done).toEqual([]);
    expect((await first.agent.approvals("s")).map(({ toolCallId }) => toolCallId)).toEqual(["c1", "c3"]);
    await refusal(first.agent.approve("s", { toolCallId: "c2", approved: false }), "INVALID_ARGUMENT");
    await first.agent.approve("s", { toolCallId: "c3", approved: false, reason: "no" });
    const last = agentOn(connect(), ["One and two are paid."]);
    const result = await last.agent.approve("s", { toolCallId: "c1", approved: true });
    expect(last.done.toSorted()).toEqual(["pay 1", "pay 2"]);
    expect(outputsIn(last.model, 0)).toEqual({
      c1: { type: "text", value: "pay 1 done" },
      c2: { type: "text", value: "pay 2 done" },
      c3: { type: "execution-denied", reason: "no" },
    });
    expect(result.finishReason).toBe("stop");
  },
  STORES,
);

onStores(
  "calls that need none run at once, and are not run again",
  async ({ store, connect }) => {
    const here = agentOn(store, [calls(call("c1", "look", { sum: 1 }), pay("c2", 2))]);
    const { approvals, steps } = await here.agent.run("Look and pay", { sessionId: "s" });
    expect(here.done).toEqual(["look 1"]);
    expect(approvals.map(({ toolCallId }) => toolCallId)).toEqual(["c2"]);
    expect(steps[0]?.toolResults.map(({ toolCallId }) => toolCallId)).toEqual(["c1"]);
    const there = agentOn(connect(), ["Both done."]);
    await there.agent.approve("s", { toolCallId: "c2", approved: true });
    expect(there.done).toEqual(["pay 2"]);
    expect(Object.keys(outputsIn(there.model, 0)).sort()).toEqual(["c1", "c2"]);
  },
  STORES,
);

describe("with a time to answer in", () => {
  test("a late yes counts as no", async () => {
    const store = memoryStore();
    const given = shop({ approvalExpiresInMs: 30 });
    const { agent, model, done } = agentOn(store, [calls(pay("c1", 7)), "Too late."], given);
    const { approvals } = await agent.run("Pay 7", { sessionId: "s" });
    expect(approvals[0]?.expiresAt).toBeGreaterThan(Date.now());
    await sleep(40);
    expect(await agent.approvals("s")).toEqual([]);
    const { text } = await agent.approve("s", { toolCallId: "c1", approved: true });
    expect([text, done]).toEqual(["Too late.", []]);
    expect(outputsIn(model, 1)).toEqual({
      c1: { type: "execution-denied", reason: expect.stringContaining("time") },
    });
  });

  test("once it is over, resume goes on without", async () => {
    const store = memoryStore();
    const given = shop({ approvalExpiresInMs: 30 });
    const { agent, model, done } = agentOn(store, [calls(pay("c1", 7)), "Nobody answered."], given);
    await agent.run("Pay 7", { sessionId: "s" });
    await sleep(40);
    expect((await agent.resume("s")).text).toBe("Nobody answered.");
    expect(outputsIn(model, 1)).toMatchObject({ c1: { type: "execution-denied" } });
    expect(done).toEqual([]);
    await refusal(agent.approve("s", { toolCallId: "c1", approved: true }), "INVALID_ARGUMENT");
  });

  test("in time, yes is yes", async () => {
    const { agent, done } = agentOn(
      memoryStore(),
      [calls(pay("c1", 7)), "Paid."],
      shop({ approvalExpiresInMs: 60_000 }),
    );
    await agent.run("Pay 7", { sessionId: "s" });
    await agent.approve("s", { toolCallId: "c1", approved: true });
    expect(done).toEqual(["pay 7"]);
  });

  test("one runs out while another is approved: the one runs, the other counts as denied", async () => {
    const store = memoryStore();
    const { agent, model, done } = agentOn(store, [
      calls(pay("c1", 1), call("c2", "hurry", { sum: 2 })),
      "One of two.",
    ]);
    await agent.run("Pay both", { sessionId: "s" });
    const still = await agent.approve("s", { toolCallId: "c1", approved: true });
    expect(still.approvals.map(({ toolCallId }) => toolCallId)).toEqual(["c2"]);
    await sleep(40);
    await agent.resume("s");
    expect(done).toEqual(["pay 1"]);
    expect(outputsIn(model, 1)).toMatchObject({ c1: { type: "text" }, c2: { type: "execution-denied" } });
  });
});

describe("what waits for no approval", () => {
  test("can't be answered: twice, an unknown call, an unknown session, another user's", async () => {
    const store = memoryStore();
    const { agent } = agentOn(store, [calls(pay("c1", 7)), "Paid."]);
    await agent.run("Pay 7", { sessionId: "s", userId: "ada" });
    const yes = { toolCallId: "c1", approved: true };
    const before = (await ownLog(store, "s")).length;
    await refusal(agent.approve("s", { toolCallId: "c9", approved: true }), "INVALID_ARGUMENT");
    await refusal(agent.approve("t", yes), "SESSION_NOT_FOUND");
    await refusal(agent.approve("s", yes, { userId: "eve" }), "SESSION_NOT_FOUND");
    await refusal(agent.approvals("s", { userId: "eve" }), "SESSION_NOT_FOUND");
    expect((await ownLog(store, "s")).length).toBe(before);
    await agent.approve("s", yes, { userId: "ada" });
    await refusal(agent.approve("s", yes), "INVALID_ARGUMENT");
    expect(await agent.approvals("s")).toEqual([]);
  });

  test("an interrupted call that never asked can't be approved", async () => {
    const store = memoryStore();
    const { agent } = agentOn(store, []);
    await agent.sessions.create({ id: "s" });
    await leaveTurnOpen(store, "s", [
      user("Look."),
      {
        role: "assistant",
        content: [{ type: "tool-call", toolCallId: "c1", toolName: "look", input: { sum: 1 } }],
      },
    ]);
    await refusal(agent.approve("s", { toolCallId: "c1", approved: true }), "INVALID_ARGUMENT");
  });
});

test("two answers at once: one of them goes on with the turn, and the tool runs once", async () => {
  const store = memoryStore();
  const here = agentOn(store, [calls(pay("c1", 7))]);
  await here.agent.run("Pay 7", { sessionId: "s" });
  const yes = { toolCallId: "c1", approved: true };
  const there = agentOn(store, ["Paid.", "Paid again?"]);
  const outcomes = await Promise.allSettled([there.agent.approve("s", yes), there.agent.approve("s", yes)]);
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(there.done).toEqual(["pay 7"]);
  expect((await typesIn(store, "s")).filter((type) => type.startsWith("turn.ended"))).toEqual([
    "turn.ended:completed",
  ]);
});

describe("a new run in place of an answer", () => {
  onStores(
    "counts the call as interrupted, and takes no answer any more",
    async ({ store, connect }) => {
      await agentOn(store, [calls(pay("c1", 7))]).agent.run("Pay 7", { sessionId: "s" });
      const { agent, model, done } = agentOn(connect(), ["Never mind then.", "Bye."]);
      const { text } = await agent.run("Forget it.", { sessionId: "s" });
      expect(text).toBe("Never mind then.");
      expect(JSON.stringify(outputsIn(model, 0).c1)).toContain("interrupted");
      expect(model.heard(0).at(-1)).toBe("user: Forget it.");
      await refusal(agent.approve("s", { toolCallId: "c1", approved: true }), "INVALID_ARGUMENT");
      expect(await agent.approvals("s")).toEqual([]);
      expect(done).toEqual([]);
      expect((await typesIn(store, "s")).filter((type) => type.startsWith("turn.ended"))).toEqual([
        "turn.ended:interrupted",
        "turn.ended:completed",
      ]);
      await agent.run("Bye", { sessionId: "s" });
      expect(JSON.stringify(outputsIn(model, 1).c1)).toContain("interrupted");
    },
    STORES,
  );

  test("even where that run's process dies: its turn is resumed, not the question", async () => {
    const store = memoryStore();
    const { agent, model, done } = agentOn(store, [calls(pay("c1", 7)), "Never mind then."]);
    await agent.run("Pay 7", { sessionId: "s" });
    await agent.sessions.open("s").then((session) => session.abandonTurn());
    await leaveTurnOpen(store, "s", [user("Forget it.")]);
    expect(await agent.approvals("s")).toEqual([]);
    await refusal(agent.approve("s", { toolCallId: "c1", approved: true }), "INVALID_ARGUMENT");
    const { text, finishReason } = await agent.resume("s");
    expect({ text, finishReason }).toEqual({ text: "Never mind then.", finishReason: "stop" });
    expect(JSON.stringify(outputsIn(model, 1).c1)).toContain("interrupted");
    expect(done).toEqual([]);
  });
});

test("resume of a parked turn asks again and writes no message", async () => {
  const store = memoryStore();
  const { agent } = agentOn(store, [calls(pay("c1", 7))]);
  const first = await agent.run("Pay 7", { sessionId: "s" });
  const before = (await typesIn(store, "s")).filter((type) => type === "message").length;
  const events: AgentEvent[] = [];
  const again = await agent.resume("s", { onEvent: (event) => void events.push(event) });
  expect(again).toMatchObject({ finishReason: "approval", approvals: first.approvals });
  expect(events.map(({ type }) => type)).toEqual(["approval-request", "done"]);
  expect((await typesIn(store, "s")).filter((type) => type === "message")).toHaveLength(before);
});

test("a stream tells of the request, and ends with it; approve tells of what follows", async () => {
  const store = memoryStore();
  const { agent } = agentOn(store, [calls(pay("c1", 7)), "Paid."]);
  const events = await collect(agent.stream("Pay 7", { sessionId: "s" }));
  expect(events.map(({ type }) => type).toSorted()).toEqual([
    "approval-request",
    "done",
    "step",
    "tool-call",
  ]);
  expect(events.find(({ type }) => type === "approval-request")).toMatchObject({
    toolCallId: "c1",
    toolName: "pay",
    input: { sum: 7 },
  });
  const after: string[] = [];
  await agent.approve(
    "s",
    { toolCallId: "c1", approved: true },
    { onEvent: ({ type }) => void after.push(type) },
  );
  expect(after).toEqual(["tool-result", "text", "step", "done"]);
});

test("a process that dies while an approved tool runs leaves it as interrupted, not as approved anew", async () => {
  const store = memoryStore();
  const { agent, model, done } = agentOn(store, [calls(pay("c1", 7)), "I don't know whether it was paid."]);
  const { approvals } = await agent.run("Pay 7", { sessionId: "s" });
  await agent.sessions.open("s").then((session) =>
    session.turn(
      async (turn) => {
        await turn.park({
          role: "tool",
          content: [{ type: "tool-approval-response", approvalId: approvals[0]?.approvalId, approved: true }],
        });
      },
      { resume: true },
    ),
  );
  await agent.resume("s");
  expect(done).toEqual([]);
  expect(JSON.stringify(outputsIn(model, 1).c1)).toContain("interrupted");
});

test("an approved tool that fails tells the model", async () => {
  const store = memoryStore();
  const tools: AgentTools = {
    pay: tool({
      inputSchema: z.object({ sum: z.number() }),
      needsApproval: true,
      execute: async (): Promise<string> => {
        throw new Error("no money");
      },
    }),
  };
  const { agent, model } = agentOn(store, [calls(pay("c1", 7)), "Sorry."], { tools, done: [] });
  await agent.run("Pay 7", { sessionId: "s" });
  await agent.approve("s", { toolCallId: "c1", approved: true });
  expect(outputsIn(model, 1)).toEqual({ c1: { type: "error-text", value: "no money" } });
});

test("what was approved of several does not begin once the user went on without the rest", async () => {
  const store = memoryStore();
  const { agent, model, done } = agentOn(store, [calls(pay("c1", 1), pay("c2", 2)), "Forgotten."]);
  await agent.run("Pay both", { sessionId: "s" });
  await agent.approve("s", { toolCallId: "c1", approved: true });
  await agent.run("Forget it all.", { sessionId: "s" });
  expect(done).toEqual([]);
  expect(JSON.stringify(outputsIn(model, 1))).toMatch(/c1.*interrupted.*c2.*interrupted/u);
});

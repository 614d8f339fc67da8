/** What becomes of a turn whose process died in it: `resume`, or the next run, goes on from what is committed. */
import { tool } from "ai";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { AgentTools } from "../../src/agent/index.ts";
import { createAgent, offlineModel } from "../../src/agent/index.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { Given, StoreKind } from "../session/support.ts";
import { onStores, ownLog, refusal, sleep, user } from "../session/support.ts";
import {
  call,
  callMessage,
  calls,
  leaveTurnOpen,
  outputsIn,
  recordingModel,
  resultMessage,
  typesIn,
} from "./feature-support.ts";

const STORES: readonly StoreKind[] = ["memory", "sqlite"];
const INTERRUPTED = { type: "error-text", value: expect.stringContaining("interrupted") };

/** Tools that say which of them ran, with what. */
function recordedTools(): { tools: AgentTools; ran: unknown[] } {
  const ran: unknown[] = [];
  const inputSchema = z.object({ key: z.string().trim(), times: z.number().default(1) });
  const execute = async (input: z.infer<typeof inputSchema>) => {
    ran.push(input);
    return `found ${input.key}`;
  };
  return {
    ran,
    tools: {
      pay: tool({ inputSchema, execute }),
      read: { ...tool({ inputSchema, execute }), idempotent: true },
      look: { ...tool({ inputSchema, execute }), readOnly: true },
    },
  };
}

/** A session in which a process died, as another process finds it. */
async function died({ sessions, store, elsewhere }: Given, ...messages: Parameters<typeof leaveTurnOpen>[2]) {
  await sessions().create({
    id: "s",
    messages: [user("Before."), { role: "assistant", content: "Before you." }],
  });
  await leaveTurnOpen(store, "s", messages);
  return {
    sessions: elsewhere(),
    turnsEnded: async () => (await typesIn(store, "s")).filter((type) => type.startsWith("turn.ended")),
  };
}

const BEFORE = ["user: Before.", "assistant: Before you."];

onStores(
  "after the user's message only: the model is asked, and the turn is the same one",
  async (given) => {
    const { sessions, turnsEnded } = await died(given, user("What is 2 and 2?"));
    const model = recordingModel("Four.");
    const result = await createAgent({ name: "a", model, sessions }).resume("s");
    expect(model.heard(0)).toEqual([...BEFORE, "user: What is 2 and 2?"]);
    expect(result).toMatchObject({ text: "Four.", finishReason: "stop", sessionId: "s" });
    expect(await turnsEnded()).toEqual(["turn.ended:completed"]);
    const started = (await ownLog(given.store, "s")).filter(({ type }) => type === "turn.started");
    expect(started).toHaveLength(1);
  },
  STORES,
);

onStores(
  "after a call of a tool: one that is not idempotent is reported as interrupted and not run",
  async (given) => {
    const { sessions, turnsEnded } = await died(
      given,
      user("Pay."),
      callMessage(call("c1", "pay", { key: "a" })),
    );
    const { tools, ran } = recordedTools();
    const model = recordingModel("I can't tell whether that was paid.");
    const { text } = await createAgent({ name: "a", model, tools, sessions }).resume("s");
    expect(ran).toEqual([]);
    expect(outputsIn(model, 0)).toEqual({ c1: INTERRUPTED });
    expect(model.heard(0).slice(0, 4)).toEqual([...BEFORE, "user: Pay.", "assistant: pay#c1"]);
    expect(text).toContain("can't tell");
    expect(await turnsEnded()).toEqual(["turn.ended:completed"]);
    // It is in the log, so nobody asks again.
    expect(JSON.stringify(await ownLog(given.store, "s"))).toContain("It may have taken place");
  },
  STORES,
);

for (const name of ["read", "look"]) {
  onStores(
    `after a call of ${name}, an idempotent tool: it runs again, with its input as the schema makes it`,
    async (given) => {
      const { sessions } = await died(given, user("Read."), callMessage(call("c1", name, { key: " a " })));
      const { tools, ran } = recordedTools();
      const model = recordingModel("Found it.");
      await createAgent({ name: "a", model, tools, sessions }).resume("s");
      expect(ran).toEqual([{ key: "a", times: 1 }]);
      expect(outputsIn(model, 0)).toEqual({ c1: { type: "text", value: "found a" } });
    },
    STORES,
  );
}

onStores(
  "after some results of several calls: those that have one are not run again",
  async (given) => {
    const { sessions } = await died(
      given,
      user("All."),
      callMessage(
        call("c1", "read", { key: "one" }),
        call("c2", "read", { key: "two" }),
        call("c3", "pay", { key: "three" }),
      ),
      resultMessage("c2", "read", "found two, the first time"),
    );
    const { tools, ran } = recordedTools();
    const model = recordingModel("Done.", "Good bye.");
    const agent = createAgent({ name: "a", model, tools, sessions });
    await agent.resume("s");
    expect(ran).toEqual([{ key: "one", times: 1 }]);
    expect(outputsIn(model, 0)).toEqual({
      c1: { type: "text", value: "found one" },
      c2: { type: "text", value: "found two, the first time" },
      c3: INTERRUPTED,
    });
    await agent.run("Bye", { sessionId: "s" });
    expect(outputsIn(model, 1)).toEqual(outputsIn(model, 0));
    expect(ran).toHaveLength(1);
  },
  STORES,
);

onStores(
  "after all results: the model is asked for what it makes of them",
  async (given) => {
    const { sessions } = await died(
      given,
      user("Pay."),
      callMessage(call("c1", "pay", { key: "a" })),
      resultMessage("c1", "pay", "paid"),
    );
    const { tools, ran } = recordedTools();
    const model = recordingModel(calls(call("c2", "read", { key: "b" })), "All paid.");
    const { steps, text } = await createAgent({ name: "a", model, tools, sessions }).resume("s");
    expect(ran).toEqual([{ key: "b", times: 1 }]);
    expect(outputsIn(model, 0)).toEqual({ c1: { type: "text", value: "paid" } });
    expect([steps.length, text]).toEqual([2, "All paid."]);
  },
  STORES,
);

onStores(
  "after the answer: only the end is missing, and nobody is asked again",
  async (given) => {
    const { sessions, turnsEnded } = await died(given, user("Hi."), { role: "assistant", content: "Hello." });
    const model = recordingModel();
    const result = await createAgent({ name: "a", model, sessions }).resume("s");
    expect(result).toMatchObject({ text: "Hello.", finishReason: "stop", steps: [] });
    expect(await turnsEnded()).toEqual(["turn.ended:completed"]);
  },
  STORES,
);

test("a call of a tool that is gone by now is reported, too", async () => {
  const store = memoryStore();
  const model = recordingModel("Where is it?");
  const agent = createAgent({ name: "a", model, store });
  await agent.sessions.create({ id: "s" });
  await leaveTurnOpen(store, "s", [user("Go."), callMessage(call("c1", "gone"))]);
  await agent.resume("s");
  expect(outputsIn(model, 0)).toEqual({ c1: INTERRUPTED });
});

test("an idempotent tool that fails when it is run again tells the model why", async () => {
  const store = memoryStore();
  const tools: AgentTools = {
    read: {
      ...tool({
        inputSchema: z.object({}),
        execute: async (): Promise<string> => {
          throw new Error("no such file");
        },
      }),
      idempotent: true,
    },
  };
  const model = recordingModel("Sorry.");
  const agent = createAgent({ name: "a", model, tools, store });
  await agent.sessions.create({ id: "s" });
  await leaveTurnOpen(store, "s", [user("Read."), callMessage(call("c1", "read"))]);
  await agent.resume("s");
  expect(outputsIn(model, 0)).toEqual({ c1: { type: "error-text", value: "no such file" } });
});

test("a resume that dies, too, is resumed", async () => {
  const store = memoryStore();
  const { tools, ran } = recordedTools();
  const model = recordingModel({ fails: new Error("down") }, "Here.");
  const agent = createAgent({ name: "a", model, tools, store });
  await agent.sessions.create({ id: "s" });
  await leaveTurnOpen(store, "s", [user("Read."), callMessage(call("c1", "read", { key: "a" }))]);
  await expect(agent.resume("s")).rejects.toThrow("down");
  // The failure closed the turn; what it had is kept, and the next run builds on it.
  await refusal(agent.resume("s"), "INVALID_ARGUMENT");
  await agent.run("Again", { sessionId: "s" });
  expect(ran).toHaveLength(1);
  expect(outputsIn(model, 1)).toEqual({ c1: { type: "text", value: "found a" } });
});

describe("the next run in place of resume", () => {
  onStores(
    "closes the turn as interrupted, settles its calls, and goes on with the new prompt",
    async (given) => {
      const { sessions, turnsEnded } = await died(
        given,
        user("Pay and read."),
        callMessage(call("c1", "pay", { key: "a" }), call("c2", "read", { key: "b" })),
      );
      const { tools, ran } = recordedTools();
      const model = recordingModel("Let us see.", "Bye.");
      const agent = createAgent({ name: "a", model, tools, sessions });
      await agent.run("Are you there?", { sessionId: "s" });
      expect(outputsIn(model, 0).c1).toEqual(INTERRUPTED);
      expect(Object.keys(outputsIn(model, 0)).sort()).toEqual(["c1", "c2"]);
      expect(ran).toEqual([{ key: "b", times: 1 }]);
      expect(model.heard(0).at(-1)).toBe("user: Are you there?");
      expect(await turnsEnded()).toEqual(["turn.ended:interrupted", "turn.ended:completed"]);
      await agent.run("Bye", { sessionId: "s" });
      expect(outputsIn(model, 1)).toEqual(outputsIn(model, 0));
    },
    STORES,
  );

  test("after the user's message only: both messages are heard", async () => {
    const store = memoryStore();
    const model = recordingModel("Both heard.");
    const agent = createAgent({ name: "a", model, store });
    await agent.sessions.create({ id: "s" });
    await leaveTurnOpen(store, "s", [user("One.")]);
    await agent.run("Two.", { sessionId: "s" });
    expect(model.heard(0)).toEqual(["user: One.", "user: Two."]);
  });
});

describe("while somebody works on the turn", () => {
  onStores(
    "resume and run are refused, and write nothing",
    async (given) => {
      const { sessions, store } = given;
      await sessions().create({ id: "s" });
      await leaveTurnOpen(store, "s", [user("Wait.")], 60_000);
      const before = (await ownLog(store, "s")).length;
      const model = recordingModel();
      const agent = createAgent({ name: "a", model, sessions: given.elsewhere() });
      expect((await refusal(agent.resume("s"), "TURN_IN_PROGRESS")).message).toContain("a dead process");
      await refusal(agent.run("Now!", { sessionId: "s" }), "TURN_IN_PROGRESS");
      expect((await ownLog(store, "s")).length).toBe(before);
      expect(model.sent).toEqual([]);
    },
    STORES,
  );

  test("a run that may wait takes over once the lease is out", async () => {
    const store = memoryStore();
    const model = recordingModel("There you are.");
    const agent = createAgent({ name: "a", model, store, turnWaitMs: 5000 });
    await agent.sessions.create({ id: "s" });
    await leaveTurnOpen(store, "s", [user("Wait.")], 150);
    const begunMs = performance.now();
    expect((await agent.resume("s")).text).toBe("There you are.");
    expect(performance.now() - begunMs).toBeGreaterThan(100);
  });

  test("two runs on one session: the second is refused, or waits for its turn", async () => {
    const store = memoryStore();
    const agent = createAgent({ name: "a", model: offlineModel({ delayMs: 60 }), store });
    await agent.sessions.create({ id: "s" });
    const first = agent.run("My name is Alice.", { sessionId: "s" });
    await sleep(20);
    await refusal(agent.run("Hurry.", { sessionId: "s" }), "TURN_IN_PROGRESS");
    const waiting = agent.run("What is my name?", { sessionId: "s", turnWaitMs: 5000 });
    await first;
    expect((await waiting).text).toContain("Alice");
    expect((await typesIn(store, "s")).filter((type) => type.startsWith("turn.ended"))).toEqual([
      "turn.ended:completed",
      "turn.ended:completed",
    ]);
  });

  test("a live turn of this process is not taken for a dead one", async () => {
    const store = memoryStore();
    const agent = createAgent({ name: "a", model: offlineModel({ delayMs: 60 }), store });
    await agent.sessions.create({ id: "s" });
    const first = agent.run("Hello.", { sessionId: "s" });
    await sleep(20);
    await refusal(agent.resume("s"), "TURN_IN_PROGRESS");
    await first;
  });
});

describe("where there is nothing to resume", () => {
  test("that is said", async () => {
    const store = memoryStore();
    const agent = createAgent({ name: "a", model: recordingModel("Hi."), store });
    await refusal(agent.resume("nobody"), "SESSION_NOT_FOUND");
    await agent.run("Hi", { sessionId: "s", userId: "ada" });
    await refusal(agent.resume("s"), "INVALID_ARGUMENT");
    await refusal(agent.resume("s", { userId: "eve" }), "SESSION_NOT_FOUND");
    expect(store.size).toBe(1);
  });
});

test("the usage of a turn that was resumed is that of both halves, each once", async () => {
  const store = memoryStore();
  const { tools } = recordedTools();
  const first = recordingModel(
    { calls: [call("c1", "read", { key: "a" })], tokens: [10, 1] },
    { text: "Found.", tokens: [20, 2] },
  );
  const agent = createAgent({ name: "a", model: first, tools, store });
  await agent.run("Read", { sessionId: "s" });
  await leaveTurnOpen(store, "s", [user("More."), callMessage(call("c2", "read", { key: "b" }))]);
  const second = recordingModel({ text: "More found.", tokens: [40, 4] });
  const result = await createAgent({ name: "a", model: second, tools, store }).resume("s");
  expect(result.usage).toMatchObject({ inputTokens: 40, outputTokens: 4, totalTokens: 44 });
  expect(result.session?.usage).toMatchObject({ inputTokens: 70, outputTokens: 7, totalTokens: 77 });
});

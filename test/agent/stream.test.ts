/** What a stream promises: the same as a run, told as it happens. */
import { tool } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";
import type { AgentEvent, AgentTools } from "../../src/agent/index.ts";
import { createAgent } from "../../src/agent/index.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { StoreKind } from "../session/support.ts";
import { collect, onStores, ownLog, refusal, until } from "../session/support.ts";
import { call, calls, recordingModel, typesIn } from "./feature-support.ts";

const STORES: readonly StoreKind[] = ["memory", "sqlite"];
const tools: AgentTools = {
  look: tool({ inputSchema: z.object({ key: z.string() }), execute: async ({ key }) => `found ${key}` }),
  fail: tool({
    inputSchema: z.object({}),
    execute: async (): Promise<string> => {
      throw new Error("the shelf is empty");
    },
  }),
};

/** An event in a word or two. */
function short(event: AgentEvent): string {
  switch (event.type) {
    case "text":
    case "reasoning":
      return `${event.type} ${JSON.stringify(event.text)}`;
    case "tool-call":
    case "tool-result":
      return `${event.type} ${event.toolCallId}`;
    case "step":
      return `step ${event.index}`;
    default:
      return event.type;
  }
}

onStores(
  "tells everything in order, and at the end what a run would have given",
  async ({ sessions, elsewhere }) => {
    const lines = [
      {
        reasoning: { text: "Hmm." },
        text: "Let me look.",
        calls: [call("c1", "look", { key: "a" }), call("c2", "fail")],
      },
      "Here it is.",
    ];
    const agent = createAgent({ name: "a", model: recordingModel(...lines), tools, sessions: sessions() });
    const events = await collect(agent.stream("Look", { sessionId: "s" }));
    const order = events.map(short);
    expect(order.filter((event) => !event.startsWith("tool-result"))).toEqual([
      'reasoning "Hmm."',
      'text "Let"',
      'text " me"',
      'text " look."',
      "tool-call c1",
      "tool-call c2",
      "step 0",
      'text "Here"',
      'text " it"',
      'text " is."',
      "step 1",
      "done",
    ]);
    const results = order.flatMap((event, index) => (event.startsWith("tool-result") ? [index] : []));
    expect(results).toHaveLength(2);
    expect(
      results.every((index) => index > order.indexOf("tool-call c2") && index < order.indexOf("step 0")),
    ).toBe(true);
    expect(events.find((event) => event.type === "tool-result" && event.toolCallId === "c2")).toMatchObject({
      isError: true,
      toolName: "fail",
      output: { type: "error-text", value: "the shelf is empty" },
    });

    const last = events.at(-1);
    if (last?.type !== "done") throw new Error("the last event is not done");
    const other = createAgent({ name: "a", model: recordingModel(...lines), tools, sessions: elsewhere() });
    const run = await other.run("Look", { sessionId: "t" });
    const { session: _one, sessionId: streamed, ...told } = last.result;
    const { session: _two, sessionId: ran, ...given } = run;
    expect([streamed, ran]).toEqual(["s", "t"]);
    // Which of two results is there first is open.
    const sorted = ({ steps, ...rest }: typeof told) => ({
      ...rest,
      steps: steps.map(({ toolResults, ...step }) => ({
        ...step,
        toolResults: toolResults.toSorted((one, two) => one.toolCallId.localeCompare(two.toolCallId)),
      })),
    });
    expect(sorted(told)).toEqual(sorted(given));
  },
  STORES,
);

test("a delta reaches the reader before the model has ended, whatever the store does", async () => {
  const store = memoryStore();
  const { promise: asked, resolve: go } = Promise.withResolvers<void>();
  const model = recordingModel({ text: "One two three", between: () => asked });
  const events = createAgent({ name: "a", model, store })
    .stream("Count", { sessionId: "s" })
    [Symbol.asyncIterator]();
  expect((await events.next()).value).toEqual({ type: "text", text: "One" });
  expect(await typesIn(store, "s")).toEqual(["session.created", "turn.started", "message", "label.set"]);
  go();
  const rest: unknown[] = [];
  for (let next = await events.next(); !next.done; next = await events.next()) rest.push(short(next.value));
  expect(rest).toEqual(['text " two"', 'text " three"', "step 0", "done"]);
});

test("a result is told once it is committed, a step once its results are, done once the turn is over", async () => {
  const store = memoryStore();
  const model = recordingModel(calls(call("c1", "look", { key: "a" })), "Found.");
  const agent = createAgent({ name: "a", model, tools, store });
  const seen: Record<string, string[]> = {};
  for await (const event of agent.stream("Look", { sessionId: "s" })) {
    if (event.type === "tool-result" || event.type === "done") seen[event.type] = await typesIn(store, "s");
  }
  expect(seen["tool-result"]?.filter((type) => type === "message").length).toBeGreaterThanOrEqual(3);
  expect(seen.done?.at(-1)).toBe("turn.ended:completed");
});

test("begins with the first event that is asked for", async () => {
  const store = memoryStore();
  const model = recordingModel("Hello.");
  const agent = createAgent({ name: "a", model, store });
  const stream = agent.stream("Hi", { sessionId: "s" });
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(store.size).toBe(0);
  expect(model.sent).toHaveLength(0);
  expect((await collect(stream)).map(short)).toEqual(['text "Hello."', "step 0", "done"]);
});

test("onEvent is told the same", async () => {
  const store = memoryStore();
  const told: AgentEvent[] = [];
  const agent = createAgent({ name: "a", model: recordingModel("Hello you."), store });
  const events = await collect(
    agent.stream("Hi", { sessionId: "s", onEvent: (event) => void told.push(event) }),
  );
  expect(told).toEqual(events);
});

test("fails with what the model fails with, after what came before", async () => {
  const store = memoryStore();
  const model = recordingModel({ text: "Half an", fails: new Error("the line is dead") });
  const events: string[] = [];
  const reading = (async () => {
    for await (const event of createAgent({ name: "a", model, store }).stream("Hi", { sessionId: "s" }))
      events.push(short(event));
  })();
  await expect(reading).rejects.toThrow("the line is dead");
  expect(events).toEqual(['text "Half"', 'text " an"']);
  expect((await typesIn(store, "s")).at(-1)).toBe("turn.ended:failed");
});

onStores(
  "leaving the loop aborts the turn and keeps what was said",
  async ({ sessions, store }) => {
    const { promise: never } = Promise.withResolvers<void>();
    const model = recordingModel({ text: "One two", between: () => never }, "Again.");
    const agent = createAgent({ name: "a", model, sessions: sessions() });
    for await (const event of agent.stream("Count", { sessionId: "s" })) {
      expect(event).toEqual({ type: "text", text: "One" });
      break;
    }
    // Leaving waits until that is in the log.
    expect((await typesIn(store, "s")).slice(-2)).toEqual(["message", "turn.ended:aborted"]);
    await agent.run("Once more", { sessionId: "s" });
    expect(model.heard(1)).toEqual(["user: Count", "assistant: One", "user: Once more"]);
  },
  STORES,
);

test("a reader that is slow misses nothing and holds nobody up", async () => {
  const store = memoryStore();
  const text = Array.from({ length: 200 }, (_, index) => `w${index}`).join(" ");
  const agent = createAgent({ name: "a", model: recordingModel(text), store });
  let said = "";
  const events = agent.stream("Talk", { sessionId: "s" })[Symbol.asyncIterator]();
  await events.next().then(({ value }) => {
    if (value?.type === "text") said += value.text;
  });
  await until(async () => (await typesIn(store, "s")).at(-1) === "turn.ended:completed");
  for (let next = await events.next(); !next.done; next = await events.next()) {
    if (next.value.type === "text") said += next.value.text;
  }
  expect(said).toBe(text);
});

test("what is refused before the turn is thrown by the first event asked for", async () => {
  const store = memoryStore();
  const agent = createAgent({ name: "a", model: recordingModel("Never."), store });
  await refusal(collect(agent.stream("", { sessionId: "s" })), "INVALID_ARGUMENT");
  expect(await ownLog(store, "s")).toEqual([]);
});

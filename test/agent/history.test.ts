/** What of a long conversation the model is sent: windows, summaries, and titles for the list. */
import { tool } from "ai";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import type { CompactionOptions, HistoryOptions } from "../../src/agent/index.ts";
import { createAgent, offlineModel } from "../../src/agent/index.ts";
import type { Message } from "../../src/session/types.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { StoreKind } from "../session/support.ts";
import { onStores, range, textsOf, user } from "../session/support.ts";
import {
  call,
  callMessage,
  leaveTurnOpen,
  outputsIn,
  recordingModel,
  resultMessage,
} from "./feature-support.ts";

const STORES: readonly StoreKind[] = ["memory", "sqlite"];
const assistant = (content: string): Message => ({ role: "assistant", content });
const pay = tool({ inputSchema: z.object({}), needsApproval: true, execute: async () => "paid" });
const turns = (count: number): Message[] =>
  range(count).flatMap((index) => [user(`q${index}`), assistant(`a${index}`)]);

/** What the model hears of a conversation of `messages` when the user says "now". */
async function heardWith(history: HistoryOptions, messages: Message[]): Promise<string[]> {
  const model = recordingModel("Yes.");
  const agent = createAgent({ name: "a", model, store: memoryStore(), history });
  await agent.sessions.create({ id: "s", messages });
  await agent.run("now", { sessionId: "s" });
  return model.heard(0);
}

describe("windows", () => {
  test("by messages", async () => {
    expect(await heardWith({ lastMessages: 3 }, turns(5))).toEqual([
      "user: q4",
      "assistant: a4",
      "user: now",
    ]);
  });

  test("by turns", async () => {
    expect(await heardWith({ lastTurns: 2 }, turns(5))).toEqual(["user: q4", "assistant: a4", "user: now"]);
    expect(await heardWith({ lastTurns: 1 }, turns(5))).toEqual(["user: now"]);
  });

  test("by tokens, as the caller counts them", async () => {
    const countTokens = () => 10;
    expect(await heardWith({ maxTokens: 50, countTokens }, turns(5))).toEqual([
      "user: q3",
      "assistant: a3",
      "user: q4",
      "assistant: a4",
      "user: now",
    ]);
  });

  test("never tear a call from its result", async () => {
    const messages = [
      user("q0"),
      callMessage(call("c1", "look")),
      resultMessage("c1", "look", "found"),
      assistant("a0"),
      user("q1"),
      assistant("a1"),
    ];
    for (const lastMessages of range(6).map((index) => index + 1)) {
      const heard = (await heardWith({ lastMessages }, messages)).join(" ");
      expect(heard.includes("look#c1"), heard).toBe(heard.includes("c1="));
      expect(heard).toContain("user: now");
    }
  });

  test("hold within a turn, too, and the log keeps everything", async () => {
    const model = recordingModel("Yes.");
    const agent = createAgent({ name: "a", model, store: memoryStore(), history: { lastMessages: 1 } });
    const session = await agent.sessions.create({ id: "s", messages: turns(50) });
    await agent.run("now", { sessionId: "s" });
    expect(model.heard(0)).toEqual(["user: now"]);
    expect(await textsOf(session)).toHaveLength(102);
  });

  test.each<[string, HistoryOptions]>([
    ["messages", { lastMessages: 2 }],
    ["turns", { lastTurns: 1 }],
    ["tokens", { maxTokens: 30, countTokens: () => 10 }],
  ])("by %s never hide what a turn that is gone on with waits for", async (_title, history) => {
    const look = tool({ inputSchema: z.object({}), execute: async () => "seen" });
    const three = [call("c1", "look"), call("c2", "look"), call("c3", "pay")];
    const model = recordingModel({ calls: three }, "Paid.", "Interrupted.");
    const store = memoryStore();
    const agent = createAgent({ name: "a", model, tools: { look, pay }, store, history });
    await agent.sessions.create({ id: "s", messages: turns(5) });
    await agent.run("Go", { sessionId: "s" });
    expect(await agent.approvals("s")).toHaveLength(1);
    await agent.approve("s", { toolCallId: "c3", approved: true });
    expect(Object.keys(outputsIn(model, 1)).sort()).toEqual(["c1", "c2", "c3"]);
    // Beside the turn itself, no more than the window allows.
    expect(model.heard(1)).not.toContain("user: q3");

    await leaveTurnOpen(store, "s", [
      user("Again"),
      callMessage(...three),
      resultMessage("c1", "look", "seen"),
      resultMessage("c2", "look", "seen"),
    ]);
    await agent.resume("s");
    expect(Object.keys(outputsIn(model, 2)).sort()).toEqual(["c1", "c2", "c3"]);
  });

  test("that make no sense fail the run", async () => {
    await expect(heardWith({ lastMessages: 0 }, turns(1))).rejects.toThrow("lastMessages");
  });
});

/** An agent that sums up, and what it was given to sum up. */
function summing(compaction: CompactionOptions, lines: string[]) {
  const given: string[][] = [];
  const model = recordingModel(...lines);
  const summarize = async (messages: Message[]) => {
    given.push(messages.map(({ content }) => String(JSON.stringify(content))));
    return `sum ${given.length}`;
  };
  const store = memoryStore();
  const agent = createAgent({
    name: "a",
    model,
    store,
    history: { compaction: { summarize, ...compaction } },
  });
  return { agent, model, given, store };
}

describe("compaction", () => {
  onStores(
    "by messages: a summary stands for the older ones, which stay in the log",
    async ({ sessions, elsewhere }) => {
      const given: number[] = [];
      const compaction: CompactionOptions = {
        afterMessages: 6,
        keepLast: 2,
        summarize: async (messages) => {
          given.push(messages.length);
          return "They counted.";
        },
      };
      const agent = createAgent({
        name: "a",
        model: recordingModel("r0", "r1", "r2", "r3"),
        sessions: sessions(),
        history: { compaction },
      });
      for (const index of range(3)) await agent.run(`q${index}`, { sessionId: "s" });
      expect(given).toEqual([]);
      await agent.run("q3", { sessionId: "s" });
      expect(given).toEqual([6]);

      const model = recordingModel("Going on.");
      const other = createAgent({ name: "a", model, sessions: elsewhere() });
      const { session } = await other.run("And?", { sessionId: "s" });
      expect(model.heard(0)).toEqual([
        expect.stringMatching(/^user: .*They counted\./),
        "user: q3",
        "assistant: r3",
        "user: And?",
      ]);
      expect(await session?.messages()).toHaveLength(10);
    },
    STORES,
  );

  test("a second one sums up the first with what came since", async () => {
    const { agent, model, given } = summing({ afterMessages: 4, keepLast: 2 }, [
      "r0",
      "r1",
      "r2",
      "r3",
      "r4",
      "r5",
    ]);
    for (const index of range(6)) await agent.run(`q${index}`, { sessionId: "s" });
    expect(given.length).toBeGreaterThanOrEqual(2);
    expect(given[0]).toEqual([
      '"q0"',
      '[{"type":"text","text":"r0"}]',
      '"q1"',
      '[{"type":"text","text":"r1"}]',
    ]);
    expect(given[1]?.[0]).toContain("sum 1");
    expect(given[1]).not.toContain('"q0"');
    expect(model.heard(5).join(" ")).not.toContain("q0");
    expect((await agent.sessions.open("s").then((session) => session.messages())).length).toBe(12);
  });

  test("by tokens, as the history counts them", async () => {
    const given: number[] = [];
    const store = memoryStore();
    const model = recordingModel("r0", "r1", "r2");
    const summarize = async (messages: Message[]) => {
      given.push(messages.length);
      return "short";
    };
    const history: HistoryOptions = {
      countTokens: () => 100,
      compaction: { afterTokens: 400, keepLast: 1, summarize },
    };
    const agent = createAgent({ name: "a", model, store, history });
    await agent.run("q0", { sessionId: "s" });
    await agent.run("q1", { sessionId: "s" });
    expect(given).toEqual([]);
    await agent.run("q2", { sessionId: "s" });
    expect(given).toEqual([5]);
  });

  test("a function may answer with a message of its own", async () => {
    const summarize = async (): Promise<Message> => ({ role: "system", content: "SUMMARY" });
    const { agent, model } = summing({ afterMessages: 2, keepLast: 1, summarize }, ["r0", "r1", "r2"]);
    for (const index of range(3)) await agent.run(`q${index}`, { sessionId: "s" });
    expect(model.sent[2]?.prompt[0]).toMatchObject({ role: "system", content: "SUMMARY" });
  });

  test("by a model: that is asked for a summary, and not with the agent's instructions", async () => {
    const summarizer = recordingModel("Alice counts.", "Alice counts on.");
    const model = recordingModel("r0", "r1", "r2");
    const agent = createAgent({
      name: "a",
      model,
      instructions: "Be rude.",
      store: memoryStore(),
      history: { compaction: { afterMessages: 2, keepLast: 1, summarize: summarizer } },
    });
    for (const index of range(2)) await agent.run(`q${index}`, { sessionId: "s" });
    expect(summarizer.system(0)).toMatch(/summary/i);
    expect(summarizer.system(0)).not.toContain("rude");
    expect(summarizer.heard(0).join("\n")).toContain("user: q0");
    expect(summarizer.heard(0).join("\n")).toContain("assistant: r0");
    await agent.run("q2", { sessionId: "s" });
    expect(model.heard(2)[0]).toContain("Alice counts.");
  });

  test("without a summariser the agent's own model makes it", async () => {
    const agent = createAgent({
      name: "a",
      model: offlineModel(),
      store: memoryStore(),
      history: { compaction: { afterMessages: 4, keepLast: 1 } },
    });
    await agent.run("My name is Alice.", { sessionId: "s" });
    await agent.run("I live in Oslo.", { sessionId: "s" });
    const { session } = await agent.run("I like tea.", { sessionId: "s" });
    expect(session?.record.compactedUpTo).toBeGreaterThan(0);
    expect((await agent.run("What is my name?", { sessionId: "s" })).text).toContain("Alice");
  });

  test.each<[string, CompactionOptions["summarize"]]>([
    [
      "fails",
      async () => {
        throw new Error("no summary today");
      },
    ],
    ["answers with nothing", recordingModel("")],
    ["is a model that fails", recordingModel({ fails: new Error("no summary today") })],
  ])("a summariser that %s harms nothing, and a warning says so", async (_title, summarize) => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    try {
      const model = recordingModel("r0", "r1", "r2");
      const agent = createAgent({
        name: "a",
        model,
        store: memoryStore(),
        history: { compaction: { afterMessages: 2, keepLast: 1, ...(summarize && { summarize }) } },
        settings: { maxRetries: 0 },
      });
      await agent.run("q0", { sessionId: "s" });
      const { text, finishReason } = await agent.run("q1", { sessionId: "s" });
      expect([text, finishReason]).toEqual(["r1", "stop"]);
      const told = warned.mock.calls.filter(([, type]) => String(type) === "HoldfastWarning");
      expect(told).toHaveLength(1);
      expect(String(told[0]?.[0])).toMatch(/history.*"s"/);
      await agent.run("q2", { sessionId: "s" });
      expect(model.heard(2)).toEqual(["user: q0", "assistant: r0", "user: q1", "assistant: r1", "user: q2"]);
    } finally {
      warned.mockRestore();
    }
  });

  test("never tears a call from its result", async () => {
    const { agent, model } = summing({ afterMessages: 3, keepLast: 1 }, ["r1", "r2"]);
    await agent.sessions.create({
      id: "s",
      messages: [user("q0"), callMessage(call("c1", "look")), resultMessage("c1", "look", "found")],
    });
    await agent.run("q1", { sessionId: "s" });
    await agent.run("q2", { sessionId: "s" });
    const heard = model.heard(1).join(" ");
    expect(heard.includes("look#c1")).toBe(heard.includes("c1="));
  });

  test("a turn that waits for approval is left alone until it is over", async () => {
    const summarized: number[] = [];
    const agent = createAgent({
      name: "a",
      model: recordingModel({ calls: [call("c1", "pay")] }, "Paid."),
      store: memoryStore(),
      tools: { pay },
      history: {
        compaction: {
          afterMessages: 1,
          keepLast: 1,
          summarize: async (messages) => {
            summarized.push(messages.length);
            return "They paid.";
          },
        },
      },
    });
    await agent.run("Pay", { sessionId: "s" });
    expect(summarized).toEqual([]);
    await agent.approve("s", { toolCallId: "c1", approved: true });
    expect(summarized).toHaveLength(1);
  });
});

describe("titles", () => {
  onStores(
    "by a function, once, after the first turn",
    async ({ sessions, elsewhere }) => {
      const seen: unknown[] = [];
      const agent = createAgent({
        name: "a",
        model: recordingModel("r0", "r1"),
        sessions: sessions(),
        title: (messages) => {
          seen.push(messages.map(({ role }) => role));
          return "  Counting to one\nand more";
        },
      });
      const { session } = await agent.run("q0", { sessionId: "s" });
      expect(session?.label).toBe("Counting to one");
      await agent.run("q1", { sessionId: "s" });
      expect(seen).toEqual([["user", "assistant"]]);
      expect(await elsewhere().find("s")).toMatchObject({ label: "Counting to one" });
    },
    STORES,
  );

  test("by a model", async () => {
    const title = recordingModel("A talk about tea");
    const agent = createAgent({ name: "a", model: recordingModel("r0"), store: memoryStore(), title });
    const { session } = await agent.run("I like tea.", { sessionId: "s" });
    expect(session?.label).toBe("A talk about tea");
    expect(title.system(0)).toMatch(/title/i);
    expect(title.heard(0).join()).toContain("I like tea.");
  });

  test("one that somebody gave stays", async () => {
    const agent = createAgent({
      name: "a",
      model: recordingModel("r0"),
      store: memoryStore(),
      title: () => "Another",
    });
    await agent.sessions.create({ id: "s", label: "Mine" });
    const { session } = await agent.run("q0", { sessionId: "s" });
    expect(session?.label).toBe("Mine");
  });

  test("without, the first words are the label; where none can be made, too", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    try {
      const plain = createAgent({ name: "a", model: recordingModel("r0"), store: memoryStore() });
      expect((await plain.run("Hello there")).session?.label).toBe("Hello there");
      const failing = createAgent({
        name: "a",
        model: recordingModel("r0"),
        store: memoryStore(),
        title: () => Promise.reject(new Error("no title today")),
      });
      const { session, text } = await failing.run("Hello there");
      expect([session?.label, text]).toEqual(["Hello there", "r0"]);
      expect(warned.mock.calls.map(([message]) => String(message)).join()).toContain("no title today");
    } finally {
      warned.mockRestore();
    }
  });

  test("a first turn that waited for approval is given one, too, once it is over", async () => {
    const agent = createAgent({
      name: "a",
      model: recordingModel({ calls: [call("c1", "pay")] }, "Paid."),
      store: memoryStore(),
      tools: { pay },
      title: () => "A payment",
    });
    await agent.run("Pay", { sessionId: "s" });
    const { session } = await agent.approve("s", { toolCallId: "c1", approved: true });
    expect(session?.label).toBe("A payment");
  });
});

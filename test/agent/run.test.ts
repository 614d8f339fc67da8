/** What a run promises: it remembers, it commits before it goes on, it sends back what the provider said. */
import { jsonSchema, tool } from "ai";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { AgentTools, RunContext, ToolRun } from "../../src/agent/index.ts";
import { agentTool, createAgent, offlineModel } from "../../src/agent/index.ts";
import type { Message } from "../../src/session/types.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { StoreKind } from "../session/support.ts";
import { onStores, ownLog, range, refusal, textsOf, until } from "../session/support.ts";
import { call, calls, outputsIn, recordingModel, typesIn } from "./feature-support.ts";

const STORES: readonly StoreKind[] = ["memory", "sqlite"];
const looking = tool({
  description: "Looks something up.",
  inputSchema: z.object({ key: z.string() }),
  execute: async ({ key }) => `found ${key}`,
});

onStores(
  "remembers over runs, and over another agent on the same data",
  async ({ sessions, elsewhere }) => {
    const first = createAgent({ name: "chat", model: offlineModel(), sessions: sessions() });
    await first.run("My name is Alice.", { sessionId: "s" });
    expect((await first.run("What is my name?", { sessionId: "s" })).text).toContain("Alice");

    const model = recordingModel("You are Alice.");
    const second = createAgent({ name: "chat", model, sessions: elsewhere() });
    const result = await second.run("And now?", { sessionId: "s" });
    expect(model.heard(0)).toEqual([
      "user: My name is Alice.",
      expect.stringMatching(/^assistant: .*Alice/),
      "user: What is my name?",
      expect.stringMatching(/^assistant: .*Alice/),
      "user: And now?",
    ]);
    expect(result.text).toBe("You are Alice.");
    expect(result.sessionId).toBe("s");
    expect(result.session?.record).toMatchObject({
      messageCount: 6,
      agent: "chat",
      label: "My name is Alice.",
    });
  },
  STORES,
);

onStores(
  "keeps userId, metadata and data with the session, and finds none of another user",
  async ({ sessions, elsewhere }) => {
    const agent = createAgent({ name: "chat", model: recordingModel("One.", "Two."), sessions: sessions() });
    const options = { sessionId: "s", userId: "ada", metadata: { tier: "gold" }, data: { from: "Oslo" } };
    const { data } = await agent.run("Hello", options);
    expect(data).toEqual({ from: "Oslo" });
    const again = await agent.run("Hello again", {
      ...options,
      metadata: { tier: "tin" },
      data: { to: "Rome" },
    });
    expect(again.data).toEqual({ from: "Oslo", to: "Rome" });
    expect(await elsewhere().find("s")).toMatchObject({
      userId: "ada",
      data: { from: "Oslo", to: "Rome" },
      metadata: { tier: "gold" },
    });
    await refusal(agent.run("Mine?", { sessionId: "s", userId: "eve" }), "SESSION_NOT_FOUND");
    expect(await elsewhere().find("s")).toMatchObject({ messageCount: 4 });
  },
  STORES,
);

test("data that is there already costs no commit", async () => {
  const store = memoryStore();
  const agent = createAgent({ name: "chat", model: recordingModel("One.", "Two."), store });
  const one = await agent.run("Hello", { sessionId: "s", data: { from: "Oslo" } });
  const before = one.session?.record.version ?? 0;
  const two = await agent.run("Hello", { sessionId: "s", data: { from: "Oslo" } });
  expect((two.session?.record.version ?? 0) - before).toBe(2);
});

test("data that does not fit the schema is refused before anything is said", async () => {
  const store = memoryStore();
  const model = recordingModel("Never said.");
  const agent = createAgent({ name: "chat", model, store, data: z.object({ seats: z.number() }) });
  const data: { seats: number } = JSON.parse('{"seats":"two"}');
  await refusal(agent.run("Hello", { sessionId: "s", data }), "INVALID_DATA");
  expect(model.sent).toHaveLength(0);
  expect(store.size).toBe(0);
});

describe("without a session", () => {
  test("a run of an agent without sessions is stateless", async () => {
    const seen: unknown[] = [];
    const runs: RunContext[] = [];
    const peek = tool({
      inputSchema: z.object({}),
      execute: async (_input, options) => {
        seen.push(options);
        return "seen";
      },
    });
    const model = recordingModel(calls(call("c1", "peek")), "Done.", "Who are you?");
    const hooks = { beforeRun: (run: RunContext) => void runs.push(run) };
    const agent = createAgent({ name: "chat", model, tools: { peek }, hooks });
    const result = await agent.run("My name is Alice.", { userId: "ada", data: { from: "Oslo" } });
    expect(result).toMatchObject({ text: "Done.", finishReason: "stop", data: { from: "Oslo" } });
    expect(result.session).toBeUndefined();
    expect(result.sessionId).toBeUndefined();
    expect(result.usage).toEqual({
      inputTokens: 20,
      outputTokens: 10,
      totalTokens: 30,
      cachedInputTokens: 0,
      reasoningTokens: 0,
    });
    expect(seen[0]).toMatchObject({ userId: "ada", toolCallId: "c1" });
    expect(seen[0]).not.toHaveProperty("session");
    expect(seen[0]).not.toHaveProperty("sessions");
    expect(runs[0]).toMatchObject({ agent: "chat", userId: "ada", data: { from: "Oslo" } });
    expect(runs[0]).not.toHaveProperty("session");
    await agent.run("Who am I?");
    expect(model.heard(2)).toEqual(["user: Who am I?"]);
    expect((await agent.sessions.list()).items).toEqual([]);
  });

  onStores(
    "but with a store, each run makes one",
    async ({ store, connect }) => {
      const agent = createAgent({ name: "chat", model: recordingModel("One.", "Two."), store });
      const one = await agent.run("Hello");
      const two = await agent.run("Hello");
      expect(one.sessionId).toEqual(expect.any(String));
      expect(two.sessionId).not.toBe(one.sessionId);
      const found = await connect().find([one.sessionId ?? "", two.sessionId ?? ""]);
      expect(found).toMatchObject([{ messageCount: 2 }, { messageCount: 2 }]);
    },
    STORES,
  );
});

onStores(
  "counts the usage of each step once, as the session's ledger does",
  async ({ sessions, elsewhere, store }) => {
    const model = recordingModel(
      { calls: [call("c1", "look", { key: "a" })], tokens: [100, 7] },
      { calls: [call("c2", "look", { key: "b" })], tokens: [200, 11] },
      { text: "Both found.", tokens: [400, 13] },
      { text: "You are welcome.", tokens: [800, 17] },
    );
    const agent = createAgent({ name: "chat", model, tools: { look: looking }, sessions: sessions() });
    const { usage, steps, finishReason, text, message } = await agent.run("Look", { sessionId: "s" });
    expect(usage).toMatchObject({ inputTokens: 700, outputTokens: 31, totalTokens: 731 });
    expect(steps.map((step) => step.usage.totalTokens)).toEqual([107, 211, 413]);
    expect(steps.map((step) => step.finishReason)).toEqual(["tool-calls", "tool-calls", "stop"]);
    expect(steps.map((step) => step.text)).toEqual(["", "", "Both found."]);
    expect(steps[0]?.toolCalls).toEqual([{ toolCallId: "c1", toolName: "look", input: { key: "a" } }]);
    expect(steps[1]?.toolResults).toEqual([
      {
        toolCallId: "c2",
        toolName: "look",
        input: { key: "b" },
        output: { type: "text", value: "found b" },
        isError: false,
      },
    ]);
    expect(steps[2]?.toolCalls).toEqual([]);
    expect({ finishReason, text, role: message?.role }).toEqual({
      finishReason: "stop",
      text: "Both found.",
      role: "assistant",
    });
    expect((await elsewhere().find("s"))?.usage).toEqual(usage);

    const more = await agent.run("Thanks", { sessionId: "s" });
    expect(more.usage.totalTokens).toBe(817);
    expect((await elsewhere().find("s"))?.usage).toMatchObject({
      inputTokens: 1500,
      outputTokens: 48,
      totalTokens: 1548,
    });
    const spent = (await ownLog(store, "s")).filter(({ type }) => type === "usage.added");
    expect(spent).toHaveLength(4);
  },
  STORES,
);

test("at most so many steps: the last one's tools still run, and the turn ends", async () => {
  const store = memoryStore();
  const model = recordingModel(
    ...range(3).map((index) => calls(call(`c${index}`, "look", { key: "a" }))),
    "Fine.",
  );
  const agent = createAgent({ name: "chat", model, tools: { look: looking }, store, maxSteps: 3 });
  const { finishReason, steps, text } = await agent.run("Look for ever", { sessionId: "s" });
  expect({ finishReason, text }).toEqual({ finishReason: "max-steps", text: "" });
  expect(steps.map(({ toolResults }) => toolResults.length)).toEqual([1, 1, 1]);
  expect(await agent.sessions.find("s")).not.toHaveProperty("turn");
  // The next turn goes on behind the last result.
  await agent.run("And?", { sessionId: "s" });
  expect(model.heard(3).slice(-2)).toEqual(['tool: c2={"type":"text","value":"found a"}', "user: And?"]);
});

describe("instructions", () => {
  onStores(
    "are made for each run and never stored",
    async ({ sessions, store }) => {
      const model = recordingModel(calls(call("c1", "look", { key: "a" })), "One.", "Two.");
      const made: RunContext[] = [];
      const agent = createAgent({
        name: "chat",
        model,
        tools: { look: looking },
        sessions: sessions(),
        context: { tone: "dry", place: "Oslo" },
        instructions: async (run) => {
          made.push(run);
          return `SECRET-RULES for ${run.userId} in ${run.context.place}, ${run.context.tone}, ${run.data.seats}`;
        },
        hooks: { beforeRun: () => ({ tone: "warm" }) },
      });
      await agent.run("Hello", {
        sessionId: "s",
        userId: "ada",
        data: { seats: 2 },
        context: { place: "Rome" },
      });
      expect(model.system(0)).toBe("SECRET-RULES for ada in Rome, warm, 2");
      expect(model.system(1)).toBe(model.system(0));
      expect(made).toHaveLength(1);
      expect(made[0]).toMatchObject({ agent: "chat", sessionId: "s", userId: "ada" });
      await agent.run("Hello", { sessionId: "s", userId: "ada" });
      expect(model.system(2)).toBe("SECRET-RULES for ada in Oslo, warm, 2");
      expect(JSON.stringify(await ownLog(store, "s"))).not.toContain("SECRET-RULES");
    },
    STORES,
  );

  test("may change between runs; without any, no system prompt is sent", async () => {
    const store = memoryStore();
    const before = recordingModel("One.");
    await createAgent({ name: "a", model: before, store, instructions: "Be brief." }).run("Hi", {
      sessionId: "s",
    });
    const after = recordingModel("Two.");
    await createAgent({ name: "a", model: after, store }).run("Hi", { sessionId: "s" });
    expect(before.system(0)).toBe("Be brief.");
    expect(after.sent[0]?.prompt.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
  });
});

describe("commits", () => {
  onStores(
    "a plain turn is two, one with tools two more a step",
    async ({ sessions, elsewhere }) => {
      const model = recordingModel(
        "Hello.",
        calls(call("c1", "look", { key: "a" })),
        calls(call("c2", "look", { key: "b" })),
        "Found.",
      );
      const agent = createAgent({ name: "chat", model, tools: { look: looking }, sessions: sessions() });
      const there = elsewhere();
      await there.create({ id: "s" });
      const versionOf = async () => (await there.find("s"))?.version ?? 0;
      const begin = await versionOf();
      await agent.run("Hi", { sessionId: "s" });
      const plain = await versionOf();
      expect(plain - begin).toBe(2);
      await agent.run("Look", { sessionId: "s" });
      expect((await versionOf()) - plain).toBe(2 + 2 * 2);
    },
    STORES,
  );

  onStores(
    "the prompt is there before the model is called, a call before its tool runs, a result before the next call",
    async ({ sessions, elsewhere, kind }) => {
      const there = elsewhere();
      const seen: Record<string, unknown[]> = {};
      const look = async (when: string): Promise<void> => {
        const session = await there.open("s");
        await session.refresh();
        seen[when] = (await session.messages()).map(({ role, content }) => [role, content.length]);
        expect(session.record.turn, `a turn is open ${when}`).toBeDefined();
      };
      const model = recordingModel(
        async () => {
          await look("first call");
          return { text: "Let me see.", calls: [call("c1", "look")] };
        },
        async () => {
          await look("second call");
          return "Done.";
        },
      );
      const tools: AgentTools = {
        look: tool({ inputSchema: z.object({}), execute: async () => look("tool") }),
      };
      await createAgent({ name: "chat", model, tools, sessions: sessions() }).run("Hello", {
        sessionId: "s",
      });
      expect(seen, kind).toEqual({
        "first call": [["user", 5]],
        tool: [
          ["user", 5],
          ["assistant", 2],
        ],
        "second call": [
          ["user", 5],
          ["assistant", 2],
          ["tool", 1],
        ],
      });
    },
    STORES,
  );

  onStores(
    "the log of a turn with a tool, entry by entry",
    async ({ sessions, store }) => {
      const model = recordingModel(calls(call("c1", "look", { key: "a" })), "Found.");
      const agent = createAgent({ name: "chat", model, tools: { look: looking }, sessions: sessions() });
      await agent.run("Look", { sessionId: "s" });
      expect(await typesIn(store, "s")).toEqual([
        "session.created",
        "turn.started",
        "message",
        "label.set",
        "message",
        "usage.added",
        "message",
        "message",
        "usage.added",
        "turn.ended:completed",
      ]);
    },
    STORES,
  );
});

describe("what only its provider understands", () => {
  onStores(
    "comes back as it was",
    async ({ sessions, elsewhere }) => {
      const said = {
        reasoning: { text: "Hmm, Oslo.", metadata: { anthropic: { signature: "c2lnbmVk" } } },
        text: "Here is a picture.",
        textMetadata: { openai: { itemId: "msg_1" } },
        file: { mediaType: "image/png", base64: "iVBORw0KGgo=" },
        calls: [
          { ...call("c1", "look", { key: "a" }), metadata: { google: { thoughtSignature: "dGhvdWdodA==" } } },
        ],
      };
      const first = recordingModel(said, "Found.");
      const tools = { look: looking };
      await createAgent({ name: "chat", model: first, tools, sessions: sessions() }).run("Draw", {
        sessionId: "s",
      });
      const inTurn = first.sent[1]?.prompt[1];
      expect(inTurn).toMatchObject({
        role: "assistant",
        content: [
          {
            type: "reasoning",
            text: "Hmm, Oslo.",
            providerOptions: { anthropic: { signature: "c2lnbmVk" } },
          },
          { type: "text", text: "Here is a picture.", providerOptions: { openai: { itemId: "msg_1" } } },
          { type: "file", mediaType: "image/png" },
          {
            type: "tool-call",
            toolCallId: "c1",
            input: { key: "a" },
            providerOptions: { google: { thoughtSignature: "dGhvdWdodA==" } },
          },
        ],
      });
      // And the same, part for part, in another process.
      const second = recordingModel("Good.");
      await createAgent({ name: "chat", model: second, tools, sessions: elsewhere() }).run("And?", {
        sessionId: "s",
      });
      expect(second.sent[0]?.prompt.slice(0, 3)).toEqual(first.sent[1]?.prompt);
      expect(second.sent[0]?.prompt[1]).toEqual(inTurn);
    },
    STORES,
  );

  onStores(
    "so do files that the user sends",
    async ({ sessions, elsewhere }) => {
      const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0, 255]);
      const prompt = {
        role: "user" as const,
        content: [
          {
            type: "text" as const,
            text: "What is it?",
            providerOptions: { anthropic: { cacheControl: { type: "ephemeral" } } },
          },
          { type: "file" as const, data: png, mediaType: "image/png", filename: "a.png" },
        ],
        providerOptions: { test: { mark: "yes" } },
      };
      const first = recordingModel("A picture.");
      await createAgent({ name: "chat", model: first, sessions: sessions() }).run(prompt, { sessionId: "s" });
      expect(first.sent[0]?.prompt[0]).toMatchObject({
        content: [{ text: "What is it?" }, { filename: "a.png" }],
      });
      const second = recordingModel("Still.");
      await createAgent({ name: "chat", model: second, sessions: elsewhere() }).run("Sure?", {
        sessionId: "s",
      });
      expect(second.sent[0]?.prompt[0]).toEqual(first.sent[0]?.prompt[0]);
    },
    STORES,
  );

  test("several messages of the user make one turn", async () => {
    const store = memoryStore();
    const model = recordingModel("Yes.");
    const prompt = [
      { role: "user" as const, content: "First." },
      { role: "user" as const, content: "Second." },
    ];
    const { session } = await createAgent({ name: "chat", model, store }).run(prompt, { sessionId: "s" });
    expect(session && (await textsOf(session))).toHaveLength(3);
    expect(session?.record.version).toBe(3);
  });
});

describe("tools", () => {
  test("of one step run side by side, and each result is committed as it completes", async () => {
    const store = memoryStore();
    const agentOf = (tools: AgentTools) =>
      createAgent({
        name: "chat",
        model: recordingModel(calls(call("c1", "slow"), call("c2", "fast")), "Done."),
        tools,
        store,
      });
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    let running = 0;
    let most = 0;
    const work = async (wait: Promise<unknown>) => {
      running += 1;
      most = Math.max(most, running);
      await wait;
      running -= 1;
      return "done";
    };
    const agent = agentOf({
      slow: tool({ inputSchema: z.object({}), execute: () => work(released) }),
      fast: tool({ inputSchema: z.object({}), execute: () => work(new Promise((go) => setTimeout(go, 5))) }),
    });
    const running_ = agent.run("Both", { sessionId: "s" });
    const results = async () =>
      (await ownLog(store, "s")).filter(({ data }) => JSON.stringify(data).includes("tool-result"));
    await until(async () => (await results()).length === 1);
    expect(JSON.stringify(await results())).toContain("c2");
    release();
    const { steps } = await running_;
    expect(most).toBe(2);
    expect(steps[0]?.toolResults.map(({ toolCallId }) => toolCallId).sort()).toEqual(["c1", "c2"]);
  });

  test("without execute end the turn, for the caller to run", async () => {
    const store = memoryStore();
    const model = recordingModel(
      calls(call("c1", "ask_user", { question: "Where to?" }), call("c2", "look", { key: "a" })),
      "Rome.",
    );
    const tools = {
      look: looking,
      // As an answer's type is not known, the compiler must be told of one.
      ask_user: tool({ inputSchema: z.object({ question: z.string() }), outputSchema: z.string() }),
    };
    const agent = createAgent({ name: "chat", model, tools, store });
    const { finishReason, steps, session } = await agent.run("Plan", { sessionId: "s" });
    expect(finishReason).toBe("tool-calls");
    expect(steps[0]?.toolCalls.map(({ toolName }) => toolName)).toEqual(["ask_user", "look"]);
    expect(steps[0]?.toolResults.map(({ toolName }) => toolName)).toEqual(["look"]);
    expect(session?.record.turn).toBeUndefined();
    // The caller answers by appending the result.
    await session?.append({
      role: "tool",
      content: [
        {
          type: "tool-result",
          toolCallId: "c1",
          toolName: "ask_user",
          output: { type: "text", value: "Rome" },
        },
      ],
    });
    await agent.run("Go on", { sessionId: "s" });
    expect(model.heard(1).join("\n")).toContain('c1={"type":"text","value":"Rome"}');
  });

  test("that yield preliminary results: the last one counts", async () => {
    const store = memoryStore();
    const count = tool({
      inputSchema: z.object({}),
      async *execute() {
        yield { at: 1 };
        yield { at: 2 };
        yield { at: 3, done: true };
      },
    });
    const model = recordingModel(calls(call("c1", "count")), "Counted.");
    await createAgent({ name: "chat", model, tools: { count }, store }).run("Count", { sessionId: "s" });
    expect(model.heard(1).at(-1)).toBe('tool: c1={"type":"json","value":{"at":3,"done":true}}');
  });

  test("may say themselves what the model is sent", async () => {
    const store = memoryStore();
    const shot = tool({
      inputSchema: z.object({ of: z.string() }),
      execute: async () => ({ base64: "aGk=", notes: "not for the model" }),
      toModelOutput: ({ output, input, toolCallId }) => ({
        type: "content",
        value: [
          { type: "text", text: `${toolCallId} of ${input.of}` },
          { type: "file", data: { type: "data", data: output.base64 }, mediaType: "image/png" },
        ],
      }),
    });
    const model = recordingModel(calls(call("c1", "shot", { of: "me" })), "Nice.", "Still nice.");
    const agent = createAgent({ name: "chat", model, tools: { shot }, store });
    await agent.run("Shoot", { sessionId: "s" });
    const sent = JSON.stringify(model.sent[1]?.prompt.at(-1));
    expect(sent).toContain("c1 of me");
    expect(sent).toContain("aGk=");
    expect(JSON.stringify(await ownLog(store, "s"))).not.toContain("not for the model");
    await agent.run("And?", { sessionId: "s" });
    expect(JSON.stringify(model.sent[2]?.prompt[2])).toBe(sent);
  });

  test("get the run that they are part of, and validated input", async () => {
    const store = memoryStore();
    const seen: { input: unknown; run: ToolRun }[] = [];
    const note: AgentTools[string] = {
      inputSchema: z.object({ text: z.string().trim(), times: z.number().default(2) }),
      execute: async (input: unknown, run) => {
        const own: ToolRun = run;
        seen.push({ input, run: own });
        await own.session?.setMetadata({ noted: true });
        return (await own.sessions?.list())?.items.length;
      },
    };
    const model = recordingModel(calls(call("c1", "note", { text: "  hi " })), "Noted.");
    const agent = createAgent({ name: "chat", model, tools: { note }, store, context: { a: 1 } });
    await agent.sessions.create({ id: "of-another", userId: "eve" });
    const { session, text } = await agent.run("Note", { sessionId: "s", userId: "ada", context: { b: 2 } });
    expect(text).toBe("Noted.");
    expect(seen).toHaveLength(1);
    const { input, run } = seen[0] ?? {};
    expect(input).toEqual({ text: "hi", times: 2 });
    expect(run).toMatchObject({ toolCallId: "c1", sessionId: "s", userId: "ada", context: { a: 1, b: 2 } });
    expect(run?.session?.id).toBe("s");
    expect(run?.abortSignal?.aborted).toBe(false);
    expect(run?.messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
    expect(session?.record.metadata).toEqual({ noted: true });
    // Its sessions are its user's only.
    expect(model.heard(1).at(-1)).toBe('tool: c1={"type":"json","value":1}');
  });

  test("a result of nothing, of an array and of a deep object", async () => {
    const store = memoryStore();
    const give = tool({
      inputSchema: jsonSchema<{ what: string }>({ type: "object", properties: { what: { type: "string" } } }),
      execute: async ({ what }): Promise<unknown> => {
        const gifts: Record<string, unknown> = {
          list: [1, null],
          deep: { a: { b: ["ü", "🙂"] } },
          empty: "",
        };
        return gifts[what];
      },
    });
    const model = recordingModel(
      calls(
        ...["nothing", "list", "deep", "empty"].map((what, index) => call(`c${index}`, "give", { what })),
      ),
      "Thanks.",
    );
    await createAgent({ name: "chat", model, tools: { give }, store }).run("Give", { sessionId: "s" });
    expect(outputsIn(model, 1)).toEqual({
      c0: { type: "json", value: null },
      c1: { type: "json", value: [1, null] },
      c2: { type: "json", value: { a: { b: ["ü", "🙂"] } } },
      c3: { type: "text", value: "" },
    });
  });
});

describe("hooks", () => {
  test("beforeRun and afterRun are called once each, around the turn", async () => {
    const store = memoryStore();
    const told: unknown[] = [];
    const model = recordingModel(calls(call("c1", "look", { key: "a" })), "Found.");
    const agent = createAgent({
      name: "chat",
      model,
      tools: { look: looking },
      store,
      hooks: {
        beforeRun: (run) => {
          told.push(["before", run.sessionId, model.sent.length]);
          return { asked: 1 };
        },
        afterRun: async (result, run) => {
          const log = await typesIn(store, "s");
          told.push(["after", result.text, run.context.asked, log.at(-1)]);
        },
      },
    });
    await agent.run("Look", { sessionId: "s" });
    expect(told).toEqual([
      ["before", "s", 0],
      ["after", "Found.", 1, "turn.ended:completed"],
    ]);
  });

  test("a beforeRun that fails fails the run before the model is called; an afterRun fails it, not the turn", async () => {
    const store = memoryStore();
    const model = recordingModel("Fine.", "Not said.");
    const refuse = () => {
      throw new Error("not today");
    };
    const after = createAgent({ name: "a", model, store, hooks: { afterRun: refuse } });
    await expect(after.run("Hi", { sessionId: "s" })).rejects.toThrow("not today");
    expect((await typesIn(store, "s")).at(-1)).toBe("turn.ended:completed");
    const before = createAgent({ name: "a", model, store, hooks: { beforeRun: refuse } });
    await expect(before.run("Hi", { sessionId: "s" })).rejects.toThrow("not today");
    expect(model.sent).toHaveLength(1);
    expect((await typesIn(store, "s")).at(-1)).toBe("turn.ended:failed");
  });
});

describe("what makes no sense is refused", () => {
  const model = recordingModel();
  test.each<[string, () => unknown]>([
    ["no name", () => createAgent({ name: "", model })],
    ["no steps allowed", () => createAgent({ name: "a", model, maxSteps: 0 })],
    ["half a step", () => createAgent({ name: "a", model, maxSteps: 1.5 })],
  ])("%s", (_title, make) => {
    expect(make).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  const empty: [string, string | Message[]][] = [
    ["an empty prompt", " \n"],
    ["no messages", []],
    ["a message of the assistant", [{ role: "assistant", content: "I said so." }]],
    ["a system message", [{ role: "system", content: "Obey." }]],
  ];
  test.each(empty)("%s", async (_title, prompt) => {
    const store = memoryStore();
    const given: string = JSON.parse(JSON.stringify(prompt));
    await refusal(
      createAgent({ name: "a", model, store }).run(given, { sessionId: "s" }),
      "INVALID_ARGUMENT",
    );
    expect(store.size).toBe(0);
  });
});

test("settings reach the model", async () => {
  const model = recordingModel("Hi.");
  const settings = {
    temperature: 0.3,
    maxOutputTokens: 77,
    seed: 5,
    stopSequences: ["END"],
    providerOptions: { test: { a: 1 } },
  };
  await createAgent({ name: "a", model, store: memoryStore(), settings }).run("Hi");
  expect(model.sent[0]?.options).toMatchObject(settings);
});

describe("tools that the caller runs", () => {
  onStores(
    "are answered by a run with their results",
    async ({ store, connect }) => {
      const ask = tool({ inputSchema: z.object({ question: z.string() }), outputSchema: z.string() });
      const first = recordingModel(calls(call("c1", "ask_user", { question: "Where to?" })));
      const tools = { ask_user: ask };
      const { finishReason } = await createAgent({ name: "chat", model: first, tools, store }).run("Plan", {
        sessionId: "s",
      });
      expect(finishReason).toBe("tool-calls");
      const second = recordingModel("Rome it is.");
      const { text } = await createAgent({ name: "chat", model: second, tools, store: connect() }).run(
        {
          role: "tool",
          content: [
            {
              type: "tool-result",
              toolCallId: "c1",
              toolName: "ask_user",
              output: { type: "text", value: "Rome" },
            },
          ],
        },
        { sessionId: "s" },
      );
      expect(text).toBe("Rome it is.");
      expect(second.heard(0)).toEqual([
        "user: Plan",
        "assistant: ask_user#c1",
        'tool: c1={"type":"text","value":"Rome"}',
      ]);
    },
    STORES,
  );
});

test("a tool of ours is given the run, and its policy holds", async () => {
  const ours = agentTool({
    description: "Notes",
    inputSchema: z.object({ text: z.string() }),
    needsApproval: ({ text }) => text === "secret",
    async execute({ text }, { session, userId, abortSignal }) {
      await session?.setMetadata({ [text]: userId ?? "nobody" });
      return `noted ${text} ${abortSignal.aborted}`;
    },
  });
  const model = recordingModel(
    calls(call("c1", "ours", { text: "plain" })),
    calls(call("c2", "ours", { text: "secret" })),
  );
  const agent = createAgent({ name: "chat", model, tools: { ours }, store: memoryStore() });
  const { approvals, session } = await agent.run("Note", { sessionId: "s", userId: "ada" });
  expect(outputsIn(model, 1)).toEqual({ c1: { type: "text", value: "noted plain false" } });
  expect(approvals.map(({ toolCallId }) => toolCallId)).toEqual(["c2"]);
  expect(session?.record.metadata).toEqual({ plain: "ada" });
});

test("a label and a time to live are given to a session that is made", async () => {
  const agent = createAgent({ name: "chat", model: recordingModel("One.", "Two."), store: memoryStore() });
  const { session } = await agent.run("Hello", { sessionId: "s", label: "Mine", expiresInMs: 60_000 });
  const before = session?.record.expiresAt ?? 0;
  expect(session?.label).toBe("Mine");
  expect(before).toBeGreaterThan(Date.now());
  const again = await agent.run("Hello", { sessionId: "s", label: "Other", expiresInMs: 600_000 });
  expect(again.session?.label).toBe("Mine");
  expect(again.session?.record.expiresAt).toBeGreaterThan(before + 100_000);
});

/**
 * Callers that give up, fail or get in each other's way: what each is told, and what is left in the log.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { jsonSchema } from "ai";
import { describe, expect, test } from "vitest";
import { createAgent } from "../../src/agent/agent.ts";
import type { Agent, AgentEvent, AgentOptions, AgentTools } from "../../src/agent/types.ts";
import { toolResultIdsOf } from "../../src/log/tool-calls.ts";
import { createSessions } from "../../src/session/sessions.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { ScriptedStep } from "./support.ts";
import {
  collect,
  entriesOf,
  expectAccepted,
  failureOf,
  inWords,
  refusalOf,
  scriptedModel,
} from "./support.ts";

const OPEN = [
  ["session.created", "test"],
  ["turn.started", ""],
  ["message", "user: hello"],
  ["label.set", "hello"],
] as const;
const inputSchema = jsonSchema<Record<string, unknown>>({ type: "object" });

function given(steps: readonly ScriptedStep[] = [], options: Partial<AgentOptions> = {}) {
  const model = scriptedModel(steps);
  const store = memoryStore();
  const agent = createAgent({ name: "test", model, store, ...options });
  const log = async (id = "s") => entriesOf(await agent.sessions.open(id));
  const context = async () => (await agent.sessions.open("s")).context();
  return { agent, model, store, log, context };
}

class GivenUp extends Error {
  override readonly name = "GivenUp";
}

describe("a signal", () => {
  test("that is aborted before the start writes nothing", async () => {
    const { agent, model, store } = given(["hi"]);
    const signal = AbortSignal.abort(new GivenUp("too late"));
    const options = { sessionId: "s", signal };
    expect(await failureOf(agent.run("hello", options))).toBe(signal.reason);
    expect(await failureOf(collect(agent.stream("hello", options)))).toBe(signal.reason);
    expect(store.size).toBe(0);
    expect(model.calls).toEqual([]);
  });

  test("that is aborted before resume or approve changes nothing", async () => {
    const { agent, log, model } = given([[{ call: "add", id: "c1" }], "done"], {
      tools: { add: { inputSchema, execute: () => 2, needsApproval: true } },
    });
    await agent.run("hello", { sessionId: "s" });
    const before = await log();
    const signal = AbortSignal.abort(new GivenUp("too late"));
    expect(await failureOf(agent.resume("s", { signal }))).toBe(signal.reason);
    const answer = { toolCallId: "c1", approved: true };
    expect(await failureOf(agent.approve("s", answer, { signal }))).toBe(signal.reason);
    expect(await log()).toEqual(before);
    expect(model.calls).toHaveLength(1);
    expect((await agent.approve("s", answer)).text).toBe("done");
  });

  test("that aborts in mid-stream leaves what was said, marked, and the lease is free", async () => {
    const { agent, log, model } = given([[{ text: "one " }, { text: "two" }, { hang: true }]]);
    const controller = new AbortController();
    const reason = new GivenUp("enough");
    const run = agent.run("hello", {
      sessionId: "s",
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === "text" && event.text === "two") controller.abort(reason);
      },
    });
    expect(await failureOf(run)).toBe(reason);
    expect(await log()).toEqual([
      ...OPEN,
      ["message", "assistant: (partial) one two"],
      ["turn.ended", "aborted GivenUp"],
    ]);
    model.play("three");
    expect((await agent.run("go on", { sessionId: "s" })).text).toBe("three");
  });

  test("that aborts before the first word leaves the prompt", async () => {
    const { agent, log } = given([[{ hang: true }]]);
    const signal = AbortSignal.timeout(10);
    expect(await failureOf(agent.run("hello", { sessionId: "s", signal }))).toBe(signal.reason);
    expect(await log()).toEqual([...OPEN, ["turn.ended", "aborted TimeoutError"]]);
  });

  test("that aborts while a deaf tool runs ends the run at once; what the tool does later reaches nothing", async () => {
    const late = Promise.withResolvers<string>();
    const begun = Promise.withResolvers<void>();
    const { agent, log, context, model } = given(
      [
        [
          { call: "fast", id: "c1" },
          { call: "deaf", id: "c2" },
        ],
      ],
      {
        tools: {
          fast: { inputSchema, execute: async () => "fast" },
          deaf: {
            inputSchema,
            execute() {
              begun.resolve();
              return late.promise;
            },
          },
        },
      },
    );
    const controller = new AbortController();
    const reason = new GivenUp("enough");
    const run = agent.run("hello", {
      sessionId: "s",
      signal: controller.signal,
      onEvent: ({ type }) => {
        if (type === "tool-result") controller.abort(reason);
      },
    });
    await begun.promise;
    expect(await failureOf(run)).toBe(reason);
    const expected = [
      ...OPEN,
      ["message", "assistant: fast#c1{} deaf#c2{}"],
      ["message", "tool: #c1=fast"],
      ["turn.ended", "aborted GivenUp"],
    ];
    expect(await log()).toEqual(expected);
    late.resolve("late");
    await sleep(5);
    expect(await log()).toEqual(expected);
    await expectAccepted(await context());
    model.play("sorry");
    expect((await agent.run("again", { sessionId: "s" })).text).toBe("sorry");
    const sent = model.calls.at(-1)?.prompt ?? [];
    expect(sent.flatMap((message) => toolResultIdsOf({ ...message })).sort()).toEqual(["c1", "c2"]);
  });

  test("that aborts while a run waits for another one's turn ends the wait with its reason", async () => {
    const { agent, log } = given([[{ hang: true }]]);
    const first = new AbortController();
    const running = failureOf(agent.run("hello", { sessionId: "s", signal: first.signal }));
    await untilTurn(agent);
    const second = new AbortController();
    const reason = new GivenUp("no patience");
    const waiting = failureOf(
      agent.run("me too", { sessionId: "s", signal: second.signal, turnWaitMs: 10_000 }),
    );
    await sleep(10);
    second.abort(reason);
    expect(await waiting).toBe(reason);
    first.abort(new GivenUp("enough"));
    await running;
    expect(await log()).toEqual([...OPEN, ["turn.ended", "aborted GivenUp"]]);
  });
});

describe("two runs on one session", () => {
  test("the second is told that a turn is in progress, and changes nothing", async () => {
    const { agent, log, model } = given();
    const speaking = Promise.withResolvers<void>();
    model.play([{ text: "one " }, { wait: () => speaking.promise }, { text: "two" }]);
    const first = agent.run("hello", { sessionId: "s" });
    await untilTurn(agent);
    const during = await log();
    const error = await refusalOf(agent.run("me too", { sessionId: "s" }), "TURN_IN_PROGRESS");
    expect(error).toMatchObject({ sessionId: "s", retryable: true });
    await refusalOf(agent.resume("s"), "TURN_IN_PROGRESS");
    await refusalOf(collect(agent.stream("me too", { sessionId: "s" })), "TURN_IN_PROGRESS");
    expect(await log()).toEqual(during);
    speaking.resolve();
    expect((await first).text).toBe("one two");
    expect(await log()).toEqual([...OPEN, ["message", "assistant: one two"], ["turn.ended", "completed"]]);
  });

  test.each(["the same agent", "another process"])(
    "with turnWaitMs the second waits, and both are whole [%s]",
    async (where) => {
      const model = scriptedModel([
        [{ call: "slow", id: "c1" }],
        "first",
        [{ call: "slow", id: "c2" }],
        "second",
      ]);
      const store = memoryStore();
      const tools: AgentTools = { slow: { inputSchema, execute: () => sleep(30, "slow") } };
      const options = { name: "test", model, tools, turnWaitMs: 5000 };
      const one = createAgent({ ...options, store });
      const other =
        where === "the same agent" ? one : createAgent({ ...options, sessions: createSessions({ store }) });
      await one.sessions.create({ id: "s", agent: "test" });
      const runs = [one.run("hello", { sessionId: "s" })];
      await untilTurn(one);
      runs.push(other.run("me too", { sessionId: "s" }));
      const texts = (await Promise.all(runs)).map(({ text }) => text);
      expect(texts).toEqual(["first", "second"]);
      expect((await (await one.sessions.open("s")).context()).map(inWords)).toEqual([
        "user: hello",
        "assistant: slow#c1{}",
        "tool: #c1=slow",
        "assistant: first",
        "user: me too",
        "assistant: slow#c2{}",
        "tool: #c2=slow",
        "assistant: second",
      ]);
    },
  );

  test("a wait that is over says what it waited for", async () => {
    const { agent } = given([[{ hang: true }]]);
    const controller = new AbortController();
    const first = failureOf(agent.run("hello", { sessionId: "s", signal: controller.signal }));
    await untilTurn(agent);
    const startMs = performance.now();
    await refusalOf(agent.run("me too", { sessionId: "s", turnWaitMs: 60 }), "TURN_IN_PROGRESS");
    expect(performance.now() - startMs).toBeGreaterThan(50);
    controller.abort();
    await first;
  });

  test("many at once are one after the other", async () => {
    const { agent, context, model } = given(
      Array.from({ length: 5 }, (_, index) => `answer ${index}`),
      { turnWaitMs: 10_000 },
    );
    const results = await Promise.all(
      Array.from({ length: 5 }, (_, index) => agent.run(`prompt ${index}`, { sessionId: "s" })),
    );
    expect(results.map(({ text }) => text).sort()).toEqual(
      Array.from({ length: 5 }, (_, index) => `answer ${index}`),
    );
    expect((await context()).map(({ role }) => role)).toEqual(
      Array.from({ length: 5 }, () => ["user", "assistant"]).flat(),
    );
    expect(model.calls.map(({ prompt }) => prompt.length)).toEqual([1, 3, 5, 7, 9]);
  });
});

describe("leaving a stream", () => {
  test("aborts the turn, keeps what was said, and frees the lease before the loop is left", async () => {
    const { agent, log, model } = given([[{ text: "one " }, { text: "two" }, { hang: true }]]);
    for await (const event of agent.stream("hello", { sessionId: "s" })) {
      if (event.type === "text" && event.text === "two") break;
    }
    expect(await log()).toEqual([
      ...OPEN,
      ["message", "assistant: (partial) one two"],
      ["turn.ended", "aborted AbortError"],
    ]);
    model.play("three");
    expect((await agent.run("go on", { sessionId: "s" })).text).toBe("three");
  });

  test("a reader that throws leaves as well, with its own error", async () => {
    const { agent, log } = given([[{ text: "one" }, { hang: true }]]);
    const chat = await agent.open("s");
    const own = new GivenUp("of the reader");
    const read = async (): Promise<void> => {
      for await (const { type } of chat.stream("hello")) if (type === "text") throw own;
    };
    expect(await failureOf(read())).toBe(own);
    expect((await log()).slice(-2)).toEqual([
      ["message", "assistant: (partial) one"],
      ["turn.ended", "aborted AbortError"],
    ]);
  });

  test("after the last event aborts nothing", async () => {
    const { agent, log } = given(["hi"]);
    for await (const { type } of agent.stream("hello", { sessionId: "s" })) if (type === "done") break;
    expect(await log()).toEqual([...OPEN, ["message", "assistant: hi"], ["turn.ended", "completed"]]);
  });

  test("a stream that nobody reads begins nothing", async () => {
    const { agent, store, model } = given(["hi"]);
    agent.stream("hello", { sessionId: "s" });
    await sleep(5);
    expect([store.size, model.calls.length]).toEqual([0, 0]);
  });
});

describe("an onEvent that throws", () => {
  const SAID = ["message", 'assistant: let me add add#c1{"a":1}'];
  const RESULT = ["message", "tool: #c1=2"];
  const CASES: readonly [type: AgentEvent["type"], after: readonly (readonly string[])[]][] = [
    [
      "text",
      [
        ["message", "assistant: (partial) let me add"],
        ["turn.ended", "failed GivenUp"],
      ],
    ],
    [
      "tool-call",
      [
        ["message", "assistant: (partial) let me add"],
        ["turn.ended", "failed GivenUp"],
      ],
    ],
    ["tool-result", [SAID, RESULT, ["turn.ended", "failed GivenUp"]]],
    ["step", [SAID, RESULT, ["turn.ended", "failed GivenUp"]]],
    ["done", [SAID, RESULT, ["message", "assistant: two"], ["turn.ended", "completed"]]],
  ];

  test.each(CASES)("at %s fails the run, and what was said by then is kept", async (type, after) => {
    const { agent, log, context, model } = given(
      [[{ text: "let me add" }, { call: "add", id: "c1", input: { a: 1 } }], "two"],
      { tools: { add: { inputSchema, execute: () => 2 } } },
    );
    const own = new GivenUp("of the listener");
    const run = agent.run("hello", {
      sessionId: "s",
      onEvent: (event) => {
        if (event.type === type) throw own;
      },
    });
    expect(await failureOf(run)).toBe(own);
    expect(await log()).toEqual([...OPEN, ...after]);
    await expectAccepted(await context());
    model.play("fine", "fine");
    await agent.run("again", { sessionId: "s" });
  });

  test("at the last step, too, the answer is kept", async () => {
    const { agent, log } = given(["hi"]);
    const own = new GivenUp("of the listener");
    const run = agent.run("hello", {
      sessionId: "s",
      onEvent: ({ type }) => {
        if (type === "step") throw own;
      },
    });
    expect(await failureOf(run)).toBe(own);
    expect(await log()).toEqual([...OPEN, ["message", "assistant: hi"], ["turn.ended", "completed"]]);
  });

  test("at a request for approval leaves the turn waiting for it", async () => {
    const { agent, model } = given([[{ call: "add", id: "c1" }]], {
      tools: { add: { inputSchema, execute: () => 2, needsApproval: true } },
    });
    const own = new GivenUp("of the listener");
    const onEvent = ({ type }: AgentEvent): void => {
      if (type === "approval-request") throw own;
    };
    expect(await failureOf(agent.run("hello", { sessionId: "s", onEvent }))).toBe(own);
    expect(await agent.approvals("s")).toMatchObject([{ toolCallId: "c1" }]);
    model.play("two");
    expect((await agent.approve("s", { toolCallId: "c1", approved: true })).text).toBe("two");
  });
});

/** Waits until a turn of session `s` is open. */
async function untilTurn(agent: Agent): Promise<void> {
  while (!(await agent.sessions.find("s"))?.turn) await sleep(1);
}

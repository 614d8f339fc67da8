/** What the compiler knows of agents without being told. */
import type { ModelMessage, UserModelMessage } from "ai";
import { tool } from "ai";
import { type } from "arktype";
import * as v from "valibot";
import { describe, expectTypeOf, test } from "vitest";
import { z } from "zod";
import type {
  Agent,
  AgentEvent,
  AgentResult,
  AgentTools,
  Chat,
  PendingApproval,
  Route,
  RunContext,
  RunFinishReason,
  ToolRun,
} from "../../src/agent/index.ts";
import { agentTool, createAgent, offlineModel, route } from "../../src/agent/index.ts";
import type { Session, Sessions } from "../../src/index.ts";
import { createSessions, memoryStore } from "../../src/index.ts";

const model = offlineModel();
const store = memoryStore();
type Booking = { from: string; seats: number };
type Partly<D> = Readonly<Partial<D>>;

describe("the data's type comes from its schema, at the call site", () => {
  test("zod, valibot, arktype", () => {
    const zod = createAgent({
      name: "a",
      model,
      store,
      data: z.object({ from: z.string(), seats: z.number() }),
    });
    expectTypeOf(zod).toEqualTypeOf<Agent<Booking>>();
    expectTypeOf(zod.run).returns.resolves.toHaveProperty("data").toEqualTypeOf<Partly<Booking>>();
    expectTypeOf(zod.sessions.find)
      .returns.resolves.exclude<undefined>()
      .toHaveProperty("data")
      .toEqualTypeOf<Partly<Booking>>();
    const valibot = createAgent({ name: "a", model, store, data: v.object({ from: v.string() }) });
    expectTypeOf(valibot).toEqualTypeOf<Agent<{ from: string }>>();
    const arktype = createAgent({ name: "a", model, store, data: type({ from: "string" }) });
    expectTypeOf(arktype).toEqualTypeOf<Agent<{ from: string }>>();
  });

  test("sessions bring theirs along", () => {
    const sessions = createSessions({ data: z.object({ from: z.string(), seats: z.number() }) });
    const agent = createAgent({ name: "a", model, sessions });
    expectTypeOf(agent).toEqualTypeOf<Agent<Booking>>();
    expectTypeOf(agent.open).returns.resolves.toEqualTypeOf<Chat<Booking>>();
    expectTypeOf<Chat<Booking>["session"]["data"]>().toEqualTypeOf<Partly<Booking>>();
  });

  test("without one it is a dictionary", () => {
    const agent = createAgent({ name: "a", model });
    expectTypeOf(agent).toEqualTypeOf<Agent<Record<string, unknown>>>();
    expectTypeOf(agent.run).returns.resolves.toEqualTypeOf<AgentResult>();
  });

  test("it reaches instructions, hooks, events and options", () => {
    const agent = createAgent({
      name: "a",
      model,
      store,
      data: z.object({ from: z.string(), seats: z.number() }),
      instructions: (run) => {
        expectTypeOf(run).toEqualTypeOf<RunContext<Booking>>();
        return `from ${run.data.from}`;
      },
      hooks: {
        onDataChange(data, previous) {
          expectTypeOf(data).toEqualTypeOf<Partly<Booking>>();
          expectTypeOf(previous.seats).toEqualTypeOf<number | undefined>();
        },
        afterRun: (result) => {
          expectTypeOf(result.session?.data.from).toEqualTypeOf<string | undefined>();
        },
      },
    });
    void agent.run("Hi", {
      data: { from: "Oslo" },
      onEvent: (event) => {
        if (event.type === "done") expectTypeOf(event.result.data.seats).toEqualTypeOf<number | undefined>();
      },
    });
    // @ts-expect-error seats is a number
    void agent.run("Hi", { data: { seats: "two" } });
    // @ts-expect-error there is no such key
    void agent.run("Hi", { data: { seat: 2 } });
    expectTypeOf(agent.stream).returns.toEqualTypeOf<AsyncIterable<AgentEvent<Booking>>>();
  });
});

test("sessions of any message that the AI SDK knows are accepted", () => {
  const sessions: Sessions<ModelMessage> = createSessions<ModelMessage>();
  expectTypeOf(createAgent({ name: "a", model, sessions })).toEqualTypeOf<Agent<Record<string, unknown>>>();
});

describe("routes", () => {
  const data = z.object({ from: z.string(), seats: z.number().optional() });

  test("collect what their schema has", () => {
    const booking = route({ id: "r", title: "R", data, steps: [{ id: "a", collect: ["from", "seats"] }] });
    expectTypeOf(booking).toEqualTypeOf<Route>();
    createAgent({ name: "a", model, routes: [booking] });
    // @ts-expect-error there is no such field
    route({ id: "r", title: "R", data, steps: [{ id: "a", collect: ["to"] }] });
    // @ts-expect-error a step has an id
    route({ id: "r", title: "R", data, steps: [{ collect: ["from"] }] });
    // @ts-expect-error a route has a schema
    route({ id: "r", title: "R", steps: [{ id: "a", collect: ["from"] }] });
  });

  test("of valibot and arktype, too", () => {
    const from = v.object({ from: v.string() });
    route({ id: "r", title: "R", data: from, steps: [{ id: "a", collect: ["from"] }] });
    // @ts-expect-error there is no such field
    route({ id: "r", title: "R", data: from, steps: [{ id: "a", collect: ["to"] }] });
    route({ id: "r", title: "R", data: type({ from: "string" }), steps: [{ id: "a", collect: ["from"] }] });
    // @ts-expect-error there is no such field
    route({ id: "r", title: "R", data: type({ from: "string" }), steps: [{ id: "a", collect: ["to"] }] });
  });
});

describe("what does not exist is refused", () => {
  test("options of an agent", () => {
    // @ts-expect-error it is `instructions`
    createAgent({ name: "a", model, system: "Be kind." });
    // @ts-expect-error it is `maxSteps`
    createAgent({ name: "a", model, maxTurns: 3 });
    // @ts-expect-error a name is needed
    createAgent({ model });
    // @ts-expect-error a model is needed
    createAgent({ name: "a" });
    // @ts-expect-error it is `lastMessages`
    createAgent({ name: "a", model, history: { last: 3 } });
    // @ts-expect-error it is `summarize`
    createAgent({ name: "a", model, history: { compaction: { summariser: model } } });
    // @ts-expect-error what the agent itself sets is no setting
    createAgent({ name: "a", model, settings: { messages: [] } });
    createAgent({ name: "a", model, settings: { temperature: 0.1, maxOutputTokens: 5 } });
    createAgent({ name: "a", model: "openai/gpt-5" });
  });

  test("options of a run", () => {
    const agent = createAgent({ name: "a", model });
    // @ts-expect-error it is `sessionId`
    void agent.run("Hi", { session: "s" });
    // @ts-expect-error it is `signal`
    void agent.run("Hi", { abortSignal: AbortSignal.abort() });
    // @ts-expect-error a resume says which session by its first argument
    void agent.resume("s", { sessionId: "t" });
    // @ts-expect-error an answer says yes or no
    void agent.approve("s", { toolCallId: "c1" });
    // @ts-expect-error a chat has its session
    void agent.open("s").then((chat) => chat.run("Hi", { sessionId: "t" }));
    // Whatever a framework hands over may be absent.
    const absent: { userId?: string; signal?: AbortSignal | undefined } = {};
    void agent.run("Hi", { userId: absent.userId, signal: absent.signal });
  });

  test("prompts of another role than the user's, or a tool's", () => {
    const agent = createAgent({ name: "a", model });
    const said: UserModelMessage = { role: "user", content: [{ type: "text", text: "Hi" }] };
    void agent.run(said);
    void agent.run([said, said]);
    // @ts-expect-error the assistant does not prompt itself
    void agent.run({ role: "assistant", content: "Hi" });
    // @ts-expect-error instructions are an option of the agent
    void agent.run([{ role: "system", content: "Hi" }]);
  });
});

describe("tools", () => {
  test("of the AI SDK are accepted as they are, with what Holdfast needs to know beside them", () => {
    const look = tool({ inputSchema: z.object({ key: z.string() }), execute: async ({ key }) => key.length });
    const asking = tool({
      inputSchema: z.object({ sum: z.number() }),
      needsApproval: ({ sum }) => sum > 1,
      execute: ({ sum }) => sum,
    });
    const tools: AgentTools = {
      look,
      asking,
      timed: { ...look, idempotent: true, timeoutMs: 5, approvalExpiresInMs: 1000 },
    };
    createAgent({ name: "a", model, tools });
    const inputSchema = z.object({});
    // @ts-expect-error it is `idempotent`
    const misspelt: AgentTools = { look: { inputSchema, execute: () => 1, idempotant: true } };
    void misspelt;
  });

  test("of the AI SDK may ask for the run", () => {
    const who = tool({
      inputSchema: z.object({}),
      execute: async (_input, { session, userId }: ToolRun) => {
        expectTypeOf(session).toEqualTypeOf<Session | undefined>();
        return userId ?? "nobody";
      },
    });
    createAgent({ name: "a", model, tools: { who } });
  });

  test("of ours know their input and the run", () => {
    const ours = agentTool({
      description: "Looks",
      inputSchema: z.object({ key: z.string(), times: z.number().default(1) }),
      idempotent: true,
      needsApproval: ({ times }) => times > 3,
      execute: ({ key, times }, run) => {
        expectTypeOf(key).toEqualTypeOf<string>();
        expectTypeOf(times).toEqualTypeOf<number>();
        expectTypeOf(run.session).toEqualTypeOf<Session | undefined>();
        expectTypeOf(run.abortSignal).toEqualTypeOf<AbortSignal>();
        expectTypeOf(run.context).toEqualTypeOf<Readonly<Record<string, unknown>>>();
        return key;
      },
    });
    createAgent({ name: "a", model, tools: { ours } });
  });

  test("an agent is one of another", () => {
    const child = createAgent({ name: "child", model, data: z.object({ a: z.string() }), store });
    createAgent({ name: "a", model, tools: { child: child.asTool({ description: "Helps" }) } });
    // @ts-expect-error the model must be told what it is good for
    child.asTool({});
  });
});

test("events and results are told apart by what they are", () => {
  const told = (event: AgentEvent): string => {
    switch (event.type) {
      case "text":
      case "reasoning":
        return event.text;
      case "tool-call":
        return event.toolName;
      case "tool-result":
        return String(event.isError);
      case "approval-request":
        expectTypeOf(event).toExtend<PendingApproval>();
        return event.approvalId;
      case "step":
        return event.step.finishReason;
      case "route":
        return event.route;
      case "done":
        return event.result.text;
    }
  };
  void told;
  expectTypeOf<AgentResult["finishReason"]>().toEqualTypeOf<RunFinishReason>();
  expectTypeOf<AgentResult["sessionId"]>().toEqualTypeOf<string | undefined>();
});

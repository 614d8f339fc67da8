/** Routes: data that is collected over turns, step by step, and stays collected. */
import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { AgentEvent, AgentHooks, Route, RouteEvent } from "../../src/agent/index.ts";
import { createAgent, offlineModel, route } from "../../src/agent/index.ts";
import type { DataSchema } from "../../src/session/data.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { StoreKind } from "../session/support.ts";
import { collect, onStores, ownLog, refusal } from "../session/support.ts";
import type { Line } from "./feature-support.ts";
import { call, callMessage, calls, leaveTurnOpen, outputsIn, recordingModel } from "./feature-support.ts";

const STORES: readonly StoreKind[] = ["memory", "sqlite"];
const bookingData = z.object({
  from: z.string(),
  to: z.string(),
  seats: z.number().int().min(1),
  note: z.string().optional(),
});

/** Routes that say what their hooks were told. */
function routesWith(told: unknown[] = []): Record<"booking" | "complaint", Route> {
  const hooks = {
    onEnter: ({ routeId, data, sessionId, userId }: RouteEvent) =>
      void told.push(["enter", routeId, data, sessionId, userId]),
    onComplete: ({ routeId, data }: RouteEvent) => void told.push(["complete", routeId, data]),
  };
  return {
    booking: route({
      id: "booking",
      title: "Book a flight",
      description: "The user wants to fly",
      data: bookingData,
      steps: [
        { id: "where", collect: ["from", "to"], instructions: "Ask where to." },
        { id: "how-many", collect: ["seats", "note"] },
      ],
      ...hooks,
    }),
    complaint: route({
      id: "complaint",
      title: "Complain",
      data: z.object({ reason: z.string(), from: z.string() }),
      steps: [
        { id: "why", collect: ["reason"] },
        { id: "flight", collect: ["from"] },
      ],
      ...hooks,
    }),
  };
}

const enter = (id: string, routeId: string) => call(id, "enter_route", { route: routeId });
const save = (id: string, data: Record<string, unknown>) => call(id, "collect_data", data);

function agentOn(
  store: SessionStore,
  routes: readonly Route[],
  lines: readonly Line[],
  hooks: AgentHooks = {},
) {
  const model = recordingModel(...lines);
  return {
    model,
    agent: createAgent({ name: "desk", model, store, routes, hooks, instructions: "Be kind." }),
  };
}

onStores(
  "one route: entered by itself, collected over turns and processes, and complete once all is there",
  async ({ store, connect }) => {
    const told: unknown[] = [];
    const { booking } = routesWith(told);
    const first = agentOn(store, [booking], [calls(save("c1", { from: "Oslo" })), "And where to?"]);
    const one = await first.agent.run("From Oslo.", { sessionId: "s", userId: "ada" });
    expect(one).toMatchObject({ route: "booking", isRouteComplete: false, data: { from: "Oslo" } });
    expect(told).toEqual([["enter", "booking", {}, "s", "ada"]]);
    expect(first.model.system(0)).toContain("Be kind.");
    expect(first.model.system(0)).toContain("Ask where to.");
    expect(first.model.system(0)).toContain("Ask for: from, to");
    expect(first.model.system(1)).toContain("Ask for: to");
    expect(first.model.system(1)).toContain('"from":"Oslo"');
    expect(first.model.sent[0]?.tools).toEqual(["collect_data"]);

    const second = agentOn(
      connect(),
      [booking],
      [
        calls(save("c2", { to: "Rome" })),
        "How many?",
        calls(save("c3", { seats: 2 })),
        "Booked.",
        "You are welcome.",
      ],
    );
    const two = await second.agent.run("To Rome.", { sessionId: "s" });
    expect(two).toMatchObject({ isRouteComplete: false });
    expect(two.session?.record.step).toEqual({ id: "how-many" });
    const three = await second.agent.run("Two of us.", { sessionId: "s" });
    expect(three).toMatchObject({
      route: "booking",
      isRouteComplete: true,
      data: { from: "Oslo", to: "Rome", seats: 2 },
    });
    expect(told.slice(1)).toEqual([["complete", "booking", { from: "Oslo", to: "Rome", seats: 2 }]]);
    expect(outputsIn(second.model, 3).c3).toEqual({
      type: "json",
      value: { saved: ["seats"], missing: [], complete: true },
    });

    // It stays so: no tool of it is offered, and it is not entered again.
    const four = await second.agent.run("Thanks", { sessionId: "s" });
    expect(four).toMatchObject({ route: "booking", isRouteComplete: true });
    expect(second.model.sent.at(-1)?.tools).toEqual([]);
    expect(second.model.system(4)).toContain("Completed: Book a flight");
    expect(four.session?.record.routeHistory).toHaveLength(1);
    expect(told).toHaveLength(2);
  },
  STORES,
);

test("the offline model fills a route from what is said", async () => {
  const { booking } = routesWith();
  const agent = createAgent({ name: "desk", model: offlineModel(), store: memoryStore(), routes: [booking] });
  await agent.run("I want to fly from Oslo to Rome.", { sessionId: "s" });
  const { data, isRouteComplete } = await agent.run("2 seats please", { sessionId: "s" });
  expect(data).toMatchObject({ from: "Oslo", to: "Rome", seats: 2 });
  expect(isRouteComplete).toBe(true);
});

describe("several routes", () => {
  onStores(
    "are entered by the model, switched, left and come back to, each with its own data",
    async ({ store, connect }) => {
      const told: unknown[] = [];
      const { booking, complaint } = routesWith(told);
      const { agent, model } = agentOn(
        store,
        [booking, complaint],
        [
          "What can I do for you?",
          calls(enter("c1", "booking")),
          calls(save("c2", { from: "Oslo" })),
          "Where to?",
          calls(enter("c3", "complaint")),
          calls(save("c4", { reason: "late" })),
          "Noted.",
        ],
      );
      const none = await agent.run("Hello", { sessionId: "s" });
      expect(none).toMatchObject({ isRouteComplete: false });
      expect(none.route).toBeUndefined();
      expect(model.sent[0]?.tools).toEqual(["enter_route"]);
      expect(model.system(0)).toContain("- booking: Book a flight (The user wants to fly)");
      expect(model.system(0)).toContain("- complaint: Complain");

      expect(await agent.run("I fly from Oslo", { sessionId: "s" })).toMatchObject({ route: "booking" });
      // On a route, the others are still open.
      expect(model.sent[2]?.tools.toSorted()).toEqual(["collect_data", "enter_route"]);
      expect(model.system(2)).not.toContain("- booking");

      const switched = await agent.run("Wait, I want to complain: late", { sessionId: "s" });
      expect(switched.route).toBe("complaint");
      // Oslo is known from the other route, so that step is passed over.
      expect(switched).toMatchObject({ isRouteComplete: true, data: { from: "Oslo", reason: "late" } });
      expect(told.filter((one) => JSON.stringify(one).includes("complete"))).toEqual([
        ["complete", "complaint", { reason: "late", from: "Oslo" }],
      ]);

      const back = agentOn(
        connect(),
        [booking, complaint],
        [
          calls(enter("c5", "booking")),
          calls(save("c6", { to: "Rome", seats: 1 })),
          "Booked.",
          "Anything else?",
        ],
      );
      const returned = await back.agent.run("Back to the flight: Rome, 1 seat", { sessionId: "s" });
      expect(back.model.system(1)).toContain('"from":"Oslo"');
      expect(outputsIn(back.model, 1).c5).toEqual({
        type: "json",
        value: { entered: "booking", missing: ["to"], complete: false },
      });
      expect(returned).toMatchObject({ route: "booking", isRouteComplete: true });
      expect(returned.session?.record.dataByRoute).toEqual({
        booking: { from: "Oslo", to: "Rome", seats: 1 },
        complaint: { reason: "late" },
      });
      expect(
        returned.session?.record.routeHistory.map(({ route: id, completedAt }) => [
          id,
          completedAt !== undefined,
        ]),
      ).toEqual([
        ["booking", false],
        ["complaint", true],
        ["booking", true],
      ]);
      await back.agent.run("Bye", { sessionId: "s" });
      expect(back.model.sent.at(-1)?.tools).toEqual([]);
    },
    STORES,
  );

  test("the same field may differ from route to route", async () => {
    const store = memoryStore();
    const { booking, complaint } = routesWith();
    const { agent } = agentOn(
      store,
      [booking, complaint],
      [
        calls(enter("c1", "booking")),
        calls(save("c2", { from: "Oslo" })),
        "Ok.",
        calls(enter("c3", "complaint")),
        calls(save("c4", { from: "Bergen" })),
        "Ok.",
        calls(enter("c5", "booking")),
        "Ok.",
      ],
    );
    await agent.run("1", { sessionId: "s" });
    await agent.run("2", { sessionId: "s" });
    const events = await collect(agent.stream("3", { sessionId: "s" }));
    expect(events.find(({ type }) => type === "route")).toMatchObject({
      route: "booking",
      data: { from: "Oslo" },
    });
  });

  test("an unknown one, and one that is complete, can't be entered", async () => {
    const store = memoryStore();
    const { booking, complaint } = routesWith();
    const { agent, model } = agentOn(
      store,
      [booking, complaint],
      [
        calls(enter("c1", "nowhere")),
        calls(enter("c2", "complaint")),
        calls(save("c3", { reason: "late", from: "Oslo" })),
        calls(enter("c4", "complaint")),
        "No.",
      ],
    );
    const { session } = await agent.run("Go", { sessionId: "s" });
    expect(outputsIn(model, 4)).toMatchObject({ c1: { type: "error-text" }, c4: { type: "error-text" } });
    expect(session?.record.routeHistory.map((visit) => visit.route)).toEqual(["complaint"]);
  });

  test("a route and what is collected on another one, asked for in one breath", async () => {
    const store = memoryStore();
    const { booking, complaint } = routesWith();
    const { agent } = agentOn(
      store,
      [booking, complaint],
      [
        calls(enter("c1", "booking")),
        // Both are offered here; what is collected belongs to the route that the model was on when it spoke.
        calls(enter("c2", "complaint"), save("c3", { from: "Oslo", to: "Rome" })),
        "Ok.",
      ],
    );
    const { session } = await agent.run("Go", { sessionId: "s" });
    expect(session?.record.dataByRoute).toEqual({ booking: { from: "Oslo", to: "Rome" } });
    // Oslo was not known yet when the complaint was entered; now only its reason is missing.
    expect(session?.record).toMatchObject({ route: { id: "complaint" }, step: { id: "why" } });
  });
});

describe("what is there already is not asked for", () => {
  onStores(
    "from the run's data: the step is passed over",
    async ({ store }) => {
      const { booking } = routesWith();
      const { agent, model } = agentOn(store, [booking], ["How many?"]);
      const { session } = await agent.run("Book", { sessionId: "s", data: { from: "Oslo", to: "Rome" } });
      expect(session?.record.step).toEqual({ id: "how-many" });
      expect(model.system(0)).toContain("Ask for: seats");
      expect(model.system(0)).not.toContain("Ask where to.");
    },
    STORES,
  );

  test("all of it: the route is complete as it is entered", async () => {
    const told: unknown[] = [];
    const { booking } = routesWith(told);
    const { agent, model } = agentOn(memoryStore(), [booking], ["All set."]);
    const result = await agent.run("Book", { sessionId: "s", data: { from: "Oslo", to: "Rome", seats: 2 } });
    expect(result).toMatchObject({ route: "booking", isRouteComplete: true });
    expect(told.map((one) => (Array.isArray(one) ? one[0] : one))).toEqual(["enter", "complete"]);
    expect(model.sent[0]?.tools).toEqual([]);
  });

  test("data that somebody else sets between turns counts", async () => {
    const { booking } = routesWith();
    const store = memoryStore();
    const { agent, model } = agentOn(store, [booking], ["Where?", "How many?"]);
    const { session } = await agent.run("Book", { sessionId: "s" });
    await session?.setData({ from: "Oslo", to: "Rome" });
    await agent.run("Set", { sessionId: "s" });
    expect(model.system(1)).toContain("Ask for: seats");
  });

  test("an optional field is not waited for, but taken", async () => {
    const { booking } = routesWith();
    const { agent } = agentOn(
      memoryStore(),
      [booking],
      [
        calls(save("c1", { note: "window", from: "Oslo", to: "Rome" })),
        calls(save("c2", { seats: 1 })),
        "Done.",
      ],
    );
    const { data, isRouteComplete } = await agent.run("Book", { sessionId: "s" });
    expect(data).toEqual({ note: "window", from: "Oslo", to: "Rome", seats: 1 });
    expect(isRouteComplete).toBe(true);
  });
});

describe("data is checked before it is saved", () => {
  const bad: [string, Record<string, unknown>, RegExp][] = [
    ["of the wrong type", { seats: "two", from: "Oslo" }, /seats/],
    ["out of bounds", { seats: 0 }, /seats/],
    ["of a field that the route does not have", { colour: "red", from: "Oslo" }, /colour/],
    ["nothing", {}, /no field/],
    ["only nulls", { from: null }, /no field/],
  ];
  for (const [title, data, reason] of bad) {
    onStores(
      `${title}: nothing is saved and the model is told`,
      async ({ store }) => {
        const told: unknown[] = [];
        const changes: unknown[] = [];
        const { booking } = routesWith(told);
        const { agent, model } = agentOn(store, [booking], [calls(save("c1", data)), "Sorry?"], {
          onDataChange: (now) => void changes.push(now),
        });
        const result = await agent.run("Book", { sessionId: "s" });
        expect(result.data).toEqual({});
        expect(outputsIn(model, 1).c1).toEqual({ type: "error-text", value: expect.stringMatching(reason) });
        expect(changes).toEqual([]);
        expect((await ownLog(store, "s")).some(({ type: kind }) => kind === "data.patched")).toBe(false);
      },
      ["memory"],
    );
  }

  test("null and undefined beside a value are left out", async () => {
    const { booking } = routesWith();
    const { agent } = agentOn(
      memoryStore(),
      [booking],
      [calls(save("c1", { from: "Oslo", note: null })), "Ok."],
    );
    expect((await agent.run("Book", { sessionId: "s" })).data).toEqual({ from: "Oslo" });
  });

  test("the session's own schema has a say, too: the model is told, and nothing of it stays", async () => {
    const store = memoryStore();
    const model = recordingModel(
      calls(save("c1", { from: "Oslo", seats: 9 })),
      calls(save("c2", { from: "Oslo", seats: 2 })),
      "Ok.",
    );
    const { booking } = routesWith();
    const data = z.object({ from: z.string(), to: z.string(), seats: z.number().max(4) });
    const agent = createAgent({ name: "desk", model, store, data, routes: [booking] });
    const result = await agent.run("Nine", { sessionId: "s" });
    expect(outputsIn(model, 1).c1).toEqual({ type: "error-text", value: expect.stringContaining("seats") });
    expect(result.data).toEqual({ from: "Oslo", seats: 2 });
    expect(result.steps[0]?.toolResults[0]).toMatchObject({ isError: true });
    expect(result.steps[1]?.toolResults[0]).toMatchObject({ isError: false });
    // In the next run, too.
    expect(await result.session?.messages()).toMatchObject([
      {},
      {},
      {
        content: [
          { toolCallId: "c1", output: { type: "error-text", value: expect.stringContaining("seats") } },
        ],
      },
      {},
      {},
      {},
    ]);
  });
});

describe("schemas of any library", () => {
  const schemas: [string, Route][] = [
    [
      "zod",
      route({
        id: "r",
        title: "R",
        data: z.object({ age: z.number(), name: z.string().optional() }),
        steps: [{ id: "a", collect: ["age", "name"] }],
      }),
    ],
    [
      "valibot",
      route({
        id: "r",
        title: "R",
        data: v.object({ age: v.number(), name: v.optional(v.string()) }),
        steps: [{ id: "a", collect: ["age"] }],
      }),
    ],
    [
      "arktype",
      route({
        id: "r",
        title: "R",
        data: type({ age: "number", "name?": "string" }),
        steps: [{ id: "a", collect: ["age", "name"] }],
      }),
    ],
  ];
  test.each(schemas)("%s", async (_title, given) => {
    const { agent, model } = agentOn(
      memoryStore(),
      [given],
      [calls(save("c1", { age: "old" })), calls(save("c2", { age: 7 })), "Ok."],
    );
    const { data, isRouteComplete } = await agent.run("Go", { sessionId: "s" });
    expect(outputsIn(model, 1).c1).toMatchObject({ type: "error-text" });
    expect([data, isRouteComplete]).toEqual([{ age: 7 }, true]);
  });

  test("one that can't tell JSON Schema leaves each field open, and still checks", async () => {
    const bare: DataSchema<{ age: number; name: string }> = {
      "~standard": {
        version: 1,
        vendor: "home-made",
        validate(value) {
          const age = typeof value === "object" && value !== null && "age" in value ? value.age : undefined;
          return typeof age === "number" ? { value } : { issues: [{ message: "no number", path: ["age"] }] };
        },
      },
    };
    const given = route({
      id: "r",
      title: "R",
      data: bare,
      steps: [
        { id: "a", collect: ["age"] },
        { id: "b", collect: ["name"] },
      ],
    });
    const { agent, model } = agentOn(
      memoryStore(),
      [given],
      [
        calls(save("c1", { age: "old" })),
        calls(save("c2", { age: 7 })),
        calls(save("c3", { name: "Ada" })),
        "Ok.",
      ],
    );
    const { data, isRouteComplete } = await agent.run("Go", { sessionId: "s" });
    expect(outputsIn(model, 1).c1).toMatchObject({ type: "error-text" });
    expect(outputsIn(model, 2).c2).toMatchObject({ value: { missing: ["name"], complete: false } });
    expect([data, isRouteComplete]).toEqual([{ age: 7, name: "Ada" }, true]);
    const [offered] = model.sent[0]?.options.tools ?? [];
    expect(offered).toMatchObject({ inputSchema: { properties: { age: {}, name: {} } } });
  });

  test("the model is shown what each field may be", async () => {
    const { booking } = routesWith();
    const { agent, model } = agentOn(memoryStore(), [booking], ["Hm."]);
    await agent.run("Go", { sessionId: "s" });
    const [offered] = model.sent[0]?.options.tools ?? [];
    expect(offered).toMatchObject({
      name: "collect_data",
      inputSchema: {
        type: "object",
        properties: { from: { type: "string" }, seats: { type: "integer", minimum: 1 } },
        additionalProperties: false,
      },
    });
    expect(offered).not.toHaveProperty("inputSchema.required");
  });
});

test("hooks are each called once, with what they are about, once it is committed", async () => {
  const store = memoryStore();
  const told: unknown[] = [];
  const committed = async () => (await ownLog(store, "s")).at(-1)?.type;
  const given = route({
    id: "r",
    title: "R",
    data: z.object({ age: z.number() }),
    steps: [{ id: "a", collect: ["age"] }],
    onEnter: async ({ data }) => void told.push(["enter", data, await committed()]),
    onComplete: async ({ data }) => void told.push(["complete", data, await committed()]),
  });
  const { agent } = agentOn(store, [given], [calls(save("c1", { age: 7 })), "Ok."], {
    beforeRun: () => void told.push(["before"]),
    onDataChange: (now, before, run) => void told.push(["data", now, before, run.sessionId]),
    afterRun: (result) => void told.push(["after", result.isRouteComplete]),
  });
  await agent.run("Go", { sessionId: "s" });
  expect(told).toEqual([
    ["before"],
    ["enter", {}, "route.entered"],
    ["data", { age: 7 }, {}, "s"],
    ["complete", { age: 7 }, "route.completed"],
    ["after", true],
  ]);
});

test("a correction in the same breath as the last value completes the route once", async () => {
  const told: unknown[] = [];
  const { booking } = routesWith(told);
  const { agent } = agentOn(
    memoryStore(),
    [booking],
    [calls(save("c1", { from: "Oslo", to: "Rome", seats: 1 }), save("c2", { seats: 2 })), "Done."],
  );
  const { data, session } = await agent.run("Book", { sessionId: "s" });
  expect(data).toEqual({ from: "Oslo", to: "Rome", seats: 2 });
  expect(told.slice(1)).toEqual([["complete", "booking", { from: "Oslo", to: "Rome", seats: 1 }]]);
  expect(session?.record.routeHistory).toHaveLength(1);
});

test("events tell the way along the routes", async () => {
  const { booking } = routesWith();
  const { agent } = agentOn(
    memoryStore(),
    [booking],
    [calls(save("c1", { from: "Oslo", to: "Rome" })), calls(save("c2", { seats: 1 })), "Done."],
  );
  const events = await collect(agent.stream("Book", { sessionId: "s" }));
  const isRoute = (event: AgentEvent) => event.type === "route";
  expect(events.filter(isRoute)).toEqual([
    { type: "route", route: "booking", step: "where", data: {}, isComplete: false },
    {
      type: "route",
      route: "booking",
      step: "how-many",
      data: { from: "Oslo", to: "Rome" },
      isComplete: false,
    },
    { type: "route", route: "booking", data: { from: "Oslo", to: "Rome", seats: 1 }, isComplete: true },
  ]);
});

onStores(
  "a call, its result and what it collects are one commit, so a crash leaves all or nothing",
  async ({ store, elsewhere }) => {
    const { booking } = routesWith();
    const versions: number[] = [];
    const there = elsewhere();
    const note = async () => void versions.push((await there.find("s"))?.version ?? 0);
    const { agent } = agentOn(
      store,
      [booking],
      [
        async () => {
          await note();
          return calls(save("c1", { from: "Oslo", to: "Rome", seats: 1 }));
        },
        async () => {
          await note();
          return "Done.";
        },
      ],
    );
    await agent.run("Book", { sessionId: "s" });
    // The model's message and the result with data, step and completion.
    expect((versions[1] ?? 0) - (versions[0] ?? 0)).toBe(1);
  },
  STORES,
);

describe("a crash", () => {
  onStores(
    "a finished route stays finished after resume, and its hooks are not told again",
    async ({ store, connect }) => {
      const told: unknown[] = [];
      const { booking } = routesWith(told);
      const first = agentOn(
        store,
        [booking],
        [calls(save("c1", { from: "Oslo", to: "Rome", seats: 1 })), "Done."],
      );
      await first.agent.run("Book", { sessionId: "s" });
      expect(told).toHaveLength(2);
      await leaveTurnOpen(store, "s", [{ role: "user", content: "And a hotel?" }]);
      const second = agentOn(connect(), [booking], ["We have none."]);
      const result = await second.agent.resume("s");
      expect(result).toMatchObject({ route: "booking", isRouteComplete: true });
      expect(told).toHaveLength(2);
    },
    STORES,
  );

  test("between the call and its result: the model is told and may say it again", async () => {
    const store = memoryStore();
    const { booking } = routesWith();
    const { agent, model } = agentOn(
      store,
      [booking],
      ["Where?", calls(save("c2", { from: "Oslo" })), "And to?"],
    );
    await agent.run("Book", { sessionId: "s" });
    await leaveTurnOpen(store, "s", [
      { role: "user", content: "From Oslo" },
      callMessage(save("c1", { from: "Oslo" })),
    ]);
    const { data } = await agent.resume("s");
    expect(outputsIn(model, 1).c1).toMatchObject({ type: "error-text" });
    expect(data).toEqual({ from: "Oslo" });
  });
});

describe("a fork and a rewind", () => {
  test("take the route along as it was there", async () => {
    const { booking } = routesWith();
    const { agent } = agentOn(
      memoryStore(),
      [booking],
      [
        calls(save("c1", { from: "Oslo", to: "Rome" })),
        "How many?",
        calls(save("c2", { seats: 1 })),
        "Done.",
        calls(save("c3", { seats: 5 })),
        "Done, five.",
      ],
    );
    const { session } = await agent.run("Book", { sessionId: "s" });
    const at = session?.record.seq ?? 0;
    await agent.run("One", { sessionId: "s" });
    const fork = await agent.sessions.fork("s", { at });
    const result = await agent.run("Five", { sessionId: fork.id });
    expect(result).toMatchObject({ isRouteComplete: true, data: { seats: 5 } });
    expect((await agent.sessions.find("s"))?.data).toMatchObject({ seats: 1 });
  });
});

describe("what makes no sense is refused", () => {
  const data = z.object({ a: z.string() });
  test.each<[string, () => unknown]>([
    ["a route without steps", () => route({ id: "r", title: "R", data, steps: [] })],
    [
      "a route without an id",
      () => route({ id: "", title: "R", data, steps: [{ id: "a", collect: ["a"] }] }),
    ],
    [
      "two steps of one id",
      () =>
        route({
          id: "r",
          title: "R",
          data,
          steps: [
            { id: "a", collect: ["a"] },
            { id: "a", collect: ["a"] },
          ],
        }),
    ],
    [
      "a step that collects nothing",
      () => route({ id: "r", title: "R", data, steps: [{ id: "a", collect: [] }] }),
    ],
    ["two routes of one id", () => agentOn(memoryStore(), [routesWith().booking, routesWith().booking], [])],
    [
      "a tool with the name of ours",
      () =>
        createAgent({
          name: "a",
          model: recordingModel(),
          routes: [routesWith().booking],
          tools: { collect_data: { inputSchema: z.object({}), execute: async () => 1 } },
        }),
    ],
  ])("%s", (_title, make) => {
    expect(make).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

test("a stateless run has routes, too", async () => {
  const { booking } = routesWith();
  const model = recordingModel(calls(save("c1", { from: "Oslo", to: "Rome", seats: 1 })), "Done.");
  const { data, isRouteComplete, sessionId } = await createAgent({ name: "a", model, routes: [booking] }).run(
    "Book",
  );
  expect({ data, isRouteComplete, sessionId }).toEqual({
    data: { from: "Oslo", to: "Rome", seats: 1 },
    isRouteComplete: true,
    sessionId: undefined,
  });
});

test("a hook that fails fails the run, not what was saved", async () => {
  const store = memoryStore();
  const given = route({
    id: "r",
    title: "R",
    data: z.object({ age: z.number() }),
    steps: [{ id: "a", collect: ["age"] }],
    onComplete: () => {
      throw new Error("the desk is closed");
    },
  });
  const { agent } = agentOn(store, [given], [calls(save("c1", { age: 7 })), "Ok."]);
  await expect(agent.run("Go", { sessionId: "s" })).rejects.toThrow("the desk is closed");
  expect(await agent.sessions.find("s")).toMatchObject({ data: { age: 7 } });
  await refusal(agent.resume("s"), "INVALID_ARGUMENT");
});

/** One conversation in hand: `open`, then run, stream, send and receive. */
import { tool } from "ai";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { AgentEvent } from "../../src/agent/index.ts";
import { createAgent } from "../../src/agent/index.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { StoreKind } from "../session/support.ts";
import { collect, onStores, refusal, user } from "../session/support.ts";
import { call, calls, leaveTurnOpen, recordingModel, typesIn } from "./feature-support.ts";

const STORES: readonly StoreKind[] = ["memory", "sqlite"];

const said = (events: readonly AgentEvent[]): string =>
  events.map((event) => (event.type === "text" ? event.text : "")).join("");

onStores(
  "opens a session or makes it; runs and streams need not name it",
  async ({ store, connect }) => {
    const agent = createAgent({ name: "chat", model: recordingModel("One.", "Two, then."), store });
    const chat = await agent.open("s", { userId: "ada", metadata: { a: 1 }, data: { city: "Oslo" } });
    expect(chat.session.record).toMatchObject({
      id: "s",
      userId: "ada",
      metadata: { a: 1 },
      data: { city: "Oslo" },
    });
    expect(await chat.run("First")).toMatchObject({ text: "One.", sessionId: "s", data: { city: "Oslo" } });
    const events = await collect(chat.stream("Second"));
    expect([said(events), events.at(-1)?.type]).toEqual(["Two, then.", "done"]);

    const model = recordingModel("Three.");
    const again = await createAgent({ name: "chat", model, store: connect() }).open("s", { create: false });
    await again.run("Third");
    expect(model.heard(0)).toEqual([
      "user: First",
      "assistant: One.",
      "user: Second",
      "assistant: Two, then.",
      "user: Third",
    ]);
    expect(again.session.record.messageCount).toBe(6);
  },
  STORES,
);

test("without an id: a new one each; with `create: false`, only what is there", async () => {
  const store = memoryStore();
  const agent = createAgent({ name: "chat", model: recordingModel(), store });
  const [one, two] = [await agent.open(), await agent.open()];
  expect(one.session.id).not.toBe(two.session.id);
  await refusal(agent.open("nobody", { create: false }), "SESSION_NOT_FOUND");
  expect(await agent.sessions.find("nobody")).toBeUndefined();
});

describe("send and receive", () => {
  onStores(
    "send resolves once the prompt is committed; receive gives the answer from its first event on",
    async ({ store }) => {
      const { promise: asked, resolve: go } = Promise.withResolvers<void>();
      const agent = createAgent({
        name: "chat",
        model: recordingModel(async () => {
          await asked;
          return "Here I am.";
        }),
        store,
      });
      const chat = await agent.open("s");
      await chat.send("Where are you?");
      expect(await typesIn(store, "s")).toEqual(["session.created", "turn.started", "message", "label.set"]);
      go();
      const events = await collect(chat.receive());
      expect(said(events)).toBe("Here I am.");
      expect(events.at(-1)).toMatchObject({
        type: "done",
        result: { text: "Here I am.", finishReason: "stop" },
      });
      expect((await typesIn(store, "s")).at(-1)).toBe("turn.ended:completed");
    },
    STORES,
  );

  test("again and again", async () => {
    const agent = createAgent({ name: "chat", model: recordingModel("One.", "Two."), store: memoryStore() });
    const chat = await agent.open("s");
    for (const [prompt, answer] of [
      ["First", "One."],
      ["Second", "Two."],
    ] as const) {
      await chat.send(prompt);
      expect(said(await collect(chat.receive()))).toBe(answer);
    }
    expect(chat.session.record.messageCount).toBe(4);
  });

  test("receive without send, and twice, is refused", async () => {
    const agent = createAgent({ name: "chat", model: recordingModel("One."), store: memoryStore() });
    const chat = await agent.open("s");
    const invalid = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    expect(() => chat.receive()).toThrow(invalid);
    await chat.send("First");
    await collect(chat.receive());
    expect(() => chat.receive()).toThrow(invalid);
  });

  test("a failure before the prompt is committed is the sender's, one after it the receiver's", async () => {
    const store = memoryStore();
    const agent = createAgent({
      name: "chat",
      model: recordingModel({ text: "Half", fails: new Error("dead line") }),
      store,
    });
    const chat = await agent.open("s");
    await refusal(chat.send(""), "INVALID_ARGUMENT");
    await chat.send("Hello");
    const events: AgentEvent[] = [];
    const reading = (async () => {
      for await (const event of chat.receive()) events.push(event);
    })();
    await expect(reading).rejects.toThrow("dead line");
    expect(said(events)).toBe("Half");

    await leaveTurnOpen(store, "s", [user("Mine.")], 60_000);
    await refusal(chat.send("Now?"), "TURN_IN_PROGRESS");
    expect(() => chat.receive()).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test("while a turn runs, another send is refused and the first one's answer stays", async () => {
    const { promise: asked, resolve: go } = Promise.withResolvers<void>();
    const agent = createAgent({
      name: "chat",
      model: recordingModel(async () => {
        await asked;
        return "One.";
      }),
      store: memoryStore(),
    });
    const chat = await agent.open("s");
    await chat.send("First");
    await refusal(chat.send("Second"), "TURN_IN_PROGRESS");
    go();
    expect(said(await collect(chat.receive()))).toBe("One.");
  });

  test("an abort by the sender's signal keeps what was said", async () => {
    const store = memoryStore();
    const { promise: never } = Promise.withResolvers<void>();
    const agent = createAgent({
      name: "chat",
      model: recordingModel({ text: "One two", between: () => never }),
      store,
    });
    const chat = await agent.open("s");
    const stop = new AbortController();
    await chat.send("Count", { signal: stop.signal });
    const events: AgentEvent[] = [];
    const reading = (async () => {
      for await (const event of chat.receive()) {
        events.push(event);
        stop.abort(new Error("enough"));
      }
    })();
    await expect(reading).rejects.toThrow("enough");
    expect(said(events)).toBe("One");
    expect((await typesIn(store, "s")).slice(-2)).toEqual(["message", "turn.ended:aborted"]);
  });
});

test("approve and resume go on with its turn", async () => {
  const store = memoryStore();
  const pay = tool({ inputSchema: z.object({}), needsApproval: true, execute: async () => "paid" });
  const agent = createAgent({
    name: "chat",
    model: recordingModel(calls(call("c1", "pay")), "Paid.", "Resumed."),
    store,
    tools: { pay },
  });
  const chat = await agent.open("s", { userId: "ada" });
  expect((await chat.run("Pay")).finishReason).toBe("approval");
  expect((await chat.resume()).finishReason).toBe("approval");
  expect((await chat.approve({ toolCallId: "c1", approved: true })).text).toBe("Paid.");
  await leaveTurnOpen(store, "s", [user("More")]);
  expect((await chat.resume()).text).toBe("Resumed.");
  await refusal(chat.resume(), "INVALID_ARGUMENT");
});

test("what it was opened with holds for each run, unless the run says otherwise", async () => {
  const seen: unknown[] = [];
  const agent = createAgent({
    name: "chat",
    model: recordingModel("One.", "Two."),
    store: memoryStore(),
    hooks: { beforeRun: ({ context, userId }) => void seen.push([context, userId]) },
  });
  const chat = await agent.open("s", { userId: "ada", context: { tone: "dry" } });
  await chat.run("First");
  await chat.run("Second", { context: { tone: "warm" } });
  expect(seen).toEqual([
    [{ tone: "dry" }, "ada"],
    [{ tone: "warm" }, "ada"],
  ]);
});

test("data of a run is merged into the session's", async () => {
  const agent = createAgent({ name: "chat", model: recordingModel("One."), store: memoryStore() });
  const chat = await agent.open("s", { data: { city: "Oslo" } });
  expect((await chat.run("First", { data: { seats: 2 } })).data).toEqual({ city: "Oslo", seats: 2 });
});

test("close waits for the turn that was sent, lets go of the session, and leaves the agent open", async () => {
  const store = memoryStore();
  const agent = createAgent({ name: "chat", model: recordingModel("One two three.", "Two."), store });
  const chat = await agent.open("s");
  await chat.send("First");
  await chat.close();
  expect((await typesIn(store, "s")).at(-1)).toBe("turn.ended:completed");
  await refusal(chat.run("Second"), "SESSION_CLOSED");
  expect((await agent.run("Second", { sessionId: "s" })).text).toBe("Two.");
});

test("two in hand on one session see each other's turns", async () => {
  const model = recordingModel("One.", "Two.");
  const agent = createAgent({ name: "chat", model, store: memoryStore() });
  const [here, there] = [await agent.open("s"), await agent.open("s")];
  await here.run("First");
  await there.run("Second");
  expect(model.heard(1)).toEqual(["user: First", "assistant: One.", "user: Second"]);
});

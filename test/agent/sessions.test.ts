/** The conversations of an agent: found, listed, finished, forked; many at once. */
import { tool } from "ai";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { ToolRun } from "../../src/agent/index.ts";
import { createAgent, offlineModel } from "../../src/agent/index.ts";
import { createSessions } from "../../src/session/sessions.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { StoreKind } from "../session/support.ts";
import { onStores, ownLog, range, refusal, textsOf } from "../session/support.ts";
import { call, calls, recordingModel } from "./feature-support.ts";

const STORES: readonly StoreKind[] = ["memory", "sqlite"];

onStores(
  "a user's sessions are found, and only theirs",
  async ({ store, connect }) => {
    const lines = range(4).map((index) => `r${index}`);
    const agent = createAgent({ name: "chat", model: recordingModel(...lines), store });
    await agent.run("Hello", { sessionId: "a-1", userId: "ada" });
    await agent.run("Hello", { sessionId: "e-1", userId: "eve" });
    await agent.run("Hello", { sessionId: "a-2", userId: "ada" });
    await agent.run("Again", { sessionId: "a-1", userId: "ada" });

    const elsewhere = createAgent({ name: "chat", model: recordingModel(), store: connect() });
    expect(await elsewhere.sessions.findActive("ada")).toMatchObject({ id: "a-1", messageCount: 4 });
    const ada = elsewhere.sessions.forUser("ada");
    expect((await ada.list()).items.map(({ id }) => id)).toEqual(["a-1", "a-2"]);
    expect((await elsewhere.sessions.list({ agent: "chat" })).items).toHaveLength(3);
    await refusal(ada.open("e-1"), "SESSION_NOT_FOUND");
    await refusal(elsewhere.open("e-1", { userId: "ada", create: false }), "SESSION_NOT_FOUND");
    await refusal(elsewhere.open("e-1", { userId: "ada" }), "SESSION_NOT_FOUND");
    await refusal(elsewhere.run("Mine", { sessionId: "e-1", userId: "ada" }), "SESSION_NOT_FOUND");
    await refusal(elsewhere.fork("e-1", { userId: "ada" }), "SESSION_NOT_FOUND");
  },
  STORES,
);

onStores(
  "completed and abandoned ones are active no more, and can be gone on with",
  async ({ store, connect }) => {
    const agent = createAgent({ name: "chat", model: recordingModel("One.", "Two.", "Three."), store });
    const one = await agent.run("Hello", { sessionId: "s-1", userId: "ada" });
    const two = await agent.run("Hello", { sessionId: "s-2", userId: "ada" });
    await one.session?.complete();
    await two.session?.abandon();
    const elsewhere = createAgent({ name: "chat", model: recordingModel("Four."), store: connect() });
    expect(await elsewhere.sessions.findActive("ada")).toBeUndefined();
    expect((await elsewhere.sessions.list({ status: "completed" })).items.map(({ id }) => id)).toEqual([
      "s-1",
    ]);
    const opened = await elsewhere.sessions.open("s-1");
    await opened.reopen();
    expect(await elsewhere.sessions.findActive("ada")).toMatchObject({ id: "s-1" });
    expect((await elsewhere.run("Still there?", { sessionId: "s-1" })).text).toBe("Four.");
  },
  STORES,
);

describe("labels", () => {
  test("are the first words of the user, and stay", async () => {
    const agent = createAgent({ name: "chat", model: recordingModel("One.", "Two."), store: memoryStore() });
    const { session } = await agent.run("What is the capital of Norway?", { sessionId: "s" });
    expect(session?.label).toBe("What is the capital of Norway?");
    await agent.run("And of Italy?", { sessionId: "s" });
    expect((await agent.sessions.find("s"))?.label).toBe("What is the capital of Norway?");
  });

  test("are made as the sessions are told to", async () => {
    const store = memoryStore();
    const sessions = createSessions({ store, autoLabel: (text) => text.toUpperCase() });
    const { session } = await createAgent({ name: "chat", model: recordingModel("."), sessions }).run("oslo");
    expect(session?.label).toBe("OSLO");
    const without = createSessions({ store, autoLabel: false });
    const other = await createAgent({ name: "chat", model: recordingModel("."), sessions: without }).run(
      "oslo",
    );
    expect(other.session?.label).toBeUndefined();
  });

  test("of a picture's words, where there are any", async () => {
    const agent = createAgent({ name: "chat", model: recordingModel("A cat."), store: memoryStore() });
    const { session } = await agent.run({
      role: "user",
      content: [
        { type: "file", data: new Uint8Array([1, 2]), mediaType: "image/png" },
        { type: "text", text: "What is on it?" },
      ],
    });
    expect(session?.label).toBe("What is on it?");
  });
});

onStores(
  "a fork goes its own way from where it was made",
  async ({ store }) => {
    const model = recordingModel("Oslo.", "Rome.", "Bergen, of course.", "Yes.");
    const agent = createAgent({ name: "chat", model, store });
    const { session } = await agent.run("Norway?", { sessionId: "s", userId: "ada" });
    const at = session?.record.seq ?? 0;
    await agent.run("Italy?", { sessionId: "s" });
    const chat = await agent.fork("s", { at, userId: "ada" });
    await chat.run("Its second city?");
    expect(model.heard(2)).toEqual(["user: Norway?", "assistant: Oslo.", "user: Its second city?"]);
    expect(chat.session.record).toMatchObject({ kind: "fork", userId: "ada" });
    await agent.run("Sure?", { sessionId: "s" });
    expect(model.heard(3)).toEqual([
      "user: Norway?",
      "assistant: Oslo.",
      "user: Italy?",
      "assistant: Rome.",
      "user: Sure?",
    ]);
  },
  STORES,
);

test("after a rewind the model hears nothing of what was rewound", async () => {
  const store = memoryStore();
  const model = recordingModel("Oslo.", "Rome.", "Back.");
  const agent = createAgent({ name: "chat", model, store });
  const { session } = await agent.run("Norway?", { sessionId: "s" });
  const at = session?.record.seq ?? 0;
  await agent.run("Italy?", { sessionId: "s" });
  await session?.refresh();
  await session?.rewind(at);
  await agent.run("Again.", { sessionId: "s" });
  expect(model.heard(2)).toEqual(["user: Norway?", "assistant: Oslo.", "user: Again."]);
});

test("sessions that were given stay open when the agent is closed; its own are closed", async () => {
  const sessions = createSessions({ store: memoryStore() });
  const guest = createAgent({ name: "chat", model: recordingModel("One."), sessions });
  await guest.run("Hello", { sessionId: "s" });
  await guest.close();
  expect(await sessions.find("s")).toMatchObject({ messageCount: 2 });
  const owner = createAgent({ name: "chat", model: recordingModel("One."), store: memoryStore() });
  await owner.run("Hello", { sessionId: "s" });
  await owner.close();
  await refusal(owner.run("Hello", { sessionId: "s" }), "SESSION_CLOSED");
});

onStores(
  "64 conversations at once on one agent lose no event and mix nothing up",
  async ({ store, connect, kind }) => {
    const echo = tool({
      inputSchema: z.object({ text: z.string() }),
      execute: async ({ text }, { toolCallId }) => `${toolCallId}:${text}`,
    });
    const agent = createAgent({ name: "chat", model: offlineModel(), store, tools: { echo } });
    const count = 64;
    const runs = await Promise.all(
      range(count).map(async (index) => {
        const sessionId = `s-${index}`;
        const events: string[] = [];
        for await (const event of agent.stream(`use echo {"text":"mine-${index}"}`, { sessionId })) {
          events.push(event.type === "text" ? event.text : event.type);
          if (event.type === "tool-result") expect(JSON.stringify(event.output)).toContain(`mine-${index}"`);
        }
        const name = `Ada${String.fromCharCode(97 + Math.floor(index / 8), 97 + (index % 8))}`;
        const { text } = await agent.run(`My name is ${name}.`, { sessionId });
        expect(text).toContain(name);
        return events;
      }),
    );
    const shapes = new Set(
      runs.map((events) => events.filter((event) => /^(tool-|step|done)/u.test(event)).join(" ")),
    );
    expect([...shapes]).toEqual(["tool-call tool-result step step done"]);
    const elsewhere = createSessions({ store: connect() });
    for (const index of range(count)) {
      const log = await ownLog(store, `s-${index}`);
      expect(log.map(({ seq }) => seq)).toEqual(range(log.length).map((seq) => seq + 1));
      const session = await elsewhere.open(`s-${index}`);
      const texts = JSON.stringify(await textsOf(session));
      expect(
        texts.match(/mine-\d+/gu)?.every((mine) => mine === `mine-${index}`),
        kind,
      ).toBe(true);
      expect(session.record).toMatchObject({ messageCount: 6 });
      expect(session.record.turn).toBeUndefined();
    }
  },
  STORES,
);

onStores(
  "what a tool does to its session is committed with the rest",
  async ({ store, elsewhere }) => {
    const tools = {
      done: tool({
        inputSchema: z.object({}),
        execute: async (_input, run: ToolRun) => {
          await Promise.all([run.session?.complete(), run.session?.setState("cart", { items: 2 })]);
          return "closed";
        },
      }),
    };
    const agent = createAgent({
      name: "chat",
      model: recordingModel(calls(call("c1", "done")), "Bye."),
      store,
      tools,
    });
    const { text } = await agent.run("We are done", { sessionId: "s" });
    expect(text).toBe("Bye.");
    expect(await elsewhere().find("s")).toMatchObject({
      status: "completed",
      state: { cart: { items: 2 } },
      messageCount: 4,
    });
  },
  STORES,
);

/**
 * @module
 * What an agent costs beside calling the AI SDK directly, with a model that answers at once.
 */
import { isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import type { Agent } from "../../src/agent/index.ts";
import { createAgent, offlineModel } from "../../src/agent/index.ts";
import type { Message, SessionStore } from "../../src/index.ts";
import { createSessions } from "../../src/index.ts";
import { buildPackage } from "../built.ts";
import { runChild } from "../children/run.ts";
import type { Part } from "../measure.ts";
import { each, interleave, part, ratio, summary } from "../measure.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { budgetOf, microseconds, row } from "../rows.ts";
import { openStore } from "../stores.ts";

const NAME = "agent";
const WINDOW = { lastMessages: 50 };

export const agents: Suite = {
  name: NAME,
  async run(bench) {
    return [
      await firstToken(bench),
      await longConversation(bench),
      ...(await commits(bench)),
      ...(await manySessions(bench)),
    ];
  },
};

function exchanges(count: number): Message[] {
  return Array.from({ length: count }, (_, index) => ({
    role: index % 2 === 0 ? ("user" as const) : ("assistant" as const),
    content: `${index % 2 === 0 ? "Tell me more about" : "There is a lot to say about"} subject ${index}, which we spoke of before.`,
  }));
}

async function withStore<T>(bench: Bench, work: (store: SessionStore) => Promise<T>): Promise<T> {
  const folder = bench.folder.fresh("agent");
  const store = openStore("sqlite", folder);
  try {
    return await work(store);
  } finally {
    await store.close();
    bench.folder.remove(folder);
  }
}

/** From the call to the first token: a turn on a session on SQLite, and `streamText` with the same messages. */
function firstToken(bench: Bench): Promise<Row> {
  return withStore(bench, async (store) => {
    const agent = createAgent({ name: "bench", model: offlineModel(), store, history: WINDOW });
    const messages = exchanges(20);
    await agent.sessions.create({ id: "s", messages });
    const prompt = "What shall we speak of next?";
    const count = bench.isQuick ? 40 : 200;
    const own: number[] = [];
    const direct: number[] = [];
    for (let round = -20; round < count; round += 1) {
      const startedAt = performance.now();
      for await (const event of agent.stream(prompt, { sessionId: "s" })) {
        if (event.type !== "text") continue;
        if (round >= 0) own.push(performance.now() - startedAt);
        break;
      }
      const directAt = performance.now();
      const { stream } = streamText({
        model: offlineModel(),
        messages: [
          ...messages.map(({ content }) => ({ role: "user" as const, content: String(content) })),
          { role: "user", content: prompt },
        ],
        stopWhen: isStepCount(1),
      });
      for await (const chunk of stream) {
        if (chunk.type !== "text-delta") continue;
        if (round >= 0) direct.push(performance.now() - directAt);
        break;
      }
    }
    const delays = summary(own.map((ms, index) => ms - (direct[index] ?? Number.NaN)));
    return row(NAME, `first token, later than from the AI SDK alone (median of ${count})`, delays, "ms", {
      bar: { atMost: 2 },
      note: `${summary(own).value.toFixed(2)} and ${summary(direct).value.toFixed(2)} ms`,
    });
  });
}

/** A turn on a session of 10,000 messages beside one on a session of 10; what is sent is the newest 50 of either. */
function longConversation(bench: Bench): Promise<Row> {
  return withStore(bench, async (store) => {
    const agent = createAgent({ name: "bench", model: offlineModel(), store, history: WINDOW });
    const [few, many] = [10, bench.isQuick ? 2000 : 10_000];
    await agent.sessions.create({ id: "long", messages: exchanges(many) });
    const turns = 10;
    const short = turnOn(agent, turns, async (round) => {
      const id = `short-${round}`;
      await agent.sessions.create({ id, messages: exchanges(few) });
      return id;
    });
    const long = turnOn(agent, turns, async () => "long");
    await interleave([short, long], { most: 15, budgetMs: budgetOf(bench, 8000), warmUps: 2 });
    return row(
      NAME,
      `a turn at ${many.toLocaleString("en-US")} messages ÷ at ${few}, a window of 50`,
      ratio(long, short),
      "×",
      {
        bar: { atMost: 1.3 },
        note: `${microseconds(each(long, turns))} and ${microseconds(each(short, turns))} µs`,
      },
    );
  });
}

function turnOn(agent: Agent, turns: number, prepare: (round: number) => Promise<string>): Part {
  let id = "";
  return part(
    async () => {
      for (let index = 0; index < turns; index += 1) await agent.run("And then?", { sessionId: id });
    },
    async (round) => {
      id = await prepare(round);
    },
  );
}

/** Commits of one turn whose model calls a tool so many times, one after another: one that only reads, or another one. */
async function commits(bench: Bench): Promise<Row[]> {
  return withStore(bench, async (store) => {
    const sessions = createSessions({ store });
    const step = tool({
      description: "a step",
      inputSchema: z.object({ n: z.number() }),
      execute: ({ n }) => `step ${n} is done`,
    });
    const tools = { look: { ...step, readOnly: true }, change: step };
    const agent = createAgent({ name: "bench", model: offlineModel(), sessions, tools });
    const rows: Row[] = [];
    const measure = async (name: keyof typeof tools, calls: number, of: string): Promise<void> => {
      const session = await sessions.create();
      const before = session.record.version;
      const chain = Array.from({ length: calls }, (_, index) => `use ${name} {"n": ${index + 1}}`);
      const prompt = calls === 0 ? "Hello there." : chain.join(" then ");
      const { steps } = await agent.run(prompt, { sessionId: session.id });
      if (steps.length !== calls + 1) throw new Error(`${steps.length} steps in place of ${calls + 1}`);
      const { version } = await session.refresh();
      rows.push({
        suite: NAME,
        measure: `commits of a turn of ${steps.length} ${steps.length === 1 ? "step" : "steps"}${of}`,
        value: version - before,
        unit: "",
        bar: { atMost: 4 + steps.length },
      });
    };
    await measure("look", 0, "");
    for (const calls of [1, 3, 10]) await measure("look", calls, ", tools that only read");
    for (const calls of [1, 3, 10]) await measure("change", calls, ", tools that may change something");
    return rows;
  });
}

/** V8 keeps what it no longer needs for as long as it may; with these it may not, so what is left is what is needed. */
const SMALL_HEAP = ["--max-old-space-size=64", "--max-semi-space-size=1"];

/** A process with 64 sessions that all run turns at the same time. */
async function manySessions(bench: Bench): Promise<Row[]> {
  buildPackage();
  const rounds = bench.isQuick ? "2" : "10";
  const measured = async (mode: string, flags: readonly string[]): Promise<number[]> => {
    const folder = bench.folder.fresh("agents");
    const numbers = await runChild("agents.ts", [folder, rounds, mode], flags);
    bench.folder.remove(folder);
    return numbers;
  };
  const [smallMb = Number.NaN, events = 0, expected = Number.NaN, ms = 0] = await measured("", SMALL_HEAP);
  const [freeMb = Number.NaN] = await measured("", []);
  const [directMb = Number.NaN] = await measured("direct", []);
  const title = "64 sessions at once in one process";
  return [
    {
      suite: NAME,
      measure: `${title}: resident memory, ${SMALL_HEAP[0]}`,
      value: smallMb,
      unit: "MB",
      bar: { atMost: 150 },
      note: `${ms.toFixed(0)} ms`,
    },
    {
      suite: NAME,
      measure: `${title}: resident memory, no limit to the heap`,
      value: freeMb,
      unit: "MB",
      note: `the AI SDK alone ${directMb.toFixed(0)} MB`,
    },
    {
      suite: NAME,
      measure: `${title}: events that were lost`,
      value: expected - events,
      unit: "",
      bar: { atMost: 0 },
      note: `${events} events`,
    },
  ];
}

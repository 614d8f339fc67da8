/**
 * An agent in a process of its own, on a SQLite store, with tools that write down what they do. It waits for a line on
 * stdin, then goes on with what a killed one left, and runs turns until it is killed. On stdout a line for each thing
 * that it was told is committed.
 *
 * `argv`: folder, session id, ledger file, name, seed, how many milliseconds between two pieces of text.
 */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { jsonSchema } from "ai";
import { createAgent } from "../../src/agent/agent.ts";
import { offlineModel } from "../../src/agent/offline-model.ts";
import type { Agent, AgentEvent, AgentTools, ToolPolicy } from "../../src/agent/types.ts";
import { createSessions } from "../../src/session/sessions.ts";
import { openIn } from "../session/open-in.ts";

/** One line of a ledger: a tool began or has finished, in the run of `by`. */
export interface LedgerLine {
  readonly event: "began" | "finished";
  readonly callId: string;
  readonly tool: string;
  readonly by: string;
}

/** What is committed, as a worker says it and as its parent finds it: a prompt, a result, an answer. */
export type Told = readonly [kind: "prompt" | "result" | "answer", what: string];

export interface FaultAgentOptions {
  readonly folder: string;
  readonly ledger: string;
  /** Who runs it, for the ledger. */
  readonly by: string;
  readonly random: () => number;
  readonly chunkDelayMs?: number;
  /** How long a tool takes at most. Default 70, so that a call that only reads is now committed with its result, now before it. */
  readonly toolMs?: number;
}

/** So short that whoever goes on after a kill need not wait long. */
export const LEASE_MS = 120;

/** An agent with a tool that only reads, `peek`, one that may be repeated, `look`, and one that may not, `book`. */
export function faultAgent(options: FaultAgentOptions): Agent {
  const { folder, ledger, by, random, chunkDelayMs = 0, toolMs = 70 } = options;
  const file = openSync(ledger, "a");
  const write = (line: LedgerLine): void => {
    writeSync(file, `${JSON.stringify(line)}\n`);
    fsyncSync(file);
  };
  const tool = (name: string, policy: ToolPolicy = {}): AgentTools[string] => ({
    inputSchema: jsonSchema<{ key: string }>({ type: "object", properties: { key: { type: "string" } } }),
    ...policy,
    async execute({ key }: { key: string }, { toolCallId: callId }: { toolCallId: string }) {
      write({ event: "began", callId, tool: name, by });
      await sleep(random() * toolMs);
      write({ event: "finished", callId, tool: name, by });
      return `${name} ${key}`;
    },
  });
  const sessions = createSessions({ store: openIn("sqlite", folder, "full"), leaseMs: LEASE_MS });
  const agent = createAgent({
    name: "fault",
    model: offlineModel({ chunkDelayMs }),
    sessions,
    tools: {
      peek: tool("peek", { readOnly: true }),
      look: tool("look", { idempotent: true }),
      book: tool("book"),
    },
  });
  return {
    ...agent,
    sessions,
    async close() {
      await sessions.close();
      closeSync(file);
    },
  };
}

const TOOLS = ["peek", "look", "book"] as const;

/** One prompt: now calls side by side, now a chain of them, now none. */
export function promptOf(random: () => number, name: string): string {
  const calls = Array.from({ length: Math.floor(random() * 6) }, (_, index) => {
    const tool = TOOLS[Math.floor(random() * TOOLS.length)];
    const link = index === 0 ? "" : random() < 0.5 ? " then " : " and ";
    return `${link}use ${tool} {"key":"${name}-${index}"}`;
  });
  return `This is ${name}. ${calls.join("")}`.trim();
}

/** mulberry32, so that a seed repeats a run. */
export function randomOf(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Waits until nobody has the turn. A worker that was killed can't give its lease back. */
export async function untilLeaseIsOver(until: number): Promise<void> {
  while (Date.now() <= until) await sleep(until - Date.now() + 1);
}

async function work(argv: readonly string[]): Promise<void> {
  const [folder = "", id = "", ledger = "", by = "", seed = "0", chunkDelayMs = "0"] = argv;
  const random = randomOf(Number(seed));
  const agent = faultAgent({ folder, ledger, by, random, chunkDelayMs: Number(chunkDelayMs) });
  const tell = (...told: Told | readonly ["ready" | "resumed"]): void => {
    writeSync(1, `${JSON.stringify(told)}\n`);
  };
  const onEvent = (event: AgentEvent): void => {
    if (event.type === "tool-result") tell("result", event.toolCallId);
    if (event.type === "done") tell("answer", event.result.text);
  };
  // What a process does for the first time is slow, and no kill should go to waste on it.
  await agent.sessions.find(id);
  await createAgent({ name: "warm", model: offlineModel() }).run("use! look {}");
  tell("ready");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  process.stdin.destroy();
  const chat = await agent.open(id);
  const { turn } = chat.session.record;
  if (turn) {
    await untilLeaseIsOver(turn.until);
    await chat.resume({ onEvent });
    tell("resumed");
  }
  for (let index = 0; ; index += 1) {
    const prompt = promptOf(random, `${by}.${index}`);
    await chat.send(prompt, { onEvent });
    tell("prompt", prompt);
    for await (const { type } of chat.receive()) if (type === "done") break;
  }
}

if (process.argv[1] === import.meta.filename) await work(process.argv.slice(2));

/**
 * @module
 * The demo's worker: one process that runs an agent on one session. It is told what to do on stdin, and tells on stdout
 * what is committed, a line of JSON each.
 */
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { Message, Session, Turn } from "../../index.ts";
import { createSessions, createStore, HoldfastError } from "../../index.ts";
import { isPlainObject } from "../../log/values.ts";
import { nextMessage, toolCallsOf } from "./next-message.ts";

/** Short, so that the demo need not wait long for a dead worker's lease to run out. */
const LEASE_MS = 1500;
const RETRY_MS = 50;
/** How long the tool takes, unless the order says otherwise: a turn must have a middle. */
const TOOL_MS = 500;
const WEATHER = new Map([
  ["Lisbon", "24 °C and sunny"],
  ["Oslo", "8 °C and rain"],
]);

/** Serves stdin until it ends. */
export async function runWorker(storeUrl: string, sessionId: string, owner: string): Promise<void> {
  const sessions = createSessions({ store: createStore(storeUrl), leaseMs: LEASE_MS });
  try {
    const session = await sessions.getOrCreate(sessionId, { userId: "alice", agent: "offline-demo" });
    emit({ event: "ready" });
    for await (const line of createInterface({ input: process.stdin })) {
      const order: unknown = JSON.parse(line);
      if (!isPlainObject(order)) continue;
      const text = typeof order.say === "string" ? order.say : undefined;
      await takeTurn(session, owner, text, typeof order.toolMs === "number" ? order.toolMs : TOOL_MS);
      emit({ event: "done" });
    }
  } finally {
    // Where a turn failed, the open stdin would keep the process alive.
    process.stdin.destroy();
    await sessions.close();
  }
}

/** One turn: what the user says, or without that what a dead worker left; then the model and its tools. */
async function takeTurn(
  session: Session,
  owner: string,
  text: string | undefined,
  toolMs: number,
): Promise<void> {
  let wasRefused = false;
  for (;;) {
    try {
      return await session.turn((turn) => converse(session, turn, text, toolMs), {
        owner,
        resume: text === undefined,
      });
    } catch (error) {
      if (!HoldfastError.is(error, "TURN_IN_PROGRESS") || !error.retryable) throw error;
      if (!wasRefused) emit({ event: "refused", code: error.code, message: error.message });
      wasRefused = true;
      await delay(RETRY_MS);
    }
  }
}

async function converse(
  session: Session,
  turn: Turn,
  text: string | undefined,
  toolMs: number,
): Promise<void> {
  const commit = async (message: Message): Promise<void> => {
    await turn.append(message);
    emit({ event: "committed", message });
  };
  emit({ event: "turn", turnId: turn.id, resumed: turn.resumed });
  if (text !== undefined) await commit({ role: "user", content: text });
  for (;;) {
    const reply = nextMessage(await session.context());
    await commit(reply);
    const calls = toolCallsOf(reply);
    if (calls.length === 0) return;
    for (const { toolCallId, city } of calls) {
      await delay(toolMs);
      const value = WEATHER.get(city) ?? "18 °C and cloudy";
      const result = {
        type: "tool-result",
        toolCallId,
        toolName: "get_weather",
        output: { type: "text", value },
      };
      await commit({ role: "tool", content: [result] });
    }
  }
}

function emit(event: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/**
 * @module
 * The demo: a conversation that survives being killed. Every line with a ✓ is checked by reading the store anew.
 */
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { textOf } from "../../agent/offline-conversation.ts";
import type { Entry, Message, SessionStore, Sessions } from "../../index.ts";
import { createSessions, createStore } from "../../index.ts";
import { isKnown } from "../../log/entry.ts";
import { toolResultIdsOf } from "../../log/tool-calls.ts";
import { showTree } from "../commands/tree.ts";
import type { Output } from "../output.ts";
import { howToRun } from "../self.ts";
import { paint } from "../style.ts";
import { transcriptPrinter } from "../transcript-text.ts";
import type { Stage } from "./stage.ts";
import { createStage } from "./stage.ts";
import { importAndSearch } from "./transcripts.ts";
import type { Listener, Worker } from "./worker-process.ts";
import { messageOf, startWorker } from "./worker-process.ts";

interface Scenery {
  readonly stage: Stage;
  readonly url: string;
  readonly store: SessionStore;
  readonly sessions: Sessions;
  readonly listen: Listener;
  /** Workers that may still run when a check fails. */
  readonly workers: Worker[];
}

const SESSION = "alice-in-lisbon";
const FORK = "alice-in-oslo";
/** So slow that the kill always comes before the tool answers. */
const SLOW_TOOL_MS = 60_000;

/** Runs the demo. @throws CHECK_FAILED naming the first claim that does not hold. */
export async function runDemo(output: Output, transcripts: string | undefined): Promise<void> {
  const startedAt = performance.now();
  const path = await databasePath();
  const url = `sqlite:${path}`;
  const stage = createStage(output);
  const store = await createStore(url);
  const sessions = createSessions({ store });
  const listen: Listener = (worker, event) => {
    const message = event.event === "committed" ? messageOf(event) : undefined;
    if (message) stage.said(worker.name, message);
    if (event.event === "refused")
      stage.tell(`${worker.name} is told ${String(event.code)}: ${String(event.message)}`);
  };
  const scenery: Scenery = { stage, url, store, sessions, listen, workers: [] };
  if (!output.json) {
    output.line(paint("bold", "Holdfast: a conversation that survives being killed"));
    output.line(
      paint(
        "dim",
        `SQLite at ${path}. The model is a small offline one: it answers only from the history that it is sent.`,
      ),
    );
  }
  try {
    const first = await talk(scenery);
    const turnId = await killInTheMiddle(scenery, first);
    await resume(scenery, turnId);
    await forkEarlier(scenery);
    await meet(scenery);
    stage.scene("What is there now");
    if (!output.json) await showAll(output, scenery);
    if (transcripts) await importAndSearch(stage, url, transcripts);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    if (output.json)
      output.value({ summary: { checks: stage.passed, seconds: Number(seconds), store: url } });
    else printNext(output, url, stage.passed, seconds);
  } finally {
    await Promise.all(scenery.workers.map((worker) => worker.kill()));
    await sessions.close();
  }
}

/** A new database each time: in `./.holdfast`, or in a temporary folder where that can't be made. */
async function databasePath(): Promise<string> {
  const name = `demo-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-")}-${process.pid}.db`;
  try {
    await mkdir(".holdfast", { recursive: true });
    return `./${relative(".", join(".holdfast", name))}`;
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      (error.code === "EACCES" || error.code === "EROFS" || error.code === "EPERM")
    ) {
      return join(tmpdir(), name);
    }
    throw error;
  }
}

async function worker({ url, listen, workers }: Scenery, sessionId: string, name: string): Promise<Worker> {
  const started = await startWorker(url, sessionId, name, listen);
  workers.push(started);
  return started;
}

async function say(one: Worker, text: string): Promise<void> {
  one.order(text);
  await one.next("done");
}

async function messagesOf({ sessions }: Scenery, id: string): Promise<Message[]> {
  return (await sessions.open(id)).messages();
}

async function entriesOf({ sessions }: Scenery, id: string): Promise<Entry[]> {
  return collect((await sessions.open(id)).entries());
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function lastText(scenery: Scenery, id: string): Promise<string> {
  const last = (await messagesOf(scenery, id)).at(-1);
  return last === undefined ? "" : textOf(last);
}

async function talk(scenery: Scenery): Promise<Worker> {
  const { stage } = scenery;
  stage.scene("A conversation, in a process of its own");
  const first = await worker(scenery, SESSION, "worker-1");
  stage.tell(`worker-1 is process ${first.pid}`);
  await say(first, "Hi, my name is Alice and I live in Lisbon.");
  await say(first, "I am allergic to peanuts.");
  const messages = await messagesOf(scenery, SESSION);
  stage.check("another process reads all 4 messages", messages.length === 4, () => messages);
  return first;
}

/** Answers with the id of the turn that is left open. */
async function killInTheMiddle(scenery: Scenery, first: Worker): Promise<string> {
  const { stage, sessions } = scenery;
  stage.scene("Killed in the middle of a turn");
  first.order("How is the weather where I live?", SLOW_TOOL_MS);
  while (!isWaitingForTool(first)) await first.next("committed");
  const signal = await first.kill();
  stage.check(`worker-1 is dead, by ${signal}`, signal === "SIGKILL", () => signal);
  const record = await sessions.find(SESSION);
  const messages = await messagesOf(scenery, SESSION);
  stage.check(
    "its question and its tool call are in the store, without an answer",
    messages.length === 6 && messages.at(-1)?.role === "assistant",
    () => messages,
  );
  const context = await (await sessions.open(SESSION)).context();
  stage.check(
    "a model is shown the call as interrupted; the log is not touched for it",
    context.length === 7 && isInterrupted(context.at(-1)),
    () => context,
  );
  stage.check("its turn is seen to be open", record?.turn?.owner === "worker-1", () => record?.turn);
  return record?.turn?.id ?? "";
}

/** Whether the last thing that it committed is a tool call. */
function isWaitingForTool({ events }: Worker): boolean {
  const last = events.findLast(({ event }) => event === "committed");
  const message = last && messageOf(last);
  return message?.role === "assistant" && Array.isArray(message.content);
}

function isInterrupted(message: Message | undefined): boolean {
  return message?.role === "tool" && JSON.stringify(message.content).includes("interrupted");
}

async function resume(scenery: Scenery, turnId: string): Promise<void> {
  const { stage } = scenery;
  stage.scene("Another process goes on");
  const second = await worker(scenery, SESSION, "worker-2");
  stage.tell(
    `worker-2 is process ${second.pid}; it takes the turn over once the dead worker's lease has run out`,
  );
  second.order();
  const { turnId: resumedId } = await second.next("turn");
  await second.next("done");
  stage.check("it is the same turn that it ends", resumedId === turnId, () => [resumedId, turnId]);
  const entries = await entriesOf(scenery, SESSION);
  const ended = entries
    .filter(isKnown)
    .flatMap((entry) =>
      entry.type === "turn.ended" && entry.data.turnId === turnId ? entry.data.outcome : [],
    );
  stage.check('the turn ended once, as "completed"', ended.join() === "completed", () => ended);
  const results = (await messagesOf(scenery, SESSION)).flatMap((message) => toolResultIdsOf({ ...message }));
  stage.check(
    "the tool was called again, and only that call has a result",
    results.join() === "call-2",
    () => results,
  );
  stage.check(
    "it answered what was asked before the kill",
    (await lastText(scenery, SESSION)).startsWith("Alice, Lisbon: 24 °C"),
    () => entries.at(-1),
  );
  await say(second, "What is my name, and what am I allergic to?");
  const recalled = await lastText(scenery, SESSION);
  stage.check(
    "it knows what the dead process was told",
    recalled === "Your name is Alice. You are allergic to peanuts.",
    () => recalled,
  );
  await second.end();
}

async function forkEarlier(scenery: Scenery): Promise<void> {
  const { stage, sessions, store } = scenery;
  stage.scene("Forked at an earlier message");
  const parent = await sessions.open(SESSION);
  const before = parent.record.seq;
  const [, greeting] = await collect(parent.stream({ upTo: before }));
  if (greeting === undefined) return stage.check("there is a greeting to fork at", false);
  const fork = await parent.fork({ id: FORK, at: { messageId: greeting.id }, label: "Alice in Oslo" });
  stage.tell(`a fork that begins after ${greeting.id}, where Alice had only said who she is`);
  const own = await store.read(FORK, { after: greeting.seq, limit: 100 });
  stage.check(
    "nothing was copied: the fork's own log is 1 entry",
    own.length === 1 && fork.record.messageCount === 2,
    () => own,
  );
  const [third, fourth] = await Promise.all([
    worker(scenery, FORK, "worker-3"),
    worker(scenery, SESSION, "worker-4"),
  ]);
  await say(third, "I have moved to Oslo.");
  await say(third, "What is my name, where do I live, and what am I allergic to?");
  await third.end();
  const inFork = await lastText(scenery, FORK);
  stage.check(
    "the fork knows what came before it, and nothing of what its parent heard later",
    inFork === "Your name is Alice. You live in Oslo. You have not told me of an allergy.",
    () => inFork,
  );
  await say(fourth, "Where do I live?");
  await fourth.end();
  const inParent = await lastText(scenery, SESSION);
  stage.check("the first conversation has not changed", inParent === "You live in Lisbon.", () => inParent);
}

async function meet(scenery: Scenery): Promise<void> {
  const { stage } = scenery;
  stage.scene("Two workers meet on one session");
  const before = (await messagesOf(scenery, SESSION)).length;
  const [one, other] = await Promise.all([
    worker(scenery, SESSION, "worker-5"),
    worker(scenery, SESSION, "worker-6"),
  ]);
  one.order("How is the weather in Lisbon?");
  other.order("How is the weather in Oslo?");
  await Promise.all([one.next("done"), other.next("done")]);
  await Promise.all([one.end(), other.end()]);
  const refused = [one, other].filter(({ events }) => events.some(({ event }) => event === "refused"));
  stage.check("just one of them was told that a turn is in progress", refused.length === 1, () =>
    refused.map(({ name }) => name),
  );
  const messages = (await messagesOf(scenery, SESSION)).slice(before);
  stage.check(
    "it waited, and then had its turn: both conversations are whole",
    messages.length === 8,
    () => messages,
  );
  const turns = (await entriesOf(scenery, SESSION))
    .slice(-16)
    .filter(isKnown)
    .flatMap((entry) => (entry.type === "message" ? (entry.data.turnId ?? "") : []));
  stage.check(
    "their messages do not mix",
    new Set(turns.slice(-8, -4)).size === 1 && new Set(turns.slice(-4)).size === 1,
    () => turns,
  );
}

async function showAll(output: Output, { sessions, store }: Scenery): Promise<void> {
  output.line();
  await showTree(output, store);
  output.line();
  const printer = transcriptPrinter();
  for await (const { message, seq } of (await sessions.open(SESSION)).stream()) {
    for (const line of printer.lines({ message: { ...message }, seq })) output.line(`  ${line}`);
  }
}

function printNext(output: Output, url: string, checks: number, seconds: string): void {
  output.line(
    `\n${paint(["bold", "green"], `${checks} checks passed in ${seconds} s.`)} Nothing here was faked: look at it yourself.\n`,
  );
  for (const rest of [
    "ls",
    "tree",
    `show ${SESSION} --entries`,
    `diff ${SESSION} ${FORK}`,
    "search allergic",
    "doctor",
  ]) {
    output.line(`  ${paint("dim", `${howToRun()} --store ${url}`)} ${rest}`);
  }
}

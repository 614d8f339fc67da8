/**
 * An agent is killed with SIGKILL at a random moment of a turn with tools, again and again; then its turn is resumed,
 * here or by another worker that may be killed in it, and the conversation goes on. Whatever the moment: the transcript
 * is one that a provider accepts, all that was told to be committed is there, once and in order, what a tool gave is
 * never asked for again, and what may not be repeated is not.
 *
 * FAULT_ROUNDS says how often (default 20, at most 200), FAULT_SEED repeats a run.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Agent } from "../../src/agent/types.ts";
import { toolCallsOf, toolResultIdsOf } from "../../src/log/tool-calls.ts";
import type { Message, Session } from "../../src/session/types.ts";
import { collect, expectAccepted, inWords } from "../agent/support.ts";
import type { LedgerLine, Told } from "./agent-worker.ts";
import { faultAgent, promptOf, randomOf, untilLeaseIsOver } from "./agent-worker.ts";

const rounds = Math.min(200, Number(process.env.FAULT_ROUNDS ?? 20));
const seed = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const worker = join(import.meta.dirname, "agent-worker.ts");
/** Lanes of one session each, side by side. */
const LANES = 2;
/** A session is left after so many kills: its checks read all of it. */
const KILLS_PER_SESSION = 5;
/** About two turns. */
const MAX_DELAY_MS = 120;

interface Worker {
  readonly name: string;
  /** Lets it go, kills it so long after that or after it is first told something, and answers with what it was told. */
  runAndKill(delayMs: number, from: "start" | "first"): Promise<Told[]>;
  /** Ends it where it is not needed any more. */
  stop(): void;
}

/** Starts a worker, which loads all that it needs and waits. */
function startWorker(name: string, args: readonly string[]): Worker {
  const child: ChildProcess = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", worker, ...args],
    {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "holdfast-compile-cache") },
    },
  );
  let out = "";
  let errors = "";
  const ready = Promise.withResolvers<void>();
  const told = Promise.withResolvers<void>();
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    ready.resolve();
    if (out.indexOf("\n") < out.length - 1) told.resolve();
  });
  const closed = new Promise((resolve) => child.on("close", (_code, signal) => resolve(signal)));
  void closed.then(() => {
    ready.resolve();
    told.resolve();
  });
  return {
    name,
    stop: () => void child.kill("SIGKILL"),
    async runAndKill(delayMs, from) {
      await ready.promise;
      child.stdin?.on("error", (error) => {
        errors += String(error);
      });
      child.stdin?.write("go\n");
      if (from === "first") await told.promise;
      setTimeout(() => child.kill("SIGKILL"), delayMs);
      const signal = await closed;
      expect({ signal, errors: errors.replaceAll(/.*(Warning|--trace-warnings).*\n/g, "") }).toEqual({
        signal: "SIGKILL",
        errors: "",
      });
      // The last line may have been cut by the kill.
      const lines = out.split("\n").slice(0, -1);
      return lines.map((line): Told => JSON.parse(line)).filter(([kind]) => KINDS.includes(kind));
    },
  };
}

const KINDS: readonly string[] = ["prompt", "result", "answer"];

/** What of a message a worker is told. */
function toldBy(message: Message): Told[] {
  const words = inWords(message);
  if (message.role === "user") return [["prompt", words.slice("user: ".length)]];
  const results = toolResultIdsOf({ ...message }).map((id): Told => ["result", id]);
  const isAnswer = message.role === "assistant" && toolCallsOf({ ...message }).length === 0;
  return isAnswer ? [["answer", words.slice("assistant: ".length)]] : results;
}

interface Found {
  readonly messages: readonly Message[];
  readonly session: Session;
  /** Calls with their tool, in order. */
  readonly calls: ReadonlyMap<string, string>;
  /** What came of a call, in words. */
  readonly results: ReadonlyMap<string, string>;
}

/** Looks at the session as it is stored. */
async function look(agent: Agent, id: string): Promise<Found> {
  const session = await agent.sessions.open(id);
  let seq = 0;
  for await (const entry of session.entries()) {
    seq += 1;
    expect(entry.seq).toBe(seq);
  }
  const messages = (await collect(session.stream())).map(({ message }) => message);
  const calls = messages.flatMap((message) => toolCallsOf({ ...message }));
  const results = messages.flatMap((message) =>
    toolResultIdsOf({ ...message }).map((one): [string, string] => [one, inWords(message)]),
  );
  const found = {
    session,
    messages,
    calls: new Map(calls.map(({ id: one, name }) => [one, name])),
    results: new Map(results),
  };
  expect(found.calls.size).toBe(calls.length);
  expect(found.results.size).toBe(results.length);
  await expectAccepted(await session.context());
  return found;
}

async function ledgerIn(file: string): Promise<LedgerLine[]> {
  // A line that a kill cut is not there for anybody: each is one write.
  const text = await readFile(file, "utf8");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line): LedgerLine => JSON.parse(line));
}

/** What must hold of the ledger and the log at any time. */
function expectHonest({ calls, results }: Found, ledger: readonly LedgerLine[]): void {
  for (const { callId, tool } of ledger) {
    // Nothing that may change something runs before its call is committed.
    if (tool !== "peek") expect([callId, calls.get(callId)]).toEqual([callId, tool]);
  }
  for (const [callId, tool] of calls) {
    const began = ledger.filter((line) => line.callId === callId && line.event === "began");
    const finished = ledger.filter((line) => line.callId === callId && line.event === "finished");
    if (tool === "book") expect([callId, began.length <= 1]).toEqual([callId, true]);
    const result = results.get(callId);
    if (result === undefined) continue;
    if (result.startsWith(`tool: #${callId}=${tool} `)) {
      // It is the last begun that gave it, and it has finished.
      expect([callId, finished.some(({ by }) => by === began.at(-1)?.by)]).toEqual([callId, true]);
    } else {
      expect([tool, result]).toEqual(["book", expect.stringContaining("interrupted")]);
    }
  }
}

/** Fails unless all that was told is there, in this order, and what can be told from others once. */
function expectAllTold(there: readonly Told[], told: readonly Told[]): void {
  let at = 0;
  for (const [kind, what] of told) {
    const found = there.findIndex((one, index) => index >= at && one[0] === kind && one[1] === what);
    expect([kind, what, found >= 0]).toEqual([kind, what, true]);
    at = found + 1;
  }
  const named = there.filter(([kind]) => kind !== "answer").map(([kind, what]) => `${kind} ${what}`);
  expect(named.filter((one, index) => named.indexOf(one) !== index)).toEqual([]);
}

interface Moments {
  kills: number;
  openTurns: number;
  resumedHere: number;
  /** Calls that were begun and that a kill left without a result. */
  looksInterrupted: number;
  booksInterrupted: number;
}

async function runLane(
  folder: string,
  lane: string,
  share: number,
  random: () => number,
  moments: Moments,
  whenOver: (stop: () => void) => void,
): Promise<void> {
  let round = 0;
  const nextWorker = (): Worker => {
    const number = Math.floor(round / KILLS_PER_SESSION);
    const name = `${lane}r${round}`;
    const args = [folder, `${lane}-${number}`, join(folder, `${lane}-${number}.ledger`), name];
    return startWorker(name, [...args, String(Math.floor(random() * 2 ** 31)), String(random())]);
  };
  let told: Told[] = [];
  let next = nextWorker();
  whenOver(() => next.stop());
  while (round < share) {
    const current = next;
    const id = `${lane}-${Math.floor(round / KILLS_PER_SESSION)}`;
    const ledgerFile = join(folder, `${id}.ledger`);
    const isLastOfSession = round % KILLS_PER_SESSION === KILLS_PER_SESSION - 1 || round === share - 1;
    if (round % KILLS_PER_SESSION === 0) told = [];
    round += 1;
    // The next one loads while this one runs.
    if (round < share) next = nextWorker();
    const from = random() < 0.2 ? "start" : "first";
    told.push(...(await current.runAndKill(random() * MAX_DELAY_MS, from)));
    moments.kills += 1;

    const agent = faultAgent({ folder, ledger: ledgerFile, by: `after ${current.name}`, random, toolMs: 2 });
    try {
      if (!(await agent.sessions.find(id))) {
        expect(told).toEqual([]);
        continue;
      }
      const left = await look(agent, id);
      const ledger = await ledgerIn(ledgerFile);
      expectHonest(left, ledger);
      expectAllTold(left.messages.flatMap(toldBy), told);

      const { turn } = left.session.record;
      const open = [...left.calls].filter(([callId]) => !left.results.has(callId));
      if (turn) moments.openTurns += 1;
      for (const [, tool] of open.filter(([one]) => ledger.some((line) => line.callId === one))) {
        if (tool === "look") moments.looksInterrupted += 1;
        if (tool === "book") moments.booksInterrupted += 1;
      }
      // Now and then the next worker does it, and may be killed in it.
      if (!isLastOfSession && random() < 0.5) continue;

      if (turn) {
        await untilLeaseIsOver(turn.until);
        await agent.resume(id);
        moments.resumedHere += 1;
      }
      const prompt = promptOf(random, `${current.name}.after`);
      const { finishReason, steps } = await agent.run(prompt, { sessionId: id });
      expect(finishReason).toBe("stop");
      const toolResults = steps.flatMap((step) => step.toolResults);
      expect(toolResults.filter(({ isError }) => isError)).toEqual([]);

      const after = await look(agent, id);
      const ledgerAfter = await ledgerIn(ledgerFile);
      expectHonest(after, ledgerAfter);
      expect(after.session.record.turn).toBeUndefined();
      expect(after.messages.slice(0, left.messages.length)).toEqual(left.messages);
      expect([...after.calls.keys()].filter((callId) => !after.results.has(callId))).toEqual([]);
      const ran = ledgerAfter.slice(ledger.length).filter(({ event }) => event === "began");
      // What had a result is not run again; what was interrupted and may be repeated is, once; what may not is not.
      const old = ran.filter(({ callId }) => left.calls.has(callId)).map(({ callId }) => callId);
      expect(old.toSorted()).toEqual(
        open
          .filter(([, tool]) => tool !== "book")
          .map(([callId]) => callId)
          .sort(),
      );
    } finally {
      await agent.close();
    }
  }
}

test(
  `an agent that is killed ${rounds} times at random goes on as if it had not been [seed ${seed}]`,
  async ({ onTestFinished }) => {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-agent-kill-"));
    const moments: Moments = {
      kills: 0,
      openTurns: 0,
      resumedHere: 0,
      looksInterrupted: 0,
      booksInterrupted: 0,
    };
    try {
      const share = Math.ceil(rounds / LANES);
      await Promise.all(
        Array.from({ length: LANES }, (_, lane) =>
          runLane(folder, `lane${lane}`, share, randomOf(seed + lane), moments, onTestFinished),
        ),
      );
      expect(moments.kills).toBeGreaterThanOrEqual(rounds);
      // A test of kills between turns alone would show nothing.
      if (rounds >= 20) expect(moments.openTurns).toBeGreaterThan(0);
      if (rounds >= 100) expect(Object.values(moments)).not.toContain(0);
      console.log(`${JSON.stringify(moments)} [seed ${seed}]`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  30_000 + rounds * 2_000,
);

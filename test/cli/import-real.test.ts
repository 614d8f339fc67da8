/**
 * Real transcripts, read from the folder that HOLDFAST_TRANSCRIPTS names; where it is unset, that is said and generated
 * ones of the same shape stand in.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyValue, encodeValue } from "../../src/log/values.ts";
import { folderWith, readAll } from "./fixtures/support.ts";

const REAL = process.env.HOLDFAST_TRANSCRIPTS;
if (!REAL)
  console.log("HOLDFAST_TRANSCRIPTS is not set: the real transcripts are left out, generated ones stand in");

interface Trajectory {
  task_id: number;
  trial: number;
  reward: number;
  traj: Record<string, unknown>[];
}

/** A generator of numbers below 1 that gives the same ones for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WORDS = [
  "flight",
  "reservation",
  "Größe",
  "東京",
  "🌿",
  'quote "',
  "back\\slash",
  "\u0000",
  "tab\t",
  "$100",
  "a.b",
];

function generatedMessages(random: () => number, count: number): Record<string, unknown>[] {
  const text = () =>
    Array.from(
      { length: 1 + Math.floor(random() * 60) },
      () => WORDS[Math.floor(random() * WORDS.length)],
    ).join(" ");
  return Array.from({ length: count }, (_, index) => {
    if (index === 0) return { role: "system", content: text() };
    const id = `call_${index}`;
    if (index % 4 === 2)
      return {
        content: null,
        role: "assistant",
        tool_calls: [
          { id, type: "function", function: { name: "find", arguments: JSON.stringify({ q: text() }) } },
        ],
      };
    if (index % 4 === 3)
      return { role: "tool", tool_call_id: `call_${index - 1}`, name: "find", content: text() };
    return { role: index % 4 === 1 ? "user" : "assistant", content: text() };
  });
}

async function tauBenchFile(): Promise<string> {
  if (REAL) return join(REAL, "tau-bench", "gpt-4o-airline.json");
  const random = seeded(1);
  const trajectories = Array.from({ length: 200 }, (_, index) => ({
    task_id: index % 50,
    reward: Math.round(random()),
    info: { task: { user_id: "u" } },
    traj: generatedMessages(random, 6 + Math.floor(random() * 57)),
    trial: Math.floor(index / 50),
  }));
  const folder = await folderWith({ "generated-airline.json": JSON.stringify(trajectories, null, 2) });
  return join(folder, "generated-airline.json");
}

async function sweAgentFolder(): Promise<string> {
  if (REAL) return join(REAL, "swe-agent");
  const run = (seed: number, count: number) =>
    JSON.stringify({
      environment: "main",
      trajectory: [],
      history: generatedMessages(seeded(seed), count).map((message) => ({ ...message, agent: "main" })),
      info: { exit_status: "submitted", submission: "diff", model_stats: { api_calls: 11 } },
    });
  return folderWith({ "a.traj.json": run(2, 24), "b-long.traj.json": run(3, 28) });
}

test("all 200 tau-bench conversations, each message as the file holds it", async () => {
  const path = await tauBenchFile();
  const written: Trajectory[] = JSON.parse(await readFile(path, "utf8"));
  const { sessions, problems } = await readAll(path);

  expect(problems).toEqual([]);
  expect(sessions).toHaveLength(200);
  expect(new Set(sessions.map(({ sourceId }) => sourceId)).size).toBe(200);
  for (const [index, session] of sessions.entries()) {
    const { task_id, trial, reward, traj } = written[index] ?? {};
    expect(session.source).toBe("tau-bench");
    expect(session.metadata).toEqual({ task_id, trial, reward });
    expect(session.sourceId).toContain(`:${task_id}-${trial}:`);
    expect(session.messages.map(({ message }) => message)).toEqual(traj);
    // Key order and text, which equality does not see.
    expect(JSON.stringify(session.messages.map(({ message }) => message))).toBe(JSON.stringify(traj));
    expect(Buffer.byteLength(JSON.stringify(session.metadata))).toBeLessThan(200);
  }
});

test("both SWE-agent runs, each message as the file holds it", async () => {
  const folder = await sweAgentFolder();
  const { sessions, problems } = await readAll(folder);
  expect(problems).toEqual([]);
  expect(sessions.map(({ messages }) => messages.length).sort()).toEqual([24, 28]);
  for (const session of sessions) {
    const name = `${session.sourceId.split(":")[1]}.traj.json`;
    const { history } = JSON.parse(await readFile(join(folder, name), "utf8"));
    expect(JSON.stringify(session.messages.map(({ message }) => message))).toBe(JSON.stringify(history));
    expect(session.messages.map(({ message }) => message)).toEqual(history);
    expect(session).toMatchObject({ source: "swe-agent", agent: "main", status: "completed" });
    expect(Buffer.byteLength(JSON.stringify(session.metadata))).toBeLessThan(1000);
  }
});

test("what is read can be stored: every message comes back from the log's own encoding as it went in", async () => {
  const { sessions } = await readAll(await tauBenchFile());
  for (const { messages, metadata } of sessions) {
    for (const { message } of messages) expect(encodeValue(message)).toBe(JSON.stringify(message));
    expect(copyValue(metadata)).toEqual(metadata);
  }
});

test("a second reading gives the same ids, and so does a copy that is laid out another way", async () => {
  const path = await tauBenchFile();
  const ids = async (of: string) => (await readAll(of)).sessions.map(({ sourceId }) => sourceId);
  const first = await ids(path);
  expect(await ids(path)).toEqual(first);

  const name = path.split("/").at(-1) ?? "";
  const folder = await folderWith();
  const trajectories: Trajectory[] = JSON.parse(await readFile(path, "utf8"));
  await writeFile(join(folder, name), JSON.stringify(trajectories));
  expect(await ids(join(folder, name))).toEqual(first);
  await writeFile(join(folder, name), trajectories.map((one) => JSON.stringify(one)).join("\n"));
  expect(await ids(join(folder, name))).toEqual(first);
});

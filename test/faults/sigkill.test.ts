/**
 * A writer is killed with SIGKILL at a random moment, again and again, on the same session. Every message that was
 * acknowledged must be there, in order, once; of the others each commit wholly or not at all.
 *
 * FAULT_ROUNDS says how often (default 10 a store), FAULT_SEED repeats a run.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSessions } from "../../src/session/sessions.ts";
import { openIn } from "../session/open-in.ts";

const rounds = Number(process.env.FAULT_ROUNDS ?? 10);
const seed = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const worker = join(import.meta.dirname, "writer-worker.ts");

/** mulberry32, so that a seed repeats a run. */
function random(state: number): () => number {
  let a = state;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Runs a writer until it is killed; answers with what it acknowledged. */
async function runAndKill(args: readonly string[], delayMs: number): Promise<string[]> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", worker, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    // A round takes as long as its process takes to start: the sources are compiled once for all rounds.
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "holdfast-compile-cache") },
  });
  let out = "";
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  child.stdout.on("data", (chunk: Buffer) => {
    if (out === "") setTimeout(() => child.kill("SIGKILL"), delayMs);
    out += chunk.toString();
  });
  const signal = await new Promise((resolve) => child.on("close", (_code, name) => resolve(name)));
  expect({ signal, errors: errors.replaceAll(/.*(Warning|--trace-warnings).*\n/g, "") }).toEqual({
    signal: "SIGKILL",
    errors: "",
  });
  // The last line may have been cut by the kill; what it says was acknowledged all the same, but can't be read.
  return out
    .split("\n")
    .slice(0, -1)
    .flatMap((line) => line.split(" "));
}

for (const kind of ["file", "sqlite"] as const) {
  test.concurrent(
    `${rounds} writers killed at random lose nothing that was acknowledged [${kind}, seed ${seed}]`,
    async () => {
      const next = random(seed);
      const folder = await mkdtemp(join(tmpdir(), "holdfast-kill-"));
      const acknowledged: string[] = [];
      try {
        const first = createSessions({ store: openIn(kind, folder, "full") });
        await first.create({ id: "killed" });
        await first.close();
        for (let round = 0; round < rounds; round += 1) {
          acknowledged.push(...(await runAndKill([kind, folder, "killed", `r${round}`], next() * 60)));
          if (round % 20 !== 19 && round !== rounds - 1) continue;

          const sessions = createSessions({ store: openIn(kind, folder, "full") });
          const session = await sessions.open("killed");
          const found: string[] = [];
          let seq = 0;
          for await (const entry of session.entries()) {
            seq += 1;
            expect(entry.seq).toBe(seq);
            if (entry.type === "message") found.push(entry.id);
          }
          expect(session.record.messageCount).toBe(found.length);
          expect(new Set(found).size).toBe(found.length);
          const wanted = new Set(acknowledged);
          expect(found.filter((id) => wanted.has(id))).toEqual(acknowledged);
          expectWholeCommits(found);
          await sessions.close();
        }
        expect(acknowledged.length).toBeGreaterThan(rounds);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    30_000 + rounds * 2_000,
  );
}

/** A worker's call number `n` appends `1 + n % 4` messages in one commit. */
function expectWholeCommits(ids: readonly string[]): void {
  const parts = new Map<string, number>();
  for (const id of ids) {
    const call = id.slice(0, id.lastIndexOf("-"));
    parts.set(call, (parts.get(call) ?? 0) + 1);
  }
  for (const [call, count] of parts)
    expect([call, count]).toEqual([call, 1 + (Number(call.split("-")[1]) % 4)]);
}

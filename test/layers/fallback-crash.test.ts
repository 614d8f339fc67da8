/** Recovery that is cut off: at each of its calls, before and after it took place, and by SIGKILL of its process. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fallbackStore } from "../../src/layers/fallback.ts";
import { createSessions } from "../../src/session/sessions.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { nodeOver } from "./fallback-support.ts";

const said = (content: string) => ({ role: "user" as const, content });

async function textsOf(store: SessionStore, id: string): Promise<unknown[]> {
  const session = await createSessions({ store }).open(id);
  return (await session.messages()).map(({ content }) => content);
}

/** An outage with all that a replay can meet: one session gone on with, one rebased, one that diverges, one new. */
async function outageOver(shared: SessionStore) {
  const a = await nodeOver(shared);
  const sessions = createSessions({ store: a.store });
  const [alone, both, apart] = [
    await sessions.create({ id: "alone" }),
    await sessions.create({ id: "both" }),
    await sessions.create({ id: "apart" }),
  ];
  a.line.isDown = true;
  for (const [index, session] of [alone, both, apart, await sessions.create({ id: "new" })].entries()) {
    await session.append([said("a1"), said("a2")], { operationId: `op${index}` });
    if (session === apart) await session.clearMessages();
    await session.append(said("a3"));
  }
  const elsewhere = createSessions({ store: shared });
  for (const id of ["both", "apart"]) await (await elsewhere.open(id)).append(said("b1"));
  return a;
}

async function expectAll(shared: SessionStore, forkIds: ReadonlySet<string>): Promise<void> {
  expect(await textsOf(shared, "alone")).toEqual(["a1", "a2", "a3"]);
  expect(await textsOf(shared, "both")).toEqual(["b1", "a1", "a2", "a3"]);
  expect(await textsOf(shared, "new")).toEqual(["a1", "a2", "a3"]);
  expect(await textsOf(shared, "apart")).toEqual(["b1"]);
  expect(forkIds.size).toBe(1);
  const [forkId = ""] = forkIds;
  expect(await textsOf(shared, forkId)).toEqual(["a3"]);
  const fork = await shared.read(forkId, { after: 0, limit: 100 });
  expect(fork.filter(({ type }) => type === "message").length).toBe(3);
  const { items } = await createSessions({ store: shared }).list();
  expect(items.length).toBe(5);
}

describe("a recovery that is cut off goes on where it was", () => {
  for (const isLate of [false, true]) {
    test(`at each call of the primary, ${isLate ? "after" : "before"} it took place`, async () => {
      let finished = false;
      let failAt = 1;
      for (; !finished; failAt += 1) {
        const shared = memoryStore();
        let node = await outageOver(shared);
        const forkIds = new Set<string>();
        Object.assign(node.line, { isDown: false, calls: 0, failAt, isLate });
        finished = await node.store.recover().then(
          () => true,
          () => false,
        );
        for (const { forkId } of node.divergences) forkIds.add(forkId);
        // The process is gone too, and another one goes on.
        if (!finished) {
          node = await node.restart();
          await node.store.recover();
          for (const { forkId } of node.divergences) forkIds.add(forkId);
          expect(node.errors).toEqual([]);
        }
        await expectAll(shared, forkIds);
      }
      // As many calls as a whole recovery makes.
      expect(failAt).toBeGreaterThan(20);
    });
  }

  test("at each call, while another node goes on writing", async () => {
    for (let failAt = 2; failAt < 40; failAt += 3) {
      const shared = memoryStore();
      const node = await outageOver(shared);
      Object.assign(node.line, { isDown: false, calls: 0, failAt, isLate: failAt % 2 === 0 });
      await node.store.recover().catch(() => undefined);
      const other = await createSessions({ store: shared }).open("both");
      await other.append(said("b2"));
      const again = await node.restart();
      await again.store.recover();
      const texts = await textsOf(shared, "both");
      expect(texts.toSorted()).toEqual(["a1", "a2", "a3", "b1", "b2"]);
      for (const own of ["a", "b"])
        expect(texts.filter((text) => String(text).startsWith(own)).toSorted()).toEqual(
          texts.filter((text) => String(text).startsWith(own)),
        );
    }
  });

  test("by SIGKILL of its process", { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-recovery-"));
    const worker = join(import.meta.dirname, "fallback-process.ts");
    const run = async (step: string, killAfterMs?: number): Promise<string> => {
      const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", worker, folder, step], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "holdfast-compile-cache") },
      });
      let [out, errors] = ["", ""];
      child.stdout.on("data", (chunk: Buffer) => {
        if (out === "" && killAfterMs !== undefined) setTimeout(() => child.kill("SIGKILL"), killAfterMs);
        out += String(chunk);
      });
      child.stderr.on("data", (chunk: Buffer) => {
        errors += String(chunk);
      });
      const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
        child.on("close", (...how) => resolve(how)),
      );
      expect([code, signal, errors], errors).toEqual(
        killAfterMs === undefined ? [0, null, ""] : [null, "SIGKILL", ""],
      );
      return out;
    };
    // Killed while it is degraded and writes, then several times while it recovers.
    const written = await run("write", 150);
    for (const killAfterMs of [0, 3, 10, 25]) await run("recover", killAfterMs);
    await run("finish");
    const primary = sqliteStore({ path: join(folder, "primary.db") });
    const acknowledged = written.split("\n").slice(1, -1);
    expect(acknowledged.length).toBeGreaterThan(10);
    for (const id of ["s0", "s1", "s2"]) {
      const texts = (await textsOf(primary, id)).filter((text) => text !== "elsewhere");
      const own = acknowledged.filter((line) => line.startsWith(`${id} `));
      expect(texts.slice(0, own.length)).toEqual(own);
      // At most one more: it was in the journal when the process was killed, and nobody was told.
      expect(texts.length - own.length).toBeLessThanOrEqual(1);
      expect(new Set(texts).size).toBe(texts.length);
    }
    await primary.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("a journal that was left is replayed by whoever is given it", async () => {
    const shared = memoryStore();
    const node = await outageOver(shared);
    await node.store.close();
    const other = fallbackStore(shared, {
      journal: sqliteStore({ path: join(node.path, "journal.db") }),
    });
    const session = await createSessions({ store: other }).open("alone");
    expect((await session.messages()).length).toBe(3);
    await other.recover();
    expect(await textsOf(shared, "alone")).toEqual(["a1", "a2", "a3"]);
    expect(other.metrics()).toMatchObject({ owed: 0, rebased: 1, diverged: 1 });
  });
});

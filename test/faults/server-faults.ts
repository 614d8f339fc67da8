/**
 * @module
 * What every store on a server must bear: a connection that breaks before the commit arrives, after it took place, in the
 * middle of request or answer, or that stalls; a server that is away for a while.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import { createSessions } from "../../src/session/sessions.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { Fault, FaultProxy } from "./proxy.ts";
import { startProxy } from "./proxy.ts";

export interface FaultyServer {
  /** The port of the real server. */
  readonly port: number;
  /** A store, through the proxy at `port`, and what closes it and its client. */
  open(port: number): Promise<{ store: SessionStore; close(): Promise<void> }>;
  /** What the packet holds that makes a commit final, where that is not the packet with its content. */
  readonly final?: string;
}

const FAULTS: readonly Fault[] = ["before", "after", "half-request", "half-answer", "stall"];
const STALL_MS = 10_000;
const WORKERS = 8;
/** Longer than any driver waits before it connects again. */
const AWAY_MS = 1500;
const RECOVERY_MS = 60_000;

/**
 * Registers the tests for one engine.
 *
 * @param isAlone whether the server goes away only once the other tests of this engine are over.
 */
export function testServerFaults(name: string, server: () => FaultyServer, isAlone = false): void {
  for (const fault of FAULTS) {
    test.concurrent(
      `${name}: ${fault}`,
      async () => {
        await withProxy(name, server(), async ({ proxy, store, direct }) => {
          const sessions = createSessions({ store });
          const session = await sessions.create({ id: `fault-${fault}` });
          const acknowledged: string[] = [];
          const failed: string[] = [];
          for (let round = 0; round < (fault === "stall" ? 1 : 4); round += 1) {
            const kept = `${fault} ${round} before`;
            await session.append({ role: "user", content: kept });
            acknowledged.push(kept);

            const content = `${fault}-${round}-spoiled`;
            const { final } = server();
            const sprung = proxy.arm({
              fault,
              mark: content,
              stallMs: STALL_MS,
              ...(final !== undefined && { last: final }),
            });
            // Two messages in one commit: both or neither.
            const pair = [content, `${content} too`].map((text) => ({
              role: "user" as const,
              content: text,
            }));
            const outcome = await session.append(pair).then(
              () => undefined,
              (error: unknown) => error,
            );
            await sprung;
            if (outcome === undefined) acknowledged.push(...pair.map((message) => message.content));
            else {
              expect(HoldfastError.is(outcome, "STORE_UNAVAILABLE")).toBe(true);
              expect(outcome).toMatchObject({ retryable: true });
              failed.push(...pair.map((message) => message.content));
            }
            // What is tried again under its id is there once, whatever became of the first attempt.
            const again = { role: "user" as const, content: `${content} again` };
            const options = { operationId: `op-${fault}-${round}` };
            await session.append(again, options);
            await session.append(again, options);
            acknowledged.push(again.content);
          }
          await expectWhole(direct, session.id, acknowledged, failed);
          await sessions.close();
        });
      },
      RECOVERY_MS,
    );
  }

  test(`${name}: away for a while, with ${WORKERS} sessions at work`, {
    concurrent: !isAlone,
    timeout: RECOVERY_MS,
  }, async () => {
    await withProxy(name, server(), async ({ proxy, store, direct }) => {
      const sessions = createSessions({ store });
      const lanes = await Promise.all(
        Array.from({ length: WORKERS }, async (_, index) => ({
          session: await sessions.create({ id: `away-${index}` }),
          acknowledged: [] as string[],
          failed: [] as string[],
        })),
      );
      let isOver = false;
      const working = lanes.map(async ({ session, acknowledged, failed }) => {
        for (let index = 0; !isOver; index += 1) {
          const content = `${session.id} says ${index}`;
          try {
            await session.append({ role: "user", content });
            acknowledged.push(content);
          } catch (error) {
            expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });
            failed.push(content);
            await delay(20);
          }
        }
      });
      for (let round = 0; round < 2; round += 1) {
        await delay(200);
        expect(proxy.down()).toBeGreaterThan(0);
        await delay(AWAY_MS);
        proxy.heal();
        const counts = lanes.map(({ acknowledged }) => acknowledged.length);
        const until = Date.now() + RECOVERY_MS / 3;
        while (
          Date.now() < until &&
          lanes.some(({ acknowledged }, index) => acknowledged.length <= (counts[index] ?? 0))
        )
          await delay(20);
        for (const [index, { acknowledged }] of lanes.entries())
          expect(acknowledged.length).toBeGreaterThan(counts[index] ?? 0);
      }
      isOver = true;
      await Promise.all(working);
      for (const { session, acknowledged, failed } of lanes)
        await expectWhole(direct, session.id, acknowledged, failed);
      await sessions.close();
    });
  });
}

interface Setting {
  readonly proxy: FaultProxy;
  /** Through the proxy. */
  readonly store: SessionStore;
  /** To the server itself. */
  readonly direct: SessionStore;
}

async function withProxy(
  name: string,
  server: FaultyServer,
  work: (setting: Setting) => Promise<void>,
): Promise<void> {
  const proxy = await startProxy(server.port);
  const through = await server.open(proxy.port);
  const direct = await server.open(server.port);
  try {
    await direct.store.migrate();
    await work({ proxy, store: through.store.namespace(name), direct: direct.store.namespace(name) });
  } finally {
    await through.close();
    await direct.close();
    await proxy.close();
  }
}

/** All that was acknowledged is there, once and in order; of what failed, whole commits or nothing. */
async function expectWhole(
  store: SessionStore,
  id: string,
  acknowledged: readonly string[],
  failed: readonly string[],
): Promise<void> {
  const sessions = createSessions({ store });
  const session = await sessions.open(id);
  const found = (await session.messages()).map(({ content }) => String(content));
  const known = new Set(acknowledged);
  expect(found.filter((content) => known.has(content))).toEqual(acknowledged);
  expect(new Set(found).size).toBe(found.length);
  const others = found.filter((content) => !known.has(content));
  expect(others.filter((content) => !failed.includes(content))).toEqual([]);
  for (const content of failed.filter((text) => text.endsWith(" too")))
    expect(found.includes(content)).toBe(found.includes(content.slice(0, -" too".length)));
  const entries = await store.read(id, { after: 0, limit: 100_000 });
  expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
  expect(session.record.seq).toBe(entries.length);
  expect(session.record.messageCount).toBe(found.length);
}

/**
 * @module
 * Rounds of outages under load: two nodes, each with a journal of its own, write to the same sessions while their primary is
 * killed at a random moment and comes back after a random time, or is out of reach for one of them. Once it is over, all
 * that was acknowledged must be in the primary, once, and what one node wrote to a session in the order that it was written.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import type { Divergence, FallbackStore } from "../../src/layers/fallback.ts";
import { fallbackStore } from "../../src/layers/fallback.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { createSessions } from "../../src/session/sessions.ts";
import type { Session, Sessions } from "../../src/session/types.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import type { FaultProxy } from "./proxy.ts";
import { startProxy } from "./proxy.ts";

export interface Primary {
  readonly port: number;
  /** Ends the server by SIGKILL. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** A store of the server, through the proxy at `port`. */
  open(port: number): Promise<{ store: SessionStore; close(): Promise<unknown> }>;
}

export interface RoundsOptions {
  /** The layers that each node has around its fallback, and what is read at the end goes through. Default none. */
  readonly over?: (store: SessionStore) => SessionStore;
  readonly rounds: number;
  readonly seed: number;
  /** In each so many rounds the server is killed; in the others its connections are cut. */
  readonly killEvery: number;
  /** Whether nothing that was said may be found in what is stored. */
  readonly isSealed?: boolean;
}

export interface RoundsReport {
  readonly kills: number;
  readonly cuts: number;
  readonly restarts: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly journaled: number;
  readonly rebased: number;
  readonly diverged: number;
}

/** Sessions are new after so many rounds, and the old ones are checked, so that logs stay short. */
const BLOCK = 10;
const SHARED = 3;
const PACE_MS = 10;
const RECOVERY_MS = 60_000;

/** mulberry32, so that a seed repeats a run. */
export function random(state: number): () => number {
  let a = state;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Node {
  readonly name: string;
  readonly proxy: FaultProxy;
  readonly store: FallbackStore;
  readonly sessions: Sessions;
  /** Ends it, in the middle of what it does, and starts it again over its journal. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

interface Totals {
  journaled: number;
  rebased: number;
  readonly divergences: Divergence[];
}

async function startNode(
  name: string,
  primary: Primary,
  folder: string,
  namespace: string,
  totals: Totals,
  over: (store: SessionStore) => SessionStore,
): Promise<Node> {
  const proxy = await startProxy(primary.port);
  const start = async () => {
    const { store: below, close } = await primary.open(proxy.port);
    const errors: unknown[] = [];
    const store = fallbackStore(below, {
      journal: sqliteStore({ path: join(folder, `${name}.db`), durability: "normal" }),
      probeEveryMs: 50,
      timeoutMs: 3000,
      onDiverged: (divergence) => totals.divergences.push(divergence),
      onError: ({ error }) => errors.push(error),
    });
    const whole = over(store);
    return {
      store,
      sessions: createSessions({ store: whole.namespace(namespace) }),
      async end() {
        const { journaled, rebased } = store.metrics();
        totals.journaled += journaled;
        totals.rebased += rebased;
        await whole.close();
        await close();
        expect(errors).toEqual([]);
      },
    };
  };
  let running = await start();
  return {
    name,
    proxy,
    get store() {
      return running.store;
    },
    get sessions() {
      return running.sessions;
    },
    async restart() {
      await running.end();
      running = await start();
    },
    async close() {
      await running.end();
      await proxy.close();
    },
  };
}

/** What one node was told of one session, in order. */
interface Lane {
  readonly id: string;
  readonly acknowledged: string[];
  readonly tried: Set<string>;
}

export async function outageRounds(primary: Primary, options: RoundsOptions): Promise<RoundsReport> {
  const { rounds, seed, killEvery, over = (store) => store, isSealed = false } = options;
  const chance = random(seed);
  const within = (min: number, max: number): number => min + chance() * (max - min);
  const folder = await mkdtemp(join(tmpdir(), "holdfast-outages-"));
  const totals: Totals = { journaled: 0, rebased: 0, divergences: [] };
  const namespace = `rounds/${seed}${isSealed ? "/sealed" : ""}`;
  const direct = await primary.open(primary.port);
  await direct.store.migrate();
  const nodes = [
    await startNode("a", primary, folder, namespace, totals, over),
    await startNode("b", primary, folder, namespace, totals, over),
  ];
  const counts = { kills: 0, cuts: 0, restarts: 0, acknowledged: 0, refused: 0 };
  let isServing = true;

  try {
    for (let first = 0; first < rounds; first += BLOCK) {
      const shared = Array.from({ length: SHARED }, (_, index) => `${first}-${index}`);
      const lanes = new Map<string, Lane>();
      const isOver = new AbortController();
      for (const id of shared) await nodes[0]?.sessions.create({ id });
      // The other one sees them before the first outage.
      for (const id of shared) await nodes[1]?.sessions.open(id);
      const working = nodes.flatMap((node) => [
        ...shared.map((id) => write(node, id, lanes, isOver.signal)),
        createNew(node, first, lanes, isOver.signal),
      ]);
      // What fails there must fail the test, not the process.
      const worked = Promise.all(working);
      worked.catch(() => undefined);

      for (let round = first; round < Math.min(rounds, first + BLOCK); round += 1) {
        await delay(within(5, 60));
        const isKill = round % killEvery === 0;
        // Out of reach for both, or for one only.
        const cut = nodes.filter(() => isKill || chance() < 0.6);
        const restarted = chance() < 0.15 ? nodes[round % 2] : undefined;
        if (isKill) {
          counts.kills += 1;
          await primary.kill();
          isServing = false;
        } else {
          counts.cuts += 1;
          for (const node of cut) node.proxy.down();
        }
        await delay(within(10, 120));
        if (restarted) {
          counts.restarts += 1;
          await restarted.restart();
        }
        if (isKill) {
          await primary.start();
          isServing = true;
        }
        for (const node of cut) node.proxy.heal();
        // Now and then the next outage comes in the middle of the recovery.
        if (chance() < 0.7) for (const node of nodes) await recovered(node);
      }
      isOver.abort();
      await worked;
      for (const node of nodes) await recovered(node);
      await checkAll(over(direct.store).namespace(namespace), lanes, totals.divergences, counts);
      if (isSealed) await checkSealed(direct.store.namespace(namespace), lanes, totals.divergences);
    }
  } finally {
    if (!isServing) await primary.start();
    for (const node of nodes) await node.close();
    await direct.close();
    await rm(folder, { recursive: true, force: true });
  }
  const { journaled, rebased, divergences } = totals;
  return { ...counts, journaled, rebased, diverged: divergences.length };
}

async function recovered(node: Node): Promise<void> {
  for (const until = Date.now() + RECOVERY_MS; Date.now() < until; await delay(5)) {
    if (!node.store.isDegraded()) return;
    await node.store.recover().catch(expectUnavailable);
  }
  throw new Error(`node ${node.name} did not recover: ${JSON.stringify(node.store.metrics())}`);
}

/** During an outage a call may be refused; nothing else may happen to it. A node that is restarted ends its calls. */
function expectUnavailable(error: unknown): void {
  const codes = ["STORE_UNAVAILABLE", "SESSION_CLOSED", "VERSION_CONFLICT"] as const;
  if (codes.some((code) => HoldfastError.is(error, code))) return;
  throw error;
}

async function write(node: Node, id: string, lanes: Map<string, Lane>, signal: AbortSignal): Promise<void> {
  const lane: Lane = { id, acknowledged: [], tried: new Set() };
  lanes.set(`${node.name} ${id}`, lane);
  let open: { session: Session; store: FallbackStore } | undefined;
  for (let index = 0; !signal.aborted; index += 1) {
    await delay(PACE_MS);
    const content = `${node.name} ${id} ${index}`;
    lane.tried.add(content);
    try {
      if (open?.store !== node.store) open = { session: await node.sessions.open(id), store: node.store };
      const ids = index % 3 === 0 ? { ids: [`${node.name}-${index}`] } : {};
      await open.session.append({ role: "user", content }, ids);
      lane.acknowledged.push(content);
      if (index % 10 === 0) await open.session.setData({ [node.name]: index });
    } catch (error) {
      expectUnavailable(error);
    }
  }
}

/** New sessions, each with a message, whatever happens. */
async function createNew(
  node: Node,
  first: number,
  lanes: Map<string, Lane>,
  signal: AbortSignal,
): Promise<void> {
  for (let index = 0; !signal.aborted; index += 1) {
    await delay(PACE_MS * 4);
    const id = `new-${node.name}-${first}-${index}`;
    const content = `said in ${id}`;
    const lane: Lane = { id, acknowledged: [], tried: new Set([content]) };
    lanes.set(`${node.name} ${id}`, lane);
    try {
      const session = await node.sessions.create({ id });
      await session.append({ role: "user", content });
      lane.acknowledged.push(content);
    } catch (error) {
      expectUnavailable(error);
    }
  }
}

async function checkAll(
  store: SessionStore,
  lanes: ReadonlyMap<string, Lane>,
  divergences: readonly Divergence[],
  counts: { acknowledged: number; refused: number },
): Promise<void> {
  const sessions = createSessions({ store });
  for (const { id, acknowledged, tried } of lanes.values()) {
    const own = [...(await textsOf(sessions, id, acknowledged.length > 0))];
    // What could not be put into the session is in a fork of it.
    for (const { sessionId, entries } of divergences) {
      if (sessionId !== id) continue;
      for (const { type, data } of entries) {
        if (type === "message" && typeof data === "object" && data && "message" in data)
          own.push(String(Object(data.message).content));
      }
    }
    const found = own.filter((content) => tried.has(content));
    const told = new Set(acknowledged);
    const there = found.filter((content) => told.has(content));
    expect(there, `what was acknowledged in session ${id}`).toEqual(acknowledged);
    expect(new Set(found).size, `what is in session ${id}, once`).toBe(found.length);
    counts.acknowledged += acknowledged.length;
    counts.refused += tried.size - acknowledged.length;
    const [record] = await store.find([id]);
    const entries = await store.read(id, { after: 0, limit: 1_000_000 });
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
    if (record) {
      const { seq, version, messageCount } = record;
      const messages = entries.filter(({ type }) => type === "message").length;
      const commits = entries.filter(({ commit }) => commit !== undefined).length;
      expect({ id, seq, version, messageCount }).toEqual({
        id,
        seq: entries.length,
        version: commits,
        messageCount: messages,
      });
    }
  }
}

/** Nothing that was said is in what the engine has of the sessions and their forks. */
async function checkSealed(
  store: SessionStore,
  lanes: ReadonlyMap<string, Lane>,
  divergences: readonly Divergence[],
): Promise<void> {
  const ids = new Set([...lanes.values()].map(({ id }) => id));
  for (const id of [...ids, ...divergences.map(({ forkId }) => forkId)]) {
    const raw = JSON.stringify([
      await store.find([id]),
      await store.read(id, { after: 0, limit: 1_000_000 }),
    ]);
    for (const { tried } of lanes.values())
      for (const content of tried) expect(raw.includes(content), `${content} in clear`).toBe(false);
  }
}

async function textsOf(sessions: Sessions, id: string, isThere: boolean): Promise<string[]> {
  const record = await sessions.find(id);
  if (!record && !isThere) return [];
  const session = await sessions.open(id);
  return (await session.messages()).map(({ content }) => String(content));
}

/**
 * The Redis store on a Cluster whose slots are moved from one master to another while sessions are written to.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { Entry } from "../../src/log/entry.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { commitOf, creation, outcomeOf, say } from "../../src/store/conformance/build.ts";
import { keysOf } from "../../src/stores/redis/keys.ts";
import { slotOf } from "../../src/stores/redis/slots.ts";
import { missingRedis, redisCli, startRedisCluster } from "../engines/redis-server.ts";
import { withRaw } from "./redis-harness.ts";
import { openRedis } from "./redis-open.ts";

const run = promisify(execFile);
/** The first master has slots 0 to 5460; the lowest are moved first. */
const MOVED_SLOTS = 1500;
const missing = missingRedis();
if (missing) console.log(`left out: resharding under the redis store: ${missing}`);

for (const driver of ["ioredis-cluster", "node-redis-cluster"] as const) {
  test.skipIf(missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all")(
    `${driver}: slots that move while sessions are written to lose and repeat nothing`,
    async () => {
      if (missing) throw new Error(missing);
      const servers = await startRedisCluster();
      onTestFinished(async () => void (await Promise.all(servers.map((server) => server.stop()))));
      const [first, second] = servers;
      if (!first || !second) throw new Error("there is no Cluster");
      const { store, close } = await openRedis({ driver, port: first.port, namespaces: [] });
      onTestFinished(close);
      const ids = Array.from({ length: 40 }, (_, index) => `s${index}`);
      const acknowledged = new Map<string, string[]>();
      let isOver = false;
      let unknown = 0;
      const write = async (id: string): Promise<void> => {
        const mine: string[] = [];
        acknowledged.set(id, mine);
        await store.commit([commitOf(undefined, [creation({ id, userId: "u" })])]);
        let [record] = await store.find([id]);
        const until = performance.now() + 30_000;
        // Until the slots have moved, and then until it has gone on for a while: none may be stuck.
        for (let index = 0; !isOver || (mine.length <= 10 && performance.now() < until); index += 1) {
          const next = commitOf(record, [say(`text ${index}`, `m${index}`)]);
          try {
            const { status } = await outcomeOf(store, next);
            if (status === "committed") mine.push(`m${index}`);
            record = status === "committed" ? next.record : (await store.find([id]))[0];
          } catch (error) {
            expect(HoldfastError.is(error, "STORE_UNAVAILABLE") && error.retryable, String(error)).toBe(true);
            unknown += 1;
            [record] = await store.find([id]);
          }
        }
      };
      const writing = Promise.all(ids.map(write));
      const inMoved = (id: string): boolean =>
        slotOf(keysOf("holdfast", "").session(id).record) < MOVED_SLOTS;
      const [watchedId = ""] = ids.filter(inMoved);
      const watched: Entry[] = [];
      const abort = new AbortController();
      const watching = (async () => {
        while (!abort.signal.aborted) {
          for await (const entry of store.watch?.(watchedId, watched.length, abort.signal) ?? [])
            watched.push(entry);
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      })();
      const node = async (port: number): Promise<string> =>
        withRaw({ ...first, port }, async (raw) => String(await raw.call("CLUSTER", ["MYID"])));
      const [from, to] = [await node(first.port), await node(second.port)];
      await run(redisCli(), [
        ...["--cluster", "reshard", `127.0.0.1:${first.port}`, "--cluster-from", from, "--cluster-to", to],
        ...["--cluster-slots", String(MOVED_SLOTS), "--cluster-yes"],
      ]);
      isOver = true;
      await writing;
      const moved = ids.filter(inMoved).length;
      expect(moved).toBeGreaterThan(0);
      for (const id of ids) {
        const entries = await store.read(id, { after: 1, limit: 100_000 });
        const found = entries.map((entry) => entry.id);
        const mine = acknowledged.get(id) ?? [];
        expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, at) => at + 2));
        expect(new Set(found).size).toBe(found.length);
        expect(mine.filter((item) => !found.includes(item))).toEqual([]);
        expect(mine.length).toBeGreaterThan(10);
      }
      const { seq: newest = 0 } = (await store.find([watchedId]))[0] ?? {};
      for (const until = performance.now() + 30_000; watched.length < newest && performance.now() < until; )
        await new Promise((resolve) => setTimeout(resolve, 10));
      abort.abort();
      await watching;
      expect(watched.map(({ seq }) => seq)).toEqual(Array.from({ length: newest }, (_, index) => index + 1));
      const listed = await store.list({ order: "updated", limit: 100, userId: "u", status: "active" });
      expect(listed.items.map(({ id }) => id).sort()).toEqual([...ids].sort());
      expect(listed.items).toEqual(await store.find(listed.items.map(({ id }) => id)));
      console.log(`${driver}: ${moved} sessions moved, ${unknown} commits of unknown outcome`);
    },
    60_000,
  );
}

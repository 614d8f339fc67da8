/** Watching a session across an outage of a real Redis. */
import { Redis } from "ioredis";
import { expect, test, vi } from "vitest";
import { fallbackStore } from "../../src/layers/fallback.ts";
import { createSessions } from "../../src/session/sessions.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { redisStore } from "../../src/stores/redis.ts";
import { missingRedis, startRedis } from "../engines/redis-server.ts";

const missing = missingRedis();
if (missing) console.log(`left out: watching across an outage: ${missing}`);
test.skipIf(missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all")(
  "a watch goes on with what is written here, and with the primary once it is back",
  { timeout: 60_000 },
  async () => {
    const server = await startRedis({ appendfsync: "always" });
    const client = new Redis({ port: server.port, maxRetriesPerRequest: 1, retryStrategy: () => 20 });
    client.on("error", () => undefined);
    const store = fallbackStore(redisStore({ client }), { journal: memoryStore(), probeEveryMs: 50 });
    expect(store.capabilities.watch).toBe("push");
    const sessions = createSessions({ store });
    const session = await sessions.create({ id: "a" });
    const seen: string[] = [];
    const abort = new AbortController();
    const watching = (async () => {
      for await (const { type, seq } of session.watch({ after: 1, signal: abort.signal }))
        seen.push(`${seq} ${type}`);
    })();
    const say = (content: string) => session.append({ role: "user", content });
    await say("before");
    await vi.waitFor(() => expect(seen).toEqual(["2 message", "3 label.set"]), 10_000);
    await server.kill();
    await say("during");
    await vi.waitFor(() => expect(seen.at(-1)).toBe("4 message"), 10_000);
    await server.start();
    await vi.waitFor(async () => {
      if (store.isDegraded()) await store.recover();
    }, 20_000);
    await say("after");
    await vi.waitFor(() => expect(seen.length).toBe(4), 10_000);
    expect(seen).toEqual(["2 message", "3 label.set", "4 message", "5 message"]);
    abort.abort();
    await watching;
    await sessions.close();
    client.disconnect();
    await server.stop();
  },
);

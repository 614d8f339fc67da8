/**
 * A legal hold outlasts the `ttlMs` of the store, which Redis goes by itself.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSessions } from "../../src/index.ts";
import { redisStore } from "../../src/stores/redis.ts";
import type { RedisServer } from "../engines/redis-server.ts";
import { missingRedis, startRedis } from "../engines/redis-server.ts";
import { sleep, textsOf, user } from "../session/support.ts";

const missing = missingRedis();
if (missing) console.log(`left out: a hold under ttlMs: ${missing}`);

describe.skipIf(missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all")("ttlMs", () => {
  const servers: RedisServer[] = [];
  beforeAll(async () => void servers.push(await startRedis()), 60_000);
  afterAll(async () => void (await Promise.all(servers.map((server) => server.stop()))));

  test("what is held stays, with what it inherits; once released it goes", async () => {
    const client = new Redis(servers[0]?.port ?? 0, "127.0.0.1");
    const store = redisStore({ client, ttlMs: 2000 });
    const all = createSessions({ store });
    const root = await all.create({ id: "root", messages: [user("evidence")] });
    await root.fork({ id: "held" });
    await all.create({ id: "other" });
    await all.hold("held", { reason: "matter 17" });
    await sleep(2600);
    expect(await all.find("other")).toBeUndefined();
    const held = await all.open("held");
    expect(await textsOf(held)).toEqual(["evidence"]);
    await held.append(user("more"));
    await sleep(2600);
    expect(await textsOf(await all.open("held"))).toEqual(["evidence", "more"]);
    await all.release("held");
    await sleep(2600);
    expect(await all.find("held")).toBeUndefined();
    client.disconnect();
  }, 60_000);

  test("a hold with an end gives the session back to ttlMs", async () => {
    const client = new Redis(servers[0]?.port ?? 0, "127.0.0.1");
    const all = createSessions({ store: redisStore({ client, ttlMs: 1500 }) });
    const session = await all.create({ id: "s" });
    await all.hold("s", { reason: "matter 17", until: Date.now() + 4000 });
    await sleep(2500);
    expect(await all.find("s")).toBeDefined();
    await sleep(2000);
    await session.append(user("x"));
    await sleep(2500);
    expect(await all.find("s")).toBeUndefined();
    client.disconnect();
  }, 60_000);
});

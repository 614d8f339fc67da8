/** Large values that a session was given during an outage, and what another node removes or collects meanwhile. */
import { describe, expect, test } from "vitest";
import { collectBlobs, memoryBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { createSessions } from "../../src/session/sessions.ts";
import type { Sessions } from "../../src/session/types.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { damaged, nodeOver } from "./fallback-support.ts";

const said = (content: string) => ({ role: "user" as const, content: content.repeat(100) });
const textsOf = async (sessions: Sessions, id: string): Promise<string[]> =>
  (await (await sessions.open(id)).messages()).map(({ content }) => String(content).slice(0, 2));

describe("blobs of what was written during an outage", () => {
  /** Each collection is on another node, and so much later that nothing is spared for being young. */
  const begun = async (engine = memoryStore(), seen: SessionStore = engine) => {
    const [blobs, graceMs] = [memoryBlobs(), 3_600_000];
    let laterMs = 0;
    const lean = (store: SessionStore): SessionStore =>
      offloadedStore(store, { blobs, thresholdBytes: 64, graceMs, clock: () => Date.now() + laterMs });
    const a = await nodeOver(seen);
    const there = lean(engine);
    return {
      a,
      here: createSessions({ store: lean(a.store) }),
      elsewhere: createSessions({ store: there }),
      async collect() {
        laterMs += 2 * graceMs;
        await collectBlobs(there);
      },
    };
  };

  test("a fork has its own, whatever becomes of the session that they were in", async () => {
    const { a, here, elsewhere, collect } = await begun();
    const one = await here.create({ id: "s", messages: [said("a0")] });
    a.line.isDown = true;
    await one.append(said("a1"));
    // What the session had before as well.
    await one.append(said("a0"));
    await elsewhere.erase("s");
    a.line.isDown = false;
    await a.store.recover();
    await collect();
    expect(a.errors).toEqual([]);
    expect(a.divergences).toMatchObject([{ reason: "deleted" }]);
    expect(await textsOf(elsewhere, a.divergences[0]?.forkId ?? "")).toEqual(["a1", "a0"]);
  });

  test("none is shared with what another node may remove meanwhile", async () => {
    const { a, here, elsewhere, collect } = await begun();
    await here.create({ id: "old", messages: [said("a1")] });
    const one = await here.create({ id: "s" });
    a.line.isDown = true;
    await one.append(said("a1"));
    await elsewhere.erase("old");
    await collect();
    a.line.isDown = false;
    await a.store.recover();
    await collect();
    expect(await textsOf(elsewhere, "s")).toEqual(["a1"]);
  });

  test("what went to a fork is kept anew where the session gets it again", async () => {
    const { a, here, elsewhere, collect } = await begun();
    const one = await here.create({ id: "s" });
    a.line.isDown = true;
    await one.append(said("a0"));
    await one.clearMessages();
    await one.append(said("a1"));
    await (await elsewhere.open("s")).append(said("b1"));
    a.line.isDown = false;
    await a.store.recover();
    expect(a.divergences).toMatchObject([{ reason: "changed" }]);
    await collect();
    await one.append(said("a1"));
    await collect();
    expect(await textsOf(elsewhere, "s")).toEqual(["b1", "a1"]);
    expect(await textsOf(elsewhere, a.divergences[0]?.forkId ?? "")).toEqual(["a1"]);
  });

  test("they are not taken back while what names them is still in the journal", async () => {
    const engine = memoryStore();
    const bad = damaged(engine);
    const { a, here, elsewhere, collect } = await begun(engine, bad.store);
    const one = await here.create({ id: "s" });
    a.line.isDown = true;
    await one.append(said("a1"));
    a.line.isDown = false;
    bad.fail("s");
    await a.store.recover().catch(() => undefined);
    await collect();
    bad.fail(undefined);
    await a.store.recover();
    await collect();
    expect(await textsOf(elsewhere, "s")).toEqual(["a1"]);
  });
});

/**
 * Opens 20,000 sessions, closes none, and prints what is left of them in memory. Run with `--expose-gc`.
 */
import { createSessions } from "../../src/session/sessions.ts";
import { memoryStore } from "../../src/stores/memory.ts";

const COUNT = 20_000;
const store = memoryStore();
const sessions = createSessions({ store });

async function collectGarbage(): Promise<void> {
  for (let times = 0; times < 4; times += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** How many of the handles and records on as many sessions outlive a collection. */
async function openAll(): Promise<number> {
  const held: WeakRef<object>[] = [];
  for (let index = 0; index < COUNT; index += 1) {
    const session = await sessions.open(`s-${index}`);
    if (index % 100 === 0) await session.append({ role: "user", content: "x" }, { ids: ["once"] });
    held.push(new WeakRef(session));
  }
  await collectGarbage();
  return held.filter((reference) => reference.deref() !== undefined).length;
}

for (let index = 0; index < COUNT; index += 1) await sessions.create({ id: `s-${index}` });
// Once for what the store keeps decoded and the engine compiles.
await openAll();
const before = process.memoryUsage().heapUsed;
const handlesLeft = await openAll();
await collectGarbage();
console.log(JSON.stringify({ handlesLeft, heapGrowthBytes: process.memoryUsage().heapUsed - before }));

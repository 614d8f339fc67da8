/** Layers around each other: every case of the suite, and what an outage leaves of what two nodes wrote. */
import { describe, expect, test } from "vitest";
import { encryptedStore, memoryKeyring } from "../../src/layers/encrypted.ts";
import { createSessions } from "../../src/session/sessions.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { nodeOver } from "./fallback-support.ts";
import { layerConforms } from "./harness.ts";

await layerConforms("traced(encrypted(offloaded(fallback)))", import.meta.resolve("./stack-wrap.ts"), [
  "memory",
  "postgres",
]);
await layerConforms("fallback(encrypted)", import.meta.resolve("./fallback-outside-wrap.ts"), [
  "memory",
  "sqlite",
]);

const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7)).toString("base64");
const sealed = (store: SessionStore): SessionStore =>
  encryptedStore(store, { keyring: memoryKeyring({ id: "test", key: KEY }) });
const user = (content: string) => ({ role: "user" as const, content });

/** Both begin with one session; one goes on by itself, the other meanwhile; then the first one's outage is over. */
describe("two nodes, and an outage of one", () => {
  test("a fallback around the encryption puts what it kept behind what the other one wrote", async () => {
    const engine = memoryStore();
    const node = await nodeOver(engine, {}, undefined, {}, sealed);
    const here = createSessions({ store: node.store });
    const there = createSessions({ store: sealed(engine) });
    const session = await here.create({ id: "s", messages: [user("before")] });
    node.line.isDown = true;
    await session.append(user("here"));
    await (await there.open("s")).append(user("there"));
    node.line.isDown = false;
    await node.store.recover();
    expect(node.errors).toEqual([]);
    const messages = await (await there.open("s")).messages();
    expect(messages.map(({ content }) => content)).toEqual(["before", "there", "here"]);
    expect(JSON.stringify(engine.snapshot())).not.toContain("before");
  });
});

/** What raw storage holds of a session: nothing that can be read but what is documented. */
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { SessionStore } from "../../src/index.ts";
import { createSessions } from "../../src/index.ts";
import { encryptedStore, memoryKeyring, rotateKeys } from "../../src/layers/encrypted.ts";
import { internal } from "../../src/layers/layer.ts";
import { commitOf, creation, say } from "../../src/store/conformance/build.ts";
import { baseOf } from "./encrypted-engines.ts";

const CONTENT = [
  "label",
  "metakey",
  "metavalue",
  "title",
  "message",
  "attachment",
  "data",
  "slot",
  "state",
  "route",
  "step",
  "owner",
  "checkpoint",
  "words",
  "patch",
  "revised",
  "compacted",
  "reason",
];
const CLEAR = ["session", "user", "agent", "entry"];
const wordOf = (what: string): string => `Zyq${what}7f3a9c51`;

/** The forms that a text may have in storage: as it is, and within base64 at each of the three places it can stand. */
function formsOf(text: string): string[] {
  const forms = [0, 1, 2].map((shift) => {
    const encoded = Buffer.from(`${"\0".repeat(shift)}${text}`).toString("base64");
    // The letters at either end depend on what stands beside it.
    return encoded.slice(shift === 0 ? 0 : 4, 4 * Math.floor((text.length + shift) / 3));
  });
  return [text, ...forms];
}

interface Message {
  readonly role: string;
  readonly content: unknown;
  readonly id?: string;
}

describe.each(["memory", "sqlite", "file", "postgres", "redis"])("over %s", (engine) => {
  test("nothing of a session's content can be read in raw storage, and what stays readable is there", async ({
    skip,
  }) => {
    const base = await baseOf(engine);
    if (!base) return skip();
    const { harness } = base;
    try {
      const inner = await harness.open();
      const placesOf = async (text: string): Promise<string[]> =>
        (await Promise.all(formsOf(text).map((form) => harness.residue?.(form) ?? []))).flat();
      const fill = async (store: SessionStore, id: string): Promise<void> => {
        const sessions = createSessions<Message>({ store });
        const session = await sessions.create({
          id,
          userId: wordOf("user"),
          agent: wordOf("agent"),
          label: wordOf("label"),
          metadata: { [wordOf("metakey")]: wordOf("metavalue") },
        });
        await session.append([
          { role: "user", content: wordOf("message"), id: wordOf("entry") },
          { role: "user", content: new TextEncoder().encode(wordOf("attachment")) },
        ]);
        await session.setData({ field: wordOf("data") }, { route: wordOf("route") });
        await session.setMetadata({ more: wordOf("patch") });
        await session.setState(wordOf("slot"), { value: wordOf("state") });
        await session.enterRoute({ id: wordOf("route"), title: wordOf("title") }, { id: wordOf("step") });
        await session.checkpoint(wordOf("checkpoint"), { metadata: { why: wordOf("reason") } });
        await session.revise(wordOf("entry"), { role: "user", content: wordOf("revised") });
        await session.turn(async (turn) => turn.append({ role: "assistant", content: wordOf("words") }), {
          owner: wordOf("owner"),
        });
        await session.compact({ summarize: async () => ({ role: "user", content: wordOf("compacted") }) });
        const fork = await session.fork();
        await session.rewind(wordOf("checkpoint"));
        expect(fork.label, "the label that a fork inherits").toBe(wordOf("label"));
      };
      await fill(
        encryptedStore(inner, { keyring: memoryKeyring({ id: "k", key: randomBytes(32) }) }),
        wordOf("session"),
      );
      for (const what of CONTENT) expect(await placesOf(wordOf(what)), what).toEqual([]);
      for (const what of CLEAR) expect(await placesOf(wordOf(what)), what).not.toEqual([]);
    } finally {
      await harness.destroy();
      await base.stop();
    }
  });
});

describe.each(["sqlite", "file", "postgres", "redis"])("over %s", (engine) => {
  test("after a rotation nothing is left under the old key, and all can be read; after an erase, no key", async ({
    skip,
  }) => {
    const base = await baseOf(engine);
    if (!base) return skip();
    const { harness } = base;
    try {
      const inner = await harness.open();
      const [old, next] = ["Zyqold7f3a9c51", "Zyqnew7f3a9c51"].map((id) => ({ id, key: randomBytes(32) }));
      if (!old || !next) throw new Error("no keys");
      const ids = Array.from({ length: 12 }, (_, index) => `session ${index}`);
      const store = encryptedStore(inner, { keyring: memoryKeyring(old) });
      await store.commit(
        ids.map((id) => commitOf(undefined, [creation({ id, label: "L" }), say(`text of ${id}`)])),
      );
      expect(await harness.residue?.(old.id)).not.toEqual([]);
      const report = await rotateKeys(inner, { keyring: memoryKeyring(next, old) });
      expect(report).toEqual({ rewrapped: 13, current: 0, left: 0, failed: [] });
      expect(await harness.residue?.(old.id)).toEqual([]);
      const after = encryptedStore(await harness.openSecond(), { keyring: memoryKeyring(next) });
      expect((await after.list({ order: "updated", limit: 100, label: "L" })).items).toHaveLength(12);
      for (const id of ids) expect(await after.read(id, { after: 0, limit: 10 })).toHaveLength(2);
      for (const id of ids) await after.remove(id);
      const left = await internal(inner, "keys").list({ order: "created", limit: 100 });
      expect(left.items.map(({ metadata }) => metadata.key)).toEqual(["index"]);
    } finally {
      await harness.destroy();
      await base.stop();
    }
  });
});

test("the look into storage finds what is written in clear, also within base64", async () => {
  const base = await baseOf("sqlite");
  const store = await base?.harness.open();
  if (!store || !base) throw new Error("no store");
  const sessions = createSessions<Message>({ store });
  const session = await sessions.create();
  await session.append([
    { role: "user", content: wordOf("message") },
    { role: "user", content: new TextEncoder().encode(`1${wordOf("attachment")}`) },
  ]);
  for (const what of ["message", "attachment"]) {
    const places = await Promise.all(formsOf(wordOf(what)).map((form) => base.harness.residue?.(form) ?? []));
    expect(places.flat(), what).not.toEqual([]);
  }
  await base.harness.destroy();
});

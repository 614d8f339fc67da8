/** What two nodes wrote to one session during an outage, under layers that alone can read what they wrote. */
import { describe, expect, test } from "vitest";
import { memoryKeyring, rotateKeys } from "../../src/layers/encrypted.ts";
import { memoryBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { personalData, redactedStore, vaultIn } from "../../src/layers/redacted.ts";
import { createSessions } from "../../src/session/sessions.ts";
import type { Session, Sessions } from "../../src/session/types.ts";
import { commitOf } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { masterKey, stacks } from "./fallback-stack.ts";
import { nodeOver } from "./fallback-support.ts";

/** Stands in all that is said, so that it is found wherever it is in clear; long, so that it is taken for a large value. */
const MARK = "marker word ".repeat(30);
const said = (content: string) => ({ role: "user" as const, content: `${content} ${MARK}` });
const texts = async (session: Session): Promise<string[]> =>
  (await session.messages()).map(({ content }) => String(content).split(" ")[0] ?? "");
const textsOf = async (sessions: Sessions, id: string): Promise<string[]> => texts(await sessions.open(id));

/** Waits until what happens beside the calls is done. */
const settled = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 30));

for (const { title, over, below } of stacks()) {
  /** Two nodes over one engine, and a program that has the layers without a fallback. */
  const nodes = async () => {
    const engine = memoryStore();
    const [a, b] = [await nodeOver(engine), await nodeOver(engine)];
    return {
      engine,
      a: { ...a, sessions: createSessions({ store: over(a.store) }) },
      b: { ...b, sessions: createSessions({ store: over(b.store) }) },
      elsewhere: createSessions({ store: over(engine) }),
    };
  };

  describe(`two nodes under ${title}`, () => {
    test("both append while the primary is away: all is there once, in order, sealed, and read by everybody", async () => {
      const { engine, a, b, elsewhere } = await nodes();
      const one = await a.sessions.create({ id: "s", userId: "ann", messages: [said("before")] });
      const two = await b.sessions.open("s");
      await two.append(said("seen"));
      await settled();
      a.line.isDown = true;
      b.line.isDown = true;
      for (const count of [1, 2, 3]) {
        await one.append(said(`a${count}`), count === 2 ? { ids: ["own"] } : {});
        await two.append(said(`b${count}`));
      }
      await one.setData({ a: MARK });
      await two.setMetadata({ b: MARK });
      await two.rename("Marker word");
      a.line.isDown = false;
      b.line.isDown = false;
      await a.store.recover();
      await b.store.recover();
      const all = ["before", "seen", "a1", "a2", "a3", "b1", "b2", "b3"];
      for (const sessions of [a.sessions, b.sessions, elsewhere]) {
        expect(await textsOf(sessions, "s")).toEqual(all);
        const { record } = await sessions.open("s");
        expect(record).toMatchObject({ data: { a: MARK }, metadata: { b: MARK }, label: "Marker word" });
        expect((await sessions.list({ label: "Marker word" })).items.map(({ id }) => id)).toEqual(["s"]);
      }
      // Also by the handles that wrote.
      expect(await texts(one)).toEqual(all);
      expect(await texts(two)).toEqual(all);
      const entries = await engine.read("s", { after: 0, limit: 100 });
      expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
      expect(entries.filter(({ id }) => id === "own").length).toBe(1);
      expect([...a.errors, ...b.errors, ...a.divergences, ...b.divergences]).toEqual([]);
      expect(a.store.metrics()).toMatchObject({ owed: 0, rebased: 1 });
      expect(b.store.metrics()).toMatchObject({ owed: 0, rebased: 1 });
      expect(JSON.stringify(engine.snapshot())).not.toMatch(/marker word/i);
    });

    test("what can't stand behind what the other one wrote is a fork, sealed, and told in clear", async () => {
      const { engine, a, elsewhere } = await nodes();
      const one = await a.sessions.create({ id: "s", messages: [said("before")] });
      a.line.isDown = true;
      await one.append(said("a1"));
      await one.clearMessages();
      await one.append(said("a2"));
      await (await elsewhere.open("s")).append(said("b1"));
      a.line.isDown = false;
      await a.store.recover();
      expect(a.errors).toEqual([]);
      expect(a.divergences).toMatchObject([
        { sessionId: "s", reason: "changed", types: ["messages.cleared"] },
      ]);
      const [{ forkId = "", entries = [] } = {}] = a.divergences;
      expect(entries.map(({ type }) => type)).toEqual(["message", "messages.cleared", "message"]);
      expect(JSON.stringify(entries[0]?.data)).toContain("a1");
      for (const sessions of [a.sessions, elsewhere]) {
        expect(await textsOf(sessions, "s")).toEqual(["before", "b1"]);
        const fork = await sessions.open(forkId);
        expect(await texts(fork)).toEqual(["a2"]);
      }
      await (await elsewhere.open(forkId)).append(said("on"));
      expect(await textsOf(a.sessions, forkId)).toEqual(["a2", "on"]);
      expect(JSON.stringify(engine.snapshot())).not.toContain("marker word");
    });

    test("entries of users' own types, and nothing else", async () => {
      const { a, elsewhere } = await nodes();
      await a.sessions.create({ id: "s", messages: [said("before")] });
      const store = over(a.store);
      a.line.isDown = true;
      const [record] = await store.find(["s"]);
      await store.commit([commitOf(record, [{ type: "x.note", data: { sealed: MARK } }])]);
      await (await elsewhere.open("s")).append(said("b1"));
      a.line.isDown = false;
      await a.store.recover();
      expect([a.errors, a.divergences]).toEqual([[], []]);
      const [note] = await store.read("s", { after: 0, limit: 100, types: ["x.note"] });
      expect(note?.data).toEqual({ sealed: MARK });
      expect(await textsOf(a.sessions, "s")).toEqual(["before", "b1"]);
    });

    test("originals of a redaction, in a vault that is encrypted too", async () => {
      const { a, b, engine } = await nodes();
      const hidden = (store: SessionStore) =>
        redactedStore(over(store), {
          redact: personalData(),
          key: new Uint8Array(32),
          vault: vaultIn(over(store)),
        });
      const [here, there] = [hidden(a.store), hidden(b.store)];
      const one = await createSessions({ store: here }).create({ id: "s", messages: [said("ann@mail.net")] });
      const two = await createSessions({ store: there }).open("s");
      a.line.isDown = true;
      await one.append(said("bob@mail.net"));
      await two.append(said("cem@mail.net"));
      a.line.isDown = false;
      await a.store.recover();
      expect([a.errors, a.divergences]).toEqual([[], []]);
      const found: string[] = [];
      for (const { content } of await two.messages())
        found.push((await there.reveal("s", String(content))).split(" ")[0] ?? "");
      expect(found).toEqual(["ann@mail.net", "cem@mail.net", "bob@mail.net"]);
      expect(JSON.stringify(engine.snapshot())).not.toContain("mail.net");
    });

    test("a session that was created by both is two", async () => {
      const { a, b } = await nodes();
      await a.sessions.create({ label: "so that the key of lists is known here" });
      a.line.isDown = true;
      await (await a.sessions.create({ id: "s" })).append(said("a1"));
      await (await b.sessions.create({ id: "s" })).append(said("b1"));
      a.line.isDown = false;
      await a.store.recover();
      expect(a.errors).toEqual([]);
      expect(a.divergences).toMatchObject([{ sessionId: "s", reason: "exists" }]);
      for (const { sessions } of [a, b]) {
        expect(await textsOf(sessions, "s")).toEqual(["b1"]);
        expect(await textsOf(sessions, a.divergences[0]?.forkId ?? "")).toEqual(["a1"]);
      }
    });

    for (const isRead of [false, true]) {
      test(`what was erased elsewhere, with its key, stays so; what was said since is a fork${isRead ? ", also if it was asked for before" : ""}`, async () => {
        const { engine, a, elsewhere } = await nodes();
        const one = await a.sessions.create({ id: "s", messages: [said("before")] });
        a.line.isDown = true;
        await one.append(said("a1"));
        await elsewhere.erase("s");
        // Nothing is remembered, neither keys nor records.
        const again = await a.restart();
        const sessions = createSessions({ store: over(again.store) });
        again.line.isDown = false;
        // Its key is gone in the primary, which must not take it from the replica before it was needed.
        if (isRead) {
          await expect(sessions.open("s")).rejects.toThrow();
          await settled();
        }
        await again.store.recover();
        expect(again.errors).toEqual([]);
        expect(again.divergences).toMatchObject([{ sessionId: "s", reason: "deleted" }]);
        expect(await sessions.find("s")).toBeUndefined();
        const forkId = again.divergences[0]?.forkId ?? "";
        expect(await textsOf(elsewhere, forkId)).toEqual(["a1"]);
        expect(JSON.stringify(engine.snapshot())).not.toContain("marker word");
      });
    }

    test("keys may have been rotated meanwhile, and the older one be gone", async () => {
      const { engine, a, elsewhere } = await nodes();
      const one = await a.sessions.create({ id: "s", messages: [said("before")] });
      a.line.isDown = true;
      await one.append(said("a1"));
      await (await elsewhere.open("s")).append(said("b1"));
      const newer = masterKey("newer", 5);
      const report = await rotateKeys(below(engine), { keyring: memoryKeyring(newer, masterKey("test")) });
      expect(report).toMatchObject({ left: 0, failed: [] });
      const again = await a.restart();
      const store = over(again.store, memoryKeyring(newer));
      again.line.isDown = false;
      await again.store.recover();
      expect(again.errors).toEqual([]);
      expect(await textsOf(createSessions({ store }), "s")).toEqual(["before", "b1", "a1"]);
    });

    test("in a namespace that nobody has asked for since the restart", async () => {
      const { engine, a } = await nodes();
      const of = (store: SessionStore): Sessions =>
        createSessions({ store: over(store).namespace("acme/1").namespace("eu") });
      const one = await of(a.store).create({ id: "s", messages: [said("before")] });
      a.line.isDown = true;
      await one.append(said("a1"));
      await (await of(engine).open("s")).append(said("b1"));
      const again = await a.restart();
      over(again.store);
      again.line.isDown = false;
      await again.store.recover();
      expect(again.errors).toEqual([]);
      expect(await textsOf(of(engine), "s")).toEqual(["before", "b1", "a1"]);
      expect(JSON.stringify(engine.snapshot())).not.toContain("marker word");
    });

    test("where the layers are around one namespace of it, and one of the engine", async () => {
      const engine = memoryStore();
      const a = await nodeOver(engine.namespace("app"));
      const [here, elsewhere] = [a.store, engine.namespace("app")].map((store) =>
        createSessions({ store: over(store.namespace("t")) }),
      );
      const plain = createSessions({ store: a.store });
      const one = await here?.create({ id: "s", messages: [said("before")] });
      const other = await plain.create({ id: "p" });
      a.line.isDown = true;
      await one?.append(said("a1"));
      await other.append(said("a1"));
      await (await elsewhere?.open("s"))?.append(said("b1"));
      await (await createSessions({ store: engine.namespace("app") }).open("p")).append(said("b1"));
      a.line.isDown = false;
      await a.store.recover();
      expect(a.errors).toEqual([]);
      if (elsewhere) expect(await textsOf(elsewhere, "s")).toEqual(["before", "b1", "a1"]);
      expect(await textsOf(plain, "p")).toEqual(["b1", "a1"]);
    });

    test("without the layers around it, it stays in the journal, and says so; with them it is merged", async () => {
      const { engine, a, elsewhere } = await nodes();
      const one = await a.sessions.create({ id: "s", messages: [said("before")] });
      a.line.isDown = true;
      await one.append(said("a1"));
      await (await elsewhere.open("s")).append(said("b1"));
      const again = await a.restart();
      again.line.isDown = false;
      await again.store.recover().catch(() => undefined);
      expect(String(again.errors[0])).toContain("Put the same encryptedStore around this fallbackStore");
      expect(again.store.metrics().owed).toBeGreaterThan(0);
      // Blobs alone are not all the layers there were.
      const lean = below(again.store);
      await again.store.recover().catch(() => undefined);
      expect(again.store.metrics().owed).toBeGreaterThan(0);
      expect((await lean.find(["s"]))[0]?.id).toBe("s");
      const sessions = createSessions({ store: over(again.store) });
      // Put around once more, for example to collect blobs, they don't take the place of all.
      below(again.store);
      expect(await textsOf(sessions, "s")).toEqual(["before", "a1"]);
      await again.store.recover();
      expect(await textsOf(sessions, "s")).toEqual(["before", "b1", "a1"]);
      expect(JSON.stringify(engine.snapshot())).not.toContain("marker word");
    });

    test("a recovery that is cut off at any call goes on where it was", { timeout: 120_000 }, async () => {
      for (const isLate of [false, true]) {
        let isFinished = false;
        for (let failAt = 1; !isFinished; failAt += 1) {
          const { engine, a, elsewhere } = await nodes();
          const [both, apart] = [
            await a.sessions.create({ id: "both", label: "both" }),
            await a.sessions.create({ id: "apart", label: "apart" }),
          ];
          a.line.isDown = true;
          for (const session of [both, apart, await a.sessions.create({ id: "new" })]) {
            await session.append([said("a1"), said("a2")], { operationId: "op" });
            if (session === apart) await session.clearMessages();
            await session.append(said("a3"));
          }
          for (const id of ["both", "apart"]) await (await elsewhere.open(id)).append(said("b1"));
          Object.assign(a.line, { isDown: false, calls: 0, failAt, isLate });
          const forkIds = new Set<string>();
          isFinished = await a.store.recover().then(
            () => true,
            () => false,
          );
          for (const { forkId } of a.divergences) forkIds.add(forkId);
          if (!isFinished) {
            const again = await a.restart();
            over(again.store);
            await again.store.recover();
            for (const { forkId } of again.divergences) forkIds.add(forkId);
            expect(again.errors).toEqual([]);
          }
          expect(await textsOf(elsewhere, "both")).toEqual(["b1", "a1", "a2", "a3"]);
          expect(await textsOf(elsewhere, "new")).toEqual(["a1", "a2", "a3"]);
          expect(await textsOf(elsewhere, "apart")).toEqual(["b1"]);
          const [forkId = ""] = forkIds;
          expect(await textsOf(elsewhere, forkId)).toEqual(["a3"]);
          expect(forkIds.size).toBe(1);
          const { items } = await elsewhere.list();
          expect(items.length).toBe(4);
          expect(JSON.stringify(engine.snapshot())).not.toContain("marker word");
          if (isFinished) expect(failAt).toBeGreaterThan(30);
        }
      }
    });
  });
}

test("a journal and an engine with blobs of their own, under encryption", async () => {
  const engine = memoryStore();
  const blobs = memoryBlobs();
  const lean = (store: SessionStore): SessionStore => offloadedStore(store, { blobs, thresholdBytes: 64 });
  const a = await nodeOver(engine, {}, undefined, {}, lean);
  const { over } = stacks()[0];
  const [here, elsewhere] = [a.store, lean(engine)].map((store) => createSessions({ store: over(store) }));
  const one = await here?.create({ id: "s", messages: [said("before")] });
  a.line.isDown = true;
  await one?.append(said("a1"));
  await (await elsewhere?.open("s"))?.append(said("b1"));
  a.line.isDown = false;
  await a.store.recover();
  if (elsewhere) expect(await textsOf(elsewhere, "s")).toEqual(["before", "b1", "a1"]);
});

/**
 * Erasing for good: the report names all that went, and the raw engine holds nothing of it.
 */
import { expect } from "vitest";
import { createSessions } from "../../src/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { onEngines } from "./engines.ts";
import { collect, onStores, ownLog, refusal, sleep, textsOf, user } from "./support.ts";

/** A word for each place that content can be in. */
const WORDS = {
  message: "zebrafinch",
  revised: "quokkaleap",
  removed: "narwhalsong",
  cleared: "axolotlpond",
  data: "capybaratub",
  label: "pangolinroad",
  metadata: "okapitrail",
  state: "wombatburrow",
  route: "lemurtree",
  summary: "ibexridge",
  checkpoint: "tapirtrack",
  child: "dugongbay",
  agent: "numbatden",
  user: "galagowood",
} as const;

/** A session with each word in its place, and another one with none. */
async function fill(store: SessionStore): Promise<void> {
  const all = createSessions({ store });
  const session = await all.create({
    id: "s",
    userId: WORDS.user,
    agent: WORDS.agent,
    label: WORDS.label,
    data: { city: WORDS.data },
    metadata: { plan: WORDS.metadata },
    messages: [user(`a ${WORDS.cleared}`)],
  });
  await session.clearMessages();
  const ids = ["removed", "revised", "last"];
  await session.append([user(`a ${WORDS.removed}`), user(WORDS.message), user("plain")], { ids });
  await session.removeMessage("removed");
  await session.revise("revised", user(WORDS.revised));
  await session.setState("slot", { held: WORDS.state });
  await session.enterRoute({ id: WORDS.route });
  await session.compact({ keepLast: 1, summarize: async () => user(WORDS.summary) });
  await session.checkpoint("here", { metadata: { note: WORDS.checkpoint } });
  const child = await session.spawn({ id: "child" });
  await child.append(user(WORDS.child));
  await all.create({ id: "other", messages: [user("nothing of it")] });
}

await onEngines((on, engine) => {
  on("erase leaves nothing of the content in the raw engine, and says what went", async (given) => {
    const { store } = given;
    await fill(store);
    const all = createSessions({ store });
    // An index that is made when somebody searches holds the words too.
    if (store.search) expect((await all.search(WORDS.revised)).items).toHaveLength(1);
    const before = await Promise.all(Object.values(WORDS).map((word) => given.residue(word)));
    expect(before.filter((places) => places.length === 0)).toEqual([]);
    const count = (await ownLog(store, "s")).length + (await ownLog(store, "child")).length;

    const report = await all.erase("s");
    expect(report).toEqual({
      id: "s",
      sessions: ["child", "s"],
      entries: count,
      heirs: [],
      removed: [
        { what: "entries", count: count, place: store.name },
        { what: "records", count: 2, place: store.name },
        { what: "indexes", count: 2, place: store.name },
      ],
    });
    for (const word of Object.values(WORDS)) expect([word, await given.residue(word)]).toEqual([word, []]);
    expect(await textsOf(await all.open("other"))).toEqual(["nothing of it"]);
    expect(await given.residue("nothing of it")).not.toEqual([]);
  });

  on("what forks took over stays theirs, unless they go too", async (given) => {
    const { store } = given;
    await fill(store);
    const all = createSessions({ store });
    await (await all.fork("s", { id: "f" })).append(user("own words"));
    await all.fork("f", { id: "g" });
    await all.fork("s", { id: "bobs", userId: "bob" });
    // A user takes along what is the user's, and is told of nobody else's.
    const mine = all.forUser(WORDS.user);
    const { sessions, heirs } = await mine.erase("s", { heirs: "cascade" });
    expect([sessions.sort(), heirs]).toEqual([["child", "f", "g", "s"], []]);
    const bobs = await all.open("bobs");
    expect(await textsOf(bobs)).toEqual([]);
    for (const word of [WORDS.message, WORDS.revised, WORDS.removed, WORDS.child])
      expect([word, await given.residue(word)]).toEqual([word, []]);
    // The fork of another user began with the data of that place: it is bob's now.
    expect(bobs.data).toEqual({ city: WORDS.data });
    const last = await all.erase("bobs", { heirs: "cascade" });
    expect(last.sessions).toEqual(["bobs"]);
    for (const word of Object.values(WORDS)) expect([word, await given.residue(word)]).toEqual([word, []]);
  });

  on("a deleted or pruned session leaves nothing in the raw engine either", async (given) => {
    const { store } = given;
    const all = createSessions({ store });
    await fill(store);
    await all.delete("child");
    await all.delete("s");
    await fill(createView(store));
    expect((await createSessions({ store: createView(store) }).prune({ keepLast: 0 })).removed.length).toBe(
      3,
    );
    for (const word of Object.values(WORDS)) expect([word, await given.residue(word)]).toEqual([word, []]);
  });

  on("what has expired is gone from the raw engine, once it was swept or by itself", async (given) => {
    const { store } = given;
    const all = createSessions({ store });
    const session = await all.create({ id: "s", messages: [user(WORDS.message)], expiresInMs: 3000 });
    await session.append(user(WORDS.revised));
    expect(await given.residue(WORDS.message)).not.toEqual([]);
    await sleep(3500);
    expect(await all.find("s")).toBeUndefined();
    const { removed } = await all.prune();
    expect(removed).toEqual(store.capabilities.nativeTtl ? [] : ["s"]);
    expect(store.capabilities.nativeTtl).toBe(engine === "redis");
    for (const word of [WORDS.message, WORDS.revised]) expect(await given.residue(word)).toEqual([]);
  });
});

const createView = (store: SessionStore): SessionStore => store.namespace("tenant");

onStores("an erase adds up what layers removed besides", async ({ sessions, store }) => {
  const layered: SessionStore = Object.assign(Object.create(store), {
    async remove(id: string, note: Parameters<SessionStore["remove"]>[1]) {
      note?.({ what: "blobs", count: 2, place: "s3" });
      note?.({ what: "keys", count: 1, place: "keyring" });
      return store.remove(id, note);
    },
  });
  const all = sessions({ store: layered });
  const root = await all.create({ id: "s" });
  await root.spawn({ id: "c" });
  const fork = await root.fork({ id: "f" });
  await fork.fork({ id: "ff" });
  await all.delete("f");
  const { removed } = await all.erase("s");
  expect(removed.slice(0, 2)).toEqual([
    { what: "blobs", count: 4, place: "s3" },
    { what: "keys", count: 2, place: "keyring" },
  ]);
  // What was kept for the last fork goes with it, and is named.
  const last = await all.erase("ff");
  expect(last.sessions).toEqual(["ff", "f"]);
  expect(last.removed.find(({ what }) => what === "blobs")?.count).toBe(4);
  await refusal(all.erase("ff"), "SESSION_NOT_FOUND");
  const wrong: { heirs: "keep" } = JSON.parse('{ "heirs": "all" }');
  await refusal(all.erase("ff", wrong), "INVALID_ARGUMENT");
});

onStores("an import that names itself, or another's session, as its parent", async ({ sessions, store }) => {
  const all = sessions();
  const root = await all.create({ id: "root", userId: "alice", messages: [user("hers")] });
  await root.spawn({ id: "c" });
  const lines = await collect(all.export("c"));
  const forged = (parent: string): string[] =>
    lines.map((line) => line.replace('"parentId":"root"', `"parentId":${JSON.stringify(parent)}`));
  for (const [id, parent] of [
    ["self", "self"],
    ["one", "two"],
    ["two", "one"],
  ] as const) {
    expect((await all.import(forged(parent), { id })).record.parentId).toBe(parent);
  }
  await all.forUser("bob").import(forged("root"), { id: "bob's" });
  expect((await all.erase("self")).sessions).toEqual(["self"]);
  expect((await all.erase("one")).sessions.sort()).toEqual(["one", "two"]);
  expect((await all.hold("root", { reason: "x" })).sessions.sort()).toEqual(["c", "root"]);
  await all.release("root");
  // What bob says is a child of hers is not.
  expect((await all.forUser("alice").erase("root")).sessions.sort()).toEqual(["c", "root"]);
  expect((await all.find("bob's"))?.userId).toBe("bob");
  expect(await ownLog(store, "root")).toEqual([]);
});

onStores(
  "what waits to be saved when its session is erased is never written",
  async ({ sessions, store }) => {
    const all = sessions({ autoSave: false });
    const session = await all.create({ id: "s" });
    await session.append(user(WORDS.message));
    const fork = await session.fork({ id: "f" });
    await fork.append(user(WORDS.revised));
    await session.append(user(WORDS.removed));
    expect([session.pending, fork.pending]).toEqual([1, 1]);
    await sessions().erase("s", { heirs: "cascade" });
    await refusal(session.save(), "SESSION_DELETED");
    await refusal(fork.save(), "SESSION_DELETED");
    expect([session.pending, fork.pending]).toEqual([0, 0]);
    for (const id of ["s", "f"]) expect(await ownLog(store, id)).toEqual([]);
  },
);

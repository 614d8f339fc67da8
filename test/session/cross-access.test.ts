/**
 * Nobody gets at what is another's: every method of `Sessions`, `Session` and `Turn` is turned against another user's
 * sessions, and against those of another namespace, on every engine. The methods are counted on real objects, so one that
 * is added and not attacked here fails.
 */
import { inspect } from "node:util";
import { expect } from "vitest";
import { createSessions, memoryStore } from "../../src/index.ts";
import type { EventName } from "../../src/session/events.ts";
import type { Session, Sessions, Turn } from "../../src/session/types.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { onEngines } from "./engines.ts";
import { collect, ownLog, refusal, sleep, user } from "./support.ts";

/** What is in A's sessions and nowhere else. */
const SECRET = "hippogriff";
const HERS = ["live", "child", "fork", "hidden", "heir"];
const EVENTS: readonly EventName[] = ["created", "saved", "loaded", "forked", "deleted", "conflict", "error"];

type Kind = "users" | "namespaces";

interface Given {
  readonly kind: Kind;
  /** B's sessions. */
  readonly b: Sessions;
  /** B's own session; in another namespace it has the id of one of A's. */
  readonly own: Session;
  /** The lines of an export of B's own. */
  readonly lines: readonly string[];
  /** A's user id, where users are kept apart. */
  readonly hers: string;
}

/** What `work` answers, which is to be that there is no such session; in a namespace of one's own, one may make one. */
async function none(work: Promise<unknown>): Promise<unknown> {
  return refusal(work, "SESSION_NOT_FOUND");
}

/** An id of A's is taken for B, or free where B has other keys. */
async function taken({ kind }: Given, work: () => Promise<unknown>): Promise<unknown> {
  return kind === "users" ? refusal(work(), "SESSION_EXISTS") : work();
}

/** Runs `attack` with the id of each of A's sessions in turn, but for B's own of that id. */
async function each({ own }: Given, attack: (id: string) => Promise<unknown>): Promise<unknown[]> {
  const results: unknown[] = [];
  for (const id of HERS) if (id !== own.id) results.push(await attack(id));
  return results;
}

/** A query that names A, which is refused, or finds nothing. */
async function asked(given: Given, work: (query: { userId: string }) => Promise<unknown>): Promise<unknown> {
  const query = { userId: given.hers };
  return given.kind === "users" ? refusal(work(query), "INVALID_ARGUMENT") : work(query);
}

/** A line of an export as somebody makes it up who wants to get at A's. */
function forged(line: string, hers: string): string {
  const entry: unknown = JSON.parse(line);
  const isFirst = isObject(entry) && entry["type"] === "session.created" && isObject(entry["data"]);
  if (!isFirst || !isObject(entry["data"])) return line;
  const made = { kind: "child", parentId: "live", userId: hers, lineage: [{ id: "live", upTo: 4 }] };
  return JSON.stringify({ ...entry, data: { ...entry["data"], ...made } });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

type Attacks<T> = Readonly<Record<string, (given: Given, target: T) => Promise<unknown>>>;

const ON_SESSIONS: Attacks<Sessions> = {
  create: (given, b) => each(given, (id) => taken(given, () => b.create({ id, userId: given.hers }))),
  open: async (given, b) => [
    await each(given, (id) => none(b.open(id))),
    await each(given, (id) => taken(given, () => b.open(id, { create: { userId: given.hers } }))),
  ],
  getOrCreate: (given, b) => each(given, (id) => taken(given, () => b.getOrCreate(id))),
  latest: async (given, b) => [
    await b.latest(),
    await b.latest({ label: SECRET }),
    await b.latest({ metadata: { word: SECRET } }),
    await asked(given, (query) => b.latest(query)),
  ],
  fork: async (given, b) => [
    await each(given, (id) => none(b.fork(id))),
    await each(given, (id) => none(b.fork(id, { id: "stolen", userId: given.hers, at: 1 }))),
    await each(given, (id) => taken(given, () => b.fork(given.own.id, { id }))),
  ],
  find: (given, b) =>
    each(given, async (id) => {
      expect(await b.find(id)).toBeUndefined();
    }),
  list: async (given, b) => [
    await b.list({ limit: 1000 }),
    await b.list({ status: "deleted" }),
    await b.list({ parentId: "live" }),
    await b.list({ label: SECRET }),
    await b.list({ metadata: { word: SECRET }, order: "created" }),
    await asked(given, (query) => b.list(query)),
    // A cursor of a list of all doesn't lead on into what is A's.
    await b.list({ limit: 1 }).then(({ cursor }) => (cursor ? b.list({ limit: 1, cursor }) : undefined)),
  ],
  all: async (given, b) => [
    await collect(b.all()),
    await collect(b.all({ status: "deleted" })),
    await asked(given, (query) => collect(b.all(query))),
  ],
  findActive: async (given, b) =>
    given.kind === "users" ? refusal(b.findActive(given.hers), "INVALID_ARGUMENT") : b.findActive(given.hers),
  search: async (given, b) => [
    expect((await b.search(SECRET)).items).toEqual([]),
    await asked(given, (query) => b.search(SECRET, query)),
  ],
  rename: (given, b) => each(given, (id) => none(b.rename(id, "mine"))),
  setStatus: (given, b) => each(given, (id) => none(b.setStatus(id, "abandoned"))),
  delete: (given, b) =>
    each(given, async (id) => {
      expect(await b.delete(id)).toBe(false);
      expect(await b.delete(id, { heirs: "cascade" })).toBe(false);
    }),
  erase: (given, b) =>
    each(given, async (id) => [await none(b.erase(id)), await none(b.erase(id, { heirs: "cascade" }))]),
  prune: async (given, b) => [
    await asked(given, (query) => b.prune({ ...query, keepLast: 0 })),
    await b.prune({ keepLast: 0 }),
    await b.prune({ olderThanMs: 0.001 }),
  ],
  hold: (given, b) =>
    each(given, (id) =>
      given.kind === "users"
        ? refusal(b.hold(id, { reason: "mine" }), "INVALID_ARGUMENT")
        : none(b.hold(id, { reason: "mine" })),
    ),
  release: (given, b) =>
    each(given, (id) =>
      given.kind === "users" ? refusal(b.release(id), "INVALID_ARGUMENT") : none(b.release(id)),
    ),
  export: (given, b) => each(given, (id) => none(collect(b.export(id)))),
  import: async (given, b) => [
    await each(given, (id) => taken(given, () => b.import(given.lines, { id }))),
    await b
      .import(
        given.lines.map((line) => forged(line, given.hers)),
        { id: "forged" },
      )
      .then(async (made) => {
        if (given.kind === "users") expect(made.record.userId).not.toBe(given.hers);
        expect(made.record.lineage).toEqual([]);
        return [made, await b.erase("forged", { heirs: "cascade" })];
      }),
  ],
  forUser: async (given, b) => {
    if (given.kind === "users") return refusal((async () => b.forUser(given.hers))(), "INVALID_ARGUMENT");
    return (await b.forUser(given.hers).list()).items;
  },
  on: async (_given, b) => {
    const seen: unknown[] = [];
    const off = EVENTS.map((event) => b.on(event, (payload) => seen.push(payload)));
    for (const stop of off) stop();
    return seen;
  },
  close: async (given, b) => {
    if (given.kind === "users") await b.close();
  },
};

/** Each method of `Session`, of B's own, given what is A's wherever it takes something. */
const ON_SESSION: Attacks<Session> = {
  refresh: (_given, own) => own.refresh(),
  append: (_given, own) => own.append(user("mine"), { ids: ["hers-1"], operationId: "hers-op" }),
  revise: (_given, own) => refusal(own.revise("hers-1", user("mine")), "INVALID_ARGUMENT"),
  removeMessage: (_given, own) => refusal(own.removeMessage("hers-1"), "INVALID_ARGUMENT"),
  setMessages: (_given, own) => own.setMessages([]),
  clearMessages: (_given, own) => own.clearMessages(),
  messages: (_given, own) => own.messages({ after: 0, upTo: 1000 }),
  stream: (_given, own) => collect(own.stream({ after: 0 })),
  entries: (_given, own) => collect(own.entries({ after: 0 })),
  context: (_given, own) => own.context(),
  compact: (_given, own) => own.compact({ summarize: async (messages) => messages }),
  watch: async (_given, own) => {
    const abort = new AbortController();
    const watching = collect(own.watch({ after: 0, signal: abort.signal }));
    await sleep(20);
    abort.abort();
    return watching;
  },
  setData: (_given, own) => own.setData({ word: "mine" }),
  replaceData: (_given, own) => own.replaceData({ word: "mine" }),
  clearData: (_given, own) => own.clearData(),
  enterRoute: (_given, own) => own.enterRoute({ id: "route" }, { id: "step" }),
  enterStep: (_given, own) => own.enterRoute({ id: "route" }).then(() => own.enterStep({ id: "live" })),
  completeRoute: (_given, own) => refusal(own.completeRoute("hers"), "INVALID_ARGUMENT"),
  setMetadata: (_given, own) => own.setMetadata({ userId: "live", namespace: "x" }),
  rename: (_given, own) => own.rename("live"),
  complete: (_given, own) => own.complete(),
  abandon: (_given, own) => own.abandon(),
  reopen: (_given, own) => own.reopen(),
  touch: (_given, own) => own.touch({ expiresInMs: 1_000_000 }),
  setState: (_given, own) => own.setState("slot", "mine"),
  getState: async (_given, own) => own.getState("slot"),
  addUsage: (_given, own) => own.addUsage({ inputTokens: 1 }, { operationId: "hers-op-2" }),
  turn: (given, own) =>
    own.turn(async (turn) => {
      for (const [name, attack] of Object.entries(ON_TURN)) if (name !== "end") await attack(given, turn);
      return turn.end(user("mine"));
    }),
  abandonTurn: (_given, own) => own.abandonTurn(),
  fork: async (given, own) => [
    await each(given, (id) => taken(given, () => own.fork({ id }))),
    await refusal(own.fork({ at: { messageId: "hers-1" } }), "INVALID_ARGUMENT"),
    await own.fork({ id: "forked", userId: given.hers }).then(async (fork) => {
      if (given.kind === "users") expect(fork.record.userId).not.toBe(given.hers);
      return [fork, await given.b.erase("forked")];
    }),
  ],
  spawn: async (given, own) => [
    await each(given, (id) => taken(given, () => own.spawn({ id }))),
    await own.spawn(),
  ],
  checkpoint: (_given, own) => own.checkpoint("hers"),
  checkpoints: (_given, own) => own.checkpoints(),
  rewind: async (_given, own) => [
    await refusal(own.rewind({ messageId: "hers-1" }), "INVALID_ARGUMENT"),
    await refusal(own.rewind("her checkpoint"), "INVALID_ARGUMENT"),
  ],
  reset: (_given, own) => own.reset({ preserveHistory: true }),
  save: (_given, own) => own.save(),
  close: (_given, own) => own.close(),
};

const ON_TURN: Attacks<Turn> = {
  append: (_given, turn) => turn.append(user("mine"), { ids: ["hers-1"] }),
  park: (_given, turn) => turn.append([]),
  end: (_given, turn) => turn.end(),
};

interface Tenants {
  readonly kind: Kind;
  readonly a: () => Sessions;
  readonly b: () => Sessions;
  readonly hers: string;
  /** Where A's sessions are. */
  readonly store: SessionStore;
}

function tenants(kind: Kind, store: SessionStore, names: readonly [string, string]): Tenants {
  const [hers, his] = names;
  if (kind === "users") {
    const all = createSessions({ store });
    return { kind, a: () => all.forUser(hers), b: () => all.forUser(his), hers, store };
  }
  const [here, there] = [store.namespace(hers), store.namespace(his)];
  return {
    kind,
    a: () => createSessions({ store: here }),
    b: () => createSessions({ store: there }),
    hers: "her user",
    store: here,
  };
}

async function fillHers({ kind, a, hers }: Tenants): Promise<void> {
  const sessions = a();
  const live = await sessions.create({
    id: "live",
    label: SECRET,
    data: { word: SECRET },
    metadata: { word: SECRET },
    ...(kind === "namespaces" && { userId: hers }),
  });
  await live.append(user(SECRET), { ids: ["hers-1"], operationId: "hers-op" });
  await live.checkpoint("her checkpoint", { metadata: { word: SECRET } });
  await (await live.spawn({ id: "child" })).append(user(SECRET));
  await (await live.fork({ id: "fork" })).append(user(SECRET));
  const hidden = await live.fork({ id: "hidden" });
  await hidden.append(user(SECRET));
  await hidden.fork({ id: "heir" });
  await sessions.delete("hidden");
}

/** All that the store holds of A's. */
async function stateOf({ store }: Tenants): Promise<unknown> {
  const records = await store.find(HERS);
  const logs = await Promise.all(HERS.map((id) => ownLog(store, id)));
  return { records, logs };
}

const ALL = { depth: null, maxArrayLength: null, maxStringLength: null } as const;

/** All that an answer shows, errors with their causes, also by what can be read through it. */
async function shown(answer: unknown): Promise<string> {
  if (Array.isArray(answer)) return (await Promise.all(answer.map(shown))).join("\n");
  if (isSession(answer)) {
    const { record } = answer;
    const read = await Promise.allSettled([answer.messages(), collect(answer.entries()), answer.context()]);
    return inspect([record, read], ALL);
  }
  return inspect(answer, ALL);
}

function isSession(value: unknown): value is Session {
  return typeof value === "object" && value !== null && "messages" in value && "record" in value;
}

async function givenOf(tenants: Tenants): Promise<Given> {
  const { kind, hers } = tenants;
  const b = tenants.b();
  const id = kind === "users" ? "his own" : "live";
  // Whatever the attack before made of it.
  for (const made of kind === "users" ? [id] : [...HERS, id]) {
    if (await b.find(made)) await b.erase(made, { heirs: "cascade" });
  }
  const own = await b.create({ id, messages: [user("his")] });
  return { kind, b, own, hers, lines: await collect(b.export(id)) };
}

/** Runs every attack; after each nothing of A's was shown and, where `before` is given, all of it is as it was then. */
async function attackAll<T>(
  tenants: Tenants,
  attacks: Attacks<T>,
  target: (given: Given) => T,
  before?: unknown,
): Promise<void> {
  for (const [name, attack] of Object.entries(attacks)) {
    const given = await givenOf(tenants);
    const answer = await attack(given, target(given)).catch((error: unknown) => {
      throw new Error(`${name}: ${String(error)}`, { cause: error });
    });
    expect(await shown(answer), name).not.toContain(SECRET);
    if (before !== undefined) expect(await stateOf(tenants), name).toEqual(before);
  }
}

const HOSTILE: readonly (readonly [string, string])[] = [
  ["a:b", "a"],
  ["a", "a:b"],
  ["a/../b", "b"],
  ["a/b", "a%2Fb"],
  ["%", "a"],
  ["%25", "%"],
  ["_", "a"],
  ["*", "a"],
  ["{x}", "x"],
  ["'; --", "'"],
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["__proto__", "constructor"],
  ["constructor", "__proto__"],
  ["a\0b", "a"],
  ["a", "a\0"],
  ["x".repeat(512), "x".repeat(511)],
  ["Alice", "alice"],
  ["é", "e\u0301"],
  ["ß", "ss"],
  ["İ", "i"],
  ["a ", "a"],
  ["a", "\u200ba"],
  ["..", "."],
  ["undefined", "null"],
  ["👩‍👩‍👧", "👩"],
];

await onEngines((on, engine) => {
  for (const kind of ["users", "namespaces"] as const) {
    on(`no method reaches what is another's: ${kind}`, async ({ store }) => {
      const both = tenants(kind, store, ["alice", "bob"]);
      await fillHers(both);
      const before = await stateOf(both);
      await attackAll(both, ON_SESSIONS, ({ b }) => b, before);
      await attackAll(both, ON_SESSION, ({ own }) => own, before);
      // A's own still work, and find all of it.
      expect((await both.a().search(SECRET)).items.length).toBeGreaterThan(2);
      await (await both.a().open("live")).append(user("on"));
    });

    on(`events and watches show nothing of another's: ${kind}`, async ({ store }) => {
      const both = tenants(kind, store, ["alice", "bob"]);
      const b = both.b();
      const seen: unknown[] = [];
      for (const event of EVENTS) b.on(event, (payload) => seen.push([event, payload]));
      const own = await b.create({ id: kind === "users" ? "his own" : "live" });
      const abort = new AbortController();
      const watched = collect(own.watch({ signal: abort.signal }));
      seen.length = 0;
      const a = both.a();
      a.on("deleted", () => {
        throw new Error(SECRET);
      });
      a.on("error", () => undefined);
      await fillHers(both);
      const live = await a.open("live");
      await live.append(user(SECRET));
      await a.delete("fork");
      await a.prune({ keepLast: 0 });
      await sleep(250);
      abort.abort();
      expect(seen).toEqual([]);
      expect(await watched).toEqual([]);
    });

    on(`names that look alike are two: ${kind}`, async ({ store }) => {
      for (const names of HOSTILE) {
        // Users need ids of their own in one space.
        const within = kind === "users" ? store.namespace(JSON.stringify(names).slice(0, 40)) : store;
        const both = tenants(kind, within, names);
        await fillHers(both);
        const before = await stateOf(both);
        await attackAll(both, ON_SESSIONS, ({ b }) => b).catch((error: unknown) => {
          throw new Error(`${JSON.stringify(names)}: ${String(error)}`, { cause: error });
        });
        expect(await stateOf(both), JSON.stringify(names)).toEqual(before);
        const [a, b] = [both.a(), both.b()];
        expect((await collect(a.all())).map(({ id }) => id).sort()).toEqual([
          "child",
          "fork",
          "heir",
          "live",
        ]);
        for (const one of [a, b]) await one.prune({ keepLast: 0 });
        for (const one of [a, b]) await one.delete("heir");
      }
    });

    on(`a name that is none is refused: ${kind}`, async ({ store }) => {
      for (const name of ["", "\ud800", "a\udc00b", "x".repeat(513)]) {
        // The empty namespace is the root.
        if (kind === "namespaces" && name === "") continue;
        const make = async (): Promise<unknown> =>
          kind === "users" ? createSessions({ store }).forUser(name) : store.namespace(name);
        await refusal(make(), "INVALID_ARGUMENT");
      }
    });
  }

  if (engine !== "memory") return;
  on("no method is left out", async () => {
    const all = createSessions({ store: memoryStore() });
    const session = await all.create();
    const methods = (object: object): string[] =>
      Object.entries(Object.getOwnPropertyDescriptors(object))
        .filter(([, { value }]) => typeof value === "function")
        .map(([name]) => name)
        .sort();
    expect(methods(all)).toEqual(Object.keys(ON_SESSIONS).sort());
    expect(methods(all.forUser("alice"))).toEqual(Object.keys(ON_SESSIONS).sort());
    expect(methods(session)).toEqual(Object.keys(ON_SESSION).sort());
    await session.turn(async (turn) => {
      expect(methods(turn)).toEqual(Object.keys(ON_TURN).sort());
    });
    // What is no method shows the session itself and nothing else.
    const shows = Object.keys(session).filter((name) => !(name in ON_SESSION));
    expect(shows.sort()).toEqual(["data", "id", "label", "pending", "record", "status", "usage"]);
  });
});

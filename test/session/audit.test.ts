/**
 * The audit trail: no operation without an event, no event with what was said, no failure of the trail in silence.
 */
import { execFile } from "node:child_process";
import { inspect, promisify } from "node:util";
import { expect, test } from "vitest";
import { createSessions, memoryStore } from "../../src/index.ts";
import type { AuditEvent, AuditedSessions, AuditOptions } from "../../src/session/audit.ts";
import { auditedSessions, auditTo } from "../../src/session/audit.ts";
import { AUDITED } from "../../src/session/audit-table.ts";
import type { Session, Turn } from "../../src/session/types.ts";
import { onEngines } from "./engines.ts";
import { collect, fakeClock, range, refusal, sleep, textsOf, user } from "./support.ts";

const SECRET = "hippogriff";
const run = promisify(execFile);

interface Given {
  readonly sessions: AuditedSessions;
  readonly events: AuditEvent[];
}

function given(options: Partial<AuditOptions> = {}): Given {
  const events: AuditEvent[] = [];
  const sink = (event: AuditEvent): void => void events.push(event);
  const sessions = auditedSessions(createSessions({ store: memoryStore() }), { sink, ...options });
  return { sessions, events };
}

type Calls<T> = Readonly<Record<string, (target: T) => Promise<unknown>>>;

const ON_SESSIONS: Calls<AuditedSessions> = {
  create: (all) => all.create({ id: "new", label: SECRET, messages: [user(SECRET)] }),
  open: (all) => all.open("s"),
  getOrCreate: (all) => all.getOrCreate(),
  latest: (all) => all.latest({ label: SECRET }),
  fork: (all) => all.fork("s", { id: "forked" }),
  find: (all) => all.find("s"),
  list: (all) => all.list({ label: SECRET }),
  all: (all) => collect(all.all()),
  findActive: (all) => all.findActive("alice"),
  search: (all) => all.search(SECRET),
  rename: (all) => all.rename("s", SECRET),
  setStatus: (all) => all.setStatus("s", "completed"),
  delete: (all) => all.delete("nothing"),
  erase: (all) => refusal(all.erase("nothing"), "SESSION_NOT_FOUND"),
  prune: (all) => all.prune({ olderThanMs: 1_000_000 }),
  hold: (all) => all.hold("s", { reason: SECRET }),
  release: (all) => all.release("s"),
  export: (all) => collect(all.export("s")),
  import: async (all) => all.import(await collect(all.export("s")), { id: "imported" }),
};

const ON_SESSION: Calls<Session> = {
  refresh: (session) => session.refresh(),
  append: (session) => session.append(user(SECRET), { ids: ["m"] }),
  revise: (session) => session.revise("first", user(SECRET)),
  removeMessage: (session) => session.removeMessage("first"),
  setMessages: (session) => session.setMessages([user(SECRET)]),
  clearMessages: (session) => session.clearMessages(),
  messages: (session) => session.messages(),
  stream: (session) => collect(session.stream()),
  entries: (session) => collect(session.entries()),
  context: (session) => session.context(),
  compact: (session) => session.compact({ summarize: async () => user(SECRET) }),
  watch: (session) => collect(session.watch({ after: 0 }), 1),
  setData: (session) => session.setData({ word: SECRET }),
  replaceData: (session) => session.replaceData({ word: SECRET }),
  clearData: (session) => session.clearData(),
  enterRoute: (session) => session.enterRoute({ id: SECRET }),
  enterStep: (session) => refusal(session.enterStep({ id: "step" }), "INVALID_ARGUMENT"),
  completeRoute: (session) => refusal(session.completeRoute(), "INVALID_ARGUMENT"),
  setMetadata: (session) => session.setMetadata({ word: SECRET }),
  rename: (session) => session.rename(SECRET),
  complete: (session) => session.complete(),
  abandon: (session) => session.abandon(),
  reopen: (session) => session.reopen(),
  touch: (session) => session.touch({ expiresInMs: 1_000_000 }),
  setState: (session) => session.setState("slot", SECRET),
  addUsage: (session) => session.addUsage({ inputTokens: 1 }),
  turn: (session) => session.turn(async () => SECRET),
  abandonTurn: (session) => session.abandonTurn(),
  fork: (session) => session.fork(),
  spawn: (session) => session.spawn({ label: SECRET }),
  checkpoint: (session) => session.checkpoint(SECRET, { metadata: { word: SECRET } }),
  checkpoints: (session) => session.checkpoints(),
  rewind: (session) => session.rewind({ messageId: "first" }),
  reset: (session) => session.reset(),
  save: (session) => session.save(),
  close: (session) => session.close(),
};

const ON_TURN: Calls<Turn> = {
  append: (turn) => turn.append(user(SECRET)),
  park: (turn) => turn.park(user(SECRET)),
  end: (turn) => turn.end(user(SECRET)),
};

const LISTED: Readonly<Record<keyof typeof AUDITED, readonly string[]>> = {
  sessions: Object.keys(ON_SESSIONS),
  session: Object.keys(ON_SESSION),
  turn: Object.keys(ON_TURN),
};

test("each method is audited, or said to need no audit", async () => {
  const all = createSessions({ store: memoryStore() });
  const session = await all.create();
  const objects: Readonly<Record<string, object>> = { sessions: all, session };
  await session.turn(async (turn) => {
    for (const [name, object] of Object.entries({ ...objects, turn })) {
      const kinds = Object.entries(AUDITED).find(([key]) => key === name)?.[1] ?? {};
      expect(Object.keys(object).sort()).toEqual(Object.keys(kinds).sort());
    }
  });
  for (const [name, kinds] of Object.entries(AUDITED)) {
    const loud = Object.entries(kinds).filter(([, kind]) => kind !== "quiet");
    const calls = Object.entries(LISTED).find(([key]) => key === name)?.[1] ?? [];
    expect(loud.map(([key]) => key).sort()).toEqual([...calls].sort());
  }
});

/** The events of one operation that ended, of which none holds what was said. */
function checked(events: readonly AuditEvent[], action: string): AuditEvent {
  const ended = events.filter((event) => event.action === action && event.outcome !== "begun");
  expect(ended, action).toHaveLength(1);
  expect(inspect(events, { depth: null }), action).not.toContain(SECRET);
  const [event] = ended;
  if (!event) throw new Error(action);
  return event;
}

for (const required of [false, true]) {
  const title = required ? "and before" : "when it is over";
  test(`every operation is told ${title}: who, what, on which session, how it ended`, async () => {
    const objects = async (): Promise<Given & { session: Session }> => {
      const { sessions, events } = given({ required, namespace: "", actor: "job" });
      const as = sessions.as("carol").forUser("alice");
      const session = await as.create({ id: "s", label: SECRET, messages: [user(SECRET)] });
      await session.append(user(SECRET), { ids: ["first"] });
      events.length = 0;
      return { sessions: as, session, events };
    };
    const check = (events: AuditEvent[], action: string, sessionId?: string): void => {
      const event = checked(events, action);
      expect(event).toMatchObject({ actor: "carol", userId: "alice", namespace: "", at: expect.any(Number) });
      expect(event.outcome).toMatch(/^(ok|INVALID_ARGUMENT|SESSION_NOT_FOUND)$/);
      if (sessionId !== undefined) expect([action, event.sessionId]).toEqual([action, sessionId]);
      const begun = events.filter((one) => one.operation === event.operation && one.outcome === "begun");
      if (required) expect(begun).toHaveLength(1);
    };
    for (const [name, call] of Object.entries(ON_SESSIONS)) {
      const { sessions, events } = await objects();
      // A user can't place holds.
      await call(sessions).catch((error: unknown) => {
        if (!["hold", "release"].includes(name)) throw error;
      });
      check(events, `sessions.${name}`, name === "rename" || name === "open" ? "s" : undefined);
    }
    for (const [name, call] of Object.entries(ON_SESSION)) {
      const { session, events } = await objects();
      await call(session);
      check(events, `session.${name}`, "s");
    }
    for (const [name, call] of Object.entries(ON_TURN)) {
      const { session, events } = await objects();
      await session.turn((turn) => call(turn));
      check(events, `turn.${name}`, "s");
      expect(events.some(({ action, outcome }) => action === "session.turn" && outcome === "begun")).toBe(
        true,
      );
    }
  });
}

test("what an answer was about is told in numbers and names", async () => {
  const { sessions, events } = given();
  const ended = (): AuditEvent | undefined => events.at(-1);
  const one = await sessions.create({ id: "a", userId: "alice", messages: [user("x"), user("y")] });
  expect(ended()).toMatchObject({ action: "sessions.create", outcome: "ok", sessionId: "a", namespace: "" });
  expect(ended()).not.toHaveProperty("actor");
  const { version, seq } = await one.append(user("z"));
  expect(ended()).toMatchObject({ action: "session.append", sessionId: "a", version, seq });
  await one.messages();
  expect(ended()).toMatchObject({ action: "session.messages", count: 3 });
  const fork = await sessions.fork("a", { id: "b" });
  expect(ended()).toMatchObject({ action: "sessions.fork", sessionId: "a", sessionIds: ["b"] });
  await (await fork.spawn({ id: "c" })).append(user("x"));
  expect(ended()).toMatchObject({ action: "session.append", sessionId: "c" });
  await sessions.list();
  expect(ended()).toMatchObject({ count: 3, sessionIds: ["c", "b", "a"] });
  await sessions.search("z");
  expect(ended()).toMatchObject({ action: "sessions.search", count: 1, sessionIds: ["a"] });
  await collect(sessions.all(), 2);
  expect(ended()).toMatchObject({ action: "sessions.all", count: 2, outcome: "ok" });
  await sessions.erase("b");
  expect(ended()).toMatchObject({ action: "sessions.erase", sessionIds: ["c", "b"] });
  await refusal(sessions.create({ id: "a" }), "SESSION_EXISTS");
  expect(ended()).toMatchObject({ action: "sessions.create", outcome: "SESSION_EXISTS", sessionId: "a" });
  await expect(one.turn(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(ended()).toMatchObject({ action: "session.turn", outcome: "ERROR" });
  {
    await using closing = await sessions.open("a");
    expect(closing.id).toBe("a");
  }
  expect(ended()).toMatchObject({ action: "session.close", outcome: "ok" });
});

test("what is kept from a user is told as denied, what is not there is not", async () => {
  const { sessions, events } = given();
  await sessions.create({ id: "bob's", userId: "bob", messages: [user(SECRET)] });
  const alice = sessions.forUser("alice");
  for (const [call, outcome] of [
    [() => alice.open("bob's"), "denied"],
    [() => alice.find("bob's"), "denied"],
    [() => alice.delete("bob's"), "denied"],
    [() => alice.create({ id: "bob's" }), "denied"],
    [() => collect(alice.export("bob's")), "denied"],
    [() => alice.erase("bob's"), "denied"],
    [() => alice.find("nobody's"), "ok"],
    [() => alice.open("nobody's"), "SESSION_NOT_FOUND"],
    [() => alice.list({ userId: "bob" }), "INVALID_ARGUMENT"],
    [() => sessions.open("nobody's"), "SESSION_NOT_FOUND"],
  ] as const) {
    await call().catch(() => undefined);
    expect([call.toString(), events.at(-1)?.outcome]).toEqual([call.toString(), outcome]);
  }
  expect(events.find(({ outcome }) => outcome === "denied")).toMatchObject({
    actor: "alice",
    sessionId: "bob's",
  });
});

test("where the audit is required and fails, nothing is done", async () => {
  let isBroken = false;
  const events: AuditEvent[] = [];
  const { sessions } = given({
    required: true,
    async sink(event) {
      if (isBroken) throw new Error("the disk is full");
      events.push(event);
    },
  });
  const session = await sessions.create({ id: "s", messages: [user("before")] });
  isBroken = true;
  const error = await refusal(session.append(user("after")), "STORE_UNAVAILABLE");
  expect(error).toMatchObject({ sessionId: "s", retryable: true, cause: new Error("the disk is full") });
  await refusal(session.messages(), "STORE_UNAVAILABLE");
  await refusal(collect(session.stream()), "STORE_UNAVAILABLE");
  await refusal(sessions.erase("s"), "STORE_UNAVAILABLE");
  await refusal(
    session.turn(async () => expect.unreachable("it ran")),
    "STORE_UNAVAILABLE",
  );
  isBroken = false;
  expect(await textsOf(session)).toEqual(["before"]);
  // Each was told as begun before it was told how it ended.
  const begun = events.filter(({ outcome }) => outcome === "begun").map(({ operation }) => operation);
  expect(begun).toHaveLength(new Set(events.map(({ operation }) => operation)).size);
});

test("a trail that fails afterwards fails loudly, and what was done stays done", async () => {
  const { sessions } = given({
    async sink() {
      throw new Error("the disk is full");
    },
  });
  const seen: unknown[] = [];
  const others: unknown[] = [];
  const off = sessions.on("error", (payload) => seen.push(payload));
  const bobs = sessions.forUser("bob").on("error", (payload) => others.push(payload));
  const session = await sessions.forUser("alice").create({ id: "s" });
  await session.append(user("kept"));
  expect(seen).toEqual([
    { operation: "the audit of sessions.create", error: new Error("the disk is full"), sessionId: "s" },
    { operation: "the audit of session.append", error: new Error("the disk is full"), sessionId: "s" },
  ]);
  expect(others).toEqual([]);
  off();
  off();
  bobs();
  const warned = new Promise((resolve) => process.once("warning", resolve));
  expect(await session.messages()).toHaveLength(1);
  expect(String(await warned)).toContain("the audit of session.messages failed: the disk is full");
});

test("calls keep their order, however long the sink takes for each", async () => {
  let calls = 0;
  const { sessions } = given({
    required: true,
    async sink() {
      calls += 1;
      await sleep(calls % 3 === 1 ? 20 : 1);
    },
  });
  const session = await sessions.create();
  await Promise.all(range(9).map((index) => session.append(user(String(index)))));
  expect(await textsOf(session)).toEqual(range(9).map(String));
});

test("an actor is an id, and the innermost name counts", async () => {
  const { sessions, events } = given({ actor: "job" });
  expect(() => sessions.as("")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  expect(() => given({ actor: "" })).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  await sessions.create();
  await sessions.forUser("alice").create();
  await sessions.as("carol").forUser("alice").as("dave").create();
  await given().sessions.forUser("alice").create();
  expect(events.map(({ actor, userId }) => [actor, userId])).toEqual([
    ["job", undefined],
    ["job", "alice"],
    ["dave", "alice"],
  ]);
});

await onEngines((on) => {
  on("a trail in a store is read back by time, from all its writers", async ({ store, connect }) => {
    const day = 86_400_000;
    const clock = fakeClock(Date.UTC(2026, 0, 1));
    const trails = [auditTo(store.namespace("audit")), auditTo((await connect()).namespace("audit"))];
    const all = trails.map((sink) =>
      auditedSessions(createSessions({ store }), { sink, clock, required: true }),
    );
    for (const index of range(8)) {
      const sessions = all[index % 2]?.as(`worker ${index % 2}`);
      await sessions?.create({ id: `s-${index}`, messages: [user(SECRET)] });
      clock.advance(day / 4);
    }
    const [trail] = trails;
    if (!trail) throw new Error("there is no trail");
    const events = await collect(trail.read());
    expect(events.map(({ outcome }) => outcome)).toEqual(
      range(16).map((index) => (index % 2 ? "ok" : "begun")),
    );
    expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).sort((a, b) => a - b));
    expect((await collect(trail.read({ actor: "worker 1", outcome: "ok" }))).length).toBe(4);
    expect((await collect(trail.read({ sessionId: "s-3" }))).map(({ outcome }) => outcome)).toEqual(["ok"]);
    const since = Date.UTC(2026, 0, 1, 12);
    const within = await collect(trail.read({ since, until: since + day, outcome: "ok" }));
    expect(within.map(({ sessionId }) => sessionId)).toEqual(["s-2", "s-3", "s-4", "s-5"]);
    // Four sessions: two days, two writers. None of them among those that are audited.
    expect(await collect(createSessions({ store: store.namespace("audit") }).all())).toHaveLength(4);
    expect(await collect(createSessions({ store }).all())).toHaveLength(8);
  });

  on("what is written at once is written in few commits", async ({ store }) => {
    let commits = 0;
    const counted = Object.assign(Object.create(store.namespace("audit")), {
      commit(batch: Parameters<typeof store.commit>[0]) {
        commits += 1;
        return store.namespace("audit").commit(batch);
      },
    });
    const sink = auditTo(counted);
    const sessions = auditedSessions(createSessions({ store }), { sink });
    await sink({ at: 0, operation: "x", outcome: "ok", action: "x" });
    commits = 0;
    await Promise.all(range(50).map((index) => sessions.find(`s-${index}`)));
    expect(commits).toBeLessThan(25);
    expect(await collect(sink.read({ since: 1 }))).toHaveLength(50);
  });
});

test("the core does not load it", async () => {
  const url = new URL("../../src/index.ts", import.meta.url).href;
  const script = `await import(${JSON.stringify(url)}); console.log(process.getActiveResourcesInfo().length)`;
  const flags = [
    "--input-type=module",
    "--import",
    "data:text/javascript,import { registerHooks } from 'node:module'; registerHooks({ load(url, context, next) { if (url.includes('audit')) console.log('AUDIT ' + url); return next(url, context); } })",
  ];
  const { stdout } = await run(process.execPath, [...flags, "-e", script]);
  expect(stdout).not.toContain("AUDIT");
});

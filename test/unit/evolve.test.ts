import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import { addUsage, evolve, evolveAll } from "../../src/log/evolve.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import { EMPTY_CONVERSATION, NO_USAGE, ROUTE_HISTORY_LIMIT } from "../../src/log/record.ts";
import { anyEntries } from "../support/arbitraries.ts";
import { entryOf, logOf, present } from "../support/build-log.ts";
import { refusalOf } from "../support/errors.ts";
import { frozen } from "../support/frozen.ts";
import { showValue } from "../support/show-value.ts";

const first = frozen(
  entryOf(
    "session.created",
    {
      id: "s",
      namespace: "",
      kind: "fork",
      dataVersion: 1,
      lineage: [
        { id: "root", upTo: 3 },
        { id: "middle", upTo: 5 },
      ],
    },
    6,
  ),
);
const begun = frozen(evolve(undefined, first));

/** The record after one entry of a type. */
function evolved(type: string, data: unknown, record: SessionRecord = begun): SessionRecord {
  return evolve(record, frozen(entryOf(type, data, record.seq + 1)));
}

/** The record after entries of several types, in order. */
function evolvedThrough(...steps: readonly (readonly [type: string, data: unknown])[]): SessionRecord {
  return steps.reduce((record, [type, data]) => evolved(type, data, record), begun);
}

describe("the fold", () => {
  test("gives the same record over any split of a log, and changes nothing that it is given", () => {
    fc.assert(
      fc.property(anyEntries(6), fc.nat(), (rest, at) => {
        const entries = frozen(rest);
        const whole = frozen(evolveAll(begun, entries));
        const cut = at % (entries.length + 1);
        const half = frozen(evolveAll(begun, entries.slice(0, cut)));
        expect(showValue(evolveAll(half, entries.slice(cut)))).toBe(showValue(whole));
        const one = entries.reduce((record, entry) => frozen(evolve(record, entry)), begun);
        expect(showValue(one)).toBe(showValue(whole));
      }),
      { numRuns: 400 },
    );
  });

  test("counts entries, commits and the newest time, whatever the entries are", () => {
    fc.assert(
      fc.property(anyEntries(6), (entries) => {
        const record = present(evolveAll(begun, entries));
        expect(record.seq).toBe(6 + entries.length);
        expect(record.version).toBe(1 + entries.filter(({ commit }) => commit !== undefined).length);
        expect(record.updatedAt).toBe(Math.max(first.at, ...entries.map(({ at }) => at)));
        expect(record.createdAt).toBe(first.at);
        expect([record.id, record.namespace, record.kind]).toEqual(["s", "", "fork"]);
      }),
    );
  });

  test("an entry of a type that is not known counts and changes nothing else", () => {
    for (const type of ["x.note", "x.", "message.pinned", "operation.applied", "checkpoint.created"]) {
      for (const data of [undefined, null, 5, "text", { messageCount: 9, status: "deleted" }]) {
        expect(evolved(type, data)).toEqual({ ...begun, seq: 7, updatedAt: 5007 });
      }
    }
  });

  test("a log that does not begin with session.created is corrupt", () => {
    for (const type of ["message", "x.session.created"]) {
      const error = refusalOf(() => evolve(undefined, entryOf(type, first.data, 4)));
      expect(error).toMatchObject({
        code: "STORE_CORRUPT",
        message: `a log begins with "${type}" at position 4 where session.created must stand`,
      });
    }
    expect(evolveAll(undefined, [])).toBeUndefined();
  });

  test("a known entry that does not hold what its type says is corrupt, and the session is named", () => {
    for (const [type, data] of [
      ["messages.cleared", null],
      ["route.entered", {}],
      ["label.set", undefined],
    ] as const) {
      const error = refusalOf(() => evolve(begun, entryOf(type, data, 7)));
      expect(error).toMatchObject({ code: "STORE_CORRUPT", sessionId: "s", cause: expect.any(TypeError) });
      expect(error.message).toContain(`entry 7 of session "s" does not hold what its type "${type}" says: `);
    }
    const error = refusalOf(() => evolve(undefined, entryOf("session.created", null, 1)));
    expect(error).toMatchObject({ code: "STORE_CORRUPT", sessionId: undefined });
    expect(error.message).toMatch(/^entry 1 does not hold/);
    expect(HoldfastError.is(error.cause)).toBe(false);
  });
});

describe("session.created", () => {
  test("makes an active session that nothing happened to", () => {
    const { record } = logOf({ userId: "u", agent: "a", label: "L", metadata: { k: 1 }, expiresAt: 9 });
    expect(record).toEqual({
      id: "s",
      namespace: "",
      kind: "session",
      userId: "u",
      agent: "a",
      label: "L",
      metadata: { k: 1 },
      expiresAt: 9,
      dataVersion: 1,
      lineage: [],
      status: "active",
      usage: NO_USAGE,
      version: 1,
      seq: 1,
      createdAt: 1000,
      updatedAt: 1000,
      ...EMPTY_CONVERSATION,
    });
    expect(logOf().record.metadata).toEqual({});
  });

  test("in the middle of a log, as an import of a fork has it, begins anew what the session holds", () => {
    const before = evolvedThrough(
      ["label.set", { label: "L", automatic: false }],
      ["usage.added", { usage: { inputTokens: 3 } }],
      ["turn.started", { turnId: "t", owner: "o", until: 9 }],
      ["message", { message: {} }],
      ["status.set", { status: "completed" }],
    );
    const base = { ...EMPTY_CONVERSATION, messageCount: 1, data: { a: 1 } };
    const data = {
      id: "fork",
      namespace: "n",
      kind: "session",
      parentId: "p",
      dataVersion: 3,
      userId: "u",
      base,
    };
    const begunAnew = evolved("session.created", data, { ...before, parentId: "mine" });
    expect(begunAnew).toEqual({
      ...begun,
      ...base,
      parentId: "mine",
      userId: "u",
      dataVersion: 3,
      seq: 12,
      updatedAt: 5012,
    });
    expect(evolved("session.created", data, before)).not.toHaveProperty("parentId");
  });

  test("takes over the conversation that it begins with", () => {
    const base = { ...EMPTY_CONVERSATION, messageCount: 4, lastMessageAt: 7, data: { a: 1 }, dataVersion: 2 };
    const { record } = logOf({ kind: "fork", parentId: "p", lineage: [{ id: "p", upTo: 9 }], base });
    expect(record).toMatchObject({ ...base, parentId: "p", lineage: [{ id: "p", upTo: 9 }], seq: 10 });
    expect(record).not.toHaveProperty("base");
  });
});

describe("messages", () => {
  const one = evolved("message", { message: { role: "user" } });

  test("are counted, and the newest is timed", () => {
    expect(one).toMatchObject({ messageCount: 1, lastMessageAt: 5007 });
    expect(evolved("message.revised", { seq: 7, message: {} }, one)).toMatchObject({
      messageCount: 1,
      lastMessageAt: 5007,
    });
    expect(evolved("message.removed", { seq: 7 }, one).messageCount).toBe(0);
  });

  test("where they were last revised, removed, cleared or rewound is known", () => {
    const restored = { ...EMPTY_CONVERSATION, revisedUpTo: 3 };
    const entries: [string, object][] = [
      ["message.revised", { seq: 7, message: {} }],
      ["message.removed", { seq: 7 }],
      ["messages.cleared", { count: 1 }],
      ["history.rewound", { to: 6, count: 1, restored }],
    ];
    expect(one).not.toHaveProperty("revisedUpTo");
    for (const [type, data] of entries) {
      const revised = evolved(type, data, one);
      expect(revised.revisedUpTo).toBe(8);
      expect(evolved("message", { message: {} }, revised).revisedUpTo).toBe(8);
    }
  });

  test("a clear takes away as many as it says, and the summary", () => {
    const compacted = evolved("history.compacted", { upTo: 7, messages: [] }, one);
    expect(compacted.compactedUpTo).toBe(7);
    const cleared = evolved("messages.cleared", { count: 1 }, compacted);
    expect(cleared.messageCount).toBe(0);
    expect(cleared).not.toHaveProperty("compactedUpTo");
  });

  test("an erased stretch is marked, and its messages no longer counted", () => {
    const erased = evolved("lineage.erased", { id: "root", count: 1 }, one);
    expect(erased.lineage).toEqual([
      { id: "root", upTo: 3, erased: true },
      { id: "middle", upTo: 5 },
    ]);
    expect(erased.messageCount).toBe(0);
  });

  test("a fork whose parent is erased counts as a fork of the nearest that is left", () => {
    const fork: SessionRecord = { ...one, parentId: "middle" };
    expect(evolved("lineage.erased", { id: "root", count: 0 }, fork).parentId).toBe("middle");
    const erased = evolved("lineage.erased", { id: "middle", count: 0 }, fork);
    expect(erased.parentId).toBe("root");
    expect(evolved("lineage.erased", { id: "root", count: 0 }, erased).parentId).toBe("root");
  });
});

describe("history.rewound", () => {
  test("restores all that belongs to the conversation and nothing else", () => {
    const before = evolvedThrough(
      ["message", { message: {} }],
      ["history.compacted", { upTo: 7, messages: [] }],
      ["data.replaced", { data: { a: 1 }, dataVersion: 2 }],
      ["route.entered", { route: { id: "r" }, step: { id: "one" } }],
      ["state.set", { slot: "x", value: 1 }],
      ["label.set", { label: "L", automatic: false }],
      ["usage.added", { usage: { inputTokens: 3 } }],
      ["metadata.patched", { patch: { m: 1 } }],
    );
    const rewound = evolved("history.rewound", { to: 6, count: 1, restored: EMPTY_CONVERSATION }, before);
    expect(rewound).toMatchObject({ ...EMPTY_CONVERSATION, label: "L", metadata: { m: 1 } });
    expect(rewound.usage.inputTokens).toBe(3);
    for (const key of ["lastMessageAt", "route", "step", "compactedUpTo"])
      expect(rewound).not.toHaveProperty(key);
  });

  test("restores the version of the data along with the data", () => {
    const migrated = evolved("data.replaced", { data: { name: "new shape" }, dataVersion: 2 });
    expect(migrated.dataVersion).toBe(2);
    const restored = { ...EMPTY_CONVERSATION, data: { name: "old shape" }, dataVersion: 1 };
    expect(evolved("history.rewound", { to: 6, count: 0, restored }, migrated).dataVersion).toBe(1);
    expect(
      evolved("history.rewound", { to: 6, count: 0, restored: EMPTY_CONVERSATION }, migrated).dataVersion,
    ).toBe(2);
  });
});

describe("data", () => {
  test("a patch replaces its own keys, on the whole and for a route", () => {
    const patched = evolvedThrough(
      ["data.patched", { patch: { a: 1, b: 1 } }],
      ["data.patched", { patch: { b: 2 }, route: "r" }],
      ["data.patched", { patch: { c: 3 }, route: "r" }],
      ["data.patched", { patch: { d: 4 }, route: "q" }],
    );
    expect(patched.data).toEqual({ a: 1, b: 2, c: 3, d: 4 });
    expect(patched.dataByRoute).toEqual({ r: { b: 2, c: 3 }, q: { d: 4 } });
    expect(evolved("data.patched", { patch: { a: 1 } }).dataByRoute).toEqual({});
  });

  test("is replaced, with its version where that changes, and cleared", () => {
    const patched = evolved("data.patched", { patch: { a: 1 }, route: "r" });
    const replaced = evolved("data.replaced", { data: { z: 1 } }, patched);
    expect(replaced).toMatchObject({ data: { z: 1 }, dataByRoute: { r: { a: 1 } }, dataVersion: 1 });
    expect(evolved("data.replaced", { data: {}, dataVersion: 2 }, patched).dataVersion).toBe(2);
    expect(evolved("data.cleared", {}, patched)).toMatchObject({ data: {}, dataByRoute: {} });
  });

  test("a route or a slot may have any name", () => {
    for (const name of ["__proto__", "constructor", "toString"]) {
      const { dataByRoute } = evolvedThrough(
        ["data.patched", { patch: { a: 1 }, route: name }],
        ["data.patched", { patch: { b: 2 }, route: name }],
      );
      expect(Object.entries(dataByRoute)).toEqual([[name, { a: 1, b: 2 }]]);
      const set = evolved("state.set", { slot: name, value: 5 });
      expect(Object.entries(set.state)).toEqual([[name, 5]]);
      expect(Object.entries(evolved("state.set", { slot: name }, set).state)).toEqual([]);
    }
  });

  test("a slot is set, emptied, and leaves others alone", () => {
    const two = evolvedThrough(
      ["state.set", { slot: "a", value: null }],
      ["state.set", { slot: "b", value: { x: 1 } }],
    );
    expect(two.state).toEqual({ a: null, b: { x: 1 } });
    expect(evolved("state.set", { slot: "a" }, two).state).toEqual({ b: { x: 1 } });
    expect(
      evolved("metadata.patched", { patch: { k: 2 } }, evolved("metadata.patched", { patch: { j: 1, k: 1 } }))
        .metadata,
    ).toEqual({
      j: 1,
      k: 2,
    });
  });
});

describe("routes", () => {
  test("entering one leaves the step of the one before", () => {
    const entered = evolved("route.entered", { route: { id: "r", title: "R" }, step: { id: "one" } });
    expect(entered).toMatchObject({ route: { id: "r", title: "R" }, step: { id: "one" } });
    expect(evolved("step.entered", { step: { id: "two" } }, entered).step).toEqual({ id: "two" });
    const next = evolved("route.entered", { route: { id: "q" } }, entered);
    expect(next.route).toEqual({ id: "q" });
    expect(next).not.toHaveProperty("step");
    expect(next.routeHistory).toEqual([
      { route: "r", title: "R", enteredAt: 5007 },
      { route: "q", enteredAt: 5008 },
    ]);
  });

  test("completing one notes when, on the last time that it was entered and was not completed", () => {
    const twice = evolvedThrough(
      ["route.entered", { route: { id: "r" } }],
      ["route.entered", { route: { id: "q" }, step: { id: "one" } }],
      ["route.entered", { route: { id: "r" }, step: { id: "two" } }],
      ["route.completed", { routeId: "r" }],
    );
    expect(twice.routeHistory).toEqual([
      { route: "r", enteredAt: 5007 },
      { route: "q", enteredAt: 5008 },
      { route: "r", enteredAt: 5009, completedAt: 5010 },
    ]);
    expect(twice).not.toHaveProperty("route");
    expect(twice).not.toHaveProperty("step");
    const again = evolved("route.completed", { routeId: "r" }, twice);
    expect(again.routeHistory.map(({ completedAt }) => completedAt)).toEqual([5011, undefined, 5010]);
  });

  test("completing another than the one that is on leaves that on", () => {
    const { route, step, routeHistory } = evolvedThrough(
      ["route.entered", { route: { id: "r" } }],
      ["route.entered", { route: { id: "q" }, step: { id: "one" } }],
      ["route.completed", { routeId: "r" }],
    );
    expect([route, step]).toEqual([{ id: "q" }, { id: "one" }]);
    expect(routeHistory.map(({ completedAt }) => completedAt)).toEqual([5009, undefined]);
  });

  test("only the newest are remembered", () => {
    let record = begun;
    for (let index = 0; index < ROUTE_HISTORY_LIMIT + 5; index++) {
      record = evolved("route.entered", { route: { id: `r${index}` } }, record);
    }
    expect(record.routeHistory).toHaveLength(ROUTE_HISTORY_LIMIT);
    expect(record.routeHistory[0]?.route).toBe("r5");
    expect(record.routeHistory.at(-1)?.route).toBe(`r${ROUTE_HISTORY_LIMIT + 4}`);
  });
});

describe("the life of a session", () => {
  test("completing or abandoning it is timed, and opening it again takes the time back", () => {
    for (const status of ["completed", "abandoned"]) {
      const ended = evolved("status.set", { status });
      expect(ended).toMatchObject({ status, completedAt: 5007 });
      const open = evolved("status.set", { status: "active" }, ended);
      expect(open.status).toBe("active");
      expect(open).not.toHaveProperty("completedAt");
    }
    expect(evolved("session.deleted", {}).status).toBe("deleted");
  });

  test("label and expiry", () => {
    expect(evolved("label.set", { label: "L", automatic: true }).label).toBe("L");
    const expiring = evolved("expiry.set", { expiresAt: 77 });
    expect(expiring.expiresAt).toBe(77);
    expect(evolved("expiry.set", {}, expiring)).not.toHaveProperty("expiresAt");
  });

  test("a turn begins, goes on, changes hands and ends", () => {
    const started = evolved("turn.started", { turnId: "t", owner: "a", until: 10 });
    expect(started.turn).toEqual({ id: "t", owner: "a", until: 10, startedAt: 5007, seq: 7 });
    const extended = evolved("turn.extended", { turnId: "t", owner: "b", until: 20 }, started);
    expect(extended.turn).toEqual({ id: "t", owner: "b", until: 20, startedAt: 5007, seq: 7 });
    expect(evolved("turn.ended", { turnId: "t", outcome: "completed" }, extended)).not.toHaveProperty("turn");
    expect(evolved("turn.extended", { turnId: "t", owner: "b", until: 20 })).not.toHaveProperty("turn");
  });
});

describe("usage", () => {
  test("adds up, and optional counts appear once either side has them", () => {
    expect(addUsage(NO_USAGE, {})).toEqual(NO_USAGE);
    expect(addUsage(NO_USAGE, { inputTokens: 2, outputTokens: 3 })).toEqual({
      inputTokens: 2,
      outputTokens: 3,
      totalTokens: 5,
    });
    const all = { cachedInputTokens: 1, reasoningTokens: 2, costUsd: 0.5 };
    const once = addUsage(NO_USAGE, { ...all, totalTokens: 9 });
    expect(once).toEqual({ inputTokens: 0, outputTokens: 0, totalTokens: 9, ...all });
    expect(addUsage(once, { inputTokens: 1 })).toEqual({ ...once, inputTokens: 1, totalTokens: 10 });
    expect(addUsage(once, all)).toEqual({
      ...once,
      cachedInputTokens: 2,
      reasoningTokens: 4,
      costUsd: 1,
    });
    expect(evolved("usage.added", { usage: { inputTokens: 4 } }).usage.totalTokens).toBe(4);
  });

  test("the order in which it is added makes no difference", () => {
    const count = fc.nat({ max: 1000 });
    const some = fc.record(
      {
        inputTokens: count,
        outputTokens: count,
        cachedInputTokens: count,
        reasoningTokens: count,
        totalTokens: count,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(some, some, (a, b) => {
        expect(addUsage(addUsage(NO_USAGE, a), b)).toEqual(addUsage(addUsage(NO_USAGE, b), a));
      }),
    );
  });
});

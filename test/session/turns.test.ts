/**
 * Turns: one exchange under a lease.
 */
import { expect } from "vitest";
import type { Entry } from "../../src/log/entry.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { assistant, collect, fakeClock, onStores, refusal, sleep, textsOf, until, user } from "./support.ts";

/** Entries about turns, as `type outcome`. */
async function turnLog(session: {
  entries(range: { types: string[] }): AsyncIterable<Entry>;
}): Promise<string[]> {
  const types = ["turn.started", "turn.extended", "turn.ended"];
  return (await collect(session.entries({ types }))).map(({ type, data }) => {
    const { outcome } = Object(data);
    return outcome ? `${type} ${outcome}` : type;
  });
}

onStores(
  "a turn's messages are committed as they come, and the turn ends with its work",
  async ({ sessions, elsewhere }) => {
    const session = await sessions().create({ id: "s" });
    const there = await elsewhere().open("s");
    const result = await session.turn(async (turn) => {
      await turn.append(user("question"));
      expect(await textsOf(there)).toEqual(["question"]);
      expect((await there.refresh()).turn).toMatchObject({
        id: turn.id,
        owner: turn.owner,
        until: expect.any(Number),
      });
      const { ids } = await turn.append([assistant("an"), assistant("swer")], { usage: { outputTokens: 2 } });
      expect(turn).toMatchObject({ resumed: false, signal: { aborted: false } });
      return ids.length;
    });
    expect(result).toBe(2);
    expect((await there.refresh()).turn).toBeUndefined();
    expect(there.usage.outputTokens).toBe(2);
    expect(await turnLog(session)).toEqual(["turn.started", "turn.ended completed"]);
    const messages = await collect(session.entries({ types: ["message"] }));
    expect(new Set(messages.map(({ data }) => Object(data).turnId)).size).toBe(1);
  },
);

onStores("while a turn is under way no other begins, here or elsewhere", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s" });
  const there = await elsewhere().open("s");
  await session.turn(
    async () => {
      const error = await refusal(
        there.turn(async () => 1, { owner: "second" }),
        "TURN_IN_PROGRESS",
      );
      expect(error).toMatchObject({ sessionId: "s", retryable: true });
      expect(error.message).toContain("first");
      for (const handle of [session, there]) {
        await refusal(
          handle.turn(async () => 1),
          "TURN_IN_PROGRESS",
        );
        await refusal(
          handle.turn(async () => 1, { resume: true }),
          "TURN_IN_PROGRESS",
        );
        await refusal(handle.abandonTurn(), "TURN_IN_PROGRESS");
      }
      // Others may still write; only turns are exclusive.
      await there.append(user("by the way"));
    },
    { owner: "first" },
  );
  expect(await there.turn(async () => 2)).toBe(2);
  const outcomes = await Promise.allSettled([session.turn(() => sleep(20)), there.turn(() => sleep(20))]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});

onStores(
  "a turn that ended elsewhere is no obstacle, though this handle has not heard of it",
  async ({ sessions, elsewhere }) => {
    const session = await sessions().create({ id: "s" });
    const there = await elsewhere().open("s");
    await session.turn(async () => {
      await there.refresh();
    });
    expect(there.record.turn).toBeDefined();
    expect(await there.turn(async () => "ran")).toBe("ran");
  },
);

onStores(
  "a turn that a crash left is closed as interrupted by the next one, once its lease is over",
  async ({ sessions, elsewhere }) => {
    const clock = fakeClock();
    const session = await sessions({ clock, leaseMs: 1000 }).create({ id: "s" });
    const there = await elsewhere({ clock }).open("s");
    let crashed = (): void => undefined;
    const first = session.turn(async (turn) => {
      await turn.append(user("before the crash"));
      await new Promise<void>((resolve) => {
        crashed = resolve;
      });
      await turn.append(user("after it"));
    });
    await until(async () => (await textsOf(there)).length === 1);
    clock.advance(999);
    await refusal(
      there.turn(async () => 1),
      "TURN_IN_PROGRESS",
    );
    clock.advance(1);
    await there.turn(async (turn) => {
      await turn.append(assistant("taken over"));
      crashed();
      // What is left of the first worker can write nothing more.
      const error = await refusal(first, "TURN_IN_PROGRESS");
      expect(error.retryable).toBe(false);
    });
    expect(await textsOf(there)).toEqual(["before the crash", "taken over"]);
    expect(await turnLog(there)).toEqual([
      "turn.started",
      "turn.ended interrupted",
      "turn.started",
      "turn.ended completed",
    ]);
  },
);

onStores("a turn that a crash left can be resumed", async ({ sessions, elsewhere, store }) => {
  const clock = fakeClock();
  await sessions({ clock }).create({ id: "s" });
  await leaveTurn(store, clock);
  const session = await elsewhere({ clock }).open("s");
  expect(session.record.turn).toMatchObject({ id: "left", owner: "gone" });
  await refusal(
    session.turn(async () => 1, { resume: true }),
    "TURN_IN_PROGRESS",
  );
  clock.advance(5000);
  await session.turn(
    async (turn) => {
      expect(turn).toMatchObject({ id: "left", resumed: true, owner: "me" });
      await turn.append(assistant("goes on"));
    },
    { resume: true, owner: "me" },
  );
  expect(await turnLog(session)).toEqual(["turn.started", "turn.extended", "turn.ended completed"]);
  // Nothing to resume: a turn begins.
  await session.turn(async ({ resumed }) => expect(resumed).toBe(false), { resume: true });
});

onStores("a worker that comes back under its own name resumes at once", async ({ sessions, store }) => {
  const clock = fakeClock();
  const session = await sessions({ clock }).create({ id: "s" });
  await leaveTurn(store, clock);
  expect(await session.turn(async ({ id }) => id, { resume: true, owner: "gone" })).toBe("left");
});

onStores(
  "of two that resume one turn, the one that was overtaken can write nothing more",
  async ({ sessions, elsewhere, store }) => {
    const clock = fakeClock();
    const here = await sessions({ clock }).create({ id: "s", label: "l" });
    await leaveTurn(store, clock);
    const there = await elsewhere({ clock }).open("s");
    clock.advance(5000);
    await here
      .turn(
        async (first) => {
          // The lease runs out again, and another process takes over: here, one that this process knows nothing of.
          await overtake(store, clock);
          await refusal(first.append(user("late")), "TURN_IN_PROGRESS");
          await refusal(
            there.turn(async () => 1),
            "TURN_IN_PROGRESS",
          );
        },
        { resume: true, owner: "first" },
      )
      .then(
        () => expect.unreachable("a turn that was lost can't end well"),
        (error: unknown) => expect(error).toMatchObject({ code: "TURN_IN_PROGRESS" }),
      );
    expect((await there.refresh()).turn).toMatchObject({ id: "left", owner: "another process" });
    expect(await textsOf(there)).toEqual([]);
  },
);

onStores("a turn that a crash left can be abandoned", async ({ sessions, store }) => {
  const clock = fakeClock();
  const session = await sessions({ clock }).create({ id: "s" });
  expect(await session.abandonTurn()).toBe(false);
  await leaveTurn(store, clock);
  await refusal(session.abandonTurn(), "TURN_IN_PROGRESS");
  clock.advance(5000);
  expect(await session.abandonTurn()).toBe(true);
  expect(await turnLog(session)).toEqual(["turn.started", "turn.ended interrupted"]);
  expect(session.record.turn).toBeUndefined();
});

onStores("a lease is renewed while the work goes on", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s" });
  const there = await elsewhere().open("s");
  await session.turn(
    async (turn) => {
      await sleep(800);
      expect(turn.signal.aborted).toBe(false);
      await refusal(
        there.turn(async () => 1),
        "TURN_IN_PROGRESS",
      );
      await turn.append(assistant("slow"));
    },
    { leaseMs: 450 },
  );
  const log = await turnLog(session);
  expect(log.filter((line) => line === "turn.extended").length).toBeGreaterThanOrEqual(2);
  const { length } = log;
  await sleep(200);
  expect((await turnLog(session)).length).toBe(length);
});

onStores("losing the turn aborts its signal", async ({ sessions, store }) => {
  const clock = fakeClock();
  const session = await sessions({ clock }).create({ id: "s" });
  const errors: unknown[] = [];
  await refusal(
    session.turn(
      async (turn) => {
        await overtake(store, clock, { turnId: "another" });
        await until(() => turn.signal.aborted, 2000);
        errors.push(turn.signal.reason);
        await turn.append(user("late"));
      },
      { leaseMs: 60 },
    ),
    "TURN_IN_PROGRESS",
  );
  expect(errors).toMatchObject([{ code: "TURN_IN_PROGRESS" }]);
  expect(await textsOf(session)).toEqual([]);
  expect((await session.refresh()).turn).toMatchObject({ id: "another" });
});

onStores("a session that is deleted under a turn aborts its signal", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s" });
  await refusal(
    session.turn(
      async (turn) => {
        await elsewhere().delete("s");
        await until(() => turn.signal.aborted, 2000);
        await turn.append(user("late"));
      },
      { leaseMs: 60 },
    ),
    "SESSION_DELETED",
  );
});

onStores(
  "work that fails ends its turn as failed, with the kind of failure and what was written",
  async ({ sessions }) => {
    const session = await sessions().create({ id: "s" });
    const failure = new RangeError("a secret");
    await expect(
      session.turn(async (turn) => {
        await turn.append(user("kept"));
        throw failure;
      }),
    ).rejects.toBe(failure);
    await expect(
      session.turn(() => {
        throw failure;
      }),
    ).rejects.toBe(failure);
    expect(await turnLog(session)).toEqual([
      "turn.started",
      "turn.ended failed",
      "turn.started",
      "turn.ended failed",
    ]);
    const ended = await collect(session.entries({ types: ["turn.ended"] }));
    expect(ended[0]?.data).toMatchObject({ outcome: "failed", reason: "RangeError" });
    expect(JSON.stringify(ended)).not.toContain("secret");
    expect(await textsOf(session)).toEqual(["kept"]);
    await expect(session.turn(() => Promise.reject("text"))).rejects.toBe("text");
  },
);

onStores("an abort ends the turn as aborted, with the text that came until then", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  const abort = new AbortController();
  await expect(
    session.turn(
      async (turn) => {
        abort.abort(new Error("stop"));
        expect(turn.signal.aborted).toBe(true);
        await turn.append(assistant("partial"));
        turn.signal.throwIfAborted();
      },
      { signal: abort.signal },
    ),
  ).rejects.toThrow("stop");
  expect(await turnLog(session)).toEqual(["turn.started", "turn.ended aborted"]);
  expect(await textsOf(session)).toEqual(["partial"]);
  await expect(session.turn(async () => 1, { signal: abort.signal })).rejects.toThrow("stop");
  expect(await turnLog(session)).toHaveLength(2);
});

onStores("a lease that can't be renewed or ended is told by an event", async ({ sessions, store }) => {
  let isDown = false;
  const flaky: SessionStore = Object.assign(Object.create(store), {
    async commit(commits: Parameters<SessionStore["commit"]>[0]) {
      if (isDown) throw new HoldfastError("STORE_UNAVAILABLE", "the connection was lost; try again");
      return store.commit(commits);
    },
  });
  const all = sessions({ store: flaky });
  const operations: string[] = [];
  all.on("error", ({ operation, sessionId }) => {
    expect(sessionId).toBe("s");
    operations.push(operation);
  });
  const session = await all.create({ id: "s" });
  const failure = new Error("mine");
  await expect(
    session.turn(
      async (turn) => {
        isDown = true;
        await until(() => operations.length > 0);
        expect(turn.signal.aborted).toBe(false);
        throw failure;
      },
      { leaseMs: 60 },
    ),
  ).rejects.toBe(failure);
  expect(new Set(operations)).toEqual(new Set(["renewing the lease of a turn", "ending a failed turn"]));
});

onStores("a very long lease is renewed in time, not all the time", async ({ sessions }) => {
  const session = await sessions({ leaseMs: 1e12 }).create({ id: "s" });
  await session.turn(() => sleep(20));
  expect(await turnLog(session)).toEqual(["turn.started", "turn.ended completed"]);
});

/** What a worker leaves that died in the middle of a turn. */
async function leaveTurn(store: SessionStore, clock: () => number): Promise<void> {
  const data = { turnId: "left", owner: "gone", until: clock() + 5000 };
  await commitEntry(store, clock, "turn.started", data, {
    id: "left",
    owner: "gone",
    until: clock() + 5000,
    startedAt: clock(),
  });
}

/** What another process does that takes a turn over. */
async function overtake(store: SessionStore, clock: () => number, { turnId = "left" } = {}): Promise<void> {
  const data = { turnId, owner: "another process", until: clock() + 100_000 };
  const type = turnId === "left" ? "turn.extended" : "turn.started";
  await commitEntry(store, clock, type, data, {
    id: turnId,
    owner: "another process",
    until: data.until,
    startedAt: clock(),
  });
}

async function commitEntry(
  store: SessionStore,
  clock: () => number,
  type: "turn.started" | "turn.extended",
  data: unknown,
  turn: { id: string; owner: string; until: number; startedAt: number },
): Promise<void> {
  for (;;) {
    const [record] = await store.find(["s"]);
    if (!record) throw new Error("there is no session");
    const seq = record.seq + 1;
    const entry: Entry = { seq, id: `#${seq}`, type, data, at: clock(), commit: `test-${seq}` };
    const next = { ...record, seq, version: record.version + 1, turn: { ...turn, seq } };
    const [outcome] = await store.commit([
      { sessionId: "s", expectedVersion: record.version, entries: [entry], record: next },
    ]);
    if (outcome?.status === "committed") return;
  }
}

onStores("a turn begins and ends with its messages, each in one commit", async ({ sessions }) => {
  const session = await sessions().create({ id: "s" });
  const { version } = session.record;
  await session.turn(
    async (turn) => {
      await turn.end(assistant("hello"), { usage: { inputTokens: 2, outputTokens: 1 } });
    },
    { messages: user("hi there") },
  );
  expect(session.record).toMatchObject({ version: version + 2, label: "hi there", messageCount: 2 });
  expect(session.record.turn).toBeUndefined();
  const types = (await collect(session.entries())).map(({ type }) => type);
  expect(types.slice(-6)).toEqual([
    "turn.started",
    "message",
    "label.set",
    "message",
    "usage.added",
    "turn.ended",
  ]);
});

onStores(
  "a parked turn stays open, and another process goes on with it at once",
  async ({ sessions, elsewhere }) => {
    const session = await sessions().create({ id: "s" });
    await session.turn(async (turn) => {
      await turn.park(assistant("may I?"));
    });
    const parked = session.record.turn;
    expect(parked?.until).toBeLessThanOrEqual(Date.now());
    const there = await elsewhere().open("s");
    await there.turn(
      async (turn) => {
        expect(turn).toMatchObject({ id: parked?.id, resumed: true });
        await turn.append(assistant("you may"));
      },
      { resume: true, owner: "somebody else", messages: user("not for a turn that goes on") },
    );
    expect(await textsOf(there)).toEqual(["may I?", "you may"]);
    expect(there.record.turn).toBeUndefined();
  },
);

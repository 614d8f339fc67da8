import { describe, expect, test } from "vitest";
import type { Command } from "../../src/log/decide.ts";
import { decide } from "../../src/log/decide.ts";
import type { EntryDraft } from "../../src/log/entry.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import { EMPTY_CONVERSATION } from "../../src/log/record.ts";
import { logOf, NEW_SESSION, say } from "../support/build-log.ts";
import { refusalOf } from "../support/errors.ts";
import { frozen } from "../support/frozen.ts";

const NOW_MS = 50_000;
const moment = { nowMs: NOW_MS, version: 7 };
const { record: fresh } = frozen(logOf());
const { record: deleted } = frozen(logOf({}, { type: "delete" }));

function decided(command: Command, record: SessionRecord | undefined = fresh): readonly EntryDraft[] {
  return decide(record, frozen(command), moment);
}

function recordAfter(...commands: readonly Command[]): SessionRecord {
  return frozen(logOf({}, ...commands)).record;
}

const message = { role: "user", content: "hi" };

describe("create", () => {
  test("begins a log with the session, then its data, then its messages", () => {
    const session = {
      ...NEW_SESSION,
      userId: "u",
      data: { a: 1 },
      messages: [{ id: "m1", message }, { message }],
    };
    const { data, messages, ...rest } = session;
    expect(decide(undefined, { type: "create", session }, moment)).toStrictEqual([
      { type: "session.created", data: rest },
      { type: "data.replaced", data: { data } },
      { type: "message", data: { message }, id: "m1" },
      { type: "message", data: { message } },
    ]);
    expect(messages).toHaveLength(2);
  });

  test("writes nothing of data that is empty", () => {
    for (const more of [{}, { data: {} }, { messages: [] }]) {
      const drafts = decide(undefined, { type: "create", session: { ...NEW_SESSION, ...more } }, moment);
      expect(drafts).toStrictEqual([{ type: "session.created", data: NEW_SESSION }]);
    }
  });

  test("is refused where the id is taken, and says what is to be done", () => {
    const command: Command = { type: "create", session: NEW_SESSION };
    const taken = refusalOf(() => decided(command));
    expect(taken).toMatchObject({ code: "SESSION_EXISTS", sessionId: "s" });
    expect(taken.message).toBe('session "s" exists already; open it, or use another id');
    const hidden = refusalOf(() => decided(command, deleted));
    expect(hidden).toMatchObject({ code: "SESSION_EXISTS", sessionId: "s" });
    expect(hidden.message).toContain("was deleted and is kept for its forks only");
  });
});

describe("a session that is not there", () => {
  test("takes no command but its creation", () => {
    for (const command of [
      say("hi"),
      { type: "delete" },
      { type: "erase-lineage", id: "p", count: 1 },
    ] as const) {
      const error = refusalOf(() => decide(undefined, command, moment));
      expect(error).toMatchObject({ code: "SESSION_NOT_FOUND" });
      expect(error.message).toMatch(/does not exist; create it first/);
    }
  });

  test("that was deleted takes nothing more, and deleting it again changes nothing", () => {
    const error = refusalOf(() => decided(say("late"), deleted));
    expect(error).toMatchObject({ code: "SESSION_DELETED", sessionId: "s", retryable: false });
    expect(error.message).toBe('session "s" was deleted; nothing more can be written to it');
    expect(decided({ type: "delete" }, deleted)).toStrictEqual([]);
    expect(decided({ type: "delete" })).toStrictEqual([{ type: "session.deleted", data: {} }]);
  });

  test("notes that a stretch of its history was erased, once, also where it was deleted", () => {
    const lineage = [
      { id: "p", upTo: 3 },
      { id: "q", upTo: 5, erased: true as const },
    ];
    const command: Command = { type: "erase-lineage", id: "p", count: 2 };
    const erased = [{ type: "lineage.erased", data: { id: "p", count: 2 } }];
    for (const status of ["active", "deleted"] as const) {
      expect(decided(command, { ...fresh, status, lineage })).toStrictEqual(erased);
    }
    for (const id of ["q", "other"])
      expect(decided({ ...command, id }, { ...fresh, lineage })).toStrictEqual([]);
    // Messages of its own that can no longer be told apart go with it, first.
    expect(decided({ ...command, removed: [7, 8] }, { ...fresh, lineage })).toStrictEqual([
      { type: "message.removed", data: { seq: 7 } },
      { type: "message.removed", data: { seq: 8 } },
      ...erased,
    ]);
    // A fork that inherits nothing of its parent still has it as its parent.
    expect(decided(command, { ...fresh, parentId: "p" })).toStrictEqual(erased);
  });
});

describe("append", () => {
  test("puts the operation first, then the messages in order, then usage and label", () => {
    expect(
      decided({
        type: "append",
        messages: [{ id: "m1", message }, { message }],
        usage: { inputTokens: 3 },
        labelIfNone: "hi",
        operation: { id: "op", digest: "d" },
      }),
    ).toStrictEqual([
      { id: "op", type: "operation.applied", data: { digest: "d", count: 2, version: 7 } },
      { type: "message", data: { message }, id: "m1" },
      { type: "message", data: { message } },
      { type: "usage.added", data: { usage: { inputTokens: 3 } } },
      { type: "label.set", data: { label: "hi", automatic: true } },
    ]);
  });

  test("leaves a label that is there alone", () => {
    const command: Command = { type: "append", messages: [{ message }], labelIfNone: "hi" };
    expect(decided(command, { ...fresh, label: "mine" })).toStrictEqual([
      { type: "message", data: { message } },
    ]);
  });

  test("of nothing is nothing, but usage is written without a message", () => {
    const operation = { id: "op", digest: "d" };
    expect(decided({ type: "append", messages: [], labelIfNone: "hi", operation })).toStrictEqual([]);
    expect(decided({ type: "append", messages: [], usage: { outputTokens: 1 } })).toStrictEqual([
      { type: "usage.added", data: { usage: { outputTokens: 1 } } },
    ]);
  });

  test("within a turn carries the turn's id, and is refused once the turn is over", () => {
    const inTurn = recordAfter({ type: "start-turn", turnId: "t", owner: "me", leaseMs: 1 });
    const command: Command = { type: "append", messages: [{ message }], turnId: "t" };
    expect(decided(command, inTurn)).toStrictEqual([{ type: "message", data: { message, turnId: "t" } }]);
    for (const record of [
      fresh,
      recordAfter({ type: "start-turn", turnId: "other", owner: "me", leaseMs: 1 }),
    ]) {
      const error = refusalOf(() => decided(command, record));
      expect(error).toMatchObject({ code: "TURN_IN_PROGRESS", sessionId: "s", retryable: false });
      expect(error.message).toMatch(/^turn "t" of session "s" is over or was taken over by another worker/);
    }
  });
});

describe("messages", () => {
  test("are revised, removed and set by their positions", () => {
    expect(decided({ type: "revise", seq: 4, message })).toStrictEqual([
      { type: "message.revised", data: { seq: 4, message } },
    ]);
    expect(decided({ type: "remove", seq: 4 })).toStrictEqual([
      { type: "message.removed", data: { seq: 4 } },
    ]);
    expect(
      decided({
        type: "set-messages",
        removed: [2, 3],
        revised: [{ seq: 4, message }],
        added: [{ id: "m9", message }],
      }),
    ).toStrictEqual([
      { type: "message.removed", data: { seq: 2 } },
      { type: "message.removed", data: { seq: 3 } },
      { type: "message.revised", data: { seq: 4, message } },
      { type: "message", data: { message }, id: "m9" },
    ]);
    const unchanged = { type: "set-messages", removed: [], revised: [], added: [] } as const;
    expect(decided(unchanged)).toStrictEqual([]);
    const labelled: Command = { ...unchanged, labelIfNone: "hi" };
    expect(decided(labelled)).toStrictEqual([{ type: "label.set", data: { label: "hi", automatic: true } }]);
    expect(decided(labelled, { ...fresh, label: "mine" })).toStrictEqual([]);
  });

  test("are cleared with their number, where there are any", () => {
    expect(decided({ type: "clear" })).toStrictEqual([]);
    expect(decided({ type: "clear" }, { ...fresh, messageCount: 3 })).toStrictEqual([
      { type: "messages.cleared", data: { count: 3 } },
    ]);
  });

  test("a rewind says how many messages it hides, and is refused into the future", () => {
    const restored = { ...EMPTY_CONVERSATION, messageCount: 2 };
    const record = { ...fresh, seq: 9, messageCount: 5 };
    expect(decided({ type: "rewind", to: 4, restored }, record)).toStrictEqual([
      { type: "history.rewound", data: { to: 4, count: 3, restored } },
    ]);
    expect(decided({ type: "rewind", to: 4, restored }, { ...record, messageCount: 1 })).toStrictEqual([
      { type: "history.rewound", data: { to: 4, count: 0, restored } },
    ]);
    expect(decided({ type: "rewind", to: 9, restored }, record)).toStrictEqual([]);
    const error = refusalOf(() => decided({ type: "rewind", to: 10, restored }, record));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", sessionId: "s" });
    expect(error.message).toBe('cannot rewind session "s" to position 10: its newest is 9');
  });

  test("a summary stands for what is at or before a position", () => {
    expect(decided({ type: "compact", upTo: 3, messages: [message] })).toStrictEqual([
      { type: "history.compacted", data: { upTo: 3, messages: [message] } },
    ]);
  });
});

describe("data and state", () => {
  test("carry only what was given", () => {
    const patch = { a: 1 };
    const cases: [Command, EntryDraft][] = [
      [
        { type: "patch-data", patch },
        { type: "data.patched", data: { patch } },
      ],
      [
        { type: "patch-data", patch, route: "r" },
        { type: "data.patched", data: { patch, route: "r" } },
      ],
      [
        { type: "replace-data", data: patch },
        { type: "data.replaced", data: { data: patch } },
      ],
      [
        { type: "replace-data", data: patch, dataVersion: 2 },
        { type: "data.replaced", data: { data: patch, dataVersion: 2 } },
      ],
      [{ type: "clear-data" }, { type: "data.cleared", data: {} }],
      [
        { type: "patch-metadata", patch },
        { type: "metadata.patched", data: { patch } },
      ],
      [
        { type: "set-state", slot: "x", value: null },
        { type: "state.set", data: { slot: "x", value: null } },
      ],
      [
        { type: "set-state", slot: "x" },
        { type: "state.set", data: { slot: "x" } },
      ],
      [
        { type: "set-expiry", expiresAt: 5 },
        { type: "expiry.set", data: { expiresAt: 5 } },
      ],
      [{ type: "set-expiry" }, { type: "expiry.set", data: {} }],
      [
        { type: "checkpoint", name: "c" },
        { type: "checkpoint.created", data: { name: "c" } },
      ],
      [
        { type: "checkpoint", name: "c", metadata: patch },
        { type: "checkpoint.created", data: { name: "c", metadata: patch } },
      ],
      [
        { type: "add-usage", usage: { inputTokens: 1 } },
        { type: "usage.added", data: { usage: { inputTokens: 1 } } },
      ],
      [
        { type: "add-usage", usage: {}, operationId: "op" },
        { type: "usage.added", data: { usage: {} }, id: "op" },
      ],
    ];
    for (const [command, draft] of cases) expect(decided(command)).toStrictEqual([draft]);
    const entries = [{ type: "x.note" as const, data: 1, id: "n", text: "words" }];
    expect(decided({ type: "note", entries })).toStrictEqual(entries);
  });

  test("a name or a status that it has already is not written again", () => {
    const named = { ...fresh, label: "L" };
    expect(decided({ type: "rename", label: "L" }, named)).toStrictEqual([]);
    expect(decided({ type: "rename", label: "M" }, named)).toStrictEqual([
      { type: "label.set", data: { label: "M", automatic: false } },
    ]);
    expect(decided({ type: "set-status", status: "active" })).toStrictEqual([]);
    expect(decided({ type: "set-status", status: "completed" })).toStrictEqual([
      { type: "status.set", data: { status: "completed" } },
    ]);
    expect(decided({ type: "set-status", status: "deleted" })).toStrictEqual([
      { type: "session.deleted", data: {} },
    ]);
  });
});

describe("routes", () => {
  const route = { id: "r", title: "R" };
  const step = { id: "one" };

  test("are entered, with a step or without", () => {
    expect(decided({ type: "enter-route", route })).toStrictEqual([
      { type: "route.entered", data: { route } },
    ]);
    expect(decided({ type: "enter-route", route, step })).toStrictEqual([
      { type: "route.entered", data: { route, step } },
    ]);
  });

  test("a step is entered on a route only", () => {
    expect(decided({ type: "enter-step", step }, recordAfter({ type: "enter-route", route }))).toStrictEqual([
      { type: "step.entered", data: { step } },
    ]);
    const error = refusalOf(() => decided({ type: "enter-step", step }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", sessionId: "s" });
    expect(error.message).toBe(
      'session "s" is on no route, so it cannot enter step "one"; call enterRoute first',
    );
  });

  test("one is completed by its name, or the one that is on", () => {
    const on = recordAfter({ type: "enter-route", route });
    const completed = [{ type: "route.completed", data: { routeId: "r" } }];
    expect(decided({ type: "complete-route" }, on)).toStrictEqual(completed);
    expect(decided({ type: "complete-route", routeId: "r" }, on)).toStrictEqual(completed);
    const left = recordAfter({ type: "enter-route", route }, { type: "enter-route", route: { id: "q" } });
    expect(decided({ type: "complete-route", routeId: "r" }, left)).toStrictEqual(completed);
    // It was entered so long ago that the record no longer lists it.
    expect(decided({ type: "complete-route" }, { ...on, routeHistory: [] })).toStrictEqual(completed);
  });

  test("one that is completed already is left, and one never entered refused", () => {
    const done = recordAfter({ type: "enter-route", route }, { type: "complete-route" });
    expect(decided({ type: "complete-route", routeId: "r" }, done)).toStrictEqual([]);
    const none = refusalOf(() => decided({ type: "complete-route" }, done));
    expect(none).toMatchObject({ code: "INVALID_ARGUMENT", sessionId: "s" });
    expect(none.message).toBe('session "s" is on no route; name the route to complete');
    const other = refusalOf(() => decided({ type: "complete-route", routeId: "q" }, done));
    expect(other).toMatchObject({ code: "INVALID_ARGUMENT", sessionId: "s" });
    expect(other.message).toBe('session "s" never entered route "q"');
  });
});

describe("turns", () => {
  const start: Command = { type: "start-turn", turnId: "t2", owner: "me", leaseMs: 100 };
  /** A turn of another worker whose lease ends at `until`. */
  const turnUntil = (until: number): SessionRecord => ({
    ...fresh,
    turn: { id: "t1", owner: "other", until, startedAt: 1, seq: 2 },
  });

  test("start where none is under way, for so long", () => {
    expect(decided(start)).toStrictEqual([
      { type: "turn.started", data: { turnId: "t2", owner: "me", until: NOW_MS + 100 } },
    ]);
  });

  test("a lease that runs is respected to its last millisecond", () => {
    const commands: Command[] = [
      start,
      { type: "resume-turn", owner: "me", leaseMs: 5 },
      { type: "interrupt-turn" },
    ];
    for (const command of commands) {
      const error = refusalOf(() => decided(command, turnUntil(NOW_MS + 1)));
      expect(error).toMatchObject({ code: "TURN_IN_PROGRESS", sessionId: "s", retryable: true });
      expect(error.message).toBe(
        'session "s" is in a turn of "other" for at most 1 ms more; try again after it',
      );
    }
  });

  test("one whose lease ran out is interrupted by the next, or taken over", () => {
    const over = turnUntil(NOW_MS);
    expect(decided(start, over)).toStrictEqual([
      { type: "turn.ended", data: { turnId: "t1", outcome: "interrupted", reason: "its lease ran out" } },
      { type: "turn.started", data: { turnId: "t2", owner: "me", until: NOW_MS + 100 } },
    ]);
    expect(decided({ type: "resume-turn", owner: "me", leaseMs: 5 }, over)).toStrictEqual([
      { type: "turn.extended", data: { turnId: "t1", owner: "me", until: NOW_MS + 5 } },
    ]);
    expect(decided({ type: "interrupt-turn" }, over)).toStrictEqual([
      { type: "turn.ended", data: { turnId: "t1", outcome: "interrupted", reason: "it was abandoned" } },
    ]);
  });

  test("the owner may resume while the lease runs", () => {
    expect(decided({ type: "resume-turn", owner: "other", leaseMs: 5 }, turnUntil(NOW_MS + 9))).toStrictEqual(
      [{ type: "turn.extended", data: { turnId: "t1", owner: "other", until: NOW_MS + 5 } }],
    );
  });

  test("where there is none, there is nothing to resume or to interrupt", () => {
    const error = refusalOf(() => decided({ type: "resume-turn", owner: "me", leaseMs: 5 }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", sessionId: "s" });
    expect(error.message).toBe('session "s" has no turn to resume; start one');
    expect(decided({ type: "interrupt-turn" })).toStrictEqual([]);
  });

  test("one goes on and ends by its id, also past its lease", () => {
    for (const until of [NOW_MS - 1, NOW_MS + 1]) {
      expect(
        decided({ type: "extend-turn", turnId: "t1", owner: "other", leaseMs: 5 }, turnUntil(until)),
      ).toStrictEqual([{ type: "turn.extended", data: { turnId: "t1", owner: "other", until: NOW_MS + 5 } }]);
      expect(
        decided({ type: "end-turn", turnId: "t1", outcome: "completed" }, turnUntil(until)),
      ).toStrictEqual([{ type: "turn.ended", data: { turnId: "t1", outcome: "completed" } }]);
    }
    expect(
      decided({ type: "end-turn", turnId: "t1", outcome: "failed", reason: "no luck" }, turnUntil(NOW_MS)),
    ).toStrictEqual([{ type: "turn.ended", data: { turnId: "t1", outcome: "failed", reason: "no luck" } }]);
  });

  test("a worker whose turn was taken over is told to stop", () => {
    const commands: Command[] = [
      { type: "extend-turn", turnId: "t0", owner: "me", leaseMs: 5 },
      { type: "end-turn", turnId: "t0", outcome: "completed" },
    ];
    for (const command of commands) {
      for (const record of [fresh, turnUntil(NOW_MS + 50)]) {
        const error = refusalOf(() => decided(command, record));
        expect(error).toMatchObject({ code: "TURN_IN_PROGRESS", sessionId: "s", retryable: false });
        expect(error.message).toContain('turn "t0" of session "s" is over or was taken over');
      }
    }
  });
});

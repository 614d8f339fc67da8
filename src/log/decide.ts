/**
 * @module
 * The decisions: record + command → entries, or a refusal. Pure: the time and every id come in with the command.
 *
 * A command carries what its caller's words were resolved to (positions, counts, restored conversations), because
 * finding those takes reading the log; whether it may happen is decided here, against the newest record.
 */
import type { EntryData, EntryDraft, StoredObject, TurnOutcome } from "./entry.ts";
import { HoldfastError, invalidArgument } from "./errors.ts";
import type {
  ActiveTurn,
  Conversation,
  RouteReference,
  SessionRecord,
  SessionStatus,
  StepReference,
  Usage,
} from "./record.ts";
import { isHeld } from "./record.ts";

/** A message to append. `id`: its caller's id for it, where there is one. */
export interface NewMessage {
  readonly id?: string;
  readonly message: StoredObject;
}

export type Command =
  | { readonly type: "create"; readonly session: NewSession }
  | {
      readonly type: "append";
      readonly messages: readonly NewMessage[];
      readonly usage?: Partial<Usage>;
      /** Taken as the label where the session has none. */
      readonly labelIfNone?: string;
      readonly turnId?: string;
      /** Ends the turn, or gives its lease back, with what is appended. */
      readonly closing?: "end" | "park";
      readonly operation?: { readonly id: string; readonly digest: string };
    }
  | { readonly type: "revise"; readonly seq: number; readonly message: StoredObject }
  | { readonly type: "remove"; readonly seq: number }
  | { readonly type: "clear" }
  | {
      readonly type: "set-messages";
      readonly removed: readonly number[];
      readonly revised: readonly Revision[];
      readonly added: readonly NewMessage[];
      /** Taken as the label where the session has none. */
      readonly labelIfNone?: string;
    }
  | { readonly type: "rewind"; readonly to: number; readonly restored: Conversation }
  | { readonly type: "compact"; readonly upTo: number; readonly messages: readonly StoredObject[] }
  | { readonly type: "patch-data"; readonly patch: StoredObject; readonly route?: string }
  | { readonly type: "replace-data"; readonly data: StoredObject; readonly dataVersion?: number }
  | { readonly type: "clear-data" }
  | { readonly type: "enter-route"; readonly route: RouteReference; readonly step?: StepReference }
  | { readonly type: "enter-step"; readonly step: StepReference }
  | { readonly type: "complete-route"; readonly routeId?: string }
  | { readonly type: "patch-metadata"; readonly patch: StoredObject }
  | { readonly type: "rename"; readonly label: string }
  | { readonly type: "set-status"; readonly status: SessionStatus }
  | { readonly type: "set-expiry"; readonly expiresAt?: number }
  | { readonly type: "set-state"; readonly slot: string; readonly value?: unknown }
  | { readonly type: "add-usage"; readonly usage: Partial<Usage>; readonly operationId?: string }
  | {
      readonly type: "start-turn";
      readonly turnId: string;
      readonly owner: string;
      readonly leaseMs: number;
      readonly messages?: readonly NewMessage[];
      /** Taken as the label where the session has none. */
      readonly labelIfNone?: string;
    }
  | { readonly type: "resume-turn"; readonly owner: string; readonly leaseMs: number }
  | {
      readonly type: "extend-turn";
      readonly turnId: string;
      readonly owner: string;
      readonly leaseMs: number;
    }
  | {
      readonly type: "end-turn";
      readonly turnId: string;
      readonly outcome: TurnOutcome;
      readonly reason?: string;
    }
  | { readonly type: "interrupt-turn" }
  | { readonly type: "checkpoint"; readonly name: string; readonly metadata?: StoredObject }
  | { readonly type: "note"; readonly entries: readonly EntryDraft[] }
  | { readonly type: "delete" }
  | {
      readonly type: "erase-lineage";
      readonly id: string;
      readonly count: number;
      /** Messages that only the erased entries hid: they stay hidden. */
      readonly removed?: readonly number[];
    };

/** When a decision is made: the time, and the version that the commit under way will have. */
export interface Moment {
  readonly nowMs: number;
  readonly version: number;
}

export interface Revision {
  readonly seq: number;
  readonly message: StoredObject;
}

export type NewSession = EntryData["session.created"] & {
  readonly data?: StoredObject;
  readonly messages?: readonly NewMessage[];
};

/**
 * The entries that `command` leads to, none where it changes nothing.
 *
 * @throws SESSION_EXISTS, SESSION_NOT_FOUND, SESSION_DELETED, SESSION_HELD, TURN_IN_PROGRESS or INVALID_ARGUMENT where it
 *   may not happen.
 */
export function decide(
  record: SessionRecord | undefined,
  command: Command,
  moment: Moment,
): readonly EntryDraft[] {
  if (command.type === "create") {
    if (record === undefined) return create(command.session);
    throw new HoldfastError(
      "SESSION_EXISTS",
      record.status === "deleted"
        ? `session ${quote(record.id)} was deleted and is kept for its forks only; use another id, or erase it first`
        : `session ${quote(record.id)} exists already; open it, or use another id`,
      { sessionId: record.id },
    );
  }
  if (record === undefined)
    throw new HoldfastError("SESSION_NOT_FOUND", "the session does not exist; create it first");
  if (command.type === "erase-lineage") {
    const inherits = record.lineage.some((part) => part.id === command.id && !part.erased);
    if (!inherits && record.parentId !== command.id) return [];
    if (inherits) requireNoHold(record, moment.nowMs);
    const { id, count, removed = [] } = command;
    return [
      ...removed.map((seq) => draft("message.removed", { seq })),
      draft("lineage.erased", { id, count }),
    ];
  }
  if (record.status === "deleted") {
    if (command.type === "delete") return [];
    throw new HoldfastError(
      "SESSION_DELETED",
      `session ${quote(record.id)} was deleted; nothing more can be written to it`,
      {
        sessionId: record.id,
      },
    );
  }
  return change(record, command, moment);
}

function create(session: NewSession): EntryDraft[] {
  const { data, messages = [], ...rest } = session;
  return [
    { type: "session.created", data: rest },
    ...(data && Object.keys(data).length > 0 ? [draft("data.replaced", { data })] : []),
    ...messages.map((item) => messageDraft(item)),
  ];
}

type Change = Exclude<Command, { type: "create" | "erase-lineage" }>;

function change(record: SessionRecord, command: Change, moment: Moment): readonly EntryDraft[] {
  const { nowMs } = moment;
  switch (command.type) {
    case "append":
      if (command.turnId !== undefined) requireTurn(record, command.turnId);
      return append(record, command, moment);
    case "revise":
      return [draft("message.revised", { seq: command.seq, message: command.message })];
    case "remove":
      return [draft("message.removed", { seq: command.seq })];
    case "clear":
      return record.messageCount === 0 ? [] : [draft("messages.cleared", { count: record.messageCount })];
    case "set-messages":
      return [
        ...command.removed.map((seq) => draft("message.removed", { seq })),
        ...command.revised.map((revision) => draft("message.revised", revision)),
        ...command.added.map((item) => messageDraft(item)),
        ...labelDrafts(record, command.labelIfNone),
      ];
    case "rewind":
      return rewind(record, command);
    case "compact":
      return [draft("history.compacted", { upTo: command.upTo, messages: command.messages })];
    case "patch-data":
      return [
        draft("data.patched", {
          patch: command.patch,
          ...(command.route !== undefined && { route: command.route }),
        }),
      ];
    case "replace-data": {
      const { data, dataVersion } = command;
      return [draft("data.replaced", { data, ...(dataVersion !== undefined && { dataVersion }) })];
    }
    case "clear-data":
      return [draft("data.cleared", {})];
    case "enter-route":
      return [draft("route.entered", { route: command.route, ...(command.step && { step: command.step }) })];
    case "enter-step":
      return enterStep(record, command.step);
    case "complete-route":
      return completeRoute(record, command.routeId);
    case "patch-metadata":
      return [draft("metadata.patched", { patch: command.patch })];
    case "rename":
      return command.label === record.label
        ? []
        : [draft("label.set", { label: command.label, automatic: false })];
    case "set-status":
      if (command.status === "deleted") requireNoHold(record, nowMs);
      return setStatus(record, command.status);
    case "set-expiry":
      return [draft("expiry.set", command.expiresAt === undefined ? {} : { expiresAt: command.expiresAt })];
    case "set-state":
      return [
        draft("state.set", {
          slot: command.slot,
          ...(command.value !== undefined && { value: command.value }),
        }),
      ];
    case "add-usage":
      return [
        {
          type: "usage.added",
          data: { usage: command.usage },
          ...(command.operationId !== undefined && { id: command.operationId }),
        },
      ];
    case "start-turn":
      return startTurn(record, command, nowMs);
    case "resume-turn":
      return resumeTurn(record, command, nowMs);
    case "extend-turn":
      requireTurn(record, command.turnId);
      return [
        draft("turn.extended", {
          turnId: command.turnId,
          owner: command.owner,
          until: nowMs + command.leaseMs,
        }),
      ];
    case "end-turn":
      requireTurn(record, command.turnId);
      return [endTurn(command.turnId, command.outcome, command.reason)];
    case "interrupt-turn":
      if (record.turn && record.turn.until > nowMs) throw turnInProgress(record.id, record.turn, nowMs);
      return record.turn ? [endTurn(record.turn.id, "interrupted", "it was abandoned")] : [];
    case "checkpoint":
      return [
        draft("checkpoint.created", {
          name: command.name,
          ...(command.metadata && { metadata: command.metadata }),
        }),
      ];
    case "note":
      return command.entries;
    case "delete":
      requireNoHold(record, nowMs);
      return [draft("session.deleted", {})];
  }
}

function append(
  record: SessionRecord,
  command: Extract<Command, { type: "append" }>,
  moment: Moment,
): EntryDraft[] {
  const { messages, operation, usage, labelIfNone, turnId = "", closing } = command;
  if (messages.length === 0 && !usage && !closing) return [];
  return [
    ...(operation
      ? [
          {
            id: operation.id,
            type: "operation.applied" as const,
            data: { digest: operation.digest, count: messages.length, version: moment.version },
          },
        ]
      : []),
    ...messages.map((item) => messageDraft(item, command.turnId)),
    ...(usage ? [draft("usage.added", { usage })] : []),
    ...labelDrafts(record, labelIfNone),
    ...(closing === "end" ? [endTurn(turnId, "completed")] : []),
    ...(closing === "park" && record.turn
      ? [draft("turn.extended", { turnId, owner: record.turn.owner, until: moment.nowMs })]
      : []),
  ];
}

function labelDrafts(record: SessionRecord, label: string | undefined): EntryDraft[] {
  return label === undefined || record.label !== undefined
    ? []
    : [draft("label.set", { label, automatic: true })];
}

function rewind(record: SessionRecord, command: Extract<Command, { type: "rewind" }>): EntryDraft[] {
  const { to, restored } = command;
  if (to > record.seq) {
    throw invalidArgument(
      `cannot rewind session ${quote(record.id)} to position ${to}: its newest is ${record.seq}`,
      record.id,
    );
  }
  if (to === record.seq) return [];
  return [
    draft("history.rewound", {
      to,
      count: Math.max(0, record.messageCount - restored.messageCount),
      restored,
    }),
  ];
}

function enterStep(record: SessionRecord, step: StepReference): EntryDraft[] {
  if (!record.route) {
    throw invalidArgument(
      `session ${quote(record.id)} is on no route, so it cannot enter step ${quote(step.id)}; call enterRoute first`,
      record.id,
    );
  }
  return [draft("step.entered", { step })];
}

function completeRoute(record: SessionRecord, routeId = record.route?.id): EntryDraft[] {
  if (routeId === undefined) {
    throw invalidArgument(
      `session ${quote(record.id)} is on no route; name the route to complete`,
      record.id,
    );
  }
  const open = record.routeHistory.some((item) => item.route === routeId && item.completedAt === undefined);
  if (open || record.route?.id === routeId) return [draft("route.completed", { routeId })];
  if (record.routeHistory.some((item) => item.route === routeId)) return [];
  throw invalidArgument(`session ${quote(record.id)} never entered route ${quote(routeId)}`, record.id);
}

function setStatus(record: SessionRecord, status: SessionStatus): EntryDraft[] {
  if (status === "deleted") return [draft("session.deleted", {})];
  return status === record.status ? [] : [draft("status.set", { status })];
}

function startTurn(
  record: SessionRecord,
  command: Extract<Command, { type: "start-turn" }>,
  nowMs: number,
): EntryDraft[] {
  const { turnId, owner, leaseMs, messages = [], labelIfNone } = command;
  const { turn } = record;
  if (turn && turn.until > nowMs) throw turnInProgress(record.id, turn, nowMs);
  return [
    ...(turn ? [endTurn(turn.id, "interrupted", "its lease ran out")] : []),
    draft("turn.started", { turnId, owner, until: nowMs + leaseMs }),
    ...messages.map((item) => messageDraft(item, turnId)),
    ...labelDrafts(record, labelIfNone),
  ];
}

function resumeTurn(
  record: SessionRecord,
  command: Extract<Command, { type: "resume-turn" }>,
  nowMs: number,
): EntryDraft[] {
  const { turn } = record;
  if (!turn) throw invalidArgument(`session ${quote(record.id)} has no turn to resume; start one`, record.id);
  if (turn.until > nowMs && turn.owner !== command.owner) throw turnInProgress(record.id, turn, nowMs);
  return [draft("turn.extended", { turnId: turn.id, owner: command.owner, until: nowMs + command.leaseMs })];
}

function requireNoHold(record: SessionRecord, nowMs: number): void {
  if (!isHeld(record, nowMs)) return;
  throw new HoldfastError(
    "SESSION_HELD",
    `session ${quote(record.id)} is under a legal hold; nothing of it goes before that is released`,
    { sessionId: record.id },
  );
}

function requireTurn(record: SessionRecord, turnId: string): void {
  if (record.turn?.id === turnId) return;
  throw new HoldfastError(
    "TURN_IN_PROGRESS",
    `turn ${quote(turnId)} of session ${quote(record.id)} is over or was taken over by another worker; stop this worker, what it wrote before is kept`,
    { sessionId: record.id, retryable: false },
  );
}

function turnInProgress(sessionId: string, turn: ActiveTurn, nowMs: number): HoldfastError {
  return new HoldfastError(
    "TURN_IN_PROGRESS",
    `session ${quote(sessionId)} is in a turn of ${quote(turn.owner)} for at most ${turn.until - nowMs} ms more; try again after it`,
    { sessionId },
  );
}

function endTurn(turnId: string, outcome: TurnOutcome, reason?: string): EntryDraft {
  return draft("turn.ended", { turnId, outcome, ...(reason !== undefined && { reason }) });
}

function messageDraft(item: NewMessage, turnId?: string): EntryDraft {
  return {
    type: "message",
    data: { message: item.message, ...(turnId !== undefined && { turnId }) },
    ...(item.id !== undefined && { id: item.id }),
  };
}

/** Pairs a type with its data, so that the compiler checks one against the other. */
function draft<T extends Exclude<EntryDraft["type"], `x.${string}`>>(
  type: T,
  data: Extract<EntryDraft, { type: T }>["data"],
): Extract<EntryDraft, { type: T }>;
function draft(type: string, data: unknown): unknown {
  return { type, data };
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/**
 * @module
 * What a session should be, kept in the plainest way: arrays and copies. It knows nothing of entries; random commands
 * are done to it and to the log, and both must agree.
 */
import type { Command, NewMessage } from "../../src/log/decide.ts";
import type { StoredObject } from "../../src/log/entry.ts";
import type { HoldfastErrorCode } from "../../src/log/errors.ts";
import type { SessionRecord, SessionStatus } from "../../src/log/record.ts";
import { conversationOf, EMPTY_CONVERSATION } from "../../src/log/record.ts";

export interface ModelMessage {
  /** Unknown until the log has given it a place. */
  seq: number;
  message: StoredObject;
}

type Dictionary = Record<string, unknown>;

/** What a rewind takes back. */
export interface Point {
  messages: ModelMessage[];
  data: Dictionary;
  dataVersion: number;
  dataByRoute: Record<string, Dictionary>;
  route: string | undefined;
  step: string | undefined;
  routes: { id: string; done: boolean }[];
  state: Dictionary;
  compactedUpTo: number | undefined;
}

export interface Model {
  point: Point;
  label: string | undefined;
  status: SessionStatus;
  metadata: Dictionary;
  tokens: number;
  expiresAt: number | undefined;
  turn: { id: string; owner: string; until: number } | undefined;
}

/** One random step: what to do, and numbers and words to do it with. */
export interface Step {
  readonly kind: (typeof STEP_KINDS)[number];
  readonly n: number;
  readonly texts: readonly string[];
  readonly word: string;
  readonly flag: boolean;
  readonly waitMs: number;
}

export const STEP_KINDS = [
  "append",
  "revise",
  "remove",
  "clear",
  "set",
  "rewind",
  "compact",
  "patch",
  "replace",
  "clear-data",
  "enter-route",
  "enter-step",
  "complete-route",
  "metadata",
  "rename",
  "status",
  "expiry",
  "state",
  "usage",
  "start",
  "resume",
  "extend",
  "end",
  "interrupt",
  "checkpoint",
  "note",
  "fork",
] as const;

export function newModel(): Model {
  return {
    point: {
      messages: [],
      data: {},
      dataVersion: 1,
      dataByRoute: {},
      route: undefined,
      step: undefined,
      routes: [],
      state: {},
      compactedUpTo: undefined,
    },
    label: undefined,
    status: "active",
    metadata: {},
    tokens: 0,
    expiresAt: undefined,
    turn: undefined,
  };
}

export function messagesOf(texts: readonly string[]): NewMessage[] {
  return texts.map((content) => ({ message: { role: "user", content } }));
}

/** A step as a command, and what it does to the model: a refusal, or how many messages it adds. */
export interface Planned {
  readonly command: Command;
  readonly refused?: HoldfastErrorCode;
  readonly apply: () => void;
}

export function plan(model: Model, { kind, n, texts, word, flag }: Step, nowMs: number): Planned | undefined {
  const { point } = model;
  const chosen = point.messages[n % Math.max(1, point.messages.length)];
  const lives = model.turn !== undefined && model.turn.until > nowMs;
  const owner = flag ? "worker-1" : "worker-2";
  switch (kind) {
    case "append":
      return {
        command: {
          type: "append",
          messages: messagesOf(texts),
          ...(flag && { usage: { inputTokens: n }, labelIfNone: word }),
          ...(n % 3 === 0 && { operation: { id: `operation-${nowMs}`, digest: word } }),
        },
        apply: () => {
          if (texts.length === 0 && !flag) return;
          if (flag) {
            model.tokens += n;
            model.label ??= word;
          }
          point.messages.push(...messagesOf(texts).map(({ message }) => ({ seq: 0, message })));
        },
      };
    case "revise":
      if (!chosen) return undefined;
      return {
        command: { type: "revise", seq: chosen.seq, message: { role: "user", content: word } },
        apply: () => {
          chosen.message = { role: "user", content: word };
        },
      };
    case "remove":
      if (!chosen) return undefined;
      return {
        command: { type: "remove", seq: chosen.seq },
        apply: () => {
          point.messages = point.messages.filter((one) => one !== chosen);
        },
      };
    case "clear":
      return {
        command: { type: "clear" },
        apply: () => {
          if (point.messages.length === 0) return;
          point.messages = [];
          point.compactedUpTo = undefined;
        },
      };
    case "compact":
      if (!chosen) return undefined;
      return {
        command: { type: "compact", upTo: chosen.seq, messages: [{ role: "system", content: word }] },
        apply: () => {
          point.compactedUpTo = chosen.seq;
        },
      };
    case "patch":
      return {
        command: { type: "patch-data", patch: { [word]: n }, ...(flag && { route: word }) },
        apply: () => {
          point.data = { ...point.data, [word]: n };
          if (!flag) return;
          const own = Object.hasOwn(point.dataByRoute, word) ? point.dataByRoute[word] : {};
          point.dataByRoute = { ...point.dataByRoute, [word]: { ...own, [word]: n } };
        },
      };
    case "replace":
      return {
        command: { type: "replace-data", data: { [word]: n }, ...(flag && { dataVersion: 1 + (n % 3) }) },
        apply: () => {
          point.data = { [word]: n };
          if (flag) point.dataVersion = 1 + (n % 3);
        },
      };
    case "clear-data":
      return {
        command: { type: "clear-data" },
        apply: () => {
          point.data = {};
          point.dataByRoute = {};
        },
      };
    case "enter-route":
      return {
        command: { type: "enter-route", route: { id: word }, ...(flag && { step: { id: "first" } }) },
        apply: () => {
          point.route = word;
          point.step = flag ? "first" : undefined;
          point.routes.push({ id: word, done: false });
        },
      };
    case "enter-step":
      return {
        command: { type: "enter-step", step: { id: word } },
        ...(point.route === undefined && { refused: "INVALID_ARGUMENT" as const }),
        apply: () => {
          point.step = word;
        },
      };
    case "complete-route": {
      const id = flag ? word : point.route;
      const known = point.routes.some((route) => route.id === id);
      return {
        command: { type: "complete-route", ...(flag && { routeId: word }) },
        ...(!known && { refused: "INVALID_ARGUMENT" as const }),
        apply: () => {
          const open = point.routes.findLast((route) => route.id === id && !route.done);
          if (open) open.done = true;
          if (point.route !== id) return;
          point.route = undefined;
          point.step = undefined;
        },
      };
    }
    case "metadata":
      return {
        command: { type: "patch-metadata", patch: { [word]: n } },
        apply: () => {
          model.metadata = { ...model.metadata, [word]: n };
        },
      };
    case "rename":
      return {
        command: { type: "rename", label: word },
        apply: () => {
          model.label = word;
        },
      };
    case "status": {
      const status = (["active", "completed", "abandoned"] as const)[n % 3] ?? "active";
      return {
        command: { type: "set-status", status },
        apply: () => {
          model.status = status;
        },
      };
    }
    case "expiry":
      return {
        command: { type: "set-expiry", ...(flag && { expiresAt: n }) },
        apply: () => {
          model.expiresAt = flag ? n : undefined;
        },
      };
    case "state":
      return {
        command: { type: "set-state", slot: word, ...(flag && { value: n }) },
        apply: () => {
          const { [word]: _old, ...others } = point.state;
          point.state = flag ? { ...others, [word]: n } : others;
        },
      };
    case "usage":
      return {
        command: { type: "add-usage", usage: { outputTokens: n } },
        apply: () => {
          model.tokens += n;
        },
      };
    case "start":
      return {
        command: { type: "start-turn", turnId: word, owner, leaseMs: n },
        ...(lives && { refused: "TURN_IN_PROGRESS" as const }),
        apply: () => {
          model.turn = { id: word, owner, until: nowMs + n };
        },
      };
    case "resume": {
      const { turn } = model;
      const refused = !turn
        ? "INVALID_ARGUMENT"
        : lives && turn.owner !== owner
          ? "TURN_IN_PROGRESS"
          : undefined;
      return {
        command: { type: "resume-turn", owner, leaseMs: n },
        ...(refused !== undefined && { refused }),
        apply: () => {
          if (turn) model.turn = { id: turn.id, owner, until: nowMs + n };
        },
      };
    }
    case "extend":
      return {
        command: { type: "extend-turn", turnId: word, owner, leaseMs: n },
        ...(model.turn?.id !== word && { refused: "TURN_IN_PROGRESS" as const }),
        apply: () => {
          model.turn = { id: word, owner, until: nowMs + n };
        },
      };
    case "end":
      return {
        command: { type: "end-turn", turnId: word, outcome: "completed" },
        ...(model.turn?.id !== word && { refused: "TURN_IN_PROGRESS" as const }),
        apply: () => {
          model.turn = undefined;
        },
      };
    case "interrupt":
      return {
        command: { type: "interrupt-turn" },
        ...(lives && { refused: "TURN_IN_PROGRESS" as const }),
        apply: () => {
          model.turn = undefined;
        },
      };
    case "checkpoint":
      return { command: { type: "checkpoint", name: word }, apply: () => undefined };
    case "note":
      return {
        command: { type: "note", entries: texts.map((data) => ({ type: "x.note" as const, data })) },
        apply: () => undefined,
      };
    case "set":
    case "rewind":
    case "fork":
      return undefined;
  }
}

/** The model's side of what a record says. */
export function expectedRecord({ point, ...model }: Model): object {
  return {
    messageCount: point.messages.length,
    data: point.data,
    dataVersion: point.dataVersion,
    dataByRoute: point.dataByRoute,
    route: point.route,
    step: point.step,
    routes: point.routes,
    state: point.state,
    compactedUpTo: point.compactedUpTo,
    label: model.label,
    status: model.status,
    metadata: model.metadata,
    tokens: model.tokens,
    expiresAt: model.expiresAt,
    turn: model.turn,
  };
}

/** The record's side of the same. */
export function actualRecord(record: SessionRecord): object {
  const { route, step, turn } = record;
  return {
    messageCount: record.messageCount,
    data: record.data,
    dataVersion: record.dataVersion,
    dataByRoute: record.dataByRoute,
    route: route?.id,
    step: step?.id,
    routes: record.routeHistory.map((item) => ({ id: item.route, done: item.completedAt !== undefined })),
    state: record.state,
    compactedUpTo: record.compactedUpTo,
    label: record.label,
    status: record.status,
    metadata: record.metadata,
    tokens: record.usage.totalTokens,
    expiresAt: record.expiresAt,
    turn: turn && { id: turn.id, owner: turn.owner, until: turn.until },
  };
}

/** What a rewind or a fork to `record`'s place takes over. */
export function restoredFrom(record: SessionRecord | undefined): ReturnType<typeof conversationOf> {
  return record ? conversationOf(record) : EMPTY_CONVERSATION;
}

/**
 * @module
 * The record: what is known of a session without reading its log. A fold of the log, kept beside it.
 */

export type SessionKind = "session" | "fork" | "child";
export type SessionStatus = "active" | "completed" | "abandoned" | "deleted";

/** A stretch of another session's log that a fork inherits: its entries up to and including `upTo`. */
export interface LineagePart {
  readonly id: string;
  readonly upTo: number;
  /** The entries were erased for good; the stretch keeps its place so that positions stay as they were. */
  readonly erased?: true;
}

/** Tokens and money spent. Counts are whole numbers, `costUsd` is US dollars. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens?: number;
  readonly reasoningTokens?: number;
  readonly totalTokens: number;
  readonly costUsd?: number;
}

export type RouteReference = { readonly id: string; readonly title?: string };
export type StepReference = { readonly id: string };

export interface RouteHistoryItem {
  readonly route: string;
  readonly title?: string;
  readonly enteredAt: number;
  readonly completedAt?: number;
}

/** A turn that was started and has not ended. Its lease runs until `until` (epoch milliseconds). */
export interface ActiveTurn {
  readonly id: string;
  readonly owner: string;
  readonly until: number;
  readonly startedAt: number;
  /** The position of the entry that started it. */
  readonly seq: number;
}

/**
 * A legal hold: until it is lifted, or until `until` has passed, the session can't be deleted, erased, pruned, and does
 * not expire. `expiresAt`: when the session would expire without it.
 */
export interface Hold {
  readonly reason: string;
  readonly since: number;
  readonly until?: number;
  readonly expiresAt?: number;
}

/** The part of a record that belongs to a point of the conversation: what a fork takes over and a rewind restores. */
export interface Conversation {
  readonly messageCount: number;
  readonly lastMessageAt?: number;
  readonly data: Readonly<Record<string, unknown>>;
  /** The version of the schema that `data` has. Absent: the one that the record has. */
  readonly dataVersion?: number;
  readonly dataByRoute: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly route?: RouteReference;
  readonly step?: StepReference;
  readonly routeHistory: readonly RouteHistoryItem[];
  readonly state: Readonly<Record<string, unknown>>;
  readonly compactedUpTo?: number;
  /**
   * The newest entry that changes how messages before it read: a revision, removal, clear or rewind. Absent: all read as
   * they were appended, so nobody need look for such entries.
   */
  readonly revisedUpTo?: number;
}

/**
 * All that is known of a session without reading its log.
 *
 * `version` counts commits and is the compare-and-set token; `seq` counts entries. Times are epoch milliseconds.
 * `routeHistory` holds the newest {@link ROUTE_HISTORY_LIMIT} routes; the log holds them all.
 */
export interface SessionRecord<D extends object = Record<string, unknown>> {
  readonly id: string;
  readonly namespace: string;
  readonly version: number;
  readonly seq: number;
  readonly kind: SessionKind;
  readonly parentId?: string;
  /** Root first. Own entries are those past the last part's `upTo`. */
  readonly lineage: readonly LineagePart[];
  readonly userId?: string;
  readonly agent?: string;
  readonly label?: string;
  readonly status: SessionStatus;
  readonly messageCount: number;
  readonly lastMessageAt?: number;
  readonly usage: Usage;
  readonly data: Readonly<Partial<D>>;
  readonly dataByRoute: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly route?: RouteReference;
  readonly step?: StepReference;
  readonly routeHistory: readonly RouteHistoryItem[];
  readonly state: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly turn?: ActiveTurn;
  readonly compactedUpTo?: number;
  readonly revisedUpTo?: number;
  readonly dataVersion: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly completedAt?: number;
  /** While a hold keeps the session, this is never before its end: absent, where it has none. */
  readonly expiresAt?: number;
  readonly hold?: Hold;
}

/** How many routes a record remembers, so that its size does not grow with the history. */
export const ROUTE_HISTORY_LIMIT = 100;

export const NO_USAGE: Usage = Object.freeze({ inputTokens: 0, outputTokens: 0, totalTokens: 0 });
export const EMPTY_CONVERSATION: Conversation = Object.freeze({
  messageCount: 0,
  data: Object.freeze({}),
  dataByRoute: Object.freeze({}),
  routeHistory: Object.freeze([]),
  state: Object.freeze({}),
});

/** The part of `record` that belongs to this point of the conversation. */
export function conversationOf(record: Pick<SessionRecord, keyof Conversation>): Conversation {
  const { messageCount, lastMessageAt, data, dataVersion, dataByRoute } = record;
  const { route, step, routeHistory, state, compactedUpTo, revisedUpTo } = record;
  return {
    messageCount,
    ...(lastMessageAt !== undefined && { lastMessageAt }),
    data,
    dataVersion,
    dataByRoute,
    ...(route && { route }),
    ...(step && { step }),
    routeHistory,
    state,
    ...(compactedUpTo !== undefined && { compactedUpTo }),
    ...(revisedUpTo !== undefined && { revisedUpTo }),
  };
}

/** Whether the session's time was over at `nowMs`. An expired session is treated as absent. */
export function isExpired(record: Pick<SessionRecord, "expiresAt">, nowMs: number): boolean {
  return record.expiresAt !== undefined && record.expiresAt <= nowMs;
}

/** Whether a legal hold keeps the session at `nowMs`. */
export function isHeld({ hold }: Pick<SessionRecord, "hold">, nowMs: number): boolean {
  return hold !== undefined && (hold.until ?? Number.POSITIVE_INFINITY) > nowMs;
}

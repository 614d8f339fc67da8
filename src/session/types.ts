/**
 * @module
 * What users of Holdfast hold: many conversations (`Sessions`) and one of them (`Session`). `sessions.ts` and
 * `session.ts` make them.
 */
import type { Entry, TurnOutcome } from "../log/entry.ts";
import type { RouteReference, SessionRecord, SessionStatus, StepReference, Usage } from "../log/record.ts";
import type { StoredMessage } from "../log/transcript.ts";
import type { WindowOptions } from "../log/window.ts";
import type { Page, Removal, SearchHit, SessionQuery } from "../store/store.ts";
import type { EventName, Listener } from "./events.ts";
import type { AppendResult } from "./job.ts";

/** A part of a message's content. Parts of any framework fit. */
export type Part = { type: string; [key: string]: unknown } | ({ type: string } & object);

/** The default shape of a message; a message of the AI SDK fits. Any JSON-like object can be stored as given. */
export type Message = {
  role: "system" | "user" | "assistant" | "tool";
  content: string | Part[];
  name?: string;
};

/** What a session begins with. */
export interface SessionInit<M = Message, D extends object = Record<string, unknown>> {
  /** 1 to 512 bytes of any Unicode. Default: a new UUIDv7. */
  id?: string;
  userId?: string;
  agent?: string;
  label?: string;
  data?: Partial<D>;
  metadata?: Record<string, unknown>;
  messages?: readonly M[];
  /** The session counts as absent after this time, unless `touch` puts it off. */
  expiresInMs?: number;
}

export interface ForkOptions {
  /** The last position or message that the fork inherits. Default: the newest. */
  at?: number | { messageId: string };
  id?: string;
  /** Default: the label of the session that is forked. */
  label?: string;
  /** Default: the user of the session that is forked. */
  userId?: string;
}

export type SessionFilter = Omit<SessionQuery, "limit" | "cursor" | "order">;

/**
 * Which sessions to remove. All conditions must hold. What has expired is removed in any case; what is under a legal hold
 * never is, and counts in `keepLast` as if it weren't.
 */
export interface PruneRule {
  /** Not updated for so long. */
  olderThanMs?: number;
  status?: Exclude<SessionStatus, "deleted">;
  /** Only sessions of this user, of this agent, with these values: alone they only narrow down what has expired. */
  userId?: string;
  agent?: string;
  metadata?: NonNullable<SessionQuery["metadata"]>;
  /** Keeps the most recently updated so many of those that the other conditions name. */
  keepLast?: number;
  /** Removes so many at most, not counting children. What is left is the next call's. */
  limit?: number;
  /** Begins with no other session after so long. */
  budgetMs?: number;
  /** Begins with no other session once it aborts. */
  signal?: AbortSignal;
  /** Removes nothing and says what would be removed. */
  dryRun?: boolean;
}

export interface PruneReport {
  /** The ids that were removed, or would be. */
  readonly removed: string[];
  /** How many of them had expired. */
  readonly expired: number;
  readonly dryRun: boolean;
  /** How many a legal hold kept; absent where it kept none. */
  readonly held?: number;
  /** `limit`, `budgetMs` or `signal` ended it before all was done. */
  readonly more?: true;
}

export interface EraseReport {
  readonly id: string;
  /** The sessions that were removed for good: this one, its child sessions, and what was kept for these only. */
  readonly sessions: string[];
  /** How many entries those held. */
  readonly entries: number;
  /** Forks that lost the part of their history that they inherited. */
  readonly heirs: string[];
  /** All that was removed, by what and where. */
  readonly removed: ErasedPart[];
}

/**
 * So many things of one kind that an erase removed. `indexes`: all rows that the engine had of so many sessions beside
 * their records and entries, for lists and for search. Blobs, keys and the like are what layers keep.
 */
export interface ErasedPart {
  readonly what: "entries" | "records" | "indexes" | Removal["what"];
  readonly count: number;
  /** The name of the store, or where a layer kept it. */
  readonly place: string;
}

/** Why sessions are held, and how long: `until` is a time in epoch milliseconds; absent: until it is released. */
export interface HoldOptions {
  /** Anybody who may read the session can read it: name the matter, not what it is about. */
  reason: string;
  until?: number;
}

export interface HoldReport {
  /** The sessions that are held, or were released: this one and its child sessions. */
  readonly sessions: string[];
}

/** Many conversations over one store. */
export interface Sessions<M = Message, D extends object = Record<string, unknown>> extends AsyncDisposable {
  /** @throws SESSION_EXISTS where `id` is taken. */
  create(init?: SessionInit<M, D>): Promise<Session<M, D>>;
  /** @throws SESSION_NOT_FOUND unless `create` is given. */
  open(id: string, options?: { create?: boolean | SessionInit<M, D> }): Promise<Session<M, D>>;
  /** Opens the session, or creates it where there is none. Without an id: a new session. */
  getOrCreate(id?: string, init?: SessionInit<M, D>): Promise<Session<M, D>>;
  /** The most recently updated session that matches; never a child. */
  latest(filter?: SessionFilter): Promise<Session<M, D> | undefined>;
  /**
   * A new session that inherits this one's history up to `at`. Nothing is copied.
   *
   * @throws SESSION_NOT_FOUND, INVALID_ARGUMENT where `at` names no place in its history, SESSION_EXISTS.
   */
  fork(id: string, options?: ForkOptions): Promise<Session<M, D>>;
  /** The record, or `undefined` where there is no such session. Throws where that can't be known. */
  find(id: string): Promise<SessionRecord<D> | undefined>;
  /** Newest first, a page at a time. */
  list(query?: SessionQuery): Promise<Page<SessionRecord<D>>>;
  /** Every record that matches, newest first; by creation unless told otherwise, so that a walk misses none. */
  all(query?: Omit<SessionQuery, "cursor">): AsyncIterable<SessionRecord<D>>;
  /** The user's most recently updated active session; never a child. */
  findActive(userId: string): Promise<SessionRecord<D> | undefined>;
  /** @throws UNSUPPORTED where the store can't search. */
  search(text: string, query?: SessionQuery): Promise<Page<SearchHit>>;
  rename(id: string, label: string): Promise<AppendResult>;
  setStatus(id: string, status: Exclude<SessionStatus, "deleted">): Promise<AppendResult>;
  /**
   * Removes the session; one that forks inherit from is hidden and kept for them, unless they go too
   * (`heirs: "cascade"`). Whether there was such a session.
   *
   * @throws SESSION_HELD
   */
  delete(id: string, options?: { heirs?: "keep" | "cascade" }): Promise<boolean>;
  /**
   * Removes the session for good: its child sessions too, and the messages of it that forks inherit. What a fork took over
   * besides (data, label, metadata) is the fork's own and stays, unless the forks go too (`heirs: "cascade"`).
   *
   * @throws SESSION_NOT_FOUND. SESSION_HELD, with nothing removed, where it, or what would go or lose with it, is held.
   */
  erase(id: string, options?: { heirs?: "keep" | "cascade" }): Promise<EraseReport>;
  /** Safe to run in many workers at once: what one of them renewed, held or went on with meanwhile stays. */
  prune(rule?: PruneRule): Promise<PruneReport>;
  /**
   * Places the session and its child sessions, also later ones, under a legal hold: nobody can delete, erase or prune
   * them, and they don't expire. Again with another reason or end: replaces the hold. Forks are sessions of their own.
   *
   * @throws SESSION_NOT_FOUND, INVALID_ARGUMENT; that also where these are one user's sessions.
   */
  hold(id: string, options: HoldOptions): Promise<HoldReport>;
  /** Lifts the hold, also from child sessions that are held for the same reason. What has expired meanwhile is absent. */
  release(id: string): Promise<HoldReport>;
  /** The session as lines of JSON, lossless, with what it inherits. */
  export(id: string): AsyncIterable<string>;
  /** @throws INVALID_ARGUMENT where the lines are no whole export, SESSION_EXISTS. */
  import(lines: Iterable<string> | AsyncIterable<string>, options?: { id?: string }): Promise<Session<M, D>>;
  /**
   * The same sessions, but only those of one user: others are not found, what is created is the user's, and events are
   * about these alone. Closing them saves what waits of the user's and closes this view; the store stays open.
   */
  forUser(userId: string): Sessions<M, D>;
  on<E extends EventName>(event: E, listener: Listener<E>): () => void;
  /** Finishes what is under way, saves what waits to be saved, and closes the store. */
  close(): Promise<void>;
}

export interface AppendOptions {
  /** An id for each message. Appending the same id with the same content again changes nothing. */
  ids?: string[];
  /** Makes the whole call safe to repeat: with the same id and content it takes place once. */
  operationId?: string;
  /** @throws VERSION_CONFLICT unless the session is at this version. */
  expectedVersion?: number;
  /** What the messages cost, added in the same commit. */
  usage?: Partial<Usage>;
}

export interface ContextOptions<M = Message> extends Omit<WindowOptions, "countTokens"> {
  countTokens?: (message: M) => number;
  /** Answers dangling tool calls and drops orphaned results, in the view only. Default true. */
  repair?: boolean;
}

export interface Checkpoint {
  readonly name: string;
  readonly seq: number;
  readonly at: number;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface TurnOptions<M = Message> {
  /** What a new turn begins with, such as the user's message: committed together with its start. */
  messages?: M | readonly M[];
  /** Who works on it, for the message that others get. Default: the process. */
  owner?: string;
  /** How long the turn is ours without a sign of life. Renewed while it runs. Default: the sessions' `leaseMs`. */
  leaseMs?: number;
  signal?: AbortSignal;
  /** Takes over the turn that a crashed worker left, instead of closing it as interrupted. */
  resume?: boolean;
}

/** One exchange: the user's input, what the model and its tools answer, and how it ended. */
export interface Turn<M = Message> {
  readonly id: string;
  readonly owner: string;
  /** Whether it was begun by another worker and taken over. */
  readonly resumed: boolean;
  /** Aborts when the caller's signal does, or when the turn is lost to another worker. */
  readonly signal: AbortSignal;
  /** Appends as `session.append` does. @throws TURN_IN_PROGRESS where the turn is no longer ours. */
  append(messages: M | readonly M[], options?: AppendOptions): Promise<AppendResult>;
  /** Appends the last messages and ends the turn, in one commit. */
  end(messages?: M | readonly M[], options?: AppendOptions): Promise<AppendResult>;
  /**
   * Appends messages and gives the lease back, in one commit: the turn stays open, and anybody may go on with it
   * (`resume: true`). For what waits for somebody, such as an approval.
   */
  park(messages?: M | readonly M[], options?: AppendOptions): Promise<AppendResult>;
}

/** One conversation. */
export interface Session<M = Message, D extends object = Record<string, unknown>> extends AsyncDisposable {
  readonly id: string;
  /** The newest record that this process knows, with what waits to be saved. */
  readonly record: SessionRecord<D>;
  readonly label: string | undefined;
  readonly status: SessionStatus;
  readonly usage: Usage;
  readonly data: Readonly<Partial<D>>;
  /** How many changes wait for `save()`. */
  readonly pending: number;
  /** Reads the record again, so that what others wrote is seen. */
  refresh(): Promise<SessionRecord<D>>;

  /** Appends in one atomic commit. @throws INVALID_ARGUMENT, ENTRY_TOO_LARGE, DUPLICATE_ENTRY, VERSION_CONFLICT */
  append(messages: M | readonly M[], options?: AppendOptions): Promise<AppendResult>;
  /** Same place, new content; the old one stays in the log. */
  revise(messageId: string, message: M): Promise<AppendResult>;
  removeMessage(messageId: string): Promise<AppendResult>;
  /** Makes the conversation read just so: appends, revises and removes only what differs, in one commit. */
  setMessages(messages: readonly M[]): Promise<AppendResult>;
  clearMessages(): Promise<AppendResult>;
  /** The messages, oldest first. `after` and `upTo` are positions; `last`: only the newest so many. */
  messages(range?: { last?: number; after?: number; upTo?: number }): Promise<M[]>;
  /** The messages with their ids and positions, in constant memory. */
  stream(range?: { after?: number; upTo?: number }): AsyncIterable<StoredMessage<M>>;
  entries(range?: {
    after?: number;
    upTo?: number;
    types?: readonly string[];
    reverse?: boolean;
  }): AsyncIterable<Entry>;
  /** What a model is sent: compaction applied, within the window, repaired. */
  context(options?: ContextOptions<M>): Promise<M[]>;
  /** Lets a summary stand for all but the newest `keepLast` messages (default 0) in `context`. Originals stay. */
  compact(options: {
    summarize: (messages: M[]) => Promise<M | readonly M[]>;
    keepLast?: number;
  }): Promise<AppendResult>;
  /**
   * Entries as they are committed by anybody, from the newest that this handle knows on (or past `after`), until the
   * signal aborts. @throws SESSION_DELETED once the session is.
   */
  watch(options?: { after?: number; signal?: AbortSignal }): AsyncIterable<Entry>;

  /** @throws INVALID_DATA where the data would not fit its schema. */
  setData(patch: Partial<D>, options?: { route?: string }): Promise<AppendResult>;
  replaceData(data: Partial<D>): Promise<AppendResult>;
  clearData(): Promise<AppendResult>;
  enterRoute(route: RouteReference, step?: StepReference): Promise<AppendResult>;
  enterStep(step: StepReference): Promise<AppendResult>;
  completeRoute(routeId?: string): Promise<AppendResult>;
  setMetadata(patch: Record<string, unknown>): Promise<AppendResult>;
  rename(label: string): Promise<AppendResult>;
  complete(): Promise<AppendResult>;
  abandon(): Promise<AppendResult>;
  reopen(): Promise<AppendResult>;
  touch(options: { expiresInMs: number }): Promise<AppendResult>;
  /** Named state for frameworks; `undefined` empties the slot. */
  setState(slot: string, value: unknown): Promise<AppendResult>;
  getState(slot: string): unknown;
  addUsage(usage: Partial<Usage>, options?: { operationId?: string }): Promise<AppendResult>;

  /**
   * Runs one turn under a lease: nobody else can start one until it ends or its lease runs out.
   *
   * @throws TURN_IN_PROGRESS where somebody else is in a turn.
   */
  turn<T>(run: (turn: Turn<M>) => Promise<T>, options?: TurnOptions<M>): Promise<T>;
  /** Closes the turn that a crashed worker left. Whether there was one. @throws TURN_IN_PROGRESS while it is leased. */
  abandonTurn(): Promise<boolean>;
  /** As `Sessions.fork`. What waits is saved first. */
  fork(options?: ForkOptions): Promise<Session<M, D>>;
  /** A child session (a sub-agent, a summary): no inherited messages, its own log. */
  spawn(options?: { label?: string; agent?: string; id?: string }): Promise<Session<M, D>>;
  checkpoint(name: string, options?: { metadata?: Record<string, unknown> }): Promise<Checkpoint>;
  /** Oldest first; those that were rewound are not among them. */
  checkpoints(): Promise<Checkpoint[]>;
  /** Goes back to a checkpoint, a position or a message (which stays). The log keeps what was rewound. */
  rewind(to: string | number | { messageId: string }): Promise<AppendResult>;
  /** A new session for the same user and agent; this one is completed. `preserveHistory`: it inherits the messages. */
  reset(options?: { preserveHistory?: boolean }): Promise<Session<M, D>>;
  /**
   * Commits what waits to be saved, as one atomic step. Messages that were given no id have their final one now.
   *
   * @throws what a change is refused with that can't be any more, after what others wrote: then nothing is saved, that
   *   change is dropped, and the rest waits on.
   */
  save(): Promise<AppendResult>;
  /** Saves what waits and lets go of the session. This handle takes no more changes. */
  close(): Promise<void>;
}

export type { AppendResult, TurnOutcome };

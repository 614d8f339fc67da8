/**
 * @module
 * Durable, resumable, forkable sessions for AI agents.
 */
export type { Entry, EntryData, EntryType, KnownEntry, StoredObject, TurnOutcome } from "./log/entry.ts";
export { isKnown } from "./log/entry.ts";
export type { HoldfastErrorCode, HoldfastErrorOptions } from "./log/errors.ts";
export { HoldfastError } from "./log/errors.ts";
export { evolve } from "./log/evolve.ts";
export type {
  ActiveTurn,
  Hold,
  LineagePart,
  RouteHistoryItem,
  SessionKind,
  SessionRecord,
  SessionStatus,
  Usage,
} from "./log/record.ts";
export { repair } from "./log/repair.ts";
export type { StoredMessage } from "./log/transcript.ts";
export type { DataSchema } from "./session/data.ts";
export type { StoreSource } from "./session/defaults.ts";
export { createSessionId, createStore, setDefaultStore } from "./session/defaults.ts";
export type { EventMap, EventName, Listener } from "./session/events.ts";
export type { SessionsOptions } from "./session/sessions.ts";
export { createSessions } from "./session/sessions.ts";
export type {
  AppendOptions,
  AppendResult,
  Checkpoint,
  ContextOptions,
  ErasedPart,
  EraseReport,
  ForkOptions,
  HoldOptions,
  HoldReport,
  Message,
  Part,
  PruneReport,
  PruneRule,
  Session,
  SessionFilter,
  SessionInit,
  Sessions,
  Turn,
  TurnOptions,
} from "./session/types.ts";
export type {
  Commit,
  CommitOutcome,
  MigrationReport,
  Page,
  ReadRange,
  SearchHit,
  SessionQuery,
  SessionStore,
  StoreCapabilities,
  StoreQuery,
} from "./store/store.ts";
export type { FileStoreOptions } from "./stores/file.ts";
export { fileStore } from "./stores/file.ts";
export type { MemoryStore, MemoryStoreOptions } from "./stores/memory.ts";
export { memoryStore } from "./stores/memory.ts";

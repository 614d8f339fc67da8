/**
 * @module
 * What all sessions of one `createSessions` call share.
 */
import { HoldfastError } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { isExpired } from "../log/record.ts";
import { checkId } from "../log/values.ts";
import type { SessionStore } from "../store/store.ts";
import type { DataSchema } from "./data.ts";
import type { Events } from "./events.ts";
import type { History } from "./history.ts";
import { historyOf } from "./history.ts";
import type { Writer } from "./writer.ts";
import type { Writers } from "./writers.ts";

export interface Runtime {
  readonly store: SessionStore;
  readonly writers: Writers;
  readonly events: Events;
  readonly clock: () => number;
  readonly generateId: () => string;
  /** Names this process in leases. */
  readonly owner: string;
  readonly leaseMs: number;
  readonly autoSave: boolean;
  /** Makes a label of the first words of the user; `undefined` where labels are not wanted. */
  readonly labelFrom: ((firstUserText: string) => string | undefined) | undefined;
  readonly schema: DataSchema | undefined;
  readonly dataVersion: number;
  readonly migrateData: ((data: Record<string, unknown>, fromVersion: number) => unknown) | undefined;
  /** @throws SESSION_CLOSED once the sessions were closed. */
  readonly requireOpen: () => void;
}

/** Whose sessions are seen: everybody's, or one user's. */
export interface Scope {
  readonly userId?: string;
}

/** The record where it is there for this scope: not deleted, not expired, not another user's. */
export async function findLive(
  runtime: Runtime,
  id: string,
  scope: Scope,
): Promise<SessionRecord | undefined> {
  const [record] = await runtime.store.find([checkId(id, "session id")]);
  return record && isVisible(runtime, record, scope) ? record : undefined;
}

export function isVisible(runtime: Runtime, record: SessionRecord, scope: Scope): boolean {
  return record.status !== "deleted" && !isExpired(record, runtime.clock()) && isOf(scope, record);
}

/** Whether it is a session of the user whose sessions are seen. */
export function isOf(scope: Scope, record: SessionRecord): boolean {
  return scope.userId === undefined || record.userId === scope.userId;
}

/** @throws SESSION_NOT_FOUND */
export async function requireLive(runtime: Runtime, id: string, scope: Scope): Promise<SessionRecord> {
  const [record] = await runtime.store.find([checkId(id, "session id")]);
  return visible(runtime, id, record, scope);
}

/** @throws SESSION_NOT_FOUND */
export function visible(
  runtime: Runtime,
  id: string,
  record: SessionRecord | undefined,
  scope: Scope,
): SessionRecord {
  if (record && isVisible(runtime, record, scope)) return record;
  throw new HoldfastError(
    "SESSION_NOT_FOUND",
    `session ${JSON.stringify(id)} does not exist; create it, or check the id`,
    { sessionId: id, store: runtime.store.name },
  );
}

/** The record that a writer of a created session has. */
export function recordOf(writer: Writer): SessionRecord {
  return writer.snapshot().record;
}

/** The history of `writer`'s session as others see it, with all that was asked for until now: saved and read anew. */
export async function freshHistory(runtime: Runtime, writer: Writer): Promise<History> {
  await writer.save();
  await writer.refresh();
  return historyOf(runtime.store, writer.snapshot());
}

/**
 * @module
 * Long sessions and many of them, made quickly: commits as the writer makes them, one a message, handed to the store in
 * large batches.
 */
import { randomBytes } from "node:crypto";
import type { Commit, Entry, SessionRecord, SessionStore } from "../src/index.ts";
import { createSessionId, evolve } from "../src/index.ts";
import type { BenchMessage, Transcripts } from "./messages.ts";

const BATCH = 1000;

interface Step {
  readonly commit: Commit;
  readonly record: SessionRecord;
}

export interface NewSession {
  readonly id: string;
  readonly userId?: string;
  readonly label?: string;
  readonly atMs?: number;
}

/** The commit that creates a session. */
export function creation({ id, userId, label, atMs = Date.now() }: NewSession): Step {
  const entry: Entry = {
    seq: 1,
    id: "#1",
    type: "session.created",
    at: atMs,
    commit: commitId(),
    data: {
      id,
      namespace: "",
      kind: "session",
      dataVersion: 1,
      ...(userId !== undefined && { userId }),
      ...(label !== undefined && { label }),
    },
  };
  const record = evolve(undefined, entry);
  return { record, commit: { sessionId: id, expectedVersion: 0, entries: [entry], record } };
}

/** The commit that appends `message`. */
export function appendOf(before: SessionRecord, message: BenchMessage, atMs = Date.now()): Step {
  return next(before, { type: "message", data: { message } }, atMs);
}

/** The commit that changes the session's status. */
export function statusOf(before: SessionRecord, status: "completed" | "abandoned", atMs = Date.now()): Step {
  return next(before, { type: "status.set", data: { status } }, atMs);
}

function next(before: SessionRecord, draft: Pick<Entry, "type" | "data">, atMs: number): Step {
  const seq = before.seq + 1;
  const entry: Entry = { ...draft, seq, id: `#${seq}`, at: atMs, commit: commitId() };
  const record = evolve(before, entry);
  return {
    record,
    commit: { sessionId: before.id, expectedVersion: before.version, entries: [entry], record },
  };
}

function commitId(): string {
  return randomBytes(12).toString("base64url");
}

/** Builds a session of `count` messages. Answers with its record. */
export async function buildSession(
  store: SessionStore,
  session: NewSession,
  count: number,
  transcripts: Transcripts,
): Promise<SessionRecord> {
  let { record, commit } = creation({ label: "bench", ...session });
  let batch: Commit[] = [commit];
  for (let index = 0; index < count; index += 1) {
    ({ record, commit } = appendOf(record, transcripts.at(index)));
    batch.push(commit);
    if (batch.length >= BATCH) {
      await commitAll(store, batch);
      batch = [];
    }
  }
  await commitAll(store, batch);
  return record;
}

export interface ManySessions {
  readonly ids: readonly string[];
  readonly users: readonly string[];
}

/** Builds `count` sessions, 100 a user; three of four are active. */
export async function buildSessions(store: SessionStore, count: number): Promise<ManySessions> {
  const users = Array.from({ length: Math.ceil(count / 100) }, (_, index) => `user-${index}`);
  const ids: string[] = [];
  const startedAt = Date.now() - count;
  let batch: Commit[] = [];
  for (let index = 0; index < count; index += 1) {
    const id = createSessionId();
    const atMs = startedAt + index;
    const userId = users[index % users.length] ?? "";
    const created = creation({ id, userId, label: `Change a flight of reservation ${index}`, atMs });
    batch.push(created.commit);
    if (Math.floor(index / users.length) % 4 === 3)
      batch.push(statusOf(created.record, "completed", atMs).commit);
    ids.push(id);
    if (batch.length >= BATCH) {
      await commitAll(store, batch);
      batch = [];
    }
  }
  await commitAll(store, batch);
  return { ids, users };
}

/** Commits `batch`, or fails: nobody else writes here. */
export async function commitAll(store: SessionStore, batch: readonly Commit[]): Promise<void> {
  if (batch.length === 0) return;
  const outcomes = await store.commit(batch);
  const failed = outcomes.find(({ status }) => status !== "committed");
  if (failed) throw new Error(`the ${store.name} store did not take a commit: ${failed.status}`);
}

/**
 * @module
 * Logs for tests: entries numbered and committed as a writer does it, and the record that they lead to.
 */
import type { Command, Moment, NewSession } from "../../src/log/decide.ts";
import { decide } from "../../src/log/decide.ts";
import type { Entry, EntryDraft } from "../../src/log/entry.ts";
import { positionalId } from "../../src/log/entry.ts";
import { evolveAll } from "../../src/log/evolve.ts";
import { forkPoint } from "../../src/log/lineage.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import { decodeEntry } from "../../src/store/codec.ts";

/** The log of one session. `entries` are its own. */
export interface Log {
  readonly record: SessionRecord;
  readonly entries: readonly Entry[];
}

export const NEW_SESSION: NewSession = { id: "s", namespace: "", kind: "session", dataVersion: 1 };

/** Drafts as the entries of one commit. */
export function numbered(drafts: readonly EntryDraft[], after: number, at: number): Entry[] {
  return drafts.map((draft, index) => {
    const seq = after + 1 + index;
    return {
      seq,
      id: draft.id ?? positionalId(seq),
      type: draft.type,
      data: draft.data,
      at,
      ...("text" in draft && { text: draft.text }),
      ...(index === 0 && { commit: `commit-${seq}` }),
    };
  });
}

/** The log after one more command, as one commit. The same log where nothing is to be done. */
export function commit(log: Log, command: Command, moment: Partial<Moment> = {}): Log {
  const { nowMs = log.record.updatedAt + 1, version = log.record.version + 1 } = moment;
  const drafts = decide(log.record, command, { nowMs, version });
  return drafts.length === 0 ? log : extend(log, numbered(drafts, log.record.seq, nowMs));
}

export function extend(log: Log, entries: readonly Entry[]): Log {
  return { record: present(evolveAll(log.record, entries)), entries: [...log.entries, ...entries] };
}

/** A new session and what is done to it, each command a commit. */
export function logOf(session: Partial<NewSession> = {}, ...commands: readonly Command[]): Log {
  const created: NewSession = { ...NEW_SESSION, ...session };
  const drafts = decide(undefined, { type: "create", session: created }, { nowMs: 1000, version: 1 });
  const entries = numbered(drafts, forkPoint({ lineage: created.lineage ?? [] }), 1000);
  let log: Log = { record: present(evolveAll(undefined, entries)), entries };
  for (const command of commands) log = commit(log, command);
  return log;
}

/** A message as most tests need one. */
export function say(content: string, id?: string): Command {
  return {
    type: "append",
    messages: [{ message: { role: "user", content }, ...(id !== undefined && { id }) }],
  };
}

/** An entry of any type, also one that this version does not know. */
export function entryOf(type: string, data: unknown, seq: number, more: Partial<Entry> = {}): Entry {
  const entry = decodeEntry({ seq, type, at: 5000 + seq, data: "null" }, "s", "test");
  return { ...entry, data, ...more };
}

export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("there is nothing");
  return value;
}

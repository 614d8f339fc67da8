/**
 * @module
 * Commits as the session layer makes them: drafts numbered on from the record, folded into the next record.
 */
import type { Entry, EntryDraft } from "../../log/entry.ts";
import { positionalId } from "../../log/entry.ts";
import { evolveAll } from "../../log/evolve.ts";
import { forkPoint } from "../../log/lineage.ts";
import type { LineagePart, SessionKind, SessionRecord } from "../../log/record.ts";
import type { Commit, CommitOutcome, SessionStore } from "../store.ts";
import { check, show } from "./assert.ts";

/** What a session is created with; all has a default. */
export interface SessionSeed {
  readonly id?: string;
  readonly kind?: SessionKind;
  readonly parentId?: string;
  readonly lineage?: readonly LineagePart[];
  readonly userId?: string;
  readonly agent?: string;
  readonly label?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly expiresAt?: number;
}

/** A session that a case writes to, with all that was committed to it so far. */
export interface TestSession {
  readonly id: string;
  /** The newest record. */
  readonly record: SessionRecord;
  /** The whole of its own log. */
  readonly entries: readonly Entry[];
  /** Commits `drafts` as one commit, which must be accepted. */
  write(...drafts: EntryDraft[]): Promise<Commit>;
  /** As `write`, at the time `at`. */
  writeAt(at: number, ...drafts: EntryDraft[]): Promise<Commit>;
  /** The commit of `drafts` on the newest record, not sent. */
  next(...drafts: EntryDraft[]): Commit;
}

let lastTick = 0;
let created = 0;

/** The time, later at each call by a millisecond or more. */
export function tick(): number {
  lastTick = Math.max(lastTick + 1, Date.now());
  return lastTick;
}

/** The first entry of a session. */
export function creation(seed: SessionSeed & { readonly id: string }): EntryDraft {
  const { kind = "session", ...rest } = seed;
  return { type: "session.created", data: { namespace: "", kind, dataVersion: 1, ...rest } };
}

/** A message of `text`, with its caller's `id` where one is given. */
export function say(text: string, id?: string): EntryDraft {
  return {
    type: "message",
    data: { message: { role: "user", content: text } },
    ...(id !== undefined && { id }),
  };
}

/** An entry of a user's own type that holds `data`. */
export function note(data: unknown, id?: string): EntryDraft {
  return { type: "x.note", data, ...(id !== undefined && { id }) };
}

/** The commit of `drafts` on `record`; on `undefined` the first draft must be a {@link creation}. */
export function commitOf(
  record: SessionRecord | undefined,
  drafts: readonly EntryDraft[],
  at: number = tick(),
): Commit {
  const [first] = drafts;
  const lineage = first?.type === "session.created" ? (first.data.lineage ?? []) : [];
  const base = record?.seq ?? forkPoint({ lineage });
  const entries = drafts.map((draft, index): Entry => {
    const seq = base + 1 + index;
    return {
      seq,
      ...draft,
      id: draft.id ?? positionalId(seq),
      at,
      ...(index === 0 && { commit: newCommitId() }),
    };
  });
  const next = evolveAll(record, entries);
  check(next !== undefined, "a commit needs at least one entry");
  return { sessionId: next.id, expectedVersion: record?.version ?? 0, entries, record: next };
}

/** Creates a session in `store`, with `drafts` in the same commit. */
export async function begin(
  store: SessionStore,
  seed: SessionSeed = {},
  ...drafts: EntryDraft[]
): Promise<TestSession> {
  return beginAt(tick(), store, seed, ...drafts);
}

/** As {@link begin}, at the time `at`. */
export async function beginAt(
  at: number,
  store: SessionStore,
  seed: SessionSeed = {},
  ...drafts: EntryDraft[]
): Promise<TestSession> {
  created += 1;
  const id = seed.id ?? `session-${created}`;
  const first = commitOf(undefined, [creation({ ...seed, id }), ...drafts], at);
  await commitOne(store, first);
  return sessionOf(store, first);
}

/** A session of which `first` is the only commit so far. */
export function sessionOf(store: SessionStore, first: Commit): TestSession {
  let { record } = first;
  const entries: Entry[] = [...first.entries];
  const writeAt = async (at: number, ...drafts: EntryDraft[]): Promise<Commit> => {
    const commit = commitOf(record, drafts, at);
    await commitOne(store, commit);
    record = commit.record;
    entries.push(...commit.entries);
    return commit;
  };
  return {
    id: first.sessionId,
    get record() {
      return record;
    },
    entries,
    writeAt,
    write: (...drafts) => writeAt(tick(), ...drafts),
    next: (...drafts) => commitOf(record, drafts),
  };
}

/** Commits `commit`, which must be accepted. */
export async function commitOne(store: SessionStore, commit: Commit): Promise<void> {
  const outcome = await outcomeOf(store, commit);
  check(
    outcome.status === "committed",
    `committing to session ${JSON.stringify(commit.sessionId)} at version ${commit.expectedVersion}: expected "committed", got ${show(outcome)}`,
  );
}

/** The outcome of a batch of one. */
export async function outcomeOf(store: SessionStore, commit: Commit): Promise<CommitOutcome> {
  const outcomes = await store.commit([commit]);
  const [outcome] = outcomes;
  check(
    outcome !== undefined && outcomes.length === 1,
    `one commit was sent and ${outcomes.length} outcomes came back`,
  );
  return outcome;
}

/** 12 random bytes as base64url, as the session layer makes them. */
function newCommitId(): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => letters[byte & 63]).join("");
}

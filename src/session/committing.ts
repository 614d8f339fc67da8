/**
 * @module
 * One session's way to the store: sends a draft, finds out what became of it, and learns what to build the next one on.
 */
import type { Entry, KnownEntry } from "../log/entry.ts";
import { isKnown } from "../log/entry.ts";
import { HoldfastError } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { isExpired } from "../log/record.ts";
import { freeze } from "../log/values.ts";
import { callerId } from "../store/codec.ts";
import type { CommitOutcome } from "../store/store.ts";
import type { Draft, DraftSetting } from "./draft.ts";
import {
  addToDraft,
  contentOf,
  duplicateEntry,
  hasExpired,
  newDraft,
  outlivesExpiry,
  staleVersion,
} from "./draft.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { Job } from "./job.ts";
import { sleep } from "./sleep.ts";

/** Another writer can win at most this often in a row before we give up and say so. */
const MAX_CONFLICTS = 50;
const MAX_BACKOFF_MS = 50;

export interface CommittingOptions extends DraftSetting {
  readonly commit: GroupCommit;
  readonly record: SessionRecord | undefined;
  readonly onCommitted?: (entries: readonly Entry[], record: SessionRecord) => void;
  readonly onConflict?: (attempt: number, record: SessionRecord | undefined) => void;
}

export interface Refused {
  readonly job: Job;
  readonly error: unknown;
}

/** What became of a draft: it was committed, or these are left to decide anew, without one that was refused. */
export type Sent =
  | { readonly isCommitted: true }
  | { readonly isCommitted: false; readonly left: Job[]; readonly refused?: Refused };

export interface Committing {
  /** The newest record that is known to be committed. */
  readonly record: SessionRecord | undefined;
  /** Takes over a record that was read elsewhere, where it is newer. Whether it is of the same session. */
  observe(record: SessionRecord): boolean;
  /** Reads the newest record. @throws SESSION_DELETED, SESSION_NOT_FOUND where it has expired */
  refresh(): Promise<SessionRecord>;
  /**
   * Whether the newest record must be read before `jobs` are decided: a caller knows of a later version, or the
   * session's time seems to be over, which somebody else may have put off.
   */
  isOutdated(jobs: readonly Job[]): boolean;
  /**
   * Whether a draft is built on the newest record; where it is not, that is known from here on. What is refused or
   * changes nothing is never committed, so it must be asked: another writer may have changed what it depends on.
   *
   * @throws SESSION_DELETED
   */
  isNewest(draft: Draft): Promise<boolean>;
  draft(): Draft;
  /** See {@link addToDraft}. */
  add(draft: Draft, job: Job, mayProbe: boolean): Promise<void> | undefined;
  /**
   * Commits a draft, where it holds entries.
   *
   * @param conflicts counts them from one attempt to the next.
   * @throws what the store threw, where the draft is not in the log; SESSION_DELETED, VERSION_CONFLICT.
   */
  send(draft: Draft, jobs: readonly Job[], conflicts: { count: number }): Promise<Sent>;
  /** Whether the draft was committed, though its sender was not told. Then its record is known from here on. */
  hasLanded(draft: Draft): Promise<boolean>;
}

export function createCommitting(options: CommittingOptions): Committing {
  const { sessionId, store, clock, commit } = options;
  let newest = options.record;
  /** Versions only grow, so one that went back is of another session. */
  let isGone = false;

  const deleted = (after = ""): HoldfastError =>
    new HoldfastError(
      "SESSION_DELETED",
      `session ${quote(sessionId)} was deleted${after}; create it anew, or use another`,
      {
        sessionId,
        store: store.name,
      },
    );

  function observe(record: SessionRecord): boolean {
    if (isGone || (newest && newest.createdAt !== record.createdAt)) return false;
    // What was deleted comes back only as another session, even if an import gave it the same beginning.
    if (newest?.status === "deleted" && record.status !== "deleted") return false;
    if (newest === undefined || record.version > newest.version) newest = freeze(record);
    return true;
  }

  async function hasLanded({ base, entries, commitId, record }: Draft): Promise<boolean> {
    const after = base?.seq ?? (entries[0]?.seq ?? 1) - 1;
    const [entry] = await store.read(sessionId, { after, limit: 1 });
    if (entry?.commit !== commitId) return false;
    const [found] = await store.find([sessionId]);
    newest = found ?? record;
    if (record) options.onCommitted?.(entries, record);
    return true;
  }

  /** Takes over the record that won. Throws where there is nothing to build on. */
  async function rebase(
    { base }: Draft,
    current: SessionRecord | undefined,
    conflicts: number,
  ): Promise<void> {
    const record = current ?? (await store.find([sessionId]))[0];
    isGone ||= base !== undefined && (record?.createdAt !== base.createdAt || record.version < base.version);
    if (isGone) {
      throw deleted(`${record ? " and another was created under its id" : ""}; nothing was written`);
    }
    if (conflicts >= MAX_CONFLICTS) {
      throw new HoldfastError(
        "VERSION_CONFLICT",
        `other writers won ${conflicts} times in a row on session ${quote(sessionId)}; nothing was written, try again`,
        { sessionId, store: store.name, retryable: true },
      );
    }
    newest = record;
  }

  async function send(draft: Draft, jobs: readonly Job[], conflicts: { count: number }): Promise<Sent> {
    const { base, entries, record } = draft;
    if (record === undefined || entries.length === 0) return { isCommitted: true };
    let outcome: CommitOutcome;
    try {
      outcome = await commit({
        sessionId,
        expectedVersion: draft.probe ?? base?.version ?? 0,
        entries,
        record,
      });
    } catch (error) {
      // It can't be known whether the store took it. Read, and know; where even that fails, this error is the answer.
      if (await hasLanded(draft).catch(() => false)) return { isCommitted: true };
      throw error;
    }
    switch (outcome.status) {
      case "committed":
        observe(record);
        options.onCommitted?.(entries, record);
        return { isCommitted: true };
      case "duplicate":
        return learn(draft, outcome.entryId, outcome.seq, jobs);
      case "conflict":
        if (draft.probe !== undefined)
          throw staleVersion(options, outcome.current?.version ?? 0, draft.probe);
        if (await hasLanded(draft)) return { isCommitted: true };
        conflicts.count += 1;
        options.onConflict?.(conflicts.count, outcome.current);
        await rebase(draft, outcome.current, conflicts.count);
        if (conflicts.count > 1) await sleep(Math.random() * Math.min(MAX_BACKOFF_MS, 2 ** conflicts.count));
        return { isCommitted: false, left: [...jobs] };
    }
  }

  /** Learns that an entry is in the log already, and with it, as far as one look goes, what else of its job is. */
  async function learn({ owners }: Draft, id: string, seq: number, jobs: readonly Job[]): Promise<Sent> {
    const owner = owners.get(id);
    if (owner === undefined) {
      throw new HoldfastError(
        "STORE_CORRUPT",
        `the ${store.name} store says that entry ${quote(id)} is a duplicate, which is not in the commit; run the conformance suite on it`,
        { sessionId, store: store.name },
      );
    }
    const { job, draft } = owner;
    if (job.intent.onDuplicate !== "renumber") {
      const [first, ...rest] = await store.read(sessionId, { after: seq - 1, limit: job.entries.length + 3 });
      if (first?.id !== id || contentOf(first) !== contentOf(draft)) {
        const refused = { job, error: duplicateEntry(sessionId, id) };
        return { isCommitted: false, left: jobs.filter((one) => one !== job), refused };
      }
      for (const entry of rest) {
        const own = owners.get(entry.id);
        if (own?.job === job && contentOf(own.draft) === contentOf(entry)) job.known.set(entry.id, entry.seq);
      }
      if (isKnown(first) && first.type === "operation.applied")
        job.firstResult = firstResultOf(first, job, rest);
    }
    job.known.set(id, seq);
    return { isCommitted: false, left: [...jobs] };
  }

  async function refresh(): Promise<SessionRecord> {
    const before = newest?.version ?? 0;
    const [found] = await store.find([sessionId]);
    isGone ||= found === undefined || found.version < before;
    if (found === undefined || found.status === "deleted" || !observe(found)) throw deleted();
    if (isExpired(found, clock())) throw hasExpired(sessionId);
    return newest ?? found;
  }

  return {
    get record() {
      return newest;
    },
    observe,
    refresh,
    isOutdated(jobs) {
      const expected = Math.max(0, ...jobs.map(({ intent }) => intent.expectedVersion ?? 0));
      const isOver =
        newest !== undefined &&
        isExpired(newest, clock()) &&
        !jobs.every(({ intent }) => outlivesExpiry(intent.command));
      return isOver || expected > (newest?.version ?? 0);
    },
    async isNewest({ base }) {
      if (base === undefined) return true;
      const [found] = await store.find([sessionId]);
      if (found === undefined || !observe(found)) throw deleted();
      return newest?.version === base.version;
    },
    draft: () => newDraft(newest),
    add: (draft, job, mayProbe) => addToDraft(options, draft, job, mayProbe),
    send,
    hasLanded,
  };
}

/**
 * What an operation led to when it took place. What it wrote follows it: its messages, but for those that were there
 * before, its usage, and a label.
 */
function firstResultOf(
  { seq, data }: KnownEntry & { readonly type: "operation.applied" },
  job: Job,
  after: readonly Entry[],
): NonNullable<Job["firstResult"]> {
  let taken = 0;
  const ids: string[] = [];
  for (const wanted of job.entries) {
    const next = after[taken];
    const isNamed = callerId(wanted) !== undefined;
    if (wanted.type === "message") {
      const isNext = next !== undefined && (!isNamed || next.id === wanted.id);
      ids.push(isNext ? next.id : wanted.id);
      if (isNext) taken += 1;
    } else if (wanted.type === "usage.added" && next?.type === "usage.added") {
      taken += 1;
    }
  }
  const label = after[taken];
  if (label && isKnown(label) && label.type === "label.set" && label.data.automatic) taken += 1;
  return { version: data.version, seq: after[taken - 1]?.seq ?? seq, ids };
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/**
 * @module
 * Keeps the replica of one namespace up to date while the primary is in reach, beside the calls that it serves: what this
 * process commits is written to it after it was acknowledged, and a session that is looked up is copied as far as the
 * replica lacks it, with those that it inherits from.
 *
 * Nobody waits for it, so it may lag: by {@link MirrorOptions.maxQueued} commits at most, past which a session is copied
 * again later. How new the replica must be is remembered, so that what lags is never taken for the newest.
 */
import type { Entry } from "../../log/entry.ts";
import { forkPoint } from "../../log/lineage.ts";
import type { SessionRecord } from "../../log/record.ts";
import { copyValue } from "../../log/values.ts";
import type { Commit, CommitOutcome, SessionStore } from "../../store/store.ts";
import { commitsOf, readAll, toCommits } from "./logs.ts";

export interface Mirror {
  /** The primary has acknowledged these. */
  wrote(commits: readonly Commit[]): void;
  /** The primary has answered so. */
  saw(ids: readonly string[], records: readonly (SessionRecord | undefined)[]): void;
  /** Resolves once all that was written until now is in the replica. */
  flush(): Promise<void>;
  /** Resolves once nothing is left to copy. */
  idle(): Promise<void>;
  /** Whether `record`, of the replica, is older than what the primary is known to have. */
  isOld(record: SessionRecord): boolean;
  /** The replica has what the primary has: `record`. */
  holds(record: SessionRecord): void;
  /** Copies the session again. */
  want(id: string): void;
  /** Nothing is owed any more: what the primary did not have is looked up once more, and dropped. */
  settled(): void;
  /** Takes the session out of the replica. Whether it was there. */
  forget(id: string): Promise<boolean>;
}

export interface MirrorOptions {
  /** The primary, through the breaker. */
  readonly primary: Pick<SessionStore, "find" | "read">;
  readonly replica: SessionStore;
  /** Whether the replica holds what the primary has yet to get: then it is not touched. */
  readonly isOwed: (id: string) => boolean;
  /** Whether what the primary does not have may be dropped. A key may be needed for what is owed, though it is gone there. */
  readonly mayDrop: () => boolean;
  readonly maxQueued: number;
  /** Longer logs are not copied. */
  readonly maxEntries: number;
  readonly counts: { copied: number; skipped: number };
  /** What failed in the background; the primary's outages are told elsewhere. */
  readonly onError: (error: unknown, sessionId?: string) => void;
}

interface Known {
  /** The newest version of it that the primary is known to have. */
  readonly version: number;
  readonly createdAt: number;
  /** Whether the replica has, or will have once all is written, just that. */
  isHeld: boolean;
}

/** A list or a check of ancestors looks up many at once; nobody is about to go on with all of them. */
const MAX_SEEN_AT_ONCE = 16;
const MAX_KNOWN = 20_000;
const MAX_WANTED = 1000;
const BATCH = 256;

export function createMirror(options: MirrorOptions): Mirror {
  const { primary, replica, isOwed, mayDrop, maxQueued, maxEntries, counts, onError } = options;
  const known = new Map<string, Known>();
  const wanted = new Set<string>();
  /** What the primary does not have. */
  const gone = new Set<string>();
  /** What is being copied; `isOff` keeps it from being written. */
  const copying = new Map<string, { isOff: boolean; over: Promise<void> }>();
  let queue: Commit[] = [];
  let draining: Promise<void> | undefined;
  let copier: Promise<void> | undefined;

  function know(id: string, { version, createdAt }: SessionRecord, isHeld: boolean): void {
    known.delete(id);
    known.set(id, { version, createdAt, isHeld });
    const [oldest] = known.size > MAX_KNOWN ? known.keys() : [];
    if (oldest !== undefined) known.delete(oldest);
  }

  async function drain(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.slice(0, BATCH);
      queue = queue.slice(BATCH);
      await write(batch);
    }
    draining = undefined;
  }

  async function write(batch: readonly Commit[]): Promise<void> {
    let outcomes: readonly CommitOutcome[] = [];
    try {
      outcomes = await replica.commit(batch);
    } catch (error) {
      // One entry that the replica can't take is no other session's harm.
      if (batch.length > 1) {
        for (const commit of batch) await write([commit]);
        return;
      }
      onError(error, batch[0]?.sessionId);
    }
    for (const [index, { sessionId, record }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome?.status === "committed") continue;
      const current = outcome?.status === "conflict" ? outcome.current : undefined;
      if (current?.createdAt === record.createdAt && current.version >= record.version) continue;
      lags(sessionId);
    }
  }

  function lags(id: string): void {
    const state = known.get(id);
    if (state) state.isHeld = false;
    want(id);
  }

  function want(id: string): void {
    if (wanted.size >= MAX_WANTED) counts.skipped += 1;
    else wanted.add(id);
    copier ??= copyAll();
  }

  async function copyAll(): Promise<void> {
    // A turn for who is being served.
    await new Promise((resolve) => setImmediate(resolve));
    for (const id of wanted) {
      wanted.delete(id);
      const { promise, resolve } = Promise.withResolvers<void>();
      const state = { isOff: false, over: promise };
      copying.set(id, state);
      try {
        await copy(id, state);
      } catch (error) {
        onError(error, id);
      }
      copying.delete(id);
      resolve();
    }
    copier = undefined;
  }

  async function copy(id: string, state: { readonly isOff: boolean }): Promise<void> {
    await draining;
    if (isOwed(id)) return;
    const [record] = await primary.find([id]);
    const [have] = await replica.find([id]);
    if (isOwed(id) || state.isOff) return;
    if (record === undefined) {
      known.delete(id);
      if (have && mayDrop()) await replica.remove(id);
      else if (have && gone.size < MAX_WANTED) gone.add(id);
      return;
    }
    for (const part of record.lineage) if (!part.erased && !known.get(part.id)?.isHeld) wanted.add(part.id);
    if (have?.createdAt === record.createdAt && have.version === record.version) {
      know(id, record, true);
      return;
    }
    const isSame = have?.createdAt === record.createdAt && have.version < record.version;
    const base = isSame ? have : undefined;
    const after = base?.seq ?? forkPoint(record);
    if (record.seq - after > maxEntries) {
      counts.skipped += 1;
      know(id, record, false);
      return;
    }
    const entries = await readAll(primary.read, id, after, record.seq);
    await draining;
    // What was written meanwhile: the next one to look it up has it copied.
    if (state.isOff || isOwed(id) || !isWhole(entries, after, record.seq)) return;
    if (have && !base) await replica.remove(id);
    if (state.isOff || isOwed(id)) return;
    const commits = toCommits(id, base, commitsOf(entries), record);
    const outcomes = await replica.commit(commits);
    if (outcomes.every(({ status }) => status === "committed")) {
      counts.copied += 1;
      const newest = known.get(id);
      if (newest === undefined || newest.createdAt !== record.createdAt || newest.version <= record.version)
        know(id, record, true);
      else wanted.add(id);
    }
  }

  return {
    wrote(commits) {
      for (const commit of commits) {
        const { sessionId, expectedVersion, record } = commit;
        const before = known.get(sessionId);
        const isNext = before?.isHeld === true && before.version === expectedVersion;
        if (queue.length >= maxQueued || !(expectedVersion === 0 || isNext)) {
          know(sessionId, record, false);
          if (queue.length < maxQueued) want(sessionId);
          else counts.skipped += 1;
          continue;
        }
        know(sessionId, record, true);
        queue.push(ownCopy(commit));
        for (const part of expectedVersion === 0 ? record.lineage : [])
          if (!part.erased && !known.get(part.id)?.isHeld) want(part.id);
      }
      if (queue.length > 0) draining ??= drain();
    },

    saw(ids, records) {
      if (ids.length > MAX_SEEN_AT_ONCE) return;
      for (const [index, id] of ids.entries()) {
        const record = records[index];
        const state = known.get(id);
        if (record === undefined) {
          if (!copying.has(id)) want(id);
          known.delete(id);
        } else if (state?.createdAt !== record.createdAt || state.version < record.version) {
          know(id, record, false);
          want(id);
        } else if (!state.isHeld) want(id);
      }
    },

    async flush() {
      await draining;
    },

    async idle() {
      while (draining || copier) await Promise.all([draining, copier]);
    },

    isOld(record) {
      const state = known.get(record.id);
      return state !== undefined && (state.createdAt !== record.createdAt || state.version > record.version);
    },

    holds: (record) => know(record.id, record, true),

    want,

    settled() {
      for (const id of gone) want(id);
      gone.clear();
    },

    async forget(id) {
      wanted.delete(id);
      known.delete(id);
      const state = copying.get(id);
      if (state) {
        state.isOff = true;
        await state.over;
      }
      await draining;
      return replica.remove(id);
    },
  };
}

function isWhole(entries: readonly Entry[], after: number, upTo: number): boolean {
  return entries.length === upTo - after && entries.every(({ seq }, index) => seq === after + 1 + index);
}

/** The commit as it is now: its caller may go on with the objects. What is frozen, as the session layer's is, is shared. */
function ownCopy({ sessionId, expectedVersion, entries, record }: Commit): Commit {
  return {
    sessionId,
    expectedVersion,
    entries: entries.map((entry) => ({ ...entry, data: ownValue(entry.data) })),
    record: Object.isFrozen(record) ? record : { ...record, ...ownFields(record) },
  };
}

function ownValue(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  return copyValue(value);
}

/** The fields of a record that are objects, copied. */
function ownFields(record: SessionRecord): Partial<SessionRecord> {
  const objects = Object.entries(record).filter(([, value]) => typeof value === "object" && value !== null);
  return Object.fromEntries(objects.map(([key, value]) => [key, ownValue(value)]));
}

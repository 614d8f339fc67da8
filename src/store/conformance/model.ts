/**
 * @module
 * A store as the spec describes it, on plain arrays: what the random run is compared with. Written without the
 * helpers that stores share, so that it does not share their mistakes.
 */
import type { Entry } from "../../log/entry.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { Commit, CommitOutcome, ReadRange, StoreQuery } from "../store.ts";

export interface Model {
  commit(commit: Commit): CommitOutcome;
  find(id: string): SessionRecord | undefined;
  read(id: string, range: ReadRange): Entry[];
  /** All that matches, whatever the limit. */
  list(query: Omit<StoreQuery, "limit">): SessionRecord[];
  remove(id: string): boolean;
}

interface ModelSession {
  record: SessionRecord;
  entries: readonly Entry[];
}

export function createModel(): Model {
  const sessions = new Map<string, ModelSession>();
  return {
    commit(commit) {
      const session = sessions.get(commit.sessionId);
      for (const { id, seq } of commit.entries) {
        const known = id === `#${seq}` ? undefined : session?.entries.find((entry) => entry.id === id);
        if (known) return { status: "duplicate", entryId: id, seq: known.seq };
      }
      const { record } = session ?? {};
      const isNew = record === undefined && commit.expectedVersion === 0;
      const isNext =
        record !== undefined &&
        record.version === commit.expectedVersion &&
        record.createdAt === commit.record.createdAt;
      if (!isNew && !isNext) return record ? { status: "conflict", current: record } : { status: "conflict" };
      sessions.set(commit.sessionId, {
        record: commit.record,
        entries: [...(session?.entries ?? []), ...commit.entries],
      });
      return { status: "committed" };
    },
    find: (id) => sessions.get(id)?.record,
    read(id, { after, upTo = Number.POSITIVE_INFINITY, limit, reverse, types }) {
      const within = (sessions.get(id)?.entries ?? []).filter(
        (entry) => entry.seq > after && entry.seq <= upTo && (!types || types.includes(entry.type)),
      );
      return (reverse ? within.toReversed() : within).slice(0, limit);
    },
    list(query) {
      const time = (record: SessionRecord): number =>
        query.order === "created" ? record.createdAt : record.updatedAt;
      return [...sessions.values()]
        .map(({ record }) => record)
        .filter((record) => isMeant(record, query))
        .sort((a, b) => time(b) - time(a) || (a.id < b.id ? 1 : -1));
    },
    remove: (id) => sessions.delete(id),
  };
}

function isMeant(record: SessionRecord, query: Omit<StoreQuery, "limit">): boolean {
  const { expiresAt = Number.POSITIVE_INFINITY } = record;
  return (
    (query.status ? record.status === query.status : record.status !== "deleted") &&
    (query.userId === undefined || record.userId === query.userId) &&
    (query.agent === undefined || record.agent === query.agent) &&
    (query.label === undefined || record.label === query.label) &&
    (query.kind === undefined || record.kind === query.kind) &&
    (query.parentId === undefined || record.parentId === query.parentId) &&
    (query.updatedBefore === undefined || record.updatedAt < query.updatedBefore) &&
    (query.updatedAfter === undefined || record.updatedAt > query.updatedAfter) &&
    (query.liveAt === undefined || expiresAt > query.liveAt) &&
    (query.expiredAt === undefined || expiresAt <= query.expiredAt) &&
    Object.entries(query.metadata ?? {}).every(([key, value]) => record.metadata[key] === value)
  );
}

/**
 * @module
 * The memory store: for tests, for development, and for sessions that need not outlive their process.
 *
 * @example
 * ```ts
 * import { createSessions, memoryStore } from "holdfast";
 * const sessions = createSessions({ store: memoryStore({ retentionMs: 3_600_000 }) });
 * ```
 */
import type { Entry } from "../log/entry.ts";
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { callerId, checkSize, decodeEntry, decodeRecord, encodeData, encodeRecord } from "../store/codec.ts";
import { namespaceName, namespacePath } from "../store/namespace.ts";
import type {
  Commit,
  CommitOutcome,
  ReadRange,
  SessionStore,
  StoreCapabilities,
  StoreQuery,
} from "../store/store.ts";
import type { IndexKeys, RecordIndex } from "./record-index.ts";
import { pageOf, recordIndex } from "./record-index.ts";

export interface MemoryStoreOptions {
  /** Sessions that were not written to for this long are dropped. Default: kept until the process ends. */
  readonly retentionMs?: number;
  /** The time in epoch milliseconds that `retentionMs` goes by. Default `Date.now`. */
  readonly clock?: () => number;
}

/** `clear`, `size` and `snapshot` are about the store's own namespace and those within it: on the root, about all. */
export interface MemoryStore extends SessionStore {
  /** Drops every session. */
  clear(): void;
  /** How many sessions there are. */
  readonly size: number;
  /** A copy of everything, for tests: each session's record and its own log. */
  snapshot(): MemorySnapshot[];
  namespace(name: string): MemoryStore;
}

export interface MemorySnapshot {
  readonly record: SessionRecord;
  readonly entries: Entry[];
}

const NAME = "memory";
const CAPABILITIES: StoreCapabilities = {
  durability: "process",
  search: "substring",
  watch: "poll",
  idempotency: "full",
  listConsistency: "strong",
  maxEntryBytes: 16 * 1024 * 1024,
  nativeTtl: false,
  writers: "one-process",
};
/** Sessions that one call drops at most for being too old, so that no call pays for a long silence. */
const SWEEP_LIMIT = 100;

/** An entry with its data as text, so that no caller holds a reference into the store. */
type Row = Parameters<typeof decodeEntry>[0];

interface Log {
  readonly rows: Row[];
  /** Where the ids that callers gave are. */
  readonly ids: Map<string, number>;
}

interface Item extends IndexKeys {
  readonly version: number;
  readonly log: Log;
  /** Decoded when it is first asked for, then shared: most commits are followed by another one before anybody looks. */
  shared: SessionRecord | undefined;
  readonly text: string;
}

type Space = RecordIndex<Item>;

/**
 * Keeps sessions in memory. What is written is copied, what is read is a copy or deep-frozen, so nothing that a caller
 * does to a value afterwards reaches the store. Gone when the process ends.
 *
 * @throws INVALID_ARGUMENT for a `retentionMs` that is not a positive number.
 * @example
 * ```ts
 * const store = memoryStore();
 * await store.find(["unknown"]); // [undefined]
 * ```
 */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { retentionMs = Number.POSITIVE_INFINITY, clock = Date.now } = options;
  if (!(retentionMs > 0)) throw invalidArgument("retentionMs must be a positive number of milliseconds");
  const spaces = new Map<string, Space>();
  const views = new Map<string, MemoryStore>();
  let isClosed = false;

  const keptAfter = (): number =>
    retentionMs === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : clock() - retentionMs;
  const dropOld = (space: Space): void => {
    const limit = keptAfter();
    if (limit === Number.NEGATIVE_INFINITY) return;
    const { items } = space.range({ order: "updated" });
    for (const { id, updatedAt } of items.slice(0, SWEEP_LIMIT)) {
      if (updatedAt > limit) return;
      space.delete(id);
    }
  };

  const view = (path: string): MemoryStore => {
    const memoized = views.get(path);
    if (memoized) return memoized;
    const made = viewOf(path);
    views.set(path, made);
    return made;
  };

  const viewOf = (path: string): MemoryStore => {
    const space: Space = spaces.get(path) ?? recordIndex();
    spaces.set(path, space);
    const within = (): Space[] =>
      [...spaces].filter(([other]) => other.startsWith(path)).map(([, found]) => found);
    const lookUp = (id: string): Item | undefined => {
      const item = space.get(id);
      return item && item.updatedAt > keptAfter() ? item : undefined;
    };
    const open = (): Space => {
      if (isClosed)
        throw new HoldfastError("STORE_UNAVAILABLE", "the memory store is closed; make a new one", {
          store: NAME,
          retryable: false,
        });
      dropOld(space);
      return space;
    };
    const list = async (query: StoreQuery) => {
      const limit = keptAfter();
      return pageOf(open(), query, path, (item) => (item.updatedAt > limit ? recordOf(item) : undefined));
    };

    return {
      name: NAME,
      capabilities: CAPABILITIES,
      namespaceName: namespaceName(path),

      async commit(commits) {
        open();
        const encoded = commits.map((commit) => rowsOf(commit));
        return commits.map((commit, index) =>
          commitOne(space, lookUp(commit.sessionId), commit, encoded[index] ?? []),
        );
      },

      async find(ids) {
        open();
        return ids.map((id) => {
          const item = lookUp(id);
          return item && recordOf(item);
        });
      },

      async read(id, range) {
        open();
        return readRows(lookUp(id)?.log.rows ?? [], id, range);
      },

      list,

      async remove(id) {
        open();
        const found = lookUp(id) !== undefined;
        space.delete(id);
        return found;
      },

      async sweep(nowMs, limit) {
        open();
        const expired = [...space.values()]
          .filter((item) => item.expiresAt !== undefined && item.expiresAt <= nowMs)
          .slice(0, limit);
        for (const { id } of expired) space.delete(id);
        return expired.map(({ id }) => id);
      },

      async search(text, query) {
        open();
        const limit = keptAfter();
        const { items } = space.range({ ...query, order: "updated" });
        const logs = items
          .filter(({ updatedAt }) => updatedAt > limit)
          .map((item) => ({
            record: recordOf(item),
            newestFirst: () => newestFirst(item.log.rows, item.id),
            at: (seq: number) => readRows(item.log.rows, item.id, { after: seq - 1, upTo: seq, limit: 1 })[0],
          }));
        const { searchLogs } = await import("./text-search.ts");
        return searchLogs(text, query, path, logs.reverse());
      },

      async migrate() {
        open();
        return { store: NAME, from: 1, to: 1, steps: [] };
      },

      namespace: (name) => view(namespacePath(path, name)),

      async ping() {
        open();
      },

      async close() {
        isClosed = true;
        spaces.clear();
      },

      clear() {
        for (const found of within()) found.clear();
      },

      get size() {
        return within().reduce((sum, { size }) => sum + size, 0);
      },

      snapshot() {
        return within().flatMap((found) =>
          [...found.values()].map((item) => ({
            record: recordOf(item),
            entries: item.log.rows.map((row) => decodeEntry(row, item.id, NAME)),
          })),
        );
      },
    };
  };
  return view("");
}

function rowsOf({ sessionId, entries }: Commit): Row[] {
  return entries.map((entry) => {
    const data = encodeData(entry);
    checkSize(data, sessionId, NAME, CAPABILITIES);
    const { seq, type, at, text, commit } = entry;
    const id = callerId(entry);
    return {
      seq,
      type,
      at,
      data,
      ...(id !== undefined && { id }),
      ...(text !== undefined && { text }),
      ...(commit !== undefined && { commit }),
    };
  });
}

function commitOne(
  space: Space,
  item: Item | undefined,
  { sessionId, expectedVersion, record }: Commit,
  rows: Row[],
): CommitOutcome {
  const log = item?.log ?? { rows: [], ids: new Map<string, number>() };
  for (const { id } of rows) {
    const seq = id ? log.ids.get(id) : undefined;
    if (id && seq !== undefined) return { status: "duplicate", entryId: id, seq };
  }
  if (!item) {
    if (expectedVersion !== 0) return { status: "conflict" };
  } else if (item.version !== expectedVersion || item.createdAt !== record.createdAt) {
    return { status: "conflict", current: recordOf(item) };
  }
  for (const row of rows) {
    log.rows.push(row);
    if (row.id) log.ids.set(row.id, row.seq);
  }
  const { userId, parentId, status, createdAt, updatedAt, expiresAt } = record;
  const keys = { id: sessionId, userId, parentId, status, createdAt, updatedAt, expiresAt };
  space.set({ ...keys, version: record.version, log, shared: undefined, text: encodeRecord(record) });
  return { status: "committed" };
}

function recordOf(item: Item): SessionRecord {
  item.shared ??= decodeRecord(item.text, item.id, NAME);
  return item.shared;
}

function readRows(
  rows: readonly Row[],
  sessionId: string,
  { after, upTo, limit, reverse, types }: ReadRange,
): Entry[] {
  const first = rows[0]?.seq ?? 1;
  const start = Math.max(0, after - first + 1);
  const end = Math.min(rows.length, (upTo ?? Number.POSITIVE_INFINITY) - first + 1);
  const found: Entry[] = [];
  for (let step = 0; step < end - start && found.length < limit; step += 1) {
    const row = rows[reverse ? end - 1 - step : start + step];
    if (row && (!types || types.includes(row.type))) found.push(decodeEntry(row, sessionId, NAME));
  }
  return found;
}

function* newestFirst(rows: readonly Row[], sessionId: string): Generator<Entry> {
  for (let index = rows.length - 1; index >= 0; index -= 1) {
    const row = rows[index];
    if (row) yield decodeEntry(row, sessionId, NAME);
  }
}

/**
 * @module
 * A store of a user's own, whole and small, on one Map: what an engine has to do, and what the shared helpers do for
 * it. It declares that it can't search or push, so that is what the suite tests of it.
 */
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import { checkId } from "../../src/log/values.ts";
import {
  callerId,
  checkSize,
  decodeEntry,
  decodeRecord,
  encodeData,
  encodeRecord,
} from "../../src/store/codec.ts";
import { decodeCursor, encodeCursor, matches, orderTime } from "../../src/store/query.ts";
import type { Commit, CommitOutcome, SessionStore, StoreCapabilities } from "../../src/store/store.ts";

const NAME = "reference";
const CAPABILITIES: StoreCapabilities = {
  durability: "process",
  search: "none",
  watch: "poll",
  idempotency: "full",
  listConsistency: "strong",
  maxEntryBytes: 4 * 1024 * 1024,
  nativeTtl: false,
  writers: "one-process",
};

type Row = Parameters<typeof decodeEntry>[0];
interface Stored {
  version: number;
  createdAt: number;
  record: string;
  rows: Row[];
}

/** The engine: what a database would hold, and whether it is open. */
interface Engine {
  readonly sessions: Map<string, Map<string, Stored>>;
  open: boolean;
}

/** A store in a Map that passes the conformance suite. */
export function referenceStore(
  engine: Engine = { sessions: new Map(), open: true },
  path: readonly string[] = [],
): SessionStore {
  const space = JSON.stringify(path);
  const sessions = (): Map<string, Stored> => {
    if (!engine.open)
      throw new HoldfastError("STORE_UNAVAILABLE", "the reference store is closed; open another one", {
        store: NAME,
      });
    const held = engine.sessions.get(space) ?? new Map<string, Stored>();
    engine.sessions.set(space, held);
    return held;
  };
  const recordOf = (id: string): SessionRecord | undefined => {
    const stored = sessions().get(id);
    return stored && decodeRecord(stored.record, id, NAME);
  };
  const apply = ({ commit, record, rows }: Prepared): CommitOutcome => {
    const { sessionId, expectedVersion } = commit;
    const stored = sessions().get(sessionId);
    const ids = new Map(stored?.rows.map((row) => [row.id, row.seq]));
    const repeated = rows.find(({ id }) => typeof id === "string" && ids.has(id));
    if (repeated?.id) return { status: "duplicate", entryId: repeated.id, seq: ids.get(repeated.id) ?? 0 };
    const { createdAt, version } = commit.record;
    const isNext = stored
      ? stored.version === expectedVersion && stored.createdAt === createdAt
      : expectedVersion === 0;
    const current = recordOf(sessionId);
    if (!isNext) return { status: "conflict", ...(current && { current }) };
    sessions().set(sessionId, { version, createdAt, record, rows: [...(stored?.rows ?? []), ...rows] });
    return { status: "committed" };
  };
  return {
    name: NAME,
    capabilities: CAPABILITIES,
    // Everything is encoded, and so checked, before anything is written.
    commit: async (commits) => commits.map(prepare).map(apply),
    find: async (ids) => ids.map(recordOf),
    async read(id, { after, upTo = Number.POSITIVE_INFINITY, limit, reverse, types }) {
      const rows = sessions().get(id)?.rows ?? [];
      const within = rows.filter(
        ({ seq, type }) => seq > after && seq <= upTo && (types?.includes(type) ?? true),
      );
      return (reverse ? within.toReversed() : within)
        .slice(0, limit)
        .map((row) => decodeEntry(row, id, NAME));
    },
    async list(query) {
      const start = decodeCursor(query, space);
      const isPast = ({ at, id }: Place): boolean =>
        !start || at < start.at || (at === start.at && id < start.id);
      const places = [...sessions().keys()]
        .map((id) => placeOf(recordOf(id), query.order))
        .filter((place) => place !== undefined)
        .filter((place) => matches(place.record, query) && isPast(place))
        .sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
      const last = places[query.limit - 1];
      const items = places.slice(0, query.limit).map(({ record }) => record);
      return places.length > query.limit && last
        ? { items, cursor: encodeCursor(query, last, space) }
        : { items };
    },
    remove: async (id) => sessions().delete(id),
    migrate: async () => ({ store: NAME, from: 1, to: 1, steps: sessions() && [] }),
    namespace: (name) => referenceStore(engine, name === "" ? path : [...path, checkId(name, "namespace")]),
    ping: async () => void sessions(),
    async close() {
      engine.open = false;
    },
  };
}

interface Prepared {
  readonly commit: Commit;
  readonly record: string;
  readonly rows: Row[];
}

function prepare(commit: Commit): Prepared {
  const rows = commit.entries.map((entry) => {
    const data = encodeData(entry);
    checkSize(data, commit.sessionId, NAME, CAPABILITIES);
    return { ...entry, id: callerId(entry) ?? null, data };
  });
  return { commit, record: encodeRecord(commit.record), rows };
}

interface Place {
  readonly at: number;
  readonly id: string;
  readonly record: SessionRecord;
}

function placeOf(record: SessionRecord | undefined, order: "updated" | "created"): Place | undefined {
  return record && { at: orderTime(record, order), id: record.id, record };
}

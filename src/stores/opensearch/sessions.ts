/**
 * @module
 * Session documents and markers. A session document is changed only where it still is as it was seen (its sequence
 * number), so that a late projection neither replaces a newer one nor brings back what was removed.
 */
import { HoldfastError } from "../../log/errors.ts";
import type {
  CommitPlace,
  DocumentDriver,
  Marker,
  Projection,
  SessionDocument,
} from "../documents/driver.ts";
import { numberOf, textOf } from "./answers.ts";
import { conditionsOf, ofSpace, searchAfter, sortOf } from "./conditions.ts";
import type { Documents, Found, Revision, Write } from "./documents.ts";
import { NAME } from "./errors.ts";
import type { Reach } from "./reach.ts";
import { KEPT, projectedFields, reservedFields, sessionOf } from "./session-fields.ts";

/** What is lately known of session documents, so that they need not be read to be changed. */
interface Known {
  readonly life: string;
  readonly ordinal: number;
  readonly revision: Revision;
}

/** Some 200 bytes each. */
const MAX_KNOWN = 4096;
/** Each conflict means that another writer got through. */
const MAX_ATTEMPTS = 20;
const MARKER = "marker/";

export type SessionsDriver = Pick<
  DocumentDriver,
  | "reserve"
  | "getSessions"
  | "deleteSession"
  | "putMarker"
  | "getMarkers"
  | "dropMarker"
  | "listSessions"
  | "listExpired"
  | "listReserved"
> & {
  /** `advance`, once the callers' ids are written. */
  project(projections: readonly Projection[]): Promise<boolean[]>;
  /** Where the session document was when it was last seen. */
  placeOf(key: string): CommitPlace | undefined;
  /** The session of a document that was read. */
  sessionIn(key: string, found: Found | undefined): SessionDocument | undefined;
};

export function sessionsDriver(documents: Documents, index: string, reach: Reach): SessionsDriver {
  const known = new Map<string, Known>();
  const note = (key: string, state: Known | undefined): void => {
    known.delete(key);
    if (!state) return;
    known.set(key, state);
    if (known.size <= MAX_KNOWN) return;
    const [oldest] = known.keys();
    if (oldest !== undefined) known.delete(oldest);
  };

  /** What the session documents are now; `undefined` where there is none. */
  const look = async (keys: readonly string[]): Promise<(Known | undefined)[]> => {
    if (keys.length === 0) return [];
    const found = await documents.get(index, keys, ["life", "ordinal"]);
    const states = found.map((one) => one && knownOf(one));
    for (const [at, key] of keys.entries()) note(key, states[at]);
    return states;
  };

  /** What the session documents are, as far as is known, or now where nothing is or may be known. */
  const recall = async (
    projections: readonly Projection[],
    mayBeOld: boolean,
  ): Promise<(Known | undefined)[]> => {
    const states = projections.map(({ key, life }) => {
      const state = mayBeOld ? known.get(key) : undefined;
      return state?.life === life ? state : undefined;
    });
    const unknown = projections.filter((_, at) => !states[at]).map(({ key }) => key);
    const looked = (await look(unknown)).values();
    return states.map((state) => state ?? looked.next().value);
  };

  const sessionIn = (key: string, found: Found | undefined): SessionDocument | undefined => {
    note(key, found && knownOf(found));
    if (!found) return undefined;
    const session = sessionOf(found.id, found.source);
    const { life, ordinal, seq } = session;
    if (ordinal > 0) reach.note(life, { ordinal, last: seq });
    return session;
  };

  const fetchSessions = async (
    keys: readonly string[],
    withRecord: boolean,
  ): Promise<(SessionDocument | undefined)[]> => {
    const found = await documents.get(index, keys, withRecord ? undefined : KEPT);
    return found.map((one, at) => sessionIn(keys[at] ?? "", one));
  };

  /** The session documents that a search finds, as of the last refresh. */
  const find = async (body: Record<string, unknown>): Promise<SessionDocument[]> => {
    const hits = await documents.search(index, body);
    return hits.map(({ source }) => sessionOf(textOf(source.key), source));
  };

  /** Those of them that are still of the same life, as they are now. */
  const refetch = async (found: readonly SessionDocument[]): Promise<SessionDocument[]> => {
    const present = await fetchSessions(
      found.map(({ key }) => key),
      true,
    );
    return present.flatMap((session, at) => (session && session.life === found[at]?.life ? session : []));
  };

  return {
    async reserve(reservations) {
      const written = await documents.write(
        reservations.map(
          (one): Write => ({ action: "create", index, id: one.key, source: reservedFields(one) }),
        ),
      );
      return reservations.map(({ key, life }, at) => {
        const result = written[at];
        if (result?.status !== "done") return false;
        note(key, { life, ordinal: 0, revision: result.revision });
        return true;
      });
    },

    getSessions: fetchSessions,
    sessionIn,
    placeOf: (key) => known.get(key),

    async project(projections) {
      const moved = projections.map(() => false);
      let left = [...projections.entries()];
      for (let attempt = 0; left.length > 0; attempt += 1) {
        if (attempt === MAX_ATTEMPTS) throw busy();
        const states = await recall(
          left.map(([, one]) => one),
          attempt === 0,
        );
        // Of another life, or as far on already: there is nothing to do.
        const open = left.flatMap(([at, one], place): [number, Projection, Known][] => {
          const state = states[place];
          return state?.life === one.life && state.ordinal < one.ordinal ? [[at, one, state]] : [];
        });
        const written = await documents.write(
          open.map(([, one, { revision }]) => ({
            action: "index",
            index,
            id: one.key,
            at: revision,
            source: projectedFields(one),
          })),
        );
        left = open.flatMap(([at, one], place): [number, Projection][] => {
          const result = written[place];
          if (result?.status !== "done") return [[at, one]];
          note(one.key, { life: one.life, ordinal: one.ordinal, revision: result.revision });
          reach.note(one.life, { ordinal: one.ordinal, last: one.record.seq });
          moved[at] = true;
          return [];
        });
      }
      return moved;
    },

    async deleteSession(key, life) {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
        const [state] = await look([key]);
        if (state?.life !== life) return false;
        // Sent again by the client after it took place, it would seem to be somebody else's doing.
        const one: Write = { action: "delete", index, id: key, at: state.revision };
        const [result] = await documents.write([one], "once");
        note(key, undefined);
        if (result?.status !== "done") continue;
        await documents.refresh(index);
        return true;
      }
      throw busy();
    },

    async putMarker({ life, key, atMs }) {
      const source = { life, key, markedAt: atMs };
      await documents.write([{ action: "index", index, id: `${MARKER}${life}`, source }]);
    },

    async getMarkers(beforeMs, limit) {
      const found = await documents.search(index, {
        size: limit,
        query: { range: { markedAt: { lt: beforeMs } } },
        sort: ["_doc"],
      });
      return found.map(({ source }): Marker => {
        return { life: textOf(source.life), key: textOf(source.key), atMs: numberOf(source.markedAt) };
      });
    },

    async dropMarker({ life, atMs }) {
      const id = `${MARKER}${life}`;
      const [found] = await documents.get(index, [id]);
      if (found?.source.markedAt !== atMs) return;
      await documents.write([{ action: "delete", index, id, at: found.revision }]);
    },

    async listSessions(space, query, before, limit) {
      // Whether a session may be removed depends on who inherits from it: a fork of just now must be seen.
      if (query.parentId !== undefined && !before) await documents.refresh(index);
      const bool = conditionsOf(space, query);
      const [byTime, ...byId] = sortOf(query);
      if (!before) {
        // Sorting by id too takes a third of the time of a list, and matters only where it parts two of one time.
        const found = await find({ size: limit + 1, query: { bool }, sort: [byTime] });
        const timeAt = (at: number): number | undefined =>
          query.order === "created" ? found[at]?.createdAt : found[at]?.updatedAt;
        if (found.length <= limit || timeAt(limit) !== timeAt(limit - 1)) return found.slice(0, limit);
      }
      return find({ size: limit, query: { bool }, sort: [byTime, ...byId], ...searchAfter(before) });
    },

    async listExpired(space, nowMs, limit) {
      await documents.refresh(index);
      const found = await find({
        size: limit,
        query: { bool: { filter: [ofSpace(space), { range: { expiresAt: { lte: nowMs } } }] } },
        sort: [{ expiresAt: "asc" }, { id: "asc" }],
      });
      return refetch(found);
    },

    async listReserved(space, beforeMs, limit) {
      const found = await find({
        size: limit,
        query: { bool: { filter: [ofSpace(space), { range: { reservedAt: { lt: beforeMs } } }] } },
        sort: ["_doc"],
      });
      return (await refetch(found)).filter(({ ordinal }) => ordinal === 0);
    },
  };
}

function knownOf({ source, revision }: Found): Known {
  return { life: textOf(source.life), ordinal: numberOf(source.ordinal), revision };
}

function busy(): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    "a session is being written to by too many at once; try again",
    { store: NAME },
  );
}

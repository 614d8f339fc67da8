/**
 * @module
 * Session documents and markers. A session document is changed only where it still is as it was seen (its sequence
 * number), so that a late projection neither replaces a newer one nor brings back what was removed.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { DocumentDriver, Marker, Projection, SessionDocument } from "../documents/driver.ts";
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

/** A place in a list, and what is there now. */
interface Row {
  readonly id: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly session: SessionDocument | undefined;
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

  const fetchSessions = async (
    keys: readonly string[],
    withRecord: boolean,
  ): Promise<(SessionDocument | undefined)[]> => {
    const found = await documents.get(index, keys, withRecord ? [...KEPT, "record"] : KEPT);
    return found.map((one, at) => {
      note(keys[at] ?? "", one && knownOf(one));
      if (!one) return undefined;
      const session = sessionOf(one.id, one.source);
      const { life, ordinal, seq } = session;
      if (ordinal > 0) reach.note(life, { ordinal, last: seq });
      return session;
    });
  };

  /** What a search finds: where it stands in the index, and the document as it is now. */
  const find = async (body: Record<string, unknown>): Promise<Row[]> => {
    const hits = await documents.search(index, { ...body, _source: ["key", "id", "createdAt", "updatedAt"] });
    const places = hits.map(({ source }) => sessionOf(textOf(source.key), source));
    const sessions = await fetchSessions(
      places.map(({ key }) => key),
      true,
    );
    return places.map(({ id, createdAt, updatedAt }, at) => {
      return { id, createdAt, updatedAt, session: sessions[at] };
    });
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

    async deleteSession(key, life, ordinal) {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
        const [state] = await look([key]);
        if (state?.life !== life || (ordinal !== undefined && state.ordinal !== ordinal)) return false;
        // Sent again by the client after it took place, it would seem to be somebody else's doing.
        const one: Write = { action: "delete", index, id: key, at: state.revision };
        const [result] = await documents.write([one], "once");
        note(key, undefined);
        if (result?.status === "done") return true;
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
      const sessions: SessionDocument[] = [];
      let after = before;
      while (sessions.length < limit) {
        const size = limit - sessions.length;
        const rows = await find({
          size,
          query: { bool: conditionsOf(space, query) },
          sort: sortOf(query),
          ...searchAfter(after),
        });
        // The index chose as of its last refresh, and where it stands in the list is what a next page goes on from.
        for (const { session, createdAt, updatedAt } of rows)
          if (session) sessions.push({ ...session, createdAt, updatedAt });
        const last = rows.at(-1);
        if (rows.length < size || !last) break;
        after = { at: query.order === "created" ? last.createdAt : last.updatedAt, id: last.id };
      }
      return sessions;
    },

    async listExpired(space, nowMs, limit) {
      await documents.refresh(index);
      const rows = await find({
        size: limit,
        query: { bool: { filter: [ofSpace(space), { range: { expiresAt: { lte: nowMs } } }] } },
        sort: [{ expiresAt: "asc" }, { id: "asc" }],
      });
      return rows.flatMap(({ session }) => session ?? []);
    },

    async listReserved(space, beforeMs, limit) {
      const rows = await find({
        size: limit,
        query: { bool: { filter: [ofSpace(space), { range: { reservedAt: { lt: beforeMs } } }] } },
        sort: ["_doc"],
      });
      return rows.flatMap(({ session }) => session ?? []).filter(({ ordinal }) => ordinal === 0);
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

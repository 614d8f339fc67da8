/**
 * @module
 * The documents in MongoDB: what the document store asks for, as commands on single documents.
 */

import type {
  CommitPlace,
  CommitRange,
  DocumentDriver,
  EntryPlace,
  IdLookup,
  Projection,
  Reservation,
  SessionDocument,
  StoredCommit,
} from "../documents/driver.ts";
import type { MongodbCollection } from "./client.ts";
import type { Collections } from "./collections.ts";
import {
  columnsOf,
  commitDocument,
  commitId,
  idKey,
  idsOf,
  parseCommit,
  parseMarker,
  parseSession,
  storedText,
} from "./documents.ts";
import { codeOf } from "./errors.ts";
import { listFilter, sortOf } from "./queries.ts";
import { searchCommits } from "./search.ts";

/** Of the 16 MB that a document takes: the rest is for words, ids and fields. */
const MAX_COMMIT_BYTES = 14 * 1024 * 1024;
/** Metadata is kept a second time, to be looked for, and takes up to three times as much there. */
const MAX_RECORD_BYTES = 4 * 1024 * 1024;

/** Commands that are sent before the first has answered; a client has 100 connections unless it was told otherwise. */
const AT_ONCE = 32;

/** Commit documents that one answer of the server holds at most. */
const READ_AT_ONCE = 100;

/** MongoDB's code for a document that is there already. */
const DUPLICATE_KEY = 11_000;

/** What is never read back: it is for indexes. */
const COMMIT_FIELDS = { words: 0, types: 0 };
const SESSION_FIELDS = { meta: 0 };

export function mongodbDriver(collections: Collections): DocumentDriver {
  const { sessions, commits, ended } = collections;
  const toSession = (value: unknown): SessionDocument => parseSession(value, sessions.collectionName);
  const toCommit = (value: unknown): StoredCommit => parseCommit(value, commits.collectionName);

  const findSessions = async (filter: object, options: object): Promise<SessionDocument[]> =>
    (await sessions.find(filter, { projection: SESSION_FIELDS, ...options }).toArray()).map(toSession);

  async function* readCommits(life: string, range: CommitRange): AsyncGenerator<StoredCommit> {
    const { after, upTo, reverse, types, limit } = range;
    if (upTo <= after) return;
    const isBounded = upTo < Number.MAX_SAFE_INTEGER;
    // The one that holds `upTo` comes by itself, so that both queries end where their index does.
    const edge = async (): Promise<StoredCommit[]> => {
      if (!isBounded) return [];
      const options = { projection: COMMIT_FIELDS, sort: { last: 1 }, limit: 1 };
      const found = await commits.find({ life, last: { $gte: upTo } }, options).toArray();
      return found.map(toCommit).filter(({ first }) => first <= upTo);
    };
    if (reverse) yield* await edge();
    const within = { life, last: { $gt: after, ...(isBounded && { $lt: upTo }) } };
    const cursor = commits.find(
      { ...within, ...(types && { types: { $in: types } }) },
      {
        projection: COMMIT_FIELDS,
        sort: { last: reverse ? -1 : 1 },
        batchSize: Math.min(limit + 1, READ_AT_ONCE),
      },
    );
    for await (const found of cursor) yield toCommit(found);
    if (!reverse) yield* await edge();
  }

  const findId = async ({ life, ids }: IdLookup): Promise<EntryPlace | undefined> => {
    const wanted = new Set(ids);
    const [found] = await commits
      .find(
        { ids: { $in: ids.map((id) => idKey(life, id)) } },
        { projection: { ids: 1, seqs: 1 }, sort: { last: 1 }, limit: 1 },
      )
      .toArray();
    return idsOf(found, life).find(({ id }) => wanted.has(id));
  };

  /** MongoDB looks at life and ordinal again where another update came between, so no older one takes a newer's place. */
  const advanceOne = async (projection: Projection): Promise<boolean> => {
    const { key, life, ordinal } = projection;
    const filter = { _id: key, life, ordinal: { $lt: ordinal } };
    return (await sessions.updateOne(filter, projectedUpdate(projection))).matchedCount > 0;
  };

  return {
    maxCommitBytes: MAX_COMMIT_BYTES,
    maxRecordBytes: MAX_RECORD_BYTES,

    reserve: (reservations) => insertNew(sessions, reservations.map(reservedDocument)),
    async getSessions(keys, withRecord) {
      if (keys.length === 0) return [];
      const projection = withRecord ? SESSION_FIELDS : { ...SESSION_FIELDS, record: 0 };
      const found = await findSessions({ _id: oneOf(keys) }, { projection });
      const byKey = new Map(found.map((session) => [session.key, session]));
      return keys.map((key) => byKey.get(key));
    },
    advance: (projections) => inGroups(projections, AT_ONCE, advanceOne),
    async deleteSession(key, life, ordinal) {
      const filter = { _id: key, life, ...(ordinal !== undefined && { ordinal }) };
      return (await sessions.deleteOne(filter)).deletedCount > 0;
    },

    createCommits: (documents) => insertNew(commits, documents.map(commitDocument)),
    async getCommits(places) {
      if (places.length === 0) return [];
      const ids = places.map(commitId);
      const found = await commits.find({ _id: oneOf(ids) }, { projection: COMMIT_FIELDS }).toArray();
      const byId = new Map(found.map(toCommit).map((commit) => [commitId(commit), commit]));
      return ids.map((id) => byId.get(id));
    },
    readCommits,
    findIds: (lookups) => inGroups(lookups, AT_ONCE, findId),
    async deleteCommit(place: CommitPlace) {
      await commits.deleteOne({ _id: commitId(place) });
    },
    async deleteLife(life) {
      await commits.deleteMany({ life });
    },

    async putMarker({ life, key, atMs }) {
      const [isNew] = await insertNew(ended, [{ _id: life, key, at: atMs }]);
      if (!isNew) await ended.updateOne({ _id: life }, { $set: { at: atMs } });
    },
    async getMarkers(beforeMs, limit) {
      const found = await ended.find({ at: { $lt: beforeMs } }, { sort: { at: 1 }, limit }).toArray();
      return found.map((value) => parseMarker(value, ended.collectionName));
    },
    async dropMarker({ life, atMs }) {
      await ended.deleteOne({ _id: life, at: atMs });
    },

    listSessions: (space, query, before, limit) =>
      findSessions(listFilter(space, query, before), { sort: sortOf(query), limit }),
    listExpired: (space, nowMs, limit) =>
      findSessions({ space, expiresAt: { $lte: nowMs } }, { sort: { expiresAt: 1 }, limit }),
    listReserved: (space, beforeMs, limit) =>
      findSessions({ space, reservedAt: { $lt: beforeMs } }, { sort: { reservedAt: 1 }, limit }),
    async *searchCommits(space, terms, atMost) {
      for await (const found of searchCommits(commits, space, terms, atMost)) yield toCommit(found);
    },
  };
}

function oneOf(ids: readonly string[]): unknown {
  return ids.length === 1 ? ids[0] : { $in: [...new Set(ids)] };
}

function reservedDocument({ key, space, id, life, atMs, record }: Reservation): object {
  const place = { _id: key, space, id: storedText(id), life, ordinal: 0, version: 0, seq: 0, from: 0 };
  return { ...place, ...columnsOf(record), reservedAt: atMs };
}

/** What changes a session document to say what `projection` says. */
function projectedUpdate({ ordinal, from, record, text }: Projection): object {
  const { version, seq, expiresAt } = record;
  return {
    $set: {
      ...{ ordinal, version, seq, from, record: text },
      ...columnsOf(record),
      ...(expiresAt !== undefined && { expiresAt }),
    },
    $unset: { reservedAt: "", ...(expiresAt === undefined && { expiresAt: "" }) },
  };
}

/** Runs `work` on each item, at most `count` at a time. */
async function inGroups<T, R>(
  items: readonly T[],
  count: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += count)
    results.push(...(await Promise.all(items.slice(start, start + count).map(work))));
  return results;
}

/** Inserts documents; each answers whether it was not there before. */
export async function insertNew(
  collection: MongodbCollection,
  documents: readonly object[],
): Promise<boolean[]> {
  if (documents.length === 0) return [];
  try {
    await collection.insertMany([...documents], { ordered: false });
    return documents.map(() => true);
  } catch (error) {
    const taken = takenIn(error, documents.length);
    if (!taken) throw error;
    return documents.map((_, index) => !taken.has(index));
  }
}

/**
 * Which of `count` documents were there already, where that is all that went wrong and all others are inserted. The driver
 * fails in the same way, with nothing in its list, where a connection is lost.
 */
function takenIn(error: unknown, count: number): Set<number> | undefined {
  if (typeof error !== "object" || error === null || codeOf(error) !== DUPLICATE_KEY) return undefined;
  if (!("writeErrors" in error) || !("result" in error) || !("insertedCount" in error)) return undefined;
  const errors: unknown[] = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors];
  const taken = new Set<number>();
  for (const one of errors) {
    if (typeof one !== "object" || one === null || !("code" in one) || !("index" in one)) return undefined;
    if (one.code !== DUPLICATE_KEY || typeof one.index !== "number") return undefined;
    taken.add(one.index);
  }
  const isWhole = error.insertedCount === count - taken.size && !isUnconfirmed(error.result);
  return isWhole ? taken : undefined;
}

/** Whether the server also said that it is not known whether a majority has what was inserted. */
function isUnconfirmed(result: unknown): boolean {
  if (typeof result !== "object" || result === null || !("getWriteConcernError" in result)) return true;
  const ask = result.getWriteConcernError;
  return typeof ask !== "function" || ask.call(result) !== undefined;
}

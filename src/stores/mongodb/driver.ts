/**
 * @module
 * The documents in MongoDB: what the document store asks for, as commands on single documents.
 */

import type {
  DocumentDriver,
  EntryPlace,
  IdLookup,
  Projection,
  Reservation,
  SessionDocument,
} from "../documents/driver.ts";
import { ATTEMPT_MS } from "../documents/driver.ts";
import type { MongodbCollection } from "./client.ts";
import type { Collections } from "./collections.ts";
import { commitsAt, readCommits } from "./commits.ts";
import {
  AS_END,
  columnsOf,
  commitDocument,
  idKey,
  idsOf,
  parseCommit,
  parseMarker,
  parseSession,
  storedText,
} from "./documents.ts";
import { codeOf } from "./errors.ts";
import { createLately } from "./lately.ts";
import { listFilter, sortOf } from "./queries.ts";
import { searchCommits } from "./search.ts";

/** Of the 16 MB that a document takes: the rest is for words, ids and fields. */
const MAX_COMMIT_BYTES = 14 * 1024 * 1024;
/** Metadata is kept a second time, to be looked for, and takes up to three times as much there. */
const MAX_RECORD_BYTES = 4 * 1024 * 1024;

/** Commands that are sent before the first has answered; a client has 100 connections unless it was told otherwise. */
const AT_ONCE = 32;

/** As many documents are asked for one by one, for servers that find only plain values quickly. */
const FEW = 8;

/** MongoDB's code for a document that is there already. */
const DUPLICATE_KEY = 11_000;

/** What is never read back: it is for an index. */
const SESSION_FIELDS = { meta: 0 };

export function mongodbDriver(collections: Collections): DocumentDriver {
  const { sessions, commits, ended } = collections;
  const toSession = (value: unknown): SessionDocument => parseSession(value, sessions.collectionName);
  const lately = createLately();

  const findSessions = async (filter: object, options: object): Promise<SessionDocument[]> =>
    (await sessions.find(filter, { projection: SESSION_FIELDS, ...options }).toArray()).map(toSession);

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
    const isMoved = (await sessions.updateOne(filter, projectedUpdate(projection))).matchedCount > 0;
    if (isMoved) lately.note(key, { life, ordinal });
    return isMoved;
  };

  const getSessions = async (
    keys: readonly string[],
    withRecord: boolean,
  ): Promise<(SessionDocument | undefined)[]> => {
    if (keys.length === 0) return [];
    const projection = withRecord ? SESSION_FIELDS : { ...SESSION_FIELDS, record: 0 };
    const unique = [...new Set(keys)];
    const found =
      unique.length <= FEW
        ? (await Promise.all(unique.map((key) => findSessions({ _id: key }, { projection })))).flat()
        : await findSessions({ _id: { $in: unique } }, { projection });
    const byKey = new Map(found.map((session) => [session.key, session]));
    return keys.map((key) => byKey.get(key));
  };

  return {
    maxCommitBytes: MAX_COMMIT_BYTES,
    maxRecordBytes: MAX_RECORD_BYTES,

    reserve: (reservations) => insertNew(sessions, reservations.map(reservedDocument)),
    getSessions,
    getSessionsWithNext: (keys) =>
      lately.withNext(keys, {
        sessions: () => getSessions(keys, true),
        commits: (places) => commitsAt(commits, places),
      }),
    advance: (projections) => inGroups(projections, AT_ONCE, advanceOne),
    async deleteSession(key, life) {
      return (await sessions.deleteOne({ _id: key, life })).deletedCount > 0;
    },

    createCommits: (documents) => insertNew(commits, documents.map(commitDocument)),
    getCommits: (places) => commitsAt(commits, places),
    readCommits: (life, range) => readCommits(commits, life, range),
    findIds: (lookups) => inGroups(lookups, AT_ONCE, findId),
    async deleteLife(life, end) {
      if (end !== undefined)
        await commits.updateMany(
          { life, madeAt: { $gt: Date.now() - ATTEMPT_MS }, last: { $gt: 0 } },
          AS_END,
        );
      await commits.deleteMany({ life, ...(end !== undefined && { last: { $gt: 0 } }) });
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
      for await (const found of searchCommits(commits, space, terms, atMost))
        yield parseCommit(found, commits.collectionName);
    },
  };
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
  const [first, ...others] = documents;
  if (!first) return [];
  // The driver works a quarter more for a list of one.
  if (others.length === 0) return [await insertOneNew(collection, first)];
  try {
    await collection.insertMany([...documents], { ordered: false });
    return documents.map(() => true);
  } catch (error) {
    const taken = takenIn(error, documents.length);
    if (!taken) throw error;
    return documents.map((_, index) => !taken.has(index));
  }
}

async function insertOneNew(collection: MongodbCollection, document: object): Promise<boolean> {
  try {
    await collection.insertOne(document);
    return true;
  } catch (error) {
    if (codeOf(error) === DUPLICATE_KEY) return false;
    throw error;
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

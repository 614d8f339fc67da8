/**
 * @module
 * The documents in MongoDB: what the document store asks for, as commands on single documents.
 */

import type {
  CommitRange,
  DocumentDriver,
  EntryPlace,
  IdLookup,
  Projection,
  Reservation,
  SessionDocument,
  StoredCommit,
} from "../documents/driver.ts";
import { ATTEMPT_MS } from "../documents/driver.ts";
import { isEnd } from "../documents/end.ts";
import type { MongodbCollection } from "./client.ts";
import type { Collections } from "./collections.ts";
import {
  AS_END,
  BLOCK,
  blockOf,
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

/** As many documents are asked for one by one, for servers that find only plain values quickly. */
const FEW = 8;

/** Blocks that are read one by one before a query looks for all that is left. */
const MAX_BLOCKS = 4;

/** Commit documents that one answer of the server holds at most. */
const READ_AT_ONCE = 100;

/** MongoDB's code for a document that is there already. */
const DUPLICATE_KEY = 11_000;

/** What is never read back: it is for indexes. */
const COMMIT_FIELDS = { words: 0, types: 0, block: 0 };
const SESSION_FIELDS = { meta: 0 };

export function mongodbDriver(collections: Collections): DocumentDriver {
  const { sessions, commits, ended } = collections;
  const toSession = (value: unknown): SessionDocument => parseSession(value, sessions.collectionName);
  const toCommit = (value: unknown): StoredCommit => parseCommit(value, commits.collectionName);

  const findSessions = async (filter: object, options: object): Promise<SessionDocument[]> =>
    (await sessions.find(filter, { projection: SESSION_FIELDS, ...options }).toArray()).map(toSession);

  async function* readCommits(life: string, range: CommitRange): AsyncGenerator<StoredCommit> {
    const { after, upTo, reverse, types, limit, newest } = range;
    if (upTo <= after) return;
    if (reverse && newest && newest.ordinal > 0 && upTo >= newest.seq) {
      yield* readEnd(life, newest.ordinal, range);
      return;
    }
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

  /**
   * The newest commits of a life, backward, by the one plain value that a block of them shares: whatever the log is long,
   * on servers too that look for nothing else by an index. Then the others.
   */
  async function* readEnd(life: string, newest: number, range: CommitRange): AsyncGenerator<StoredCommit> {
    const block = async (ordinal: number): Promise<StoredCommit[]> => {
      const filter = { block: blockOf(life, ordinal) };
      const found = await commits.find(filter, { projection: COMMIT_FIELDS }).toArray();
      return found.map(toCommit).toSorted((a, b) => b.ordinal - a.ordinal);
    };
    let page = await block(newest + 1);
    // Past what is known there may be commits of just now, or that crashes left.
    for (let [top] = page; top && blockOf(life, top.ordinal + 1) !== blockOf(life, top.ordinal); ) {
      const more = await block(top.ordinal + 1);
      page = [...more, ...page];
      [top] = more;
    }
    let lowest = range.upTo + 1;
    // Commits are of one entry at least, so where nothing is left out there are no more blocks to read than these.
    const blocks = Math.min(Math.ceil(range.limit / BLOCK) + 1, MAX_BLOCKS);
    for (let count = 0; count < blocks; count += 1) {
      const ordinal = newest + 1 - count * BLOCK;
      // Before the block that holds the first one there is none.
      if (ordinal < 0) return;
      if (count > 0) page = await block(ordinal);
      for (const commit of page) {
        if (isEnd(commit) || commit.first > range.upTo) continue;
        if (commit.last > range.after) yield commit;
        if (commit.first <= range.after + 1) return;
        lowest = commit.first;
      }
    }
    yield* readCommits(life, { ...range, upTo: lowest - 1, newest: undefined });
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
      const unique = [...new Set(keys)];
      const found =
        unique.length <= FEW
          ? (await Promise.all(unique.map((key) => findSessions({ _id: key }, { projection })))).flat()
          : await findSessions({ _id: { $in: unique } }, { projection });
      const byKey = new Map(found.map((session) => [session.key, session]));
      return keys.map((key) => byKey.get(key));
    },
    advance: (projections) => inGroups(projections, AT_ONCE, advanceOne),
    async deleteSession(key, life) {
      return (await sessions.deleteOne({ _id: key, life })).deletedCount > 0;
    },

    createCommits: (documents) => insertNew(commits, documents.map(commitDocument)),
    async getCommits(places) {
      if (places.length === 0) return [];
      const ids = places.map(commitId);
      const find = (filter: object): Promise<unknown[]> =>
        commits.find(filter, { projection: COMMIT_FIELDS }).toArray();
      const lives = Map.groupBy(places, ({ life }) => life);
      const found =
        lives.size <= FEW
          ? await Promise.all(
              [...lives].map(([life, ofLife]) => find({ life, _id: oneOf(ofLife.map(commitId)) })),
            )
          : [await find({ _id: oneOf(ids) })];
      const byId = new Map(found.flat().map((value) => [commitId(toCommit(value)), toCommit(value)]));
      return ids.map((id) => byId.get(id));
    },
    readCommits,
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

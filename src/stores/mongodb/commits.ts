/**
 * @module
 * Reads commit documents: by their places, and by their positions in a log.
 *
 * Whatever is asked for often goes by plain values of one field each (an id, a block), one query each and all at once: that
 * is one round trip, and servers that look for nothing else in their storage (FerretDB 1) give no more than was asked for.
 */
import type { CommitPlace, CommitRange, StoredCommit } from "../documents/driver.ts";
import { isEnd } from "../documents/end.ts";
import type { MongodbCollection } from "./client.ts";
import { BLOCK, blockOf, commitId, parseCommit } from "./documents.ts";

/** As many queries are sent at once; for more documents there is one for all of them. */
const FEW = 8;

/** Blocks that are read at the end of a log before a query looks for all that is left. */
const MAX_BLOCKS = 4;

/** Commit documents that one answer of the server holds at most. */
const READ_AT_ONCE = 100;

/** What is never read back: it is for indexes. */
const FIELDS = { words: 0, types: 0, block: 0 };

async function find(commits: MongodbCollection, filter: object, options?: object): Promise<StoredCommit[]> {
  const found = await commits.find(filter, { projection: FIELDS, ...options }).toArray();
  return found.map((value) => parseCommit(value, commits.collectionName));
}

/** The commits at `places`, `undefined` where there is none. */
export async function commitsAt(
  commits: MongodbCollection,
  places: readonly CommitPlace[],
): Promise<(StoredCommit | undefined)[]> {
  if (places.length === 0) return [];
  const blocks = Map.groupBy(places, ({ life, ordinal }) => blockOf(life, ordinal));
  const found =
    blocks.size <= FEW
      ? await Promise.all([...blocks].map(([block, within]) => find(commits, ofBlock(block, within))))
      : [await find(commits, { _id: oneOf(places) })];
  const byId = new Map(found.flat().map((commit) => [commitId(commit), commit]));
  return places.map((place) => byId.get(commitId(place)));
}

/** One document is found by its id alone; of several the block is what they have in common. */
function ofBlock(block: string, places: readonly CommitPlace[]): object {
  const _id = oneOf(places);
  return typeof _id === "string" ? { _id } : { block, _id };
}

function oneOf(places: readonly CommitPlace[]): string | object {
  const [first, ...others] = new Set(places.map(commitId));
  return first !== undefined && others.length === 0 ? first : { $in: places.map(commitId) };
}

/** The commits of a life that hold an entry of the range, ascending, or descending with `reverse`. */
export async function* readCommits(
  commits: MongodbCollection,
  life: string,
  range: CommitRange,
): AsyncGenerator<StoredCommit> {
  const { after, upTo, reverse, types, limit, newest } = range;
  if (upTo <= after) return;
  if (reverse && newest && newest.ordinal > 0 && upTo >= newest.seq) {
    yield* readEnd(commits, life, newest.ordinal, range);
    return;
  }
  const isBounded = upTo < Number.MAX_SAFE_INTEGER;
  // The one that holds `upTo` comes by itself, so that both queries end where their index does.
  const edge = async (): Promise<StoredCommit[]> => {
    if (!isBounded) return [];
    const found = await find(commits, { life, last: { $gte: upTo } }, { sort: { last: 1 }, limit: 1 });
    return found.filter(({ first }) => first <= upTo);
  };
  if (reverse) yield* await edge();
  const within = { life, last: { $gt: after, ...(isBounded && { $lt: upTo }) } };
  const cursor = commits.find(
    { ...within, ...(types && { types: { $in: types } }) },
    {
      projection: FIELDS,
      sort: { last: reverse ? -1 : 1 },
      batchSize: Math.min(limit + 1, READ_AT_ONCE),
    },
  );
  for await (const found of cursor) yield parseCommit(found, commits.collectionName);
  if (!reverse) yield* await edge();
}

/** The newest commits of a life, backward, by the value that a block of them shares; then the others. */
async function* readEnd(
  commits: MongodbCollection,
  life: string,
  newest: number,
  range: CommitRange,
): AsyncGenerator<StoredCommit> {
  const block = (ordinal: number): Promise<StoredCommit[]> =>
    find(commits, { block: blockOf(life, ordinal) });
  // Commits are of one entry at least, so where nothing is left out there is no more to read than this.
  const lowest = Math.floor(Math.max(0, newest - range.limit + 1) / BLOCK);
  const numbers = Array.from(
    { length: MAX_BLOCKS },
    (_, back) => Math.floor((newest + 1) / BLOCK) - back,
  ).filter((number) => number >= lowest);
  const found = await Promise.all(numbers.map((number) => block(number * BLOCK)));
  // Past what is known there may be commits of just now, or that crashes left.
  let [past = []] = found;
  for (let top = newestOf(past); top && isLastOfBlock(top); top = newestOf(past)) {
    past = await block(top.ordinal + 1);
    found.push(past);
  }
  let upTo = range.upTo;
  for (const commit of found.flat().toSorted((a, b) => b.ordinal - a.ordinal)) {
    if (isEnd(commit) || commit.first > upTo) continue;
    if (commit.last > range.after) yield commit;
    if (commit.first <= range.after + 1) return;
    upTo = commit.first - 1;
  }
  // Before the block that holds the first one there is none.
  if (numbers.at(-1) === 0) return;
  yield* readCommits(commits, life, { ...range, upTo, newest: undefined });
}

function newestOf(page: readonly StoredCommit[]): StoredCommit | undefined {
  return page.reduce<StoredCommit | undefined>(
    (top, commit) => (top && top.ordinal > commit.ordinal ? top : commit),
    undefined,
  );
}

function isLastOfBlock({ life, ordinal }: CommitPlace): boolean {
  return blockOf(life, ordinal + 1) !== blockOf(life, ordinal);
}

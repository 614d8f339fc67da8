/**
 * @module
 * Reads a stretch of a log by the numbers of its commit documents alone: a query would not see what was written since
 * the last refresh.
 */
import type { CommitRange, StoredCommit } from "../documents/driver.ts";
import type { Point, Reach } from "./reach.ts";

/** The documents of one life. */
export interface Life {
  readonly name: string;
  readonly reach: Reach;
  /** Those of these numbers, `undefined` where there is none. */
  fetch(ordinals: readonly number[]): Promise<(StoredCommit | undefined)[]>;
  /** Only the first and last position of each. */
  fetchBounds(ordinals: readonly number[]): Promise<(Bounds | undefined)[]>;
}

export interface Bounds {
  readonly first: number;
  readonly last: number;
}

/** Documents of the first step of a search, before anything is known of their size; one may be of many megabytes. */
export const FIRST_STEP = 16;
/** Of a reader who says how many entries are wanted: most commits are of one or two. */
const MAX_FIRST_STEP = 32;
/** How many times as many as the step before a step may have, where only some types are wanted. */
const GROWTH = 2;
const MAX_STEP = 1024;
/** What one step should hold, in UTF-16 units. */
const STEP_LENGTH = 4 * 1024 * 1024;
/** Numbers that one step of a search for a position looks at. */
const PROBES = 16;

/** The commits of a life that hold an entry of the range. */
export async function* readRange(life: Life, range: CommitRange): AsyncGenerator<StoredCommit> {
  if (range.upTo <= range.after) return;
  let next = range.reverse ? await lastWithin(life, range.upTo) : await ordinalOf(life, range.after + 1);
  const direction = range.reverse ? -1 : 1;
  // Backward the first place is one past what is known to be there.
  let step = Math.max(1, Math.min(MAX_FIRST_STEP, range.limit)) + (range.reverse ? 1 : 0);
  let left = range.types ? Number.POSITIVE_INFINITY : range.limit;
  for (let isFirst = true; ; isFirst = false) {
    const from = next;
    const ordinals = Array.from({ length: step }, (_, index) => from + direction * index);
    const page = await life.fetch(ordinals.filter((ordinal) => ordinal > 0));
    if (range.reverse && isFirst && page[0] && page[0].last < range.upTo) {
      // There is more than was known of: others have been committing.
      next = await lastAfter(life, from);
      continue;
    }
    for (const commit of page) {
      if (!commit) {
        // Numbers have no holes, so this is the end of the log; or the start lies one past it.
        if (range.reverse) continue;
        return;
      }
      if (range.reverse ? commit.last <= range.after : commit.first > range.upTo) return;
      if (commit.last <= range.after || commit.first > range.upTo) continue;
      life.reach.note(life.name, commit);
      left -= commit.last - commit.first + 1;
      yield commit;
    }
    next += direction * step;
    if (next < 1) return;
    step = Math.min(nextStep(page, left), range.types ? step * GROWTH : MAX_STEP);
  }
}

/** As many documents as make up a step, or hold the `left` entries still wanted, if they are like those before. */
export function nextStep(page: readonly (StoredCommit | undefined)[], left: number): number {
  let length = 1;
  let entries = 1;
  for (const commit of page) {
    length += commit?.entries.length ?? 0;
    entries += commit ? commit.last - commit.first + 1 : 0;
  }
  const count = Math.floor(page.length * Math.min(STEP_LENGTH / length, left / entries));
  return Math.max(1, Math.min(MAX_STEP, count + 1));
}

/** The number of the commit that holds the entry at `upTo`; one past the newest that is known, or more, where none does. */
async function lastWithin(life: Life, upTo: number): Promise<number> {
  const newest = life.reach.points(life.name).at(-1);
  if (!newest) return (await lastOrdinal(life)) + 1;
  // Commits may be there of which the session document does not tell yet.
  return upTo <= newest.last ? ordinalOf(life, upTo) : newest.ordinal + 1;
}

/** The number of the newest commit where that of number `known` is there. */
async function lastAfter({ fetchBounds }: Life, known: number): Promise<number> {
  for (let last = known; ; last += PROBES) {
    const from = last;
    const bounds = await fetchBounds(Array.from({ length: PROBES }, (_, index) => from + 1 + index));
    const missing = bounds.indexOf(undefined);
    if (missing >= 0) return last + missing;
  }
}

/** The number of the newest commit of a life of which nothing is known. */
async function lastOrdinal({ fetchBounds }: Life): Promise<number> {
  let low = 0;
  let high = Number.MAX_SAFE_INTEGER;
  let probes = Array.from({ length: PROBES }, (_, index) => 4 ** index);
  while (high > low + 1) {
    const bounds = await fetchBounds(probes);
    const missing = bounds.indexOf(undefined);
    const there = missing < 0 ? probes.length : missing;
    low = probes[there - 1] ?? low;
    high = probes[there] ?? high;
    probes = spread(low, high);
  }
  return low;
}

/** Numbers that part all that lies between two into stretches of one length. */
function spread(low: number, high: number): number[] {
  const count = Math.min(PROBES, high - low - 1);
  return Array.from(
    { length: count },
    (_, index) => low + Math.floor(((high - low) * (index + 1)) / (count + 1)),
  );
}

/** The number of the commit that holds the entry at `seq`, or of the one after the last that is known. */
async function ordinalOf({ name, reach, fetchBounds }: Life, seq: number): Promise<number> {
  const points = reach.points(name);
  let low: Point = points.findLast(({ last }) => last < seq) ?? { ordinal: 0, last: 0 };
  let high = points.find(({ last }) => last >= seq);
  // Positions have no holes: what follows on the end of a commit is in the next one.
  while (high && high.ordinal > low.ordinal + 1 && seq > low.last + 1) {
    const probes = probesBetween(low, high, seq);
    const bounds = await fetchBounds(probes);
    let isFound = false;
    for (const [index, found] of bounds.entries()) {
      if (!found) continue;
      isFound = true;
      const point = { ordinal: probes[index] ?? 0, last: found.last };
      if (found.last < seq && point.ordinal > low.ordinal) low = point;
      if (found.last >= seq && point.ordinal < high.ordinal) high = point;
    }
    // The life is being removed: the reader finds that out.
    if (!isFound) break;
  }
  return low.ordinal + 1;
}

/** Numbers between two points: around where `seq` is if commits are alike, and some that part all that lies between. */
function probesBetween(low: Point, high: Point, seq: number): number[] {
  const parting = spread(low.ordinal, high.ordinal);
  if (parting.length < PROBES) return parting;
  const share = (seq - low.last) / (high.last - low.last);
  const guess = low.ordinal + Math.ceil((high.ordinal - low.ordinal) * share);
  const around = Array.from({ length: PROBES / 2 }, (_, index) => guess - PROBES / 4 + index);
  return [...new Set([...around, ...parting])].filter(
    (ordinal) => ordinal > low.ordinal && ordinal < high.ordinal,
  );
}

/**
 * The OpenSearch store finds its way in a log by the numbers of commits alone: whatever it knows of a life, it reads what
 * a plain array would give, and in few steps.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { CommitRange, StoredCommit } from "../../src/stores/documents/driver.ts";
import { readRange } from "../../src/stores/opensearch/range.ts";
import { createReach } from "../../src/stores/opensearch/reach.ts";

/** The commits of a log that begins at `from`, each of as many entries as `sizes` says. */
function commitsOf(from: number, sizes: readonly number[]): StoredCommit[] {
  let first = from;
  return sizes.map((size, index) => {
    const commit = { first, last: first + size - 1, ordinal: index + 1, entries: "x".repeat(size) };
    first += size;
    return { ...commit, key: "key", life: "life", attempt: "", at: 0, ids: [] };
  });
}

/** What is read, and in how many requests, by a store that has noted the commits of `known`. */
async function read(
  commits: readonly StoredCommit[],
  known: readonly number[],
  range: CommitRange,
): Promise<{ ordinals: number[]; requests: number }> {
  const reach = createReach();
  for (const ordinal of known) {
    const commit = commits[ordinal - 1];
    if (commit) reach.note("life", commit);
  }
  let requests = 0;
  const fetch = async (ordinals: readonly number[]): Promise<(StoredCommit | undefined)[]> => {
    requests += 1;
    expect(ordinals.length).toBeGreaterThan(0);
    expect(Math.min(...ordinals)).toBeGreaterThan(0);
    return ordinals.map((ordinal) => commits[ordinal - 1]);
  };
  const ordinals: number[] = [];
  let left = range.limit;
  for await (const commit of readRange({ name: "life", reach, fetch, fetchBounds: fetch }, range)) {
    ordinals.push(commit.ordinal);
    left -= Math.min(commit.last, range.upTo) - Math.max(commit.first, range.after + 1) + 1;
    if (left <= 0) break;
  }
  return { ordinals, requests };
}

/** What `read` must give. */
function expected(commits: readonly StoredCommit[], { after, upTo, limit, reverse }: CommitRange): number[] {
  const held = commits.filter(({ first, last }) => Math.max(first, after + 1) <= Math.min(last, upTo));
  const ordinals: number[] = [];
  let left = limit;
  for (const { first, last, ordinal } of reverse ? held.toReversed() : held) {
    ordinals.push(ordinal);
    left -= Math.min(last, upTo) - Math.max(first, after + 1) + 1;
    if (left <= 0) break;
  }
  return ordinals;
}

test("any range of any log is what a plain array gives, whatever was known of it before", async () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 400 })), {
    minLength: 1,
    maxLength: 300,
  });
  const position = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 20_000 }));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 1, 41),
      sizes,
      fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 20 }),
      fc.constantFrom("nothing", "the newest", "the one before"),
      fc.record({
        after: position,
        upTo: fc.oneof(position, fc.constant(Number.MAX_SAFE_INTEGER)),
        limit: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constant(100_000)),
        reverse: fc.boolean(),
      }),
      async (from, lengths, known, head, range) => {
        const commits = commitsOf(from, lengths);
        const newest = {
          nothing: [],
          "the newest": [lengths.length],
          "the one before": [lengths.length - 1],
        }[head];
        // What lies past the newest that is known is not looked for backwards, but for one.
        const noted =
          head === "nothing" ? [] : [...known.filter((ordinal) => ordinal < lengths.length), ...newest];
        expect((await read(commits, noted, range)).ordinals).toEqual(expected(commits, range));
      },
    ),
    { numRuns: 500 },
  );
});

test("a place in the middle of a million commits is found in a few requests", async () => {
  const commits = commitsOf(
    1,
    Array.from({ length: 1_000_000 }, (_, index) => (index % 1000 < 10 ? 60 : 1)),
  );
  const last = commits.at(-1)?.last ?? 0;
  for (const share of [0.001, 0.1, 0.33, 0.5, 0.77, 0.999]) {
    const after = Math.floor(last * share);
    for (const reverse of [false, true]) {
      const range = reverse
        ? { after: 0, upTo: after, limit: 10, reverse }
        : { after, upTo: Number.MAX_SAFE_INTEGER, limit: 10, reverse };
      const { ordinals, requests } = await read(commits, [commits.length], range);
      expect(ordinals.length).toBeGreaterThan(0);
      expect(requests).toBeLessThanOrEqual(8);
    }
  }
  const end = { after: last, upTo: Number.MAX_SAFE_INTEGER, limit: 10, reverse: false };
  expect(await read(commits, [commits.length], end)).toEqual({ ordinals: [], requests: 1 });
  const newest = { after: 0, upTo: Number.MAX_SAFE_INTEGER, limit: 10, reverse: true };
  expect((await read(commits, [commits.length], newest)).requests).toBeLessThanOrEqual(2);
  expect((await read(commits, [], newest)).requests).toBeLessThanOrEqual(12);
});

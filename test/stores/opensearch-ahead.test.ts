/** Commits of this process that session documents do not tell of yet: what is made of them, and when they are of no use. */
import { afterEach, expect, test, vi } from "vitest";
import type { SessionRecord } from "../../src/log/record.ts";
import { callerId, decodeRecord, encodeData, encodeRecord } from "../../src/store/codec.ts";
import { commitOf, creation, note, say } from "../../src/store/conformance/build.ts";
import type { Commit } from "../../src/store/store.ts";
import type { CommitDocument, SessionDocument } from "../../src/stores/documents/driver.ts";
import { createAhead } from "../../src/stores/opensearch/ahead.ts";

afterEach(() => vi.restoreAllMocks());

function documentOf({ entries }: Commit, ordinal: number, life = "life"): CommitDocument {
  const lines = entries.flatMap((entry) => [
    JSON.stringify([entry.type, entry.at, callerId(entry) ?? null, entry.text ?? null, entry.commit ?? null]),
    encodeData(entry),
  ]);
  const [first = 0, last = 0] = [entries[0]?.seq, entries.at(-1)?.seq];
  return {
    ...{ key: "key", space: "", life, ordinal, attempt: "attempt", first, last, at: 0, since: 0 },
    ...{ ids: [], types: [], texts: [], entries: lines.join("\n") },
  };
}

/** The session document once commit `ordinal` led to `record`; at 0 it is reserved. */
function stored(ordinal: number, record?: SessionRecord, life = "life"): SessionDocument {
  const { version = 0, seq = 0, createdAt = 0, updatedAt = 0 } = record ?? {};
  return {
    ...{
      key: "key",
      id: "a",
      life,
      ordinal,
      version,
      seq,
      from: ordinal === 0 ? 0 : 1,
      createdAt,
      updatedAt,
    },
    ...(record && { record: encodeRecord(record) }),
  };
}

/** The commits of a session, by ordinal from 1. */
function log(count: number): Commit[] {
  const commits = [commitOf(undefined, [creation({ id: "a", userId: "u" }), say("hello")])];
  while (commits.length < count) commits.push(commitOf(commits.at(-1)?.record, [note(commits.length)]));
  return commits;
}

function recordIn({ record = "" }: SessionDocument): SessionRecord {
  return decodeRecord(record, "a", "opensearch");
}

test("a session is moved to where its commits lead to, again where more have come", () => {
  const ahead = createAhead();
  const commits = log(6);
  for (const [at, commit] of commits.slice(0, 4).entries()) ahead.note(documentOf(commit, at + 1));
  const reserved = ahead.moved(stored(0));
  expect(reserved).toMatchObject({ ordinal: 4, from: 1, seq: commits[3]?.record.seq });
  expect(recordIn(reserved)).toEqual(commits[3]?.record);
  for (const [at, commit] of commits.slice(4).entries()) ahead.note(documentOf(commit, at + 5));
  expect(ahead.newest("key")).toMatchObject({ life: "life", ordinal: 6 });
  for (const ordinal of [1, 3, 5]) {
    const moved = ahead.moved(stored(ordinal, commits[ordinal - 1]?.record));
    expect(moved).toMatchObject({ ordinal: 6, from: 1, version: 6 });
    expect(recordIn(moved)).toEqual(commits[5]?.record);
  }
});

test("a session is left as it is where commits are of another life, or some between were made by others", () => {
  const ahead = createAhead();
  const commits = log(5);
  for (const ordinal of [4, 5]) {
    const [commit] = commits.slice(ordinal - 1);
    if (commit) ahead.note(documentOf(commit, ordinal));
  }
  const behind = stored(2, commits[1]?.record);
  expect(ahead.moved(behind)).toBe(behind);
  const newest = stored(5, commits[4]?.record);
  expect(ahead.moved(newest)).toBe(newest);
  const other = stored(3, commits[2]?.record, "other");
  expect(ahead.moved(other)).toBe(other);
  expect(ahead.newest("key")).toBeUndefined();
});

test("what the session document tells of is forgotten, and so is what it has not told of for long", () => {
  const ahead = createAhead();
  const commits = log(4);
  for (const [at, commit] of commits.entries()) ahead.note(documentOf(commit, at + 1));
  ahead.settle("key", { life: "life", ordinal: 2 });
  const behind = stored(1, commits[0]?.record);
  expect(ahead.moved(behind)).toBe(behind);
  const third = stored(3, commits[2]?.record);
  expect(ahead.moved(third)).toMatchObject({ ordinal: 4 });
  vi.spyOn(performance, "now").mockReturnValue(performance.now() + 6000);
  // Looked at again and again, but never told of: whoever reads it is to see that it is behind.
  ahead.settle("key", { life: "life", ordinal: 2 });
  expect(ahead.moved(third)).toBe(third);
  ahead.note(documentOf(commits[0] ?? commitOf(undefined, [creation({ id: "a" })]), 1));
  ahead.settle("key", { life: "life", ordinal: 1 });
  expect(ahead.newest("key")).toBeUndefined();
});

test("no more is kept than has room, and nothing large", () => {
  const ahead = createAhead();
  const [first] = log(1);
  if (!first) return;
  for (let index = 0; index < 1100; index += 1)
    ahead.note({ ...documentOf(first, 1, `life ${index}`), key: `key ${index}` });
  expect(ahead.newest("key 0")).toBeUndefined();
  expect(ahead.newest("key 1099")).toMatchObject({ ordinal: 1 });
  ahead.note(documentOf(first, 1));
  ahead.note({ ...documentOf(first, 2), entries: "x".repeat(100_000) });
  expect(ahead.newest("key")).toBeUndefined();
});

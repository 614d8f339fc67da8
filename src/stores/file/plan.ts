/**
 * @module
 * What a batch of commits to one session comes to, decided against the end of its log before anything is written.
 */
import { invalidArgument } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import { callerId, checkSize, decodeRecord, encodeData, encodeRecord } from "../../store/codec.ts";
import type { Commit, CommitOutcome, StoreCapabilities } from "../../store/store.ts";
import type { IndexKeys } from "../record-index.ts";
import { keysOf } from "../record-index.ts";
import { closeLine, encodeLine } from "./line.ts";
import type { Tail } from "./tail.ts";
import { STORE } from "./tail.ts";

/** A commit as text, from before anything waits, so that its caller may go on with the objects. */
export interface PreparedCommit {
  /** Its place in the batch. */
  readonly index: number;
  readonly sessionId: string;
  readonly expectedVersion: number;
  /** The positions of its first and its last entry. */
  readonly from: number;
  readonly to: number;
  readonly line: string;
  readonly record: string;
  readonly keys: IndexKeys;
  /** Entries with their caller's id: id and position. */
  readonly ids: readonly (readonly [string, number])[];
}

export interface Plan {
  readonly outcomes: readonly (readonly [index: number, outcome: CommitOutcome])[];
  /** What to append; empty where nothing is. */
  readonly bytes: Buffer;
  /** What is new: the end of the log once that is done, callers' ids, and what a list must know. */
  readonly change?: PlannedChange;
}

export interface PlannedChange {
  readonly tail: Tail;
  readonly ids: ReadonlyMap<string, number>;
  readonly keys: IndexKeys;
  /** The length of the record as text. */
  readonly recordLength: number;
}

/** A line carries the record once this much was written since the last one that did, or as much as four records. */
const RECORD_EVERY_BYTES = 16 * 1024;
const RECORD_EVERY_RECORDS = 4;

/** @throws INVALID_ARGUMENT, ENTRY_TOO_LARGE */
export function prepare(
  { sessionId, expectedVersion, entries, record }: Commit,
  index: number,
  capabilities: StoreCapabilities,
): PreparedCommit {
  const from = record.seq - entries.length + 1;
  const ids: (readonly [string, number])[] = [];
  const data = entries.map((entry, position) => {
    if (entry.seq !== from + position) {
      throw invalidArgument(
        `entry ${entry.seq} of a commit to session ${JSON.stringify(sessionId)} is out of its place`,
        sessionId,
      );
    }
    const id = callerId(entry);
    if (id !== undefined) ids.push([id, entry.seq]);
    const text = encodeData(entry);
    checkSize(text, sessionId, STORE, capabilities);
    return text;
  });
  if (data.length === 0)
    throw invalidArgument(`a commit to session ${JSON.stringify(sessionId)} holds no entry`, sessionId);
  const line = encodeLine(expectedVersion + 1, entries, data);
  return {
    index,
    sessionId,
    expectedVersion,
    from,
    to: record.seq,
    line,
    record: encodeRecord(record),
    keys: keysOf(record),
    ids,
  };
}

/** @param ids where the ids in the log are; needed only where one of `commits` has ids. */
export function plan(
  commits: readonly PreparedCommit[],
  tail: Tail | undefined,
  ids: ReadonlyMap<string, number>,
): Plan {
  const outcomes: [number, CommitOutcome][] = [];
  const added = new Map<string, number>();
  let lines = "";
  let end = tail?.end ?? 0;
  let change: PlannedChange | undefined;
  for (const commit of commits) {
    const { index, sessionId, expectedVersion, to, keys, record } = commit;
    const last = change?.tail ?? tail;
    const repeated = commit.ids.find(([id]) => ids.has(id) || added.has(id));
    if (repeated) {
      const [entryId] = repeated;
      outcomes.push([
        index,
        { status: "duplicate", entryId, seq: ids.get(entryId) ?? added.get(entryId) ?? 0 },
      ]);
    } else if (!isNext(commit, last)) {
      outcomes.push([index, { status: "conflict", ...(last && { current: last.record() }) }]);
    } else {
      const since = last?.sinceRecord ?? 0;
      const carries = since > Math.max(RECORD_EVERY_BYTES, RECORD_EVERY_RECORDS * record.length);
      // What lacks its newline gets it now.
      const line = `${last?.isOpenEnded ? "\n" : ""}${closeLine(commit.line, carries ? record : undefined)}`;
      const length = Buffer.byteLength(line);
      lines += line;
      end += length;
      for (const [id, seq] of commit.ids) added.set(id, seq);
      const grown: Tail = {
        end,
        isTorn: false,
        isOpenEnded: false,
        version: expectedVersion + 1,
        seq: to,
        createdAt: keys.createdAt,
        record: decodedOnce(record, sessionId),
        sinceRecord: carries ? 0 : since + length,
      };
      change = { tail: grown, ids: added, keys, recordLength: record.length };
      outcomes.push([index, { status: "committed" }]);
    }
  }
  return { outcomes, bytes: Buffer.from(lines), ...(change && { change }) };
}

function isNext({ expectedVersion, keys, from, sessionId }: PreparedCommit, tail: Tail | undefined): boolean {
  if (!tail) return expectedVersion === 0;
  if (tail.version !== expectedVersion || tail.createdAt !== keys.createdAt) return false;
  if (from === tail.seq + 1) return true;
  throw invalidArgument(
    `a commit to session ${JSON.stringify(sessionId)} begins at ${from} and its log ends at ${tail.seq}`,
    sessionId,
  );
}

/** The record that `text` was made of, decoded when it is first asked for: most are followed by another one before. */
function decodedOnce(text: string, sessionId: string): () => SessionRecord {
  let record: SessionRecord | undefined;
  return () => {
    record ??= decodeRecord(text, sessionId, STORE);
    return record;
  };
}

/**
 * @module
 * The end of a log: what is needed to answer for a session and to append to it, read from its last few kilobytes.
 *
 * **What a crash can leave, and what is damage.** A commit is one write of one line that ends in its only newline, and
 * a new log gets its name once its first line is on the disk. So a process that dies while it writes leaves at most
 * the beginning of a line at the end of a log: its commit was never acknowledged, and it is dropped (`torn`). Whatever
 * else does not fit its checksum is damage, and STORE_CORRUPT: a line in the middle; a log that is empty or holds no
 * whole line; and a last line *with* its newline, though a power failure can leave one (blocks reach the disk in any
 * order), because it could as well be an acknowledged commit that was damaged later, and only people can tell. A last
 * line that lacks nothing but its newline is whole and is kept.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import { freeze } from "../../log/values.ts";
import { callerId, heal } from "../../store/codec.ts";
import type { Line } from "./line.ts";
import { decodeLine, HEAD_BYTES, headOf } from "./line.ts";
import type { RawLine, ReadAt } from "./lines.ts";
import { backwards, forwards } from "./lines.ts";

export const STORE = "file";

/** What is known of a log from its end. */
export interface Tail {
  /** Where the last whole line ends: a commit is appended here. */
  readonly end: number;
  /** Whether bytes of an unfinished write follow. */
  readonly isTorn: boolean;
  /** Whether the last whole line still lacks its newline. */
  readonly isOpenEnded: boolean;
  readonly version: number;
  readonly seq: number;
  readonly createdAt: number;
  readonly record: () => SessionRecord;
  /** Bytes past the last line that carries a record. */
  readonly sinceRecord: number;
}

/** A log as it is read. `path` and `sessionId` are for messages. */
export interface Source {
  readonly path: string;
  readonly sessionId?: string | undefined;
  readonly read: ReadAt;
}

const NEWLINE = 10;
/** Holds the last record in all but the rarest case. */
const TAIL_BLOCK_BYTES = 16 * 1024;

/**
 * The tail of a log of `size` bytes.
 *
 * @throws STORE_CORRUPT
 */
export function loadTail(source: Source, size: number): Tail {
  const { read } = source;
  if (!headOf(read(0, HEAD_BYTES)))
    throw corrupt(source, 0, size === 0 ? "it is empty" : "it does not begin as a log does");
  const lines: Line[] = [];
  let end = size;
  let sinceRecord = 0;
  for (const raw of backwards(read, size, 0, TAIL_BLOCK_BYTES)) {
    const line = decodeLine(raw.bytes, STORE);
    if (!line && lines.length === 0 && end === size && isUnfinished(raw, size)) {
      end = raw.offset;
      continue;
    }
    const next = lines[0];
    if (!line || (next && !follows(next, line))) throw misfit(source, raw);
    lines.unshift(line);
    if (line.record || line.version === 1) {
      sinceRecord = end - raw.offset - (line.record ? raw.bytes.length : 0);
      break;
    }
  }
  if (lines.length === 0) throw corrupt(source, 0, "it holds no whole line");
  const isOpenEnded = end === size && read(size - 1, 1)[0] !== NEWLINE;
  return { end, isTorn: end < size, isOpenEnded, ...fold(source, undefined, lines), sinceRecord };
}

/**
 * The tail after what was written past it, up to `size`. `onLine` is told each line.
 *
 * @throws STORE_CORRUPT also where the log is no longer the one that `tail` was read from.
 */
export function extendTail(source: Source, tail: Tail, size: number, onLine: (line: Line) => void): Tail {
  const { read } = source;
  const from = tail.isOpenEnded && read(tail.end, 1)[0] === NEWLINE ? tail.end + 1 : tail.end;
  const lines: Line[] = [];
  let { sinceRecord } = tail;
  let end = from;
  for (const raw of forwards(read, from, size)) {
    const line = decodeLine(raw.bytes, STORE);
    const before = lines.at(-1) ?? { version: tail.version, seq: tail.seq, entries: [] };
    if (!line && isUnfinished(raw, size)) break;
    if (!line || !follows(line, before)) throw misfit(source, raw);
    lines.push(line);
    onLine(line);
    end = Math.min(size, raw.offset + raw.bytes.length + 1);
    sinceRecord = line.record ? 0 : sinceRecord + raw.bytes.length + 1;
  }
  const isOpenEnded = end > from ? read(end - 1, 1)[0] !== NEWLINE : tail.isOpenEnded && from === tail.end;
  if (lines.length === 0) return { ...tail, end, isTorn: end < size, isOpenEnded };
  return { end, isTorn: end < size, isOpenEnded, ...fold(source, tail.record(), lines), sinceRecord };
}

/** The ids that callers gave to the entries of `line`, with their positions. */
export function* idsOf(line: Line): Generator<[string, number]> {
  for (const entry of line.entries) {
    const id = callerId(entry);
    if (id !== undefined) yield [id, entry.seq];
  }
}

export function corrupt(
  { path, sessionId }: Pick<Source, "path" | "sessionId">,
  offset: number,
  why: string,
): HoldfastError {
  const whose = sessionId === undefined ? "" : ` of session ${JSON.stringify(sessionId)}`;
  return new HoldfastError(
    "STORE_CORRUPT",
    `the log ${path}${whose} is damaged at byte ${offset}: ${why}; nothing was changed. Run "holdfast doctor", or restore the file from a backup, or move it away`,
    { sessionId, store: STORE },
  );
}

/** A line that is not what was written, or not where it was written. */
export function misfit(source: Pick<Source, "path" | "sessionId">, { offset }: RawLine): HoldfastError {
  return corrupt(source, offset, "a line does not fit its checksum or its place");
}

/** Only the last thing in a log can be unfinished, and only where its newline is missing. */
function isUnfinished(raw: RawLine, size: number): boolean {
  return raw.offset > 0 && raw.offset + raw.bytes.length === size;
}

function follows(line: Line, before: Line): boolean {
  return line.version === before.version + 1 && line.seq === before.seq + Math.max(1, before.entries.length);
}

function fold(source: Source, base: SessionRecord | undefined, lines: readonly Line[]) {
  let record = base;
  for (const line of lines) record = line.record ?? heal(record, line.entries);
  const last = lines.at(-1);
  if (!record || !last) throw corrupt(source, 0, "it holds no session");
  const { version } = last;
  const folded = freeze({ ...record, version });
  return {
    version,
    seq: last.seq + last.entries.length - 1,
    createdAt: record.createdAt,
    record: () => folded,
  };
}

/**
 * @module
 * Reading a stretch of a log: finds its place by halving, as lines say their position first, and reads no more than it
 * gives back.
 */
import type { Entry } from "../../log/entry.ts";
import type { ReadRange } from "../../store/store.ts";
import { breather } from "../breather.ts";
import { decodeLine, HEAD_BYTES, headOf, mayHold, mayHoldIds } from "./line.ts";
import type { RawLine } from "./lines.ts";
import { backwards, forwards } from "./lines.ts";
import type { OpenLog } from "./logs.ts";
import { idsOf, misfit, STORE } from "./tail.ts";

/** As `SessionStore.read`, of one log. */
export async function readRange(log: OpenLog, range: ReadRange): Promise<Entry[]> {
  const { after, upTo = Number.POSITIVE_INFINITY, limit, reverse = false, types } = range;
  const breathe = breather();
  const found: Entry[] = [];
  for (const raw of reverse
    ? backwards(log.read, stopOf(log, upTo))
    : forwards(log.read, locate(log, after + 1), log.tail.end)) {
    if (breathe.isDue()) await breathe.pause();
    const { seq } = headIn(log, raw);
    if (!reverse && seq > upTo) break;
    if (!types || mayHold(raw.bytes, types)) {
      const { entries } = lineIn(log, raw);
      for (const entry of reverse ? entries.toReversed() : entries) {
        if (entry.seq <= after || entry.seq > upTo || (types && !types.includes(entry.type))) continue;
        found.push(entry);
        if (found.length === limit) break;
      }
    }
    log.mark = { seq, offset: raw.offset };
    if (found.length === limit || (reverse && seq <= after + 1)) break;
  }
  return found;
}

/** Every entry of a log, newest first. */
export function* newestFirst(log: OpenLog): Generator<Entry> {
  for (const raw of backwards(log.read, log.tail.end)) yield* lineIn(log, raw).entries.toReversed();
}

/** The entry at a position. */
export function entryAt(log: OpenLog, seq: number): Entry | undefined {
  const [raw] = forwards(log.read, locate(log, seq), log.tail.end);
  return raw && lineIn(log, raw).entries.find((entry) => entry.seq === seq);
}

/** Where the ids that callers gave are, for the whole log. */
export async function readIds(log: OpenLog): Promise<Map<string, number>> {
  const breathe = breather();
  const ids = new Map<string, number>();
  for (const raw of forwards(log.read, 0, log.tail.end)) {
    if (breathe.isDue()) await breathe.pause();
    if (mayHoldIds(raw.bytes)) for (const [id, seq] of idsOf(lineIn(log, raw))) ids.set(id, seq);
  }
  return ids;
}

const WINDOW_BYTES = 16 * 1024;
const PROBE_BYTES = 4 * 1024;

/** Where the line that holds position `seq` begins; the first line where none does. */
function locate(log: OpenLog, seq: number): number {
  const { mark } = log;
  let low = mark && mark.seq <= seq ? mark.offset : 0;
  let high = mark && mark.seq > seq ? mark.offset : log.tail.end;
  while (high - low > WINDOW_BYTES && mark?.seq !== seq) {
    const middle = Math.floor((low + high) / 2);
    const line = lineAfter(log, middle, high);
    if (line && line.seq <= seq) low = line.offset;
    else high = middle;
  }
  let offset = low;
  for (const raw of forwards(log.read, low, log.tail.end, WINDOW_BYTES)) {
    if (headIn(log, raw).seq > seq) break;
    offset = raw.offset;
  }
  return offset;
}

/** The first line that begins past `position` and before `end`; of a long line no more than its head is read. */
function lineAfter(
  log: OpenLog,
  position: number,
  end: number,
): { readonly seq: number; readonly offset: number } | undefined {
  for (let at = position; at < end; at += PROBE_BYTES) {
    const newline = log.read(at, Math.min(PROBE_BYTES, end - at)).indexOf("\n");
    const offset = at + newline + 1;
    if (newline < 0) continue;
    if (offset >= end) return undefined;
    return { seq: headIn(log, { bytes: log.read(offset, HEAD_BYTES), offset }).seq, offset };
  }
  return undefined;
}

/** Where to begin reading back from position `upTo`. */
function stopOf(log: OpenLog, upTo: number): number {
  const { mark, tail } = log;
  if (upTo >= tail.seq) return tail.end;
  if (mark && mark.seq === upTo + 1) return mark.offset;
  const [line] = forwards(log.read, locate(log, upTo), tail.end);
  return line ? Math.min(tail.end, line.offset + line.bytes.length + 1) : tail.end;
}

function headIn(log: OpenLog, raw: RawLine): { readonly seq: number } {
  const head = headOf(raw.bytes);
  if (!head) throw misfit(log, raw);
  return head;
}

function lineIn(log: OpenLog, raw: RawLine) {
  const line = decodeLine(raw.bytes, STORE);
  if (!line) throw misfit(log, raw);
  return line;
}

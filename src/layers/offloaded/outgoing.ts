/**
 * @module
 * Commits on their way down: large values are taken out of entries and records, and references stand in their place.
 */
import type { Entry } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import { searchText } from "../../log/text.ts";
import { byteLength } from "../../log/values.ts";
import { checkSize, encodeData, encodeRecord } from "../../store/codec.ts";
import type { Commit, StoreCapabilities } from "../../store/store.ts";
import type { Want } from "./acquire.ts";
import { changeEntry, changeRecord } from "./fields.ts";
import type { Taken } from "./references.ts";
import { createScan, takeOut } from "./references.ts";

/** A commit with references, and what they are to refer to. */
export interface Outgoing {
  readonly commit: Commit;
  readonly wants: readonly Want[];
}

export interface OutgoingOptions {
  readonly thresholdBytes: number;
  /** How much of a message's text stays in the store, for its search. 0: none. */
  readonly searchableBytes: number;
  /** Of the whole entry. */
  readonly maxEntryBytes: number;
  readonly store: string;
  /** Of the store below. */
  readonly below: StoreCapabilities;
}

/**
 * What makes commits outgoing ones. Nothing is written, so what it refuses leaves nothing behind.
 *
 * @throws INVALID_ARGUMENT, ENTRY_TOO_LARGE
 */
export function createOutgoing(options: OutgoingOptions): (commit: Commit) => Outgoing {
  const { thresholdBytes, searchableBytes, maxEntryBytes, store, below } = options;
  const scan = createScan(thresholdBytes);

  function entryOf(entry: Entry, sessionId: string, all: Taken[]): Entry {
    if (scan.isSettled(entry.data)) return entry;
    const words = entry.text === undefined && searchableBytes > 0 ? searchText(entry) : undefined;
    const isFound = words !== undefined && byteLength(words) > thresholdBytes;
    const own: Taken[] = [];
    const taken = (one: Taken): void => void own.push(one);
    const changed = changeEntry(entry, (value) => takeOut(value, { thresholdBytes, isFound, taken }));
    if (own.length === 0) return changed;
    checkWhole(changed, own, sessionId);
    all.push(...own);
    return isFound ? { ...changed, text: beginningOf(words, searchableBytes) } : changed;
  }

  function checkWhole(changed: Entry, own: readonly Taken[], sessionId: string): void {
    const rest = byteLength(encodeData(changed));
    // No byte of a text takes more than six as JSON.
    if (own.reduce((sum, { bytes }) => sum + 6 * bytes, rest) <= maxEntryBytes) return;
    const bytes = own.reduce((sum, one) => sum + one.jsonBytes(), rest);
    if (bytes <= maxEntryBytes) return;
    throw new HoldfastError(
      "ENTRY_TOO_LARGE",
      `an entry for session ${JSON.stringify(sessionId)} is ${bytes} bytes and at most ${maxEntryBytes} are taken, also where parts of it are kept as blobs; split it, or keep the large part elsewhere and store a reference`,
      { sessionId, store },
    );
  }

  return (commit) => {
    const { sessionId, record } = commit;
    const taken: Taken[] = [];
    const inRecord: Taken[] = [];
    const entries = commit.entries.map((entry) => entryOf(entry, sessionId, taken));
    const isSettled = [record.data, record.dataByRoute, record.state, record.metadata].every(scan.isSettled);
    const changed = isSettled
      ? record
      : changeRecord(record, (value) =>
          takeOut(value, { thresholdBytes, isFound: false, taken: (one) => void inRecord.push(one) }),
        );
    if (
      taken.length === 0 &&
      changed === record &&
      entries.every((entry, index) => entry === commit.entries[index])
    )
      return { commit, wants: [] };
    if (taken.length + inRecord.length > 0) {
      // What the store below would refuse is refused before any blob is kept.
      for (const entry of entries) checkSize(encodeData(entry), sessionId, store, below);
      encodeRecord(changed);
    }
    const life = record.createdAt;
    const wantOf = ({ hash, bytes, content, fill }: Taken, isInLog: boolean): Want => {
      return { sessionId, life, hash, bytes, content, isInLog, fill };
    };
    return {
      commit: { ...commit, entries, record: changed },
      wants: [...taken.map((one) => wantOf(one, true)), ...inRecord.map((one) => wantOf(one, false))],
    };
  };
}

/** As much of `text` as fits, without half a character. */
function beginningOf(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text.slice(0, maxBytes));
  if (bytes.byteLength <= maxBytes) return bytes.toString();
  return bytes
    .subarray(0, maxBytes)
    .toString()
    .replace(/\uFFFD+$/, "");
}

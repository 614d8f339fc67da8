/**
 * @module
 * Entries and records on their way up: what they refer to is fetched, and put back in its place.
 */
import type { Entry } from "../../log/entry.ts";
import type { SessionRecord } from "../../log/record.ts";
import { freeze } from "../../log/values.ts";
import type { Fetcher, Place } from "./fetch.ts";
import { isMissing } from "./fetch.ts";
import { changeEntry, changeRecord } from "./fields.ts";
import { createScan, putBack } from "./references.ts";

export interface Incoming {
  /** The entries that `load` answers with, whole. */
  entries(sessionId: string, load: () => Promise<Entry[]>): Promise<Entry[]>;
  /** What `load` answers with, its records whole. */
  records<T>(load: () => Promise<T>, recordsOf: (loaded: T) => RecordsIn<T>): Promise<T>;
}

/** The records in something, and the same with others in their place. */
export interface RecordsIn<T> {
  readonly records: readonly SessionRecord[];
  with(records: ReadonlyMap<SessionRecord, SessionRecord>): T;
}

export function createIncoming(fetcher: Fetcher): Incoming {
  const scan = createScan();

  async function wholeEntries(sessionId: string, entries: Entry[]): Promise<Entry[]> {
    if (entries.every(({ data }) => scan.isSettled(data))) return entries;
    const places: Place[] = [];
    for (const entry of entries) {
      if (scan.isSettled(entry.data)) continue;
      changeEntry(entry, (value) =>
        putBack(value, (reference) => void places.push({ reference, sessionId, seq: entry.seq })),
      );
    }
    const lookUp = await fetcher.fetch(places);
    const found = new Set(places.flatMap(({ reference, seq }) => (reference.isFound ? [seq] : [])));
    return entries.map((entry) => {
      if (scan.isSettled(entry.data)) return entry;
      const { text: _text, ...rest } = entry;
      return changeEntry(found.has(entry.seq) ? rest : entry, (value) => putBack(value, lookUp));
    });
  }

  async function wholeRecords(
    records: readonly SessionRecord[],
  ): Promise<ReadonlyMap<SessionRecord, SessionRecord>> {
    const open = records.filter(
      ({ data, dataByRoute, state, metadata }) => ![data, dataByRoute, state, metadata].every(scan.isSettled),
    );
    const places: Place[] = [];
    for (const record of open) {
      changeRecord(record, (value) =>
        putBack(value, (reference) => void places.push({ reference, sessionId: record.id, seq: undefined })),
      );
    }
    const lookUp = await fetcher.fetch(places);
    return new Map(
      open.map((record) => [record, freeze(changeRecord(record, (value) => putBack(value, lookUp)))]),
    );
  }

  return {
    entries: (sessionId, load) => twice(async () => wholeEntries(sessionId, await load())),
    records: (load, recordsOf) =>
      twice(async () => {
        const loaded = await load();
        const { records, with: replace } = recordsOf(loaded);
        const whole = await wholeRecords(records);
        return whole.size === 0 ? loaded : replace(whole);
      }),
  };
}

/** A blob may be gone because its session went while it was read: then it is not there the second time. */
async function twice<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isMissing(error)) throw error;
    return work();
  }
}

/**
 * @module
 * Records that were decoded lately. A session's key is never used again and its version grows with each commit, so the
 * two together name one record for ever, whoever wrote it: what is read from here can't be stale.
 */
import type { SessionRecord } from "../../log/record.ts";
import { decodeRecord } from "../../store/codec.ts";
import { NAME } from "./errors.ts";

export interface RecordCache {
  /** The record of `key` at `version`, where it is known. */
  get(key: number, version: number): SessionRecord | undefined;
  /** The records at `places`, as a page of a list names them; `undefined` where one of them must be read. */
  page(places: string): readonly SessionRecord[] | undefined;
  /** The record that `text` holds; decoded only where it is not known. */
  decode(key: number, version: number, text: string, sessionId: string): SessionRecord;
}

/** Remembers nothing, for where what was read may not be so for ever. */
export const noRecordCache: RecordCache = {
  get: () => undefined,
  page: () => undefined,
  decode: (_key, _version, text, sessionId) => decodeRecord(text, sessionId, NAME),
};

/** Of each of two generations. Decoded, a record takes a few times the bytes of its text: some 20 MB in all. */
const MAX_RECORDS = 4096;
const MAX_CHARACTERS = 2 * 1024 * 1024;

/** The text that names a page of 100 sessions, and a few hundred of them: 2 MB at most. */
const MAX_PAGE_CHARACTERS = 2048;
const MAX_PAGES = 500;

interface Cached {
  readonly version: number;
  readonly record: SessionRecord;
  readonly length: number;
}

/**
 * A cache of bounded size in two generations: when the young one is full it becomes the old one, and what was not asked
 * for since is gone. Nearly what least-recently-used keeps, without a list to maintain at each hit.
 */
export function createRecordCache(): RecordCache {
  let young = new Map<number, Cached>();
  let old = new Map<number, Cached>();
  /** Of records that one of the two holds. One look-up in place of fifty, each of which would wait for memory. */
  let pages = new Map<string, readonly SessionRecord[]>();
  let characters = 0;

  const keep = (key: number, cached: Cached): void => {
    if (young.size >= MAX_RECORDS || characters + cached.length > MAX_CHARACTERS) {
      old = young;
      young = new Map();
      pages = new Map();
      characters = 0;
    }
    characters += cached.length - (young.get(key)?.length ?? 0);
    young.set(key, cached);
  };

  const get = (key: number, version: number): SessionRecord | undefined => {
    const recent = young.get(key);
    if (recent) return recent.version === version ? recent.record : undefined;
    const cached = old.get(key);
    if (cached?.version !== version) return undefined;
    keep(key, cached);
    return cached.record;
  };

  const page = (places: string): readonly SessionRecord[] | undefined => {
    const known = pages.get(places);
    if (known) return known;
    const records: SessionRecord[] = [];
    for (const { key, version } of placesIn(places)) {
      const record = get(key, version);
      if (!record) return undefined;
      records.push(record);
    }
    if (pages.size >= MAX_PAGES) pages.clear();
    if (places.length <= MAX_PAGE_CHARACTERS) pages.set(places, records);
    return records;
  };

  return {
    get,
    page,
    decode(key, version, text, sessionId) {
      const known = get(key, version);
      if (known) return known;
      const record = decodeRecord(text, sessionId, NAME);
      // A Date or bytes can't be frozen, so a record that may hold them is not shared.
      const isShareable = !text.includes('"$holdfast"') && text.length <= MAX_CHARACTERS / 16;
      if (isShareable) keep(key, { version, record, length: text.length });
      return record;
    },
  };
}

/** Where a record is, and the version that the index has it at. */
export interface Place {
  readonly key: number;
  readonly version: number;
}

/** From keys and versions in turn, as one text: a driver answers with one row in a fraction of the time of fifty. */
export function placesIn(found: string): Place[] {
  const parsed: unknown = JSON.parse(found);
  const numbers: readonly unknown[] = Array.isArray(parsed) ? parsed : [];
  const places: Place[] = [];
  for (let index = 0; index < numbers.length; index += 2) {
    places.push({ key: Number(numbers[index]), version: Number(numbers[index + 1]) });
  }
  return places;
}

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
  /** The record that `text` holds; decoded only where it is not known. */
  decode(key: number, version: number, text: string, sessionId: string): SessionRecord;
}

/** Remembers nothing, for where what was read may not be so for ever. */
export const noRecordCache: RecordCache = {
  get: () => undefined,
  decode: (_key, _version, text, sessionId) => decodeRecord(text, sessionId, NAME),
};

/** Of each of two generations. Decoded, a record takes a few times the bytes of its text: some 20 MB in all. */
const MAX_RECORDS = 4096;
const MAX_CHARACTERS = 2 * 1024 * 1024;

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
  let characters = 0;

  const keep = (key: number, cached: Cached): void => {
    if (young.size >= MAX_RECORDS || characters + cached.length > MAX_CHARACTERS) {
      old = young;
      young = new Map();
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

  return {
    get,
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

/**
 * @module
 * The sessions of one folder as a list needs them: an index in memory that is built by looking at every log once, and
 * kept up by this store's own commits and by what `.touched` says of those of others.
 */
import { basename, join } from "node:path";
import type { SessionRecord } from "../../log/record.ts";
import { encodeRecord } from "../../store/codec.ts";
import type { Page, StoreQuery } from "../../store/store.ts";
import { breather } from "../breather.ts";
import type { IndexKeys } from "../record-index.ts";
import { keysOf, pageOf, recordIndex } from "../record-index.ts";
import type { FileIo } from "./io.ts";
import { codeOf } from "./io.ts";
import { LOG_SUFFIX, nameOf } from "./names.ts";
import type { Tail } from "./tail.ts";
import type { Touch, TouchedFile } from "./touched.ts";
import { hashOf } from "./touched.ts";

export interface Catalog {
  page(query: StoreQuery, scope: string): Promise<Page<SessionRecord>>;
  /** Every record that may match, by its last change, newest first. */
  records(query: StoreQuery): Promise<Iterable<SessionRecord>>;
  /** Takes note of a commit of this store. `recordLength`: of the record as text. */
  put(keys: IndexKeys, tail: Tail, recordLength: number): void;
  /** Looks at a log again before the next list: it is removed, or a write to it failed. */
  doubt(id: string): void;
  /** Reads what others wrote, so that `.touched` may be replaced. */
  follow(): void;
}

interface Listed extends IndexKeys {
  readonly name: string;
  readonly hash: string;
  /** Of the log, in bytes. */
  readonly size: number;
  /** The record; one that is large is read again when it is listed. */
  readonly record: (() => SessionRecord) | undefined;
}

const LARGE_RECORD = 4096;
/** The size of a log that is removed. */
const GONE = Number.POSITIVE_INFINITY;
/** The size of a log that may have any, or be removed. */
const ANY = 0;

/**
 * @param tailOf reads the end of a log; `undefined` where there is none.
 * @param touched what other processes write; absent where none does.
 */
export function catalog(
  io: FileIo,
  folder: string,
  tailOf: (path: string) => Tail | undefined,
  touched: TouchedFile | undefined,
): Catalog {
  const index = recordIndex<Listed>();
  /** By name of the log. */
  const listed = new Map<string, Listed>();
  /** Logs that were touched before they were written: the size that they were to grow to. */
  const awaited = new Map<string, number>();
  let isBuilt = false;
  let isStale = true;
  let scanning: Promise<void> | undefined;

  const forget = (name: string): void => {
    const known = listed.get(name);
    if (!known) return;
    listed.delete(name);
    if (isBuilt) index.delete(known.id);
  };

  const put = (keys: IndexKeys, tail: Tail, recordLength: number): void => {
    const name = nameOf(keys.id);
    const record = recordLength > LARGE_RECORD ? undefined : tail.record;
    const item: Listed = { ...keys, name, hash: hashOf(name), size: tail.end, record };
    listed.set(name, item);
    if (isBuilt) index.set(item);
  };

  /** Looks at a log again. */
  const check = (name: string): void => {
    const tail = tailOf(join(folder, `${name}${LOG_SUFFIX}`));
    if (!tail) {
      forget(name);
      return;
    }
    const record = tail.record();
    // A log this short holds no large record, and most are.
    put(keysOf(record), tail, tail.end <= LARGE_RECORD ? 0 : encodeRecord(record).length);
  };

  /** Looks at every log that is not as it was. */
  const scan = async (): Promise<void> => {
    const breathe = breather();
    const names = (await namesIn(io, folder))
      .filter((name) => name.endsWith(LOG_SUFFIX))
      .map((name) => basename(name, LOG_SUFFIX));
    for (const name of names) {
      if (breathe.isDue()) await breathe.pause();
      const known = listed.get(name);
      if (!known || io.stat(join(folder, `${name}${LOG_SUFFIX}`))?.size !== known.size) check(name);
    }
    const there = new Set(names);
    for (const name of [...listed.keys()]) if (!there.has(name)) check(name);
  };

  const follow = (): void => {
    if (!touched) return;
    const { touches, isNew } = touched.news();
    isStale ||= isNew;
    const removed = namesByHash(touches);
    for (const touch of touches) {
      if ("hash" in touch) {
        for (const name of removed.get(touch.hash) ?? []) awaited.set(name, GONE);
        continue;
      }
      // Created again: nothing that is known of the one before holds.
      if (awaited.get(touch.name) === GONE) forget(touch.name);
      awaited.set(touch.name, touch.size);
    }
  };

  const namesByHash = (touches: readonly Touch[]): Map<string, string[]> => {
    const names = new Map<string, string[]>();
    for (const touch of touches) if ("hash" in touch) names.set(touch.hash, []);
    if (names.size > 0) for (const { name, hash } of listed.values()) names.get(hash)?.push(name);
    return names;
  };

  /** Looks at the logs that were touched; those that are not yet as they were to become are looked at next time too. */
  const settle = (): void => {
    for (const [name, size] of awaited) {
      if (listed.get(name)?.size !== size) check(name);
      const now = listed.get(name)?.size;
      const isSettled = now === undefined ? size === GONE || size === ANY : now >= size;
      if (isSettled) awaited.delete(name);
    }
  };

  const refresh = async (): Promise<void> => {
    follow();
    if (isStale) {
      isStale = false;
      scanning = scan().catch((error: unknown) => {
        isStale = true;
        throw error;
      });
    }
    await scanning;
    settle();
    if (isBuilt) return;
    isBuilt = true;
    // In their order, so that each goes to the end of the index.
    for (const item of [...listed.values()].sort((a, b) => a.updatedAt - b.updatedAt)) index.set(item);
  };

  const recordOf = (item: Listed): SessionRecord | undefined =>
    item.record ? item.record() : tailOf(join(folder, `${item.name}${LOG_SUFFIX}`))?.record();

  return {
    async page(query, scope) {
      await refresh();
      return pageOf(index, query, scope, recordOf);
    },
    async records(query) {
      await refresh();
      const items = index.range({ ...query, order: "updated" }).items.toReversed();
      return recordsOf(items, recordOf);
    },
    put(keys, tail, recordLength) {
      if (scanning) put(keys, tail, recordLength);
    },
    doubt: (id) => {
      awaited.set(nameOf(id), ANY);
    },
    follow,
  };
}

function* recordsOf(
  items: readonly Listed[],
  recordOf: (item: Listed) => SessionRecord | undefined,
): Generator<SessionRecord> {
  for (const item of items) {
    const record = recordOf(item);
    if (record) yield record;
  }
}

/** A folder that is not there yet holds nothing. */
async function namesIn(io: FileIo, folder: string): Promise<string[]> {
  try {
    return await io.list(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/**
 * @module
 * Documents by id: written in bulk, read at once and as they are now, whatever was refreshed.
 */
import type { Fields } from "./answers.ts";
import { fieldsAt, listAt, numberOf, textOf } from "./answers.ts";
import type { Send } from "./client.ts";
import { errorOf, failureOf, saidIn } from "./errors.ts";

/** A state of a document: a write that names it takes place only where it still is so. */
export interface Revision {
  readonly seqNo: number;
  readonly term: number;
}

export interface Write {
  /** `create` fails where the document is there; `index` puts the document in its place. */
  readonly action: "create" | "index" | "delete";
  readonly index: string;
  readonly id: string;
  /** Only where the document is as it was then. */
  readonly at?: Revision;
  readonly source?: Fields;
}

/** What came of a write. `conflict`: the document was there, or not as it was to be; nothing was changed. */
export type Written =
  | { readonly status: "done"; readonly revision: Revision }
  | { readonly status: "conflict" }
  | { readonly status: "missing" };

export interface DocumentPlace {
  readonly index: string;
  readonly id: string;
}

export interface Found {
  readonly id: string;
  readonly source: Fields;
  readonly revision: Revision;
}

export interface Documents {
  /**
   * Writes documents, each alone; what came of each, in order.
   *
   * @param sending `"once"`: the client must not send it again, not even where the connection was lost.
   * @throws STORE_UNAVAILABLE where a write failed for another reason than its condition; others may have taken place.
   */
  write(writes: readonly Write[], sending?: "once"): Promise<Written[]>;
  /**
   * The documents of `ids`, `undefined` where there is none. Asks the shard that takes the writes, so that what was
   * acknowledged is seen.
   *
   * @param fields which fields are wanted. Default: all.
   */
  get(index: string, ids: readonly string[], fields?: readonly string[]): Promise<(Found | undefined)[]>;
  /** As `get`, with all fields, of several indices in one request. */
  getAll(places: readonly DocumentPlace[]): Promise<(Found | undefined)[]>;
  /** The documents that a search finds, in its order, with what they were sorted by. As of the last refresh. */
  search(index: string, body: Record<string, unknown>): Promise<Hit[]>;
  /** Makes what was written so far visible to searches. */
  refresh(index: string): Promise<void>;
  /** Deletes what a query finds, of all that was written before the call. */
  deleteWhere(index: string, query: Fields): Promise<void>;
}

export interface Hit {
  readonly source: Fields;
  readonly sort: readonly unknown[];
}

/** OpenSearch takes 100 MB a request unless it is told otherwise; Amazon's small instances take 10 MB. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024;
/** What is read of the answer to a bulk. */
const BULK_ANSWER = ["status", "error", "_seq_no", "_primary_term"]
  .map((name) => `items.*.${name}`)
  .join(",");
/** Looking for a document costs some 10 µs; this bounds the text of one request. */
const MAX_IDS = 4096;
/** How long a large session may take to delete. */
const DELETE_TIMEOUT_MS = 600_000;

/**
 * @param mayBeMissing whether the indices may not be there, so that nothing is stored; else that is a failure.
 */
export function documentsOver(send: Send, mayBeMissing: () => boolean): Documents {
  /** What `work` answers with, or `empty` where the index is not there and need not be. */
  const unlessMissing = async <T>(work: () => Promise<T>, empty: T): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (mayBeMissing() && isMissingIndex(error)) return empty;
      throw error;
    }
  };

  const refresh = async (index: string): Promise<void> => {
    await unlessMissing(() => send({ method: "POST", path: `/${index}/_refresh` }), undefined);
  };

  return {
    refresh,

    async write(writes, sending) {
      const written: Written[] = [];
      let lines: Buffer[] = [];
      let bytes = 0;
      const flush = async (): Promise<void> => {
        if (lines.length === 0) return;
        const answer = await send({
          method: "POST",
          path: "/_bulk",
          query: { filter_path: BULK_ANSWER },
          lines: Buffer.concat(lines, bytes),
          isSentOnce: sending === "once",
        });
        for (const item of listAt(answer, "items")) written.push(writtenOf(item));
        lines = [];
        bytes = 0;
      };
      for (const one of writes) {
        const line = Buffer.from(linesOf(one));
        if (bytes + line.length > MAX_REQUEST_BYTES) await flush();
        lines.push(line);
        bytes += line.length;
      }
      await flush();
      return written;
    },

    async get(index, ids, fields) {
      const found: (Found | undefined)[] = [];
      for (let from = 0; from < ids.length; from += MAX_IDS) {
        const some = ids.slice(from, from + MAX_IDS);
        const answer = await send({
          method: "POST",
          path: `/${index}/_mget`,
          query: { preference: "_primary", ...(fields && { _source_includes: fields.join(",") }) },
          body: { ids: some },
        });
        for (const item of listAt(answer, "docs")) found.push(foundOf(item, mayBeMissing()));
      }
      return found;
    },

    async getAll(places) {
      const answer = await send({
        method: "POST",
        path: "/_mget",
        query: { preference: "_primary" },
        body: { docs: places.map(({ index, id }) => ({ _index: index, _id: id })) },
      });
      return listAt(answer, "docs").map((item) => foundOf(item, mayBeMissing()));
    },

    async search(index, body) {
      const answer = await unlessMissing(
        () =>
          send({
            method: "POST",
            path: `/${index}/_search`,
            // A page without one of the shards would be a list with sessions left out.
            query: { allow_partial_search_results: false },
            body: { track_total_hits: false, ...body },
          }),
        undefined,
      );
      return listAt(answer, "hits", "hits").map((hit) => {
        const fields = fieldsAt(hit);
        return { source: fieldsAt(fields._source), sort: listAt(fields, "sort") };
      });
    },

    async deleteWhere(index, query) {
      await refresh(index);
      const answer = await unlessMissing(
        () =>
          send({
            method: "POST",
            path: `/${index}/_delete_by_query`,
            query: { conflicts: "proceed", refresh: true },
            body: { query },
            timeoutMs: DELETE_TIMEOUT_MS,
          }),
        undefined,
      );
      const [failure] = listAt(answer, "failures").map((item) => fieldsAt(item));
      if (failure) throw errorOf({ status: numberOf(failure.status), ...saidIn(failure.cause) });
    },
  };
}

function isMissingIndex(error: unknown): boolean {
  return failureOf(error).type === MISSING_INDEX;
}

const MISSING_INDEX = "index_not_found_exception";

function linesOf({ action, index, id, at, source }: Write): string {
  const head = { _index: index, _id: id, ...(at && { if_seq_no: at.seqNo, if_primary_term: at.term }) };
  const line = JSON.stringify({ [action]: head });
  return source ? `${line}\n${JSON.stringify(source)}\n` : `${line}\n`;
}

function writtenOf(item: unknown): Written {
  const [result] = Object.values(fieldsAt(item));
  const { status, error, _seq_no, _primary_term } = fieldsAt(result);
  if (status === 409) return { status: "conflict" };
  if (error !== undefined) throw errorOf({ status: numberOf(status), ...saidIn(error) });
  if (status === 404) return { status: "missing" };
  return { status: "done", revision: { seqNo: numberOf(_seq_no), term: numberOf(_primary_term) } };
}

function foundOf(item: unknown, mayBeMissing: boolean): Found | undefined {
  const fields = fieldsAt(item);
  if (fields.error !== undefined) {
    const said = saidIn(fields.error);
    if (mayBeMissing && said.type === MISSING_INDEX) return undefined;
    // An item has no status of its own; but for an index that is not there, it may be there later.
    throw errorOf({ status: 503, ...said });
  }
  if (fields.found !== true) return undefined;
  return {
    id: textOf(fields._id),
    source: fieldsAt(fields._source),
    revision: { seqNo: numberOf(fields._seq_no), term: numberOf(fields._primary_term) },
  };
}

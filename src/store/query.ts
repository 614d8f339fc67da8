/**
 * @module
 * Queries and cursors, in one place for every store: checking, defaults, matching, and keyset cursors that refuse to
 * be used with another query.
 */
import { createHash } from "node:crypto";
import { invalidArgument } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { isExpired } from "../log/record.ts";
import { checkId } from "../log/values.ts";
import type { SessionQuery, StoreQuery } from "./store.ts";

export const DEFAULT_LIMIT = 50;
export const MAX_LIMIT = 1000;

/** Where a page ended: the time that orders the list, then the id (for search: the position in the index). */
export interface Keyset {
  readonly at: number;
  readonly id: string;
}

type Conditions = Omit<StoreQuery, "order" | "limit" | "cursor">;

/**
 * Checks a query and fills in its defaults.
 *
 * @throws INVALID_ARGUMENT naming the part that is wrong.
 */
export function toStoreQuery(
  query: SessionQuery,
  extra: Pick<StoreQuery, "liveAt" | "expiredAt"> = {},
): StoreQuery {
  const { order = "updated", limit = DEFAULT_LIMIT, status, kind, metadata } = query;
  if (order !== "updated" && order !== "created")
    throw invalidArgument(`order must be "updated" or "created"`);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw invalidArgument(`limit must be a whole number from 1 to ${MAX_LIMIT}`);
  }
  for (const key of ["userId", "agent", "parentId", "label"] as const) {
    if (query[key] !== undefined) checkId(query[key], key);
  }
  if (status !== undefined && !["active", "completed", "abandoned", "deleted"].includes(status)) {
    throw invalidArgument("status must be active, completed, abandoned or deleted");
  }
  if (kind !== undefined && !["session", "fork", "child"].includes(kind)) {
    throw invalidArgument("kind must be session, fork or child");
  }
  for (const key of ["updatedBefore", "updatedAfter"] as const) {
    if (query[key] !== undefined && !Number.isFinite(query[key])) {
      throw invalidArgument(`${key} must be a time in epoch milliseconds`);
    }
  }
  for (const [key, value] of Object.entries(metadata ?? {})) {
    if (value !== null && !["string", "number", "boolean"].includes(typeof value)) {
      throw invalidArgument(`metadata.${key}: only a string, number, boolean or null can be looked for`);
    }
  }
  if (query.cursor !== undefined && typeof query.cursor !== "string")
    throw invalidArgument("cursor must be a string");
  return { ...query, ...extra, order, limit };
}

/** Whether `record` meets every condition of `query`; its cursor and limit play no part. */
export function matches(record: SessionRecord, query: Conditions): boolean {
  const { status, metadata, updatedBefore, updatedAfter, liveAt, expiredAt } = query;
  if (status === undefined ? record.status === "deleted" : record.status !== status) return false;
  for (const key of ["userId", "agent", "parentId", "kind", "label"] as const) {
    if (query[key] !== undefined && record[key] !== query[key]) return false;
  }
  if (updatedBefore !== undefined && record.updatedAt >= updatedBefore) return false;
  if (updatedAfter !== undefined && record.updatedAt <= updatedAfter) return false;
  if (liveAt !== undefined && isExpired(record, liveAt)) return false;
  if (expiredAt !== undefined && !isExpired(record, expiredAt)) return false;
  return Object.entries(metadata ?? {}).every(
    ([key, value]) => Object.hasOwn(record.metadata, key) && record.metadata[key] === value,
  );
}

/** The time that `order` sorts by. */
export function orderTime(record: SessionRecord, order: StoreQuery["order"]): number {
  return order === "created" ? record.createdAt : record.updatedAt;
}

/** A cursor for the page that follows `last`, tied to the query that it came from. */
export function encodeCursor(query: StoreQuery, last: Keyset, scope = ""): string {
  return Buffer.from(JSON.stringify([digest(query, scope), last.at, last.id])).toString("base64url");
}

/**
 * Where the page before ended; `undefined` for the first page.
 *
 * @param scope what else the cursor is tied to: the namespace, the text that was searched.
 * @throws INVALID_ARGUMENT for a cursor that is made up or of another query.
 */
export function decodeCursor(query: StoreQuery, scope = ""): Keyset | undefined {
  if (query.cursor === undefined) return undefined;
  const parts = parse(Buffer.from(query.cursor, "base64url").toString());
  if (Array.isArray(parts) && parts.length === 3) {
    const [key, at, id]: unknown[] = parts;
    if (key === digest(query, scope) && typeof at === "number" && typeof id === "string") return { at, id };
  }
  throw invalidArgument(
    "the cursor is not of this query; pass the cursor of a page together with that page's query",
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `liveAt` moves with the clock from page to page, and the limit may change, so neither is part of it. */
function digest(query: StoreQuery, scope: string): string {
  const { cursor: _cursor, limit: _limit, liveAt: _liveAt, expiredAt: _expiredAt, ...conditions } = query;
  const sorted = Object.entries(conditions)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([scope, sorted]))
    .digest("base64url")
    .slice(0, 12);
}

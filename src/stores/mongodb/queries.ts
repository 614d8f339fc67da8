/**
 * @module
 * Lists as MongoDB filters.
 */
import type { Keyset } from "../../store/query.ts";
import type { StoreQuery } from "../../store/store.ts";
import { metaKey, storedText } from "./documents.ts";

/** The field that the list is sorted by. */
function timeField({ order }: StoreQuery): "createdAt" | "updatedAt" {
  return order === "created" ? "createdAt" : "updatedAt";
}

export function sortOf(query: StoreQuery): object {
  return { [timeField(query)]: -1, id: -1 };
}

/**
 * What matches, past `before`. Values are compared as values: none is taken for an operator. Each field stands by itself
 * as far as that goes, for servers that look into no `$and`.
 */
export function listFilter(space: string, query: StoreQuery, before: Keyset | undefined): object {
  const { status, metadata, updatedBefore, updatedAfter, liveAt, expiredAt } = query;
  const fields: Record<string, unknown> = {
    space: equal(space),
    status: status === undefined ? { $ne: "deleted" } : equal(status),
  };
  const conditions: object[] = [];
  for (const field of ["userId", "agent", "parentId", "kind", "label"] as const) {
    const value = query[field];
    if (value !== undefined) fields[field] = equal(storedText(value));
  }
  for (const [key, value] of Object.entries(metadata ?? {})) {
    const meta = metaKey(key, value);
    if (meta !== undefined) conditions.push({ meta: equal(meta) });
  }
  if (updatedBefore !== undefined) conditions.push({ updatedAt: { $lt: updatedBefore } });
  if (updatedAfter !== undefined) conditions.push({ updatedAt: { $gt: updatedAfter } });
  if (expiredAt !== undefined) conditions.push({ expiresAt: { $lte: expiredAt } });
  if (liveAt !== undefined)
    conditions.push({ $or: [{ expiresAt: { $exists: false } }, { expiresAt: { $gt: liveAt } }] });
  if (before) {
    const field = timeField(query);
    conditions.push({ [field]: { $lte: before.at } });
    conditions.push({ $or: [{ [field]: { $lt: before.at } }, { id: { $lt: storedText(before.id) } }] });
  }
  return { ...fields, ...(conditions.length > 0 && { $and: conditions }) };
}

function equal(value: string): object {
  return { $eq: value };
}

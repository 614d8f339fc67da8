/**
 * @module
 * What a list looks for, as conditions of OpenSearch.
 */
import { createHash } from "node:crypto";
import type { Keyset } from "../../store/query.ts";
import type { StoreQuery } from "../../store/store.ts";
import type { Fields } from "./answers.ts";

/** The name of a namespace in the index: of bounded length, however deep it lies. */
export function spaceName(path: string): string {
  return digest(path);
}

/** The condition that a document is of the namespace at `path`. */
export function ofSpace(path: string): Fields {
  return { term: { space: spaceName(path) } };
}

/** What can be looked for of a record's metadata: each key with its value, where that is no object. */
export function metadataTerms(metadata: Fields): string[] {
  return Object.entries(metadata)
    .filter(([, value]) => value === null || ["string", "number", "boolean"].includes(typeof value))
    .map(([key, value]) => digest(JSON.stringify([key, value])));
}

/** The conditions of `query`, as the body of a `bool`. */
export function conditionsOf(path: string, query: StoreQuery): Record<string, unknown> {
  const { status, metadata, updatedBefore, updatedAfter, liveAt, expiredAt } = query;
  const filter: Fields[] = [ofSpace(path)];
  for (const key of ["userId", "agent", "parentId", "kind", "label"] as const) {
    const value = query[key];
    if (value !== undefined) filter.push({ term: { [key]: value } });
  }
  if (status !== undefined) filter.push({ term: { status } });
  for (const term of metadataTerms(metadata ?? {})) filter.push({ term: { metadata: term } });
  if (updatedBefore !== undefined) filter.push({ range: { updatedAt: { lt: updatedBefore } } });
  if (updatedAfter !== undefined) filter.push({ range: { updatedAt: { gt: updatedAfter } } });
  if (expiredAt !== undefined) filter.push({ range: { expiresAt: { lte: expiredAt } } });
  const without: Fields[] = [];
  if (status === undefined) without.push({ term: { status: "deleted" } });
  if (liveAt !== undefined) without.push({ range: { expiresAt: { lte: liveAt } } });
  return { filter, must_not: without };
}

/** Newest first, then by id, descending. */
export function sortOf({ order }: StoreQuery): Fields[] {
  return [{ [order === "created" ? "createdAt" : "updatedAt"]: "desc" }, { id: "desc" }];
}

/** A list goes on past where the page before ended. */
export function searchAfter(before: Keyset | undefined): Fields {
  return before ? { search_after: [before.at, before.id] } : {};
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

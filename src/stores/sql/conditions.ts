/**
 * @module
 * The conditions of a query as SQL, for every dialect. Every value is bound; nothing that a caller gave becomes SQL.
 */
import type { SessionStatus } from "../../log/record.ts";
import type { StoreQuery } from "../../store/store.ts";
import type { Named, SessionColumn } from "./columns.ts";
import { DEFAULT_COLUMNS } from "./columns.ts";

/** A piece of SQL with a `?` for each of `values`. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/** What a list shows where no status is asked for. */
export const LISTED_STATUSES: readonly SessionStatus[] = ["active", "completed", "abandoned"];

/** How a dialect compares metadata: the condition that a record holds every key of what is wanted with just its value. */
export interface MetadataCondition {
  readonly sql: string;
  readonly valueOf: (wanted: NonNullable<StoreQuery["metadata"]>) => string;
}

/** What a query asks of the columns of a session: the values to bind, and which conditions there are, as bits. */
export interface Filter {
  readonly shape: number;
  readonly values: readonly (string | number)[];
}

type ValueOf = (query: StoreQuery) => string | number | undefined;

/** The condition, of the columns of a session. */
type SqlOf = (s: Named<SessionColumn>) => string;

const FILTERS: readonly (readonly [sqlOf: SqlOf, valueOf: ValueOf])[] = [
  [(s) => `${s.user_id} = ?`, (query) => query.userId],
  [(s) => `${s.parent_id} = ?`, (query) => query.parentId],
  [(s) => `${s.agent} = ?`, (query) => query.agent],
  [(s) => `${s.kind} = ?`, (query) => query.kind],
  [(s) => `${s.label} = ?`, (query) => query.label],
  [(s) => `${s.updated_at} < ?`, (query) => query.updatedBefore],
  [(s) => `${s.updated_at} > ?`, (query) => query.updatedAfter],
  [(s) => `(${s.expires_at} > ?) IS NOT FALSE`, (query) => query.liveAt],
  [(s) => `${s.expires_at} <= ?`, (query) => query.expiredAt],
];

/**
 * What `query` asks of the columns of a session: all but its status, which dialects look up in different ways, and its
 * cursor.
 */
export function filterOf(query: StoreQuery, metadata: MetadataCondition): Filter {
  const values: (string | number)[] = [];
  let shape = 0;
  for (let index = 0; index < FILTERS.length; index += 1) {
    const value = FILTERS[index]?.[1](query);
    if (value === undefined) continue;
    values.push(value);
    shape |= 1 << index;
  }
  if (query.metadata && Object.keys(query.metadata).length > 0) {
    values.push(metadata.valueOf(query.metadata));
    shape |= 1 << FILTERS.length;
  }
  return { shape, values };
}

/**
 * The conditions of a filter, the same for all of one shape.
 *
 * @param s the columns of a session. By default without a table, so the statement must not join another one that has them.
 */
export function conditionsOf(
  { shape }: Filter,
  metadata: MetadataCondition,
  s: Named<SessionColumn> = DEFAULT_COLUMNS.sessions,
): string[] {
  return [...FILTERS.map(([sqlOf]) => sqlOf(s)), metadata.sql].filter((_, index) => shape & (1 << index));
}

/** The column that `order` sorts by. */
export function orderColumn(order: StoreQuery["order"]): "created_at" | "updated_at" {
  return order === "created" ? "created_at" : "updated_at";
}

/** What follows a place, its time and its id, in the order of `column` and `id`, both descending. */
export function afterKeyset(column: string, id: string): string {
  return `(${column}, ${id}) < (?, ?)`;
}

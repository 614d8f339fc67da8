/**
 * @module
 * The conditions of a query as SQL, for every dialect. Every value is bound; nothing that a caller gave becomes SQL.
 */
import type { SessionStatus } from "../../log/record.ts";
import type { Keyset } from "../../store/query.ts";
import type { StoreQuery } from "../../store/store.ts";

/** A piece of SQL with a `?` for each of `values`. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/** What a list shows where no status is asked for. */
export const LISTED_STATUSES: readonly SessionStatus[] = ["active", "completed", "abandoned"];

/** How a dialect compares metadata: the condition that a record holds every key of `wanted` with just its value. */
export type MetadataCondition = (wanted: NonNullable<StoreQuery["metadata"]>) => Condition;

/**
 * What `query` asks of the columns of a session: all but its status, which dialects look up in different ways, and its
 * cursor. Columns are named without a table, so the statement must not join another one that has them.
 */
export function conditionsOf(query: StoreQuery, metadata: MetadataCondition): Condition[] {
  const conditions: Condition[] = [];
  const add = (sql: string, value: string | number | undefined): void => {
    if (value !== undefined) conditions.push({ sql, values: [value] });
  };
  add("user_id = ?", query.userId);
  add("parent_id = ?", query.parentId);
  add("agent = ?", query.agent);
  add("kind = ?", query.kind);
  add("label = ?", query.label);
  add("updated_at < ?", query.updatedBefore);
  add("updated_at > ?", query.updatedAfter);
  add("(expires_at IS NULL OR expires_at > ?)", query.liveAt);
  add("expires_at <= ?", query.expiredAt);
  if (query.metadata && Object.keys(query.metadata).length > 0) conditions.push(metadata(query.metadata));
  return conditions;
}

/** The column that `order` sorts by. */
export function orderColumn(order: StoreQuery["order"]): "created_at" | "updated_at" {
  return order === "created" ? "created_at" : "updated_at";
}

/** What follows `keyset` in the order of `column` and id, both descending. */
export function afterKeyset(column: string, { at, id }: Keyset): Condition {
  return { sql: `(${column}, id) < (?, ?)`, values: [at, id] };
}

/** `conditions`, of which all must hold. */
export function allOf(conditions: readonly Condition[]): Condition {
  return {
    sql: conditions.map(({ sql }) => sql).join(" AND "),
    values: conditions.flatMap(({ values }) => values),
  };
}

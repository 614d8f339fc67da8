/**
 * @module
 * Lists: a page is found in an index that holds the keys and versions of its records, so that records which are known
 * already are not read again.
 */
import type { SessionRecord } from "../../log/record.ts";
import { decodeCursor, encodeCursor, orderTime } from "../../store/query.ts";
import type { Page, StoreQuery } from "../../store/store.ts";
import type { Named, SessionColumn } from "../sql/columns.ts";
import { aliased, selected } from "../sql/columns.ts";
import type { Condition, MetadataCondition } from "../sql/conditions.ts";
import { afterKeyset, conditionsOf, filterOf, LISTED_STATUSES, orderColumn } from "../sql/conditions.ts";
import { quoteName } from "../sql/names.ts";
import type { Tables } from "../sql/tables.ts";
import type { Sql } from "./connection.ts";
import { idOrNull, integer, text } from "./driver.ts";
import type { RecordCache } from "./record-cache.ts";
import { placesIn } from "./record-cache.ts";

export type Lister = (sql: Sql, namespace: string, query: StoreQuery) => Page<SessionRecord>;

/** Both sides are read as JSON by SQLite, so keys and values of any text, and numbers, are compared alike. */
export function metadataCondition(s: Named<SessionColumn>): MetadataCondition {
  return {
    sql: `NOT EXISTS (SELECT 1 FROM json_each(?) AS wanted WHERE NOT EXISTS (SELECT 1 FROM json_each(${s.record}, '$.metadata') AS held WHERE held.key = wanted.key AND held.type = wanted.type AND held.atom IS wanted.atom))`,
    valueOf: (wanted) => JSON.stringify(wanted),
  };
}

/** A statement for each combination of conditions; more than that are made again. */
const MAX_STATEMENTS = 200;

export function createLister(tables: Tables, cache: RecordCache): Lister {
  const { sessions, columns } = tables;
  const s = aliased("s", columns.sessions);
  const metadata = metadataCondition(s);
  const fetch = `SELECT ${selected(s, "key", "version", "id", "record")} FROM ${sessions} AS s WHERE ${s.key} IN (SELECT value FROM json_each(?))`;
  /** The statements that were made, by what a query asks about; making one costs as much as parsing its rows. */
  const statements = new Map<string, string>();

  return (sql, namespace, query) => {
    const page = pageStatement(namespace, query);
    const find = (): string => {
      const row = sql.get(page.sql, ...page.values);
      return row && row.found !== null ? text(row, "found") : "[]";
    };
    const records = cache.page(find()) ?? sql.inSnapshot(() => fetchAll(sql, find()));
    const items = records.slice(0, query.limit);
    const last = items.at(-1);
    if (records.length <= query.limit || !last) return { items };
    return {
      items,
      // Hashing the query costs as much as finding the page, and most callers want the first page only.
      get cursor() {
        return encodeCursor(query, { at: orderTime(last, query.order), id: last.id }, namespace);
      },
    };
  };

  function fetchAll(sql: Sql, found: string): readonly SessionRecord[] {
    const places = placesIn(found);
    const records = new Map(places.map(({ key, version }) => [key, cache.get(key, version)]));
    const missing = places.flatMap(({ key }) => (records.get(key) ? [] : key));
    for (const row of sql.all(fetch, JSON.stringify(missing))) {
      const key = integer(row, "key");
      records.set(
        key,
        cache.decode(key, integer(row, "version"), text(row, "record"), idOrNull(row, "id") ?? ""),
      );
    }
    return places.flatMap(({ key }) => records.get(key) ?? []);
  }

  function pageStatement(namespace: string, query: StoreQuery): Condition {
    const keyset = decodeCursor(query, namespace);
    const filter = filterOf(query, metadata);
    const statuses = query.status === undefined ? LISTED_STATUSES : [query.status];
    const own = keyset ? [...filter.values, keyset.at, keyset.id] : filter.values;
    const name = `${filter.shape} ${query.order} ${statuses.length} ${keyset !== undefined}`;
    let sql = statements.get(name);
    if (sql === undefined) {
      const conditions = conditionsOf(filter, metadata, s);
      if (keyset) conditions.push(afterKeyset(s[orderColumn(query.order)], s.id));
      sql = pageSql(tables, s, query, conditions, statuses.length);
      if (statements.size >= MAX_STATEMENTS) statements.clear();
      statements.set(name, sql);
    }
    const bound: (string | number)[] = [];
    for (const status of statuses) bound.push(namespace, status, ...own);
    bound.push(query.limit + 1);
    return { sql, values: bound };
  }
}

function pageSql(
  tables: Tables,
  s: Named<SessionColumn>,
  query: StoreQuery,
  conditions: readonly string[],
  statusCount: number,
): string {
  const moment = s[orderColumn(query.order)];
  const index = quoteName(`${tables.names.sessions}_${indexOf(query)}`);
  const where = [`${s.namespace} = ? AND ${s.status} = ?`, ...conditions].join(" AND ");
  const part = `FROM ${tables.sessions} AS s INDEXED BY ${index} WHERE ${where}`;
  // Each status is one stretch of the index, in order; several are merged as they are read, not sorted.
  const place = `${s.key} || ',' || ${s.version} AS place`;
  const pages =
    statusCount === 1
      ? `SELECT ${place} ${part} ORDER BY ${moment} DESC, ${s.id} DESC LIMIT ?`
      : `${Array(statusCount)
          .fill(`SELECT ${place}, ${moment}, ${s.id} ${part}`)
          .join(" UNION ALL ")} ORDER BY 2 DESC, 3 DESC LIMIT ?`;
  return `SELECT '[' || group_concat(place) || ']' AS found FROM (${pages})`;
}

/** Named in the statement, because SQLite's own choice rests on statistics that a young database does not have. */
function indexOf(query: StoreQuery): "created" | "parent" | "updated" | "user" {
  if (query.parentId !== undefined) return "parent";
  if (query.userId !== undefined) return "user";
  return query.order;
}

/**
 * @module
 * Lists: a page is found in an index that holds the keys and versions of its records, so that records which are known
 * already are not read again.
 */
import type { SessionRecord, SessionStatus } from "../../log/record.ts";
import { decodeCursor, encodeCursor, orderTime } from "../../store/query.ts";
import type { Page, StoreQuery } from "../../store/store.ts";
import type { Condition, MetadataCondition } from "../sql/conditions.ts";
import { afterKeyset, allOf, conditionsOf, LISTED_STATUSES, orderColumn } from "../sql/conditions.ts";
import type { SqlTables } from "../sql/names.ts";
import { quoteName } from "../sql/names.ts";
import type { Sql } from "./connection.ts";
import { idOrNull, integer, text } from "./driver.ts";
import type { RecordCache } from "./record-cache.ts";

export type Lister = (sql: Sql, namespace: string, query: StoreQuery) => Page<SessionRecord>;

/** Both sides are read as JSON by SQLite, so keys and values of any text, and numbers, are compared alike. */
export const metadataCondition: MetadataCondition = (wanted) => ({
  sql: `NOT EXISTS (SELECT 1 FROM json_each(?) AS wanted WHERE NOT EXISTS (SELECT 1 FROM json_each(record, '$.metadata') AS held WHERE held.key = wanted.key AND held.type = wanted.type AND held.atom IS wanted.atom))`,
  values: [JSON.stringify(wanted)],
});

export function createLister(tables: SqlTables, cache: RecordCache): Lister {
  const sessions = quoteName(tables.sessions);
  const fetch = `SELECT key, version, id, record FROM ${sessions} WHERE key IN (SELECT value FROM json_each(?))`;

  return (sql, namespace, query) => {
    const page = pageStatement(tables, namespace, query);
    const read = (): readonly Place[] => {
      const row = sql.get(page.sql, ...page.values);
      return placesIn(row && row.found !== null ? text(row, "found") : "[]");
    };
    const records = allKnown(cache, read()) ?? inSnapshot(sql, () => fetchAll(sql, read()));
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

  function fetchAll(sql: Sql, places: readonly Place[]): SessionRecord[] {
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
}

/** Where a record of a page is, and the version that the index has it at. */
interface Place {
  readonly key: number;
  readonly version: number;
}

/** Keys and versions in turn, as one text: a driver answers with one row in a fraction of the time of fifty. */
function placesIn(found: string): Place[] {
  const numbers: unknown = JSON.parse(found);
  const places: Place[] = [];
  if (!Array.isArray(numbers)) return places;
  for (let index = 0; index < numbers.length; index += 2) {
    places.push({ key: Number(numbers[index]), version: Number(numbers[index + 1]) });
  }
  return places;
}

/** The records at `places`, `undefined` where one of them must be read. */
function allKnown(cache: RecordCache, places: readonly Place[]): SessionRecord[] | undefined {
  const records: SessionRecord[] = [];
  for (const { key, version } of places) {
    const record = cache.get(key, version);
    if (!record) return undefined;
    records.push(record);
  }
  return records;
}

/** Runs `work` on the database as it is at one moment, whatever other processes write meanwhile. */
function inSnapshot<T>(sql: Sql, work: () => T): T {
  sql.run("BEGIN");
  try {
    return work();
  } finally {
    sql.run("COMMIT");
  }
}

function pageStatement(tables: SqlTables, namespace: string, query: StoreQuery): Condition {
  const column = orderColumn(query.order);
  const keyset = decodeCursor(query, namespace);
  const conditions = [
    ...conditionsOf(query, metadataCondition),
    ...(keyset ? [afterKeyset(column, keyset)] : []),
  ];
  const source = `${quoteName(tables.sessions)} INDEXED BY ${quoteName(`${tables.sessions}_${indexOf(query)}`)}`;
  const ofStatus = (status: SessionStatus): Condition =>
    allOf([{ sql: "namespace = ? AND status = ?", values: [namespace, status] }, ...conditions]);
  // Each status is one stretch of the index, in order; several are merged as they are read, not sorted.
  const parts = (query.status === undefined ? LISTED_STATUSES : [query.status]).map(ofStatus);
  const pages =
    parts.length === 1
      ? `SELECT key, version FROM ${source} WHERE ${parts[0]?.sql} ORDER BY ${column} DESC, id DESC LIMIT ?`
      : `${parts.map(({ sql }) => `SELECT key, version, ${column}, id FROM ${source} WHERE ${sql}`).join(" UNION ALL ")} ORDER BY 3 DESC, 4 DESC LIMIT ?`;
  return {
    sql: `SELECT '[' || group_concat(key || ',' || version) || ']' AS found FROM (${pages})`,
    values: [...parts.flatMap(({ values }) => values), query.limit + 1],
  };
}

/** Named in the statement, because SQLite's own choice rests on statistics that a young database does not have. */
function indexOf(query: StoreQuery): "created" | "parent" | "updated" | "user" {
  if (query.parentId !== undefined) return "parent";
  if (query.userId !== undefined) return "user";
  return query.order;
}

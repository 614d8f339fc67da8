/**
 * @module
 * Lists: each status is one stretch of an index, read in order and no further than the limit.
 */
import type { SessionRecord } from "../../log/record.ts";
import { decodeRecord } from "../../store/codec.ts";
import { decodeCursor, encodeCursor, orderTime } from "../../store/query.ts";
import type { Page, StoreQuery } from "../../store/store.ts";
import type { Named, SessionColumn } from "../sql/columns.ts";
import { aliased, selected } from "../sql/columns.ts";
import type { MetadataCondition } from "../sql/conditions.ts";
import { afterKeyset, conditionsOf, filterOf, LISTED_STATUSES, orderColumn } from "../sql/conditions.ts";
import { rowReader } from "../sql/rows.ts";
import type { Tables } from "../sql/tables.ts";
import type { Connection } from "./connection.ts";
import { NAME } from "./errors.ts";
import type { SqlValue } from "./values.ts";
import { arrayText, metadataTokens, numbered, storedText, textOf } from "./values.ts";

const { text } = rowReader(NAME);

/** What `query` asks of the columns `s` of a session, all but its status: conditions with a `?` for each of `values`. */
export function filterIn(
  query: StoreQuery,
  s: Named<SessionColumn>,
): { conditions: string[]; values: SqlValue[] } {
  const metadata: MetadataCondition = {
    sql: `${s.metadata} @> ?::text::text[]`,
    valueOf: (wanted) => arrayText(metadataTokens(wanted)),
  };
  const filter = filterOf(query, metadata);
  return { conditions: conditionsOf(filter, metadata, s), values: filter.values.map(bound) };
}

export function bound(value: string | number): string {
  return typeof value === "number" ? String(value) : storedText(value);
}

export function statusesIn({ status }: StoreQuery): readonly string[] {
  return status === undefined ? LISTED_STATUSES : [status];
}

export type Lister = (namespace: string, query: StoreQuery) => Promise<Page<SessionRecord>>;

export function createLister(connection: Connection, { sessions, columns }: Tables): Lister {
  const s = aliased("s", columns.sessions);
  return async (namespace, query) => {
    const keyset = decodeCursor(query, namespace);
    const { conditions, values } = filterIn(query, s);
    const statuses = statusesIn(query);
    const column = s[orderColumn(query.order)];
    if (keyset) {
      conditions.push(afterKeyset(column, s.id));
      values.push(bound(keyset.at), bound(keyset.id));
    }
    // $1 is the namespace, $2 the limit, the statuses follow; all stretches share the rest.
    const shared = numbered(conditions.map((condition) => ` AND ${condition}`).join(""), 3 + statuses.length);
    const stretches = statuses.map(
      (_, index) =>
        `(SELECT ${selected(s, "id", "record")}, ${column} AS moment FROM ${sessions} AS s WHERE ${s.namespace} = $1::text AND ${s.status} = $${3 + index}::text${shared} ORDER BY ${column} DESC, ${s.id} DESC LIMIT $2::text::bigint)`,
    );
    const rows = await connection.query(
      `SELECT id, record FROM (${stretches.join(" UNION ALL ")}) AS page ORDER BY moment DESC, id DESC LIMIT $2::text::bigint`,
      [namespace, String(query.limit + 1), ...statuses, ...values],
    );
    const items = rows
      .slice(0, query.limit)
      .map((row) => decodeRecord(text(row, "record"), textOf(text(row, "id")), NAME));
    const last = items.at(-1);
    if (rows.length <= query.limit || !last) return { items };
    return {
      items,
      cursor: encodeCursor(query, { at: orderTime(last, query.order), id: last.id }, namespace),
    };
  };
}

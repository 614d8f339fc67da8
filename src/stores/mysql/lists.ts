/**
 * @module
 * Lists: each status is one stretch of an index, read in order and no further than the limit.
 */
import type { SessionRecord } from "../../log/record.ts";
import { decodeRecord } from "../../store/codec.ts";
import { decodeCursor, encodeCursor, orderTime } from "../../store/query.ts";
import type { Page, StoreQuery } from "../../store/store.ts";
import type { MetadataCondition } from "../sql/conditions.ts";
import { conditionsOf, filterOf, LISTED_STATUSES, orderColumn } from "../sql/conditions.ts";
import type { SqlTables } from "../sql/names.ts";
import { backtickName } from "../sql/names.ts";
import { rowReader } from "../sql/rows.ts";
import type { Connection } from "./connection.ts";
import { NAME } from "./errors.ts";
import type { SqlValue } from "./values.ts";
import { bytesOf, comparedBytes, metadataPattern } from "./values.ts";

const { text } = rowReader(NAME);

const METADATA: MetadataCondition = { sql: "metadata LIKE ?", valueOf: metadataPattern };

/** What `query` asks of the columns of a session, all but its status: conditions with a `?` for each of `values`. */
export function filterIn(query: StoreQuery): { conditions: string[]; values: SqlValue[] } {
  const filter = filterOf(query, METADATA);
  const values = filter.values.map((value) => (typeof value === "number" ? value : comparedBytes(value)));
  // A pattern is longer than what is compared.
  if (query.metadata && Object.keys(query.metadata).length > 0)
    values[values.length - 1] = Buffer.from(metadataPattern(query.metadata));
  return { conditions: conditionsOf(filter, METADATA), values };
}

export function statusesIn({ status }: StoreQuery): Buffer[] {
  return (status === undefined ? LISTED_STATUSES : [status]).map(bytesOf);
}

export type Lister = (namespace: string, query: StoreQuery) => Promise<Page<SessionRecord>>;

export function createLister(connection: Connection, tables: SqlTables): Lister {
  const sessions = backtickName(tables.sessions);
  return async (namespace, query) => {
    const keyset = decodeCursor(query, namespace);
    const { conditions, values } = filterIn(query);
    const column = orderColumn(query.order);
    if (keyset) {
      // Not as a comparison of rows, for which MySQL takes no index.
      conditions.push(`${column} <= ?`, `(${column} < ? OR id < ?)`);
      values.push(keyset.at, keyset.at, bytesOf(keyset.id));
    }
    const limit = query.limit + 1;
    const where = ["namespace = ?", "status = ?", ...conditions].join(" AND ");
    const stretchOf = (columns: string): string =>
      `SELECT ${columns} FROM ${sessions} FORCE INDEX (${indexOf(query)}) WHERE ${where} ORDER BY ${column} DESC, id DESC LIMIT ?`;
    const statuses = statusesIn(query);
    const bound = statuses.flatMap((status) => [Buffer.from(namespace), status, ...values, limit]);
    let sql: string;
    if (statuses.length === 1 && isInOrder(query)) {
      sql = stretchOf("id, record");
    } else {
      // Records are looked up once the page is known: what a server sorts must fit into its sort buffer.
      const stretch = `(${stretchOf(`session_key, ${column} AS moment, id`)})`;
      const union = `(${statuses.map(() => stretch).join(" UNION ALL ")} ORDER BY moment DESC, id DESC LIMIT ?)`;
      const page = statuses.length === 1 ? stretch : union;
      if (statuses.length > 1) bound.push(limit);
      sql = `SELECT s.id, s.record FROM ${page} AS p STRAIGHT_JOIN ${sessions} AS s ON s.session_key = p.session_key`;
    }
    const { rows } = await connection.query(sql, bound);
    const found = rows.map((row) => decodeRecord(text(row, "record"), text(row, "id"), NAME));
    const items = found.sort((a, b) => byKeyset(query.order, a, b)).slice(0, query.limit);
    const last = items.at(-1);
    if (rows.length <= query.limit || !last) return { items };
    return {
      items,
      cursor: encodeCursor(query, { at: orderTime(last, query.order), id: last.id }, namespace),
    };
  };
}

/** Newest first, then by id, by byte. */
function byKeyset(order: StoreQuery["order"], a: SessionRecord, b: SessionRecord): number {
  return orderTime(b, order) - orderTime(a, order) || Buffer.compare(bytesOf(b.id), bytesOf(a.id));
}

/** Whether the index of {@link indexOf} has the rows of a status in the order that is asked for. */
function isInOrder({ parentId, userId, order }: StoreQuery): boolean {
  return parentId === undefined && (userId === undefined || order === "updated");
}

/** Named in the statement, because the server's own choice rests on statistics that a young table does not have. */
function indexOf(query: StoreQuery): string {
  if (query.parentId !== undefined) return "by_parent";
  if (query.userId !== undefined) return "by_user";
  return `by_${query.order}`;
}

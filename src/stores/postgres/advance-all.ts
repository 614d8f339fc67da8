/**
 * @module
 * The usual batch, commits without ids of their callers' to sessions that are there: those whose session is as its writer
 * thinks take place, by a statement that takes PostgreSQL half of the time of the one for any batch.
 */
import { aliased, listed } from "../sql/columns.ts";
import type { EncodedCommit } from "../sql/encode.ts";
import { rowReader } from "../sql/rows.ts";
import type { Tables } from "../sql/tables.ts";
import { inputSql, inputValues } from "./batch-rows.ts";
import { ADDED, CHANGED, castOf, keysOf } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { NAME } from "./errors.ts";
import { pendingTable } from "./search-index.ts";

const { number } = rowReader(NAME);

/** The places of the commits that took place. Of the others nothing was written, and why is left to the other statement. */
export type BatchAdvancer = (namespace: string, commits: readonly EncodedCommit[]) => Promise<Set<number>>;

export function createBatchAdvancer(connection: Connection, tables: Tables): BatchAdvancer {
  const { sessions, entries, columns } = tables;
  const s = aliased("s", columns.sessions);
  const change = keysOf(CHANGED).map((name) => `${columns.sessions[name]} = i.${name}${castOf(name)}`);
  const added = keysOf(ADDED);
  const read = added.map((column) => `a.${column}`).join(", ");
  // The count that is never false has all rows locked, in their order, before the first is updated.
  const rest = `
locked AS MATERIALIZED (
  SELECT i.ord, found.key
  FROM input AS i CROSS JOIN LATERAL (
    SELECT ${s.key} AS key FROM ${sessions} AS s
    WHERE ${s.namespace} = $1::text AND ${s.id} = i.id AND ${s.version} = i.expected AND (${s.created_at} = i.created_at) IS TRUE
    FOR NO KEY UPDATE
  ) AS found
),
advanced AS (
  UPDATE ${sessions} AS s SET ${change.join(", ")}
  FROM input AS i JOIN locked AS l ON l.ord = i.ord
  WHERE (SELECT count(*) FROM locked) >= 0 AND ${s.key} = l.key
  RETURNING i.ord, ${s.key} AS key
),
written AS (
  INSERT INTO ${entries} (${listed(columns.entries, "session_key", ...added)})
  SELECT d.key, ${read} FROM added AS a JOIN advanced AS d ON d.ord = a.ord
),
noted AS (
  INSERT INTO ${pendingTable(tables)} (session_key, seq)
  SELECT d.key, a.seq FROM added AS a JOIN advanced AS d ON d.ord = a.ord WHERE a.searched
)
SELECT ord FROM advanced`;
  return async (namespace, commits) => {
    const isUsual = commits.every(({ commit, ids }) => commit.expectedVersion > 0 && ids.length === 0);
    if (!isUsual) return new Set();
    const values = inputValues(namespace, commits);
    const rows = await connection.query(`WITH ${inputSql(commits)},${rest}`, values, true);
    return new Set(rows.map((row) => number(row, "ord")));
  };
}

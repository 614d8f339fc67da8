/**
 * @module
 * The usual commit, by itself and with few entries, to a session that is as its writer thinks, or is not there yet: a guarded
 * UPDATE, or an INSERT, with the INSERTs of its entries in one short statement, which takes PostgreSQL a third of the time
 * to plan of the one for a batch.
 */
import { aliased, listed } from "../sql/columns.ts";
import type { EncodedCommit } from "../sql/encode.ts";
import type { Tables } from "../sql/tables.ts";
import { ADDED, addedOf, CHANGED, changedOf, keysOf } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { pendingTable } from "./search-index.ts";
import type { SqlValue } from "./values.ts";
import { arrayText, storedText } from "./values.ts";

const MAX_ENTRIES = 8;

/** Binds a value; answers with its place in the statement. */
type Bind = (value: string | number | null, type: string) => string;

/** Whether the commit took place. Where it didn't, nothing was written, and why is left to the statement for a batch. */
export type Advancer = (namespace: string, encoded: EncodedCommit) => Promise<boolean>;

export function createAdvancer(connection: Connection, tables: Tables): Advancer {
  const { sessions, entries, columns } = tables;
  const pending = pendingTable(tables);
  const s = aliased("s", columns.sessions);
  const e = aliased("e", columns.entries);
  const filled = listed(columns.entries, "session_key", ...keysOf(ADDED));
  return async (namespace, encoded) => {
    const { commit } = encoded;
    if (encoded.entries.length > MAX_ENTRIES) return false;
    const values: SqlValue[] = [];
    const bind: Bind = (value, type) => {
      values.push(value === null ? null : String(value));
      return type === "text" ? `$${values.length}::text` : `$${values.length}::text::${type}`;
    };
    const hit =
      commit.expectedVersion === 0 ? creation(namespace, encoded, bind) : update(namespace, encoded, bind);
    const added = encoded.entries.map(addedOf);
    const rows = added.map((entry) => keysOf(ADDED).map((column) => bind(entry[column], ADDED[column])));
    const searched = added.flatMap(({ seq, searched }) => (searched === "t" ? [[bind(seq, "bigint")]] : []));
    const tuples = (lines: readonly string[][]): string =>
      lines.map((line) => `(${line.join(", ")})`).join(", ");
    const parts = [
      `hit AS (${hit} RETURNING ${s.key} AS key)`,
      `written AS (INSERT INTO ${entries} (${filled}) SELECT h.key, a.* FROM hit AS h CROSS JOIN (VALUES ${tuples(rows)}) AS a)`,
    ];
    if (searched.length > 0) {
      parts.push(
        `noted AS (INSERT INTO ${pending} (session_key, seq) SELECT h.key, a.seq FROM hit AS h CROSS JOIN (VALUES ${tuples(searched)}) AS a(seq))`,
      );
    }
    const found = await connection.query(
      `WITH ${parts.join(", ")} SELECT key::text AS key FROM hit`,
      values,
      true,
    );
    return found.length > 0;
  };

  function update(namespace: string, encoded: EncodedCommit, bind: Bind): string {
    const { commit, ids } = encoded;
    const changed = changedOf(encoded);
    const change = keysOf(CHANGED).map(
      (column) => `${columns.sessions[column]} = ${bind(changed[column], CHANGED[column])}`,
    );
    const guards = [
      `${s.namespace} = ${bind(namespace, "text")}`,
      `${s.id} = ${bind(storedText(commit.sessionId), "text")}`,
      `${s.version} = ${bind(commit.expectedVersion, "bigint")}`,
      // IS TRUE, so that no index on the time is taken in place of the one on the id.
      `(${s.created_at} = ${bind(commit.record.createdAt, "double precision")}) IS TRUE`,
    ];
    if (ids.length > 0) {
      const known = `SELECT FROM ${entries} AS e WHERE ${e.session_key} = ${s.key} AND ${e.id} = ANY (${bind(arrayText(ids.map(storedText)), "text[]")})`;
      guards.push(`NOT EXISTS (${known})`);
    }
    return `UPDATE ${sessions} AS s SET ${change.join(", ")} WHERE ${guards.join(" AND ")}`;
  }

  /** Of a session that is not there, which has no entries whose ids could be there. */
  function creation(namespace: string, encoded: EncodedCommit, bind: Bind): string {
    const { sessionId, record } = encoded.commit;
    const changed = changedOf(encoded);
    const values = [
      bind(namespace, "text"),
      bind(storedText(sessionId), "text"),
      bind(record.createdAt, "double precision"),
      ...keysOf(CHANGED).map((column) => bind(changed[column], CHANGED[column])),
    ];
    const named = listed(columns.sessions, "namespace", "id", "created_at", ...keysOf(CHANGED));
    return `INSERT INTO ${sessions} AS s (${named}) VALUES (${values.join(", ")}) ON CONFLICT (${listed(columns.sessions, "namespace", "id")}) DO NOTHING`;
  }
}

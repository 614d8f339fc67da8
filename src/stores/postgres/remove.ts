/**
 * @module
 * Removal. Entries and what is indexed of them go with their session, by the foreign key.
 */
import { aliased } from "../sql/columns.ts";
import { rowReader } from "../sql/rows.ts";
import type { Tables } from "../sql/tables.ts";
import type { Connection } from "./connection.ts";
import { NAME } from "./errors.ts";
import { bigintText, storedText, textOf } from "./values.ts";

const { text } = rowReader(NAME);

export interface Remover {
  remove(namespace: string, id: string): Promise<boolean>;
  sweep(namespace: string, nowMs: number, limit: number): Promise<string[]>;
}

export function createRemover(connection: Connection, { sessions, columns }: Tables): Remover {
  const s = aliased("s", columns.sessions);
  const removeOne = `DELETE FROM ${sessions} AS s WHERE ${s.namespace} = $1::text AND ${s.id} = $2::text RETURNING ${s.id} AS id`;
  // Locked first, so that a session whose time was moved meanwhile stays; what another process sweeps is left to it.
  const removeExpired = `WITH expired AS MATERIALIZED (SELECT ${s.key} AS key FROM ${sessions} AS s WHERE ${s.namespace} = $1::text AND ${s.expires_at} <= $2::text::double precision ORDER BY ${s.expires_at} LIMIT $3::text::bigint FOR UPDATE SKIP LOCKED) DELETE FROM ${sessions} AS s USING expired AS e WHERE ${s.key} = e.key RETURNING ${s.id} AS id`;

  return {
    remove: async (namespace, id) =>
      (await connection.query(removeOne, [namespace, storedText(id)])).length > 0,
    async sweep(namespace, nowMs, limit) {
      const rows = await connection.query(removeExpired, [namespace, String(nowMs), bigintText(limit)]);
      return rows.map((row) => textOf(text(row, "id")));
    },
  };
}

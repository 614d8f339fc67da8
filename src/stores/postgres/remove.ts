/**
 * @module
 * Removal. Entries and what is indexed of them go with their session, by the foreign key.
 */
import { rowReader } from "../sql/rows.ts";
import type { Connection } from "./connection.ts";
import { NAME } from "./errors.ts";
import type { Tables } from "./schema.ts";
import { bigintText, storedText, textOf } from "./values.ts";

const { text } = rowReader(NAME);

export interface Remover {
  remove(namespace: string, id: string): Promise<boolean>;
  sweep(namespace: string, nowMs: number, limit: number): Promise<string[]>;
}

export function createRemover(connection: Connection, { sessions }: Tables): Remover {
  const removeOne = `DELETE FROM ${sessions} WHERE namespace = $1::text AND id = $2::text RETURNING id`;
  // Locked first, so that a session whose time was moved meanwhile stays; what another process sweeps is left to it.
  const removeExpired = `WITH expired AS MATERIALIZED (SELECT key FROM ${sessions} WHERE namespace = $1::text AND expires_at <= $2::text::double precision ORDER BY expires_at LIMIT $3::text::bigint FOR UPDATE SKIP LOCKED) DELETE FROM ${sessions} AS s USING expired AS e WHERE s.key = e.key RETURNING s.id`;

  return {
    remove: async (namespace, id) =>
      (await connection.query(removeOne, [namespace, storedText(id)])).length > 0,
    async sweep(namespace, nowMs, limit) {
      const rows = await connection.query(removeExpired, [namespace, String(nowMs), bigintText(limit)]);
      return rows.map((row) => textOf(text(row, "id")));
    },
  };
}

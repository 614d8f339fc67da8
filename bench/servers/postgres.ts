/**
 * @module
 * PostgreSQL with its default durability: each transaction is on the disk before it is acknowledged.
 */
import type pg from "pg";
import { postgresStore } from "../../src/stores/postgres.ts";
import { poolOf } from "../../test/engines/pool.ts";
import { startPostgres } from "../../test/engines/postgres-server.ts";
import type { BenchServer, ServerFloor } from "./server.ts";

const TABLES = `
  CREATE TABLE floor_sessions (id text PRIMARY KEY, version bigint NOT NULL, updated_at bigint NOT NULL);
  CREATE INDEX floor_sessions_updated ON floor_sessions (updated_at);
  CREATE TABLE floor_entries (session_id text NOT NULL, seq bigint NOT NULL, at bigint NOT NULL, message text NOT NULL, PRIMARY KEY (session_id, seq));
`;
const UPDATE = "UPDATE floor_sessions SET version = $1, updated_at = $2 WHERE id = $3 AND version = $4";
const INSERT = "INSERT INTO floor_entries VALUES ($1, $2, $3, $4)";
const TOGETHER = `WITH hit AS (UPDATE floor_sessions SET version = $1::bigint, updated_at = $2 WHERE id = $3 AND version = $4::bigint RETURNING id)
  INSERT INTO floor_entries SELECT id, $1::bigint, $2, $5 FROM hit`;
const ALL = `WITH given AS (SELECT * FROM unnest($1::text[], $2::bigint[]) AS g (id, version)),
  hit AS (UPDATE floor_sessions AS s SET version = g.version + 1, updated_at = $3 FROM given AS g WHERE s.id = g.id AND s.version = g.version RETURNING s.id, s.version)
  INSERT INTO floor_entries SELECT id, version, $3, $4 FROM hit`;

export async function postgresBench(): Promise<BenchServer | undefined> {
  const server = await startPostgres({ settings: { fsync: "on", shared_buffers: "128MB" } });
  if (!server) return undefined;
  const pool = poolOf({ connectionString: server.url });
  await pool.query(TABLES);
  return {
    name: `postgres ${server.version}`,
    store: postgresStore({ pool }),
    floor: inTransaction(pool),
    others: [inOneStatement(pool)],
    atLeastAtOnce: 5,
    atMostAtRest: 1.5,
    async sizes(isPacked = false) {
      const sizes: Record<string, number> = {};
      for (const part of ["sessions", "entries", "search"]) {
        // As autovacuum leaves them.
        await pool.query(`VACUUM ${isPacked ? "FULL " : ""}holdfast_${part}`);
        const { rows } = await pool.query<{ bytes: string }>("SELECT pg_total_relation_size($1) AS bytes", [
          `holdfast_${part}`,
        ]);
        sizes[part] = Number(rows[0]?.bytes);
      }
      return sizes;
    },
    async settle() {
      await pool.query("ANALYZE holdfast_sessions, holdfast_entries");
    },
    async stop() {
      await pool.end();
      await server.stop();
    },
  };
}

function inTransaction(pool: pg.Pool): ServerFloor {
  const versions = new Map<string, number>();
  return {
    what: "BEGIN, guarded UPDATE, INSERT, COMMIT",
    create: (id) => create(pool, id),
    async append(id, message) {
      const version = versions.get(id) ?? 0;
      const client = await pool.connect();
      try {
        await client.query("BEGIN");
        await client.query(UPDATE, [version + 1, Date.now(), id, version]);
        await client.query(INSERT, [id, version + 1, Date.now(), JSON.stringify(message)]);
        await client.query("COMMIT");
      } finally {
        client.release();
      }
      versions.set(id, version + 1);
    },
    appendToAll: (ids, message) => appendToAll(pool, versions, ids, message),
  };
}

function inOneStatement(pool: pg.Pool): ServerFloor {
  const versions = new Map<string, number>();
  return {
    what: "both in one statement",
    create: (id) => create(pool, id),
    async append(id, message) {
      const version = versions.get(id) ?? 0;
      const { rowCount } = await pool.query(TOGETHER, [
        version + 1,
        Date.now(),
        id,
        version,
        JSON.stringify(message),
      ]);
      if (rowCount !== 1) throw new Error(`${id} was changed by another writer`);
      versions.set(id, version + 1);
    },
    appendToAll: (ids, message) => appendToAll(pool, versions, ids, message),
  };
}

async function create(pool: pg.Pool, id: string): Promise<void> {
  await pool.query("INSERT INTO floor_sessions VALUES ($1, 0, $2)", [id, Date.now()]);
}

async function appendToAll(
  pool: pg.Pool,
  versions: Map<string, number>,
  ids: readonly string[],
  message: object,
): Promise<void> {
  const before = ids.map((id) => versions.get(id) ?? 0);
  const { rowCount } = await pool.query(ALL, [ids, before, Date.now(), JSON.stringify(message)]);
  if (rowCount !== ids.length) throw new Error(`${rowCount} of ${ids.length} were appended`);
  for (const id of ids) versions.set(id, (versions.get(id) ?? 0) + 1);
}

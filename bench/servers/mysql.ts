/**
 * @module
 * MariaDB, through mysql2, with its default durability (each transaction is on the disk before it is acknowledged) and
 * memory, of which a server of the tests has less.
 */
import type { Pool } from "mysql2/promise";
import { createPool } from "mysql2/promise";
import { mysqlStore } from "../../src/stores/mysql.ts";
import { startMariadb } from "../../test/engines/mariadb-server.ts";
import type { BenchServer, ServerFloor } from "./server.ts";

const SESSIONS =
  "CREATE TABLE floor_sessions (id VARCHAR(100) PRIMARY KEY, version BIGINT NOT NULL, updated_at BIGINT NOT NULL, KEY updated (updated_at)) CHARACTER SET utf8mb4";
const ENTRIES =
  "CREATE TABLE floor_entries (session_id VARCHAR(100) NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, message LONGTEXT NOT NULL, PRIMARY KEY (session_id, seq)) CHARACTER SET utf8mb4";
const UPDATE = "UPDATE floor_sessions SET version = ?, updated_at = ? WHERE id = ? AND version = ?";

export async function mysqlBench(): Promise<BenchServer | undefined> {
  const settings = {
    innodb_flush_log_at_trx_commit: "1",
    "innodb-buffer-pool-size": "128M",
    "innodb-log-file-size": "96M",
  };
  const server = await startMariadb(settings, "disk");
  if (!server) return undefined;
  const pool = createPool({ uri: server.url, connectionLimit: 10 });
  await pool.query(SESSIONS);
  await pool.query(ENTRIES);
  return {
    name: `mysql (MariaDB ${server.version})`,
    store: mysqlStore({ pool }),
    floor: inTransaction(pool),
    // InnoDB counts a sample of its pages.
    hasRoughSizes: true,
    async sizes() {
      await pool.query("ANALYZE TABLE holdfast_sessions, holdfast_entries, holdfast_search");
      const [rows] = await pool.query<({ name: string; bytes: number } & import("mysql2").RowDataPacket)[]>(
        "SELECT table_name AS name, data_length + index_length AS bytes FROM information_schema.tables WHERE table_schema = database() AND table_name LIKE 'holdfast%'",
      );
      return Object.fromEntries(
        rows.map(({ name, bytes }) => [name.replace("holdfast_", ""), Number(bytes)]),
      );
    },
    async stop() {
      await pool.end();
      await server.stop();
    },
  };
}

function inTransaction(pool: Pool): ServerFloor {
  const versions = new Map<string, number>();
  return {
    what: "BEGIN, guarded UPDATE, INSERT, COMMIT",
    async create(id) {
      await pool.execute("INSERT INTO floor_sessions VALUES (?, 0, ?)", [id, Date.now()]);
    },
    async append(id, message) {
      const version = versions.get(id) ?? 0;
      const connection = await pool.getConnection();
      try {
        await connection.query("BEGIN");
        await connection.execute(UPDATE, [version + 1, Date.now(), id, version]);
        await connection.execute("INSERT INTO floor_entries VALUES (?, ?, ?, ?)", [
          id,
          version + 1,
          Date.now(),
          JSON.stringify(message),
        ]);
        await connection.query("COMMIT");
      } finally {
        connection.release();
      }
      versions.set(id, version + 1);
    },
    /** One transaction: a guarded update a session, and all the rows in one statement. */
    async appendToAll(ids, message) {
      const text = JSON.stringify(message);
      const connection = await pool.getConnection();
      try {
        await connection.query("BEGIN");
        for (const id of ids) {
          const version = versions.get(id) ?? 0;
          await connection.execute(UPDATE, [version + 1, Date.now(), id, version]);
          versions.set(id, version + 1);
        }
        const rows = ids.map((id) => [id, versions.get(id), Date.now(), text]);
        await connection.query("INSERT INTO floor_entries VALUES ?", [rows]);
        await connection.query("COMMIT");
      } finally {
        connection.release();
      }
    },
  };
}

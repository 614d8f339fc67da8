/**
 * @module
 * Pools of pg for tests. A server that stops while a connection is idle is an event of the pool, which would end the
 * process where nobody listens; so would a connection that is closed a moment later than its pool.
 */
import { createRequire } from "node:module";
import type { Pool, PoolConfig } from "pg";

export function poolOf(config: PoolConfig): Pool {
  // Loaded when it is asked for: most processes that open a store need no pg.
  const pg: typeof import("pg") = createRequire(import.meta.url)("pg");
  const pool = new pg.Pool(config);
  pool.on("error", () => undefined);
  return pool;
}

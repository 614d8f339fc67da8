/**
 * Every case of the conformance suite on a MariaDB server: through a Pool at the root and in a namespace, and through
 * a single Connection.
 */
import { createPool } from "mysql2/promise";
import { afterAll, describe, test } from "vitest";
import { runConformance } from "../../src/store/conformance/index.ts";
import { startMariadb } from "../engines/mariadb-server.ts";
import { mysqlHarness } from "./mysql-harness.ts";

const TENANT = "tenant: a/../b";

const server = await startMariadb();
if (server) {
  const { url, version } = server;
  const pool = createPool({ uri: url, connectionLimit: 2 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });
  const name = `MariaDB ${version} through a`;
  describe(`${name} pool`, () => runConformance(mysqlHarness("pool", url, pool), { test, describe }));
  describe(`${name} pool, in a namespace`, () =>
    runConformance(mysqlHarness("pool", url, pool, TENANT), { test, describe }));
  describe(`${name} connection`, () =>
    runConformance(mysqlHarness("callback-connection", url, pool), { test, describe }));
}

/**
 * Every case of the conformance suite through Prisma, on PostgreSQL and on SQLite: at the root, and in a namespace with
 * other names of tables and columns.
 */
import { afterAll, describe, test } from "vitest";
import { runConformance } from "../../src/store/conformance/index.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { ormPostgresHarness, ormSqliteHarness } from "./orm-support.ts";

const TENANT = { namespaces: ["tenant: a/../b"], isRenamed: true };

describe("Prisma on SQLite", () => runConformance(ormSqliteHarness("prisma"), { test, describe }));
describe("Prisma on SQLite, in a namespace, with other names", () =>
  runConformance(ormSqliteHarness("prisma", TENANT), { test, describe }));

const server = await startPostgres();
if (server) {
  const { url, version } = server;
  const pool = poolOf({ connectionString: url, max: 2 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });
  const name = `Prisma on PostgreSQL ${version}`;
  describe(name, () => runConformance(ormPostgresHarness("prisma", url, pool), { test, describe }));
  describe(`${name}, in a namespace, with other names`, () =>
    runConformance(ormPostgresHarness("prisma", url, pool, TENANT), { test, describe }));
}

/**
 * Every case of the conformance suite on PGlite, and on a PostgreSQL server through pg and through postgres.js.
 */
import { PGlite } from "@electric-sql/pglite";
import { afterAll, describe, test } from "vitest";
import { runConformance } from "../../src/store/conformance/index.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { pgliteHarness, serverHarness } from "./postgres-support.ts";

const TENANT = "tenant: a/../b";

const database = await PGlite.create();
afterAll(() => database.close());

describe("PGlite", () => runConformance(pgliteHarness(database), { test, describe }));
describe("PGlite, in a namespace", () => runConformance(pgliteHarness(database, TENANT), { test, describe }));

const server = await startPostgres();
if (server) {
  const { url, version } = server;
  const pool = poolOf({ connectionString: url, max: 2 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });
  for (const kind of ["pg", "postgres.js"] as const) {
    const name = `PostgreSQL ${version} through ${kind}`;
    describe(name, () => runConformance(serverHarness(kind, url, pool), { test, describe }));
    describe(`${name}, in a namespace`, () =>
      runConformance(serverHarness(kind, url, pool, TENANT), { test, describe }));
  }
}

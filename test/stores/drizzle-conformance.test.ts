/**
 * Every case of the conformance suite on PostgreSQL through Drizzle's node-postgres and postgres-js, and on SQLite
 * through its better-sqlite3: at the root, and in a namespace with other names of tables and columns; on PGlite what a
 * driver could get wrong.
 */
import { PGlite } from "@electric-sql/pglite";
import { drizzle } from "drizzle-orm/pglite";
import { afterAll, describe, test } from "vitest";
import { runConformance } from "../../src/store/conformance/index.ts";
import { drizzleStore } from "../../src/stores/drizzle.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { inProcess } from "./harnesses.ts";
import { ormPostgresHarness, ormSqliteHarness } from "./orm-support.ts";
import { newSchema } from "./postgres-support.ts";

const TENANT = { namespaces: ["tenant: a/../b"], isRenamed: true };

describe("Drizzle on SQLite", () => runConformance(ormSqliteHarness("drizzle"), { test, describe }));
describe("Drizzle on SQLite, in a namespace, with other names", () =>
  runConformance(ormSqliteHarness("drizzle", TENANT), { test, describe }));

const database = await PGlite.create();
afterAll(() => database.close());
describe("Drizzle on PGlite", () => {
  const harness = inProcess(() => drizzleStore({ db: drizzle(database), schema: newSchema() }));
  for (const only of ["values/", "commit/", "batch/", "errors/"]) {
    runConformance(harness, { test, describe }, { only });
  }
});

const server = await startPostgres();
if (server) {
  const { url, version } = server;
  const pool = poolOf({ connectionString: url, max: 2 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });
  const name = `Drizzle on PostgreSQL ${version}`;
  describe(`${name} through postgres-js`, () =>
    runConformance(ormPostgresHarness("drizzle-postgres.js", url, pool), { test, describe }));
  describe(`${name} through node-postgres`, () =>
    runConformance(ormPostgresHarness("drizzle", url, pool), { test, describe }));
  describe(`${name} through node-postgres, in a namespace, with other names`, () =>
    runConformance(ormPostgresHarness("drizzle", url, pool, TENANT), { test, describe }));
}

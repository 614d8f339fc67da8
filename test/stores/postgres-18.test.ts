/**
 * The PostgreSQL store on PostgreSQL 18, which an npm package brings: every case of the conformance suite through pg,
 * and those on commits, search and watching through postgres.js.
 */
import { afterAll, describe, expect, test } from "vitest";
import { runConformance } from "../../src/store/conformance/index.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { serverHarness } from "./postgres-support.ts";

/** The groups of cases in which most depends on the server. */
const SOME = ["commit/", "search/", "watch/"];

const server = await startPostgres({ from: "npm" });
if (server) {
  const { url, version } = server;
  const pool = poolOf({ connectionString: url, max: 2 });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });
  test("it is the version that the package says", () => expect(version).toMatch(/^18\./));
  describe("through pg, in a namespace", () =>
    runConformance(serverHarness("pg", url, pool, "tenant: a/../b"), { test, describe }));
  describe("through postgres.js", () => {
    const harness = serverHarness("postgres.js", url, pool);
    for (const only of SOME) runConformance(harness, { test, describe }, { only });
  });
}

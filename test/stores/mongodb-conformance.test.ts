/**
 * Every case of the conformance suite on a real server that speaks MongoDB's protocol, at the root and through a
 * namespace.
 */
import { afterAll, beforeAll, describe, test } from "vitest";
import { runConformance } from "../../src/store/conformance/index.ts";
import type { FerretServer } from "../engines/ferretdb-server.ts";
import { missingFerret, startFerret } from "../engines/ferretdb-server.ts";
import { mongodbHarness } from "./mongodb-harness.ts";

const TENANT = "tenant: a/../b";

const missing = missingFerret();
if (missing) console.log(`left out: conformance of the mongodb store: ${missing}`);
const isLeftOut = missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all";

describe.skipIf(isLeftOut)("mongodb", () => {
  let server: FerretServer | undefined;
  const serverOf = (): FerretServer => {
    if (!server) throw new Error(missing);
    return server;
  };
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    server = await startFerret();
  }, 30_000);
  afterAll(() => server?.stop());
  describe("client", () => runConformance(mongodbHarness(serverOf, "client"), { test, describe }));
  describe("url, in a namespace", () =>
    runConformance(mongodbHarness(serverOf, "url", TENANT), { test, describe }));
});

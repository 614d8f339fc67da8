/**
 * Every case of the conformance suite on a real OpenSearch node, at the root and through a namespace.
 */
import { afterAll, beforeAll, describe, test, vi } from "vitest";
import { runConformance } from "../../src/store/conformance/index.ts";
import type { OpenSearchServer } from "../engines/opensearch-server.ts";
import { missingOpenSearch, startOpenSearch } from "../engines/opensearch-server.ts";
import { opensearchHarness } from "./opensearch-harness.ts";

// A case of several hundred calls takes long where a node shares its machine with other tests.
vi.setConfig({ testTimeout: 120_000 });

const missing = missingOpenSearch();
if (missing) console.log(`left out: conformance of the opensearch store: ${missing}`);

describe.skipIf(missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all")("opensearch", () => {
  let server: OpenSearchServer | undefined;
  const serverOf = (): OpenSearchServer => {
    if (!server) throw new Error("the server was not started");
    return server;
  };
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    server = await startOpenSearch();
  }, 120_000);
  afterAll(() => server?.stop());

  describe("root", () => runConformance(opensearchHarness(serverOf, "root"), { test, describe }));
  describe("in a namespace", () =>
    runConformance(opensearchHarness(serverOf, "inner", "tenant: a/../b"), { test, describe }));
});

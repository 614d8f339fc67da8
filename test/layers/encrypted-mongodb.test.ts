/** The conformance suite on the encryption over MongoDB's protocol, whose records are healed from the log after a crash. */
import { afterAll, beforeAll, describe, test } from "vitest";
import { runConformance } from "../../src/store/conformance/index.ts";
import type { FerretServer } from "../engines/ferretdb-server.ts";
import { missingFerret, startFerret } from "../engines/ferretdb-server.ts";
import { mongodbHarness } from "../stores/mongodb-harness.ts";
import { layeredHarness } from "./harness.ts";

const missing = missingFerret();
if (missing) console.log(`left out: conformance of encrypted over mongodb: ${missing}`);

describe.skipIf(missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all")(
  "encrypted over mongodb",
  async () => {
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
    const harness = await layeredHarness(
      mongodbHarness(serverOf, "client"),
      import.meta.resolve("./encrypted-wrap.ts"),
    );
    runConformance(harness, { test, describe });
  },
);

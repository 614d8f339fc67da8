/** The whole conformance suite on the encryption, over four engines, and over files, whose records are folded from the log. */
import { describe, test } from "vitest";
import { runConformance } from "../../src/store/conformance/index.ts";
import { folderHarness } from "../stores/harnesses.ts";
import { layerConforms, layeredHarness } from "./harness.ts";

const WRAP = import.meta.resolve("./encrypted-wrap.ts");

await layerConforms("encrypted", WRAP);

describe("encrypted over file", async () => {
  runConformance(await layeredHarness(folderHarness("file"), WRAP), { test, describe });
});

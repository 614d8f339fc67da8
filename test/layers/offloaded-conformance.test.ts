/** The whole suite: over four engines with nearly everything offloaded, and over two as it is by default. */
import { layerConforms } from "./harness.ts";

await layerConforms("offloaded past 64 bytes", import.meta.resolve("./offloaded-wrap.ts"));
await layerConforms("offloaded", import.meta.resolve("./offloaded-default-wrap.ts"), ["memory", "sqlite"]);

/** The whole suite over a fallback whose primary is well. */
import { layerConforms } from "./harness.ts";

await layerConforms("fallback", import.meta.resolve("./fallback-wrap.ts"));

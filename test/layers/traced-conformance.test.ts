/** A traced store keeps the whole contract over each engine. */
import { layerConforms } from "./harness.ts";

await layerConforms("tracing", import.meta.resolve("./traced-wrap.ts"));

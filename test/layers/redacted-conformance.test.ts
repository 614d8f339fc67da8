/** Every case of the suite through the redaction, with all rules on: none of its values is taken for a secret. */
import { layerConforms } from "./harness.ts";

await layerConforms("redacted", import.meta.resolve("./redacted-wrap.ts"));

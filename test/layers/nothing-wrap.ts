/** A layer that changes nothing. */
import { layerOver } from "../../src/layers/layer.ts";
import type { Wrap } from "./harness.ts";

export const wrap: Wrap = (store) => layerOver("traced", store, () => ({}));

/** Offloading as it is without options, to files. */
import { join } from "node:path";
import { fileBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import type { Wrap } from "./harness.ts";

export const wrap: Wrap = (store, folder) =>
  offloadedStore(store, { blobs: fileBlobs({ folder: join(folder, "blobs") }) });

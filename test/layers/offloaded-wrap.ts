/** Offloading of everything that is longer than 64 bytes, so that every case offloads, to files. */
import { join } from "node:path";
import { fileBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import type { Wrap } from "./harness.ts";

export const wrap: Wrap = (store, folder) =>
  offloadedStore(store, {
    blobs: fileBlobs({ folder: join(folder, "blobs"), durability: "os" }),
    thresholdBytes: 64,
  });

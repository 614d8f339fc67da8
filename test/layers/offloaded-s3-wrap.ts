/** Offloading of everything that is longer than 64 bytes, to the S3 server that the environment names. */
import { basename } from "node:path";
import { offloadedStore, s3Blobs } from "../../src/layers/offloaded.ts";
import type { Wrap } from "./harness.ts";

export const wrap: Wrap = (store, folder) => {
  const { endpoint, bucket, credentials } = JSON.parse(process.env.HOLDFAST_TEST_S3 ?? "{}");
  return offloadedStore(store, {
    blobs: s3Blobs({ endpoint, bucket, credentials, prefix: `${basename(folder)}/` }),
    thresholdBytes: 64,
  });
};

/** @module A process that takes part in a race: `node offloaded-race-process.ts TASK`, JSON. Prints its report as JSON. */
import { join } from "node:path";
import { fileBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { race } from "./offloaded-race.ts";

const { folder, ...task } = JSON.parse(process.argv[2] ?? "{}");
const store = offloadedStore(sqliteStore({ path: join(folder, "sessions.db"), durability: "normal" }), {
  blobs: fileBlobs({ folder: join(folder, "blobs"), durability: "os" }),
  thresholdBytes: 64,
  graceMs: 3000,
  cacheBytes: 0,
});
process.stdout.write(JSON.stringify(await race(store, task)));
await store.close();

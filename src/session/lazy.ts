/**
 * @module
 * The parts that not every program uses, each loaded by its first use and kept: an import that is repeated costs some
 * microseconds each time.
 */

export const branch = once(() => import("./branch.ts"));
export const checkpoints = once(() => import("./checkpoints.ts"));
export const compaction = once(() => import("./compaction.ts"));
export const naming = once(() => import("./store-by-name.ts"));
export const retention = once(() => import("./retention.ts"));
export const setting = once(() => import("./set-messages.ts"));
export const transfer = once(() => import("./transfer.ts"));
export const turns = once(() => import("./turn.ts"));
export const watching = once(() => import("./watch.ts"));

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () => {
    loaded ??= load();
    return loaded;
  };
}

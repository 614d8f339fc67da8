/**
 * @module
 * Checkpoints: named places in a history.
 */
import { isKnown } from "../log/entry.ts";
import { visibility } from "../log/transcript.ts";
import type { History } from "./history.ts";
import type { Checkpoint } from "./types.ts";

/** The checkpoints of a history, oldest first; those that were rewound are not among them. */
export async function checkpointsOf(history: History): Promise<Checkpoint[]> {
  const view = visibility();
  const found: Checkpoint[] = [];
  // A clear hides messages; only a rewind takes back checkpoints.
  await history.backward({ types: ["checkpoint.created", "history.rewound"] }, (entry) => {
    view.take(entry);
    if (isKnown(entry) && entry.type === "checkpoint.created") {
      found.push({
        name: entry.data.name,
        seq: entry.seq,
        at: entry.at,
        ...(entry.data.metadata && { metadata: entry.data.metadata }),
      });
    }
    return view.skipTo;
  });
  return found.reverse();
}

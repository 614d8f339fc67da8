/**
 * @module
 * tau-bench trajectories: a list of `{ task_id, trial, reward, traj, info }`, `traj` being OpenAI chat messages.
 *
 * The messages are kept as given. `info` holds the task's whole database of expected actions and is left out.
 *
 * @see https://github.com/sierra-research/tau-bench
 */
import { fieldsOf, idOf, listOf, pick } from "./fields.ts";
import { messagesOf } from "./messages.ts";
import { contentHash, sourceIdOf } from "./source-id.ts";
import type { DocumentReader } from "./types.ts";

export const tauBench: DocumentReader = {
  format: "tau-bench",
  matches: (document) => Array.isArray(fieldsOf(document).traj),
  *read(document, origin) {
    const fields = fieldsOf(document);
    const { messages, problems } = messagesOf(listOf(fields.traj));
    for (const problem of problems) yield { problem };
    const run = `${idOf(fields.task_id) ?? ""}-${idOf(fields.trial) ?? 0}`;
    yield {
      session: {
        // Runs of several models are kept under the same name in different folders, so that name and task are not enough.
        sourceId: sourceIdOf("tau-bench", origin.stem, run, contentHash(fields.traj)),
        source: "tau-bench",
        metadata: pick(fields, ["task_id", "trial", "reward"]),
        status: "completed",
        messages,
      },
    };
  },
};

/**
 * @module
 * SWE-agent trajectories (`*.traj`): `history` holds the messages, which are kept as given; `trajectory` tells the same
 * steps once more and is left out, and so are the file contents in `info`.
 *
 * @see https://swe-agent.com/latest/usage/trajectories/
 */
import type { Usage } from "../../log/record.ts";
import { countOf, type Fields, fieldsOf, idOf, listOf, pick } from "./fields.ts";
import { messagesOf } from "./messages.ts";
import { contentHash, sourceIdOf } from "./source-id.ts";
import type { DocumentReader } from "./types.ts";

export const sweAgent: DocumentReader = {
  format: "swe-agent",
  matches(document) {
    const fields = fieldsOf(document);
    return Array.isArray(fields.history) && Array.isArray(fields.trajectory);
  },
  *read(document, origin) {
    const fields = fieldsOf(document);
    const info = fieldsOf(fields.info);
    const history = listOf(fields.history);
    const { messages, problems } = messagesOf(history);
    for (const problem of problems) yield { problem };
    const agent = idOf(fieldsOf(history[0]).agent);
    const usage = usageOf(fieldsOf(info.model_stats));
    yield {
      session: {
        sourceId: sourceIdOf("swe-agent", origin.stem, contentHash(history)),
        source: "swe-agent",
        ...(agent !== undefined && { agent }),
        metadata: {
          ...pick(fields, ["environment"]),
          ...pick(info, [
            "exit_status",
            "model_stats",
            "swe_agent_version",
            "swe_agent_hash",
            "swe_rex_version",
          ]),
        },
        ...(typeof info.exit_status === "string" && { status: "completed" }),
        ...(usage && { usage }),
        messages,
      },
    };
  },
};

function usageOf(stats: Fields): Partial<Usage> | undefined {
  const input = countOf(stats.tokens_sent) ?? 0;
  const output = countOf(stats.tokens_received) ?? 0;
  const cost = countOf(stats.instance_cost) ?? 0;
  if (input + output + cost === 0) return undefined;
  return {
    inputTokens: input,
    outputTokens: output,
    totalTokens: input + output,
    ...(cost > 0 && { costUsd: cost }),
  };
}

/**
 * @module
 * Compaction: which messages a summary should stand for, and whether it still may once it is made.
 */
import type { Command } from "../log/decide.ts";
import type { StoredObject } from "../log/entry.ts";
import { isKnown } from "../log/entry.ts";
import { HoldfastError } from "../log/errors.ts";
import { toolResultIdsOf } from "../log/tool-calls.ts";
import type { StoredMessage } from "../log/transcript.ts";
import type { History } from "./history.ts";
import { compactionOf, leadingInstructions } from "./messages.ts";

export interface CompactionPlan {
  /** What to summarize: the summary before, and the messages since. Empty: there is nothing to do. */
  readonly messages: StoredObject[];
  readonly upTo: number;
}

/** Which messages a summary should stand for; a call and its results stay on one side. */
export async function planCompaction(history: History, keepLast: number): Promise<CompactionPlan> {
  const before = await compactionOf(history);
  const instructions = new Set((await leadingInstructions(history)).map(({ seq }) => seq));
  const since: StoredMessage[] = [];
  for await (const message of history.messages({ after: before?.upTo ?? 0 })) {
    if (!instructions.has(message.seq)) since.push(message);
  }
  let cut = Math.max(0, since.length - keepLast);
  while (cut > 0 && cut < since.length && toolResultIdsOf(since[cut]?.message ?? {}).length > 0) cut -= 1;
  const last = since[cut - 1];
  if (last === undefined) return { messages: [], upTo: 0 };
  return {
    messages: [...(before?.messages ?? []), ...since.slice(0, cut).map(({ message }) => message)],
    upTo: last.seq,
  };
}

/** The command that puts a summary in force, unless what it sums up was rewound or cleared meanwhile. */
export async function compactCommand(
  history: History,
  madeAt: number,
  upTo: number,
  messages: readonly StoredObject[],
): Promise<Command> {
  let undone = false;
  await history.backward({ after: madeAt, types: ["history.rewound", "messages.cleared"] }, (entry) => {
    undone ||= isKnown(entry) && (entry.type !== "history.rewound" || entry.data.to < upTo);
    return undone ? "stop" : undefined;
  });
  if (!undone) return { type: "compact", upTo, messages };
  const { id } = history.record;
  throw new HoldfastError(
    "VERSION_CONFLICT",
    `session ${JSON.stringify(id)} was rewound or cleared while it was summarized; compact it again`,
    { sessionId: id },
  );
}

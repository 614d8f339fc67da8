/**
 * @module
 * Making a conversation read as its caller has it.
 */
import type { Command, NewMessage } from "../log/decide.ts";
import { reconcile } from "../log/reconcile.ts";
import type { StoredMessage } from "../log/transcript.ts";
import type { History } from "./history.ts";

/** The changes that make the history read `wanted`. */
export async function setMessagesCommand(
  history: History,
  wanted: readonly NewMessage[],
  label: string | undefined,
): Promise<Command> {
  const current: StoredMessage[] = [];
  for await (const message of history.messages()) current.push(message);
  const changes = reconcile(current, wanted);
  const taken = new Set(current.map(({ id }) => id));
  const added = changes.added.map(({ id, message }) =>
    id === undefined || taken.has(id) ? { message } : { id, message },
  );
  return { type: "set-messages", ...changes, added, ...(label !== undefined && { labelIfNone: label }) };
}

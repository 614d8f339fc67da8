/**
 * @module
 * What of a conversation a turn is about that is gone on with.
 */
import { estimateTokens } from "../log/window.ts";
import type { ContextOptions, Message, Session } from "../session/types.ts";

/**
 * As much of the history as when the turn began, and all that came since: the window is not to hide the turn's own
 * calls, which wait for their results.
 */
export async function turnContext<D extends object>(
  session: Session<Message, D>,
  window: ContextOptions,
): Promise<Message[]> {
  const { lastMessages, maxTokens, countTokens = (message) => estimateTokens({ ...message }) } = window;
  const { turn } = session.record;
  const own = turn && (lastMessages || maxTokens) ? await session.messages({ after: turn.seq }) : [];
  const begun = own.findIndex(({ role }) => role !== "user");
  const since = begun < 0 ? [] : own.slice(begun);
  const tokens = (): number => since.reduce((sum, message) => sum + countTokens(message), 0);
  return session.context({
    ...window,
    ...(lastMessages && { lastMessages: lastMessages + since.length }),
    ...(maxTokens && { maxTokens: maxTokens + tokens() }),
    repair: false,
  });
}

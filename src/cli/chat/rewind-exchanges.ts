/**
 * @module
 * Taking back the newest exchanges of a conversation.
 */
import type { Session } from "../../index.ts";
import type { StoredObject } from "../../log/entry.ts";
import type { StoredMessage } from "../../log/transcript.ts";
import { newestMessages } from "../newest-messages.ts";

export interface Rewound {
  /** How many were taken back: fewer than were asked for where there were not so many. */
  readonly exchanges: number;
  /** What the user said at the beginning of the first of them. */
  readonly prompt: StoredObject;
}

const FIRST_READ = 20;
const FURTHER = 8;

/**
 * Goes back to before what the user said `exchanges` times ago; the log keeps what is taken back. A turn that was left
 * open is closed.
 *
 * @returns `undefined` where the user has said nothing.
 * @throws TURN_IN_PROGRESS while somebody is in a turn.
 */
export async function rewindExchanges(
  session: Session<StoredObject>,
  exchanges: number,
): Promise<Rewound | undefined> {
  const prompts = await newestPrompts(session, exchanges);
  const [first] = prompts;
  if (!first) return undefined;
  await session.abandonTurn();
  await session.rewind(first.seq - 1);
  return { exchanges: prompts.length, prompt: first.message };
}

/** The newest `wanted` messages of the user, oldest first. */
async function newestPrompts(session: Session<StoredObject>, wanted: number): Promise<StoredMessage[]> {
  for (let span = FIRST_READ; ; span *= FURTHER) {
    const messages = await newestMessages(session, span);
    const prompts = messages.filter(({ message }) => message.role === "user").slice(-wanted);
    if (prompts.length === wanted || messages.length < span) return prompts;
  }
}

/**
 * @module
 * Follows one session's log: reads what is past its position, yields it, and waits until the stream has grown.
 */
import type { Entry } from "../../log/entry.ts";
import { aborted, persist } from "../wait.ts";
import { replyValue } from "./client.ts";
import type { Engine, Space } from "./engine.ts";
import { runScripts, scriptOf } from "./engine.ts";
import { decodePage } from "./entries.ts";
import { toHoldfastError } from "./errors.ts";
import { toList, toText } from "./replies.ts";
import { FOLLOW_SCRIPT } from "./scripts.ts";

const SCRIPT = scriptOf(FOLLOW_SCRIPT);
const PAGE = 200;

/** A stretch of the log, of the session that was created then. */
interface Stretch {
  readonly createdAt: string;
  readonly entries: readonly Entry[];
}

/**
 * Entries past `after`, each once and in order, until `signal` aborts or the session is gone. A connection that is lost
 * is made anew for a while.
 *
 * @throws STORE_UNAVAILABLE where Redis stays out of reach. STORE_CORRUPT where an entry is missing or can't be read.
 */
export async function* watchSession(
  engine: Engine,
  space: Space,
  id: string,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<Entry> {
  if (signal.aborted) return;
  const reader = engine.readers.join(space.keys.session(id).entries);
  const over = aborted(signal);
  let position = Math.max(0, Math.floor(after));
  let createdAt = "";
  let next: number | undefined;
  let isAtEnd = false;
  const look = async (): Promise<Stretch | undefined> => {
    try {
      const waiting = isAtEnd ? reader.grown(position) : undefined;
      // Where waiting fails, the next try reads at once: it goes on even where no further connection can be had.
      isAtEnd = false;
      await waiting;
      return await readOn(engine, space, id, { createdAt, position, next });
    } catch (error) {
      throw toHoldfastError(error, id);
    }
  };
  try {
    for (;;) {
      const stretch = await Promise.race([persist(look, signal), over]);
      if (signal.aborted || !stretch) return;
      createdAt = stretch.createdAt;
      for (const entry of stretch.entries) {
        position = entry.seq;
        next = position + 1;
        yield entry;
        if (signal.aborted) return;
      }
      isAtEnd = stretch.entries.length < PAGE;
    }
  } finally {
    reader.leave();
  }
}

/** `undefined` where the session is not there any more. */
async function readOn(
  { connection }: Engine,
  { keys }: Space,
  id: string,
  { createdAt, position, next }: { createdAt: string; position: number; next: number | undefined },
): Promise<Stretch | undefined> {
  const { record, entries } = keys.session(id);
  const args = [createdAt, `${position + 1}-0`, String(PAGE)];
  const [reply] = await runScripts(connection, [{ script: SCRIPT, keys: [record, entries], args }]);
  const [created, ...page] = toList(replyValue(reply, id));
  if (created === undefined) return undefined;
  return { createdAt: toText(created), entries: decodePage(page, id, next) };
}

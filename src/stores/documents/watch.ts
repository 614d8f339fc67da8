/**
 * @module
 * Watching a log: reads on from the last entry whenever something may have been committed. What says so is a hint alone;
 * nothing is lost where one is missed, it only comes later.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Entry } from "../../log/entry.ts";
import { readLife } from "./read.ts";
import type { Space } from "./space.ts";
import { sessionKey } from "./space.ts";

/** Tells when a life may have got another commit. */
export interface Changes {
  /** Resolves with the next change since the one before. Rejects where the engine tells of none. */
  next(): Promise<unknown>;
  close(): Promise<void>;
}

/** How often the log is looked at where the engine tells of changes, in case it missed one, and where it does not. */
const TOLD_MS = 1000;
const POLL_MS = 250;
const READ_AT_ONCE = 256;

/** The entries past `after`, then each as it is committed; ends once the session is removed or `isOver` says so. */
export async function* watchEntries(
  space: Space,
  id: string,
  after: number,
  signal: AbortSignal,
  changesOf: (life: string) => Changes,
): AsyncGenerator<Entry> {
  const find = async () => (await space.driver.getSessions([sessionKey(space.path, id)], false))[0];
  let session = await find();
  if (!session || signal.aborted) return;
  const { life } = session;
  const changes = changesOf(life);
  const wait = waiter(changes, signal);
  let position = after;
  try {
    while (session?.life === life && !signal.aborted) {
      position = Math.max(position, session.from - 1);
      const entries = await readLife(space, session, { after: position, limit: READ_AT_ONCE });
      for (const entry of entries) {
        // A hole is of a removal that is under way.
        if (signal.aborted || entry.seq !== position + 1) break;
        position = entry.seq;
        yield entry;
      }
      if (entries.length < READ_AT_ONCE) await wait();
      session = await find();
    }
  } finally {
    await changes.close();
  }
}

/** Makes what waits for a change, for a while, or for the end of the watch. */
function waiter(changes: Changes, signal: AbortSignal): () => Promise<void> {
  let isTold = true;
  let next: Promise<void> | undefined;
  const listen = (): Promise<void> =>
    changes.next().then(
      () => {
        next = undefined;
      },
      () => {
        // An engine that tells of no changes, or has ceased to, is asked for them instead.
        isTold = false;
        next = undefined;
      },
    );
  return async () => {
    if (signal.aborted) return;
    const timer = new AbortController();
    const end = (): void => timer.abort();
    signal.addEventListener("abort", end, { once: true });
    const ms = isTold ? TOLD_MS : POLL_MS;
    const over = sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined);
    if (isTold) next ??= listen();
    await (next ? Promise.race([next, over]) : over);
    end();
    signal.removeEventListener("abort", end);
  };
}

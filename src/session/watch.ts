/**
 * @module
 * Following a session: entries as they are committed, in this process at once, from others by polling or by push.
 */
import type { Entry } from "../log/entry.ts";
import { HoldfastError } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { historyOf } from "./history.ts";
import type { Runtime } from "./runtime.ts";

/** How soon an entry of another process is seen where the store can't push. */
const POLL_MS = 200;

/**
 * Entries past `after`, in order, none twice, until `signal` aborts.
 *
 * @throws SESSION_DELETED once the session is.
 */
export async function* watchEntries(
  runtime: Runtime,
  { id: sessionId, createdAt }: Pick<SessionRecord, "id" | "createdAt">,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<Entry> {
  let position = after;
  const woken = wakeUps(runtime, sessionId, signal);
  try {
    while (!signal.aborted) {
      const record = await head(runtime, sessionId, createdAt);
      if (record.seq > position) {
        for await (const entry of historyOf(runtime.store, { record, pending: [] }).forward({
          after: position,
        })) {
          if (signal.aborted) return;
          position = entry.seq;
          yield entry;
        }
      } else if (runtime.store.watch) {
        for await (const entry of runtime.store.watch(sessionId, position, signal)) {
          if (entry.type === "session.deleted") break;
          position = entry.seq;
          yield entry;
        }
        // It ended, perhaps because the session was removed. The pause is for a store whose watches end at once.
        await woken.next(POLL_MS);
      } else {
        await woken.next(POLL_MS);
      }
    }
  } finally {
    woken.stop();
  }
}

async function head(runtime: Runtime, sessionId: string, createdAt: number): Promise<SessionRecord> {
  const [record] = await runtime.store.find([sessionId]);
  if (record && record.status !== "deleted" && record.createdAt === createdAt) return record;
  throw new HoldfastError(
    "SESSION_DELETED",
    `session ${JSON.stringify(sessionId)} was deleted while it was watched`,
    {
      sessionId,
      store: runtime.store.name,
    },
  );
}

/** Resolves when this process commits to the session, when the time is up, or on abort. */
function wakeUps(
  runtime: Runtime,
  sessionId: string,
  signal: AbortSignal,
): { next(ms: number): Promise<void>; stop(): void } {
  let wake: (() => void) | undefined;
  /** A commit that came while nobody waited. */
  let missed = false;
  const ring = (): void => {
    missed = true;
    wake?.();
  };
  const off = runtime.events.on("saved", (event) => {
    if (event.sessionId === sessionId) ring();
  });
  signal.addEventListener("abort", ring);
  return {
    async next(ms) {
      if (!missed) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      wake = undefined;
      missed = false;
    },
    stop() {
      off();
      signal.removeEventListener("abort", ring);
    },
  };
}

/**
 * @module
 * Projections that follow a moment after their commits, where lists may be late: those of many commits go together, and
 * of several commits of one session the last is enough.
 *
 * Nothing is lost with them. Who finds a session looks past its projection, and who commits brings it up to date first.
 */
import type { DocumentDriver, EntryPlace, Projection } from "./driver.ts";
import type { Bases } from "./space.ts";

export interface Late {
  /** Has the projection written soon. */
  add(projection: Projection): void;
  /** Where an id is, of commits whose projection is still to be written. */
  findId(key: string, life: string, id: string): EntryPlace | undefined;
  /** Looks, in the background and every now and then only, whether crashes of others left projections behind. */
  check(look: () => Promise<unknown>): void;
  /** Forgets what is to be written of a life that was ended. */
  drop(key: string, life: string): void;
  /** Writes all that is to be written. Rejects where that failed; it is tried again later. */
  flush(): Promise<void>;
  /** Writes all that is to be written, and nothing after that. Where it fails, whoever looks next writes it. */
  close(): Promise<void>;
}

const WAIT_MS = 250;
/** Until the next attempt where the engine was out of reach, and how many there are. */
const RETRY_MS = 1000;
const MAX_RETRIES = 30;
/** Between looks at what others may have left. */
const CHECK_MS = 2000;
/** Sessions whose projections wait; more are written at once. */
const MAX_WAITING = 1000;

/** `projection` after `before`, where that is of the same life. */
export function followedBy(before: Projection | undefined, projection: Projection): Projection {
  if (before?.life !== projection.life) return projection;
  const [older, newer] = before.ordinal < projection.ordinal ? [before, projection] : [projection, before];
  const commits = new Map([...older.commits, ...newer.commits].map((commit) => [commit.ordinal, commit]));
  return { ...newer, commits: [...commits.values()] };
}

export function createLate(driver: Pick<DocumentDriver, "advance">, bases: Bases): Late {
  let waiting = new Map<string, Projection>();
  let sent: ReadonlyMap<string, Projection> = new Map();
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;
  let failures = 0;
  let isClosed = false;
  let checkedAtMs = Number.NEGATIVE_INFINITY;

  const schedule = (ms: number): void => {
    if (isClosed) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      // Failing is told by trying again, and by whoever commits next.
      flush().catch(() => undefined);
    }, ms);
    // A process may end while the engine is away.
    if (failures > 0) timer.unref();
  };

  const send = async (): Promise<void> => {
    const projections = waiting;
    sent = projections;
    waiting = new Map();
    try {
      await driver.advance([...projections.values()]);
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures > MAX_RETRIES) for (const key of projections.keys()) bases.delete(key);
      else for (const [key, one] of projections) waiting.set(key, followedBy(waiting.get(key), one));
      throw error;
    } finally {
      sent = new Map();
      sending = undefined;
      if (waiting.size > 0) schedule(failures > 0 ? RETRY_MS : WAIT_MS);
    }
  };

  const flush = async (): Promise<void> => {
    if (sending) await Promise.allSettled([sending]);
    if (waiting.size === 0) return;
    sending ??= send();
    await sending;
  };

  return {
    add(projection) {
      const { key } = projection;
      waiting.set(key, followedBy(waiting.get(key), projection));
      if (waiting.size > MAX_WAITING && !sending && failures === 0) flush().catch(() => undefined);
      else if (!sending) schedule(failures > 0 ? RETRY_MS : WAIT_MS);
    },
    findId(key, life, id) {
      for (const projection of [waiting.get(key), sent.get(key)]) {
        if (projection?.life !== life) continue;
        for (const { ids } of projection.commits) {
          const place = ids.find((one) => one.id === id);
          if (place) return place;
        }
      }
      return undefined;
    },
    check(look) {
      if (performance.now() - checkedAtMs < CHECK_MS) return;
      checkedAtMs = performance.now();
      // Where the engine fails, the next look is soon.
      look().catch(() => undefined);
    },
    drop(key, life) {
      if (waiting.get(key)?.life === life) waiting.delete(key);
    },
    flush,
    async close() {
      await Promise.allSettled([flush()]);
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

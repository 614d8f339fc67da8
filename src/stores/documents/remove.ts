/**
 * @module
 * Removes sessions, and what crashes have left of them.
 *
 * A life ends when its session document is deleted. Its commits go after that. A marker, set before, says that the life
 * may have to be cleaned up after: when the remover crashes between, and when a commit that was on its way arrives later
 * and its writer crashes before taking it away again. The marker holds two hashes and a time, nothing of the session.
 */
import { isExpired } from "../../log/record.ts";
import type { SessionDocument } from "./driver.ts";
import { headsOf } from "./heads.ts";
import type { Space } from "./space.ts";
import { sessionKey } from "./space.ts";

/** No attempt to commit lasts as long: what is then left of a life, or of a creation, is of a crash. */
const ATTEMPT_MS = 3_600_000;
/** Markers that one removal looks at. */
const MARKERS_AT_ONCE = 10;
const SWEEP_AT_ONCE = 100;

/** Whether there was anything. */
export async function removeSession(space: Space, id: string): Promise<boolean> {
  const key = sessionKey(space.path, id);
  for (;;) {
    const [session] = await space.driver.getSessions([key], false);
    if (!session) return false;
    const isThere = session.ordinal > 0 || (await isBegun(space, session));
    // What is only reserved is deleted where it is still just that.
    if (await endLife(space, session, isThere ? undefined : 0)) {
      await cleanUp(space, MARKERS_AT_ONCE);
      return isThere;
    }
    if (isThere) return false;
  }
}

/** Whether a life at ordinal 0 has a commit that its session document does not know of yet. */
async function isBegun({ driver }: Space, { life }: SessionDocument): Promise<boolean> {
  const [commit] = await driver.getCommits([{ life, ordinal: 1 }]);
  return commit !== undefined;
}

/** Ends a life, where the session is at `ordinal` if that is given; whether this call did. */
async function endLife(
  { driver, bases }: Space,
  { key, life }: Pick<SessionDocument, "key" | "life">,
  ordinal?: number,
): Promise<boolean> {
  await driver.putMarker({ life, key, atMs: Date.now() });
  bases.delete(key);
  if (!(await driver.deleteSession(key, life, ordinal))) return false;
  await driver.deleteLife(life);
  return true;
}

/** Ends lives that were marked long ago for good: what is left of them goes, and then the marker. */
async function cleanUp({ driver }: Space, limit: number): Promise<void> {
  const markers = await driver.getMarkers(Date.now() - ATTEMPT_MS, limit);
  if (markers.length === 0) return;
  const sessions = await driver.getSessions(
    markers.map(({ key }) => key),
    false,
  );
  for (const [index, marker] of markers.entries()) {
    // Whoever set the marker may have crashed before the life was ended; then it goes on.
    if (sessions[index]?.life !== marker.life) await driver.deleteLife(marker.life);
    await driver.dropMarker(marker);
  }
}

/**
 * Removes up to `limit` sessions whose time is over; answers with their ids. Also takes away what crashes have left, and
 * brings up to date what they left behind.
 */
export async function sweepSpace(space: Space, nowMs: number, limit: number): Promise<string[]> {
  await cleanUp(space, SWEEP_AT_ONCE);
  await settleReserved(space);
  const swept: string[] = [];
  const done = new Set<string>();
  /** How many of those listed were looked at before: they stay, or the index is late. */
  let stale = 0;
  while (swept.length < limit) {
    const rows = await space.driver.listExpired(space.path, nowMs, SWEEP_AT_ONCE + stale);
    const fresh = rows.filter(({ life }) => !done.has(life));
    stale = rows.length - fresh.length;
    if (fresh.length === 0) break;
    for (const head of await headsOf(space, fresh, "must")) {
      if (swept.length >= limit) break;
      done.add(head.life);
      if (!head.record || !isExpired(head.record, nowMs)) continue;
      // Where it was written to since, its time may have moved.
      if (await endLife(space, head, head.ordinal)) swept.push(head.id);
    }
  }
  return swept;
}

/** Creations that crashed: those that were committed get their place in the lists, the others are taken away. */
async function settleReserved(space: Space): Promise<void> {
  const rows = await space.driver.listReserved(space.path, Date.now() - ATTEMPT_MS, SWEEP_AT_ONCE);
  for (const head of await headsOf(space, rows, "must")) if (!head.record) await endLife(space, head, 0);
}

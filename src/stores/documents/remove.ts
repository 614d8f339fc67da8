/**
 * @module
 * Removes sessions, and what crashes have left of them.
 *
 * See `end.ts` for how a life ends. A marker, set before, says that the life is to be cleaned up after: its ends go once
 * nobody can still be writing to it, and with them what a crash of the remover has left. Markers and ends hold two hashes,
 * a number and a time, nothing of the session.
 */
import { isExpired } from "../../log/record.ts";
import type { SessionDocument } from "./driver.ts";
import { ATTEMPT_MS } from "./driver.ts";
import { endAt, endLog, endSession } from "./end.ts";
import { headsOf } from "./heads.ts";
import type { Space } from "./space.ts";
import { sessionKey } from "./space.ts";

/** Markers that one removal looks at. */
const MARKERS_AT_ONCE = 10;
const SWEEP_AT_ONCE = 100;

/** Whether there was anything. */
export async function removeSession(space: Space, id: string): Promise<boolean> {
  const key = sessionKey(space.path, id);
  const [session] = await space.driver.getSessions([key], false);
  if (!session) return false;
  await mark(space, session);
  const { ordinal, isOwn } = await endLog(space, session);
  await takeAway(space, session, ordinal);
  await cleanUp(space, MARKERS_AT_ONCE);
  // What was only reserved is no session; what another one ended was there for that one.
  return isOwn && ordinal > 1;
}

type Ended = Pick<SessionDocument, "key" | "life">;

async function mark({ driver }: Space, { key, life }: Ended): Promise<void> {
  await driver.putMarker({ life, key, atMs: Date.now() });
}

async function takeAway(space: Space, session: Ended, end: number): Promise<void> {
  await endSession(space, session);
  await space.driver.deleteLife(session.life, end);
}

/** Ends a life where nothing was committed to it past `ordinal`; whether that is so. */
async function removeAt(space: Space, session: Ended, ordinal: number): Promise<boolean> {
  await mark(space, session);
  const end = await endAt(space, session, ordinal + 1);
  if (end) await takeAway(space, session, end.ordinal);
  return end?.isOwn === true;
}

/** Ends lives that were marked long ago for good: what is left of them goes, and then the marker. */
async function cleanUp(space: Space, limit: number): Promise<void> {
  const { driver } = space;
  const markers = await driver.getMarkers(Date.now() - ATTEMPT_MS, limit);
  if (markers.length === 0) return;
  const sessions = await driver.getSessions(
    markers.map(({ key }) => key),
    true,
  );
  for (const [index, marker] of markers.entries()) {
    const session = sessions[index];
    // Whoever set the marker may have crashed before the log was ended; then the life goes on.
    const isOver = session?.life !== marker.life || (await isEnded(space, session));
    if (isOver) {
      if (session?.life === marker.life) await endSession(space, session);
      await driver.deleteLife(marker.life);
    }
    await driver.dropMarker(marker);
  }
}

async function isEnded(space: Space, session: SessionDocument): Promise<boolean> {
  const [head] = await headsOf(space, [session], "may");
  return head?.isEnded === true;
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
      if (await removeAt(space, head, head.ordinal)) swept.push(head.id);
    }
  }
  return swept;
}

/** Creations that crashed: those that were committed get their place in the lists, the others are taken away. */
async function settleReserved(space: Space): Promise<void> {
  const rows = await space.driver.listReserved(space.path, Date.now() - ATTEMPT_MS, SWEEP_AT_ONCE);
  for (const head of await headsOf(space, rows, "must")) if (!head.record) await removeAt(space, head, 0);
}

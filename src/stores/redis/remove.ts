/**
 * @module
 * Removes sessions with all their rows, and sweeps up what has expired.
 */
import { isExpired } from "../../log/record.ts";
import { replyValue } from "./client.ts";
import type { Engine, Space } from "./engine.ts";
import { allRows, ask, command, dropRows, isDead, runScripts, scriptOf, sessionKeyList } from "./engine.ts";
import { heirsOf } from "./inherited.ts";
import type { Row } from "./keys.ts";
import { decodePlace, parseMember, timeKey } from "./keys.ts";
import { fetchRecords } from "./records.ts";
import { toList, toText } from "./replies.ts";
import { REMOVE_SCRIPT } from "./scripts.ts";

const SCRIPT = scriptOf(REMOVE_SCRIPT);
const SWEEP_AT_ONCE = 100;
const TIDY_MS = 60_000;
/** How far the server's clock may be behind. */
const CLOCKS_MS = 1000;

/** Whether there was anything. Atomic on one server; in a Cluster the rows go after the session. */
export async function removeSession(engine: Engine, space: Space, id: string): Promise<boolean> {
  const key = space.keys.session(id).record;
  const value = toText(await ask(engine.connection, command("GET", key), id));
  // What can't be read is removed all the same.
  let place = value.slice(0, Math.max(0, value.indexOf("\n")));
  for (;;) {
    const work = () => removeAt(engine, space, id, place, "");
    const written = [{ sessionId: id, keys: [key] }] as const;
    const { status, present } = await (engine.replicas ? engine.replicas.confirm(written, work) : work());
    if (status !== "moved") return status === "removed";
    place = present;
  }
}

/** Removes the session where it is still at `place`, and so many have begun to inherit from it ("": any number). */
async function removeAt(
  engine: Engine,
  space: Space,
  id: string,
  place: string,
  heirs: string,
): Promise<{ readonly status: string; readonly present: string }> {
  const session = space.keys.session(id);
  const rows = allRows(space, id, decodePlace(place));
  const { isCluster } = engine.connection;
  const inScript = isCluster ? [] : rows;
  const [reply] = await runScripts(engine.connection, [
    {
      script: SCRIPT,
      keys: [...sessionKeyList(session), ...inScript.map(({ key }) => key)],
      args: [place, heirs, ...inScript.map(({ member }) => member)],
    },
  ]);
  engine.places.delete(session.record);
  const [status = "", present = ""] = toList(replyValue(reply, id)).map(toText);
  if (isCluster && status !== "moved") await dropRows(engine, rows);
  return { status, present };
}

/**
 * Removes up to `limit` sessions whose time is over and that no other inherits from, and the rows of those that Redis has
 * dropped by itself. Answers with the ids of the former.
 */
export async function sweepSpace(
  engine: Engine,
  space: Space,
  nowMs: number,
  limit: number,
): Promise<string[]> {
  const swept: string[] = [];
  let lowest: string | undefined = "-";
  while (lowest !== undefined && swept.length < limit)
    lowest = await sweepStep(engine, space, { nowMs, limit, lowest, swept });
  return swept;
}

/** One step of a sweep from `lowest` on; answers with where the next one begins. */
async function sweepStep(
  engine: Engine,
  space: Space,
  { nowMs, limit, lowest, swept }: { nowMs: number; limit: number; lowest: string; swept: string[] },
): Promise<string | undefined> {
  const key = space.keys.expiries;
  const range = [lowest, `(${timeKey(nowMs, 1)}`, "LIMIT", "0", String(SWEEP_AT_ONCE)];
  const members = toList(await ask(engine.connection, command("ZRANGEBYLEX", key, ...range))).map(toText);
  const rows = members.map(parseMember);
  const fetched = await fetchRecords(
    engine,
    space,
    rows.map(({ id }) => id),
  );
  const dead: Row[] = [];
  for (const [index, { id, tail }] of rows.entries()) {
    const current = fetched[index];
    if (current?.place === tail) {
      if (swept.length >= limit || !isExpired(current.record, nowMs)) continue;
      const heirs = await heirsOf(engine, space, id, nowMs);
      if (heirs === undefined) continue;
      const { status } = await removeAt(engine, space, id, tail, heirs);
      if (status === "removed") swept.push(id);
    } else if (!current) {
      const place = decodePlace(tail);
      if (place && isDead(engine, place.token))
        dead.push({ key, member: members[index] ?? "" }, ...allRows(space, id, place));
    } else if (isDead(engine, tail)) dead.push({ key, member: members[index] ?? "" });
  }
  await dropRows(engine, dead);
  return members.length < SWEEP_AT_ONCE ? undefined : `(${members.at(-1) ?? ""}`;
}

/**
 * Takes out the rows of sessions that Redis has dropped by itself, some at a time and now and then, so that they don't
 * pile up where nobody sweeps. A failure is no harm: the next time does it.
 */
export async function tidyUp(engine: Engine, space: Space): Promise<void> {
  const now = Date.now();
  const { dueAt, lowest } = engine.tidying.get(space.path) ?? { dueAt: 0, lowest: "-" };
  if (now < dueAt) return;
  // At once, so that only one call at a time does it.
  engine.tidying.set(space.path, { dueAt: now + TIDY_MS, lowest: "-" });
  const step = { nowMs: now - CLOCKS_MS, limit: 0, lowest, swept: [] };
  const next = await sweepStep(engine, space, step).catch(() => undefined);
  if (next !== undefined) engine.tidying.set(space.path, { dueAt: 0, lowest: next });
}

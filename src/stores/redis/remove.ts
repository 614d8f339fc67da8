/**
 * @module
 * Removes sessions with all their rows, and sweeps up what has expired.
 */
import { isExpired } from "../../log/record.ts";
import { replyValue } from "./client.ts";
import type { Engine, Space } from "./engine.ts";
import { allRows, ask, command, dropRows, isDead, runScripts, scriptOf, sessionKeyList } from "./engine.ts";
import type { Row } from "./keys.ts";
import { decodePlace, parseMember, timeKey } from "./keys.ts";
import { fetchRecords } from "./records.ts";
import { toList, toText } from "./replies.ts";
import { REMOVE_SCRIPT } from "./scripts.ts";

const SCRIPT = scriptOf(REMOVE_SCRIPT);
const SWEEP_AT_ONCE = 100;

/** Whether there was anything. Atomic on one server; in a Cluster the rows go after the session. */
export async function removeSession(engine: Engine, space: Space, id: string): Promise<boolean> {
  const key = space.keys.session(id).record;
  let place = toText(await ask(engine.connection, command("HGET", key, "p"), id));
  for (;;) {
    const { status, present } = await removeAt(engine, space, id, place);
    if (status !== "moved") return status === "removed";
    place = present;
  }
}

/** Removes the session where it is still at `place`. */
async function removeAt(
  engine: Engine,
  space: Space,
  id: string,
  place: string,
): Promise<{ readonly status: string; readonly present: string }> {
  const session = space.keys.session(id);
  const rows = allRows(space, id, decodePlace(place));
  const { isCluster } = engine.connection;
  const inScript = isCluster ? [] : rows;
  const [reply] = await runScripts(engine.connection, [
    {
      script: SCRIPT,
      keys: [...sessionKeyList(session), ...inScript.map(({ key }) => key)],
      args: [place, ...inScript.map(({ member }) => member)],
    },
  ]);
  engine.places.delete(session.record);
  const [status = "", present = ""] = toList(replyValue(reply, id)).map(toText);
  if (isCluster && status !== "moved") await dropRows(engine, rows);
  return { status, present };
}

/**
 * Removes up to `limit` sessions whose time is over, and the rows of those that Redis has dropped by itself. Answers
 * with the ids of the former.
 */
export async function sweepSpace(
  engine: Engine,
  space: Space,
  nowMs: number,
  limit: number,
): Promise<string[]> {
  const swept: string[] = [];
  const key = space.keys.expiries;
  let lowest = "-";
  while (swept.length < limit) {
    const range = [lowest, `(${timeKey(nowMs, 1n)}`, "LIMIT", "0", String(SWEEP_AT_ONCE)];
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
        const { status } = await removeAt(engine, space, id, tail);
        if (status === "removed") swept.push(id);
      } else if (!current) {
        const place = decodePlace(tail);
        if (place && isDead(engine, place.token))
          dead.push({ key, member: members[index] ?? "" }, ...allRows(space, id, place));
      } else if (isDead(engine, tail)) dead.push({ key, member: members[index] ?? "" });
    }
    await dropRows(engine, dead);
    if (members.length < SWEEP_AT_ONCE) break;
    lowest = `(${members.at(-1) ?? ""}`;
  }
  return swept;
}

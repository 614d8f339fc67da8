/**
 * @module
 * The rows that sessions had before their last commits, where such a commit could not take them out itself: it did not
 * know of them, as another process had made the one before.
 *
 * On one server their places are noted in the same step, and the note goes once they are out. So while there is no note,
 * a list need not ask of each row whether it is still right.
 */
import type { Engine, Space } from "./engine.ts";
import { ask, command } from "./engine.ts";
import { decodePlace, memberOf, parseMember } from "./keys.ts";
import { fetchRecords } from "./records.ts";
import { toList, toText } from "./replies.ts";

/** A place where a session is no more. */
export interface Former {
  readonly id: string;
  readonly placeText: string;
}

const SETTLE_AT_ONCE = 100;

/** How a place is noted: id, then place. */
export function formerMember(id: string, placeText: string): string {
  return memberOf(0, id, placeText);
}

/**
 * Takes the rows out, and then the notes. A failure is no harm and is not reported: a list that meets a note does it.
 */
export async function dropFormer(
  { connection }: Engine,
  { keys }: Space,
  former: readonly Former[],
): Promise<void> {
  if (former.length === 0) return;
  const rows = former.flatMap(({ id, placeText }) => {
    const place = decodePlace(placeText);
    return place ? keys.rowsOfCommit(id, place) : [];
  });
  const notes = former.map(({ id, placeText }) => formerMember(id, placeText));
  await connection.send([
    ...rows.map(({ key, member }) => command("ZREM", key, member)),
    ...(connection.isCluster ? [] : [command("SREM", keys.former, ...notes)]),
  ]);
}

/** Finishes what others have left, or are just about to finish themselves. */
export async function settleFormer(engine: Engine, space: Space): Promise<void> {
  const noted = command("SRANDMEMBER", space.keys.former, String(SETTLE_AT_ONCE));
  const former = toList(await ask(engine.connection, noted)).map((member): Former => {
    const { id, tail } = parseMember(toText(member));
    return { id, placeText: tail };
  });
  const ids = former.map(({ id }) => id);
  const current = await fetchRecords(engine, space, ids);
  const isFormer = ({ placeText }: Former, index: number): boolean => current[index]?.place !== placeText;
  await dropFormer(engine, space, former.filter(isFormer));
}

/**
 * @module
 * What a search hit is a hit of, for every SQL dialect.
 */
import type { Entry } from "../../log/entry.ts";
import { isKnown } from "../../log/entry.ts";

/** The position of the message that `entry` revises, `undefined` where it is a message of its own. */
export function revisedSeq(entry: Entry): number | undefined {
  return isKnown(entry) && entry.type === "message.revised" ? entry.data.seq : undefined;
}

/**
 * @module
 * Reads records, many at once.
 */
import type { SessionRecord } from "../../log/record.ts";
import { decodeRecord } from "../../store/codec.ts";
import { replyValue } from "./client.ts";
import type { Engine, Space } from "./engine.ts";
import { command } from "./engine.ts";
import { heldIn } from "./held.ts";
import { NAME, toList, toText } from "./replies.ts";

/** Records that one command reads: Redis does nothing else meanwhile. */
const FETCH_AT_ONCE = 200;

export interface Fetched {
  readonly record: SessionRecord;
  /** Where its rows are, as text. */
  readonly place: string;
}

/** The newest record of each session, `undefined` where there is none. */
export async function fetchRecords(
  { connection }: Engine,
  { keys }: Space,
  ids: readonly string[],
): Promise<(Fetched | undefined)[]> {
  const names = ids.map((id) => keys.session(id).record);
  if (connection.isCluster || names.length === 1) {
    const replies = await connection.send(names.map((name) => command("GET", name)));
    return ids.map((id, index) => fetchedOf(toText(replyValue(replies[index], id)), id));
  }
  const commands = [];
  for (let start = 0; start < names.length; start += FETCH_AT_ONCE)
    commands.push({ name: "MGET", args: names.slice(start, start + FETCH_AT_ONCE) });
  const values = (await connection.send(commands)).flatMap((reply) => toList(replyValue(reply)));
  return ids.map((id, index) => fetchedOf(toText(values[index]), id));
}

/** What the value of a record's key holds; `undefined` where there is none. */
export function fetchedOf(value: string, id: string): Fetched | undefined {
  const held = heldIn(value, id);
  return held && { record: decodeRecord(held.text, id, NAME), place: held.place };
}

/**
 * @module
 * Rows of an index, each with what its session is now.
 */
import { replyValue } from "./client.ts";
import type { Engine, Space } from "./engine.ts";
import { ask, command, runScripts, scriptOf } from "./engine.ts";
import type { Member } from "./keys.ts";
import { parseMember } from "./keys.ts";
import type { Fetched } from "./records.ts";
import { fetchedOf, fetchRecords } from "./records.ts";
import { toList, toText } from "./replies.ts";
import { LIST_SCRIPT } from "./scripts.ts";

const SCRIPT = scriptOf(LIST_SCRIPT);

export interface FetchedRow {
  readonly member: string;
  readonly row: Member;
  /** Of the row's session. */
  readonly current: Fetched | undefined;
}

export interface RowRange {
  readonly key: string;
  readonly highest: string;
  readonly lowest: string;
  readonly count: number;
}

/** Up to `count` rows of an index, in descending order. On one server that is one round trip. */
export async function fetchRows(engine: Engine, space: Space, range: RowRange): Promise<FetchedRow[]> {
  const { connection } = engine;
  const { key, highest, lowest, count } = range;
  if (connection.isCluster) {
    const plain = command("ZREVRANGEBYLEX", key, highest, lowest, "LIMIT", "0", String(count));
    const rows = toList(await ask(connection, plain))
      .map(toText)
      .map(rowOf);
    const ids = [...new Set(rows.map(({ row }) => row.id))];
    const fetched = await fetchRecords(engine, space, ids);
    const records = new Map(ids.map((id, index) => [id, fetched[index]]));
    return rows.map(({ member, row }) => ({ member, row, current: records.get(row.id) }));
  }
  const args = [highest, lowest, String(count), String(Buffer.byteLength(key)), space.keys.sessionHead];
  const [reply] = await runScripts(connection, [{ script: SCRIPT, keys: [key], args }]);
  const [members, values] = toList(replyValue(reply)).map(toList);
  return (members ?? []).map((item, index) => {
    const { member, row } = rowOf(toText(item));
    return { member, row, current: fetchedOf(toText(values?.[index]), row.id) };
  });
}

function rowOf(member: string): { readonly member: string; readonly row: Member } {
  return { member, row: parseMember(member) };
}

/**
 * @module
 * Rows of an index, each with what its session is now.
 */
import { replyValue } from "./client.ts";
import type { Engine, Space } from "./engine.ts";
import { command, runScripts, scriptOf } from "./engine.ts";
import { settleFormer } from "./former.ts";
import type { Member } from "./keys.ts";
import { parseMember } from "./keys.ts";
import type { Fetched } from "./records.ts";
import { fetchRecords } from "./records.ts";
import { toList, toText } from "./replies.ts";
import { LIST_SCRIPT } from "./scripts.ts";

const SCRIPT = scriptOf(LIST_SCRIPT);
/** How far the clocks of server, writers and readers may be apart. */
const CLOCKS_MS = 60_000;

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

/**
 * Up to `count` rows of an index, in descending order. On one server that is one round trip where the records are held
 * already.
 *
 * @param isOfCommits whether the rows are such as each commit has of its own.
 */
export async function fetchRows(
  engine: Engine,
  space: Space,
  range: RowRange,
  isOfCommits: boolean,
): Promise<FetchedRow[]> {
  if (engine.connection.isCluster) {
    const [reply] = await engine.connection.send([plainRange(range)]);
    return complete(engine, space, toList(replyValue(reply)).map(toText).map(unknownRow));
  }
  const settled = isOfCommits ? await settledRows(engine, space, range) : undefined;
  return complete(engine, space, settled ?? (await checkedRows(engine, space, range)));
}

function plainRange({ key, highest, lowest, count }: RowRange) {
  return command("ZREVRANGEBYLEX", key, highest, lowest, "LIMIT", "0", String(count));
}

/** A row, and whether it is known already what its session is. */
interface Row extends FetchedRow {
  readonly isKnown: boolean;
}

function unknownRow(member: string): Row {
  return { member, row: parseMember(member), current: undefined, isKnown: false };
}

/**
 * Rows that are right as they stand, as no former ones are left: what became so after the first of the two commands was
 * committed while the list was under way. `undefined` where some are left.
 */
async function settledRows(engine: Engine, space: Space, range: RowRange): Promise<Row[] | undefined> {
  const [left, rows] = await engine.connection.send([command("SCARD", space.keys.former), plainRange(range)]);
  if (toText(replyValue(left)) !== "0") {
    await settleFormer(engine, space);
    return undefined;
  }
  const sureUntil = Date.now() + CLOCKS_MS;
  return toList(replyValue(rows)).map((item) => {
    const found = unknownRow(toText(item));
    const held = heldAt(engine, space, found.row.id, found.row.tail);
    // One that Redis drops by itself leaves its rows behind.
    const isSure = held !== undefined && (held.expiresAt ?? Number.POSITIVE_INFINITY) > sureUntil;
    return isSure ? { ...found, current: held, isKnown: true } : found;
  });
}

/** Rows together with the tokens of their sessions' places, read in one step. */
async function checkedRows(
  engine: Engine,
  space: Space,
  { key, highest, lowest, count }: RowRange,
): Promise<Row[]> {
  const args = [highest, lowest, String(count), String(Buffer.byteLength(key)), space.keys.sessionHead];
  const [reply] = await runScripts(engine.connection, [{ script: SCRIPT, keys: [key], args }]);
  const flat = toList(replyValue(reply)).map(toText);
  const rows: Row[] = [];
  for (let at = 0; at < flat.length; at += 2) {
    const found = unknownRow(flat[at] ?? "");
    const token = flat[at + 1] ?? "";
    const held = token === "" ? undefined : heldAt(engine, space, found.row.id, token);
    rows.push(held || token === "" ? { ...found, current: held, isKnown: true } : found);
  }
  return rows;
}

/** The record that is held of the commit that `token` is of. */
function heldAt(
  { places }: Engine,
  { keys }: Space,
  id: string,
  token: string,
): (Fetched & { readonly expiresAt: number | undefined }) | undefined {
  const { place, record, expiresAt } = places.get(keys.session(id).record) ?? {};
  if (place === undefined || record === undefined || !place.startsWith(`${token} `)) return undefined;
  return { place, record, expiresAt };
}

/** Reads the records that are not known yet. */
async function complete(engine: Engine, space: Space, rows: readonly Row[]): Promise<FetchedRow[]> {
  const ids = [...new Set(rows.flatMap(({ row, isKnown }) => (isKnown ? [] : [row.id])))];
  if (ids.length === 0) return [...rows];
  const fetched = await fetchRecords(engine, space, ids);
  const records = new Map(ids.map((id, index) => [id, fetched[index]]));
  return rows.map((one) => (one.isKnown ? one : { ...one, current: records.get(one.row.id) }));
}

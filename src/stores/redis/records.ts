/**
 * @module
 * Reads records, many at once.
 */
import type { SessionRecord } from "../../log/record.ts";
import { decodeRecord } from "../../store/codec.ts";
import type { Reply } from "./client.ts";
import { replyValue } from "./client.ts";
import type { Engine, ScriptCall, Space } from "./engine.ts";
import { command, runScripts, scriptOf } from "./engine.ts";
import { decodePlace } from "./keys.ts";
import { NAME, toList, toText } from "./replies.ts";
import { FETCH_SCRIPT } from "./scripts.ts";

const SCRIPT = scriptOf(FETCH_SCRIPT);
/** Records that one script call reads: Redis does nothing else meanwhile. */
const FETCH_AT_ONCE = 200;

/** Records with longer texts are decoded each time. */
const MAX_KEPT_CHARACTERS = 4096;

export interface Fetched {
  readonly record: SessionRecord;
  /** Where its rows are, as text. */
  readonly place: string;
}

/** The newest record of each session, `undefined` where there is none. */
export async function fetchRecords(
  engine: Engine,
  { keys }: Space,
  ids: readonly string[],
): Promise<(Fetched | undefined)[]> {
  const names = ids.map((id) => keys.session(id).record);
  const held = names.map((name) => {
    const known = engine.places.get(name);
    return known?.record && { place: known.place, record: known.record };
  });
  const fields = await (engine.connection.isCluster
    ? fetchEach(engine, names)
    : fetchAll(
        engine,
        names,
        held.map((known) => known?.place ?? ""),
      ));
  return ids.map((id, index) => {
    const [text = "", place = ""] = fields[index] ?? [];
    const key = names[index] ?? "";
    const known = held[index];
    if (known && (place === "=" || place === known.place)) return known;
    if (text === "") {
      engine.places.delete(key);
      return undefined;
    }
    const record = decodeRecord(text, id, NAME);
    if (text.length > MAX_KEPT_CHARACTERS) engine.places.set(key, { place });
    else engine.places.set(key, { place, record, expiresAt: endOf(place) });
    return { record, place };
  });
}

/** Most places name no end, and to look for its name takes less than to parse them. */
function endOf(place: string): number | undefined {
  return place.includes("expiresAt") ? decodePlace(place)?.expiresAt : undefined;
}

async function fetchEach({ connection }: Engine, names: readonly string[]): Promise<string[][]> {
  const replies: Reply[] = await connection.send(names.map((name) => command("HMGET", name, "r", "p")));
  return replies.map((reply) => toList(replyValue(reply)).map(toText));
}

async function fetchAll(
  { connection }: Engine,
  names: readonly string[],
  places: readonly string[],
): Promise<string[][]> {
  const calls: ScriptCall[] = [];
  for (let start = 0; start < names.length; start += FETCH_AT_ONCE) {
    const end = start + FETCH_AT_ONCE;
    calls.push({ script: SCRIPT, keys: names.slice(start, end), args: places.slice(start, end) });
  }
  const replies = await runScripts(connection, calls);
  const flat = replies.flatMap((reply) => toList(replyValue(reply)).map(toText));
  return names.map((_, index) => flat.slice(index * 2, index * 2 + 2));
}

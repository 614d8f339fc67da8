/**
 * @module
 * Reads a session's log from its stream.
 */
import type { Entry } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import { decodeEntry } from "../../store/codec.ts";
import type { ReadRange } from "../../store/store.ts";
import type { Connection } from "./client.ts";
import { ask, command } from "./engine.ts";
import { NAME, toList, toText } from "./replies.ts";

/** Entries that one command asks for: Redis does nothing else meanwhile. */
const READ_AT_ONCE = 256;

/**
 * @param key the stream.
 * @throws STORE_CORRUPT where an entry is missing or can't be read.
 */
export async function readEntries(
  connection: Connection,
  key: string,
  sessionId: string,
  { after, upTo = Number.POSITIVE_INFINITY, limit, reverse = false, types }: ReadRange,
): Promise<Entry[]> {
  const found: Entry[] = [];
  let low = Math.max(0, Math.floor(after)) + 1;
  let high = Math.floor(upTo);
  let next: number | undefined;
  // Most entries are of the types that are asked for. Where they aren't, each page is twice the one before.
  let size = types ? limit * 2 : limit;
  while (found.length < limit && low <= high && types?.length !== 0) {
    const count = Math.min(READ_AT_ONCE, types ? size : limit - found.length);
    size *= 2;
    const [from, to] = [`${low}-0`, Number.isSafeInteger(high) ? `${high}-0` : "+"];
    const range = reverse ? ["XREVRANGE", to, from] : ["XRANGE", from, to];
    const [name = "", first = "", last = ""] = range;
    const page = toList(
      await ask(connection, command(name, key, first, last, "COUNT", String(count)), sessionId),
    );
    for (const item of page) {
      const entry = entryOf(item, sessionId);
      if (next !== undefined && entry.seq !== next) throw gap(next, sessionId);
      next = entry.seq + (reverse ? -1 : 1);
      if (found.length < limit && (!types || types.includes(entry.type))) found.push(entry);
    }
    if (page.length < count || next === undefined) break;
    if (reverse) high = next;
    else low = next;
  }
  return found;
}

/**
 * The entries of one stretch of a stream, in ascending order.
 *
 * @param next the position that the first one must have, where that is known.
 * @throws STORE_CORRUPT where an entry is missing or can't be read.
 */
export function decodePage(page: readonly unknown[], sessionId: string, next?: number): Entry[] {
  let expected = next;
  return page.map((item) => {
    const entry = entryOf(item, sessionId);
    if (expected !== undefined && entry.seq !== expected) throw gap(expected, sessionId);
    expected = entry.seq + 1;
    return entry;
  });
}

/** An entry as one text: a line of JSON for all but its data, then that. */
export function entryText({ type, at, text, commit }: Entry, id: string | undefined, data: string): string {
  return `${JSON.stringify([type, at, id ?? null, text ?? null, commit ?? null])}\n${data}`;
}

function entryOf(item: unknown, sessionId: string): Entry {
  const [position, fields] = toList(item);
  const seq = Number.parseInt(toText(position), 10);
  const held = toText(toList(fields)[1]);
  const endOfHeader = held.indexOf("\n");
  const [type, at, id, text, commit] = headerOf(held.slice(0, Math.max(0, endOfHeader)), seq, sessionId);
  const row = { seq, type: String(type), at: Number(at), data: held.slice(endOfHeader + 1) };
  return decodeEntry(
    { ...row, id: textOrNull(id), text: textOrNull(text), commit: textOrNull(commit) },
    sessionId,
    NAME,
  );
}

function headerOf(text: string, seq: number, sessionId: string): unknown[] {
  try {
    const header: unknown = JSON.parse(text);
    if (Array.isArray(header) && header.length >= 5) return header;
  } catch (error) {
    throw corrupt(`entry ${seq}`, "has no header", sessionId, error);
  }
  throw corrupt(`entry ${seq}`, "has no header", sessionId);
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function gap(seq: number, sessionId: string): HoldfastError {
  return corrupt(`entry ${seq}`, "is missing", sessionId);
}

function corrupt(what: string, why: string, sessionId: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    "STORE_CORRUPT",
    `${what} of session ${JSON.stringify(sessionId)} ${why} in Redis, so another program changed it; nothing was changed: restore a backup, or run "holdfast doctor"`,
    { sessionId, store: NAME, cause },
  );
}

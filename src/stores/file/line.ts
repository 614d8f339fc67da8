/**
 * @module
 * One line of a log: one commit, as JSON that people and `jq` can read, closed by a checksum.
 *
 * `{"version":2,"seq":4,"entries":[{"type":"message","at":1,"commit":"…","data":{…}}],"crc":123}`
 *
 * `version` and `seq`, the position of the first entry, stand first, so that a search by position reads nothing else.
 * An entry has an `id` where its caller gave it one. Every few kilobytes a line carries the `record` that it leads to.
 * `crc` is the CRC-32 of all bytes of the line before `,"crc"`.
 */
import { crc32 } from "node:zlib";
import type { Entry } from "../../log/entry.ts";
import { positionalId } from "../../log/entry.ts";
import type { SessionRecord } from "../../log/record.ts";
import { decodeValue, encodeValue, isPlainObject } from "../../log/values.ts";
import { callerId, decodeRecord } from "../../store/codec.ts";

export interface Line {
  readonly version: number;
  /** The position of the first entry. */
  readonly seq: number;
  readonly entries: readonly Entry[];
  readonly record?: SessionRecord;
}

export interface LineHead {
  readonly version: number;
  readonly seq: number;
}

const CLOSING = Buffer.from(',"crc":');
/** The longest that `,"crc":4294967295}` can be. */
const CLOSING_BYTES = 18;
const HEAD = /^\{"version":(\d{1,16}),"seq":(\d{1,16}),"entries":\[/;
/** As much of a line as {@link headOf} needs. */
export const HEAD_BYTES = 64;

/**
 * A line as far as it does not depend on what is written before it; {@link closeLine} makes it whole.
 *
 * @param data of each entry, as `encodeData` makes it.
 */
export function encodeLine(version: number, entries: readonly Entry[], data: readonly string[]): string {
  const encoded = entries.map((entry, index) => encodeEntry(entry, data[index] ?? "null"));
  return `{"version":${version},"seq":${entries[0]?.seq ?? 0},"entries":[${encoded.join(",")}]`;
}

/** The whole line with its newline; with the `record`, as `encodeRecord` makes it, where it is to carry one. */
export function closeLine(line: string, record?: string): string {
  const body = record === undefined ? line : `${line},"record":${record}`;
  return `${body},"crc":${crc32(body)}}\n`;
}

function encodeEntry(entry: Entry, data: string): string {
  const id = callerId(entry);
  const field = (name: string, value: string | undefined): string =>
    value === undefined ? "" : `"${name}":${JSON.stringify(value)},`;
  return `{${field("id", id)}${field("type", entry.type)}"at":${entry.at},${field("text", entry.text)}${field("commit", entry.commit)}"data":${data}}`;
}

/** What `bytes`, a line without its newline, holds; `undefined` where it is not what was written. */
export function decodeLine(bytes: Buffer, store: string): Line | undefined {
  const body = bodyOf(bytes);
  const value = body === undefined ? undefined : parse(body);
  if (!isPlainObject(value)) return undefined;
  const { version, seq, entries, record } = value;
  if (typeof version !== "number" || typeof seq !== "number" || !Array.isArray(entries)) return undefined;
  const decoded: Entry[] = [];
  for (const item of entries) {
    const entry = toEntry(item, seq + decoded.length);
    if (!entry) return undefined;
    decoded.push(entry);
  }
  if (record === undefined) return { version, seq, entries: decoded };
  const { id } = isPlainObject(record) ? record : {};
  return { version, seq, entries: decoded, record: decodeRecord(encodeValue(record), String(id), store) };
}

/** The JSON of a line without its checksum; `undefined` where it has none or does not fit it. */
export function bodyOf(bytes: Buffer): string | undefined {
  const from = Math.max(0, bytes.length - CLOSING_BYTES);
  const end = bytes.subarray(from).lastIndexOf(CLOSING);
  if (end < 0) return undefined;
  const crc = /^(\d{1,10})\}$/.exec(bytes.toString("latin1", from + end + CLOSING.length))?.[1];
  if (crc === undefined || Number(crc) !== crc32(bytes.subarray(0, from + end))) return undefined;
  return `${bytes.toString("utf8", 0, from + end)}}`;
}

function parse(text: string): unknown {
  try {
    return decodeValue(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function toEntry(value: unknown, seq: number): Entry | undefined {
  if (!isPlainObject(value)) return undefined;
  const { id = positionalId(seq), type, at, data, text, commit } = value;
  if (typeof id !== "string" || typeof type !== "string" || typeof at !== "number" || !isType(type))
    return undefined;
  return {
    seq,
    id,
    type,
    data,
    at,
    ...(typeof text === "string" && { text }),
    ...(typeof commit === "string" && { commit }),
  };
}

function isType(type: string): type is Entry["type"] {
  return type !== "";
}

/** Version and position of a line, read from its first bytes; `undefined` where they are not those of a line. */
export function headOf(bytes: Buffer): LineHead | undefined {
  const [, version, seq] = HEAD.exec(bytes.toString("latin1", 0, HEAD_BYTES)) ?? [];
  return version === undefined || seq === undefined
    ? undefined
    : { version: Number(version), seq: Number(seq) };
}

/** Whether a line can hold an entry of one of `types`: where not, it need not be decoded. */
export function mayHold(bytes: Buffer, types: readonly string[]): boolean {
  return types.some((type) => bytes.includes(`"type":${JSON.stringify(type)},`));
}

/** Whether a line can hold an entry with its caller's id. */
export function mayHoldIds(bytes: Buffer): boolean {
  return bytes.includes('{"id":');
}

/**
 * @module
 * Records and entries as text and back, in one place for every engine that keeps text.
 */
import type { Entry } from "../log/entry.ts";
import { positionalId } from "../log/entry.ts";
import { HoldfastError, messageOf } from "../log/errors.ts";
import { evolveAll } from "../log/evolve.ts";
import type { SessionRecord } from "../log/record.ts";
import { EMPTY_CONVERSATION, NO_USAGE } from "../log/record.ts";
import { byteLength, decodeValue, encodeValue, freeze, isPlainObject, knownText } from "../log/values.ts";
import type { StoreCapabilities } from "./store.ts";

/** What most records hold, so that it need not be stored with each. */
const DEFAULTS: ReadonlyMap<string, unknown> = new Map(
  Object.entries({
    namespace: "",
    kind: "session",
    status: "active",
    lineage: Object.freeze([]),
    metadata: Object.freeze({}),
    usage: NO_USAGE,
    dataVersion: 1,
    ...EMPTY_CONVERSATION,
  }),
);

/** The record as JSON text; what has its usual value is left out. No key of a record needs escaping. */
export function encodeRecord(record: SessionRecord): string {
  let text = "";
  const values: unknown[] = Object.values(record);
  Object.keys(record).forEach((key, index) => {
    const value = values[index];
    if (!isDefault(key, value)) text += `${text === "" ? "{" : ","}"${key}":${encodeField(value)}`;
  });
  return `${text}}`;
}

/** A record is made text of with each commit, and nearly all that it holds is a string or a whole number. */
function encodeField(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return Number.isSafeInteger(value) && value !== 0 ? String(value) : encodeValue(value);
}

/**
 * The record that {@link encodeRecord} made `text` of, deep-frozen.
 *
 * @throws STORE_CORRUPT naming the session where `text` is no record.
 */
export function decodeRecord(text: string, sessionId: string, store: string): SessionRecord {
  const value = decode(text, `the record of session ${JSON.stringify(sessionId)}`, sessionId, store);
  if (isRecord(value)) return freeze(value);
  throw new HoldfastError(
    "STORE_CORRUPT",
    `the record of session ${JSON.stringify(sessionId)} is not a record; run "holdfast doctor"`,
    { sessionId, store },
  );
}

function isRecord(value: unknown): value is SessionRecord {
  if (!isPlainObject(value) || typeof value.id !== "string" || typeof value.version !== "number")
    return false;
  for (const [key, usual] of DEFAULTS) if (!Object.hasOwn(value, key)) value[key] = usual;
  return typeof value.seq === "number";
}

function isDefault(key: string, value: unknown): boolean {
  if (value === undefined) return true;
  const usual = DEFAULTS.get(key);
  if (usual === undefined) return false;
  if (usual === value) return true;
  return isEmpty(usual) && isEmpty(value);
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** The data of an entry as JSON text. */
export function encodeData({ type, data }: Entry): string {
  return (type === "message" && encodeMessage(data)) || encodeValue(data ?? null);
}

/** A message is most of its entry's data, and was made text of when it was copied from its caller. */
function encodeMessage(data: unknown): string | undefined {
  if (!isPlainObject(data) || Object.keys(data)[0] !== "message") return undefined;
  const text = knownText(data.message);
  return text && `{"message":${text}${encodeValue({ ...data, message: 0 }).slice('{"message":0'.length)}`;
}

/** The entry whose data was stored as `text`. `id` null or undefined: it had none of its caller's. */
export function decodeEntry(
  row: {
    seq: number;
    id?: string | null;
    type: string;
    at: number;
    text?: string | null;
    commit?: string | null;
    data: string;
  },
  sessionId: string,
  store: string,
): Entry {
  const what = `entry ${row.seq} of session ${JSON.stringify(sessionId)}`;
  if (!isEntryType(row.type)) throw corrupt(what, sessionId, store, "it has no type");
  return {
    seq: row.seq,
    id: row.id ?? positionalId(row.seq),
    type: row.type,
    data: decode(row.data, what, sessionId, store),
    at: row.at,
    ...(row.text !== null && row.text !== undefined && { text: row.text }),
    ...(row.commit !== null && row.commit !== undefined && { commit: row.commit }),
  };
}

/** The id of an entry where its caller gave it one; engines index no other. */
export function callerId(entry: Entry): string | undefined {
  return entry.id === positionalId(entry.seq) ? undefined : entry.id;
}

/**
 * Refuses a commit with an entry past the store's limit.
 *
 * @throws ENTRY_TOO_LARGE
 */
export function checkSize(
  text: string,
  sessionId: string,
  store: string,
  { maxEntryBytes }: StoreCapabilities,
): void {
  if (text.length * 3 <= maxEntryBytes) return;
  const bytes = byteLength(text);
  if (bytes <= maxEntryBytes) return;
  throw new HoldfastError(
    "ENTRY_TOO_LARGE",
    `an entry for session ${JSON.stringify(sessionId)} is ${bytes} bytes and the ${store} store takes at most ${maxEntryBytes}; split it, or keep the large part elsewhere and store a reference`,
    { sessionId, store },
  );
}

/** The newest record: one that a crash may have left behind, brought up to date by the entries past it. */
export function heal(
  record: SessionRecord | undefined,
  entries: readonly Entry[],
): SessionRecord | undefined {
  const after = record?.seq ?? -1;
  return evolveAll(
    record,
    entries.filter((entry) => entry.seq > after),
  );
}

function isEntryType(type: string): type is Entry["type"] {
  return type !== "";
}

function decode(text: string, what: string, sessionId: string, store: string): unknown {
  try {
    return decodeValue(text);
  } catch (error) {
    throw corrupt(what, sessionId, store, messageOf(error), error);
  }
}

function corrupt(
  what: string,
  sessionId: string,
  store: string,
  why: string,
  cause?: unknown,
): HoldfastError {
  return new HoldfastError(
    "STORE_CORRUPT",
    `${what} can't be read from the ${store} store: ${why}; nothing was changed, run "holdfast doctor"`,
    { sessionId, store, cause },
  );
}
